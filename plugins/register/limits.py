"""How often registering may be tried, by network address and in total. Pure; time is passed in, in seconds."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

__all__ = ["Window", "network_of"]

_KEYS = 10_000  # addresses remembered; beyond that the least recent is forgotten


class Window:
    """Counts events by key in a sliding window."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

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
        """Count one."""
        self._times.setdefault(key, deque(maxlen=self._limit)).append(now)
        self._times.move_to_end(key)
        if len(self._times) > _KEYS:
            self._times.popitem(last=False)


def network_of(address: str) -> str:
    """Return what is counted: an IPv4 address, or the /64 network of an IPv6 address, which is one customer's."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
