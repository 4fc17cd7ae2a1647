"""Rooms while the database can't be written: nobody is told of what is not stored, and nobody stays who has left."""

from __future__ import annotations

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase

_LONG = 120.0  # seconds after which what is to be stored is refused


class FullDisk(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.make_room(self.romeo, persistent=True)
        self.romeo.clear()
        self.juliet.clear()

    def fill(self) -> None:
        """Fill the disk, and let time pass."""
        self.disk.broken = "no space left on device"
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'><show>away</show></presence>")
        self.romeo.expect_nothing()
        for _ in range(4):
            self.pump(_LONG / 4)
        self.romeo.clear()

    def test_nothing_is_told_before_it_is_stored(self) -> None:
        self.disk.stopped = True
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.romeo.expect_nothing()
        self.juliet.expect_nothing()
        self.disk.go_on()
        self.assertEqual(len(self.romeo.received), 1)
        self.assertEqual(len(self.juliet.received), 3)

    def test_who_is_refused_is_not_in_the_room(self) -> None:
        self.fill()
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.assertIn("resource-constraint", self.juliet.received[-1])
        self.assertEqual(self.nicks(), ["Romeo"])
        self.flushWarnings()

    def test_who_leaves_is_gone(self) -> None:
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()
        self.fill()
        self.juliet.send(f"<presence to='{GARDEN}' type='unavailable'/>")
        self.assertEqual(self.nicks(), ["Romeo"])
