"""What a row of an archive costs on SQLite by the form of its table: `python -m bench.schemas [--help]`.

A row is one owner's copy of a 450-byte message; a message has two. Owners are drawn at random, two of them a message.
The CPU time is that of the thread that writes: statements, commit with fsync, and checkpoints.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, LargeBinary, MetaData, Table, insert

from xmppd.core.storage import open_engines

PAYLOAD = 450
WORDS = ("east", "juliet", "sun", "arise", "fair", "kill", "envious", "moon", "already", "sick", "pale", "grief")
LOGGED = 1000
"""Rows a transaction when the archive is filled before the measurement."""


@dataclass(frozen=True)
class Row:
    """A copy of the message `id`; `copy` is 0 for the sender's and 1 for the recipient's."""

    id: int
    copy: int
    owner: int
    peer: int
    body: str
    stanza: bytes


@dataclass(frozen=True)
class Variant:
    """Tables, and what is inserted into them for a row."""

    name: str
    tables: tuple[str, ...]
    statements: dict[str, Callable[[Row], tuple[Any, ...] | None]] = field(default_factory=dict)


def address(number: int) -> str:
    """Return the address of an owner."""
    return f"user{number:04}@chat.example.org"


def _numbers(row: Row) -> tuple[Any, ...]:
    return (row.owner, row.peer, row.id, row.stanza)


def _texts(row: Row) -> tuple[Any, ...]:
    return (address(row.owner), address(row.peer), row.id, row.stanza)


_INSERT = "INSERT INTO a(owner, peer, id, stanza) VALUES (?, ?, ?, ?)"
_ROWS = "CREATE TABLE a(n INTEGER PRIMARY KEY, owner {0} NOT NULL, peer {0} NOT NULL, id INTEGER NOT NULL, stanza BLOB)"
_BY_ID = "CREATE INDEX a1 ON a(owner, id)"
_BY_PEER = "CREATE INDEX a2 ON a(owner, peer, id)"
_COVERING = "CREATE INDEX a3 ON a(owner, id, peer)"
_ONCE = "CREATE TABLE m(id INTEGER PRIMARY KEY, stanza BLOB)"
_ENTRIES = "CREATE TABLE a(owner INTEGER, id INTEGER, peer INTEGER, PRIMARY KEY (owner, id)) WITHOUT ROWID"
_CLUSTERED = "CREATE TABLE a(owner {0}, peer {0}, id INTEGER, stanza BLOB, PRIMARY KEY (owner, id)) WITHOUT ROWID"
_WORDS = "CREATE VIRTUAL TABLE f USING fts5(body, content='', detail={0})"
_INSERT_WORDS = "INSERT INTO f(rowid, body) VALUES (?, ?)"
_TABLE = Table(
    "a",
    MetaData(),
    Column("owner", Integer),
    Column("peer", Integer),
    Column("id", Integer),
    Column("stanza", LargeBinary),
)
_INSERT_BY_CORE = insert(_TABLE)
NUMBERS, TEXTS = _ROWS.format("INTEGER"), _ROWS.format("TEXT")


def _words(row: Row) -> tuple[Any, ...]:
    return (row.id * 2 + row.copy, row.body)


VARIANTS = (
    Variant("no index", (NUMBERS,), {_INSERT: _numbers}),
    Variant(
        "payload once, entries (owner, id)",
        (_ONCE, _ENTRIES),
        {
            "INSERT INTO m(id, stanza) VALUES (?, ?)": lambda row: None if row.copy else (row.id, row.stanza),
            "INSERT INTO a(owner, id, peer) VALUES (?, ?, ?)": lambda row: (row.owner, row.id, row.peer),
        },
    ),
    Variant("numbers, (owner, id, peer)", (NUMBERS, _COVERING), {_INSERT: _numbers}),
    Variant("numbers, (owner, id) (owner, peer, id)", (NUMBERS, _BY_ID, _BY_PEER), {_INSERT: _numbers}),
    Variant("addresses, (owner, id, peer)", (TEXTS, _COVERING), {_INSERT: _texts}),
    Variant("addresses, (owner, id) (owner, peer, id)", (TEXTS, _BY_ID, _BY_PEER), {_INSERT: _texts}),
    Variant("numbers, clustered, (owner, peer, id)", (_CLUSTERED.format("INTEGER"), _BY_PEER), {_INSERT: _numbers}),
    Variant("no index, FTS5", (NUMBERS, _WORDS.format("full")), {_INSERT: _numbers, _INSERT_WORDS: _words}),
    Variant("no index, FTS5 detail=none", (NUMBERS, _WORDS.format("none")), {_INSERT: _numbers, _INSERT_WORDS: _words}),
)


def rows(owners: int) -> Iterator[Row]:
    """Give rows for ever; the same ones each time."""
    chance = random.Random(1)
    for number in count(1):
        pair = chance.sample(range(owners), 2)
        body = " ".join(f"{chance.choice(WORDS)}{chance.randrange(20)}" for _ in range(28))
        stanza = body.encode().ljust(PAYLOAD)
        yield Row(number, 0, pair[0], pair[1], body, stanza)
        yield Row(number, 1, pair[1], pair[0], body, stanza)


def written(engine: Engine, variant: Variant, batch: list[Row]) -> float:
    """Insert the rows in one transaction and return the CPU time it took."""
    work = {
        statement: [values for row in batch if (values := make(row)) is not None]
        for statement, make in variant.statements.items()
    }
    return committed(engine, lambda connection: [connection.exec_driver_sql(*item) for item in work.items()])


def written_by_core(engine: Engine, variant: Variant, batch: list[Row]) -> float:
    """The same with SQLAlchemy's own executemany, for tables with one statement."""
    (make,) = variant.statements.values()
    names = [column.name for column in _TABLE.columns]
    values = [dict(zip(names, make(row) or (), strict=True)) for row in batch]
    return committed(engine, lambda connection: connection.execute(_INSERT_BY_CORE, values))


def committed(engine: Engine, insertion: Callable[[Connection], object]) -> float:
    """Run `insertion` in a transaction and return the CPU time of both."""
    began = time.thread_time()
    with engine.connect() as connection, connection.begin():
        insertion(connection)
    return time.thread_time() - began


def measure(variant: Variant, options: argparse.Namespace, by_core: bool = False) -> list[float]:
    """Return the microseconds a row for each size of batch; with `by_core`, inserted by SQLAlchemy's own statements."""
    source = rows(options.owners)
    costs = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        engines = open_engines(f"sqlite:///{folder}/a.sqlite")
        with engines.write.begin() as connection:
            for statement in variant.tables:
                connection.exec_driver_sql(statement)
        for _ in range(options.before // LOGGED):
            written(engines.write, variant, list(islice(source, LOGGED)))
        for size in options.batches:
            used = 0.0
            for _ in range(options.rows // size):
                batch = list(islice(source, size))
                used += (
                    written_by_core(engines.write, variant, batch)
                    if by_core
                    else written(engines.write, variant, batch)
                )
            costs.append(used / (options.rows // size * size) * 1e6)
        engines.dispose()
    return costs


def main() -> int:
    """Measure all variants and print a table."""
    parser = argparse.ArgumentParser(prog="bench.schemas", description=__doc__)
    parser.add_argument("--owners", type=int, default=1000, help="accounts (1000)")
    parser.add_argument("--before", type=int, default=100_000, help="rows there at first (100000)")
    parser.add_argument("--rows", type=int, default=10_000, help="rows measured (10000)")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[10, 100, 500], help="rows a transaction (10 100 500)"
    )
    parser.add_argument("--folder", type=Path, help="where the files are made; the disk decides on fsync")
    options = parser.parse_args()
    print(f"CPU µs a row, {options.owners} owners, {options.before} rows before")
    print(f"{'rows a transaction':45}" + "".join(f"{size:9}" for size in options.batches))
    for variant in VARIANTS:
        costs = measure(variant, options)
        print(f"{variant.name:45}" + "".join(f"{cost:9.1f}" for cost in costs), flush=True)
        if "peer, id" in variant.name and "numbers, (" in variant.name:
            costs = measure(variant, options, by_core=True)
            print(f"{'... by executemany of SQLAlchemy':45}" + "".join(f"{cost:9.1f}" for cost in costs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
