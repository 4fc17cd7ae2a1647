"""The PROXY protocol: headers of both versions, and whatever else connections may begin with."""

from __future__ import annotations

import struct
import unittest

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.fetching import Connection
from xmppd.core.settings import Http
from xmppd.net.http.answers import Answer, text
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.proxy_protocol import Announcement, NotAnnounced, read
from xmppd.net.http.routes import Page, Routes
from xmppd.net.http.server import HttpServer
from xmppd.net.peers import Networks

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = b"\xc0\x00\x02\x01" + b"\x0a\x00\x00\x01" + struct.pack("!HH", 4711, 443)
V6 = bytes.fromhex("20010db8000000000000000000000001") * 2 + struct.pack("!HH", 4711, 443)


def new(command: int, family: int, content: bytes, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(content) if length is None else length) + content


def ssl(client: int) -> bytes:
    """The value that says whether the client uses TLS, behind one that says nothing to us."""
    return b"\x04\x00\x02hi" + b"\x20\x00\x05" + bytes([client]) + b"\0\0\0\0"


GOOD = (
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n", "192.0.2.1", False),
    (b"PROXY TCP6 2001:db8::1 fd00::1 4711 443\r\n", "2001:db8::1", False),
    (b"PROXY UNKNOWN\r\n", "", False),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "", False),
    (new(0x21, 0x11, V4), "192.0.2.1", False),
    (new(0x21, 0x21, V6), "2001:db8::1", False),
    (new(0x21, 0x11, V4 + ssl(1)), "192.0.2.1", True),
    (new(0x21, 0x11, V4 + ssl(0)), "192.0.2.1", False),
    (new(0x21, 0x11, V4 + b"\x04\x00\x00"), "192.0.2.1", False),
    (new(0x20, 0x00, b""), "", False),
    (new(0x20, 0x11, V4), "", False),
    (new(0x21, 0x00, b""), "", False),
    (new(0x21, 0x31, b"x" * 216), "", False),
)
BAD = (
    b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY\r\n", b"PROXY  \r\n", b"PROXY TCP4\r\n", b"proxy UNKNOWN\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n", b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 1\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 65536\r\n", b"PROXY TCP4 192.0.2.1 10.0.0.1 -1 443\r\n",
    b"PROXY TCP4 2001:db8::1 fd00::1 4711 443\r\n", b"PROXY TCP6 192.0.2.1 10.0.0.1 4711 443\r\n",
    b"PROXY TCP4 localhost 10.0.0.1 4711 443\r\n", b"PROXY TCP4 \xff 10.0.0.1 4711 443\r\n",
    b"PROXY UDP4 192.0.2.1 10.0.0.1 4711 443\r\n", b"PROXY TCP4 " + b"1" * 96, b"PROXY UNKNOWN" + b" " * 200,
    new(0x22, 0x11, V4), new(0x11, 0x11, V4), new(0x21, 0x11, V4[:8]), new(0x21, 0x11, b"", 0xFFFF),
    new(0x21, 0x11, V4 + b"\x20"), new(0x21, 0x11, V4 + b"\x20\x00\x09x"), SIGNATURE[:11] + b"X",
)  # fmt: skip


class Headers(unittest.TestCase):
    def test_good_ones(self) -> None:
        for header, peer, secure in GOOD:
            self.assertEqual(read(header + b"GET /"), Announcement(len(header), peer, secure), header)
            for end in range(len(header)):
                self.assertIsNone(read(header[:end]), header[:end])

    def test_bad_ones(self) -> None:
        for header in BAD:
            with self.assertRaises(NotAnnounced, msg=str(header)):
                read(header)

    @given(st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, new(0x21, 0x11, b"", 40))), st.binary())
    def test_any_octets(self, beginning: bytes, more: bytes) -> None:
        try:
            found = read(beginning + more)
        except NotAnnounced:
            return
        self.assertTrue(found is None or found.octets <= len(beginning + more))


class Connections(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.seen: list[tuple[str, bool]] = []
        routes = Routes(lambda: 0, lambda: self.server.origins)
        routes.doors["/"] = Page(self.make, lambda: Networks(("0.0.0.0/0", "::/0")), lambda: 0)
        self.limits = {"proxy_protocol_networks": ("10.0.0.0/8",), "connections": 2, "connections_per_address": 1}
        self.server = HttpServer(routes, self.clock, Http(**self.limits))  # type: ignore[arg-type]
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def make(self, exchange: Exchange) -> Answer:
        self.seen.append((exchange.peer, exchange.secure))
        return text("hello")

    def connect(self, header: bytes, peer: str = "10.0.0.1") -> Connection:
        connection = Connection(self.server, peer)
        self.addCleanup(connection.leave)
        connection.send(header + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection

    def test_the_client_is_who_the_proxy_says(self) -> None:
        self.assertEqual(self.connect(new(0x21, 0x11, V4 + ssl(1))).response().code, 200)
        self.assertEqual(self.connect(b"PROXY TCP6 2001:db8::1 fd00::1 4711 443\r\n").response().code, 200)
        self.assertEqual(self.seen, [("192.0.2.1", True), ("2001:db8::1", False)])

    def test_in_pieces(self) -> None:
        connection = Connection(self.server, "10.0.0.1")
        for octet in new(0x21, 0x11, V4) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.send(bytes([octet]))
        self.assertEqual((connection.response().code, self.seen), (200, [("192.0.2.1", False)]))
        connection.leave()
        self.assertEqual(self.server.peers.open, 0)

    def test_the_proxy_itself(self) -> None:
        self.connect(new(0x20, 0, b""))
        self.assertEqual(self.seen, [("10.0.0.1", False)])

    def test_limits_are_the_clients(self) -> None:
        first = self.connect(GOOD[0][0])
        second = self.connect(GOOD[0][0])
        self.assertEqual((first.response().code, second.response().code, second.ended), (200, 503, True))

    def test_who_does_not_say_is_cut(self) -> None:
        connection = Connection(self.server, "10.0.0.1")
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((connection.cut, connection.value()), (True, b""))
        connection.leave()
        connection = Connection(self.server, "10.0.0.1")
        connection.send(b"PROXY ")
        self.clock.advance(60)
        self.assertTrue(connection.cut)
        connection.leave()
        self.assertEqual(self.server.peers.open, 0)

    def test_there_is_room_for_so_many(self) -> None:
        first, second = Connection(self.server, "10.0.0.1"), Connection(self.server, "10.0.0.1")
        self.assertIsNone(self.server.buildProtocol(first.getPeer()))
        for connection in (first, second):
            connection.leave()

    def test_others_can_not_say_it(self) -> None:
        self.assertEqual(self.connect(GOOD[0][0], peer="192.0.2.9").response().code, 400)
        self.assertEqual(self.seen, [])
