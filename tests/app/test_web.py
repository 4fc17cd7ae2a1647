"""The operator's pages, and the HTTP server they belong to: who gets which answer, and what a reload changes."""

from __future__ import annotations

import json

from twisted.internet.testing import MemoryReactor

from tests.net.fetching import Connection, Response, fetch
from xmppd.core.readiness import Phase
from xmppd.testing import ServerTestCase


class WebCase(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.web.readiness.phase = Phase.SERVING

    def fetch(self, path: str, accept: str = "*/*", peer: str = "127.0.0.1") -> Response:
        return fetch(self.web.site, path, accept, peer=peer)

    def break_database(self, broken: bool = True) -> None:
        with self.server.engines.write.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only = {int(broken)}")


class PageTests(WebCase):
    config = {"http": {"database_seconds": 20.0}}

    def test_health(self) -> None:
        """It asks nothing of anything else: who restarts a server must not do it because a disk is full."""
        self.web.readiness.phase = Phase.STARTING
        self.break_database()
        found = self.fetch("/health")
        self.assertEqual((found.code, found.body), (200, "alive\n"))
        found = self.fetch("/health", "application/json")
        self.assertEqual((found.code, json.loads(found.body)), (200, {"alive": True}))
        self.assertEqual(found.headers["content-type"], "application/json")

    def test_ready(self) -> None:
        found = self.fetch("/ready")
        self.assertEqual((found.code, found.body), (200, "ready\n"))
        found = self.fetch("/ready", "application/json")
        self.assertEqual((found.code, json.loads(found.body)), (200, {"ready": True, "problems": []}))

    def test_not_ready(self) -> None:
        for phase, words in ((Phase.STARTING, "the server is starting"), (Phase.STOPPING, "the server is stopping")):
            self.web.readiness.phase = phase
            found = self.fetch("/ready")
            self.assertEqual((found.code, found.body), (503, f"{words}\n"))
            found = self.fetch("/ready", "application/json")
            self.assertEqual((found.code, json.loads(found.body)), (503, {"ready": False, "problems": [words]}))

    def test_a_database_that_takes_no_writes(self) -> None:
        self.assertEqual(self.fetch("/ready").code, 200)
        self.break_database()
        self.pump(19)
        self.assertEqual(self.fetch("/ready").code, 200)  # a write that went well is believed for a while
        self.pump(1)
        found = self.fetch("/ready")
        self.assertEqual(found.code, 503)
        self.assertIn("the database can't be written: ", found.body)
        self.break_database(False)
        self.assertEqual(self.fetch("/ready").code, 200)

    def test_words_or_json(self) -> None:
        for accept, is_json in (
            ("", False), ("*/*", False), ("text/html, */*;q=0.1", False), ("application/json", True),
            ("application/json, */*;q=0.5", True), ("application/*", True), ("text/*, application/json", False),
            ("text/plain;q=0.2, Application/JSON;q=0.3", True), ("application/json;q=0", False),
            ("application/json;q=x", False), (";;,q=1", False),
        ):  # fmt: skip
            found = self.fetch("/health", accept)
            self.assertEqual(found.headers["content-type"] == "application/json", is_json, accept)

    def test_nothing_else(self) -> None:
        for path in ("/", "/index.html", "/health/x"):
            self.assertEqual(self.fetch(path).code, 404)

    def test_all_are_for_the_operator(self) -> None:
        for path in ("/metrics", "/health", "/ready"):
            self.assertEqual(self.fetch(path).code, 200)
            self.assertEqual(self.fetch(path, peer="192.0.2.1").code, 403)


class ReloadTests(WebCase):
    config = {
        "http": {
            "operator_networks": ["192.0.2.0/24"],
            "connections": 2,
            "connections_per_address": 1,
            "header_octets": 1024,
            "body_octets": 10,
            "request_seconds": 5.0,
        },
        "limits": {"exempt_networks": []},
    }

    def test_limits(self) -> None:
        def answers() -> list[int]:
            codes = [self.fetch("/health", peer="192.0.2.1").code, self.fetch("/health").code]
            first = Connection(self.web.site, "192.0.2.1")
            second = Connection(self.web.site, "192.0.2.1")
            codes.append(second.responses()[0].code if second.ended else 0)
            first.send("GET /health HTTP/1.1\nHost: x\nX: " + "x" * 1500 + "\n\n")
            codes.append(first.response().code)
            first.leave()
            if not second.ended:
                second.leave()
            return codes

        self.assertEqual(answers(), [200, 403, 503, 431])
        settings = self.server.server.settings
        http = type(settings.http)(operator_networks=("127.0.0.0/8", "192.0.2.0/24"))
        self.server.server.settings = settings.model_copy(update={"http": http})
        self.web.reconfigure()
        self.assertEqual(answers(), [200, 200, 0, 200])

    def test_time(self) -> None:
        connection = Connection(self.web.site, "192.0.2.1")
        self.pump(5)
        self.assertTrue(connection.ended)
        connection.leave()


class PortTests(WebCase):
    """What listens, and what is measured because of it."""

    def listen(self, *endpoints: str) -> int:
        """Open ports, and return how many timers run because of them."""
        before = len(self.clock.getDelayedCalls())
        reactor = MemoryReactor()
        self.wait(self.web.listen(reactor, endpoints))
        self.assertEqual([server[:2] for server in reactor.tcpServers], [(5280, self.web.site)] * len(endpoints))
        return len(self.clock.getDelayedCalls()) - before

    def test_ports(self) -> None:
        self.assertEqual(self.listen("tcp:5280:interface=127.0.0.1", "tcp6:5280:interface=\\:\\:1"), 1)
        self.clock.advance(1)
        self.assertIn("xmppd_reactor_delay_seconds_count 1.0\n", self.fetch("/metrics").body)
        self.wait(self.web.stop())

    def test_without_ports_nothing_is_measured(self) -> None:
        self.assertEqual(self.listen(), 0)
        self.wait(self.web.stop())
