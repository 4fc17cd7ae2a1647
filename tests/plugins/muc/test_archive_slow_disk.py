"""Archives of rooms while the disk is slow, or the server killed: what anybody has seen is there."""

from __future__ import annotations

from tests.plugins.muc.kit import GARDEN, JOIN
from tests.plugins.muc.reading import MAM, ReadingTestCase, body
from xmppd.wire.xml import parse

RETRACT = "urn:xmpp:message-retract:1"
OWNER = "http://jabber.org/protocol/muc#owner"


def said(text: str, inside: str = "") -> str:
    """Return a message to the room."""
    return f"<message to='{GARDEN}' type='groupchat' id='{text}'><body>{text}</body>{inside}</message>"


class SlowDisk(ReadingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(self.juliet, "Juliet")
        self.pump(1)
        self.romeo.clear()
        self.juliet.clear()

    def back(self) -> list[str]:
        """Start again after a kill; return what is in the archive."""
        self.kill()
        self.pump(6)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        return self.texts(self.romeo)

    def test_nobody_sees_what_is_not_on_disk(self) -> None:
        self.disk.stopped = True
        self.romeo.send(said("lost"))
        self.romeo.expect_nothing()
        self.juliet.expect_nothing()
        self.assertEqual(self.back(), [])

    def test_on_disk_but_nobody_was_told(self) -> None:
        self.disk.stopped = True
        self.romeo.send(said("kept"))
        self.disk.let_unseen()
        self.assertEqual(self.back(), ["kept"])

    def test_whoever_has_seen_something_finds_it(self) -> None:
        """However far the disk has got when the server is killed."""
        for count in range(4):
            self.disk.stopped = True
            for number in range(4):
                self.romeo.send(said(f"{count}.{number}"))
                self.clock.advance(0)
            for _ in range(count):
                if self.disk.waiting:
                    self.disk.let(1)
                    self.clock.advance(0)
            seen = [parse(xml.encode())[0] for xml in self.juliet.received]
            there = self.back()
            self.assertLessEqual({str(e.firstChildElement()) for e in seen}, set(there))
            self.assertEqual(len(there), len(set(there)))
            self.enter(self.romeo, "Romeo")
            self.juliet = self.login("juliet@example.org/x", presence=True)
            self.enter(self.juliet, "Juliet")
            self.romeo.clear()

    def test_query_waits_for_what_was_said(self) -> None:
        self.disk.stopped = True
        query = f"<iq type='set' id='q' to='{GARDEN}'><query xmlns='{MAM}'/></iq>"
        self.romeo._write((said("one") + query).encode())
        self.romeo.expect_nothing()
        self.disk.go_on()
        self.pump(1)
        found = [parse(xml.encode())[0] for xml in self.romeo.received]
        self.assertEqual([e.name for e in found], ["message", "message", "iq"])
        self.assertEqual(body(next(found[1].elements())), "one")

    def test_first_message_is_retracted_at_once(self) -> None:
        """Before the room has a number among those who have an archive."""
        self.disk.stopped = True
        self.romeo._write(said("one").encode())
        archive = self.plugin("muc").archive
        id_ = archive._archives.ids.text(archive._archives._last_id)
        retract = f"<retract xmlns='{RETRACT}' id='{id_}'/>"
        self.romeo._write(f"<message to='{GARDEN}' type='groupchat' id='r'>{retract}</message>".encode())
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(self.texts(self.romeo), ["retracted", "retract"])

    def test_room_made_again_before_the_old_one_is_gone(self) -> None:
        self.say(self.romeo, "before")
        self.disk.stopped = True
        destroy = f"<iq type='set' id='d' to='{GARDEN}'><query xmlns='{OWNER}'><destroy/></query></iq>"
        self.romeo._write((said("old") + destroy).encode())
        self.romeo._write(f"<presence to='{GARDEN}/Romeo'>{JOIN}</presence>".encode())
        confirm = f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>"
        self.romeo._write(f"<iq type='set' id='c' to='{GARDEN}'>{confirm}</iq>".encode())
        self.romeo._write(said("new").encode())
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(self.texts(self.romeo), ["new"])
        self.assertEqual(self.count(), 1)
