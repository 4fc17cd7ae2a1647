"""Deadlines that move: nothing is called before the last one, or when there is none."""

from __future__ import annotations

import unittest

from twisted.internet.task import Clock

from xmppd.net.http.timed import Timed


class Bomb(Timed):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.times: list[float] = []

    def expired(self) -> None:
        self.times.append(self.clock.seconds())


class Deadlines(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.bomb = Bomb(self.clock)

    def run_for(self, seconds: int) -> list[float]:
        for _ in range(seconds):
            self.clock.advance(1)
        return [time - 1000 for time in self.bomb.times]

    def test_in_time(self) -> None:
        self.bomb.watch(10)
        self.assertEqual(self.run_for(20), [10])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later(self) -> None:
        self.bomb.watch(10)
        self.run_for(5)
        self.bomb.watch(10)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.run_for(20), [15])

    def test_sooner(self) -> None:
        self.bomb.watch(10)
        self.bomb.watch(2)
        self.assertEqual(self.run_for(20), [2])

    def test_not_at_all(self) -> None:
        self.bomb.watch(10)
        self.bomb.rest()
        self.assertEqual(self.run_for(20), [])
        self.bomb.watch(5)
        self.assertEqual(self.run_for(20), [25])

    def test_never(self) -> None:
        self.bomb.watch(10)
        self.bomb.unwatch()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.run_for(20), [])

    def test_what_has_no_end_has_to_be_given_one(self) -> None:
        self.assertRaises(NotImplementedError, Timed(self.clock).expired)
