"""A database for tests that can take its time: writes wait until the test lets them through, or never are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred

from xmppd.api.storage import Row, StorageUnavailable
from xmppd.core.storage import DirectDatabase, Engines

__all__ = ["Disk"]

T = TypeVar("T")


class Disk(DirectDatabase):
    """Does everything at once, unless it is told to stop.

    :ivar stopped: do writes wait? Reads see what was written before.
    :ivar broken: why nothing can be written, or None.
    """

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        self.stopped = False
        self.broken: str | None = None
        self._waiting: deque[tuple[Callable[[], Deferred[Any]], Deferred[Any]]] = deque()

    def write(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """See IDatabase.write."""
        return self._later(lambda: DirectDatabase.write(self, fn))

    def append(self, table: Table, rows: Sequence[Row]) -> Deferred[None]:
        """See IDatabase.append."""
        return self._later(lambda: DirectDatabase.append(self, table, rows))

    def _later(self, work: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        if self.broken is not None:
            done: Deferred[Any] = Deferred()
            done.errback(StorageUnavailable(self.broken))
            return done
        if not self.stopped:
            return work()
        done = Deferred()
        self._waiting.append((work, done))
        return done

    @property
    def waiting(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    def let(self, count: int | None = None) -> None:
        """Do so many of the writes that wait; all if None."""
        for _ in range(len(self._waiting) if count is None else count):
            work, done = self._waiting.popleft()
            work().chainDeferred(done)

    def let_unseen(self) -> None:
        """Do the first of the writes that wait, and tell nobody: the server is killed before it hears of it."""
        work, _ = self._waiting.popleft()
        work()

    def go_on(self) -> None:
        """Do what waits, and everything from now on at once."""
        self.stopped = False
        while self._waiting:
            self.let()
