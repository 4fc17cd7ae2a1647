"""XEP-0045, 7.2.13 to 7.2.15: discussion history, and each way to limit it."""

from __future__ import annotations

from tests.plugins.muc.coven import ROOM, CovenTestCase, error, joining
from xmppd.testing import Client


class HistoryTestCase(CovenTestCase):
    """Messages 0 to 4 were said at noon and each minute after it; now it is five past twelve."""

    SAID = 5

    def setUp(self) -> None:
        super().setUp()
        self.create()
        for number in range(self.SAID):
            self.say(str(number))
            self.pump(60)
        self.crone.clear()
        self.reader = self.hag()

    def say(self, body: str, inside: str = "") -> None:
        self.crone.send(f"<message to='{ROOM}' type='groupchat' id='m{body}'><body>{body}</body>{inside}</message>")

    def past(self, limits: str | None, client: Client | None = None) -> list[str]:
        """Enter, leave, and return what was shown of the past, as XML."""
        client = client or self.reader
        client.send(joining("thirdwitch", "" if limits is None else f"<history {limits}/>"))
        shown = [xml for xml in client.received if xml.startswith("<message") and "<body" in xml]
        client.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
        client.clear()
        return shown

    def bodies(self, limits: str | None) -> str:
        """Return the bodies of the past, in order."""
        return "".join(xml.partition("<body>")[2].partition("</body>")[0] for xml in self.past(limits))


class Limits(HistoryTestCase):
    def test_each(self) -> None:
        """One row of the table of attributes after the other, and all of them together."""
        for limits, wanted in {
            None: "01234",
            "": "01234",
            "maxstanzas='0'": "",
            "maxstanzas='1'": "4",
            "maxstanzas='3'": "234",
            "maxstanzas='1000000'": "01234",
            "maxchars='0'": "",
            "maxchars='1'": "",
            "maxchars='65000'": "01234",
            "seconds='0'": "",
            "seconds='59'": "",
            "seconds='60'": "4",
            "seconds='180'": "234",
            "seconds='1000000000'": "01234",
            "since='1970-01-01T00:00:00Z'": "01234",
            "since='2026-01-01T12:03:00Z'": "34",
            "since='2026-01-01T12:03:00.001Z'": "4",
            "since='2026-01-01T13:03:00+01:00'": "34",
            "since='2030-01-01T00:00:00Z'": "",
            "maxstanzas='2' seconds='180'": "34",
            "maxstanzas='3' seconds='60'": "4",
            "seconds='60' since='1970-01-01T00:00:00Z'": "4",
            "seconds='600' since='2026-01-01T12:04:00Z'": "4",
            "maxchars='0' maxstanzas='20' seconds='180' since='1970-01-01T00:00:00Z'": "",
        }.items():
            self.assertEqual(self.bodies(limits), wanted, limits)

    def test_characters(self) -> None:
        """As many complete stanzas as fit, counted as they come, the newest of all."""
        sizes = [len(xml) for xml in self.past(None)]
        self.assertEqual(len(sizes), self.SAID)
        for count in range(1, self.SAID + 1):
            newest = sizes[-count:]
            self.assertEqual(len(self.past(f"maxchars='{sum(newest)}'")), count)
            self.assertEqual(len(self.past(f"maxchars='{sum(newest) - 1}'")), count - 1)

    def test_characters_are_no_octets(self) -> None:
        self.say("\u2620" * 1000)
        longest = self.past("maxstanzas='1'")[0]
        self.assertEqual(len(self.past(f"maxchars='{len(longest)}'")), 1)

    def test_what_is_no_limit(self) -> None:
        for limits in ("maxstanzas='many'", "maxstanzas='-1'", "seconds='1.5'", "maxchars=''", "since='yesterday'"):
            self.reader.send(joining("thirdwitch", f"<history {limits}/>", id="h"))
            self.reader.expect(
                f"<presence type='error' id='h' from='{ROOM}/thirdwitch'>{{...}}"
                f"{error('modify', 'bad-request')}</presence>"
            )
            self.reader.expect_nothing()
        self.crone.expect_nothing()

    def test_rooms_own_limit(self) -> None:
        self.crone.send(
            f"<iq type='set' id='c' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
            "<field var='muc#maxhistoryfetch'><value>2</value></field></x></query></iq>"
        )
        self.crone.expect("<iq type='result' id='c'/>")
        self.assertEqual(self.bodies(None), "34")
        self.assertEqual(self.bodies("maxstanzas='20'"), "34")
        self.assertEqual(self.bodies("maxstanzas='1'"), "4")


class History(HistoryTestCase):
    SAID = 1

    def test_stamp(self) -> None:
        """7.2.13: each message is stamped with the time it was sent, by the room."""
        self.reader.send(joining("thirdwitch"))
        shown = next(xml for xml in self.reader.received if "<body" in xml)
        self.assertRegex(shown, rf"<delay [^>]*from=.{ROOM}. ")
        self.assertRegex(shown, r"stamp=.2026-01-01T12:00:00(\.0+)?Z.")
        self.assertEqual(shown.count("<delay "), 1)

    def test_own_stamp_is_no_forgery(self) -> None:
        """What somebody stamps in the name of the room is not passed on (XEP-0203)."""
        self.say("old", f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2001-01-01T00:00:00Z'/>")
        self.assertNotIn("2001", "".join(self.crone.received))
        self.assertNotIn("2001", "".join(self.past(None)))

    def test_subject_is_no_history(self) -> None:
        """7.2.13: neither the subject nor those before it are a part of it."""
        for subject in ("Spells", "Charms"):
            self.crone.send(f"<message to='{ROOM}' type='groupchat'><subject>{subject}</subject></message>")
        self.reader.send(joining("thirdwitch"))
        seen = "".join(self.reader.received)
        self.assertEqual(seen.count("<subject>"), 1)
        self.assertNotIn("Spells", seen)
        self.assertGreater(seen.index("Charms"), seen.index("<body>0</body>"))

    def test_private_messages_are_no_history(self) -> None:
        wicca = self.wicca()
        self.enter(wicca, "secondwitch")
        self.crone.send(f"<message to='{ROOM}/secondwitch' type='chat'><body>psst</body></message>")
        self.assertNotIn("psst", "".join(self.past(None)))

    def test_who_said_it_may_be_gone(self) -> None:
        wicca = self.wicca()
        self.enter(wicca, "secondwitch")
        wicca.send(f"<message to='{ROOM}' type='groupchat'><body>Farewell</body></message>")
        wicca.send(f"<presence to='{ROOM}/secondwitch' type='unavailable'/>")
        shown = self.past("maxstanzas='1'")[0]
        self.assertIn(f"{ROOM}/secondwitch", shown)
        self.assertIn("Farewell", shown)

    def test_subject_survives(self) -> None:
        """7.2.15: who comes later is told who has set it, and when, whatever has happened to the server since then."""
        self.configure(persistentroom="1")
        self.crone.send(f"<message to='{ROOM}' type='groupchat' id='s'><subject>Spells</subject></message>")
        self.pump(60)
        self.kill()
        reader = self.hag()
        reader.send(joining("thirdwitch", "<history maxchars='0'/>"))
        reader.take()
        reader.expect(
            f"<message from='{ROOM}/firstwitch' type='groupchat'><subject>Spells</subject>{{...}}"
            f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2026-01-01T12:01:00.000Z'/></message>"
        )
        reader.expect_nothing()
