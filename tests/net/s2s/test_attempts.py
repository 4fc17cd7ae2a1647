"""Attempts to connect take turns."""

from __future__ import annotations

import unittest

from twisted.internet.task import Clock

from xmppd.core.federation.contract import Pair
from xmppd.net.s2s.attempts import Attempts


def pair(number: int) -> Pair:
    return Pair("example.org", f"d{number}.example")


class AttemptsTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[tuple[Pair, bool]] = []
        self.attempts = Attempts(self.clock, lambda found, late: self.begun.append((found, late)))

    def begin(self, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            self.attempts.begin(pair(number))

    def test_only_so_many_at_a_time_in_their_order(self) -> None:
        self.begin(503)
        self.assertEqual(len(self.begun), 500)
        for _ in range(2):
            self.attempts.ended()
        self.clock.advance(0)
        self.assertEqual(self.begun[-2:], [(pair(500), False), (pair(501), False)])
        self.begin(1, 600)
        self.attempts.ended()
        self.clock.advance(0)
        self.assertEqual(self.begun[-1], (pair(502), False))
        self.attempts.ended()
        self.clock.advance(0)
        self.assertEqual(self.begun[-1], (pair(600), False))

    def test_who_has_waited_too_long(self) -> None:
        self.attempts.patience = 10.0
        self.begin(501)
        self.clock.advance(11)
        self.attempts.ended()
        self.clock.advance(0)
        self.assertEqual(self.begun[-1], (pair(500), True))

    def test_those_that_end_at_once_make_room_at_once(self) -> None:
        def at_once(found: Pair, late: bool) -> None:
            self.begun.append((found, late))
            if len(self.begun) > 500:
                self.attempts.ended()

        self.attempts = Attempts(self.clock, at_once)
        self.begin(2_000)
        self.attempts.ended()
        self.clock.advance(0)
        self.assertEqual(len(self.begun), 2_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        self.begin(501)
        self.attempts.ended()
        self.attempts.stop()
        self.clock.advance(1)
        self.attempts.ended()
        self.assertEqual(len(self.begun), 500)
        self.assertEqual(self.clock.getDelayedCalls(), [])
