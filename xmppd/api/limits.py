"""Limits on how often something may happen: windows that slide, counted by key, and token buckets for what flows.

Time is passed in, in seconds.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache

__all__ = ["TokenBucket", "Window", "network_of"]


class TokenBucket:
    """Lets `rate` units a second pass on average and `burst` at once.

    The clock is looked at only when the tokens are used up, so that taking costs next to nothing.
    """

    __slots__ = ("_burst", "_filled_at", "_rate", "_seconds", "_tokens")

    def __init__(self, rate: float, burst: float, seconds: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._seconds = seconds
        self._tokens = burst
        self._filled_at = seconds()

    def take(self, units: float) -> float:
        """Take units, even more than there are; return how many seconds to wait before taking more, 0.0 for none."""
        self._tokens -= units
        if self._tokens >= 0:
            return 0.0
        now = self._seconds()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return -self._tokens / self._rate if self._tokens < 0 else 0.0


class Window:
    """Counts events by key, such as an address or an account.

    :param limit: how many events within the window are full.
    :param seconds: the length of the window.
    :param keys: how many keys are remembered; beyond that the one that was added to longest ago is forgotten.
    """

    def __init__(self, limit: int, seconds: float, keys: int = 100_000) -> None:
        self._keys = keys
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self.set_limits(limit, seconds)

    def set_limits(self, limit: int, seconds: float) -> None:
        """Change the limit and the length; what is counted stays."""
        self._limit, self._seconds = limit, seconds

    def full(self, key: str, now: float) -> bool:
        """Were there `limit` events within the window?"""
        times = self._times.get(key)
        if times is None:
            return False
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if not times:
            del self._times[key]
        return len(times) >= self._limit

    def add(self, key: str, now: float) -> None:
        """Count an event."""
        times = self._times.setdefault(key, deque())
        times.append(now)
        while len(times) > self._limit:
            times.popleft()
        self._times.move_to_end(key)
        if len(self._times) > self._keys:
            self._times.popitem(last=False)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what a limit by address counts: an IPv4 address, or an IPv6 /64, which is one customer's."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
