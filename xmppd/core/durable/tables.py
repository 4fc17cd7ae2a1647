"""The tables of the session journal, and what one batch of the ledger does to the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError
from twisted.logger import Logger

from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable.journal import Journal
from xmppd.core.storage.batch import insert_rows

if TYPE_CHECKING:
    from xmppd.core.durable.units import Batch

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "read_journal", "write_batch"]

_log = Logger()
OWNER = "sessions"
_METADATA = MetaData()

#: The entries of each batch, see :mod:`.journal`. Every batch has a row, which tells whether it was committed.
JOURNAL = Table(
    "session_journal",
    _METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
#: Sessions as they were at a position of the journal.
SESSIONS = Table(
    "sessions",
    _METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
TABLES = (JOURNAL, SESSIONS)
MIGRATIONS = ()

_ENTER = insert(JOURNAL)
_THERE = select(JOURNAL.c.data).where(JOURNAL.c.position == bindparam("position"))
_TRIM = delete(JOURNAL).where(JOURNAL.c.position < bindparam("before"))
_FORGET = delete(SESSIONS).where(SESSIONS.c.number == bindparam("which"))
_RECORD = insert(SESSIONS)


def write_batch(connection: Connection, batch: Batch) -> None:
    """Write a batch. Doing it again does nothing, if it was committed after all.

    :raises StorageUnavailable: what is in its place is not this batch.
    """
    data = b"".join(batch.entries)
    there = connection.execute(_THERE, {"position": batch.number}).scalar() if batch.tries > 1 else None
    if there is not None:
        if bytes(there) != data:
            _log.error("another server writes to this database: nothing is stored until this one is restarted alone")
            raise StorageUnavailable("another server writes to this database")
        return
    for table, rows in batch.rows.items():
        _insert(connection, table, rows, one_by_one=batch.suspect)
    for fn in batch.calls:
        if batch.suspect:
            _guarded(connection, fn)
        else:
            fn(connection)
    if batch.snapshots:
        connection.execute(_FORGET, [{"which": number} for number in batch.snapshots])
        records = [
            {"number": number, "position": batch.number, "data": data}
            for number, data in batch.snapshots.items()
            if data is not None
        ]
        if records:
            connection.execute(_RECORD, records)
    if batch.trim:
        connection.execute(_TRIM, {"before": batch.trim})
    connection.execute(_ENTER, {"position": batch.number, "data": data})


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], one_by_one: bool) -> None:
    if not one_by_one:
        insert_rows(connection, table, rows)
        return
    for row in rows:
        _guarded(connection, lambda c, row=row: insert_rows(c, table, [row]))


def _guarded(connection: Connection, work: Any) -> None:
    """Do what may be what made the batch fail; alone, it is undone and logged. The rest must not be lost with it."""
    savepoint = connection.begin_nested()
    try:
        work(connection)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        savepoint.rollback()
        _log.error("a row could not be stored, and is left out: {reason}", reason=str(error))
    except Exception:
        savepoint.rollback()
        _log.failure("what a plugin had to write failed, and is left out")
    else:
        savepoint.commit()


def read_journal(connection: Connection) -> tuple[Journal, int, int]:
    """Return what is written down of sessions, the last position, and how many octets the journal has.

    What can't be read is logged and left out: the server has to start.
    """
    journal, last, octets = Journal(), 0, 0
    for number, position, data in connection.execute(select(SESSIONS.c.number, SESSIONS.c.position, SESSIONS.c.data)):
        try:
            journal.begin(number, position, data)
        except ValueError as error:
            _log.error("session {number} can't be restored: {reason}", number=number, reason=str(error))
    for position, data in connection.execute(select(JOURNAL.c.position, JOURNAL.c.data).order_by(JOURNAL.c.position)):
        last, octets = position, octets + len(data)
        try:
            journal.read(position, data)
        except ValueError as error:
            _log.error("the session journal is damaged at {position}: {reason}", position=position, reason=str(error))
    journal.finish()
    return journal, last, octets
