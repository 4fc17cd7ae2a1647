"""Heads of requests: which are taken, which are refused with what, and what could be understood in two ways."""

from __future__ import annotations

import unittest

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.core.settings import Http
from xmppd.net.http.answers import Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.heads import BadRequest, unfinished
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer

HOST = "Host: x\r\n"
#: (request line, fields; code)
REFUSED = (
    # RFC 9112 section 3
    ("GET /", HOST, 400), ("GET", HOST, 400), ("", HOST, 400), (" GET / HTTP/1.1", HOST, 400),
    ("GET /a b HTTP/1.1", HOST, 400), ("GET / HTTP/1.1 ", HOST, 400), ("GET\t/ HTTP/1.1", HOST, 400),
    ("GET /\x01 HTTP/1.1", HOST, 400), ("GET /\xe4 HTTP/1.1", HOST, 400), ("GET a HTTP/1.1", HOST, 400),
    ("GET /#a HTTP/1.1", HOST, 400), ("GET * HTTP/1.1", HOST, 400), ("GET ftp://x/ HTTP/1.1", HOST, 400),
    ("GET http:/// HTTP/1.1", HOST, 400), ("GET http://a b/ HTTP/1.1", HOST, 400), ("GET / http/1.1", HOST, 400),
    ("GET / HTTP/1", HOST, 400), ("GET / HTTP/1.1.1", HOST, 400), ("GET / RTSP/1.0", HOST, 400),
    ("PRI * HTTP/2.0", HOST, 505), ("GET / HTTP/0.9", HOST, 505), ("GET / HTTP/1.9", HOST, 505),
    # RFC 9110 section 9.1
    ("BREW / HTTP/1.1", HOST, 501), ("get / HTTP/1.1", HOST, 501), ("PLAY / HTTP/1.1", HOST, 501),
    ("G(T / HTTP/1.1", HOST, 400),
    # Section 3.2: exactly one Host field
    ("GET / HTTP/1.1", "", 400), ("GET / HTTP/1.1", HOST * 2, 400), ("GET / HTTP/1.1", "Host: a, b/c\r\n", 400),
    ("GET / HTTP/1.1", "Host: a b\r\n", 400), ("GET / HTTP/1.1", "Host: user@a\r\n", 400),
    ("GET / HTTP/1.0", "Host: a/b\r\n", 400),
    # Section 5
    ("GET / HTTP/1.1", HOST + "A : b\r\n", 400), ("GET / HTTP/1.1", HOST + "A\r\n", 400),
    ("GET / HTTP/1.1", HOST + ": b\r\n", 400), ("GET / HTTP/1.1", HOST + " A: b\r\n", 400),
    ("GET / HTTP/1.1", HOST + "A: b\r\n c\r\n", 400), ("GET / HTTP/1.1", HOST + "A: b\x00\r\n", 400),
    ("GET / HTTP/1.1", HOST + "A: b\rc\r\n", 400), ("GET / HTTP/1.1", HOST + "A: b\nC: d\r\n", 400),
    ("GET / HTTP/1.1", HOST + "A\xe4: b\r\n", 400),
    # Section 6.1 and 6.3
    ("POST / HTTP/1.1", HOST + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: 1\r\nContent-Length: 1\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: 1, 1\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: \r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: 0x1\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: 1_0\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: \xb2\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Content-Length: 99999999999999999999\r\n", 400),
    ("POST / HTTP/1.0", HOST + "Transfer-Encoding: chunked\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: gzip\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: chunked, chunked\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: \x0bchunked\r\n", 400),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: gzip, chunked\r\n", 501),
    ("POST / HTTP/1.1", HOST + "Content-Length: 9223372036854775807\r\n", 413),
    # RFC 9110 section 10.1.1
    ("POST / HTTP/1.1", HOST + "Expect: 101-switch\r\n", 417),
)  # fmt: skip
#: (request line, fields; path, query, host, length)
TAKEN = (
    ("GET / HTTP/1.1", HOST, "/", "", "x", 0),
    ("GET / HTTP/1.0", "", "/", "", "", 0),
    ("GET /a%20b?c=%20&d? HTTP/1.1", HOST, "/a b", "c=%20&d?", "x", 0),
    ("GET //a HTTP/1.1", HOST, "//a", "", "x", 0),
    ("GET http://Y:80/a?b HTTP/1.1", HOST, "/a", "b", "y", 0),
    ("GET HTTPS://y HTTP/1.1", HOST, "/", "", "y", 0),
    ("GET https://y?b HTTP/1.1", HOST, "/", "b", "y", 0),
    ("OPTIONS * HTTP/1.1", HOST, "*", "", "x", 0),
    ("GET / HTTP/1.1", "Host:\r\n", "/", "", "", 0),
    ("GET / HTTP/1.1", "hOsT:  X:5281 \r\n", "/", "", "x", 0),
    ("POST / HTTP/1.1", HOST + "Content-Length: 007\r\n", "/", "", "x", 7),
    ("POST / HTTP/1.1", HOST + "Transfer-Encoding: Chunked\r\n", "/", "", "x", None),
)


class Seeing:
    """Enters what it finds."""

    most = None
    cors = False

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def find(self, exchange: Exchange) -> Seeing:
        return self

    def enter(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
        exchange.respond(Answer())


class Heads(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.door = Seeing()
        routes = Routes(lambda: 10, lambda: self.server.origins, self.door)
        routes.find = self.door.find  # type: ignore[method-assign]
        self.server = HttpServer(routes, self.clock, Http())

    def ask(self, line: str, fields: str) -> Connection:
        connection = Connection(self.server)
        connection.send(f"{line}\r\n{fields}\r\n".encode("latin-1"))
        connection.leave()
        return connection

    def test_refused(self) -> None:
        self.door.most = 10  # type: ignore[assignment]
        for line, fields, code in REFUSED:
            connection = self.ask(line, fields)
            found = connection.response()
            self.assertEqual((found.code, found.headers["connection"]), (code, "close"), (line, fields))
            self.assertEqual((connection.ended, self.door.seen), (True, []), (line, fields))
            self.assertEqual(found.headers["x-content-type-options"], "nosniff")

    def test_taken(self) -> None:
        for line, fields, path, query, host, length in TAKEN:
            self.ask(line, fields)
            (found,) = self.door.seen
            self.assertEqual((found.path, found.query, found.host, found.length), (path, query, host, length), line)
            self.door.seen.clear()

    def test_several_of_one_name(self) -> None:
        """RFC 9110 section 5.3; RFC 6265 has it otherwise for cookies."""
        self.ask("GET / HTTP/1.1", HOST + "A: 1\r\nCookie: a=1\r\na: 2\r\ncookie: b=2\r\n")
        (found,) = self.door.seen
        self.assertEqual((found.header("a"), found.headers["COOKIE"], found.header("b")), ("1, 2", "a=1; b=2", None))

    def test_who_asks_over_a_unix_socket(self) -> None:
        """Programs on the same machine that may open it are proxies whose word counts."""
        connection = Connection(self.server)
        connection.leave()
        connection.unregisterProducer()
        protocol = self.server.buildProtocol(None)  # type: ignore[arg-type]
        protocol.makeConnection(connection)
        protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        self.assertEqual(self.door.seen[0].peer, "192.0.2.1")

    def test_proxies_that_contradict_each_other(self) -> None:
        self.server.reconfigure(Http(trusted_proxies=("127.0.0.1",)))
        connection = self.ask("GET / HTTP/1.1", HOST + "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=127.0.0.1\r\n")
        self.assertEqual((connection.response().code, self.door.seen), (400, []))


class Unfinished(unittest.TestCase):
    def test_table(self) -> None:
        for head, code in (
            (b"", 0), (b"GET / HTTP/1.1\r", 0), (b"GET / HTTP/1.1\r\n", 0), (b"x" * 19, 0), (b"x" * 20, 414),
            (b"GET /\r\n" + b"x" * 13, 431), (b"GET /\n", 400), (b"\x16\x03\x01", 400), (b"GET\r/", 400),
            (b"BREW / HTTP/1.1\r\n\n", 501), (b"G / HTTP/2.0\r\n\0", 505), (b"x" * 30 + b"\n", 414),
        ):  # fmt: skip
            self.assertEqual(unfinished(head, 20), code, head)

    def test_reasons(self) -> None:
        for head, code in (
            (b"GET / HTTP/1.1\r\n", 400),
            (b"A / HTTP/1.1\r\n", 501),
            (b"A / HTTP/3.0\r\n", 505),
            (b"A", 400),
        ):
            self.assertEqual(BadRequest.of(head).code, code, head)
