"""``certificate list``."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.operations import operations_of
from xmppd.core.operations.certificates import CertificateOperations, Ends
from xmppd.testing import ServerTestCase

NOW, DAY = 1_800_000_000.0, 86_400.0


class CertificateTests(SynchronousTestCase):
    def list(self, ends: Ends | None, **arguments: Any) -> Any:
        (operation,) = operations_of(CertificateOperations(lambda: ends, lambda: NOW))
        coming: Any = operation.run(arguments)
        try:
            coming.send(None)
        except StopIteration as done:
            return done.value

    def test_order(self) -> None:
        ends = {"a.example": NOW + 30.5 * DAY, "b.example": NOW - 1, "c.example": NOW + 30.5 * DAY}
        rows = self.list(lambda: ends)
        self.assertEqual([(row["host"], row["days"]) for row in rows],
                         [("b.example", -1), ("a.example", 30), ("c.example", 30)])  # fmt: skip
        self.assertEqual(rows[0]["ends"], "2027-01-15T07:59:59Z")

    def test_host(self) -> None:
        self.assertEqual(len(self.list(lambda: {"a.example": NOW, "b.example": NOW}, host="a.example")), 1)
        self.assertEqual(self.list(lambda: {"a.example": NOW}, host="b.example"), [])

    def test_without_tls(self) -> None:
        self.assertEqual(self.list(None), [])


class OfAServer(ServerTestCase):
    def test_none(self) -> None:
        self.assertEqual(self.wait(self.server.server.operations.run("certificate list", {})), [])
