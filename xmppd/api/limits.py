"""Limits on how often something may happen: counted by key in a sliding window. Time is passed in, in seconds."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from functools import lru_cache

__all__ = ["Window", "network_of"]


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
