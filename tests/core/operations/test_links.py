"""`s2s test` as an operation: whose domains it takes, and who does the work."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.operations import OperationError
from xmppd.core.operations.catalogue import OperationRegistry
from xmppd.core.operations.links import LinkTest, Probing


class LinkTestTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.probing: Probing | None = self.probe

    async def probe(self, local: str, remote: str) -> dict[str, Any]:
        self.asked.append((local, remote))
        return {"result": "well"}

    def run_test(self, **arguments: str) -> Any:
        test = LinkTest(lambda: ["example.org", "example.com"], lambda: self.probing)
        return Deferred.fromCoroutine(OperationRegistry([test]).run("s2s test", arguments))

    def test_the_first_domain_asks(self) -> None:
        self.assertEqual(self.successResultOf(self.run_test(domain="Example.NET")), {"result": "well"})
        self.assertEqual(self.asked, [("example.org", "example.net")])

    def test_another_domain_asks(self) -> None:
        self.successResultOf(self.run_test(domain="example.net", from_="example.com"))
        self.assertEqual(self.asked, [("example.com", "example.net")])

    def refused(self, **arguments: str) -> str:
        return str(self.failureResultOf(self.run_test(**arguments), OperationError).value)

    def test_what_is_refused(self) -> None:
        self.assertIn("is not served here; there are example.org, example.com", self.refused(domain="x.y", from_="z.y"))
        self.assertEqual(self.refused(domain="example.com"), "example.com is served here")
        self.assertEqual(self.refused(domain="romeo@example.net"), "romeo@example.net is no domain")
        self.assertIn("a..b is no domain", self.refused(domain="a..b"))
        self.assertEqual(self.asked, [])

    def test_nothing_that_could_do_it(self) -> None:
        self.probing = None
        self.assertEqual(self.refused(domain="x.y"), "this server makes no connections to other servers")
