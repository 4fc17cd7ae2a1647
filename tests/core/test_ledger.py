"""What is committed together, when it can't be, and who waits for it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable import journal, tables
from xmppd.core.durable.ledger import Ledger
from xmppd.core.durable.units import Batch, Unit
from xmppd.core.storage import DirectDatabase, migrate, open_engines
from xmppd.wire.stanza import Message

ROWS = Table("rows", MetaData(), Column("number", Integer, primary_key=True), Column("text", Text, nullable=False))


class Disk(DirectDatabase):
    """A database that fails when told to: before it has written, or after, when nobody can know."""

    trouble: list[str]

    def write(self, fn: Any) -> Deferred[Any]:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "refuse":
            return fail(StorageUnavailable("the disk is full"))
        done = super().write(fn)
        return fail(StorageUnavailable("the connection is lost")) if trouble == "lose the answer" else done


class LedgerTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.engines = open_engines("sqlite://")
        self.addCleanup(self.engines.dispose)
        migrate(self.engines.write, tables.OWNER, tables.TABLES, tables.MIGRATIONS)
        migrate(self.engines.write, "test", (ROWS,), ())
        self.disk = Disk(self.engines)
        self.disk.trouble = []
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.ledger = Ledger(self.disk, self.clock, journal_octets=100_000, crowd=3, crowd_octets=5_000)

    def stored(self) -> list[int]:
        def numbers(connection: Connection) -> list[int]:
            return [row.number for row in connection.execute(select(ROWS.c.number).order_by(ROWS.c.number))]

        return self.successResultOf(self.disk.read(numbers))

    def store(self, number: int, text: str | None = "x") -> None:
        self.ledger.unit_of(Message()).store(ROWS, {"number": number, "text": text})


class Waiter:
    def __init__(self) -> None:
        self.told: list[int] = []

    def committed(self, batch: Batch) -> None:
        self.told.append(batch.number)


class Writing(LedgerTestCase):
    def test_in_one_turn_in_one_batch(self) -> None:
        waiter = Waiter()
        self.store(1)
        self.store(2)
        self.ledger.gathering().waiters[waiter] = None
        self.assertEqual(self.stored(), [])
        self.clock.advance(0)
        self.assertEqual((self.stored(), waiter.told, self.ledger.counters.batches), ([1, 2], [1], 1))

    def test_a_unit_waits_until_its_stanza_is_handled(self) -> None:
        unit, message = Unit(), Message()
        message.unit = unit
        self.ledger.unit_of(message).store(ROWS, {"number": 1, "text": ""})
        self.ledger.unit_of(message.adding(b"<x/>")).call(lambda c: c.execute(ROWS.insert(), {"number": 3, "text": ""}))
        self.store(2)
        self.clock.advance(0)
        self.assertEqual(self.stored(), [2])
        unit.close(self.ledger)
        self.clock.advance(0)
        self.assertEqual(self.stored(), [1, 2, 3])
        self.ledger.unit_of(message).store(ROWS, {"number": 4, "text": ""})
        self.clock.advance(0)
        self.assertEqual(self.stored(), [1, 2, 3, 4])

    def test_nothing_is_held_of_what_is_on_disk(self) -> None:
        """Stanzas that somebody keeps, such as presence, know their batch."""
        message, waiter = Message(), Waiter()
        self.ledger.unit_of(message).store(ROWS, {"number": 1, "text": ""})
        batch = self.ledger.gathering()
        batch.call(lambda c: waiter.told)
        batch.enter_sent(1, b"<a/>", b"/>", 0)
        batch.waiters[waiter] = None
        self.assertIs(message.unit, batch)
        self.clock.advance(0)
        self.assertTrue(batch.committed)
        self.assertEqual((batch.rows, batch.calls, batch.entries, batch.common, batch.waiters), ({}, [], [], {}, {}))

    def test_settled(self) -> None:
        self.successResultOf(self.ledger.settled())
        self.store(1)
        waiting = self.ledger.settled()
        self.assertNoResult(waiting)
        self.clock.advance(0)
        self.successResultOf(waiting)


class Pace(LedgerTestCase):
    def test_commits_are_some_time_apart(self) -> None:
        """By [database] gather_seconds; the first one after a while waits for nothing."""
        self.ledger = Ledger(self.disk, self.clock, journal_octets=100_000, pace=0.002)
        self.store(1)
        self.clock.advance(0)
        self.assertEqual(self.stored(), [1])
        self.store(2)
        self.clock.advance(0.0015)
        self.store(3)
        self.assertEqual(self.stored(), [1])
        self.clock.advance(0.001)
        self.assertEqual((self.stored(), self.ledger.counters.batches), ([1, 2, 3], 2))


class Gaps(LedgerTestCase):
    def test_before_which_everything_is_stored(self) -> None:
        begun = self.clock.seconds()
        self.assertEqual(self.ledger.settled_before(), math.inf)
        first, second = Unit(), Unit()
        self.ledger.opened(first, begun)
        self.clock.advance(1)
        self.ledger.opened(second, begun + 1)
        self.clock.advance(1)
        self.store(1)
        self.clock.advance(1)
        self.assertEqual(self.ledger.settled_before(), begun)
        self.ledger.closed(first)
        self.assertEqual(self.ledger.settled_before(), begun + 1)
        self.ledger.closed(second)
        self.assertEqual(self.ledger.settled_before(), math.inf)
        self.store(2)
        self.clock.rightNow += 1
        self.assertEqual(self.ledger.settled_before(), begun + 3)

    def test_a_handler_that_hangs(self) -> None:
        begun = self.clock.seconds()
        self.ledger.opened(Unit(), begun)
        self.clock.advance(30)
        self.ledger.opened(Unit(), begun + 30)
        self.assertEqual(self.ledger.settled_before(), begun)
        self.clock.advance(30)
        self.assertEqual(self.ledger.settled_before(), begun + 30)
        with capturedLogs() as logged:
            for _ in range(3):
                self.ledger.look()
        self.assertEqual([formatEvent(event).split(" for")[0] for event in logged], ["handling a message hangs"])


class Trouble(LedgerTestCase):
    def test_tried_again_until_it_works(self) -> None:
        waiter = Waiter()
        self.disk.trouble = ["refuse"] * 4
        self.store(1)
        self.ledger.gathering().waiters[waiter] = None
        self.clock.advance(0)
        self.store(2)
        for _ in range(3):
            self.clock.advance(2)
            self.assertEqual((self.stored(), waiter.told), ([], []))
        for _ in range(10):
            self.clock.advance(2)
        self.assertEqual((self.stored(), waiter.told, self.ledger.counters.failures), ([1, 2], [1], 4))

    def test_committed_but_nobody_was_told(self) -> None:
        self.disk.trouble = ["lose the answer"]
        self.store(1)
        self.clock.advance(0)
        self.clock.advance(5)
        self.assertEqual((self.stored(), self.ledger.counters.batches), ([1], 1))

    def test_another_server(self) -> None:
        """What another one has written in its place is not taken for what was to be written."""
        waiter = Waiter()
        other = Ledger(self.disk, self.clock, journal_octets=100_000)
        other.unit_of(Message()).store(ROWS, {"number": 2, "text": "x"})
        self.clock.advance(0)
        self.store(1)
        self.ledger.gathering().waiters[waiter] = None
        with capturedLogs() as logged:
            for _ in range(5):
                self.clock.advance(5)
        self.assertEqual((self.stored(), waiter.told), ([2], []))
        self.assertIn("another server writes to this database", str(formatEvent(logged[-1])))

    def test_a_row_that_can_not_be_stored(self) -> None:
        waiter = Waiter()
        self.store(1)
        self.store(1)
        self.store(2, None)
        self.store(3)
        self.ledger.gathering().call(lambda connection: 1 / 0)
        self.ledger.gathering().waiters[waiter] = None
        self.clock.advance(0)
        self.clock.advance(1)
        self.assertEqual((self.stored(), waiter.told), ([1, 3], [1]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Stream:
    def __init__(self) -> None:
        self.paused: set[str] = set()

    def pause(self, why: str) -> None:
        self.paused.add(why)

    def resume(self, why: str) -> None:
        self.paused.discard(why)


class Crowds(LedgerTestCase):
    def unit(self) -> None:
        unit = Unit()
        unit.store(ROWS, {"number": self.ledger.gathering().units + 1, "text": ""})
        unit.close(self.ledger)

    def test_streams_wait(self) -> None:
        stream = Stream()
        for _ in range(2):
            self.unit()
        self.assertFalse(self.ledger.crowded)
        self.unit()
        self.assertTrue(self.ledger.crowded)
        self.ledger.pause(stream)
        self.assertEqual(stream.paused, {"storage"})
        self.clock.advance(0)
        self.assertEqual(stream.paused, set())

    def test_octets(self) -> None:
        self.ledger.gathering().octets += 4_999
        self.assertFalse(self.ledger.crowded)
        self.ledger.gathering().octets += 1
        self.assertTrue(self.ledger.crowded)


class Frozen(LedgerTestCase):
    def test_a_database_that_does_not_answer(self) -> None:
        answer: Deferred[Any] = Deferred()
        self.disk.write = lambda fn: answer  # type: ignore[method-assign]
        self.store(1)
        self.clock.advance(0)
        self.clock.advance(4)
        self.ledger.look()
        self.store(2)
        self.clock.advance(1)
        self.ledger.look()
        with self.assertRaises(StorageUnavailable):
            self.store(3)
        del self.disk.write
        answer.callback(None)
        self.store(4)
        self.clock.advance(0)
        self.assertEqual(self.stored(), [2, 4])


class Large:
    """A session with much to record."""

    since = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def record(self) -> bytes:
        return journal.state(self.number, {"x": "x" * (1 << 20)})

    def count(self, batch: Batch) -> bytes:
        return b""


class Recording(LedgerTestCase):
    def test_not_too_much_at_once(self) -> None:
        """Sessions with much to record are recorded with several batches."""
        recorders = [Large(number) for number in range(1, 21)]
        for recorder in recorders:
            self.ledger.entry(recorder, journal.state(recorder.number, {"x": "x" * 10_000}))
        recorded: list[int] = []
        for _ in range(20):
            self.ledger.gathering()
            self.clock.advance(0)
            recorded.append(sum(not recorder.since for recorder in recorders))
        self.assertLessEqual(max(b - a for a, b in pairwise([0, *recorded])), 4)
        self.assertEqual(recorded[-1], 20)
        self.assertLess(self.ledger.journal_octets, 1_000)
