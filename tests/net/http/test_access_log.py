"""The log of requests: one line each, whatever clients write; reopened at a reload."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.core.settings import Http
from xmppd.net.http.access_log import line
from xmppd.net.http.answers import text
from xmppd.net.http.routes import Fixed, Routes
from xmppd.net.http.server import HttpServer

LINE = re.compile(
    r'[^ ]+ - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "(?:[^"\\]|\\.)*" \d{3} (?:\d+|-)'
    r' "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"'
)


class AccessLogs(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.server = self.start(self.path)

    def start(self, path: Path) -> HttpServer:
        clock = Clock()
        clock.rightNow = 1_767_268_800.0
        routes = Routes(lambda: 0, lambda: server.origins)
        routes.doors["/a"] = Fixed(text("hello"), 0)
        server = HttpServer(routes, clock, Http(access_log=path, trusted_proxies=("10.0.0.1",)))
        self.addCleanup(server.access_log.close)
        return server

    def ask(self, data: str, peer: str = "192.0.2.1") -> None:
        connection = Connection(self.server, peer)
        connection.send(data)
        connection.leave()

    def lines(self, path: Path | None = None) -> list[str]:
        return (path or self.path).read_text("ascii").splitlines()

    def test_lines(self) -> None:
        self.ask("GET /a?b=c HTTP/1.1\nHost: x\nReferer: http://e.example/\nUser-Agent: Mozilla/5.0 (X11)\n\n")
        self.ask("GET /x HTTP/1.0\n\n")
        self.ask("HEAD /a HTTP/1.1\nHost: x\nX-Forwarded-For: 2001:db8::1\n\n", "10.0.0.1")
        self.ask("nonsense\n\n")
        stamp = "- - [01/Jan/2026:12:00:00 +0000]"
        self.assertEqual(self.lines(), [
            f'192.0.2.1 {stamp} "GET /a?b=c HTTP/1.1" 200 6 "http://e.example/" "Mozilla/5.0 (X11)"',
            f'192.0.2.1 {stamp} "GET /x HTTP/1.0" 404 23 "-" "-"',
            f'2001:db8::1 {stamp} "HEAD /a HTTP/1.1" 200 - "-" "-"',
            f'192.0.2.1 {stamp} "-" 400 - "-" "-"',
        ])  # fmt: skip

    def test_what_clients_write_stays_in_its_place(self) -> None:
        connection = Connection(self.server, "192.0.2.1")
        connection.send(b'GET /a"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: a" 200 5 "b\x1b\r\n\r\n')
        connection.send(b'GET /a"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: a" 200 5 "b\t\xe4\r\n\r\n')
        connection.leave()
        (found,) = self.lines()
        self.assertRegex(found, f"\\A{LINE.pattern}\\Z")

    @given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
    def test_any_text(self, request: str, referer: str, agent: str) -> None:
        found = line(0, "192.0.2.1", request, 200, 5, referer, agent)
        self.assertTrue(found.endswith("\n") and found.isascii())
        self.assertRegex(found[:-1], f"\\A{LINE.pattern}\\Z")

    def test_secrets_in_urls(self) -> None:
        self.ask("GET /a?token=abc&b=c HTTP/1.1\nHost: x\nReferer: http://e.example/?b&password=x%20y\n\n")
        (written,) = self.lines()
        self.assertIn('"GET /a?token=***&b=c HTTP/1.1" 200 6 "http://e.example/?b&password=***" "-"', written)

    def test_a_file_that_was_moved_away(self) -> None:
        self.ask("GET /a HTTP/1.1\nHost: x\n\n")
        old = Path(self.mktemp())
        self.path.rename(old)
        self.ask("GET /a HTTP/1.1\nHost: x\n\n")
        self.server.reconfigure(self.server.limits)
        self.ask("GET /a HTTP/1.1\nHost: x\n\n")
        self.assertEqual((len(self.lines(old)), len(self.lines())), (2, 1))

    def test_whose_it_is(self) -> None:
        """Addresses of files that people send each other are in it, so not everybody on the machine may read it."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        path = Path(self.mktemp())
        self.start(path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)

    def test_none(self) -> None:
        self.server.reconfigure(Http())
        self.ask("GET /a HTTP/1.1\nHost: x\n\n")
        self.assertEqual(self.lines(), [])
        self.assertFalse(self.server.access_log)

    def test_a_file_that_can_not_be_written(self) -> None:
        """The server works all the same."""
        for path in (Path(self.mktemp()) / "x", Path("/dev/full")):
            self.server = self.start(path)
            for _ in range(2):
                connection = Connection(self.server)
                connection.send("GET /a HTTP/1.1\nHost: x\n\n")
                self.assertEqual(connection.response().code, 200)
                connection.leave()
