"""Limits on rates: token buckets for what is sent, windows for failed log-ins. Time is passed in, in seconds."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["FailureWindow", "TokenBucket"]


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


class FailureWindow:
    """Counts failures by key (an address, an account) in a sliding window; forgets the oldest keys when it is full."""

    def __init__(self, seconds: Callable[[], float], keys: int = 100_000) -> None:
        self._limit = 1
        self._window = 0.0
        self._seconds = seconds
        self._most_keys = keys
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def set_limits(self, limit: int, window: float) -> None:
        """Say how many failures within how many seconds are too many."""
        self._limit, self._window = limit, window

    def failed(self, key: str) -> None:
        """Note a failure."""
        times = self._failures.get(key)
        if times is None:
            times = self._failures[key] = deque()
        self._failures.move_to_end(key)
        times.append(self._seconds())
        while len(times) > self._limit:
            times.popleft()
        if len(self._failures) > self._most_keys:
            self._failures.popitem(last=False)

    def blocked(self, key: str) -> bool:
        """Were there `limit` failures within the window?"""
        times = self._failures.get(key)
        if times is None:
            return False
        while times and times[0] <= self._seconds() - self._window:
            times.popleft()
        if not times:
            del self._failures[key]
        return len(times) >= self._limit
