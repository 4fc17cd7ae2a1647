"""Storage for plugins: SQLAlchemy Core tables, read and written through an `IDatabase`.

A plugin takes `Table`, `Column`, `select` and the rest straight from `sqlalchemy`, declares its tables in a
`MetaData` of its own, and names them in its class attribute `tables`; `migrations` holds what brings an older
database up to date. The same code runs on SQLite and PostgreSQL. An account is stored as the text of its bare
JID. What runs often is best built once, as a constant with `bindparam`: building a statement takes longer than
executing it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from alembic.operations import Operations

T = TypeVar("T")

Migration = Callable[["Operations"], None]
"""Brings the tables of one owner from schema n to n + 1, n being its place in the owner's sequence of migrations.

It is handed Alembic's `Operations`. Tables are altered with `op.batch_alter_table`, which works on SQLite
too. All steps of an owner run in one transaction with foreign keys unenforced; they are checked before it is
committed.
"""

Row = Mapping[str, Any]
"""The values of one row by column name."""


class StorageUnavailable(Exception):
    """The database can't do its work now: the disk is full, the connection is lost, too much is queued.

    Nothing of the function's work is stored, with one exception: a connection that is lost while the server
    commits leaves it unknown. `reason` is for the log. `wait` is true if trying again later can help. The
    kernel answers the stanza being handled with `resource-constraint` (RFC 6120 section 8.3.3.18), of type
    `wait`.
    """

    def __init__(self, reason: str, *, wait: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class IDatabase(Protocol):
    """Reads and writes that don't block the reactor. Every method is called in the reactor's thread.

    A Deferred is returned, so the work is queued by the call and not by the `await`. An exception of the
    function reaches whoever awaits it (`sqlalchemy.exc.IntegrityError`, for one), and has undone that
    function's work alone. All may fail with `StorageUnavailable`.

    A function runs in another thread. It works with the connection it is given, returns plain values (never a
    SQLAlchemy `Result`), leaves `commit`, `rollback` and `close` alone, and touches nothing else that
    changes: it shares a transaction with others, and if one of them fails it is undone and run again.
    """

    def read(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """Run `fn` in a read-only transaction that sees one consistent state, everything awaited so far included."""

    def write(self, fn: Callable[[Connection], T]) -> Deferred[T]:
        """Run `fn` in a transaction, after all that was queued before it.

        The Deferred fires when the work is on disk.
        """

    def append(self, table: Table, rows: Sequence[Row]) -> Deferred[None]:
        """Insert `rows`, which all name the same columns, into `table`: all of them or none, in turn with the writes.

        Rows queued by neighbouring calls are inserted together, at about a third of the cost of a `write` each: it is
        meant for what is stored per stanza. Calls with nothing but `append` between them may be carried out
        in any order.
        """
