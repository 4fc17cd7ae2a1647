"""Tests of what is awaited if it is there."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.waiting import as_deferred, settled


class SettledTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        self.assertIsNone(self.successResultOf(as_deferred(settled())))
        self.assertIsNone(self.successResultOf(as_deferred(settled(None, None))))

    def test_one_after_the_other(self) -> None:
        first: Deferred[None] = Deferred()
        second: Deferred[None] = Deferred()
        done = as_deferred(settled(first, None, second))
        second.callback(None)
        self.assertNoResult(done)
        first.callback(None)
        self.assertIsNone(self.successResultOf(done))

    def test_what_fails_reaches_who_waits(self) -> None:
        broken: Deferred[None] = Deferred()
        done = as_deferred(settled(broken))
        broken.errback(ValueError("no"))
        self.failureResultOf(done, ValueError)


class AsDeferredTests(SynchronousTestCase):
    def test_a_deferred_is_itself(self) -> None:
        waiting: Deferred[None] = Deferred()
        self.assertIs(as_deferred(waiting), waiting)

    def test_a_coroutine_runs_at_once(self) -> None:
        begun = []

        async def work() -> None:
            begun.append(True)

        as_deferred(work())
        self.assertEqual(begun, [True])
