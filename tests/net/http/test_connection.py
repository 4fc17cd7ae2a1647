"""Connections over time: requests that wait, clients that don't read, leave, or change the protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.core.settings import Http
from xmppd.net.http.answers import CONTINUE, Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer

GET = "GET /poll HTTP/1.1\nHost: x\n\n"
POST = "POST /poll HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello"


class Poll:
    """A door where answers are held."""

    most = 10
    cors = False

    def __init__(self) -> None:
        self.held: list[Exchange] = []
        self.gone: list[Exchange] = []
        self.at_once: Answer | None = None

    def enter(self, exchange: Exchange) -> None:
        if self.at_once is not None:
            exchange.respond(self.at_once)
            return
        self.held.append(exchange)
        exchange.on_gone = lambda: self.gone.append(exchange)

    def respond(self, *bodies: bytes) -> None:
        for body in bodies:
            self.held.pop(0).respond(Answer(body))


class PollCase(SynchronousTestCase):
    limits: dict[str, Any] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.door = Poll()
        routes = Routes(lambda: 10, lambda: self.server.origins)
        routes.doors["/poll"] = self.door
        self.server = HttpServer(routes, self.clock, Http(**self.limits))
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def connect(self, *data: str | bytes) -> Connection:
        connection = Connection(self.server)
        self.addCleanup(lambda: connection.leave() if self.server.peers.open else None)
        for piece in data:
            connection.send(piece)
        return connection

    def bodies(self, connection: Connection) -> list[str]:
        return [response.body for response in connection.responses()]


class Waiting(PollCase):
    def test_one_after_the_other(self) -> None:
        connection = self.connect(GET + POST + GET)
        self.assertEqual(len(self.door.held), 1)
        self.door.respond(b"1")
        self.assertEqual(([e.method for e in self.door.held], self.bodies(connection)), (["POST"], ["1"]))
        self.assertEqual(self.door.held[0].body, b"hello")
        self.door.respond(b"2")
        self.door.respond(b"3")
        self.assertEqual(self.bodies(connection), ["2", "3"])

    def test_more_than_may_wait_is_not_read(self) -> None:
        connection = self.connect(GET)
        self.assertEqual(connection.producerState, "producing")
        for _ in range(200):
            connection.send(GET * 10)
        self.assertEqual(connection.producerState, "paused")
        self.door.at_once = Answer(b"x")
        self.door.respond(b"1")
        self.assertEqual(connection.producerState, "producing")
        self.assertEqual(len(self.bodies(connection)), 2001)

    def test_who_is_believed_may_change(self) -> None:
        """A proxy that is trusted no more isn't for as long as it keeps its connections either."""
        head = "GET /poll HTTP/1.1\nHost: x\nX-Forwarded-For: 192.0.2.1\n\n"
        connection = self.connect(head)
        peers = []
        for proxies in (("127.0.0.1",), ()):
            self.server.reconfigure(Http(trusted_proxies=proxies))
            peers.append(self.door.held[0].peer)
            self.door.respond(b"1")
            connection.send(head)
        self.assertEqual([*peers, self.door.held[0].peer], ["127.0.0.1", "192.0.2.1", "127.0.0.1"])

    def test_a_request_that_waits_has_no_time_limit(self) -> None:
        connection = self.connect(GET)
        self.clock.advance(1_000_000)
        self.door.respond(b"1")
        self.assertEqual(self.bodies(connection), ["1"])
        self.clock.advance(60)
        self.assertTrue(connection.ended)
        connection.leave()

    def test_who_leaves_is_missed(self) -> None:
        connection = self.connect(GET + GET)
        (exchange,) = self.door.held
        connection.leave()
        self.assertEqual(self.door.gone, [exchange])
        self.assertTrue(exchange.gone)
        exchange.respond(Answer(b"1"))
        exchange.begin(200, b"x/y")
        exchange.write(b"1")
        exchange.finish()
        exchange.abort()
        exchange.upgrade(b"", None)
        self.assertEqual((connection.value(), self.server.peers.open), (b"", 0))

    def test_who_was_answered_is_not_missed(self) -> None:
        connection = self.connect(GET)
        self.door.respond(b"1")
        connection.leave()
        self.assertEqual(self.door.gone, [])

    def test_the_first_answer_counts(self) -> None:
        connection = self.connect(GET)
        (exchange,) = self.door.held
        exchange.respond(Answer(b"1"))
        exchange.respond(Answer(b"2"))
        self.assertEqual(self.bodies(connection), ["1"])

    def test_one_write_for_each_answer(self) -> None:
        connection = self.connect(GET)
        writes: list[bytes] = []
        connection.write = writes.append  # type: ignore[method-assign]
        self.door.respond(b"1")
        self.assertEqual(len(writes), 1)


class Reading(PollCase):
    """Clients that don't read what they are sent."""

    limits = {"body_idle_seconds": 20.0}

    def test_nothing_more_is_begun(self) -> None:
        self.door.at_once = Answer(b"1")
        connection = self.connect()
        connection.protocol.pauseProducing()
        connection.send(GET + GET)
        self.assertEqual(connection.value(), b"")
        connection.protocol.resumeProducing()
        self.assertEqual(self.bodies(connection), ["1", "1"])

    def test_that_has_an_end(self) -> None:
        connection = self.connect(GET)
        connection.protocol.pauseProducing()
        self.clock.advance(20)
        self.assertTrue(connection.cut)
        connection.leave()
        self.assertEqual(len(self.door.gone), 1)

    def test_an_answer_in_parts(self) -> None:
        connection = self.connect(GET)
        (exchange,) = self.door.held
        rooms: list[bool] = []
        exchange.on_room = lambda: rooms.append(exchange.full)
        exchange.begin(200, b"x/y")
        exchange.write(b"hello")
        exchange.write(b"")
        connection.protocol.pauseProducing()
        self.assertTrue(exchange.full)
        connection.protocol.resumeProducing()
        self.assertEqual(rooms, [False])
        self.clock.advance(1000)
        exchange.finish()
        self.assertTrue(connection.value().endswith(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
        self.assertFalse(connection.ended)

    def test_an_answer_in_parts_of_known_length(self) -> None:
        connection = self.connect(GET)
        exchange = self.door.held.pop()
        exchange.begin(200, b"x/y", (), 10)
        for _ in range(2):
            exchange.write(b"hello")
        exchange.finish()
        self.assertEqual(self.bodies(connection), ["hello" * 2])

    def test_http_1_0_knows_no_chunks(self) -> None:
        connection = self.connect("GET /poll HTTP/1.0\nConnection: keep-alive\n\n")
        exchange = self.door.held.pop()
        exchange.begin(200, b"x/y")
        exchange.write(b"hello")
        exchange.finish()
        self.assertTrue(connection.value().endswith(b"Connection: close\r\n\r\nhello"))
        self.assertTrue(connection.ended)

    def test_an_answer_that_breaks_off(self) -> None:
        connection = self.connect(GET)
        exchange = self.door.held.pop()
        exchange.begin(200, b"x/y")
        exchange.abort()
        self.assertTrue(connection.cut)

    def test_head(self) -> None:
        connection = self.connect("HEAD /poll HTTP/1.1\nHost: x\n\n")
        exchange = self.door.held.pop()
        exchange.begin(200, b"x/y")
        exchange.write(b"hello")
        exchange.finish()
        self.assertTrue(connection.value().endswith(b"Transfer-Encoding: chunked\r\n\r\n"))


class Asking(PollCase):
    """Clients that ask before they send a body (RFC 9110 section 10.1.1)."""

    def ask(self, *data: str, version: str = "1.1", expectation: str = "100-continue") -> Connection:
        head = f"POST /poll HTTP/{version}\nHost: x\nContent-Length: 5\nExpect: {expectation}\n\n"
        return self.connect(head, *data)

    def test_they_are_told(self) -> None:
        connection = self.ask()
        self.assertEqual(connection.value(), CONTINUE)
        connection.send("hel")
        connection.send("lo")
        self.assertEqual((connection.value(), self.door.held[0].body), (CONTINUE, b"hello"))

    def test_they_have_not_waited(self) -> None:
        head = "POST /poll HTTP/1.1\nHost: x\nContent-Length: 5\nExpect: 100-Continue\n\n"
        self.assertEqual(self.connect(head + "h").value(), b"")

    def test_they_can_not_mean_it(self) -> None:
        self.assertEqual(self.ask(version="1.0").value(), b"")
        self.assertEqual(self.ask(expectation="miracles").response().code, 417)

    def test_in_their_turn(self) -> None:
        connection = self.connect(GET)
        connection.send("POST /poll HTTP/1.1\nHost: x\nContent-Length: 5\nExpect: 100-continue\n\n")
        self.assertEqual(connection.value(), b"")
        self.door.respond(b"1")
        self.assertTrue(connection.value().endswith(b"\r\n\r\n1" + CONTINUE))


class Persistence(PollCase):
    """RFC 9112 section 9.3."""

    def test_table(self) -> None:
        self.door.at_once = Answer(b"1")
        for version, options, says in (
            ("1.1", None, None), ("1.1", "close", "close"), ("1.1", "Upgrade, Close", "close"),
            ("1.1", "keep-alive", None), ("1.0", None, "close"), ("1.0", "Keep-Alive", "keep-alive"),
            ("1.0", "keep-alive, close", "close"),
        ):  # fmt: skip
            field = "" if options is None else f"Connection: {options}\n"
            connection = self.connect(f"GET /poll HTTP/{version}\nHost: x\n{field}\n")
            self.assertEqual(connection.response().headers.get("connection"), says, (version, options))
            self.assertEqual(connection.ended, says == "close")
            connection.leave()

    def test_what_comes_behind_the_last_request(self) -> None:
        """It must not undo the answer: our side is closed, and what still comes is read and thrown away."""
        self.door.at_once = Answer(b"1")
        connection = self.connect("GET /poll HTTP/1.1\nHost: x\nConnection: close\n\n" + GET)
        self.assertEqual((self.bodies(connection), connection.ended, connection.disconnecting), (["1"], True, False))
        connection.send(GET)
        self.assertEqual(connection.value(), b"")


class Other:
    """A protocol that connections are left to."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self.got.append(data)

    def connectionLost(self, reason: Any) -> None:
        self.got.append(None)


class Upgrades(PollCase):
    UPGRADE = "GET /poll HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: other\n\n"

    def test_another_protocol(self) -> None:
        connection = self.connect(self.UPGRADE + "rest")
        other = Other()
        self.door.held.pop().upgrade(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", other)
        connection.send("more")
        self.assertEqual(
            (connection.value(), other.got), (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", [b"rest", b"more"])
        )
        self.assertEqual((self.server.peers.open, self.clock.getDelayedCalls()), (1, []))
        connection.leave()
        self.assertEqual((other.got[-1], self.server.peers.open, self.door.gone), (None, 0, []))

    def test_what_came_before_it_was_read_no_further(self) -> None:
        connection = self.connect(self.UPGRADE, b"x" * 20_000)
        self.assertEqual(connection.producerState, "paused")
        other = Other()
        self.door.held.pop().upgrade(b"", other)
        self.assertEqual((connection.producerState, other.got), ("producing", [b"x" * 20_000]))

    def test_nobody_has_to(self) -> None:
        """RFC 9110 section 7.8: curl asks for HTTP/2 like that, and its requests may have a body."""
        self.door.at_once = Answer(b"1")
        h2c = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n"
        connection = self.connect(GET.replace("\n\n", f"\n{h2c}\n") + GET)
        self.assertEqual(self.bodies(connection), ["1", "1"])
        connection.leave()
        self.door.at_once = None
        bodies = (
            "Content-Length: 5\n\nhello",
            "Content-Length: 10\n\nGET / HTTP",
            "Transfer-Encoding: chunked\n\n2\nhi\n0\n\n",
        )
        for body in bodies:
            connection = self.connect(f"POST /poll HTTP/1.1\nHost: x\n{h2c}{body}{GET}")
            first = self.door.held.pop()
            self.assertIn(first.body, (b"hello", b"GET / HTTP", b"hi"))
            first.respond(Answer(b"1"))
            self.door.respond(b"2")
            self.assertEqual(self.bodies(connection), ["1", "2"])
            connection.leave()


class Trickling(PollCase):
    """Slow clients cost one connection each, for as long as a request may take."""

    limits = {"request_seconds": 30.0, "connections": 10, "connections_per_address": 10}

    def drip(self, connections: Iterable[Connection], data: str, seconds: int) -> None:
        for octet in data[:seconds]:
            for connection in connections:
                if not connection.ended:
                    connection.send(octet)
            self.clock.advance(1)

    def test_they_end_and_others_do_not_suffer(self) -> None:
        slow = [self.connect() for _ in range(5)]
        self.door.at_once = Answer(b"1")
        quick = self.connect()
        for _ in range(29):
            self.drip(slow, "x", 1)
            quick.send(GET)
        self.assertEqual((len(self.bodies(quick)), [c.ended for c in slow]), (29, [False] * 5))
        self.drip(slow, "x", 1)
        self.assertEqual([(c.response().code, c.ended) for c in slow], [(408, True)] * 5)
        self.assertFalse(quick.ended)
        self.clock.advance(5)
        self.assertEqual([c.cut for c in slow], [True] * 5)

    def test_bodies(self) -> None:
        connection = self.connect("POST /poll HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n")
        self.drip([connection], "1;" + "a" * 40, 30)
        self.assertEqual(connection.response().code, 408)

    def test_empty_lines(self) -> None:
        connection = self.connect()
        for _ in range(30):
            connection.send("\n" * 100)
            self.clock.advance(1)
        self.assertEqual((connection.ended, connection.value()), (True, b""))
