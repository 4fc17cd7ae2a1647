"""The audit trail: what is kept, how it is looked through, and for how long."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.storage import StorageUnavailable
from xmppd.core import audit
from xmppd.core.audit import AuditTrail, Run, Wanted
from xmppd.core.storage import DirectDatabase, migrate, open_engines

DAY = 86_400


def run(actor: str, operation: str, host: str = "", outcome: str = "done") -> Run:
    return Run(actor, operation, host, {"jid": f"{actor}@example.org"}, outcome)


class AuditTests(SynchronousTestCase):
    def setUp(self) -> None:
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        migrate(engines.write, audit.OWNER, audit.TABLES, audit.MIGRATIONS)
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.days = 30
        self.trail = AuditTrail(DirectDatabase(engines), self.clock.seconds, lambda: self.days)

    def found(self, **wanted: Any) -> list[str]:
        rows = self.successResultOf(Deferred.fromCoroutine(self.trail.find(Wanted(**wanted))))
        return [f"{row['actor']}: {row['operation']}" for row in rows]

    def test_a_row(self) -> None:
        self.trail.note(run("alice", "user add", "example.org", "failed: it exists"))
        (row,) = self.successResultOf(Deferred.fromCoroutine(self.trail.find(Wanted())))
        self.assertEqual(
            row,
            {
                "id": 1, "time": "2023-11-14T22:13:20.000Z", "actor": "alice", "operation": "user add",
                "host": "example.org", "arguments": {"jid": "alice@example.org"}, "outcome": "failed: it exists",
            },
        )  # fmt: skip

    def test_filters(self) -> None:
        self.trail.note(run("alice", "user add", "example.org"))
        self.trail.note(run("bob_1", "user delete", "example.net", "refused: not allowed"))
        self.clock.advance(10)
        self.trail.note(run("bobx1", "username check", "example.org"))
        self.assertEqual(self.found(), ["bobx1: username check", "bob_1: user delete", "alice: user add"])
        self.assertEqual(self.found(operation="user"), ["bob_1: user delete", "alice: user add"])
        self.assertEqual(self.found(operation="user add"), ["alice: user add"])
        self.assertEqual(self.found(actor="b_1"), ["bob_1: user delete"], "an underscore stands for itself")
        self.assertEqual(self.found(host="example.org"), ["bobx1: username check", "alice: user add"])
        self.assertEqual(self.found(failed=True), ["bob_1: user delete"])
        self.assertEqual(self.found(since=1_700_000_001), ["bobx1: username check"])
        self.assertEqual(self.found(limit=1), ["bobx1: username check"])
        self.assertEqual(self.found(limit=1, before=3), ["bob_1: user delete"])

    def test_old_rows_go(self) -> None:
        self.trail.note(run("alice", "user add"))
        self.clock.advance(29 * DAY)
        self.trail.note(run("bob", "user add"))
        self.assertEqual(len(self.found()), 2)
        self.clock.advance(2 * DAY)
        self.assertEqual(len(self.found()), 2, "nothing has happened since")
        self.trail.note(run("carol", "user add"))
        self.assertEqual(self.found(), ["carol: user add", "bob: user add"])

    def test_for_ever(self) -> None:
        self.days = 0
        self.trail.note(run("alice", "user add"))
        self.clock.advance(10_000 * DAY)
        self.trail.note(run("bob", "user add"))
        self.assertEqual(len(self.found()), 2)

    def test_a_database_that_is_gone(self) -> None:
        class Broken:
            def append(self, table: Any, rows: Any) -> Deferred[None]:
                return fail(StorageUnavailable("the disk is full"))

            write = append

        broken: Any = Broken()
        AuditTrail(broken, self.clock.seconds, lambda: 0).note(run("alice", "user add"))
        self.assertEqual(self.flushLoggedErrors(), [], "it is told in words")
