"""Readiness: phases of a server's life, and a database that works, fails, or hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.storage import StorageUnavailable
from xmppd.core.readiness import MIGRATIONS, OWNER, TABLES, Phase, Readiness
from xmppd.core.storage import DirectDatabase, migrate, open_engines

READY: list[str] = []


class HeldDatabase:
    """Writes end when the test says so."""

    def __init__(self) -> None:
        self.writes: list[Deferred[Any]] = []

    def write(self, fn: Callable[[Connection], Any]) -> Deferred[Any]:
        self.writes.append(Deferred())
        return self.writes[-1]

    def read(self, fn: Any) -> Any:
        return succeed(None)

    def append(self, table: Any, rows: Any) -> Any:
        return succeed(None)


class ReadinessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.db = HeldDatabase()
        self.readiness = Readiness(self.db, self.clock, lambda: 5.0)
        self.readiness.phase = Phase.SERVING
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def ask(self) -> Deferred[list[str]]:
        return Deferred.fromCoroutine(self.readiness.problems())

    def test_phases(self) -> None:
        for phase, words in ((Phase.STARTING, "the server is starting"), (Phase.STOPPING, "the server is stopping")):
            self.readiness.phase = phase
            self.assertEqual(self.successResultOf(self.ask()), [words])
        self.assertEqual(self.db.writes, [])

    def test_it_begins_by_starting(self) -> None:
        self.assertIs(Readiness(self.db, self.clock, lambda: 5.0).phase, Phase.STARTING)

    def test_a_write_is_believed_for_a_while(self) -> None:
        asked = self.ask()
        self.assertNoResult(asked)
        self.db.writes[0].callback(None)
        self.assertEqual(self.successResultOf(asked), READY)
        self.clock.advance(4.9)
        self.assertEqual(self.successResultOf(self.ask()), READY)
        self.assertEqual(len(self.db.writes), 1)
        self.clock.advance(0.1)
        asked = self.ask()
        self.db.writes[1].callback(None)
        self.assertEqual(self.successResultOf(asked), READY)

    def test_many_who_ask_share_a_write(self) -> None:
        asked = [self.ask() for _ in range(3)]
        self.assertEqual(len(self.db.writes), 1)
        self.db.writes[0].errback(StorageUnavailable("the disk is full"))
        for one in asked:
            self.assertEqual(self.successResultOf(one), ["the database can't be written: the disk is full"])

    def test_a_failure_is_not_remembered(self) -> None:
        asked = self.ask()
        self.db.writes[0].errback(StorageUnavailable("the disk is full"))
        self.successResultOf(asked)
        asked = self.ask()
        self.db.writes[1].callback(None)
        self.assertEqual(self.successResultOf(asked), READY)

    def test_other_errors(self) -> None:
        asked = self.ask()
        self.db.writes[0].errback(ValueError("no such table"))
        self.assertEqual(self.successResultOf(asked), ["the database can't be written: no such table"])

    def test_a_database_that_hangs(self) -> None:
        late = ["the database has not taken a write for 5 s"]
        first = self.ask()
        self.clock.advance(3)
        second = self.ask()
        self.clock.advance(2)
        self.assertEqual([self.successResultOf(first), self.successResultOf(second)], [late, late])
        third = self.ask()  # the same write is still under way: it has had its time
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(third), late)
        self.assertEqual(len(self.db.writes), 1)
        self.db.writes[0].callback(None)
        self.assertEqual(self.successResultOf(self.ask()), READY)

    def test_the_clock_is_set_back(self) -> None:
        asked = self.ask()
        self.db.writes[0].callback(None)
        self.successResultOf(asked)
        self.clock.rightNow -= 3600
        self.assertNoResult(self.ask())
        self.db.writes[1].callback(None)


class RealDatabaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.engines = open_engines("sqlite://")
        self.addCleanup(self.engines.dispose)
        migrate(self.engines.write, OWNER, TABLES, MIGRATIONS)
        self.clock = Clock()
        self.readiness = Readiness(DirectDatabase(self.engines), self.clock, lambda: 5.0)
        self.readiness.phase = Phase.SERVING

    def problems(self) -> list[str]:
        return self.successResultOf(Deferred.fromCoroutine(self.readiness.problems()))

    def test_one_row_is_written(self) -> None:
        for now in (10.0, 20.0):
            self.clock.advance(10)
            self.assertEqual(self.problems(), READY)
            with self.engines.read.connect() as connection:
                self.assertEqual([row.written_at for row in connection.execute(select(TABLES[0]))], [now])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_full_disk(self) -> None:
        with self.engines.write.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        self.assertIn("the database can't be written: ", self.problems()[0])
        with self.engines.write.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        self.assertEqual(self.problems(), READY)
