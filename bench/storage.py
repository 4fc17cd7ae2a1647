"""Measure the database layer by itself: `python -m bench.storage [--help]`.

A row is what an archive would store of a 450-byte message. "alone": one at a time, each waiting for its commit.
"together": a window of them in flight, sharing commits. "busy": the same while the reactor's thread computes all
the time, as under full load; there, what the threads cost is the CPU of the whole process less that of computing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, bindparam, insert, select
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bench.process import cpu_seconds
from tests.interop.postgres import Cluster, binaries
from xmppd.core.storage import Database, WriterLimits, migrate, open_engines
from xmppd.core.turns import Turns

_METADATA = MetaData()
ARCHIVE = Table(
    "archive",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("stamp", Float, nullable=False),
    Column("stanza", LargeBinary, nullable=False),
    Index("archive_by_account", "account", "stamp"),
)
STANZA = b"x" * 450
INSERT = insert(ARCHIVE)
SELECT = select(ARCHIVE.c.stanza).where(ARCHIVE.c.id == bindparam("id"))


@dataclass
class Result:
    """What `count` operations cost: all in seconds."""

    count: int
    seconds: float
    cpu: float
    server_cpu: float
    batches: int
    latencies: list[float]

    def line(self, name: str) -> str:
        """Return a line of the table."""
        each = 1e6 / self.count
        latencies = sorted(self.latencies)
        half, most = (latencies[len(latencies) * share // 100] * 1e3 for share in (50, 99))
        size = self.count / self.batches if self.batches else 1
        server = f"{self.server_cpu * each:8.1f}" if self.server_cpu else f"{'-':>8}"
        return (
            f"{name:28}{self.count / self.seconds:9.0f} {self.cpu * each:9.1f} {server} "
            f"{size:8.1f} {half:9.2f} {most:9.2f}"
        )


class Bench:
    """One database under measurement."""

    def __init__(self, reactor: Any, database: Database, server: int | None, seconds: float, window: int) -> None:
        self.reactor, self.database, self.server = reactor, database, server
        self.seconds, self.window = seconds, window
        self.rows = 0

    def row(self) -> dict[str, Any]:
        """Return the next row."""
        self.rows += 1
        account = f"user{self.rows % 1000}@example.org"
        return {"account": account, "peer": "juliet@example.com", "stamp": self.rows / 1000, "stanza": STANZA}

    def write(self) -> Deferred[Any]:
        """Insert a row by a function."""
        row = self.row()
        return self.database.write(lambda connection: connection.execute(INSERT, row) and None)

    def append(self) -> Deferred[Any]:
        """Insert a row by `append`."""
        return self.database.append(ARCHIVE, [self.row()])

    def read(self) -> Deferred[Any]:
        """Read one of the rows by its key."""
        self.rows += 1
        wanted = {"id": self.rows % 100 + 1}
        return self.database.read(lambda connection: connection.scalar(SELECT, wanted))

    async def measure(self, operation: Callable[[], Deferred[Any]], window: int, busy: bool = False) -> Result:
        """Keep `window` operations in flight for the time given."""
        latencies: list[float] = []
        end = time.perf_counter() + self.seconds

        async def worker() -> None:
            while time.perf_counter() < end:
                began = time.perf_counter()
                await operation()
                latencies.append(time.perf_counter() - began)

        computed = 0.0

        def compute() -> None:
            nonlocal computed
            began = time.thread_time()
            sum(range(5_000))
            computed += time.thread_time() - began
            if time.perf_counter() < end:
                self.reactor.callLater(0, compute)

        counters = self.database.counters
        batches, began, cpu, server = counters.batches, time.perf_counter(), time.process_time(), self.server_cpu()
        if busy:
            compute()
        for waiting in [Deferred.fromCoroutine(worker()) for _ in range(window)]:
            await waiting
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu - computed
        server = self.server_cpu() - server
        return Result(len(latencies), seconds, cpu, server, counters.batches - batches, latencies)

    def server_cpu(self) -> float:
        """Return the CPU time that the database server has used, if it is another process."""
        return 0.0 if self.server is None else cpu_seconds(self.server)

    async def run(self) -> None:
        """Measure everything and print it."""
        print(f"{'':28}{'ops/s':>9} {'CPU µs':>9} {'server':>8} {'a batch':>8} {'p50 ms':>9} {'p99 ms':>9}")
        for name, operation in (("write", self.write), ("append", self.append), ("read", self.read)):
            for kind, window, busy in (("alone", 1, False), ("together", self.window, False), ("busy", 50, True)):
                result = await self.measure(operation, window, busy)
                print(result.line(f"{name} {kind}"), flush=True)


async def measure(reactor: Any, url: str, server: int | None, options: argparse.Namespace) -> None:
    """Measure the database at `url`."""
    engines = open_engines(url)
    migrate(engines.write, "bench", (ARCHIVE,))
    database = Database(
        engines, reactor.callFromThread, Turns(reactor.callLater), limits=WriterLimits(gather=options.gather / 1000)
    )
    database.start()
    try:
        await Bench(reactor, database, server, options.seconds, options.window).run()
    finally:
        await database.stop()


async def main(reactor: Any, options: argparse.Namespace) -> None:
    """Measure SQLite, and PostgreSQL if it is installed."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print("SQLite, synchronous=FULL")
        await measure(reactor, f"sqlite:///{folder}/bench.sqlite", None, options)
    if binaries() is None:
        return
    cluster = Cluster()
    try:
        cluster.start()
        server = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
        print("PostgreSQL, as it comes")
        await measure(reactor, cluster.url, server, options)
    finally:
        cluster.remove()


def started(reactor: Any) -> Coroutine[Any, Any, None]:
    """Parse the command line and begin."""
    parser = argparse.ArgumentParser(prog="bench.storage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (3)")
    parser.add_argument("--window", type=int, default=200, help="operations in flight, together (200)")
    parser.add_argument("--gather", type=float, default=2.0, help="milliseconds a write waits for company (2)")
    parser.add_argument("--folder", type=Path, help="where SQLite's file is made; the disk decides on fsync")
    return main(reactor, parser.parse_args())


if __name__ == "__main__":
    react(started)
