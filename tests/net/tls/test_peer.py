"""TLS between two of us: who speaks first, which certificate is shown, what it proves, ALPN and SNI."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.net.tls_peers import Application, Client, Tcp, connect, issue, make_settings
from xmppd.core.options import SettingsError
from xmppd.net.tls.certificates import Credentials
from xmppd.net.tls.context import ALPN_CLIENT, ALPN_SERVER
from xmppd.net.tls.info import TlsInfo
from xmppd.net.tls.peer import PeerTls, handshake_problem, server_name
from xmppd.net.tls.transport import ServerTls, TlsTransport

ROOT = issue("Test Root", authority=True)
MIDDLE = issue("Test Middle", issuer=ROOT, authority=True)


def pem(*found: Credentials) -> bytes:
    return b"".join(credentials.leaf.public_bytes(Encoding.PEM) for credentials in found)


def leaf(domain: str) -> Credentials:
    return issue(domain, [x509.DNSName(domain)], MIDDLE)


OURS = {"example.org": leaf("example.org"), "example.net": leaf("example.net")}
THEIRS = {"peer.example": leaf("peer.example"), "other.example": leaf("other.example")}


class Initiator(Application):
    """Greets as soon as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.transports = 0
        self.greeting = b"hello"

    def makeConnection(self, transport: object) -> None:
        super().makeConnection(transport)
        self.transports += 1

    def secured(self) -> None:
        assert self.tls is not None
        self.transport.write(self.greeting)


def carry(one: TlsTransport, one_tcp: Tcp, other: TlsTransport, other_tcp: Tcp) -> None:
    """Carry octets until both sides have nothing more to say."""
    for _ in range(20):
        there, back = one_tcp.take(), other_tcp.take()
        if not there and not back:
            return
        if there:
            other.dataReceived(there)
        if back:
            one.dataReceived(back)


class PeerTestCase(unittest.TestCase):
    minimum = "1.2"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "roots.pem").write_bytes(pem(ROOT))
        self.ours = self.make(OURS, ("example.org", "example.net"))
        self.theirs = self.make(THEIRS, ("peer.example", "other.example"))
        self.initiator, self.receiver = Initiator(), Application()
        self.tcp, self.their_tcp = Tcp(), Tcp()

    def make(self, credentials: dict[str, Credentials], hosts: tuple[str, ...]) -> PeerTls:
        extra = f'[s2s]\nca = "roots.pem"\n[tls]\nminimum_version = "{self.minimum}"'
        return PeerTls(make_settings(self.folder, extra, hosts), credentials)

    def starttls(self, local: str = "example.org", remote: str = "peer.example", host: str | None = None) -> None:
        self.initiator.makeConnection(self.tcp)
        self.receiver.makeConnection(self.their_tcp)
        self.theirs.start_receiving(self.receiver, host)
        self.ours.start_initiating(self.initiator, local, remote)
        carry(self.initiator.transport, self.tcp, self.receiver.transport, self.their_tcp)

    def direct(self, local: str = "example.org", remote: str = "peer.example") -> None:
        one = self.ours.wrap_initiating(self.initiator, local, remote)
        other = self.theirs.wrap_receiving(self.receiver)
        for layer, tcp in ((one, self.tcp), (other, self.their_tcp)):
            tcp.protocol = layer
            layer.makeConnection(tcp)
        carry(one, self.tcp, other, self.their_tcp)

    def info(self, application: Application) -> TlsInfo:
        assert application.tls is not None
        return application.tls


class HandshakeTests(PeerTestCase):
    def test_starttls(self) -> None:
        self.starttls()
        self.assertEqual(self.receiver.received, b"hello")
        self.assertIs(self.tcp.protocol, self.initiator.transport)
        self.assertEqual(self.initiator.transports, 1)

    def test_direct(self) -> None:
        self.direct()
        self.assertEqual(self.receiver.received, b"hello")
        self.receiver.transport.write(b"welcome")
        carry(self.tcp.protocol, self.tcp, self.their_tcp.protocol, self.their_tcp)
        self.assertEqual(self.initiator.received, b"welcome")

    def test_both_prove_who_they_are(self) -> None:
        for begin in (self.starttls, self.direct):
            with self.subTest(begin.__name__):
                self.setUp()
                begin("example.net", "other.example")
                theirs = self.info(self.initiator).proof("other.example")
                ours = self.info(self.receiver).proof("example.net")
                self.assertTrue(theirs.proven, theirs.reason)
                self.assertTrue(ours.proven, ours.reason)
                self.assertFalse(self.info(self.initiator).proof("peer.example").proven)
                self.assertFalse(self.info(self.receiver).proof("example.org").proven)

    def test_sni_is_the_domain(self) -> None:
        self.starttls(remote="other.example", host="peer.example")
        self.assertTrue(self.info(self.initiator).proof("other.example").proven)

    def test_a_host_without_a_certificate_of_its_own_shows_the_first(self) -> None:
        self.starttls(local="elsewhere.example")
        self.assertTrue(self.info(self.receiver).proof("example.org").proven)

    def test_a_service_beneath_a_host_shows_that_of_the_host(self) -> None:
        self.starttls(local="irc.example.net")
        self.assertTrue(self.info(self.receiver).proof("example.net").proven)

    def test_who_asks_for_another_protocol_is_refused(self) -> None:
        client = Client("peer.example", [ALPN_CLIENT])
        with self.assertRaises(SSL.Error):
            connect(self.theirs.wrap_receiving(self.receiver), client)

    def test_who_asks_for_none_is_served(self) -> None:
        for alpn in (None, [b"h2", ALPN_SERVER]):
            with self.subTest(alpn):
                receiver = Application()
                connect(self.theirs.wrap_receiving(receiver), Client("peer.example", alpn))
                self.assertEqual(self.info(receiver).proof("example.org").reason, "it showed no certificate")

    def test_no_authorities_are_listed_and_nothing_can_be_resumed(self) -> None:
        client = Client("peer.example", newest=SSL.TLS1_2_VERSION)
        connect(self.theirs.wrap_receiving(self.receiver), client)
        self.assertEqual(client.connection.get_client_ca_list(), [])
        again = Client("peer.example", again=client)
        receiver = Application()
        connect(self.theirs.wrap_receiving(receiver), again)
        self.assertNotEqual(client.connection.master_key(), again.connection.master_key())

    def test_closing_while_the_handshake_is_reported(self) -> None:
        def secured() -> None:
            self.initiator.transport.loseConnection()

        self.initiator.secured = secured  # type: ignore[method-assign]
        self.direct()
        self.assertTrue(self.tcp.disconnecting)
        self.assertEqual(self.receiver.received, b"")
        self.assertEqual(self.initiator.received, b"")


class OlderVersionTests(HandshakeTests):
    """The same with TLS 1.2 on one side."""

    def make(self, credentials: dict[str, Credentials], hosts: tuple[str, ...]) -> PeerTls:
        found = super().make(credentials, hosts)
        if credentials is THEIRS:
            for contexts in (found._starttls, found._direct):
                for context in contexts._contexts.values():
                    context.set_max_proto_version(SSL.TLS1_2_VERSION)
        return found

    def test_version(self) -> None:
        self.starttls()
        self.assertEqual(self.info(self.initiator).version, "TLSv1.2")


class FailureTests(PeerTestCase):
    def reason(self) -> str | None:
        self.initiator.transport.connectionLost(Failure(ConnectionDone()))
        assert self.initiator.reason is not None and self.initiator.reason.value is not None
        return handshake_problem(self.initiator.reason.value)

    def test_no_tls_on_the_other_side(self) -> None:
        layer = self.ours.wrap_initiating(self.initiator, "example.org", "peer.example")
        layer.makeConnection(self.tcp)
        layer.dataReceived(b"<?xml version='1.0'?><stream:stream>")
        self.assertEqual(self.reason(), "TLS failed: what answers there does not speak TLS")
        self.assertTrue(self.tcp.disconnecting)

    def test_no_version_in_common(self) -> None:
        self.minimum = "1.3"
        self.ours = self.make(OURS, ("example.org",))
        for contexts in (self.theirs._direct, self.theirs._starttls):
            for context in contexts._contexts.values():
                context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self.starttls()
        self.assertEqual(self.reason(), "TLS failed: the two sides have no version of TLS in common")

    def test_hung_up(self) -> None:
        self.ours.wrap_initiating(self.initiator, "example.org", "peer.example").makeConnection(self.tcp)
        self.assertIsNone(self.reason())

    def test_unknown_failures_are_told_as_they_are(self) -> None:
        error = SSL.Error([("SSL routines", "", "something new")])
        self.assertEqual(handshake_problem(error), "TLS failed: something new")
        self.assertEqual(handshake_problem(SSL.ZeroReturnError()), "TLS failed: ZeroReturnError")

    def test_roots_that_cannot_be_read(self) -> None:
        (self.folder / "roots.pem").write_bytes(b"nothing")
        with self.assertRaises(SettingsError) as caught:
            self.make(OURS, ("example.org",))
        self.assertIn("[s2s]: ca: ", str(caught.exception))

    def test_a_failed_reload_changes_nothing(self) -> None:
        settings = make_settings(self.folder, '[s2s]\nca = "missing.pem"', ("example.org",))
        with self.assertRaises(SettingsError):
            self.ours.reload(settings, OURS)
        self.starttls()
        self.assertTrue(self.info(self.initiator).proof("peer.example").proven)

    def test_reload(self) -> None:
        settings = make_settings(self.folder, '[s2s]\nca = "roots.pem"', ("example.org",))
        self.ours.reload(settings, {"example.org": leaf("new.example")})
        self.starttls()
        self.assertTrue(self.info(self.receiver).proof("new.example").proven)

    def test_clients_have_no_proof(self) -> None:
        settings = make_settings(self.folder)
        application = Application()
        connect(ServerTls(settings).wrap(application), Client("example.org"))
        with self.assertRaises(RuntimeError):
            self.info(application).proof("example.org")


class ServerNameTests(unittest.TestCase):
    def test_names(self) -> None:
        for domain, expected in (
            ("Example.ORG", b"example.org"),
            ("bücher.example", b"xn--bcher-kva.example"),
            ("192.0.2.1", None),
            ("[2001:db8::1]", None),
        ):
            with self.subTest(domain):
                self.assertEqual(server_name(domain), expected)
