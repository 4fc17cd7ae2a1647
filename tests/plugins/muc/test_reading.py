"""Who may read the archive of a room, and whose addresses they see."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.muc.kit import GARDEN
from tests.plugins.muc.reading import ReadingTestCase, field
from xmppd.api import StanzaError
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.reading import Sees, check_reader, sees
from xmppd.plugins.muc.room.state import Member, Occupant, Room, Service
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@example.org/x")


def room(**options: Any) -> Room:
    service = Service(Jid.parse("conference.example.org"), bytes(32))
    return Room(service, Jid.parse(GARDEN), 1, RoomConfig().changed(options), 0.0)


def allowed(made: Room, affiliation: str, inside: bool = False) -> str:
    """Return the condition with which Juliet is refused, or ""."""
    made.members[JULIET.bare] = Member(Affiliation(affiliation))
    made.devices.clear()
    if inside:
        made.devices[JULIET] = Occupant(made, "Juliet", JULIET.bare, Role.VISITOR)
    try:
        check_reader(made, JULIET)
    except StanzaError as error:
        return error.condition.value
    return ""


class MayRead(SynchronousTestCase):
    def test_by_affiliation(self) -> None:
        """Section 6.1.2: whoever may enter at the time of the query."""
        no, gone = "forbidden", "service-unavailable"
        for options, expected in (
            ({}, [no, "", "", "", ""]),
            ({"members_only": True}, [no, no, "", "", ""]),
            ({"public_archive": False}, [no, no, "", "", ""]),
            ({"password": "x"}, [no, no, "", "", ""]),
            ({"archive": False}, [no, gone, gone, gone, gone]),
        ):
            found = [allowed(room(**options), affiliation) for affiliation in Affiliation]
            self.assertEqual(found, expected, options)

    def test_those_who_are_inside(self) -> None:
        for options in ({"public_archive": False}, {"password": "x"}):
            self.assertEqual(allowed(room(**options), "none", inside=True), "")

    def test_locked(self) -> None:
        made = room()
        made.locked = True
        self.assertEqual([allowed(made, one) for one in ("none", "admin", "owner")], ["item-not-found"] * 2 + [""])


class WhatIsSeen(SynchronousTestCase):
    def test_addresses(self) -> None:
        for anonymous, affiliation, role, expected in (
            (True, "none", None, Sees.NOBODYS),
            (True, "member", Role.PARTICIPANT, Sees.NOBODYS),
            (True, "none", Role.MODERATOR, Sees.ALL),
            (True, "admin", None, Sees.ALL),
            (True, "owner", None, Sees.ALL),
            (False, "none", None, Sees.KNOWN),
            (False, "none", Role.PARTICIPANT, Sees.KNOWN),
            (False, "owner", Role.MODERATOR, Sees.ALL),
        ):
            made = room(anonymous=anonymous)
            made.members[JULIET.bare] = Member(Affiliation(affiliation))
            if role is not None:
                made.devices[JULIET] = Occupant(made, "Juliet", JULIET.bare, role)
            self.assertIs(sees(made, JULIET), expected, (anonymous, affiliation, role))


class Addresses(ReadingTestCase):
    """In results: of whom, and to whom."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.enter(self.juliet, "Juliet")
        self.say(self.romeo, "one")

    def shown(self, client: Any) -> list[bool]:
        return ["romeo@" in result.toXml() for result in self.ask(client)[0]]

    def test_semi_anonymous(self) -> None:
        self.assertEqual(self.shown(self.romeo), [True])
        self.assertEqual(self.shown(self.juliet), [False])

    def test_made_non_anonymous(self) -> None:
        """Who spoke before did not know that everybody would be told."""
        self.room().config = self.room().config.changed({"anonymous": False})
        self.say(self.romeo, "two")
        self.assertEqual(self.shown(self.juliet), [False, True])
        self.assertEqual(self.shown(self.romeo), [True, True])
        self.assertEqual(self.texts(self.juliet, field("with", "romeo@example.org")), ["two"])
        self.room().config = self.room().config.changed({"anonymous": True})
        self.assertEqual(self.shown(self.juliet), [False, False])
        self.assertEqual(self.texts(self.juliet, field("with", "romeo@example.org")), [])

    def test_banned(self) -> None:
        self.room().members[Jid.parse("juliet@example.org")] = Member(Affiliation.OUTCAST)
        self.refused(self.juliet, "forbidden")

    def test_whom_the_operator_keeps_out(self) -> None:
        guard = self.plugin("muc").guard
        self.wait(guard.block(Jid.parse("juliet@example.org"), "spam"))
        self.refused(self.juliet, "forbidden")
        self.wait(guard.unblock(Jid.parse("juliet@example.org")))
        self.assertEqual(self.texts(self.juliet), ["one"])

    def test_who_was_never_there(self) -> None:
        nurse = self.login("nurse@example.org/x", presence=True)
        self.assertEqual(self.texts(nurse), ["one"])
        self.room().config = self.room().config.changed({"members_only": True})
        self.refused(nurse, "forbidden")

    def test_no_such_room(self) -> None:
        self.refused(self.romeo, "item-not-found", room="nowhere@conference.example.org")
