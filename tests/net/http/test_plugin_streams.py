"""Plugins that take bodies while they come, through the HTTP server and in the harness."""

from __future__ import annotations

from typing import ClassVar

from tests.net.fetching import Connection
from tests.net.http.test_plugin_pages import WebCase
from xmppd.api import Plugin
from xmppd.api.http import Body, BodyLost, Headers, HttpError, Request, Response, http_stream
from xmppd.net.http.answers import CONTINUE

HEAD = "PUT /bin/{} HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: {}\n\n"


class Bin(Plugin):
    """Takes everything, and counts it."""

    count = 0
    asked = 0
    lost: BodyLost | None = None

    @http_stream("PUT", "/bin/", cors=True)
    async def put(self, request: Request, body: Body) -> Response:
        """Take it, unless it says that it is too much."""
        self.asked += 1
        assert request.body == b""
        if (body.length or 0) > 1_000_000:
            raise HttpError(413, "too much")
        if request.path == "/bin/refuse":
            return Response.text("no", 409)
        try:
            async for piece in body:
                self.count += len(piece)
                if request.path == "/bin/fail":
                    raise ZeroDivisionError
        except BodyLost as lost:
            self.lost = lost
            raise
        return Response.text(f"{self.count} of {body.length}", 201)


class Streams(WebCase):
    plugins: ClassVar = (Bin,)

    def send(self, data: str) -> Connection:
        connection = Connection(self.web.site)
        self.addCleanup(lambda: connection.leave() if self.web.site.peers.open else None)
        connection.send(data)
        return connection

    def test_larger_than_whole_bodies_may_be(self) -> None:
        connection = self.send(HEAD.format("a", 500_000))
        self.assertEqual(connection.value(), CONTINUE)
        connection.clear()
        for _ in range(5):
            connection.send(b"x" * 100_000)
        found = connection.response()
        self.assertEqual((found.code, found.body), (201, "500000 of 500000\n"))
        self.assertEqual(found.headers["access-control-allow-origin"], "*")

    def test_in_chunks(self) -> None:
        connection = self.send("PUT /bin/a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n")
        self.assertEqual(connection.response().body, "5 of None\n")

    def test_none(self) -> None:
        self.assertEqual(self.fetch("/bin/a", method="PUT").body, "0 of 0\n")

    def test_refused_before_it_is_sent(self) -> None:
        for path, octets, code in (("a", 1_000_001, 413), ("refuse", 5, 409)):
            connection = self.send(HEAD.format(path, octets))
            found = connection.response()
            self.assertEqual((found.code, found.headers["connection"], connection.ended), (code, "close", True))
        self.assertEqual(self.plugin("bin").count, 0)

    def test_who_leaves_in_the_middle(self) -> None:
        connection = self.send("PUT /bin/a HTTP/1.1\nHost: x\nContent-Length: 10\n\nhello")
        connection.leave()
        self.assertIsNotNone(self.plugin("bin").lost)
        self.assertEqual(connection.value(), b"")

    def test_a_handler_that_fails(self) -> None:
        connection = self.send("PUT /bin/fail HTTP/1.1\nHost: x\nContent-Length: 10\n\nhello")
        self.assertEqual((connection.response().code, connection.ended), (500, True))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_other_methods(self) -> None:
        self.assertEqual(self.fetch("/bin/a", "hello", "POST").code, 405)
        self.assertEqual(self.plugin("bin").asked, 0)


class Played(WebCase):
    """What tests of plugins use: `put_http`, `ask_http`."""

    plugins: ClassVar = (Bin,)

    def test_chunks(self) -> None:
        answer = self.put_http(Request("PUT", "/bin/a"), [b"hello", b"world"])
        self.assertEqual((answer.code, answer.body), (201, b"10 of None\n"))

    def test_a_length(self) -> None:
        request = Request("PUT", "/bin/a", headers=Headers({"Content-Length": "5"}), body=b"hello")
        self.assertEqual(self.ask_http(request).body, b"5 of 5\n")

    def test_who_leaves(self) -> None:
        answer = self.put_http(Request("PUT", "/bin/a"), [b"hello", ConnectionError()])
        self.assertEqual(answer.code, 400)
        self.assertIsInstance(self.plugin("bin").lost.__cause__, ConnectionError)

    def test_what_nobody_answers(self) -> None:
        self.assertEqual(self.put_http(Request("PUT", "/nothing"), []).code, 404)
