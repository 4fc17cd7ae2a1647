"""Names of strangers: how many are looked up at a time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.network import Reach
from xmppd.net.web_client import WebClient


class Slow(Clock):
    """A reactor whose name servers don't answer unless they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self
        self.asked: dict[str, Any] = {}

    def resolveHostName(self, receiver: Any, host: str, port: int) -> None:
        self.asked[host] = receiver


class Names(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Slow()
        self.client = WebClient(self.reactor)
        self.under_way = [self.ask(f"host{number}.example") for number in range(6)]

    def ask(self, host: str) -> Deferred[Any]:
        asking = self.client.ask("POST", f"https://{host}/", {}, b"", 1000, Reach.of((), (443,)))
        return Deferred.fromCoroutine(asking)

    def test_no_more_than_leave_threads_for_others(self) -> None:
        self.assertEqual(list(self.reactor.asked), [f"host{number}.example" for number in range(4)])

    def test_a_thread_is_free_when_the_name_server_has_answered(self) -> None:
        """It is not when whoever asked has given up."""
        self.under_way[0].cancel()
        self.failureResultOf(self.under_way[0])
        self.assertEqual(len(self.reactor.asked), 4)
        self.reactor.asked["host0.example"].resolutionComplete()
        self.assertEqual(len(self.reactor.asked), 5)
        self.reactor.asked["host1.example"].resolutionComplete()
        self.assertEqual(len(self.reactor.asked), 6)
        self.failureResultOf(self.under_way[1])

    def test_who_gives_up_before_takes_no_turn(self) -> None:
        self.under_way[4].cancel()
        self.failureResultOf(self.under_way[4])
        self.reactor.asked["host0.example"].resolutionComplete()
        self.failureResultOf(self.under_way[0])
        self.assertNotIn("host4.example", self.reactor.asked)
        self.assertIn("host5.example", self.reactor.asked)
