"""What is remembered of a client that goes through an archive page by page. Pure.

How many messages match is counted for the first page, and not again while the same query goes on; the place of a page
in the whole follows from the page before. So a page costs the same however many there are. A client that comes with a
page of its own gets no place, which XEP-0059 section 2.2 leaves to us where it would be expensive.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

__all__ = ["Walk", "covers", "merged"]

#: Ranges of ids that are remembered for a session; beyond that the oldest are forgotten.
_RANGES = 20
_Ranges = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a client is.

    :ivar query: what it asks for, but for the page.
    :ivar count: how many messages match.
    :ivar first: the id of the first message of its page, None if the page was empty.
    :ivar last: that of the last one.
    :ivar index: the place of the first one in the whole, None if that isn't known.
    """

    query: Hashable
    count: int
    first: int | None = None
    last: int | None = None
    index: int | None = None
    size: int = 0

    def place(self, before: int | None, after: int | None, size: int) -> int | None:
        """Return the place of the page of `size` messages that follows, or comes before, the page of this walk."""
        if self.index is None or self.first is None:
            return None
        if after is not None:
            return self.index + self.size if after == self.last else None
        return max(0, self.index - size) if before is not None and before == self.first else None


def merged(ranges: _Ranges, low: int, high: int) -> list[list[int]]:
    """Return the ranges of ids, ascending, with one more: those that touch become one."""
    apart = []
    for start, end in ranges:
        if end < low or start > high:
            apart.append([start, end])
        else:
            low, high = min(low, start), max(high, end)
    return sorted([*apart, [low, high]])[-_RANGES:]


def covers(ranges: _Ranges, id: int) -> bool:
    """Is an id in one of the ranges?"""
    return any(low <= id <= high for low, high in ranges)
