"""Whatever comes, and however it is cut: the same outcome as in one piece, no exception, no request that was none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.api.http import BodyLost
from xmppd.core.settings import Http
from xmppd.net.http.answers import CONTINUE, Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Routes, spawn
from xmppd.net.http.server import HttpServer

LIMITS = Http(header_octets=1024, body_octets=64)


class Door:
    """Answers with what it got."""

    cors = False

    def __init__(self, seen: list[tuple[str, str, bytes]], most: int | None) -> None:
        self._seen = seen
        self.most = most

    def enter(self, exchange: Exchange) -> None:
        spawn(self._respond(exchange))

    async def _respond(self, exchange: Exchange) -> None:
        body = exchange.body
        if exchange.stream is not None:
            try:
                body = b"".join([piece async for piece in exchange.stream])
            except BodyLost:
                return
        self._seen.append((exchange.method, exchange.target, body))
        exchange.respond(Answer(body, type=b"x/y"))


def outcome(pieces: list[bytes]) -> Any:
    """Return what was asked, what was answered, and whether the connection was ended, then and in the end."""
    clock, seen = Clock(), []  # type: ignore[var-annotated]
    routes = Routes(lambda: LIMITS.body_octets, lambda: server.origins)
    routes.doors |= {"/": Door(seen, 64), "/s": Door(seen, None)}
    server = HttpServer(routes, clock, LIMITS)
    connection = Connection(server)
    for piece in pieces:
        connection.send(piece)
    said, ended = connection.value().replace(CONTINUE, b""), connection.ended
    clock.advance(LIMITS.request_seconds)
    clock.advance(LIMITS.body_idle_seconds)
    assert connection.cut, "what is silent is cut off at last"
    late = connection.value().replace(CONTINUE, b"")[len(said) :]
    connection.leave()
    assert (server.peers.open, clock.getDelayedCalls()) == (0, [])
    for part in (said, late):
        assert part == b"" or part.startswith(b"HTTP/1.1 "), part
    return seen, said, ended, late


WORDS = [
    b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PRI", b"BREW", b" ", b" ", b"/", b"/s", b"*",
    b"http://a/s", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\t", b"\0",
    b"\x80", b":", b"Host: a\r\n", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: 99\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\n", b"2;a=b\r\nhi\r\n", b"X: y\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"x" * 300, b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n", b"PUT /s HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
]  # fmt: skip
octets = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=14).map(b"".join)


class AnyOctets(SynchronousTestCase):
    @given(octets, st.data())
    @settings(max_examples=400)
    def test_cut(self, data: bytes, draw: st.DataObject) -> None:
        places = draw.draw(st.lists(st.integers(0, len(data)), max_size=6).map(sorted))
        cuts = [0, *places, len(data)]
        pieces = [data[a:b] for a, b in pairwise(cuts)]
        self.assertEqual(outcome(pieces), outcome([data]), pieces)
        self.assertEqual(self.flushLoggedErrors(), [])

    @given(octets)
    @example(
        b"POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n\r\n\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    )
    @example(b"BREW / HTTP/1.1\r\nX\n\r\n\r\n")
    @settings(max_examples=200)
    def test_octet_by_octet(self, data: bytes) -> None:
        self.assertEqual(outcome([bytes([octet]) for octet in data]), outcome([data]))
        self.assertEqual(self.flushLoggedErrors(), [])

    @given(st.binary(max_size=300))
    def test_noise(self, data: bytes) -> None:
        seen, said, _, late = outcome([data])
        self.assertEqual(seen, [])
        self.assertLess(said.count(b"HTTP/1.1 ") + late.count(b"HTTP/1.1 "), 2)
