"""Counts of measurements by size, cheap enough to take one wherever something is worth measuring."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["SECONDS", "Histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for what should take milliseconds, and at a bad time takes seconds."""


class Histogram:
    """How many measurements were at most each of some bounds, as Prometheus counts them.

    :param bounds: in ascending order; whatever is above the last one is counted too.
    :ivar sum: of all measurements.
    """

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Take in one measurement."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many measurements there were."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """Return each bound with how many measurements were no larger; infinity, with all of them, comes last."""
        found, below = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            found.append((bound, below))
        return found
