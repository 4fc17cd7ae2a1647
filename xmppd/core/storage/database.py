"""The two databases behind `xmppd.api.storage.IDatabase`: with threads for a server, without for tests and tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.storage import Row, StorageUnavailable
from xmppd.core.storage.batch import Append, Call, Done, Job, Outcome, run_batch, run_read, unavailable_of
from xmppd.core.storage.engine import Engines
from xmppd.core.storage.readers import CallFromThread, ReaderPool
from xmppd.core.storage.writer import GroupCommitWriter, WriterCounters, WriterLimits
from xmppd.core.turns import Turns

T = TypeVar("T")


class Database:
    """A database whose writes share commits in one thread and whose reads use a few others.

    `start` comes before anything else and `stop` after. All methods are called in the reactor's thread.
    """

    _log = Logger()

    def __init__(
        self,
        engines: Engines,
        call_from_thread: CallFromThread,
        turns: Turns,
        *,
        limits: WriterLimits | None = None,
        readers: int = 4,
        read_queue: int = 10_000,
    ) -> None:
        """Use `engines`, with `readers` threads for reading and at most `read_queue` reads under way."""
        self.engines = engines
        self.counters = WriterCounters()
        self._call_from_thread = call_from_thread
        self._turns = turns
        self._writer = GroupCommitWriter(engines.write, limits or WriterLimits(), self._batch_ended)
        self._readers = ReaderPool(engines.read, readers, call_from_thread, self._read_ended)
        # Deferreds of the jobs given to the writer, in its order.
        self._writes: deque[Deferred[Any]] = deque()
        self._reads = 0
        self._read_queue = read_queue
        self._serving = False
        self._unavailable = False
        self._idle: Deferred[None] | None = None

    @property
    def gather(self) -> float:
        """How many seconds a write waits for others to share its transaction."""
        return self._writer.gather

    @property
    def queue_length(self) -> int:
        """How many writes wait for a transaction."""
        return len(self._writer)

    @property
    def reads_waiting(self) -> int:
        """How many reads are queued or under way."""
        return self._reads

    @property
    def writable(self) -> bool:
        """Could the database do its work when it was last written?"""
        return not self._unavailable

    def start(self) -> None:
        """Start the threads."""
        self._serving = True
        self._writer.start()
        self._readers.start()

    async def stop(self) -> None:
        """Refuse new work, finish and commit what is queued, then close the database."""
        if not self._serving:
            self.engines.dispose()
            return
        self._serving = False
        self._writer.stop()
        self._readers.stop()
        if self._writes or self._reads:
            self._idle = Deferred()
            await self._idle
        self._writer.join()
        self._readers.join()
        self.engines.dispose()

    def read(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """See IDatabase.read."""
        if not self._serving:
            return fail(StorageUnavailable("the database is closed"))
        if self._reads >= self._read_queue:
            return fail(StorageUnavailable("too many reads are waiting"))
        self._reads += 1
        self._turns.began()
        waiting: Deferred[T] = Deferred()
        self._readers.put(fn, waiting)
        return waiting

    def write(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """See IDatabase.write."""
        return self._put(Call(fn))

    def write_soon(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """The same without waiting for others to share the transaction: for who has gathered much."""
        return self._put(Call(fn), soon=True)

    def append(self, table: Table, rows: Sequence[Row]) -> Deferred[None]:
        """See IDatabase.append."""
        return self._put(Append(table, checked_rows(rows))) if rows else succeed(None)

    def _put(self, job: Job, soon: bool = False) -> Deferred[Any]:
        if not self._serving:
            return fail(StorageUnavailable("the database is closed"))
        if not self._writer.put(job, soon):
            self.counters.refused += 1
            return fail(StorageUnavailable("too many writes are waiting"))
        waiting: Deferred[Any] = Deferred()
        self._writes.append(waiting)
        self._turns.began()
        return waiting

    def _batch_ended(self, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> None:
        # In the writer's thread. One crossing a batch.
        self._call_from_thread(self._deliver_batch, jobs, outcomes, seconds)

    def _deliver_batch(self, jobs: Sequence[Job], outcomes: Sequence[Outcome], seconds: float) -> None:
        self._turns.ended(len(jobs))
        self.counters.count(jobs, seconds)
        self._note_availability(outcomes[0])
        for outcome in outcomes:
            _deliver(self._writes.popleft(), outcome)
        self._note_idle()

    def _read_ended(self, waiting: Deferred[Any], outcome: Outcome) -> None:
        self._reads -= 1
        self._turns.ended()
        _deliver(waiting, outcome)
        self._note_idle()

    def _note_availability(self, outcome: Outcome) -> None:
        """Tell the operator once when writing stops to work, and once when it works again."""
        unavailable = unavailable_of(outcome)
        if unavailable is not None:
            self.counters.failed_batches += 1
            if not self._unavailable:
                self._log.error("the database can't be written: {reason}", reason=unavailable.reason)
        elif self._unavailable:
            self._log.info("the database can be written again")
        self._unavailable = unavailable is not None

    def _note_idle(self) -> None:
        if self._idle is not None and not self._writes and not self._reads:
            idle, self._idle = self._idle, None
            idle.callback(None)


class DirectDatabase:
    """A database that does everything at once in the caller's thread: for tests on a fake clock, and for tools.

    The Deferreds it returns have fired already, so awaiting them needs no reactor.
    """

    gather = 0.0
    reads_waiting = 0

    def __init__(self, engines: Engines) -> None:
        self.engines = engines

    def read(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """See IDatabase.read."""
        return _fired(run_read(self.engines.read, fn))

    def write(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """See IDatabase.write."""
        return _fired(run_batch(self.engines.write, [Call(fn)])[0])

    def write_soon(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """The same."""
        return self.write(fn)

    def append(self, table: Table, rows: Sequence[Row]) -> Deferred[None]:
        """See IDatabase.append."""
        return _fired(run_batch(self.engines.write, [Append(table, checked_rows(rows))])[0]) if rows else succeed(None)

    async def stop(self) -> None:
        """Close the database."""
        self.engines.dispose()


def checked_rows(rows: Sequence[Row]) -> Sequence[Row]:
    """Return `rows` if all name the same columns. Raises ValueError: others would be lost unseen."""
    columns = tuple(rows[0])
    if any(tuple(row) != columns for row in rows):
        raise ValueError("the rows of one append must name the same columns in the same order")
    return rows


def _fired(outcome: Outcome) -> Deferred[Any]:
    waiting: Deferred[Any] = Deferred()
    _deliver(waiting, outcome)
    return waiting


def _deliver(waiting: Deferred[Any], outcome: Outcome) -> None:
    if isinstance(outcome, Done):
        waiting.callback(outcome.value)
        return
    error = cast(Exception, outcome.error)
    waiting.errback(Failure(error, type(error), error.__traceback__))
