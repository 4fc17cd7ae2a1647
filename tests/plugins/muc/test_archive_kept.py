"""How long archives of rooms are kept, what is left of messages that were taken back, and what somebody has said."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy.dialects import sqlite

from tests.plugins.muc.kit import GARDEN, JOIN
from tests.plugins.muc.reading import MESSAGES, ReadingTestCase, field, forwarded
from xmppd.api import OperationError
from xmppd.api.operations import operations_of
from xmppd.plugins.muc.room.outcome import Configured
from xmppd.plugins.muc.service.archive_tables import BY_AUTHOR
from xmppd.wire.delay import format_datetime
from xmppd.wire.jid import Jid

DAY = 86_400.0
PATIENT: Any = {"idle_ping_seconds": 1e9}
RETRACT = "urn:xmpp:message-retract:1"
MODERATE = "urn:xmpp:message-moderate:1"


class ByAge(ReadingTestCase):
    config: ClassVar[Any] = {"muc": {"archive_days": 7}, "limits": PATIENT}

    def test_oldest_go(self) -> None:
        self.say(self.romeo, "one")
        self.clock.advance(4 * DAY)
        self.say(self.romeo, "two")
        self.pump(3.5 * DAY, step=600)
        self.assertEqual(self.texts(self.romeo), ["two"])
        self.assertEqual(self.count(), 1)

    def test_those_of_one_room(self) -> None:
        self.make_room(self.romeo, room="other@conference.example.org", persistent=True)
        self.made.config = self.made.config.changed({"archive_days": 2})
        self.apply(self.made, Configured(self.made.config))
        for room in (GARDEN, "other@conference.example.org"):
            self.say(self.romeo, "one", room=room)
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(3 * DAY, step=600)
        self.assertEqual(self.texts(self.romeo), [])
        self.assertEqual(self.texts(self.romeo, room="other@conference.example.org"), ["one"])


class ByCount(ReadingTestCase):
    config: ClassVar[Any] = {"muc": {"archive_messages": 5, "archive_days": 0}, "limits": PATIENT}

    def test_oldest_go(self) -> None:
        self.say(self.romeo, *(str(number) for number in range(8)))
        self.pump(601, step=100)
        self.assertEqual(self.texts(self.romeo), ["3", "4", "5", "6", "7"])
        self.say(self.romeo, "8")
        self.pump(601, step=100)
        self.assertEqual(self.texts(self.romeo), ["4", "5", "6", "7", "8"])


class OfOneRoom(ReadingTestCase):
    options: ClassVar[Any] = {"archive_messages": 3}

    def test_oldest_go(self) -> None:
        self.say(self.romeo, *(str(number) for number in range(5)))
        self.pump(601, step=100)
        self.assertEqual(self.texts(self.romeo), ["2", "3", "4"])

    def test_whatever_has_set_it(self) -> None:
        """What the operator forces on rooms comes into force when somebody speaks."""
        room = self.room()
        self.say(self.romeo, *(str(number) for number in range(5)))
        room.config = room.config.changed({"archive_messages": 1})
        self.say(self.romeo, "5")
        self.pump(601, step=100)
        self.assertEqual(self.texts(self.romeo), ["5"])


class WithoutArchive(ReadingTestCase):
    options: ClassVar[Any] = {"archive": False, "history": 3}

    def test_trimmed(self) -> None:
        """Nobody can read it, and no more is kept than the history needs."""
        self.say(self.romeo, *(str(number) for number in range(8)))
        self.refused(self.romeo, "service-unavailable")
        self.pump(601, step=100)
        self.assertEqual(self.count(), 3)
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.enter(self.romeo, "Romeo")
        self.say(self.romeo, "8")
        self.pump(601, step=100)
        self.assertEqual(self.count(), 3)
        self.apply(self.room(), self.config_of(archive=True))
        self.say(self.romeo, "9")
        self.pump(601, step=100)
        self.assertEqual(self.texts(self.romeo), ["6", "7", "8", "9"])

    def config_of(self, **options: Any) -> Configured:
        self.room().config = self.room().config.changed(options)
        return Configured(self.room().config)

    def test_switched_off(self) -> None:
        self.apply(self.room(), self.config_of(archive=True))
        self.say(self.romeo, *(str(number) for number in range(8)))
        self.pump(601, step=100)
        self.assertEqual(self.count(), 8)
        self.apply(self.room(), self.config_of(archive=False))
        self.pump(601, step=100)
        self.assertEqual(self.count(), 3)

    def test_without_history(self) -> None:
        """Messages have ids even so, by which they can be taken back; nothing is stored."""
        self.apply(self.room(), self.config_of(history=0))
        self.romeo.clear()
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>hi</body></message>")
        self.assertIn("<stanza-id", self.romeo.received[0])
        self.assertEqual(self.count(), 0)


class Tombstones(ReadingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(self.juliet, "Juliet")
        self.say(self.juliet, "one")
        self.say(self.romeo, "two")
        results, _ = self.ask(self.juliet)
        self.theirs, self.mine = (result["id"] for result in results)

    def retract(self, client: Any, id: str) -> None:
        retract = f"<retract xmlns='{RETRACT}' id='{id}'/>"
        client.send(f"<message to='{GARDEN}' type='groupchat' id='r'>{retract}</message>")

    def test_by_the_author(self) -> None:
        self.retract(self.juliet, self.theirs)
        self.assertEqual(self.texts(self.juliet), ["retracted", "two", "retract"])
        ((result, *_), _) = self.ask(self.juliet)
        message = forwarded(result)
        self.assertEqual((message["from"], message["id"], result["id"]), (f"{GARDEN}/Juliet", "one", self.theirs))
        names = [e.name for e in message.elements()]
        self.assertEqual(names, ["occupant-id", "retracted"])

    def test_of_others(self) -> None:
        """Not in the history, which would be looked at first, nor in the archive."""
        self.room().history.forget()
        self.retract(self.juliet, self.mine)
        self.assertEqual(self.texts(self.juliet)[:2], ["one", "two"])

    def test_under_another_nickname(self) -> None:
        self.juliet.send(f"<presence to='{GARDEN}/Jule'/>")
        self.room().history.forget()
        self.retract(self.juliet, self.theirs)
        self.assertEqual(self.texts(self.juliet)[0], "retracted")

    def test_words_are_gone(self) -> None:
        search = field("{urn:xmpp:fulltext:0}fulltext", "one")
        self.assertEqual(self.texts(self.juliet, search), ["one"])
        self.retract(self.juliet, self.theirs)
        self.assertEqual(self.texts(self.juliet, search), [])

    def test_by_a_moderator(self) -> None:
        for loaded in (True, False):
            self.say(self.juliet, "spam")
            if not loaded:
                self.room().history.forget()
            id_ = self.ask(self.juliet, page="<max>1</max><before/>")[0][0]["id"]
            moderate = f"<moderate xmlns='{MODERATE}' id='{id_}'><retract xmlns='{RETRACT}'/></moderate>"
            self.romeo.clear()
            self.romeo.send(f"<iq type='set' id='m' to='{GARDEN}'>{moderate}</iq>")
            self.assertIn("type='result'", "".join(self.romeo.received))
            ((left,), _) = self.ask(self.juliet, field("ids", id_))
            self.assertIn("moderated", left.toXml())
            self.assertNotIn("spam</body>", left.toXml())
        self.kill()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.assertEqual(self.texts(self.juliet), ["one", "two", "retracted", "retract", "retracted", "retract"])

    def test_what_the_room_says_is_nobodys(self) -> None:
        """A moderation comes from the room itself: no address is told with it."""
        moderate = f"<moderate xmlns='{MODERATE}' id='{self.theirs}'><retract xmlns='{RETRACT}'/></moderate>"
        self.romeo.send(f"<iq type='set' id='m' to='{GARDEN}'>{moderate}</iq>")
        ((_, _, said), _) = self.ask(self.romeo)
        message = forwarded(said)
        self.assertEqual(message["from"], GARDEN)
        self.assertEqual([e.name for e in message.elements() if e.name == "x"], [])

    def test_what_there_is_not(self) -> None:
        kept = self.plugin("muc").archive
        for id_ in ("nonsense", kept._archives.ids.text(5)):
            self.assertIsNone(self.wait(kept.find(self.room(), id_)))
            self.retract(self.juliet, id_)
        self.assertEqual(self.texts(self.juliet)[:2], ["one", "two"])


class ByAuthor(ReadingTestCase):
    def test_in_all_rooms(self) -> None:
        juliet = self.login("juliet@example.org/x", presence=True)
        other = "other@conference.example.org"
        made = self.make_room(self.romeo, room=other, persistent=True)
        self.enter(juliet, "Juliet")
        self.enter(juliet, "Jule", room=other)
        self.say(juliet, "old")
        self.clock.advance(60)
        since = self.clock.seconds()
        self.say(juliet, "spam")
        self.say(self.romeo, "no")
        self.say(juliet, "more", room=other)
        kept = self.plugin("muc").archive
        found = self.wait(kept.by_author(Jid.parse("juliet@example.org"), since))
        self.assertEqual(
            [(one.room, one.nick, one.message.body) for one in found],
            [(self.made.number, "Juliet", "spam"), (made.number, "Jule", "more")],
        )
        self.assertEqual(found[0].author, "juliet@example.org/x")
        self.assertGreaterEqual(found[0].at, since)
        same = self.wait(kept.find(self.made, found[0].id))
        self.assertEqual((same.nick, same.message.body), ("Juliet", "spam"))
        self.assertEqual(self.wait(kept.by_author(Jid.parse("nurse@example.org"), 0.0)), [])

    def test_index_is_used(self) -> None:
        query = str(BY_AUTHOR.compile(dialect=sqlite.dialect()))
        plan = self.wait(
            self.server.db.read(
                lambda c: [row[3] for row in c.exec_driver_sql("EXPLAIN QUERY PLAN " + query, (0, 0, 0)).all()]
            )
        )
        self.assertIn("SEARCH muc_archive_messages USING INDEX muc_archive_messages_owner (owner=? AND id>?)", plan)


class Operations(ReadingTestCase):
    def run_operation(self, name: str, **arguments: Any) -> Any:
        found = {operation.name: operation for operation in operations_of(self.plugin("muc"))}
        return self.wait(found[name].run({"room": GARDEN, **arguments}), 5)

    def test_count(self) -> None:
        empty = {"room": GARDEN, "messages": 0, "first": "", "last": ""}
        self.assertEqual(self.run_operation("room archive count"), empty)
        self.say(self.romeo, "one", "two")
        found = self.run_operation("room archive count")
        self.assertEqual(found["messages"], 2)
        self.assertLessEqual(found["first"], found["last"])

    def test_purge(self) -> None:
        self.say(self.romeo, "one")
        self.clock.advance(60)
        before = format_datetime(self.clock.seconds())
        self.clock.advance(60)
        self.say(self.romeo, "two")
        self.assertEqual(self.run_operation("room archive purge", before=before), "Deleted 1 message.")
        self.assertEqual(self.texts(self.romeo), ["two"])
        juliet = self.login("juliet@example.org/x", presence=True)
        juliet.clear()
        juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.pump(1)
        self.assertEqual([xml.count("<body>") for xml in juliet.received if "<body>" in xml], [1])
        self.assertEqual(self.run_operation("room archive purge"), "Deleted 1 message.")
        self.assertEqual(self.texts(self.romeo), [])
        with self.assertRaises(OperationError):
            self.run_operation("room archive purge", before="yesterday")


class Columns(ReadingTestCase):
    def test_author_is_searchable(self) -> None:
        self.say(self.romeo, "one")
        row = self.wait(self.server.db.read(lambda c: c.execute(MESSAGES.select()).one()._asdict()))
        self.assertEqual((row["address"], row["nick"]), ("romeo@example.org/orchard", "Romeo"))
        self.assertNotIn(b"romeo@", row["stanza"])
