"""Quotas: what is asked for against what there is."""

from __future__ import annotations

import unittest

from xmppd.plugins.http_upload.quotas import Limits, Refused, Usage, ask, room_at

LIMITS = Limits(octets=1000, files=10, day_octets=500, day_files=5, open=3)


class AskTests(unittest.TestCase):
    def assertRefused(self, kind: str, octets: int, files: int, size: int, usage: Usage) -> None:
        refused = ask(size, usage, LIMITS)
        assert refused is not None
        self.assertEqual((refused.kind, refused.octets, refused.files), (kind, octets, files))
        self.assertTrue(refused.text)

    def test_room(self) -> None:
        self.assertIsNone(ask(500, Usage(), LIMITS))
        self.assertIsNone(ask(1, Usage(octets=999, files=9, day_octets=499, day_files=4, open=2), LIMITS))

    def test_octets(self) -> None:
        self.assertRefused("kept", 1, 0, 101, Usage(octets=900))

    def test_files(self) -> None:
        self.assertRefused("kept", 0, 1, 1, Usage(files=10))

    def test_octets_a_day(self) -> None:
        self.assertRefused("day", 50, 0, 100, Usage(day_octets=450))

    def test_files_a_day(self) -> None:
        self.assertRefused("day", 0, 2, 1, Usage(day_files=6))

    def test_open_slots(self) -> None:
        self.assertRefused("open", 0, 0, 1, Usage(open=3, opened=12.0))


class RoomTests(unittest.TestCase):
    def test_octets(self) -> None:
        ends = [(10.5, 30), (20.0, 30), (30.0, 30)]
        self.assertEqual(room_at(Refused("", "kept", octets=30), ends), 11)
        self.assertEqual(room_at(Refused("", "kept", octets=31), ends), 20)
        self.assertEqual(room_at(Refused("", "kept", octets=90), ends), 30)
        self.assertIsNone(room_at(Refused("", "kept", octets=91), ends))

    def test_files(self) -> None:
        self.assertEqual(room_at(Refused("", "day", files=2), [(1.0, 9), (2.0, 9)]), 2)
        self.assertEqual(room_at(Refused("", "day", octets=5, files=2), [(1.0, 9), (2.0, 9)]), 2)
        self.assertIsNone(room_at(Refused("", "day", files=1), []))
