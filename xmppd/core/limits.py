"""Limits on rates: token buckets for what is sent. The clock is passed in, in seconds."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TokenBucket"]


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
