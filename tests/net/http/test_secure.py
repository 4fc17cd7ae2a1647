"""HTTPS: TLS from the first octet, the certificate by SNI, ALPN; beneath it the PROXY protocol."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.http.test_connection import Other
from tests.net.tls_peers import NOW, Client, Tcp, make_settings
from xmppd.core.settings import Http
from xmppd.net.http.answers import Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer, Secure
from xmppd.net.tls.transport import ServerTls

ADDRESS: Any = IPv4Address("TCP", "192.0.2.1", 4711)
SHOWN = (("example.net", "CN=example.net"), ("upload.example.net", "CN=example.net"), (None, "CN=example.org"))
GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


class _Door:
    most = 0
    cors = False

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool, str]] = []
        self.other: Any = None

    def enter(self, exchange: Exchange) -> None:
        assert exchange.tls is not None
        self.seen.append((exchange.peer, exchange.secure, exchange.tls.version))
        if self.other is not None:
            exchange.upgrade(b"101", self.other)
        else:
            exchange.respond(Answer(b"hello"))


class HttpsCase(SynchronousTestCase):
    limits: dict[str, Any] = {}

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = make_settings(Path(folder.name))
        self.tls = ServerTls(self.settings, NOW)
        self.clock, self.door = Clock(), _Door()
        routes = Routes(lambda: 0, lambda: self.server.origins)
        routes.doors["/"] = self.door
        self.server = HttpServer(routes, self.clock, Http(**self.limits))
        self.factory = Secure(self.server, self.tls.wrap_http)

    def connect(self, client: Client, before: bytes = b"", peer: str = "192.0.2.1") -> Tcp:
        """Connect a client; return the server's end of its TCP connection."""
        tcp = Tcp()
        address: Any = IPv4Address("TCP", peer, 4711)
        tcp.protocol = self.factory.buildProtocol(address)
        self.addCleanup(lambda: tcp.protocol.connectionLost(Failure(ConnectionDone())))
        tcp.protocol.makeConnection(tcp)
        if before:
            tcp.protocol.dataReceived(before)
        client.talk(tcp.protocol, tcp)
        return tcp

    def ask(self, client: Client, tcp: Tcp, data: bytes = GET) -> bytes:
        """Return what is answered."""
        client.connection.sendall(data)
        client.talk(tcp.protocol, tcp)
        return client.received


class Https(HttpsCase):
    def test_requests(self) -> None:
        client = Client("example.org")
        tcp = self.connect(client)
        self.assertTrue(self.ask(client, tcp).startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(self.door.seen, [("192.0.2.1", True, "TLSv1.3")])
        self.ask(client, tcp)
        self.assertEqual(len(self.door.seen), 2)

    def test_certificates_by_name(self) -> None:
        for name, subject in SHOWN:
            client = Client(name)
            self.connect(client)
            certificate = client.connection.get_peer_certificate()
            assert certificate is not None
            self.assertEqual(certificate.to_cryptography().subject.rfc4514_string(), subject)

    def test_alpn(self) -> None:
        for offered, chosen in (([b"h2", b"http/1.1"], b"http/1.1"), (None, b"")):
            client = Client(alpn=offered)
            self.connect(client)
            self.assertEqual(client.connection.get_alpn_proto_negotiated(), chosen)
        for alpn in ([b"h2"], [b"xmpp-client"]):
            with self.assertRaises(SSL.Error) as caught:
                self.connect(Client(alpn=alpn))
            self.assertIn("no application protocol", str(caught.exception))

    def test_browsers_are_asked_for_no_certificate(self) -> None:
        authority = self.settings.server.data_dir / "certs/example.org.crt"
        settings = make_settings(self.settings.server.data_dir, f'[tls]\nclient_ca = "{authority}"')
        self.factory = Secure(self.server, ServerTls(settings, NOW).wrap_http)
        client = Client("example.org")
        self.connect(client)
        self.assertEqual(client.connection.get_client_ca_list(), [])

    def test_new_certificates(self) -> None:
        before = Client("example.org")
        self.connect(before)
        for name in ("crt", "key"):
            (self.settings.server.data_dir / f"certs/example.org.{name}").unlink()
        self.tls.reload(self.settings, NOW)
        after = Client("example.org")
        self.connect(after)
        serials = []
        for client in (before, after):
            certificate = client.connection.get_peer_certificate()
            assert certificate is not None
            serials.append(certificate.get_serial_number())
        self.assertNotEqual(*serials)

    def test_who_does_not_come_to_the_point(self) -> None:
        tcp = Tcp()
        tcp.protocol = self.factory.buildProtocol(ADDRESS)
        tcp.protocol.makeConnection(tcp)
        tcp.protocol.dataReceived(b"\x16\x03\x01")
        self.clock.advance(60)
        self.assertTrue(tcp.disconnecting)
        tcp.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.server.peers.open, self.clock.getDelayedCalls()), (0, []))

    def test_plain_http(self) -> None:
        """It is no TLS: the connection ends, and nobody is asked."""
        tcp = Tcp()
        tcp.protocol = self.factory.buildProtocol(ADDRESS)
        tcp.protocol.makeConnection(tcp)
        tcp.protocol.dataReceived(GET)
        self.assertTrue(tcp.disconnecting)
        tcp.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.door.seen, self.server.peers.open), ([], 0))

    def test_another_protocol(self) -> None:
        self.door.other = other = Other()
        client = Client("example.org")
        tcp = self.connect(client)
        upgrade = GET.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        self.assertEqual(self.ask(client, tcp, upgrade + b"more"), b"101")
        self.assertEqual(self.ask(client, tcp, b"and more"), b"101")
        self.assertEqual(other.got, [b"more", b"and more"])
        other.transport.write(b"data")
        client.talk(tcp.protocol, tcp)
        self.assertEqual((client.received, self.server.peers.open), (b"101data", 1))
        tcp.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((other.got[-1], self.server.peers.open), (None, 0))
        tcp.protocol = Other()


class BeneathTls(HttpsCase):
    limits = {"proxy_protocol_networks": ("10.0.0.1",), "connections_per_address": 1}

    def test_the_proxy_says_whose_it_is(self) -> None:
        client = Client("example.org")
        tcp = self.connect(client, b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n", "10.0.0.1")
        self.assertIn(b"hello", self.ask(client, tcp))
        self.assertEqual(self.door.seen, [("192.0.2.1", True, "TLSv1.3")])

    def test_one_too_many(self) -> None:
        self.connect(Client("example.org"))
        client = Client("example.org")
        tcp = self.connect(client)
        self.assertTrue(tcp.disconnecting)
        self.assertEqual(self.server.peers.refused, 1)
