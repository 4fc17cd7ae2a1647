"""Opening a database by its URL, with the settings that make a commit durable.

SQLite: write-ahead log, `synchronous=FULL` (sqlite.org/wal.html section 2.3: a commit is on disk when it
returns), foreign keys enforced. PostgreSQL: through psycopg 3; its own `synchronous_commit` (on, as it comes)
decides on durability.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

#: Pages in the log above which it is written back into the database. That holds up one commit for some ten
#: milliseconds, so it should be rare; and a page that has changed often meanwhile is written once.
_CHECKPOINT = 16_000
_CACHE = 8 * 1024  # KiB of pages that the writer keeps in memory
_WAL_KEPT = 64 * 1024 * 1024  # octets: a log that grew beyond is cut back at the next checkpoint
_POSTGRES_DEFAULTS = {
    "connect_timeout": "5",  # seconds
    "keepalives_idle": "30",  # seconds without traffic until the connection is probed
    "tcp_user_timeout": "20000",  # milliseconds until unacknowledged data means that it is dead
}


class DatabaseUrlError(ValueError):
    """The URL of the database can't be used; the message tells the operator why."""


@dataclass(frozen=True)
class Engines:
    """One database, opened twice: for the one writer, and for the readers, who can't write."""

    write: Engine
    read: Engine

    def dispose(self) -> None:
        """Close all connections. SQLite then puts its log back into the database file."""
        self.read.dispose()
        self.write.dispose()


def open_engines(url: str | URL, *, readers: int = 4, busy_timeout: float = 5.0) -> Engines:
    """Open the database at `url`; connections are made when first used.

    `url` is `sqlite:///PATH` (`sqlite://` is a database in memory) or `postgresql://USER:PASSWORD@HOST/NAME`.
    `readers` is how many connections reads may use. `busy_timeout` (seconds) is how long SQLite waits for
    another process' lock. Raises DatabaseUrlError.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError(
            "the URL of the database is not of the form sqlite:///PATH or postgresql://..."
        ) from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            return _open_memory()
        return _open_file(parsed, readers, busy_timeout)
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return _open_postgres(parsed, readers)
    raise DatabaseUrlError(f"databases of the kind {parsed.drivername!r} are not supported; use sqlite or postgresql")


def _open_memory() -> Engines:
    engine = create_engine(
        "sqlite://", hide_parameters=True, poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _connected({"foreign_keys": "ON"}))
    event.listen(engine, "begin", _say("BEGIN"))
    # The one connection both writes and reads. Its reads can't write either, so that tests find what would
    # fail on disk.
    reader = engine.execution_options()
    event.listen(reader, "begin", _say("PRAGMA query_only=ON"))
    event.listen(reader, "rollback", _say("PRAGMA query_only=OFF"))
    event.listen(reader, "commit", _say("PRAGMA query_only=OFF"))
    return Engines(engine, reader)


def _open_file(url: URL, readers: int, busy_timeout: float) -> Engines:
    _make_private(str(url.database))
    arguments = {"check_same_thread": False, "timeout": busy_timeout}
    # One connection of the writer, and one for migrations while it runs.
    write = create_engine(url, hide_parameters=True, connect_args=arguments, pool_size=1, max_overflow=1)
    read = create_engine(url, hide_parameters=True, connect_args=arguments, pool_size=readers, max_overflow=0)
    settings = {
        "journal_mode": "WAL",
        "synchronous": "FULL",
        "foreign_keys": "ON",
        "journal_size_limit": str(_WAL_KEPT),
        "wal_autocheckpoint": str(_CHECKPOINT),
    }
    event.listen(write, "connect", _connected(settings | {"cache_size": str(-_CACHE)}))
    event.listen(read, "connect", _connected(settings | {"query_only": "ON"}))
    # IMMEDIATE: a transaction that begins by reading can't be upgraded once somebody else has written.
    event.listen(write, "begin", _say("BEGIN IMMEDIATE"))
    event.listen(read, "begin", _say("BEGIN"))
    return Engines(write, read)


def _open_postgres(url: URL, readers: int) -> Engines:
    if importlib.util.find_spec("psycopg") is None:
        raise DatabaseUrlError("PostgreSQL needs the psycopg library: pip install 'xmppd[postgres]'")
    url = url.set(drivername="postgresql+psycopg")
    missing = {name: value for name, value in _POSTGRES_DEFAULTS.items() if name not in url.query}
    url = url.update_query_dict(missing)
    write = create_engine(url, hide_parameters=True, pool_size=1, max_overflow=1)
    # REPEATABLE READ: all statements of one read see the same state.
    read = create_engine(
        url,
        hide_parameters=True,
        pool_size=readers,
        max_overflow=0,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )
    return Engines(write, read)


def _make_private(path: str) -> None:
    """Create the database file for its owner alone: it holds what passwords are checked against."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseUrlError(f"the database {path} can't be created: {error.strerror}") from None


def _connected(settings: dict[str, str]) -> Callable[[Any, Any], None]:
    def connected(connection: Any, record: Any) -> None:
        # The sqlite3 module's own transactions know no savepoints and commit before some statements; `begin`
        # below opens ours (docs.sqlalchemy.org, "Serializable isolation / Savepoints / Transactional DDL").
        connection.isolation_level = None
        for name, value in settings.items():
            connection.execute(f"PRAGMA {name}={value}")

    return connected


def _say(statement: str) -> Callable[[Connection], None]:
    def say(connection: Connection) -> None:
        # To the driver itself: through SQLAlchemy it would cost as much as what most transactions are for.
        driver: Any = connection.connection.driver_connection
        driver.execute(statement)

    return say
