"""Figures of requests: by the class of the answer, and how long they took."""

from __future__ import annotations

import unittest

from twisted.internet.task import Clock

from tests.net.fetching import Connection
from tests.net.http.test_connection import Other, Poll
from xmppd.core.settings import Http
from xmppd.net.http.answers import Answer
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer


class Counting(unittest.TestCase):
    def setUp(self) -> None:
        self.clock, self.door = Clock(), Poll()
        routes = Routes(lambda: 10, lambda: self.server.origins)
        routes.doors["/poll"] = self.door
        self.server = HttpServer(routes, self.clock, Http())

    def figures(self) -> dict[tuple[str, ...], float]:
        samples = [sample for metric in self.server.counts.figures() for sample in metric.samples]
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    def ask(self, path: str) -> Connection:
        connection = Connection(self.server)
        connection.send(f"GET {path} HTTP/1.1\nHost: x\n\n")
        return connection

    def test_before_the_first(self) -> None:
        found = self.figures()
        self.assertEqual([found["xmppd_http_requests_total", f"{n}xx"] for n in range(1, 6)], [0.0] * 5)

    def test_classes_and_times(self) -> None:
        connections = [self.ask("/poll"), self.ask("/nothing"), self.ask("/poll?a")]
        self.clock.advance(3)
        self.door.respond(b"1")
        self.door.held.pop().respond(Answer(b"", 503))
        connections[0].send("nonsense\n\n")
        found = self.figures()
        self.assertEqual([found["xmppd_http_requests_total", f"{n}xx"] for n in range(1, 6)], [0, 1, 0, 2, 1])
        times = {path: found["xmppd_http_request_seconds_sum", path] for path in ("/poll", "other")}
        self.assertEqual(times, {"/poll": 6.0, "other": 0.0})
        self.assertEqual(found["xmppd_http_request_seconds_count", "/poll"], 2)
        for connection in connections:
            connection.leave()

    def test_another_protocol(self) -> None:
        """How long it is spoken is no time of a request."""
        connection = self.ask("/poll")
        self.clock.advance(3)
        self.door.held.pop().upgrade(b"", Other())
        found = self.figures()
        self.assertEqual(found["xmppd_http_requests_total", "1xx"], 1)
        self.assertNotIn(("xmppd_http_request_seconds_sum", "/poll"), found)
        connection.leave()

    def test_who_has_gone_is_not_counted(self) -> None:
        self.ask("/poll").leave()
        self.assertEqual(sum(self.figures().values()), 0)
