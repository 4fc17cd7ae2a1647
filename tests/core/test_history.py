"""Samples of how the server is doing."""

from __future__ import annotations

import unittest

from twisted.internet.task import Clock

from xmppd.core.history import EVERY, History, cpu_seconds, resident_mib


class HistoryTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000)
        self.sessions, self.stanzas, self.cpu = 3, (100, 200), 10.0
        self.history = History(self.clock, lambda: self.sessions, lambda: self.stanzas, lambda: self.cpu)
        self.history.start()

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds / 0.25))

    def test_a_sample(self) -> None:
        self.sessions, self.stanzas, self.cpu = 4, (110, 250), 12.5
        self.pass_time(EVERY)
        (sample,) = self.history.samples()
        self.assertEqual((sample.at, sample.sessions), (1_005.0, 4))
        self.assertEqual((sample.received, sample.sent, sample.cpu), (2.0, 10.0, 0.5))
        self.assertEqual((sample.lateness_p50, sample.lateness_p99), (0.0, 0.0))
        self.assertIsNotNone(sample.memory)

    def test_lateness(self) -> None:
        self.pass_time(4.5)
        self.clock.advance(1.0)  # a timer of 0.25 s is three quarters of a second late
        self.pass_time(0.25)
        (sample,) = self.history.samples()
        self.assertEqual((sample.lateness_p50, sample.lateness_p99), (0.0, 0.75))

    def test_a_clock_that_is_set_back(self) -> None:
        self.clock.rightNow -= 100
        self.pass_time(200)
        self.assertTrue(all(sample.lateness_p99 >= 0 and sample.received >= 0 for sample in self.history.samples()))

    def test_an_hour_is_kept(self) -> None:
        self.pass_time(3_700)
        samples = self.history.samples()
        self.assertEqual((len(samples), samples[-1].at - samples[0].at), (720, 3_595.0))
        self.assertEqual(len(self.history.samples(since=samples[-3].at)), 2)

    def test_the_end(self) -> None:
        self.history.stop()
        self.history.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_of_this_process(self) -> None:
        self.assertGreater(cpu_seconds(), 0)
        self.assertGreater(resident_mib() or 1, 0)
