"""Work in slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.pace import Pace
from xmppd.api.waiting import as_deferred


class Paces(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.done: list[str] = []
        self.rate = 100.0

        def later(seconds: float, function: Callable[[], Any]) -> Any:
            return self.clock.callLater(seconds, function)

        self.pace = Pace(later, lambda: self.rate)

    def work(self, name: str, times: int, steps: float = 1.0) -> None:
        async def work() -> None:
            for _ in range(times):
                self.done.append(name)
                await self.pace.step(steps)

        as_deferred(work()).addErrback(lambda failure: failure.raiseException())

    def test_so_much_in_a_second(self) -> None:
        self.work("a", 200)
        self.assertEqual(len(self.done), 5)
        self.clock.pump([0.05] * 19)
        self.assertEqual(len(self.done), 100)
        self.clock.pump([0.05] * 22)
        self.assertEqual(len(self.done), 200)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_little_work_does_not_wait(self) -> None:
        self.work("a", 3)
        self.assertEqual(self.done, ["a"] * 3)
        self.clock.advance(0.05)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle_time_is_not_saved_up(self) -> None:
        self.work("a", 1)
        self.clock.pump([0.05] * 100)
        self.work("b", 100)
        self.assertEqual(self.done.count("b"), 5)

    def test_all_work_shares_it(self) -> None:
        self.work("a", 50)
        self.work("b", 50)
        self.clock.pump([0.05] * 9)
        self.assertEqual(len(self.done), 50)
        self.assertGreater(self.done.count("b"), 10)

    def test_steps_that_cost_more(self) -> None:
        self.work("a", 10, steps=50.0)
        self.assertEqual(len(self.done), 1)
        for _ in range(9):
            self.clock.advance(0.05)
        self.assertEqual(len(self.done), 1)
        self.clock.advance(0.05)
        self.assertEqual(len(self.done), 2)

    def test_debt_is_kept_while_nobody_waits(self) -> None:
        self.work("a", 1, steps=50.0)
        self.clock.advance(0.05)
        self.work("b", 2)
        self.assertEqual(self.done, ["a", "b"])
        for _ in range(8):
            self.clock.advance(0.05)
        self.assertEqual(self.done, ["a", "b"])
        for _ in range(2):
            self.clock.advance(0.05)
        self.assertEqual(self.done, ["a", "b", "b"])

    def test_other_rate(self) -> None:
        self.work("a", 200)
        self.rate = 1000.0
        self.clock.advance(0.05)
        self.assertEqual(len(self.done), 55)
