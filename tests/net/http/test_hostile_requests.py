"""Requests to plugins' pages that somebody has thought about for a while, and answers that are no good."""

from __future__ import annotations

from typing import ClassVar

from tests.net.fetching import Connection
from tests.net.http.test_plugin_pages import Paper, WebCase
from xmppd.api.http import Headers, Request, http_get
from xmppd.api.http import Response as Answer


class Careless(Paper):
    """Answers with what it was given."""

    name = "paper"

    @http_get("/none")
    def nothing(self, request: Request) -> Answer:
        """There is no content."""
        return Answer(204)

    @http_get("/inject")
    def inject(self, request: Request) -> Answer:
        """Repeat a parameter in a header."""
        return Answer(200, b"", "text/plain\r\nX-Evil: 1", Headers({"X-Said": request.parameters()["said"]}))


class Paths(WebCase):
    def test_paths_that_lead_out(self) -> None:
        """Whoever has a folder is never asked for what lies above it (RFC 3986 section 5.2.4)."""
        for path in ("/paper/..", "/paper/../x", "/paper/a/../../x", "/paper/%2e%2e/x", "/paper/%2E./x", "/paper/./x",
                     "/paper/a%2f..%2f..%2fx", "/paper/%5c..%5c../x", "/paper/a%00b", "/paper/a%0d%0ab"):  # fmt: skip
            self.assertEqual(self.fetch(path, method="PUT").code, 404, path)
        for path in ("/paper/..a", "/paper/a..", "/paper/.well-known", "/paper/a//b"):
            self.assertEqual(self.fetch(path, method="PUT").code, 200, path)

    def test_other_ways_to_write_it(self) -> None:
        for path in ("/Paper", "//paper", "/paper;a", "/x/../paper", "/./paper"):
            self.assertEqual(self.fetch(path).code, 404, path)
        self.assertEqual(self.fetch("/%70aper").code, 200)


class TwoHosts(WebCase):
    hosts = ("example.org", "example.net")

    def test_whole_urls(self) -> None:
        """The host of the URL counts, and the Host field doesn't (RFC 9112 section 3.2.2)."""
        for url in ("http://example.net/paper", "HTTP://Example.NET:5280/paper"):
            self.assertEqual(self.fetch(url, Host="example.org").body, "example.net\n", url)


class Answers(WebCase):
    plugins: ClassVar = (Careless,)

    def test_no_content(self) -> None:
        """It has no length either (RFC 9110 section 8.6)."""
        connection = Connection(self.web.site)
        connection.send("GET /none HTTP/1.1\nHost: localhost\n\n")
        self.pump(1)
        data = connection.value()
        self.assertTrue(data.startswith(b"HTTP/1.1 204 "), data)
        self.assertNotIn(b"content-length", data.lower())
        connection.leave()

    def test_headers_stay_in_their_lines(self) -> None:
        connection = Connection(self.web.site)
        connection.send("GET /inject?said=a%0d%0aX-Evil:%202 HTTP/1.1\nHost: localhost\n\n")
        self.pump(1)
        self.assertNotIn(b"\r\nX-Evil", connection.value())
        connection.leave()


class Smuggling(WebCase):
    def codes(self, data: str) -> list[bytes]:
        connection = Connection(self.web.site)
        connection.send(data)
        self.pump(2)
        found = [part[:3] for part in connection.value().split(b"HTTP/1.1 ")[1:]]
        connection.leave()
        self.pump()
        return found

    def test_bodies_of_two_lengths(self) -> None:
        """Another server in front of this one may see it otherwise (RFC 9112 section 6.3)."""
        hidden = "GET /paper HTTP/1.1\nHost: localhost\n\n"
        for head in ("Content-Length: 5\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\nContent-Length: 5",
                     "Content-Length: 5\nContent-Length: 6", "Content-Length: +5", "Content-Length: 5, 5",
                     "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked", "Content-Length: -1",
                     "Content-Length : 5", "Transfer-Encoding : chunked"):  # fmt: skip
            found = self.codes(f"POST /paper HTTP/1.1\nHost: localhost\n{head}\n\n0\n\n{hidden}")
            self.assertEqual(found, [b"400"], head)

    def test_chunks_that_are_none(self) -> None:
        for chunk in ("-1", "0x5", "5;" + "a" * 70_000, "g", "fffffffffffffffff", " 5", "5 "):
            head = "POST /paper HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked"
            found = self.codes(f"{head}\n\n{chunk}\nhello\n0\n\n")
            self.assertIn(found, ([b"400"], [b"413"], [b"431"], []), chunk)

    def test_pipelining(self) -> None:
        """Answers come in the order of the requests, also if the first takes longer."""
        post = "POST /paper HTTP/1.1\nHost: localhost\nContent-Length: 1\n\na"
        get = "GET /paper HTTP/1.1\nHost: localhost\n\n"
        self.assertEqual(self.codes(post + get + post), [b"201", b"200", b"201"])

    def test_options(self) -> None:
        self.assertEqual(self.codes("OPTIONS /paper HTTP/1.1\nHost: localhost\n\n"), [b"405"])
        self.assertEqual(self.codes("OPTIONS * HTTP/1.1\nHost: localhost\n\n"), [b"200"])
        self.assertEqual(self.codes("CONNECT example.org:443 HTTP/1.1\nHost: localhost\n\n"), [b"404"])
