"""The threads of a Database: what shares a commit, what crosses to the reactor, limits, and the end."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import insert
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.core.storage_contract import ROOMS, TABLES, add, count, hold, names, outcomes, row
from xmppd.api.storage import StorageUnavailable
from xmppd.core.storage import Database, WriterLimits, migrate, open_engines
from xmppd.core.turns import Turns

FOREVER = 3600.0


class GroupCommitTests(TestCase):
    def open(self, **limits: Any) -> Database:
        self.path = self.mktemp()
        engines = open_engines(f"sqlite:///{self.path}")
        migrate(engines.write, "test", TABLES)
        self.crossings = 0
        database = Database(engines, self.call_from_thread, Turns(reactor.callLater), limits=WriterLimits(**limits))
        database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(database.stop()))
        return database

    def call_from_thread(self, function: Any, *arguments: Any) -> None:
        self.crossings += 1
        reactor.callFromThread(function, *arguments)

    def held(self, database: Database) -> tuple[Deferred[Any], threading.Event]:
        waiting, release = hold(database)
        self.addCleanup(release.set)
        return waiting, release

    async def test_what_is_queued_during_a_commit_shares_the_next_one(self) -> None:
        database = self.open()
        first, release = self.held(database)
        waiting: list[Deferred[Any]] = [database.write(add(name)) for name in "abc"]
        waiting.append(database.append(ROOMS, [row("d"), row("e")]))
        self.assertEqual(database.queue_length, 4)
        release.set()
        await first
        self.assertEqual(await gatherResults(waiting), [1, 2, 3, None])
        counters = database.counters
        self.assertEqual((counters.batches, counters.jobs, counters.rows), (2, 5, 2))
        self.assertEqual(counters.seconds.count, 2)
        self.assertGreater(counters.seconds.sum, 0)
        self.assertEqual(self.crossings, 2)
        self.assertEqual(database.queue_length, 0)

    async def test_a_result_is_given_only_after_the_commit(self) -> None:
        database = self.open(gather=FOREVER, batch=2)
        first = database.write(add("a"))
        # In the same batch; while it runs, the first function has ended, but nothing is committed.
        second, release = self.held(database)
        self.assertNoResult(first)
        self.assertEqual(await database.read(names), [])
        release.set()
        self.assertEqual(await gatherResults([first, second]), [1, None])
        self.assertEqual(await database.read(names), ["a"])

    async def test_a_full_batch_does_not_wait_for_more(self) -> None:
        database = self.open(gather=FOREVER, batch=3)
        waiting = [database.write(add("a"))]
        for _ in range(20):  # by now the writer waits for more
            await database.read(count)
        waiting += [database.write(add(name)) for name in "bc"]
        self.assertEqual(await gatherResults(waiting), [1, 2, 3])
        self.assertEqual(database.counters.batches, 1)

    async def test_a_batch_has_a_limit(self) -> None:
        database = self.open(batch=2)
        first, release = self.held(database)
        waiting = [database.write(add(name)) for name in "abcde"]
        release.set()
        await gatherResults([first, *waiting])
        self.assertEqual(database.counters.batches, 4)

    async def test_the_queue_has_a_limit(self) -> None:
        database = self.open(queue=2)
        first, release = self.held(database)
        waiting: list[Deferred[Any]] = [database.write(add("a")), database.append(ROOMS, [row("b")])]
        refused: list[Deferred[Any]] = [database.write(add("c")), database.append(ROOMS, [row("d")])]
        for one in refused:
            error = self.failureResultOf(one, StorageUnavailable).value
            self.assertTrue(error.wait)
        self.assertEqual(database.counters.refused, 2)
        release.set()
        await gatherResults([first, *waiting])
        self.assertEqual(await database.read(names), ["a", "b"])
        self.assertEqual(await database.write(add("e")), 3)

    async def test_reads_have_a_limit(self) -> None:
        engines = open_engines(f"sqlite:///{self.mktemp()}")
        database = Database(engines, self.call_from_thread, Turns(reactor.callLater), readers=1, read_queue=2)
        self.crossings = 0
        database.start()
        release = threading.Event()
        waiting = [database.read(lambda connection: release.wait(60)) for _ in range(2)]
        self.assertEqual(database.reads_waiting, 2)
        self.failureResultOf(database.read(lambda connection: None), StorageUnavailable)
        release.set()
        self.assertEqual(await gatherResults(waiting), [True, True])
        self.assertEqual(await database.read(lambda connection: 5), 5)
        await database.stop()

    async def test_reads_go_on_while_a_write_does(self) -> None:
        database = self.open()
        await database.write(add("a"))
        first, release = self.held(database)
        self.assertEqual(await gatherResults([database.read(count) for _ in range(20)]), [1] * 20)
        release.set()
        await first

    async def test_stopping_commits_what_is_queued(self) -> None:
        database = self.open(gather=FOREVER)
        waiting = [database.write(add(name)) for name in "abc"]
        reading = database.read(count)
        await database.stop()
        self.assertEqual([self.successResultOf(one) for one in waiting], [1, 2, 3])
        self.successResultOf(reading)
        again = open_engines(f"sqlite:///{self.path}")
        self.addCleanup(again.dispose)
        with again.read.connect() as connection:
            self.assertEqual(names(connection), ["a", "b", "c"])

    async def test_a_stopped_database_refuses_work(self) -> None:
        database = self.open()
        await database.stop()
        refused: list[Deferred[Any]] = [
            database.read(count),
            database.write(add("a")),
            database.append(ROOMS, [row("a")]),
        ]
        for one in refused:
            self.failureResultOf(one, StorageUnavailable)

    async def test_one_that_was_never_started_can_be_stopped(self) -> None:
        database = Database(open_engines(f"sqlite:///{self.mktemp()}"), self.call_from_thread, Turns(reactor.callLater))
        self.failureResultOf(database.write(count), StorageUnavailable)
        await database.stop()

    async def test_a_caller_that_gives_up_does_not_undo_the_write(self) -> None:
        database = self.open()
        first, release = self.held(database)
        cancelled = database.write(add("a"))
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        release.set()
        await first
        self.assertEqual(await database.write(count), 1)

    async def test_functions_that_end_the_shared_transaction_are_found_out(self) -> None:
        database = self.open()
        first, release = self.held(database)
        waiting: list[Deferred[Any]] = [
            database.write(add("a")),
            database.write(lambda connection: connection.begin_nested() and None),
        ]
        release.set()
        await first
        results = await outcomes(waiting)
        self.assertEqual([type(result).__name__ for result in results], ["TransactionEnded"] * 2)
        self.assertEqual(await database.write(count), 0)

    async def test_many_rows_come_through_in_order(self) -> None:
        database = self.open(batch=50)

        def insert_one(number: int) -> Any:
            return lambda connection: connection.execute(insert(ROOMS), row(f"{number:04}")) and number

        done: list[int] = []
        waiting = [database.write(insert_one(number)).addCallback(done.append) for number in range(500)]
        await gatherResults(waiting)
        self.assertEqual(done, list(range(500)))
        self.assertEqual(await database.read(names), [f"{number:04}" for number in range(500)])
