"""The audit trail: who ran which operation when, with which arguments, and how it ended. A table of the kernel.

Nobody waits for a row: it is queued like everything else that is stored, and what can't be stored is in the log all
the same (namespace ``xmppd.audit``). Rows that are older than the settings say are deleted, at the start and then with
the first row of a day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    delete,
    or_,
    select,
)  # fmt: skip
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.storage import IDatabase, Migration
from xmppd.wire.delay import format_datetime

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "AuditTrail", "Run", "Wanted"]

_log = Logger()
_DAY = 86_400.0

_AUDIT = Table(
    "xmppd_audit",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("outcome", Text, nullable=False),
)
Index("xmppd_audit_at", _AUDIT.c.at)
OWNER = "audit"
TABLES = (_AUDIT,)
MIGRATIONS: tuple[Migration, ...] = ()


@dataclass(frozen=True)
class Run:
    """An operation that was run, or refused.

    :ivar host: the domain it was about; empty if it was about the server.
    :ivar arguments: as texts, without secrets.
    :ivar outcome: ``done``, ``failed: ...`` or ``refused: ...``.
    """

    actor: str
    operation: str
    host: str
    arguments: Mapping[str, str]
    outcome: str


@dataclass(frozen=True)
class Wanted:
    """Which rows are asked for; what is empty or None makes no difference.

    :ivar actor: a part of who it was.
    :ivar operation: its name, or the first words of it.
    :ivar since: seconds since the epoch.
    :ivar before: the id that all rows are below.
    """

    host: str | None = None
    actor: str = ""
    operation: str = ""
    failed: bool = False
    since: float | None = None
    before: int | None = None
    limit: int = 100


class AuditTrail:
    """Keeps what was run.

    :param now: the time, in seconds since the epoch.
    :param days: how long rows are kept; 0 is for ever.
    """

    def __init__(self, db: IDatabase, now: Callable[[], float], days: Callable[[], float]) -> None:
        self._db = db
        self._now = now
        self._days = days
        self._tidied_at = float("-inf")
        self._last: Deferred[None] = succeed(None)  # what was queued last

    def note(self, run: Run) -> None:
        """Keep one more."""
        now = self._now()
        arguments = json.dumps(dict(run.arguments), ensure_ascii=False)
        row = {
            "at": now, "actor": run.actor, "operation": run.operation, "host": run.host, "arguments": arguments,
            "outcome": run.outcome,
        }  # fmt: skip
        self._last = self._db.append(_AUDIT, [row]).addErrback(_not_kept)
        if now - self._tidied_at >= _DAY:
            self.tidy()

    def tidy(self) -> None:
        """Delete what is too old."""
        self._tidied_at, days = self._now(), self._days()
        if days:
            oldest = self._tidied_at - days * _DAY
            self._db.write(lambda connection: _delete_before(connection, oldest)).addErrback(_not_kept)

    async def find(self, wanted: Wanted) -> list[dict[str, Any]]:
        """Return rows as plain data, the latest first, with all that was noted before. Raises StorageUnavailable."""
        queued: Deferred[None] = Deferred()
        self._last.addBoth(queued.callback)
        await queued
        return await self._db.read(lambda connection: _rows(connection, wanted))


def _not_kept(failure: Failure) -> None:
    _log.error("the audit trail can't be written: {reason}", reason=failure.getErrorMessage())


def _delete_before(connection: Connection, oldest: float) -> None:
    connection.execute(delete(_AUDIT).where(_AUDIT.c.at < oldest))


def _rows(connection: Connection, wanted: Wanted) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "time": format_datetime(row.at, 3),
            "actor": row.actor,
            "operation": row.operation,
            "host": row.host,
            "arguments": json.loads(row.arguments),
            "outcome": row.outcome,
        }
        for row in connection.execute(_query(wanted))
    ]


def _query(wanted: Wanted) -> Select[Any]:
    query = select(_AUDIT).order_by(_AUDIT.c.id.desc()).limit(wanted.limit)
    name = wanted.operation
    columns = _AUDIT.c
    if wanted.host is not None:
        query = query.where(columns.host == wanted.host)
    if wanted.actor:
        query = query.where(columns.actor.contains(wanted.actor, autoescape=True))
    if name:
        query = query.where(or_(columns.operation == name, columns.operation.startswith(f"{name} ", autoescape=True)))
    if wanted.failed:
        query = query.where(columns.outcome != "done")
    if wanted.since is not None:
        query = query.where(columns.at >= wanted.since)
    if wanted.before is not None:
        query = query.where(columns.id < wanted.before)
    return query
