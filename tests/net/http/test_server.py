"""The HTTP server: methods, what is refused, limits, timeouts; pages that take their time or fail."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection, Response, fetch
from xmppd.core.settings import LOOPBACK, Http
from xmppd.net.http.answers import Answer, text
from xmppd.net.http.routes import Page, Routes
from xmppd.net.http.server import HttpServer
from xmppd.net.peers import Networks

GET = "GET /page HTTP/1.1\nHost: localhost\n\n"
POST = "POST /page HTTP/1.1\nHost: localhost\n"


class HttpCase(SynchronousTestCase):
    limits: dict[str, Any] = {}

    def setUp(self) -> None:
        self.clock = Clock()
        self.networks = Networks(LOOPBACK)
        self.answers: list[Any] = []
        self.asked = 0
        self.routes = Routes(self.most, lambda: self.server.origins)
        self.routes.doors["/page"] = Page(self.make, lambda: self.networks, self.most)
        self.server = HttpServer(self.routes, self.clock, Http(**self.limits))
        self.addCleanup(self.server.doStop)
        self.server.doStart()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def most(self) -> int:
        return self.server.limits.body_octets

    def make(self, request: Any) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else text("hello")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fetch(self, path: str = "/page", **more: Any) -> Response:
        return fetch(self.server, path, **more)

    def connect(self, peer: str = "127.0.0.1") -> Connection:
        connection = Connection(self.server, peer)
        self.addCleanup(connection.leave)
        return connection


class Pages(HttpCase):
    def test_get(self) -> None:
        found = self.fetch()
        self.assertEqual((found.code, found.body), (200, "hello\n"))
        self.assertEqual(found.headers["content-type"], "text/plain; charset=utf-8")

    def test_head(self) -> None:
        """The same without the body (RFC 9110 9.3.2)."""
        head, get = self.fetch(method="HEAD"), self.fetch()
        self.assertEqual((head.code, head.body), (200, ""))
        self.assertEqual(head.headers["content-length"], "6")
        self.assertEqual(
            {name: value for name, value in head.headers.items() if name != "date"},
            {name: value for name, value in get.headers.items() if name != "date"},
        )

    def test_other_methods(self) -> None:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            found = self.fetch(method=method)
            self.assertEqual((found.code, found.headers["allow"]), (405, "GET, HEAD"), method)
        self.assertEqual(self.fetch(method="BREW").code, 501)
        self.assertEqual(self.asked, 0)

    def test_what_is_not_there(self) -> None:
        for path in ("/", "/other", "/page/", "/page/more", "/folder", "/folder/", "//page", "/Page", "/%00"):
            for method in ("GET", "HEAD", "POST"):
                self.assertEqual(self.fetch(path, method=method).code, 404, path)
        self.assertEqual(self.asked, 0)

    def test_a_query_changes_nothing(self) -> None:
        self.assertEqual(self.fetch("/page?a=b").code, 200)

    def test_headers_that_protect(self) -> None:
        for path in ("/page", "/other"):
            headers = self.fetch(path).headers
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertEqual(headers["referrer-policy"], "no-referrer")
            self.assertEqual(headers["cross-origin-resource-policy"], "same-origin")
            self.assertEqual(headers["server"], "xmppd")

    def test_addresses(self) -> None:
        for peer, code in (("127.0.0.5", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403)):
            self.assertEqual(self.fetch(peer=peer).code, code, peer)
        self.assertEqual(self.asked, 3)
        self.networks = Networks(["192.0.2.0/24"])
        self.assertEqual(self.fetch(peer="192.0.2.1").code, 200)
        self.assertEqual(self.fetch().code, 403)

    def test_what_a_client_says_of_its_address_is_not_believed(self) -> None:
        connection = self.connect("192.0.2.1")
        connection.send(GET.replace("\n\n", "\nX-Forwarded-For: 127.0.0.1\nForwarded: for=127.0.0.1\n\n"))
        self.assertEqual(connection.response().code, 403)

    def test_a_page_that_takes_its_time(self) -> None:
        waiting: Deferred[Answer] = Deferred()
        self.answers.append(waiting)
        connection = self.connect()
        connection.send(GET + GET)
        self.clock.advance(3600)
        self.assertEqual((connection.responses(), connection.ended), ([], False))
        waiting.callback(text("at last", 503))
        self.assertEqual([(r.code, r.body) for r in connection.responses()], [(503, "at last\n"), (200, "hello\n")])

    def test_a_client_that_does_not_wait(self) -> None:
        waiting: Deferred[Answer] = Deferred()
        self.answers.append(waiting)
        connection = Connection(self.server)
        connection.send(GET)
        connection.leave()
        waiting.callback(text("at last"))
        self.assertEqual(connection.value(), b"")

    def test_a_page_that_fails(self) -> None:
        waiting: Deferred[Answer] = Deferred()
        for answer in (ZeroDivisionError(), waiting):
            self.answers.append(answer)
            connection = self.connect()
            connection.send(GET)
            if answer is waiting:
                waiting.errback(ZeroDivisionError())
            found = connection.response()
            self.assertEqual(found.code, 500)
            self.assertNotIn("ZeroDivision", found.body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            connection.send(GET)
            self.assertEqual(connection.response().code, 200)

    def test_a_door_that_fails(self) -> None:
        """Whatever somebody put there."""

        class Broken:
            most = 0
            cors = False

            def enter(self, exchange: Any) -> None:
                raise ZeroDivisionError

        self.routes.doors["/broken"] = Broken()
        found = self.fetch("/broken")
        self.assertEqual((found.code, found.headers["x-content-type-options"]), (500, "nosniff"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Requests(HttpCase):
    def test_one_after_the_other(self) -> None:
        connection = self.connect()
        connection.send(GET + GET)
        connection.send(GET)
        self.assertEqual([found.code for found in connection.responses()], [200, 200, 200])

    def test_in_pieces(self) -> None:
        connection = self.connect()
        for octet in GET.replace("\n", "\r\n").encode():
            connection.send(bytes([octet]))
        self.assertEqual(connection.response().code, 200)

    def test_the_last_of_a_connection(self) -> None:
        connection = self.connect()
        connection.send(GET.replace("\n\n", "\nConnection: close\n\n"))
        self.assertEqual(connection.response().headers["connection"], "close")
        self.assertTrue(connection.ended)

    def test_http_1_0(self) -> None:
        connection = self.connect()
        connection.send("GET /page HTTP/1.0\n\n")
        self.assertEqual(connection.response().code, 200)
        self.assertTrue(connection.ended)

    def test_the_host(self) -> None:
        """RFC 9112 3.2: there has to be one."""
        for fields in ("", "Host: a\nHost: b\n"):
            connection = self.connect()
            connection.send(f"GET /page HTTP/1.1\n{fields}\n")
            self.assertEqual(connection.response().code, 400, fields)
        self.assertEqual(self.asked, 0)

    def test_absolute_form(self) -> None:
        """RFC 9112 3.2.2."""
        for target, code in (("http://localhost:5280/page", 200), ("HTTP://x/other", 404), ("http://localhost", 404)):
            self.assertEqual(self.fetch(target).code, code, target)

    def test_asterisk_form(self) -> None:
        self.assertEqual(self.fetch("*", method="OPTIONS").code, 200)

    def test_garbage(self) -> None:
        for garbage in ("GET\n\n", "GET /page HTTP/1.1\nHost localhost\n\n", "\x16\x03\n\n"):
            connection = self.connect()
            connection.send(garbage)
            self.assertTrue(connection.value().startswith(b"HTTP/1.1 400 "), garbage)
            self.assertTrue(connection.ended)
        self.assertEqual(self.asked, 0)

    def test_versions(self) -> None:
        for version in ("0.9", "1.2", "2.0", "3.0"):
            connection = self.connect()
            connection.send(f"GET /page HTTP/{version}\nHost: localhost\n\n")
            self.assertEqual((connection.response().code, connection.ended), (505, True), version)

    @example(b"GET\r\nHost: x\r\n\r\n")
    @example(b"0\n\n")
    @given(st.binary(max_size=200))
    def test_no_octets_do_harm(self, data: bytes) -> None:
        connection = Connection(self.server)
        connection.send(data)
        connection.send(b"\r\n\r\n")
        connection.leave()
        self.assertEqual(self.server.peers.open, 0)
        self.assertEqual(self.flushLoggedErrors(), [])


class Sizes(HttpCase):
    limits = {"header_octets": 1024, "body_octets": 10}

    def assertRefused(self, connection: Connection, code: int) -> None:
        found = connection.response()
        self.assertEqual((found.code, found.headers["connection"]), (code, "close"))
        self.assertTrue(connection.ended)
        self.assertEqual(self.asked, 0)
        connection.send(GET)
        connection.send(b"x" * 100_000)
        self.assertEqual(connection.value(), b"")
        self.assertFalse(connection.cut)
        self.clock.advance(5)
        self.assertTrue(connection.cut)

    def test_request_line(self) -> None:
        for end in (" HTTP/1.1\n\n", ""):
            connection = self.connect()
            connection.send("GET /" + "x" * 1100 + end)
            self.assertRefused(connection, 414)

    def test_one_field(self) -> None:
        for end in ("\n\n", ""):
            connection = self.connect()
            connection.send(GET[:-1] + "X: " + "x" * 1100 + end)
            self.assertRefused(connection, 431)

    def test_many_fields(self) -> None:
        connection = self.connect()
        connection.send(GET[:-1] + "X: xxxxxxxxxxxxxxxxxxxx\n" * 50)
        self.assertRefused(connection, 431)

    def test_heads_are_counted_one_by_one(self) -> None:
        connection = self.connect()
        connection.send(GET.replace("\n\n", f"\nX: {'x' * 800}\n\n") * 5)
        self.assertEqual([found.code for found in connection.responses()], [200] * 5)

    def test_body(self) -> None:
        connection = self.connect()
        connection.send(POST + "Content-Length: 10\n\n0123456789")
        self.assertEqual(connection.response().code, 405)
        connection.send(POST + "Content-Length: 11\n\n")
        self.assertRefused(connection, 413)

    def test_a_client_that_asks_first(self) -> None:
        """RFC 9110 10.1.1: what is too large is not asked for."""
        connection = self.connect()
        connection.send(POST + "Content-Length: 11\nExpect: 100-continue\n\n")
        self.assertRefused(connection, 413)

    def test_body_in_chunks(self) -> None:
        connection = self.connect()
        connection.send(POST + "Transfer-Encoding: chunked\n\n5\n01234\n5\n01234\n0\n\n")
        self.assertEqual(connection.response().code, 405)
        connection.send(POST + "Transfer-Encoding: chunked\n\n5\n01234\n6\n012345\n0\n\n" + GET)
        self.assertRefused(connection, 413)

    def test_other_limits(self) -> None:
        self.server.reconfigure(Http(body_octets=20))
        for octets, code in ((20, 405), (21, 413)):
            connection = self.connect()
            connection.send(POST + f"Content-Length: {octets}\n\n{'0' * octets}")
            self.assertEqual(connection.response().code, code)


class Times(HttpCase):
    limits = {"request_seconds": 30.0}

    def test_an_idle_connection(self) -> None:
        connection = self.connect()
        self.clock.advance(29)
        self.assertFalse(connection.ended)
        self.clock.advance(1)
        self.assertEqual((connection.ended, connection.value()), (True, b""))
        self.clock.advance(5)
        self.assertTrue(connection.cut)

    def test_a_request_that_trickles(self) -> None:
        for part in (GET[:3], GET[:-2], POST + "Content-Length: 10\n\n012"):
            connection = self.connect()
            self.clock.advance(20)
            connection.send(part)
            self.clock.advance(10)
            self.assertEqual(connection.response().code, 408)
            self.assertTrue(connection.ended)

    def test_the_time_begins_anew_with_each_answer(self) -> None:
        connection = self.connect()
        for _ in range(5):
            self.clock.advance(29)
            connection.send(GET)
            self.assertEqual(connection.response().code, 200)
        self.clock.advance(30)
        self.assertTrue(connection.ended)


class Connections(HttpCase):
    limits = {"connections": 4, "connections_per_address": 2}

    def test_from_one_address(self) -> None:
        self.connect("192.0.2.1")
        second = Connection(self.server, "192.0.2.1")
        third = Connection(self.server, "192.0.2.1")
        self.assertEqual((third.response().code, third.ended), (503, True))
        self.connect("192.0.2.2")
        second.leave()
        self.assertFalse(self.connect("192.0.2.1").ended)
        peers = self.server.peers
        self.assertEqual((peers.open, peers.accepted, peers.refused), (3, 4, 1))

    def test_in_total(self) -> None:
        for number in range(4):
            self.connect(f"192.0.2.{number}")
        self.assertEqual(Connection(self.server, "192.0.2.9").response().code, 503)

    def test_exempt_networks(self) -> None:
        self.server.reconfigure(Http(**self.limits), ("192.0.2.0/24",))
        for _ in range(4):
            self.assertFalse(self.connect("192.0.2.1").ended)
        self.assertEqual(Connection(self.server, "192.0.2.1").response().code, 503)
