"""Looking back: the audit trail, the log, samples."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tests.core.operating import JULIET, ROMEO, SETTINGS, OperatingTestCase
from xmppd.api.operations import OperationError, Permission
from xmppd.core.operations.kernel import offline_operations
from xmppd.core.operations.looking import moment
from xmppd.wire.errors import Condition

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


class AuditTests(OperatingTestCase):
    def rows(self, **arguments: Any) -> list[tuple[str, str, str]]:
        rows = self.run_operation("audit list", **arguments)
        return [(row["actor"], row["operation"], row["outcome"]) for row in rows]

    def refusal(self, work: Coroutine[Any, Any, Any]) -> OperationError:
        error = self.failureResultOf(Deferred.fromCoroutine(work), OperationError).value
        assert isinstance(error, OperationError)
        return error

    def test_every_run_leaves_a_row(self) -> None:
        self.run_operation("user add", jid="romeo@example.org", password="s3cret")
        self.refused("user add", jid="romeo@example.org", password="s3cret")
        newest, oldest = self.run_operation("audit list")
        self.assertEqual(
            (oldest["actor"], oldest["operation"], oldest["host"], oldest["outcome"], oldest["arguments"]),
            ("operator", "user add", "example.org", "done", {"jid": "romeo@example.org", "password": "***"}),
        )
        self.assertTrue(newest["outcome"].startswith("failed: "), newest["outcome"])

    def test_reading_leaves_none_unless_it_is_refused(self) -> None:
        self.run_operation("user list")
        self.assertEqual(self.rows(), [])
        operations = self.server.hosts["example.org"].operations
        self.refusal(operations.run("server status", {}, ROMEO))
        self.assertEqual(self.rows(), [("romeo@example.org", "server status", "refused: not allowed")])

    def test_pages(self) -> None:
        for number in range(5):
            self.run_operation("user add", jid=f"user{number}@example.org", password="x")
        first = self.run_operation("audit list", limit=2)
        second = self.run_operation("audit list", limit=2, after=str(first[-1]["id"]))
        self.assertEqual([row["id"] for row in first + second], [5, 4, 3, 2])
        for limit in (0, 1_001):
            self.assertIn("limit", str(self.refused("audit list", limit=limit)))
        for wrong in ("x", "-1", "9" * 30, "9" * 5000, "\u0663"):
            self.assertIn("id of a row", str(self.refused("audit list", after=wrong)))

    def test_an_administrator_sees_what_was_about_their_host(self) -> None:
        operations = self.server.hosts["example.org"].operations
        self.run_operation("user add", jid="nurse@example.net", password="x")
        self.do(operations.run("user add", {"jid": "juliet@example.org", "password": "x"}, ROMEO))
        rows: Any = self.do(operations.run("audit list", {}, ROMEO))
        self.assertEqual([row["host"] for row in rows], ["example.org"])
        error = self.refusal(operations.run("audit list", {"host": "example.net"}, ROMEO))
        self.assertEqual(error.condition, Condition.FORBIDDEN)
        self.refusal(operations.run("audit list", {}, JULIET))

    def test_an_operator_of_the_console(self) -> None:
        operations = self.server.hosts["example.org"].operations
        granted = Permission.OPERATOR
        arguments = {"jid": "nurse@example.net", "password": "x"}
        self.do(operations.run("user add", arguments, "alice (console)", granted))
        (row,) = self.run_operation("audit list", by="alice")
        self.assertEqual((row["actor"], row["host"]), ("alice (console)", "example.net"))

    def test_since(self) -> None:
        self.run_operation("user add", jid="romeo@example.org", password="x")
        self.clock.advance(3_600)
        self.assertEqual(len(self.rows(since="2h")), 1)
        self.assertEqual(len(self.rows(since="30min")), 0)
        self.assertEqual(len(self.rows(since="2023-11-14")), 1)

    def test_how_long_it_is_kept_is_an_option(self) -> None:
        server = self.server.settings.server.model_copy(update={"audit_days": 1})
        self.server.settings = self.server.settings.model_copy(update={"server": server})
        self.run_operation("user add", jid="romeo@example.org", password="x")
        self.clock.advance(2 * 86_400)
        self.run_operation("user delete", jid="romeo@example.org")
        self.assertEqual([operation for _, operation, _ in self.rows()], ["user delete"])

    def test_moments(self) -> None:
        self.assertEqual(moment("7d", NOW), NOW - 604_800)
        self.assertEqual(moment("90 s", NOW), NOW - 90)
        self.assertEqual(moment("2023-11-14T22:13:20Z", 0), NOW)
        self.assertEqual(moment("2023-11-15", 0), NOW + 6_400)
        for wrong in ("yesterday", "7 years", "2023-13-01", "7", "-7d"):
            with self.subTest(text=wrong), self.assertRaisesRegex(OperationError, "such as 30min, 12h or 7d"):
                moment(wrong, NOW)


class OfflineTests(OperatingTestCase):
    def test_without_a_server(self) -> None:
        """What was done is kept, and can be looked at, while the server doesn't run."""
        registry = offline_operations(self.db, self.accounts, SETTINGS)
        self.do(registry.run("user add", {"jid": "romeo@example.org", "password": "x"}, actor="operator (alice)"))
        rows: Any = self.do(registry.run("audit list", {}))
        self.assertEqual([(row["actor"], row["operation"]) for row in rows], [("operator (alice)", "user add")])


class LogTests(OperatingTestCase):
    def test_lines(self) -> None:
        observer: Any = self.server.log
        logger = Logger(namespace="xmppd.test", observer=observer)
        logger.info("one")
        logger.warn("two")
        shown = self.run_operation("log list")
        self.assertEqual([(row["number"], row["message"]) for row in shown], [(1, "one"), (2, "two")])
        self.assertEqual([row["message"] for row in self.run_operation("log list", level="warn")], ["two"])
        self.assertEqual([row["message"] for row in self.run_operation("log list", contains="ON")], ["one"])
        self.assertEqual([row["message"] for row in self.run_operation("log list", after="1", limit=5)], ["two"])
        for wrong in ("x", "9" * 5000):
            self.assertIn("number of a line", str(self.refused("log list", after=wrong)))

    def test_its_size_is_an_option(self) -> None:
        limits = self.server.settings.server.model_copy(update={"log_lines": 1})
        self.server.settings = self.server.settings.model_copy(update={"server": limits})
        observer: Any = self.server.log
        logger = Logger(namespace="xmppd.test", observer=observer)
        logger.info("one")
        logger.info("two")
        self.assertEqual([row["message"] for row in self.run_operation("log list")], ["two"])


class HistoryTests(OperatingTestCase):
    def test_samples(self) -> None:
        self.assertEqual(self.run_operation("server history"), [])
        self.server.history.start()
        self.log_in("romeo@example.org/phone")
        self.clock.pump([0.25] * 480)
        shown = self.run_operation("server history", minutes=1)
        self.assertEqual(len(shown), 12)
        self.assertEqual(
            {key: shown[-1][key] for key in ("time", "sessions", "received_per_second", "lateness_p99_ms")},
            {"time": "2023-11-14T22:15:20Z", "sessions": 1, "received_per_second": 0.0, "lateness_p99_ms": 0.0},
        )
        self.assertIn("1 to 60", str(self.refused("server history", minutes=61)))
