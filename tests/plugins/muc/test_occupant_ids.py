"""XEP-0421: the ids themselves."""

from __future__ import annotations

import unittest

from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.state import Room, Service
from xmppd.wire.jid import Jid


def room(name: str = "coven", secret: bytes = b"a" * 32) -> Room:
    return Room(Service(Jid.parse("chat.shakespeare.lit"), secret), Jid.parse(f"{name}@chat.shakespeare.lit"), 1,
                RoomConfig(), 0.0)  # fmt: skip


HAG = Jid.parse("hag66@shakespeare.lit/pda")


class OccupantIds(unittest.TestCase):
    """XEP-0421, example 7: what an id depends on, and what not."""

    def test_stable(self) -> None:
        """By the bare address: with whichever device, and after a restart."""
        self.assertEqual(room().occupant_id(HAG), room().occupant_id(HAG.bare))
        self.assertEqual(room().occupant_id(HAG), room().occupant_id(HAG.with_resource("other")))

    def test_unique(self) -> None:
        """By person, room, and service; also where one address ends as the other begins."""
        ids = {
            room().occupant_id(HAG),
            room("heath").occupant_id(HAG),
            room(secret=b"b" * 32).occupant_id(HAG),
            room().occupant_id(Jid.parse("hag6@shakespeare.lit")),
        }
        self.assertEqual(len(ids), 4)

    def test_pseudonymous(self) -> None:
        """Not a part of the address is in it, and it is no longer than 128 characters."""
        found = room().occupant_id(HAG)
        self.assertNotIn("hag", found)
        self.assertTrue(20 <= len(found) <= 128)
