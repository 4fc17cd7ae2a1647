"""Faults: a full disk, a locked database, a killed process; and which errors are taken for one."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import textwrap
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutput
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.core.storage_contract import ROOMS, TABLES, add, count, hold, names, outcomes, row
from xmppd.api.storage import StorageUnavailable
from xmppd.core.storage import Database, DirectDatabase, migrate, open_engines
from xmppd.core.storage.failures import as_unavailable
from xmppd.core.turns import Turns

ROOT = Path(__file__).parent.parent.parent
BIG = "x" * 20_000


class FaultsOfSqlite(TestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.engines = open_engines(f"sqlite:///{self.path}", busy_timeout=0.05)
        migrate(self.engines.write, "test", TABLES)
        self.database = Database(
            self.engines,
            reactor.callFromThread,
            Turns(reactor.callLater),
        )
        self.database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.database.stop()))
        self.logged: list[str] = []
        # One bound method: observers are removed by identity.
        observer = cast(ILogObserver, self.log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(lambda: globalLogPublisher.removeObserver(observer))

    def log(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("xmppd.core.storage"):
            self.logged.append(event["log_format"].format(**event))

    async def fill_the_disk(self) -> None:
        """Let the file grow no more, as on a full disk."""
        await self.database.write(
            lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1").scalar()  # its present size
        )

    async def free_the_disk(self) -> None:
        await self.database.write(
            lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1000000").scalar()
        )

    async def test_a_full_disk_fails_the_whole_batch_and_leaves_nothing(self) -> None:
        await self.database.write(add("before"))
        await self.fill_the_disk()
        held, release = hold(self.database)
        waiting: list[Deferred[Any]] = [
            self.database.write(add("small")),
            self.database.append(ROOMS, [row("also small")]),
            self.database.write(add("big", BIG)),
            self.database.write(add("after")),
        ]
        release.set()
        await held
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
            self.assertTrue(error.wait)
            self.assertIn("full", error.reason)
        self.assertEqual(await self.database.read(names), ["before"])
        await self.free_the_disk()
        self.assertEqual(await self.database.write(add("big", BIG)), 2)

    async def test_a_full_disk_hits_appended_rows_too(self) -> None:
        await self.fill_the_disk()
        held, release = hold(self.database)
        waiting: list[Deferred[Any]] = [
            self.database.append(ROOMS, [row("a", BIG)]),
            self.database.append(ROOMS, [row("b", BIG)]),
        ]
        release.set()
        await held
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
        await self.free_the_disk()
        self.assertEqual(await self.database.write(count), 0)

    async def test_a_full_disk_is_found_without_threads_too(self) -> None:
        await self.fill_the_disk()
        direct = DirectDatabase(self.engines)
        self.failureResultOf(direct.write(add("a", BIG)), StorageUnavailable)
        await self.free_the_disk()
        self.assertEqual(self.successResultOf(direct.write(add("a", BIG))), 1)

    async def test_a_locked_database_is_unavailable_until_it_is_unlocked(self) -> None:
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        waiting: list[Deferred[Any]] = [self.database.write(add("a")), self.database.write(add("b"))]
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
        self.assertEqual(await self.database.read(names), [])
        other.execute("ROLLBACK")
        self.assertEqual(await self.database.write(add("a")), 1)

    async def test_a_write_that_begins_by_reading_is_not_overtaken(self) -> None:
        other = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
        self.addCleanup(other.close)

        def read_and_write(connection: Connection) -> int:
            count(connection)
            with self.assertRaisesRegex(sqlite3.OperationalError, "locked"):
                other.execute("INSERT INTO rooms (name) VALUES ('overtaker')")
            return add("a")(connection)

        self.assertEqual(await self.database.write(read_and_write), 1)

    async def test_the_log_tells_the_beginning_and_the_end_once(self) -> None:
        await self.fill_the_disk()
        for name in "ab":
            await outcomes([self.database.write(add(name, BIG))])
        await self.free_the_disk()
        await self.database.write(add("c"))
        self.assertEqual(len(self.logged), 2)
        self.assertIn("can't be written", self.logged[0])
        self.assertIn("can be written again", self.logged[1])
        self.assertEqual(self.database.counters.failed_batches, 2)

    async def test_a_migration_that_fills_the_disk_leaves_everything_as_it_was(self) -> None:
        await self.fill_the_disk()

        def grow(op: Any) -> None:
            op.execute(text("CREATE TABLE more (x)"))
            op.execute(text(f"INSERT INTO more VALUES ('{BIG}')"))

        # The limit belongs to the connection, which is the writer's only one while that is idle.
        self.assertRaises(StorageUnavailable, migrate, self.engines.write, "test", TABLES, (grow,))
        await self.free_the_disk()
        self.assertEqual(migrate(self.engines.write, "test", TABLES, (grow,)), 0)

    async def test_a_failed_disk_while_committing_leaves_no_transaction_behind(self) -> None:
        dialect = self.engines.write.dialect
        original, broken = dialect.do_commit, True

        def commit(connection: Any) -> None:
            if broken:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            original(connection)

        self.patch(dialect, "do_commit", commit)
        waiting: list[Deferred[Any]] = [self.database.write(add("a")), self.database.write(add("b"))]
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
        broken = False
        self.assertEqual(await self.database.write(add("c")), 1)


class KilledProcess(TestCase):
    async def test_what_was_acknowledged_is_there_after_kill_9(self) -> None:
        path = self.mktemp()
        program = f"""
            import os, signal
            from sqlalchemy import insert
            from twisted.internet import reactor
            from tests.core.storage_contract import ROOMS, TABLES, add
            from xmppd.core.turns import Turns
            from xmppd.core.storage import Database, migrate, open_engines

            engines = open_engines("sqlite:///{path}")
            migrate(engines.write, "test", TABLES)
            database = Database(engines, reactor.callFromThread, Turns(reactor.callLater))

            def acknowledged(result, name):
                os.write(1, name.encode() + b" ")
                if name == "0040":
                    os.kill(os.getpid(), signal.SIGKILL)

            def begin():
                database.start()
                for number in range(200):
                    name = f"{{number:04}}"
                    reactor.callLater(number / 1000, lambda n=name: database.write(add(n)).addCallback(acknowledged, n))

            reactor.callWhenRunning(begin)
            reactor.run()
        """
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        arguments = ["-c", textwrap.dedent(program)]
        self.assertEqual(signal.SIGKILL, 9)
        output = await getProcessOutput(sys.executable, arguments, environment, errortoo=False)
        acknowledged = output.decode().split()
        self.assertGreater(len(acknowledged), 40)
        engines = open_engines(f"sqlite:///{path}")
        self.addCleanup(engines.dispose)
        with engines.write.connect() as connection:
            self.assertEqual(names(connection)[: len(acknowledged)], acknowledged)
            self.assertEqual(connection.exec_driver_sql("PRAGMA integrity_check").scalar(), "ok")
            connection.execute(insert(ROOMS), row("next"))


class Classification(SynchronousTestCase):
    def of_sqlite(self, code: int | None) -> StorageUnavailable | None:
        error = sqlite3.OperationalError("words")
        if code is not None:
            error.sqlite_errorcode = code
        wrapped = OperationalError("INSERT", {}, error)
        return as_unavailable(wrapped)

    def of_postgres(self, sqlstate: str | None, name: str = "OperationalError") -> StorageUnavailable | None:
        error = type(name, (Exception,), {"sqlstate": sqlstate})("words\n  and more")
        return as_unavailable(OperationalError("INSERT", {}, error))

    def test_sqlite(self) -> None:
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY):
            found = self.of_sqlite(code)
            assert found is not None, code
            self.assertTrue(found.wait)
        for code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            found = self.of_sqlite(code)
            assert found is not None, code
            self.assertFalse(found.wait)
        for harmless in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_TOOBIG, None):
            self.assertIsNone(self.of_sqlite(harmless), harmless)

    def test_postgres(self) -> None:
        for sqlstate in ("08006", "53100", "57P01", "40001", "58030", None):
            found = self.of_postgres(sqlstate)
            assert found is not None, sqlstate
            self.assertTrue(found.wait)
            self.assertEqual(found.reason, "words and more")
        found = self.of_postgres("XX001")
        assert found is not None
        self.assertFalse(found.wait)
        for harmless in ("42P01", "23505", "22001", "54000"):
            self.assertIsNone(self.of_postgres(harmless), harmless)
        self.assertIsNone(self.of_postgres(None, "ProgrammingError"))

    def test_others(self) -> None:
        found = as_unavailable(PoolTimeout("no connection is free"))
        assert found is not None
        self.assertEqual(found.reason, "no connection is free")
        self.assertIsNone(as_unavailable(KeyError("x")))
        self.assertIsNone(as_unavailable(OSError("x")))
