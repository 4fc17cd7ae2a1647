"""TLS between TCP and a protocol: handshake, data, endings, what it binds to, certificates replaced."""

from __future__ import annotations

import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.net.tls_peers import NOW, Application, Client, Tcp, connect, issue, make_settings
from xmppd.core.options import SettingsError
from xmppd.net.tls.certificates import CertificateFiles, self_signed, write
from xmppd.net.tls.context import end_point
from xmppd.net.tls.records import BEGINNING, count
from xmppd.net.tls.transport import ServerTls, TlsTransport, load_credentials


class TlsTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.settings = make_settings(self.folder)
        self.server = ServerTls(self.settings, NOW)
        self.application = Application()
        self.layer = self.server.wrap(self.application)


class DataTests(TlsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = Client("example.org")
        self.tcp = connect(self.layer, self.client)

    def send(self, data: bytes) -> None:
        self.client.connection.sendall(data)
        self.client.talk(self.layer, self.tcp)

    def write(self, data: bytes) -> None:
        self.application.transport.write(data)
        self.client.talk(self.layer, self.tcp)

    def test_both_ways(self) -> None:
        self.assertEqual(self.application.received, b"")
        self.send(b"hello")
        self.assertEqual(self.application.received, b"hello")
        self.write(b"welcome")
        self.assertEqual(self.client.received, b"welcome")

    def test_more_than_one_record_is_delivered_at_once(self) -> None:
        data = bytes(range(256)) * 400
        self.client.connection.sendall(data)
        octets = self.client.out()
        self.layer.dataReceived(octets)
        self.assertEqual(self.application.received, data)
        self.assertEqual(self.application.calls, [len(data)])

    def test_large_write(self) -> None:
        data = bytes(range(256)) * 400
        self.write(data)
        self.assertEqual(self.client.received, data)

    def test_in_bulk(self) -> None:
        """Records are as large as they may be; and what comes is the same, however it is given to OpenSSL."""
        data = bytes(range(256)) * 400
        sizes = []
        for much in (False, True, False):
            self.layer.bulk(much)
            self.client.received = b""
            self.application.received = b""
            self.application.transport.write(data)
            sizes.append(len(self.tcp.value()))
            self.client.talk(self.layer, self.tcp)
            self.send(data)
            self.assertEqual((self.client.received, self.application.received), (data, data))
        self.assertLess(sizes[1], sizes[0])  # fewer records
        self.assertEqual(sizes[0], sizes[2])

    def test_split_at_every_octet(self) -> None:
        application = Application()
        client = Client("example.org")
        layer = self.server.wrap(application)
        tcp = connect(layer, client, split=1)
        client.connection.sendall(b"one octet at a time")
        client.talk(layer, tcp, split=1)
        self.assertEqual(application.received, b"one octet at a time")

    def test_write_sequence(self) -> None:
        self.application.transport.writeSequence([b"a", b"b"])
        self.client.talk(self.layer, self.tcp)
        self.assertEqual(self.client.received, b"ab")

    def test_nothing_is_encrypted_needlessly(self) -> None:
        self.write(b"x" * 100)
        self.assertEqual(self.tcp.take(), b"")

    def test_lose_connection_says_so(self) -> None:
        self.application.transport.write(b"bye")
        self.application.transport.loseConnection()
        self.client.connection.bio_write(self.tcp.take())
        with self.assertRaises(SSL.ZeroReturnError):
            self.client.read()
        self.assertEqual(self.client.received, b"bye")
        self.assertTrue(self.tcp.disconnecting)
        self.application.transport.write(b"too late")
        self.application.transport.loseConnection()
        self.assertEqual(self.tcp.take(), b"")

    def test_the_client_closes(self) -> None:
        self.client.connection.sendall(b"last words")
        self.client.connection.shutdown()
        self.layer.dataReceived(self.client.out())
        self.assertEqual(self.application.received, b"last words")
        self.assertTrue(self.tcp.disconnecting)
        reason = Failure(ConnectionDone())
        self.layer.connectionLost(reason)
        self.assertIs(self.application.reason, reason)

    def test_nothing_is_delivered_after_the_application_let_go(self) -> None:
        self.client.connection.sendall(b"one")
        self.application.transport.abortConnection()
        self.layer.dataReceived(self.client.out())
        self.assertEqual(self.application.received, b"")
        self.assertTrue(self.tcp.aborted)

    def test_forged_data(self) -> None:
        self.client.connection.sendall(b"good")
        good = self.client.out()
        self.client.connection.sendall(b"bad")
        bad = self.client.out()
        self.layer.dataReceived(good + bad[:-1] + bytes((bad[-1] ^ 1,)))
        self.assertEqual(self.application.received, b"good")
        self.assertTrue(self.tcp.disconnecting)
        self.layer.connectionLost(Failure(ConnectionDone()))
        assert self.application.reason is not None
        self.assertIsInstance(self.application.reason.value, SSL.Error)

    def test_producers_and_addresses_are_those_of_tcp(self) -> None:
        transport = self.application.transport
        producer = object()
        transport.registerProducer(producer, True)
        self.assertIs(self.tcp.producer, producer)
        transport.unregisterProducer()
        self.assertIsNone(self.tcp.producer)
        transport.pauseProducing()
        self.assertEqual(self.tcp.producerState, "paused")
        transport.resumeProducing()
        self.assertEqual(self.tcp.producerState, "producing")
        self.assertEqual(transport.getPeer(), self.tcp.getPeer())
        self.assertEqual(transport.getHost(), self.tcp.getHost())

    def test_what_openssl_says_by_itself_is_sent(self) -> None:
        """Even to a client whose data the application never answers: here, the refusals of renegotiation."""
        application, client = Application(), Client(newest=SSL.TLS1_2_VERSION)
        layer = self.server.wrap(application)
        tcp = connect(layer, client)
        client.connection.renegotiate()
        client.handshake()
        layer.dataReceived(client.out())
        self.assertNotEqual(tcp.take(), b"")
        self.send(b" " * 1000)
        self.assertEqual(self.layer._unanswered, 1022)
        self.send(b" " * 70_000)
        self.assertEqual(self.layer._unanswered, 0)


class TurnTests(TlsTestCase):
    """What is written in a turn of the reactor is encrypted together, when the TCP transport writes at its end."""

    def setUp(self) -> None:
        super().setUp()
        self.client = Client("example.org")
        self.tcp = connect(self.layer, self.client)
        self.waiting: list[TlsTransport] = []
        self.tcp.at_end_of_turn = self.waiting.append
        self.write = self.application.transport.write

    def end_turn(self) -> bytes:
        """Return what went out."""
        for gathering in self.waiting:
            gathering.turn_ends()
        self.waiting.clear()
        return self.tcp.take()

    def read(self, octets: bytes) -> bytes:
        self.client.received = b""
        self.client.connection.bio_write(octets)
        self.client.read()
        return self.client.received

    def test_one_record(self) -> None:
        for word in (b"one ", b"two ", b"three"):
            self.write(word)
        self.assertEqual((self.waiting, self.tcp.take()), ([self.layer], b""))
        octets = self.end_turn()
        self.assertEqual(count(octets, BEGINNING)[0], 1)
        self.assertEqual(self.read(octets), b"one two three")
        self.assertEqual(self.end_turn(), b"")
        self.write(b"four")
        self.assertEqual(self.read(self.end_turn()), b"four")

    def test_not_more_than_some(self) -> None:
        data = bytes(range(256)) * 4
        for _ in range(20):
            self.write(data)
        self.assertEqual(self.read(self.tcp.take()), data * 17)
        self.assertEqual(self.read(self.end_turn()), data * 3)

    def test_all_is_sent_before_the_end(self) -> None:
        for end in ("loseWriteConnection", "loseConnection"):
            self.write(b"bye")
            getattr(self.application.transport, end)()
            with self.assertRaises(SSL.ZeroReturnError):
                self.read(self.tcp.take())
            self.assertEqual(self.client.received, b"bye")
            self.assertEqual(self.end_turn(), b"")
            self.setUp()

    def test_nothing_is_sent_when_it_was_cut(self) -> None:
        self.write(b"too late")
        self.application.transport.abortConnection()
        self.assertEqual(self.end_turn(), b"")
        self.setUp()
        self.write(b"too late")
        self.layer.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.end_turn(), b"")


class HandshakeTests(TlsTestCase):
    def test_info(self) -> None:
        client = Client("example.net")
        connect(self.layer, client)
        info = self.application.tls
        assert info is not None
        self.assertEqual(info.version, "TLSv1.3")
        self.assertTrue(info.cipher.startswith("TLS_"))
        bindings = info.channel_bindings
        self.assertEqual(list(bindings), ["tls-exporter", "tls-server-end-point"])
        self.assertEqual(
            bindings["tls-exporter"], client.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        )
        certificate = client.connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        self.assertEqual(bindings["tls-server-end-point"], end_point(certificate))
        self.assertEqual(info.addresses, ())

    def test_tls_1_2_has_no_exporter(self) -> None:
        connect(self.layer, Client(newest=SSL.TLS1_2_VERSION))
        info = self.application.tls
        assert info is not None
        self.assertEqual(info.version, "TLSv1.2")
        self.assertEqual(list(info.channel_bindings), ["tls-server-end-point"])

    def test_older_versions_are_refused(self) -> None:
        client = Client(newest=SSL.TLS1_1_VERSION)
        with self.assertRaises(SSL.Error):
            connect(self.layer, client)
        self.assertIsNone(self.application.tls)

    def test_minimum_version(self) -> None:
        server = ServerTls(make_settings(self.folder, '[tls]\nminimum_version = "1.3"'), NOW)
        with self.assertRaises(SSL.Error) as caught:
            connect(server.wrap(self.application), Client(newest=SSL.TLS1_2_VERSION))
        self.assertIn("protocol version", str(caught.exception))

    def test_no_tls_at_all(self) -> None:
        tcp = Tcp()
        self.layer.makeConnection(tcp)
        self.layer.dataReceived(b"<stream:stream xmlns='jabber:client'>")
        self.assertTrue(tcp.disconnecting)
        self.assertEqual(self.application.received, b"")

    def test_writing_before_the_handshake_sends_nothing(self) -> None:
        tcp = Tcp()
        self.layer.makeConnection(tcp)
        self.application.transport.write(b"secret")
        self.application.transport.loseConnection()
        self.assertEqual(tcp.take(), b"")
        self.assertTrue(tcp.disconnecting)

    def test_starttls(self) -> None:
        tcp = Tcp()
        tcp.protocol = self.application
        self.application.makeConnection(tcp)
        tcp.write(b"<proceed/>")
        self.server.start(self.application, "example.net")
        self.assertEqual(tcp.take(), b"<proceed/>")
        client = Client()
        client.talk(tcp.protocol, tcp)
        certificate = client.connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=example.net")
        client.connection.sendall(b"inside")
        client.talk(tcp.protocol, tcp)
        self.assertEqual(self.application.received, b"inside")
        self.assertIsNotNone(self.application.tls)

    def test_a_session_is_resumed_by_its_ticket(self) -> None:
        for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            first = Client("example.org", newest=newest)
            connect(self.server.wrap(Application()), first)
            application = Application()
            again = Client("example.org", again=first)
            connect(self.server.wrap(application), again)
            self.assertIsNotNone(application.tls)
            # The certificate and its signature are not sent again.
            self.assertLess(again.octets, first.octets - 500)

    def test_session_tickets_may_be_switched_off(self) -> None:
        server = ServerTls(make_settings(self.folder, "[tls]\nsession_tickets = false"), NOW)
        for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            first = Client("example.org", newest=newest)
            connect(server.wrap(Application()), first)
            again = Client("example.org", again=first)
            connect(server.wrap(Application()), again)
            self.assertGreater(again.octets, first.octets - 500)


class ReloadTests(TlsTestCase):
    def certificate_seen(self) -> bytes | None:
        application, client = Application(), Client("example.org")
        connect(self.server.wrap(application), client)
        assert application.tls is not None
        return application.tls.channel_bindings["tls-server-end-point"]

    def test_made_once(self) -> None:
        self.assertEqual(len(self.server.notices), 2)
        self.assertTrue(self.server.notices[1].startswith("example.net had no certificate; one was made"))
        self.assertEqual(ServerTls(self.settings, NOW).notices, [])

    def test_notices_of_the_end(self) -> None:
        folder = self.settings.tls.certificate_dir
        files = CertificateFiles(folder / "example.com.crt", folder / "example.com.key")
        write(files, issue("example.com", end=NOW + timedelta(days=10)))
        settings = make_settings(self.folder, hosts=("example.com",))
        self.assertEqual(
            ServerTls(settings, NOW).notices,
            [f"the certificate of example.com expires on 2026-03-11: {files.certificate}"],
        )
        unworried = make_settings(self.folder, "[tls]\nexpires_soon_days = 9", hosts=("example.com",))
        self.assertEqual(ServerTls(unworried, NOW).notices, [])
        self.assertEqual(
            self.server.reload(settings, NOW + timedelta(days=11)),
            [f"the certificate of example.com has expired on 2026-03-11: {files.certificate}"],
        )

    def test_a_new_certificate_serves_new_connections(self) -> None:
        client = Client("example.org")
        tcp = connect(self.layer, client)
        before = self.certificate_seen()
        folder = self.settings.tls.certificate_dir
        (folder / "example.org.crt").unlink()
        (folder / "example.org.key").unlink()
        fresh = self_signed("example.org", NOW)
        write(CertificateFiles(folder / "example.org.crt", folder / "example.org.key"), fresh)
        self.server.reload(self.settings, NOW)
        self.assertNotEqual(self.certificate_seen(), before)
        self.assertEqual(self.certificate_seen(), end_point(fresh.leaf))
        client.connection.sendall(b"still here")
        client.talk(self.layer, tcp)
        self.assertEqual(self.application.received, b"still here")
        assert self.application.tls is not None
        self.assertEqual(self.application.tls.channel_bindings["tls-server-end-point"], before)

    def test_a_failure_changes_nothing(self) -> None:
        before = self.certificate_seen()
        folder = self.settings.tls.certificate_dir
        (folder / "example.org.crt").write_text("nonsense")
        (folder / "example.net.key").unlink()
        with self.assertRaises(SettingsError) as caught:
            self.server.reload(self.settings, NOW)
        self.assertEqual(len(caught.exception.problems), 2)
        self.assertIn("example.org.crt: there is no certificate", caught.exception.problems[0])
        self.assertIn("example.net.key: can't be read: No such file", caught.exception.problems[1])
        self.assertEqual(self.certificate_seen(), before)

    def test_a_key_that_does_not_fit(self) -> None:
        (self.folder / "k.pem").write_bytes((self.settings.tls.certificate_dir / "example.net.key").read_bytes())
        extra = (
            f'[hosts."example.com"]\ncertificate = "{self.settings.tls.certificate_dir}/example.org.crt"\nkey = "k.pem"'
        )
        with self.assertRaises(SettingsError) as caught:
            load_credentials(make_settings(self.folder, extra), NOW)
        self.assertIn("this is not the key of the certificate in", str(caught.exception))

    def test_an_intermediate_is_sent(self) -> None:
        root = issue("root", authority=True)
        middle = issue("middle", issuer=root, authority=True)
        leaf = issue("example.org", issuer=middle)
        files = CertificateFiles(self.folder / "c.pem", self.folder / "c.pem")
        write(files, leaf)
        extra = f'[tls]\ncertificate = "{files.certificate}"'
        server = ServerTls(make_settings(self.folder, extra, hosts=("example.com",)), NOW)
        client = Client()
        connect(server.wrap(self.application), client)
        chain = client.connection.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(chain, list(leaf.chain))
        self.assertEqual(len(leaf.chain), 2)
