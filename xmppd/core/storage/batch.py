"""What one transaction does: the work of several callers, each of whom may fail alone.

Pure of threads and Deferreds: `run_batch` and `run_read` block, and return every outcome as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Engine,
    Float,
    Integer,
    LargeBinary,
    Result,
    RootTransaction,
    Table,
    Text,
    insert,
)

from xmppd.api.storage import Row, StorageUnavailable
from xmppd.core.storage.failures import ConnectionLost, as_unavailable, is_lost_connection, is_write_refused

T = TypeVar("T")
#: Types whose values the drivers of all databases take as they are.
_PLAIN = frozenset({Text, Integer, BigInteger, Float, LargeBinary})


@dataclass(frozen=True, slots=True)
class Call:
    """A function to run on the connection."""

    fn: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Append:
    """Rows to insert, all with the same columns."""

    table: Table
    rows: Sequence[Row]


Job = Call | Append


@dataclass(frozen=True, slots=True)
class Done:
    """The job is committed, with this result."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The job left nothing behind."""

    error: BaseException


Outcome = Done | Failed


class TransactionEnded(RuntimeError):
    """A function committed or rolled back the transaction, which it shares with others."""


class _JobFailed(Exception):
    """One of several jobs without savepoints raised."""


class _Doubtful(Exception):
    """COMMIT failed, caused by the error this is raised from."""


def run_batch(engine: Engine, jobs: Sequence[Job]) -> list[Outcome]:
    """Carry out `jobs` in one transaction and return an outcome for each, in their order.

    They nearly always succeed, so at first they are all tried as one; should a job raise, all are done over, each with
    a savepoint of its own. Savepoints would cost as much as small jobs, on PostgreSQL far more.

    A job that raises is undone and fails alone. If the database can't work (disk, connection), nothing is
    stored and all fail with StorageUnavailable; a connection found dead before anything could be committed is
    replaced once.
    """
    try:
        try:
            return _retried(lambda: _transaction(engine, jobs, guarded=False))
        except _JobFailed:
            return _retried(lambda: _transaction(engine, jobs, guarded=True))
    except _Doubtful as doubtful:
        error = doubtful.__cause__
        assert error is not None
        if as_unavailable(error) is None and len(jobs) > 1:
            # A constraint that is only checked by COMMIT: what one job did must not fail the others.
            return [outcome for job in jobs for outcome in run_batch(engine, [job])]
        return [_failed(error) for _ in jobs]
    except BaseException as error:
        return [_failed(error) for _ in jobs]


def run_read(engine: Engine, fn: Callable[[Connection], Any]) -> Outcome:
    """Run `fn` in a transaction of its own that ends without a trace."""

    def attempt() -> Any:
        with engine.connect() as connection:
            return _plain(fn(connection))

    try:
        return Done(_retried(attempt))
    except BaseException as error:
        return Failed(error) if is_write_refused(error) else _failed(error)


def _failed(error: BaseException) -> Failed:
    # A StorageUnavailable of its own for each: raising an exception in many places at once would mix up their
    # tracebacks.
    return Failed(as_unavailable(error) or error)


def _retried(attempt: Callable[[], T]) -> T:
    """Try again, once, after a connection that has died since it was last used (the server was restarted)."""
    try:
        return attempt()
    except BaseException as error:
        if not is_lost_connection(error):
            raise
    return attempt()


def _transaction(engine: Engine, jobs: Sequence[Job], guarded: bool) -> list[Outcome]:
    with engine.connect() as connection:
        root = connection.begin()
        shared = _SharedTransaction(connection, root, jobs, guarded)
        for positions in _groups(jobs):
            shared.run(positions)
        if len(jobs) == 1 and isinstance(shared.outcomes[0], Failed):
            root.rollback()
            return shared.outcomes
        try:
            commit(connection, root)
        except BaseException as error:
            raise _Doubtful from error
    return shared.outcomes


_Insert = tuple[str, tuple[str, ...] | None]


@lru_cache(maxsize=256)
def _compiled(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> _Insert | None:
    """Return the driver's own statement for rows of these columns, and their order if it takes them by position.

    None if a column's values have to be converted on the way.
    """
    if not all(type(table.c[name].type) in _PLAIN for name in columns):
        return None
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    if set(compiled.params) != set(columns):
        return None  # a column has a default of its own
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that name the same columns.

    Plain values go to the driver as they are: SQLAlchemy would look at each, at several times the cost of inserting it.
    """
    compiled = _compiled(connection.dialect, table, tuple(rows[0]))
    if compiled is None:
        connection.execute(insert(table), rows)
        return
    statement, order = compiled
    if order is None:
        connection.exec_driver_sql(statement, [dict(row) for row in rows])
    elif len(order) == 1:
        connection.exec_driver_sql(statement, [(row[order[0]],) for row in rows])
    else:
        connection.exec_driver_sql(statement, list(map(itemgetter(*order), rows)))


def commit(connection: Connection, root: RootTransaction) -> None:
    """Commit; if that fails, leave no transaction behind on the connection, which goes back into the pool."""
    try:
        root.commit()
    except BaseException as error:
        # For SQLAlchemy the transaction has ended. For SQLite it goes on: the COMMIT could be tried again.
        if not connection.invalidated:
            try:
                connection.connection.rollback()
            except Exception:
                connection.invalidate(error)
        raise


def _groups(jobs: Sequence[Job]) -> Iterator[list[int]]:
    """Give the positions of jobs to carry out together: each call alone, neighbouring appends by table."""
    waiting: dict[tuple[Any, ...], list[int]] = {}
    for position, job in enumerate(jobs):
        if isinstance(job, Append):
            waiting.setdefault((job.table, *job.rows[0]), []).append(position)
            continue
        yield from waiting.values()
        waiting.clear()
        yield [position]
    yield from waiting.values()


class _SharedTransaction:
    """A transaction under way, in which each group of jobs has a savepoint if it is `guarded`."""

    def __init__(self, connection: Connection, root: RootTransaction, jobs: Sequence[Job], guarded: bool) -> None:
        self._connection = connection
        self._root = root
        self._jobs = jobs
        self._guarded = guarded
        self.outcomes: list[Outcome] = [Done(None)] * len(jobs)

    def run(self, positions: list[int]) -> None:
        """Carry out the jobs at `positions` and note their outcomes. Raises what makes the whole transaction fail."""
        if self._guarded:
            self._driver("SAVEPOINT xmppd_job")
        try:
            value = self._carry_out([self._jobs[position] for position in positions])
        except BaseException as error:
            if as_unavailable(error) is not None:
                raise
            self._check()
            if not self._guarded and len(self._jobs) > 1:
                raise _JobFailed from error
            if self._guarded:
                self._driver("ROLLBACK TO SAVEPOINT xmppd_job")
                self._driver("RELEASE SAVEPOINT xmppd_job")
            if len(positions) == 1:
                self.outcomes[positions[0]] = Failed(error)
                return
            for position in positions:  # which of them is at fault?
                self.run([position])
            return
        self._check()
        if self._guarded:
            self._driver("RELEASE SAVEPOINT xmppd_job")
        if len(positions) == 1:
            self.outcomes[positions[0]] = Done(value)

    def _carry_out(self, jobs: Sequence[Job]) -> Any:
        first = jobs[0]
        if isinstance(first, Call):
            return _plain(first.fn(self._connection))
        rows = [row for job in jobs if isinstance(job, Append) for row in job.rows]
        insert_rows(self._connection, first.table, rows)
        return None

    def _check(self) -> None:
        if not self._root.is_active or self._connection.in_nested_transaction():
            raise TransactionEnded("a write function must leave commit and rollback to the writer")

    def _driver(self, statement: str) -> None:
        """Speak to the driver itself: a savepoint through SQLAlchemy costs as much as the statement it guards."""
        driver: Any = self._connection.connection.driver_connection
        try:
            driver.execute(statement)
        except self._connection.dialect.loaded_dbapi.Error as error:
            if self._connection.dialect.is_disconnect(error, driver, None):
                self._connection.invalidate(error)
                raise ConnectionLost from error
            raise


def _plain(value: Any) -> Any:
    if isinstance(value, Result):
        raise TypeError("a function must return rows or values, not a Result: its connection is gone")
    return value


def unavailable_of(outcome: Outcome) -> StorageUnavailable | None:
    """Return why the database could not do the job, if that is how it failed."""
    if isinstance(outcome, Failed) and isinstance(outcome.error, StorageUnavailable):
        return outcome.error
    return None
