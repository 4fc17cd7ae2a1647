"""The contracts of storage, on SQLite: in a file with threads, in a file without, and in memory."""

from __future__ import annotations

import os
import stat

from sqlalchemy import insert, text
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.core.migration_contract import MigrationContract, first_schema
from tests.core.storage_contract import ROOMS, DatabaseContract, add, count, names, row
from xmppd.api.storage import StorageUnavailable
from xmppd.core.storage import (
    Database,
    DatabaseUrlError,
    DirectDatabase,
    Engines,
    SchemaError,
    migrate,
    open_engines,
)
from xmppd.core.turns import Turns


class InMemory(DatabaseContract, TestCase):
    def setUp(self) -> None:
        engines = open_engines("sqlite://")
        self.make_tables(engines)
        self.database = DirectDatabase(engines)
        self.addCleanup(engines.dispose)

    def test_nothing_is_waited_for(self) -> None:
        self.assertEqual(self.successResultOf(self.database.write(add("a"))), 1)
        self.assertEqual(self.successResultOf(self.database.append(ROOMS, [row("b")])), None)
        self.assertEqual(self.successResultOf(self.database.read(names)), ["a", "b"])
        self.failureResultOf(self.database.write(add("a")))


class InAFileWithoutThreads(DatabaseContract, TestCase):
    def setUp(self) -> None:
        engines = open_engines(f"sqlite:///{self.mktemp()}")
        self.make_tables(engines)
        self.database = DirectDatabase(engines)
        self.addCleanup(engines.dispose)


class InAFile(DatabaseContract, TestCase):
    def setUp(self) -> None:
        engines = open_engines(f"sqlite:///{self.mktemp()}")
        self.make_tables(engines)
        self.database = Database(engines, reactor.callFromThread, Turns(reactor.callLater))
        self.database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.database.stop()))

    async def test_a_read_sees_one_state(self) -> None:
        await self.database.write(add("a"))
        writer = self.database.engines.write

        def read(connection):
            before = count(connection)
            with writer.begin() as other:
                other.execute(insert(ROOMS), row("b"))
            return before, count(connection)

        self.assertEqual(await self.database.read(read), (1, 1))
        self.assertEqual(await self.database.read(count), 2)


class MigrationsInMemory(MigrationContract, TestCase):
    def setUp(self) -> None:
        self.engines = open_engines("sqlite://")
        self.addCleanup(self.engines.dispose)


class MigrationsInAFile(MigrationContract, TestCase):
    def setUp(self) -> None:
        self.engines = open_engines(f"sqlite:///{self.mktemp()}")
        self.addCleanup(self.engines.dispose)

    def test_rows_that_break_a_foreign_key_are_found_before_the_commit(self) -> None:
        migrate(self.engines.write, "notes", first_schema())

        def orphan(op) -> None:
            op.execute(text("INSERT INTO tags (note, tag) VALUES (5, 'red')"))

        with self.assertRaises(SchemaError) as caught:
            migrate(self.engines.write, "notes", first_schema(), (orphan,))
        self.assertIn("'tags'", str(caught.exception))
        self.assertEqual(self.query("SELECT * FROM tags"), [])


class Opening(TestCase):
    def opened(self, url: str) -> Engines:
        engines = open_engines(url)
        self.addCleanup(engines.dispose)
        return engines

    def test_commits_in_a_file_are_durable_and_keys_enforced(self) -> None:
        engines = self.opened(f"sqlite:///{self.mktemp()}")
        for engine, query_only in ((engines.write, 0), (engines.read, 1)):
            with engine.connect() as connection:
                settings = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
                }
            wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
            self.assertEqual(settings, {**wanted, "query_only": query_only})

    def test_the_file_is_for_its_owner_alone(self) -> None:
        path = self.mktemp()
        engines = self.opened(f"sqlite:///{path}")
        with engines.write.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE x (y)")
        for name in (path, path + "-wal"):
            self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), 0o600, name)

    def test_what_can_not_be_opened_is_explained(self) -> None:
        folder = self.mktemp()
        for url, words in (
            ("mysql://example.org/x", "'mysql' are not supported"),
            ("nonsense", "not of the form"),
            (f"sqlite:///{folder}/x.sqlite", "can't be created: No such file or directory"),
        ):
            with self.assertRaises(DatabaseUrlError) as caught:
                open_engines(url)
            self.assertIn(words, str(caught.exception))

    def test_a_file_of_another_kind_is_unavailable_for_good(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"This is not a database. " * 100)
        engines = self.opened(f"sqlite:///{path}")
        with self.assertRaises(StorageUnavailable) as caught:
            migrate(engines.write, "notes", first_schema())
        self.assertFalse(caught.exception.wait)
