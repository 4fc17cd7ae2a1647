"""Is the server ready for clients? It has started, it is not stopping, and its database takes writes."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, insert, update
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from xmppd.api.interfaces import IClock
from xmppd.api.storage import IDatabase, Migration, StorageUnavailable

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "Phase", "Readiness"]

_PROBE = Table(
    "xmppd_readiness",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("written_at", Float, nullable=False),
)
OWNER = "readiness"
TABLES = (_PROBE,)
MIGRATIONS: tuple[Migration, ...] = ()


class Phase(Enum):
    """Where a server is in its life; the value is what an operator is told."""

    STARTING = "the server is starting"
    SERVING = "the server is serving clients"
    STOPPING = "the server is stopping"


class Readiness:
    """Answers whether clients should be sent to this server.

    Whether a database can be written is known only by writing: a full disk can still be read. So a small row is
    written when somebody asks, at most once at a time, and a write that went well is believed for a while.

    :param seconds: tells how long a write may take, and how long one is believed.
    :ivar phase: set by whoever starts and stops the server.
    """

    def __init__(self, db: IDatabase, clock: IClock, seconds: Callable[[], float]) -> None:
        self.phase = Phase.STARTING
        self._db = db
        self._clock = clock
        self._seconds = seconds
        self._written_at: float | None = None
        self._began_at = 0.0
        self._waiting: list[Deferred[str | None]] | None = None  # exists while a write is under way

    async def problems(self) -> list[str]:
        """Return what keeps the server from being ready, in plain words; nothing if it is."""
        if self.phase is not Phase.SERVING:
            return [self.phase.value]
        problem = await self._write()
        return [] if problem is None else [problem]

    async def _write(self) -> str | None:
        """Write, wait for a write that is under way, or recall one; say what is wrong."""
        clock, seconds = self._clock, self._seconds()
        if self._written_at is not None and 0 <= clock.seconds() - self._written_at < seconds:
            return None
        answer: Deferred[str | None] = Deferred()
        if self._waiting is None:
            self._waiting = [answer]
            self._began_at = now = clock.seconds()
            self._db.write(lambda connection: _touch(connection, now)).addCallbacks(self._written, self._failed)
        else:
            self._waiting.append(answer)
        late = clock.callLater(max(0.0, self._began_at + seconds - clock.seconds()), self._too_late, answer, seconds)
        try:
            return await answer
        finally:
            if late.active():
                late.cancel()

    def _written(self, result: None) -> None:
        self._written_at = self._clock.seconds()
        self._answer(None)

    def _failed(self, failure: Failure) -> None:
        reason = failure.value.reason if isinstance(failure.value, StorageUnavailable) else str(failure.value)
        self._answer(f"the database can't be written: {reason}")

    def _answer(self, problem: str | None) -> None:
        waiting, self._waiting = self._waiting or [], None
        for answer in waiting:
            answer.callback(problem)

    def _too_late(self, answer: Deferred[str | None], seconds: float) -> None:
        """The write takes too long for this one who asked; it may still end well for others."""
        if self._waiting is not None:
            self._waiting.remove(answer)
        answer.callback(f"the database has not taken a write for {seconds:g} s")


def _touch(connection: Connection, now: float) -> None:
    """Write the one row of our table."""
    if not connection.execute(update(_PROBE).values(written_at=now)).rowcount:
        connection.execute(insert(_PROBE).values(id=1, written_at=now))
