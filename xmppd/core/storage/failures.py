"""Which errors of a database mean that it can't work now, and not that a statement is wrong.

SQLite: the primary result codes (sqlite.org/rescode.html). PostgreSQL: the classes of SQLSTATE (its manual,
appendix A).
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from xmppd.api.storage import StorageUnavailable

_SQLITE_PASSING = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    )
)
_SQLITE_LASTING = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

# Connection exceptions, transaction rollback, insufficient resources, object not in prerequisite state,
# operator intervention, system error.
_POSTGRES_PASSING = frozenset(("08", "40", "53", "55", "57", "58"))
_POSTGRES_LASTING = frozenset(("F0", "XX"))  # configuration file error, corruption


class ConnectionLost(Exception):
    """The connection turned out to be dead; the driver's error is the cause."""


def as_unavailable(error: BaseException) -> StorageUnavailable | None:
    """Return the StorageUnavailable that `error` amounts to, or None if it is the fault of the statement."""
    if isinstance(error, StorageUnavailable):
        return StorageUnavailable(error.reason, wait=error.wait)
    if isinstance(error, PoolTimeout):
        return StorageUnavailable(str(error))
    if isinstance(error, ConnectionLost):
        return StorageUnavailable(_one_line(error.__cause__))
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause)
    if hasattr(cause, "sqlstate"):
        return _of_postgres(cause, cause.sqlstate)
    return None


def is_lost_connection(error: BaseException) -> bool:
    """True if the error shows that the connection it came through is dead, and another may work."""
    return isinstance(error, ConnectionLost) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def is_write_refused(error: BaseException) -> bool:
    """True if SQLite refused to write what it may only read; in a read function that is the function's fault."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.Error) and _primary_code(cause) == sqlite3.SQLITE_READONLY


def _of_sqlite(error: sqlite3.Error) -> StorageUnavailable | None:
    code = _primary_code(error)
    if code in _SQLITE_PASSING:
        return StorageUnavailable(str(error))
    if code in _SQLITE_LASTING:
        return StorageUnavailable(str(error), wait=False)
    return None


def _primary_code(error: sqlite3.Error) -> int:
    # Errors that the sqlite3 module raises by itself have no code. The primary code is the lower byte.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _of_postgres(error: BaseException, sqlstate: str | None) -> StorageUnavailable | None:
    text = _one_line(error)
    if sqlstate is None:
        # psycopg's own errors: of these, an OperationalError is a connection that is lost or can't be made.
        lost = any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__)
        return StorageUnavailable(text) if lost else None
    if sqlstate[:2] in _POSTGRES_PASSING:
        return StorageUnavailable(text)
    if sqlstate[:2] in _POSTGRES_LASTING:
        return StorageUnavailable(text, wait=False)
    return None


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())
