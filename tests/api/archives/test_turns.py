"""Turns: one at a time for each key, in order, and nothing is left behind."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.archives.turns import Turns


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.turns = Turns()
        self.begun: list[str] = []
        self.waiting: dict[str, Deferred[None]] = {}

    def begin(self, name: str, key: str = "x") -> Deferred[None]:
        async def work() -> None:
            async with self.turns.of(key):
                self.begun.append(name)
                self.waiting[name] = Deferred()
                await self.waiting[name]

        return Deferred.fromCoroutine(work())

    def test_one_after_the_other(self) -> None:
        done = [self.begin(name) for name in "abc"]
        self.begin("other", "y")
        self.assertEqual(self.begun, ["a", "other"])
        self.waiting["a"].callback(None)
        self.assertEqual(self.begun, ["a", "other", "b"])
        self.waiting["b"].errback(ValueError())
        self.failureResultOf(done[1], ValueError)
        self.assertEqual(self.begun, ["a", "other", "b", "c"])
        for name in ("c", "other"):
            self.waiting[name].callback(None)
        self.successResultOf(done[2])
        self.assertEqual(self.turns._locks, {})
