"""Lateness: what is measured when the reactor is busy."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.core.lateness import Lateness


class LatenessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lateness = Lateness(self.clock)
        self.lateness.start()

    def test_in_time(self) -> None:
        self.clock.pump([0.5] * 20)
        self.assertEqual((self.lateness.seconds.count, self.lateness.seconds.sum), (10, 0.0))

    def test_late(self) -> None:
        self.clock.advance(1.3)
        self.clock.advance(3.0)
        buckets = dict(self.lateness.seconds.buckets())
        self.assertEqual((buckets[0.25], buckets[0.5], buckets[1.0], buckets[2.5]), (0, 1, 1, 2))
        self.assertAlmostEqual(self.lateness.seconds.sum, 2.3)

    def test_a_clock_that_is_set_back(self) -> None:
        self.clock.getDelayedCalls()[0].time -= 100
        self.clock.rightNow = -99.0
        self.clock.advance(0)
        self.assertEqual((self.lateness.seconds.count, self.lateness.seconds.sum), (1, 0.0))

    def test_the_end(self) -> None:
        self.lateness.stop()
        self.lateness.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
