"""The presence of occupants as who enters sees it: always as it is now, but made once."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid
from xmppd.plugins.muc.room import hats
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.hats import Hat, Hats
from xmppd.plugins.muc.room.presenting import as_seen, presence_of
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member, Occupant, Room, Service

ROOM = Jid.parse("coven@chat.shakespeare.lit")
ROMEO = Jid.parse("romeo@example.org/orchard")


class Seen(SynchronousTestCase):
    def setUp(self) -> None:
        self.room = Room(Service(Jid.parse("chat.shakespeare.lit"), b"secret"), ROOM, 1, RoomConfig(), 0.0)
        self.occupant = Occupant(self.room, "romeo", ROMEO.bare, Role.PARTICIPANT)
        self.occupant.seat(ROMEO, b"<show>away</show>")

    def check(self, full: bool = False) -> bytes:
        """Return the presence, which is as if it were made anew."""
        seen = as_seen(self.room, self.occupant, full=full)
        fresh = presence_of(self.room, self.occupant, full=full)
        self.assertEqual(seen.to_bytes(), fresh.to_bytes())
        self.assertEqual(seen.names, fresh.names)
        return seen.to_bytes()

    def test_made_once(self) -> None:
        first, second = (as_seen(self.room, self.occupant, full=False) for _ in range(2))
        self.assertIs(first.payload, second.payload)
        self.assertIs(first.raw_names, second.raw_names)
        self.assertIsNot(first, second)  # each becomes part of the unit of work in which it is sent

    def test_as_it_is_now(self) -> None:
        changes: tuple[Callable[[], object], ...] = (
            lambda: self.occupant.seat(ROMEO, b"<show>dnd</show>"),
            lambda: setattr(self.occupant, "role", Role.MODERATOR),
            lambda: self.room.members.update({ROMEO.bare: Member(Affiliation.ADMIN)}),
            lambda: hats.keep(self.room, Hats({"urn:x": Hat("Lover")}, {str(ROMEO.bare): ("urn:x",)})),
            lambda: setattr(self.occupant, "jid", ROOM.with_resource("montague")),
        )
        before = self.check()
        for change in changes:
            change()
            now = self.check()
            self.assertNotEqual(now, before)
            before = now

    def test_who_sees_addresses(self) -> None:
        self.assertNotIn(b"example.org", self.check())
        self.assertIn(b"example.org/orchard", self.check(full=True))
        self.occupant.seat(Jid.parse("romeo@example.org/balcony"), b"")
        self.assertIn(b"example.org/balcony", self.check(full=True))
        self.assertNotIn(b"example.org", self.check())
