"""Pages of other origins: who may ask, what browsers are told when they ask first (the Fetch standard)."""

from __future__ import annotations

from typing import ClassVar

from tests.net.fetching import Connection
from tests.net.http.test_plugin_pages import WebCase
from xmppd.api import Plugin
from xmppd.api.http import HttpError, Request, Response, http, http_get, http_post
from xmppd.net.http.answers import Answer
from xmppd.net.http.exchange import Exchange

ALLOW = "access-control-allow-"
PAGE = "https://chat.example"


class Open(Plugin):
    """Is open to pages of other origins, in part."""

    @http_get("/open", cors=True)
    def read(self, request: Request) -> Response:
        """Anybody may."""
        return Response.text("hello")

    @http("PUT", "/open", cors=True)
    def fail(self, request: Request) -> Response:
        """Anybody may, but nobody can."""
        raise HttpError(409, "no")

    @http_post("/open")
    def write(self, request: Request) -> Response:
        """Pages of ours may."""
        return Response.text("written")

    @http_get("/closed")
    def closed(self, request: Request) -> Response:
        """Pages of ours may."""
        return Response.text("closed")


class CorsCase(WebCase):
    plugins = (Open,)

    def setUp(self) -> None:
        super().setUp()
        self.web.routes.doors["/door"] = _Door()

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, dict[str, str]]:
        """Return the code of an answer, and the header fields that are for browsers of others."""
        connection = Connection(self.web.site)
        text = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
        connection.send(f"{method} {path} HTTP/1.1\nHost: x\n{text}\n")
        head = connection.value().partition(b"\r\n\r\n")[0].decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:])
        connection.leave()
        wanted = ("access-control-", "vary", "cross-origin-resource-policy", "allow")
        return int(head[0].split()[1]), {k: v for k, v in headers.items() if k.startswith(wanted)}


class _Door:
    most = 0
    cors = True

    def enter(self, exchange: Exchange) -> None:
        exchange.respond(Answer(b"x"))


class Anybody(CorsCase):
    SEEN: ClassVar = {ALLOW + "origin": "*", "cross-origin-resource-policy": "cross-origin"}
    UNSEEN: ClassVar = {"cross-origin-resource-policy": "same-origin"}

    def test_answers(self) -> None:
        for method, path, code, seen in (
            ("GET", "/open", 200, True), ("HEAD", "/open", 200, True), ("PUT", "/open", 409, True),
            ("POST", "/open", 200, False), ("GET", "/closed", 200, False), ("GET", "/nothing", 404, False),
            ("GET", "/door", 200, True), ("GET", "/health", 200, False),
        ):  # fmt: skip
            expected = (code, self.SEEN if seen else self.UNSEEN)
            self.assertEqual(self.ask(method, path, Origin=PAGE), expected, (method, path))

    def test_preflights(self) -> None:
        methods = {ALLOW + "methods": "get, put", "access-control-max-age": "7200"}
        for path, wanted, told in (("/open", "PUT", methods), ("/open", "GET", methods),
                                   ("/door", "POST", {**methods, ALLOW + "methods": "post"})):  # fmt: skip
            found = self.ask("OPTIONS", path, Origin=PAGE, Access_Control_Request_Method=wanted)
            self.assertEqual(found, (204, {**self.SEEN, **told}), (path, wanted))
        for path, wanted, code in (("/open", "POST", 405), ("/closed", "GET", 405), ("/nothing", "GET", 404)):
            found = self.ask("OPTIONS", path, Origin=PAGE, Access_Control_Request_Method=wanted)
            self.assertEqual(found[0], code, (path, wanted))
            self.assertNotIn(ALLOW + "methods", found[1])

    def test_header_fields(self) -> None:
        for wanted, told in (("Content-Type, X-A", "content-type, x-a"), ("a\tb", None), ("(evil)", None), ("", None)):
            _, found = self.ask("OPTIONS", "/open", Origin=PAGE, Access_Control_Request_Method="PUT",
                                Access_Control_Request_Headers=wanted)  # fmt: skip
            self.assertEqual(found.get(ALLOW + "headers"), told, wanted)

    def test_what_is_no_preflight(self) -> None:
        """A client that asks for the options is told which there are."""
        self.assertEqual(self.ask("OPTIONS", "/open")[1]["allow"], "get, head, post, put")


class Some(CorsCase):
    config: ClassVar = {"http": {"cors_origins": [PAGE, "http://localhost:8080"]}}

    def test_answers(self) -> None:
        same = {"vary": "origin", "cross-origin-resource-policy": "same-origin"}
        seen = {ALLOW + "origin": PAGE, "vary": "origin", "cross-origin-resource-policy": "cross-origin"}
        self.assertEqual(self.ask("GET", "/open", Origin=PAGE), (200, seen))
        for origin in ("https://evil.example", "null", "https://chat.example.evil", "http://chat.example", "*"):
            self.assertEqual(self.ask("GET", "/open", Origin=origin), (200, same), origin)
        self.assertEqual(self.ask("GET", "/open"), (200, same))

    def test_preflights(self) -> None:
        code, found = self.ask("OPTIONS", "/open", Origin=PAGE, Access_Control_Request_Method="PUT")
        self.assertEqual((code, found[ALLOW + "origin"], found["vary"]), (204, PAGE, "origin"))
        code, found = self.ask("OPTIONS", "/open", Origin="https://evil.example", Access_Control_Request_Method="PUT")
        self.assertEqual((code, found.get(ALLOW + "origin"), found.get(ALLOW + "methods")), (403, None, None))


class Hsts(WebCase):
    config: ClassVar = {"http": {"hsts_seconds": 5, "trusted_proxies": ["127.0.0.1"]}}

    def test_by_https_only(self) -> None:
        """RFC 6797 section 7.2."""
        for proto, expected in (("https", "max-age=5"), ("http", None)):
            connection = Connection(self.web.site)
            connection.send(f"GET /health HTTP/1.1\nHost: x\nX-Forwarded-Proto: {proto}\n\n")
            self.assertEqual(connection.response().headers.get("strict-transport-security"), expected)
            connection.leave()
