"""Nothing stays in memory of HTTP connections that have gone, however they went."""

from __future__ import annotations

import gc
from collections.abc import Callable
from unittest import TestCase

from twisted.internet.task import Clock

from tests.net.fetching import Connection
from tests.net.http.test_connection import Other, Poll
from tests.net.test_leaks import counted
from xmppd.core.settings import Http
from xmppd.net.http.answers import Answer
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer

ROUNDS = 200
GET = "GET /poll HTTP/1.1\nHost: x\n\n"


class Leaks(TestCase):
    def setUp(self) -> None:
        self.clock, self.door = Clock(), Poll()
        routes = Routes(lambda: 10, lambda: self.server.origins)
        routes.doors["/poll"] = self.door
        self.server = HttpServer(routes, self.clock, Http())

    def check(self, one: Callable[[Connection], None]) -> None:
        before = counted()
        for number in range(20 + ROUNDS):
            one(Connection(self.server))
            self.door.held.clear()
            self.door.gone.clear()
            self.clock.advance(0)
            if number == 20:
                before = counted()
        more = {name: count for name, count in (counted() - before).items() if count >= ROUNDS // 4}
        self.assertEqual((more, self.clock.getDelayedCalls(), self.server.peers.open), ({}, [], 0))

    def test_in_the_middle(self) -> None:
        for data in ("", "GET /po", GET, GET + GET, "POST /poll HTTP/1.1\nHost: x\nContent-Length: 5\n\nhel"):

            def one(connection: Connection, data: str = data) -> None:
                connection.send(data)
                connection.leave()

            self.check(one)

    def test_answered(self) -> None:
        def one(connection: Connection) -> None:
            connection.send(GET)
            self.door.held[0].respond(Answer(b"x"))
            connection.leave()

        self.check(one)

    def test_refused(self) -> None:
        def one(connection: Connection) -> None:
            connection.send("nonsense\n\n")
            connection.leave()

        self.check(one)

    def test_another_protocol(self) -> None:
        def one(connection: Connection) -> None:
            connection.send(GET)
            self.door.held[0].upgrade(b"", Other())
            connection.leave()

        self.check(one)

    def test_without_the_collector(self) -> None:
        """A connection that is lost is gone at once, and doesn't wait to be found."""
        ours = tuple(
            f"xmppd.net.http.{name}" for name in ("connection.Connection", "parsing.Parser", "exchange.Exchange")
        )
        counted()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(10):
            connection = Connection(self.server)
            connection.send(GET)
            connection.leave()
            connection.producer = connection.protocol = None  # as TCP does
            self.door.held.clear()
            self.door.gone.clear()
        del connection
        found = [f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects()]
        self.assertEqual([name for name in found if name in ours], [])
