"""When the reactor's thread makes way for others."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from xmppd.core.turns import Turns


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.slept: list[float] = []
        self.turns = Turns(
            self.clock.callLater, patience=3, pause=0.5, monotonic=self.clock.seconds, sleep=self.slept.append
        )

    def test_work_that_ends_in_time_costs_nothing(self) -> None:
        for _ in range(5):
            self.turns.began()
            self.clock.advance(2.9)
            self.turns.ended()
        self.assertEqual(self.slept, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_work_that_does_not_end_gets_turns_until_it_does(self) -> None:
        self.turns.began()
        self.clock.pump([1] * 10)
        self.assertEqual(self.slept, [0.5] * 3)
        self.turns.ended()
        self.clock.advance(100)
        self.assertEqual(self.slept, [0.5] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_while_some_of_the_work_ends_nobody_waits(self) -> None:
        for _ in range(10):
            self.turns.began()
        for _ in range(4):
            self.clock.advance(2)
            self.turns.ended(2)
        self.assertEqual(self.slept, [])
        self.clock.advance(3)
        self.assertEqual(self.slept, [0.5])

    def test_new_work_helps_when_the_reactor_is_late(self) -> None:
        late = Turns(lambda delay, function: self.clock.callLater(1000, function), patience=3, pause=0.5,
                     monotonic=self.clock.seconds, sleep=self.slept.append)  # fmt: skip
        late.began()
        self.clock.advance(2)
        late.began()
        self.assertEqual(self.slept, [])
        self.clock.advance(1)
        late.began()
        late.began()
        self.assertEqual(self.slept, [0.5])

    def test_a_deferred_counts_as_work_until_it_fires(self) -> None:
        for result in ("done", Failure(KeyError())):
            work: Deferred[str] = Deferred()
            self.assertIs(self.turns.during(work), work)
            self.clock.advance(3)
            work.callback(result) if isinstance(result, str) else work.errback(result)
            self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.slept, [0.5, 0.5])
        self.failureResultOf(work, KeyError)


class BusyReactor(TestCase):
    timeout = 60

    async def test_a_thread_gets_through_to_a_reactor_that_never_rests(self) -> None:
        """Without turns, this may take as long as the reactor is busy, which here is until the thread is done."""
        call_later = cast(Any, reactor).callLater
        turns = Turns(call_later)
        done = threading.Event()

        def work() -> None:
            for _ in range(20):
                time.sleep(0)  # gives up the interpreter, as a call of the database does
            done.set()

        def busy() -> None:
            sum(range(2000))
            if not done.is_set():
                call_later(0, busy)

        busy()
        await turns.during(deferToThread(work))
        self.assertTrue(done.is_set())
