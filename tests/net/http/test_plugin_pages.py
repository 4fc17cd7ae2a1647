"""What plugins answer by HTTP, through the HTTP server: whom a request is for, what goes wrong, what is left behind."""

from __future__ import annotations

from typing import ClassVar

from twisted.internet.defer import Deferred

from tests.net.fetching import Connection, Response, fetch
from xmppd.api import Plugin, StorageUnavailable
from xmppd.api.http import Headers, HttpError, Request, http, http_get, http_post
from xmppd.api.http import Response as Answer
from xmppd.core.plugins.sources import PluginError
from xmppd.core.readiness import Phase
from xmppd.testing import ServerTestCase


class Paper(Plugin):
    """Answers."""

    seen: Request

    @http_get("/paper")
    def read(self, request: Request) -> Answer:
        """Tell what was asked."""
        self.seen = request
        return Answer.text(str(self.host.jid))

    @http_post("/paper")
    async def write(self, request: Request) -> Answer:
        """Give back what came, in time."""
        self.seen = request
        later: Deferred[None] = Deferred()
        self.later(1, lambda: later.callback(None))
        await later
        return Answer(201, request.body, request.type, Headers({"Location": "/paper"}))

    @http("PUT", "/paper/")
    def everything_beneath(self, request: Request) -> Answer:
        """Say what lies beneath."""
        return Answer.json({"path": request.path})

    @http("PUT", "/paper/folder/")
    def deeper(self, request: Request) -> Answer:
        """It is asked first."""
        return Answer.text("deeper")

    @http_post("/fail")
    def fail(self, request: Request) -> Answer:
        """Fail, in the way that is asked for."""
        raise {b"refuse": HttpError(409, "no", {"Retry-After": "7"}), b"full": StorageUnavailable("full"),
               b"crash": ZeroDivisionError()}[request.body]  # fmt: skip

    @http_post("/code")
    def code(self, request: Request) -> Answer:
        """Answer with the code that is asked for."""
        return Answer(int(request.body))

    @http_post("/read")
    def parse(self, request: Request) -> Answer:
        """Read a form, or JSON."""
        return Answer.json(request.form() if request.type.endswith("urlencoded") else request.json())


class Pen(Plugin):
    """Wants the same."""

    @http_get("/paper")
    def read(self, request: Request) -> Answer:
        """Not reached."""
        return Answer()


class WebCase(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = (Paper,)

    def fetch(self, path: str, body: str = "", method: str = "GET", **headers: str) -> Response:
        fields = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
        connection = Connection(self.web.site, "192.0.2.7")
        host = "" if "Host" in headers else "Host: localhost\n"
        connection.send(f"{method} {path} HTTP/1.1\n{host}{fields}Content-Length: {len(body)}\n\n{body}")
        self.pump(1)
        (response,) = connection.responses(bodies=method != "HEAD")
        connection.leave()
        self.pump()
        return response


class PluginPages(WebCase):
    def test_get(self) -> None:
        found = self.fetch("/paper?a=1&a=2&b=%C3%A4", Host="Example.org:5280", X_A="1", x_a="2")
        self.assertEqual((found.code, found.body), (200, "example.org\n"))
        seen = self.plugin("paper").seen
        self.assertEqual((seen.method, seen.path, seen.query), ("GET", "/paper", "a=1&a=2&b=%C3%A4"))
        self.assertEqual((seen.host, seen.peer, seen.headers["X-A"]), ("example.org", "192.0.2.7", "1, 2"))
        self.assertEqual(seen.parameters(), {"a": "2", "b": "ä"})

    def test_head_is_a_get_without_the_body(self) -> None:
        found = self.fetch("/paper", method="HEAD")
        self.assertEqual((found.code, found.headers["content-length"], found.body), (200, "12", ""))
        self.assertEqual(self.plugin("paper").seen.method, "GET")

    def test_post(self) -> None:
        found = self.fetch("/paper", "a=1", "POST", Content_Type="Text/X; charset=utf-8")
        self.assertEqual((found.code, found.body, found.headers["location"]), (201, "a=1", "/paper"))
        self.assertEqual(found.headers["content-type"], "text/x")

    def test_whoever_does_not_wait_gets_nothing(self) -> None:
        connection = Connection(self.web.site)
        connection.send("POST /paper HTTP/1.1\nHost: localhost\nContent-Length: 1\n\na")
        connection.leave()
        self.pump(2)
        self.assertEqual(connection.value(), b"")

    def test_paths_beneath(self) -> None:
        self.assertEqual(self.fetch("/paper/a%20b/c", method="PUT").body, '{"path": "/paper/a b/c"}\n')
        self.assertEqual(self.fetch("/paper/folder/c", method="PUT").body, "deeper\n")
        self.assertEqual(self.fetch("/papers").code, 404)
        self.assertEqual(self.fetch("/").code, 404)

    def test_while_the_server_starts(self) -> None:
        """Nobody knows yet what there is: a client that was told 404 would not come again."""
        self.web.readiness.phase = Phase.STARTING
        for path in ("/paper", "/papers"):
            found = self.fetch(path)
            self.assertEqual((found.code, found.headers["retry-after"]), (503, "5"))
        large = "x" * (self.web.site.limits.body_octets + 1)
        self.assertEqual(self.fetch("/papers/upload", large, "PUT").code, 503)

    def test_while_the_server_stops(self) -> None:
        """Whoever is still there answers."""
        self.web.readiness.phase = Phase.STOPPING
        self.assertEqual(self.fetch("/paper").code, 200)
        self.assertEqual(self.fetch("/papers").code, 503)

    def test_whole_urls(self) -> None:
        self.assertEqual(self.fetch("http://localhost/paper").code, 200)

    def test_methods(self) -> None:
        found = self.fetch("/paper", method="DELETE")
        self.assertEqual((found.code, found.headers["allow"]), (405, "GET, HEAD, POST"))
        self.assertEqual(self.fetch("/paper", method="BREW").code, 501)

    def test_refusals(self) -> None:
        found = self.fetch("/fail", "refuse", "POST")
        self.assertEqual((found.code, found.body, found.headers["retry-after"]), (409, "no\n", "7"))
        self.assertEqual(self.fetch("/fail", "full", "POST").code, 503)
        self.assertEqual(self.fetch("/fail", "crash", "POST").code, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        (stats,) = [h.stats for h in self.host.registry.handlers("paper") if h.label == "fail POST /fail"]
        self.assertEqual((stats.calls, stats.failures), (3, 2))

    def test_codes_that_are_none(self) -> None:
        for code in (0, 101, 199, 600, 1000):
            self.assertEqual(self.fetch("/code", str(code), "POST").code, 500)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        for code in (200, 205, 299, 599):
            self.assertEqual(self.fetch("/code", str(code), "POST").code, code)
        for code in (0, 399, 600):
            self.assertRaises(ValueError, HttpError, code, "no")

    def test_bodies(self) -> None:
        form = "application/x-www-form-urlencoded"
        self.assertEqual(self.fetch("/read", "a=1&b=&a=%E2%82%AC", "POST", Content_Type=form).body,
                         '{"a": "\\u20ac", "b": ""}\n')  # fmt: skip
        self.assertEqual(self.fetch("/read", '{"a": [1]}', "POST").body, '{"a": [1]}\n')
        for body, type_ in (("a=%ff", form), ("\x80", form), ("{", ""), ("[" * 50_000, ""),
                            ("&".join("abcdefg" for _ in range(2000)), form)):  # fmt: skip
            self.assertEqual(self.fetch("/read", body, "POST", Content_Type=type_).code, 400, body[:10])

    def test_the_limit_of_the_server_holds(self) -> None:
        self.assertEqual(self.fetch("/paper", "a" * 65_537, "POST").code, 413)

    def test_nothing_is_left_behind(self) -> None:
        self.wait(self.host.registry.disable("paper"))
        self.assertEqual(self.fetch("/paper").code, 404)
        self.wait(self.host.registry.enable("paper"))
        self.assertEqual(self.fetch("/paper").code, 200)

    def test_the_operators_pages_are_not_theirs(self) -> None:
        self.assertEqual(fetch(self.web.site, "/health").body, "alive\n")


class SeveralHosts(WebCase):
    hosts = ("example.org", "example.net")

    def test_the_host_field_decides(self) -> None:
        for host in self.hosts:
            self.assertEqual(self.fetch("/paper", Host=host).body, f"{host}\n")
        self.assertEqual(self.fetch("/paper").code, 404)

    def test_a_path_that_only_one_has(self) -> None:
        self.wait(self.host.registry.disable("paper"))
        self.assertEqual(self.fetch("/paper").body, "example.net\n")
        self.assertEqual(self.fetch("/paper", Host="192.0.2.1").body, "example.net\n")

    def test_a_page_of_another_host(self) -> None:
        """What one host has is not shown under the name of another."""
        self.wait(self.host.registry.disable("paper"))
        self.assertEqual(self.fetch("/paper", Host="example.org").code, 404)


class Declarations(ServerTestCase):
    plugins: ClassVar = (Paper,)

    def setUp(self) -> None:
        super().setUp()
        self._sources[0].names = lambda: ["paper", "pen"]  # type: ignore[method-assign]
        Pen.name = "pen"
        self._sources[0]._classes["pen"] = Pen  # type: ignore[attr-defined]

    def test_two_of_the_same(self) -> None:
        with self.assertRaisesRegex(PluginError, "plugins paper and pen both answer GET /paper"):
            self.wait(self.host.registry.enable("pen"))

    def test_what_can_not_be_declared(self) -> None:
        for method, path in (
            ("GET", "paper"),
            ("GET", "/a?b"),
            ("GET", "/a//b"),
            ("GET", "/health"),
            ("POST", "/ready/x"),
            ("HEAD", "/a"),
            ("get", "/a"),
        ):
            with self.subTest(path=path):
                self.assertRaises(ValueError, http, method, path)
