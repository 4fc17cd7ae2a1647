"""What tests of the roads share: the vendors' stand-ins in memory, on a clock of the test."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.waiting import as_deferred
from xmppd.plugins.push_service.roads.contract import Parcel
from xmppd.testing.network import MemoryNetwork
from xmppd.testing.vendors import Vendors

T = TypeVar("T")
NOW = 1_700_000_000.0
ID = "00112233445566778899aabbccddeeff"


class RoadCase(SynchronousTestCase):
    """A test case with vendors. Mistakes that they find fail the test unless it takes them out."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.network = MemoryNetwork(self.clock)
        self.vendors = Vendors(self.clock.seconds)
        self.network.web = self.vendors

    def tearDown(self) -> None:
        self.assertEqual(self.vendors.mistakes, [])

    def wait(self, coming: Awaitable[T]) -> T:
        """Return what comes, in no time."""
        deferred = as_deferred(coming)
        for _ in range(10):
            self.clock.advance(0)
        result: T = self.successResultOf(deferred)
        return result


def parcel(target: dict[str, str], payload: Any = None, **more: Any) -> Parcel:
    """Return a parcel with some content."""
    return Parcel(ID, target, {"node": "n1", "count": 2} if payload is None else payload, **more)
