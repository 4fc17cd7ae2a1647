"""What one request may cost in a large room, however much it asks for: the rest is told at a pace."""

from __future__ import annotations

import unittest

from sqlalchemy import create_engine, event, select

from xmppd.api import Iq, Jid
from xmppd.plugins.muc.room import admin
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.outcome import Noted, Outcome
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Limits, Member, Occupant, Room, Service
from xmppd.plugins.muc.service import store
from xmppd.plugins.muc.service.tables import NOTES

OWNER = Jid.parse("owner@example.org/pda")
MANY, AT_ONCE, ITEMS = 200, 400, 50


def large(anonymous: bool) -> Room:
    """Return a room with many people in it."""
    service = Service(Jid.parse("rooms.example.org"), b"s" * 32, Limits(at_once=AT_ONCE))
    room = Room(service, Jid.parse("garden@rooms.example.org"), 1, RoomConfig(anonymous=anonymous), 0.0)
    room.members[OWNER.bare] = Member(Affiliation.OWNER)
    for number in range(MANY):
        device = Jid.parse(f"u{number}@example.org/pda")
        occupant = Occupant(room, f"u{number}", device.bare, Role.PARTICIPANT)
        occupant.seat(device, b"")
        room.occupants[occupant.nick] = room.devices[device] = occupant
    return room


def ask(room: Room, item: str) -> Outcome:
    """Have the owner change something for many people: the item names one by ``{n}``."""
    items = "".join(item.format(n=number) for number in range(ITEMS))
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{items}</query>"
    return admin.change(room, Iq(room.jid, OWNER, "1", "set", None, query.encode()), 1.0)


def stanzas(outcome: Outcome) -> int:
    return sum(len(tuple(recipients)) for _, recipients in outcome.sent)


class LargeRequests(unittest.TestCase):
    def check(self, room: Room, item: str) -> list[Outcome]:
        outcome = ask(room, item)
        # One act may go beyond; and each is about somebody who is told of it themselves.
        self.assertLess(stanzas(outcome), AT_ONCE + 2 * MANY + ITEMS)
        self.assertGreater(len(outcome.later), ITEMS // 2)
        told = [later() for later in outcome.later]
        self.assertLessEqual(max(map(stanzas, told)), MANY)
        return told

    def test_new_moderators(self) -> None:
        """Each is shown who all the others are (section 5.1.3), by and by."""
        room = large(anonymous=True)
        told = self.check(room, "<item nick='u{n}' role='moderator'/>")
        last = room.occupants[f"u{ITEMS - 1}"].device
        sent = [stanza for one in told for stanza, to in one.sent if last in to]
        shown = {stanza.from_ for stanza in sent if b"jid=" in stanza.payload}
        self.assertEqual(len(shown), MANY - 1)

    def test_who_is_moderator_no_more(self) -> None:
        """They learn nothing that they may not know by then."""
        room = large(anonymous=True)
        outcome = ask(room, "<item nick='u{n}' role='moderator'/>")
        for occupant in room.occupants.values():
            occupant.role = Role.PARTICIPANT
        told = [stanza for later in outcome.later for stanza, _ in later().sent]
        self.assertTrue(told)
        self.assertFalse([stanza for stanza in told if b"jid=" in stanza.payload])

    def test_new_admins(self) -> None:
        self.check(large(anonymous=True), "<item jid='u{n}@example.org' affiliation='admin'/>")

    def test_who_is_not_there(self) -> None:
        told = self.check(large(anonymous=False), "<item jid='n{n}@example.org' affiliation='member'/>")
        self.assertEqual({stanzas(one) for one in told}, {MANY})

    def test_bans(self) -> None:
        room = large(anonymous=True)
        self.check(room, "<item jid='u{n}@example.org' affiliation='outcast'/>")
        self.assertEqual(len(room.occupants), MANY - ITEMS)

    def test_what_is_written(self) -> None:
        """What a room notes of bans is written once for all of them."""
        engine = create_engine("sqlite://")
        self.addCleanup(engine.dispose)
        written: list[str] = []
        event.listen(engine, "before_cursor_execute", lambda *parts: written.append(parts[2]))
        key = store.Key(1, Jid.parse("garden@rooms.example.org"), 0.0, 1)
        changes = (Noted("a", "1"), Noted("b", "1"), Noted("a", "2"), Noted("a", "3"), Noted("b", None))
        with engine.begin() as connection:
            NOTES.create(connection)
            store.write(connection, key, changes)
            kept = connection.execute(select(NOTES.c.name, NOTES.c.value)).all()
        self.assertEqual([tuple(row) for row in kept], [("a", "3")])
        self.assertEqual(len([one for one in written if one.startswith("INSERT")]), 1)
