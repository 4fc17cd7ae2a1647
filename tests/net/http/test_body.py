"""Bodies that are read while they come: as fast as they are taken, and never longer than they say."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.api.http import BodyLost
from xmppd.core.settings import Http
from xmppd.net.http.answers import CONTINUE, Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Routes, spawn
from xmppd.net.http.server import HttpServer


class Slow:
    """Takes bodies as the test says."""

    most = None
    cors = False

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.taken: list[bytes] = []
        self.lost = 0
        self.go_on: Deferred[None] | None = None
        self.early: Answer | None = None
        self.at_the_head: Answer | None = None

    def enter(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        if self.at_the_head is not None:
            exchange.respond(self.at_the_head)
        elif self.go_on is None:
            self.read(exchange)

    def read(self, exchange: Exchange) -> None:
        spawn(self._read(exchange))

    async def _read(self, exchange: Exchange) -> None:
        try:
            assert exchange.stream is not None
            async for piece in exchange.stream:
                self.taken.append(piece)
                if self.early is not None:
                    break
                if self.go_on is not None:
                    await self.go_on
        except BodyLost:
            self.lost += 1
        exchange.respond(self.early or Answer(b"%d" % sum(map(len, self.taken))))


class Streams(SynchronousTestCase):
    limits: dict[str, Any] = {"body_octets": 10, "request_seconds": 30.0, "body_idle_seconds": 20.0}

    def setUp(self) -> None:
        self.clock = Clock()
        self.door = Slow()
        routes = Routes(lambda: 10, lambda: self.server.origins)
        routes.doors["/"] = self.door
        self.server = HttpServer(routes, self.clock, Http(**self.limits))
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.connection = Connection(self.server)
        self.addCleanup(lambda: self.connection.leave() if self.server.peers.open else None)

    def put(self, *fields: str) -> None:
        self.connection.send("PUT / HTTP/1.1\nHost: x\n" + "".join(f"{field}\n" for field in fields) + "\n")

    def test_of_known_length(self) -> None:
        self.put("Content-Length: 100000")
        self.assertEqual(self.door.exchanges[0].length, 100_000)
        for _ in range(10):
            self.clock.advance(19)  # in all more than whole requests may take
            self.connection.send(b"x" * 10_000)
        self.connection.send("GET / HTTP/1.1\nHost: x\n\n")
        self.assertEqual([found.body for found in self.connection.responses()], ["100000", "100000"])

    def test_the_transport_knows_that_it_is_large(self) -> None:
        """From its beginning to the answer; and nothing is said of what is small."""
        told: list[bool] = []
        self.connection.bulk = told.append  # type: ignore[attr-defined]
        self.put("Content-Length: 65536")
        self.connection.send(b"x" * 65_536)
        self.assertEqual(told, [])
        self.put("Content-Length: 65537")
        self.assertEqual(told, [True])
        self.connection.send(b"x" * 65_537)
        self.assertEqual(told, [True, False])
        self.put("Transfer-Encoding: chunked")
        self.assertEqual(told, [True, False, True])

    def test_in_chunks(self) -> None:
        self.put("Transfer-Encoding: chunked")
        self.assertIsNone(self.door.exchanges[0].length)
        for _ in range(10):
            self.connection.send(b"3\r\na\r\n\r\n")
        self.connection.send(b"0\r\nX: y\r\n\r\n")
        self.assertEqual((self.connection.response().body, self.door.taken[0]), ("30", b"a\r\n"))

    def test_only_as_fast_as_it_is_taken(self) -> None:
        self.door.go_on = Deferred()
        self.put("Content-Length: 1000000")
        self.door.read(self.door.exchanges[0])
        for _ in range(20):
            if self.connection.producerState == "producing":
                self.connection.send(b"x" * 20_000)
        self.assertEqual(self.connection.producerState, "paused")
        held = sum(map(len, self.door.taken))
        self.clock.advance(1000)  # it is not the client's fault
        self.assertFalse(self.connection.ended)
        waiting, self.door.go_on = self.door.go_on, Deferred()
        waiting.callback(None)
        self.assertEqual(self.connection.producerState, "producing")
        self.assertGreater(sum(map(len, self.door.taken)), held)
        self.connection.leave()
        self.door.go_on.callback(None)
        self.assertEqual(self.door.lost, 1)

    def test_who_leaves_in_the_middle(self) -> None:
        self.put("Content-Length: 100")
        self.connection.send(b"x" * 50)
        self.connection.leave()
        self.assertEqual((self.door.lost, self.connection.value()), (1, b""))

    def test_who_stops_in_the_middle(self) -> None:
        for data in (b"", b"x" * 50):
            self.connection.leave()
            self.connection = Connection(self.server)
            self.put("Content-Length: 100")
            self.connection.send(data)
            self.clock.advance(19)
            self.assertFalse(self.connection.ended)
            self.clock.advance(1)
            self.assertEqual(self.connection.response().code, 408)
        self.assertEqual(self.door.lost, 2)

    def test_chunks_that_are_none(self) -> None:
        self.put("Transfer-Encoding: chunked")
        self.connection.send("3\nabc\nxyz\n")
        self.assertEqual((self.connection.response().code, self.door.lost), (400, 1))

    def test_chunks_with_much_around_them(self) -> None:
        self.put("Transfer-Encoding: chunked")
        for _ in range(20):
            self.connection.send(b"1;" + b"a" * 1000)
        self.assertEqual((self.connection.response().code, self.door.lost), (431, 1))

    def test_refused_before_it_is_sent(self) -> None:
        self.door.at_the_head = Answer(b"no", 413)
        self.put("Content-Length: 100", "Expect: 100-continue")
        found = self.connection.response()
        self.assertEqual((found.code, found.headers["connection"], self.connection.ended), (413, "close", True))

    def test_asked_for_when_it_is_read(self) -> None:
        self.door.go_on = Deferred()
        self.put("Content-Length: 100", "Expect: 100-continue")
        self.clock.advance(1000)
        self.assertEqual((self.connection.value(), self.connection.ended), (b"", False))
        self.door.read(self.door.exchanges[0])
        self.assertEqual(self.connection.value(), CONTINUE)
        self.clock.advance(20)
        self.assertIn(b"HTTP/1.1 408 ", self.connection.value())

    def test_answered_in_the_middle(self) -> None:
        """What still comes is thrown away, so that it does not undo the answer."""
        self.door.early = Answer(b"enough", 507)
        self.put("Content-Length: 100")
        self.connection.send(b"x" * 50)
        found = self.connection.response()
        self.assertEqual((found.code, found.headers["connection"], self.connection.ended), (507, "close", True))
        self.assertFalse(self.connection.disconnecting)
        self.connection.send(b"x" * 50)
        self.clock.advance(20)
        self.assertTrue(self.connection.cut)

    def test_none(self) -> None:
        self.put()
        self.put("Content-Length: 0")
        self.assertEqual([found.body for found in self.connection.responses()], ["0", "0"])
