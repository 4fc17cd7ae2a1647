"""Storage and accounts on a real PostgreSQL: the contracts that hold on SQLite, and a server that goes away.

XMPPD_TEST_POSTGRES may hold the URL of a database to use instead of a server of our own.
"""

from __future__ import annotations

import itertools
import os
import unittest
import unittest.mock
from typing import Any

from sqlalchemy import Connection, create_engine, insert, make_url, text
from sqlalchemy.pool import NullPool
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial import unittest as trial

from tests.core.accounts_contract import AccountsContract
from tests.core.migration_contract import MigrationContract
from tests.core.storage_contract import ROOMS, TABLES, DatabaseContract, add, count, hold, names, outcomes, row
from tests.interop.postgres import VARIABLE, Cluster, binaries
from xmppd.api.storage import StorageUnavailable
from xmppd.core.storage import Database, DatabaseUrlError, DirectDatabase, Engines, migrate, open_engines
from xmppd.core.turns import Turns

_numbers = itertools.count(1)
cluster: Cluster | None = None


def setUpModule() -> None:
    global cluster
    if VARIABLE in os.environ:
        return
    if binaries() is None:
        raise unittest.SkipTest("PostgreSQL is not installed")
    cluster = Cluster()
    cluster.start()


def tearDownModule() -> None:
    if cluster is not None:
        cluster.remove()


def base_url() -> str:
    return os.environ[VARIABLE] if cluster is None else cluster.url


class OnPostgres:
    """Gives every test a schema of its own. Mixed into a TestCase."""

    timeout = 60
    addCleanup: Any

    def open(self) -> Engines:
        name = f"xmppd_test_{os.getpid()}_{next(_numbers)}"
        url = make_url(base_url()).set(drivername="postgresql+psycopg")
        self.administration = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self.execute(f"CREATE SCHEMA {name}")
        engines = open_engines(url.update_query_dict({"options": f"-csearch_path={name}"}))
        self.addCleanup(self.execute, f"DROP SCHEMA {name} CASCADE")
        self.addCleanup(engines.dispose)
        return engines

    def execute(self, statement: str) -> None:
        with self.administration.connect() as connection:
            connection.execute(text(statement))

    def serve(self, engines: Engines) -> Database:
        database = Database(engines, reactor.callFromThread, Turns(reactor.callLater))
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        return database


class Storage(DatabaseContract, OnPostgres, trial.TestCase):
    def setUp(self) -> None:
        engines = self.open()
        self.make_tables(engines)
        self.database = self.serve(engines)

    async def test_a_read_sees_one_state(self) -> None:
        await self.database.write(add("a"))
        writer = self.database.engines.write

        def read(connection: Connection) -> tuple[int, int]:
            before = count(connection)
            with writer.begin() as other:
                other.execute(insert(ROOMS), row("b"))
            return before, count(connection)

        self.assertEqual(await self.database.read(read), (1, 1))
        self.assertEqual(await self.database.read(count), 2)


class StorageWithoutThreads(DatabaseContract, OnPostgres, trial.TestCase):
    def setUp(self) -> None:
        engines = self.open()
        self.make_tables(engines)
        self.database = DirectDatabase(engines)


class Migrations(MigrationContract, OnPostgres, trial.TestCase):
    def setUp(self) -> None:
        self.engines = self.open()


class Accounts(AccountsContract, OnPostgres, trial.TestCase):
    plan_option = ""

    def setUp(self) -> None:
        engines = self.open()
        self.make_tables(engines)
        self.database = self.serve(engines)
        self.accounts = self.make_accounts()


def cut_off(connection: Connection) -> None:
    """Have the server close this very connection."""
    connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


class LostConnections(OnPostgres, trial.TestCase):
    def setUp(self) -> None:
        engines = self.open()
        migrate(engines.write, "test", TABLES)
        self.database = self.serve(engines)

    def close_idle_connections(self) -> None:
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    async def test_an_idle_connection_that_was_closed_is_replaced_unnoticed(self) -> None:
        for job in (self.database.write, self.database.read):
            self.assertEqual(await job(count), 0)
        self.close_idle_connections()
        self.assertEqual(await self.database.write(add("a")), 1)
        self.assertEqual(await self.database.read(names), ["a"])
        self.close_idle_connections()
        held, release = hold(self.database)
        self.assertEqual(await self.database.read(names), ["a"])
        # The savepoint is the first statement that meets the dead connection.
        waiting = [self.database.write(add("b")), self.database.write(add("c"))]
        release.set()
        await held
        self.assertEqual(await outcomes(waiting), [2, 3])

    async def test_a_connection_lost_within_a_batch_undoes_all_of_it(self) -> None:
        held, release = hold(self.database)
        waiting: list[Deferred[Any]] = [
            self.database.write(add("a")),
            self.database.write(cut_off),
            self.database.append(ROOMS, [row("b")]),
        ]
        release.set()
        await held
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
        self.assertEqual(await self.database.read(names), [])
        self.assertEqual(await self.database.write(add("c")), 1)

    async def test_a_connection_lost_while_reading(self) -> None:
        (error,) = await outcomes([self.database.read(cut_off)])
        self.assertIsInstance(error, StorageUnavailable)
        self.assertEqual(await self.database.read(count), 0)

    async def test_a_full_disk_as_the_server_reports_it(self) -> None:
        def disk_full(connection: Connection) -> None:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"))

        held, release = hold(self.database)
        waiting: list[Deferred[Any]] = [self.database.write(add("a")), self.database.write(disk_full)]
        release.set()
        await held
        for error in await outcomes(waiting):
            self.assertIsInstance(error, StorageUnavailable)
            self.assertIn("no space left", error.reason)
        self.assertEqual(await self.database.write(count), 0)

    async def test_the_server_is_restarted(self) -> None:
        if cluster is None:
            raise unittest.SkipTest("the server is not ours to stop")
        await self.database.write(add("a"))
        for mode in ("fast", "immediate"):
            cluster.stop(mode)
            waiting: list[Deferred[Any]] = [
                self.database.write(add(mode)),
                self.database.append(ROOMS, [row("lost")]),
                self.database.read(names),
            ]
            for error in await outcomes(waiting):
                self.assertIsInstance(error, StorageUnavailable)
                self.assertTrue(error.wait)
            cluster.start()
            self.assertEqual(await self.database.read(names), ["a"])
        self.assertEqual(await self.database.write(add("b")), 2)


class Opening(unittest.TestCase):
    def test_a_missing_driver_is_explained(self) -> None:
        missing = unittest.mock.patch("importlib.util.find_spec", return_value=None)
        with missing, self.assertRaises(DatabaseUrlError) as caught:
            open_engines("postgresql://localhost/x")
        self.assertIn("xmppd[postgres]", str(caught.exception))

    def test_nobody_at_home(self) -> None:
        engines = open_engines("postgresql://nobody@/nothing?host=/nonexistent")
        self.addCleanup(engines.dispose)
        with self.assertRaises(StorageUnavailable):
            migrate(engines.write, "test", ())
