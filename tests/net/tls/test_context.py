"""Contexts: SNI, ALPN, client certificates, channel binding of the certificate."""

from __future__ import annotations

import hashlib
import tempfile
import unittest
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.net.tls_peers import NOW, Application, Client, connect, issue, make_settings, xmpp_name
from xmppd.core.options import SettingsError
from xmppd.net.tls.certificates import CertificateFiles, self_signed, write
from xmppd.net.tls.context import end_point
from xmppd.net.tls.identity import xmpp_addresses
from xmppd.net.tls.transport import ServerTls, TlsTransport


class ContextTestCase(unittest.TestCase):
    extra = ""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.prepare()
        hosts = ("example.org", "example.net", "bücher.example")
        self.server = ServerTls(make_settings(self.folder, self.extra, hosts), NOW)

    def prepare(self) -> None:
        """Put files into the folder, say `extra`."""

    def connect(self, client: Client) -> Application:
        application = Application()
        connect(self.server.wrap(application), client)
        return application


class ServerNameTests(ContextTestCase):
    def prepare(self) -> None:
        path = self.folder / "certs/irc.example.net.pem"
        path.parent.mkdir()
        write(CertificateFiles(path, path), self_signed("irc.example.net", NOW))

    def shown_for(self, server_name: str | None) -> str:
        client = Client(server_name)
        self.connect(client)
        certificate = client.connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.subject.rfc4514_string()

    def test_by_name(self) -> None:
        for name, expected in (
            ("example.org", "CN=example.org"),
            ("example.net", "CN=example.net"),
            ("EXAMPLE.net", "CN=example.net"),
            ("xn--bcher-kva.example", "CN=xn--bcher-kva.example"),
            ("other.example", "CN=example.org"),
            ("conference.example.net", "CN=example.net"),
            ("a.b.example.net", "CN=example.net"),
            ("irc.example.net", "CN=irc.example.net"),
            ("b\xfccher", "CN=example.org"),
            (None, "CN=example.org"),
        ):
            self.assertEqual(self.shown_for(name), expected, name)


class ProtocolTests(ContextTestCase):
    def test_ours(self) -> None:
        client = Client(alpn=[b"http/1.1", b"xmpp-client"])
        self.assertIsNotNone(self.connect(client).tls)
        self.assertEqual(client.connection.get_alpn_proto_negotiated(), b"xmpp-client")

    def test_none(self) -> None:
        client = Client()
        self.assertIsNotNone(self.connect(client).tls)
        self.assertEqual(client.connection.get_alpn_proto_negotiated(), b"")

    def test_others_only(self) -> None:
        for alpn in ([b"http/1.1"], [b"xmpp-server"], [b"h2", b"imap"]):
            for server_name in (None, "example.net"):
                with self.assertRaises(SSL.Error) as caught:
                    self.connect(Client(server_name, alpn=alpn))
                self.assertIn("no application protocol", str(caught.exception))

    def test_starttls_has_none(self) -> None:
        """ALPN belongs to direct TLS; on a stream it is not looked at."""
        client = Client(alpn=[b"http/1.1"])
        application = Application()
        connect(TlsTransport(application, self.server._starttls.get("example.org")), client)
        self.assertIsNotNone(application.tls)


class ClientCertificateTests(ContextTestCase):
    def prepare(self) -> None:
        self.root = issue("root", authority=True)
        (self.folder / "ca.pem").write_bytes(self.root.leaf.public_bytes(Encoding.PEM))
        self.extra = '[tls]\nclient_ca = "ca.pem"'

    def addresses(self, client: Client) -> tuple[str, ...]:
        info = self.connect(client).tls
        assert info is not None
        return info.addresses

    def test_none(self) -> None:
        self.assertEqual(self.addresses(Client()), ())

    def test_believed(self) -> None:
        names = [xmpp_name("Juliet@example.org"), x509.DNSName("x"), xmpp_name("@"), xmpp_name("romeo@example.net")]
        client = issue("juliet", names, self.root)
        for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            found = self.addresses(Client(credentials=client, newest=newest))
            self.assertEqual(found, ("juliet@example.org", "romeo@example.net"))

    def test_believed_through_an_intermediate(self) -> None:
        middle = issue("middle", issuer=self.root, authority=True)
        client = issue("juliet", [xmpp_name("juliet@example.org")], middle)
        self.assertEqual(self.addresses(Client("example.net", credentials=client)), ("juliet@example.org",))

    def test_not_believed(self) -> None:
        name = [xmpp_name("juliet@example.org")]
        impostor = issue("root", authority=True)
        for credentials in (
            issue("juliet", name),
            issue("juliet", name, impostor),
            issue("juliet", name, self.root, start=NOW.replace(year=2001), end=NOW.replace(year=2002)),
        ):
            self.assertEqual(self.addresses(Client(credentials=credentials)), ())

    def test_without_names(self) -> None:
        self.assertEqual(self.addresses(Client(credentials=issue("juliet@example.org", None, self.root))), ())

    def test_not_asked_for_unless_authorities_are_named(self) -> None:
        self.server = ServerTls(make_settings(self.folder), NOW)
        client = issue("juliet", [xmpp_name("juliet@example.org")], self.root)
        self.assertEqual(self.addresses(Client(credentials=client)), ())


class RefusedTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_ciphers(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            ServerTls(make_settings(self.folder, '[tls]\nciphers = "FOO"'), NOW)
        self.assertEqual(str(caught.exception), '[tls]: ciphers: OpenSSL knows none of "FOO"')

    def test_authorities(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            ServerTls(make_settings(self.folder, '[tls]\nclient_ca = "ca.pem"'), NOW)
        self.assertIn("client_ca: ", str(caught.exception))


class EndPointTests(unittest.TestCase):
    def test_hash_of_the_signature(self) -> None:
        for function, expected in (
            (hashes.SHA256(), hashlib.sha256),
            (hashes.SHA384(), hashlib.sha384),
            (hashes.SHA512(), hashlib.sha512),
        ):
            leaf = issue("x", hash_=function).leaf
            self.assertEqual(end_point(leaf), expected(leaf.public_bytes(Encoding.DER)).digest())

    def test_without_a_hash(self) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        name = x509.Name([])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW.replace(year=2030))
        self.assertIsNone(end_point(builder.sign(key, None)))

    def test_names_of_our_own(self) -> None:
        self.assertEqual(xmpp_addresses(self_signed("example.org", NOW).leaf), ("example.org",))
        self.assertEqual(xmpp_addresses(issue("x").leaf), ())
