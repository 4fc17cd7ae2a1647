"""Letting other threads have a turn at the interpreter while the reactor's thread is busy.

CPython's interpreter lock is given up at every system call, and a reactor under full load makes one every few
microseconds. Each wakes a thread that waits for the lock, finds it taken again, and starts its wait anew: it never
waits long enough in one piece to ask for its turn. Commits then come to a standstill until the load ends. So whoever
has work done in threads says so here, and if none of it ends for a while, the reactor's thread sleeps for a moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class Turns:
    """Counts the work that threads do. All methods are called in the reactor's thread, whose `callLater` it needs.

    If no work ends for `patience` seconds, the reactor's thread sleeps for `pause` seconds: about 4 % of its time at
    most (a sleep takes some 50 µs longer than asked for), and only while threads have something to do.
    """

    def __init__(
        self,
        call_later: Callable[..., Any],
        *,
        patience: float = 0.003,
        pause: float = 0.000_05,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._call_later = call_later
        self._patience = patience
        self._pause = pause
        self._monotonic = monotonic
        self._sleep = sleep
        self._under_way = 0
        self._last = 0.0  # when work ended last, or began with none under way, or the others had a turn
        self._due: Any = None

    def began(self) -> None:
        """Note that work was given to a thread."""
        self._under_way += 1
        if self._due is None:
            self._last = self._monotonic()
            self._due = self._call_later(self._patience, self._look)
        else:
            # A busy reactor comes to its delayed calls late; whoever adds to the work helps it along.
            self._give_turn()

    def ended(self, count: int = 1) -> None:
        """Note that threads have done `count` pieces of work."""
        self._under_way -= count
        self._last = self._monotonic()
        if self._under_way == 0 and self._due is not None:
            self._due.cancel()
            self._due = None

    def during(self, work: Deferred[T]) -> Deferred[T]:
        """Count what a thread does until `work` fires, and return `work`."""
        self.began()

        def ended(result: T) -> T:
            self.ended()
            return result

        return work.addBoth(ended)

    def _look(self) -> None:
        self._give_turn()
        self._due = self._call_later(self._patience, self._look)

    def _give_turn(self) -> None:
        if self._monotonic() - self._last >= self._patience:
            self._sleep(self._pause)
            self._last = self._monotonic()
