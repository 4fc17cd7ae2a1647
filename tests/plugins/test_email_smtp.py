"""The mail gateway's SMTP: with Twisted's client and server on loopback, and with who doesn't keep to the rules."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock, deferLater
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from twisted.mail.smtp import ESMTP, IMessageDelivery, sendmail
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.plugins.mail import MailServer, MailTestCase
from xmppd.api import Condition, StanzaError
from xmppd.api.gateway import TryAgain
from xmppd.net.network import Network
from xmppd.plugins.email.inbox import Answer, Inbox
from xmppd.plugins.email.smtp_in import Receiver
from xmppd.plugins.email.smtp_out import Submission
from xmppd.testing.network import Link

_REACTOR: Any = reactor


def certificate(folder: Path) -> Any:
    """Make a certificate for localhost; return what a server needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    folder.mkdir()
    (folder / "ca.pem").write_bytes(public)
    return ssl.PrivateCertificate.loadPEM(private + public).options()


class Closing(Submission):
    """Says when the connection is closed."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.closed: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.closed.callback(None)


class LoopbackTests(TestCase):
    """Mails over real sockets."""

    def setUp(self) -> None:
        self.network = Network(_REACTOR)
        self.server = MailServer()

    async def listen(self, make: Callable[[], Any]) -> int:
        factory = Factory.forProtocol(make)
        port = await self.network.listen("tcp:0:interface=127.0.0.1", factory)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def submission(self, **more: Any) -> Closing:
        given: dict[str, Any] = {
            "sender": "token@example.org", "recipient": "friar@lawrence.example", "content": b"Subject: x\n\nhi\n",
            "identity": "example.org", "login": None, "starttls": None, "timeout": 30,
        }  # fmt: skip
        return Closing(_REACTOR, **given | more)

    async def submit(self, endpoint: str, **more: Any) -> None:
        submission = self.submission(**more)
        await self.network.connect(endpoint, submission, 30)
        try:
            await submission.outcome
        finally:
            await submission.closed
            await self.until(lambda: not self.server.open)

    async def until(self, done: Callable[[], bool]) -> None:
        while not done():
            await deferLater(_REACTOR, 0.01)

    async def test_plain(self) -> None:
        port = await self.listen(self.server)
        await self.submit(f"tcp:127.0.0.1:{port}")
        self.assertEqual(self.server.mails, [("token@example.org", "friar@lawrence.example", b"Subject: x\n\nhi\n")])

    async def test_long(self) -> None:
        """More than one chunk."""
        content = b"Subject: x\n\n" + b"0123456\n" * 2046 + b"x\n.\n" + b"y\n" * 20_000
        port = await self.listen(self.server)
        await self.submit(f"tcp:127.0.0.1:{port}", content=content)
        self.assertEqual(self.server.mails[0][2][-20:], content[-20:])

    async def test_refused(self) -> None:
        port = await self.listen(self.server)
        self.server.refuse = (550, "no such user")
        with self.assertRaises(StanzaError) as refused:
            await self.submit(f"tcp:127.0.0.1:{port}")
        self.assertEqual(refused.exception.condition, Condition.ITEM_NOT_FOUND)

    def with_tls(self, logins: dict[bytes, bytes]) -> Callable[[], Any]:
        """Have the mail server offer STARTTLS, and want a password."""
        context = certificate(Path(self.mktemp()))

        class Realm:
            def requestAvatar(self, name: Any, mind: Any, *interfaces: Any) -> Any:
                return IMessageDelivery, None, lambda: None

        realm: Any = Realm()
        checker: Any = InMemoryUsernamePasswordDatabaseDontUse()
        for name, password in logins.items():
            checker.addUser(name, password)

        def make() -> Any:
            protocol = self.server()
            protocol.ctx = context
            protocol.challengers = {b"PLAIN": PLAINCredentials, b"LOGIN": LOGINCredentials}
            protocol.portal = Portal(realm, [checker])
            protocol.extensions = lambda: ESMTP.extensions(protocol)
            return protocol

        return make

    async def test_certificates_are_checked(self) -> None:
        """A server that nobody vouches for gets neither mail nor password."""
        port = await self.listen(self.with_tls({b"romeo": b"secret"}))
        with self.assertRaises(TryAgain) as failed:
            await self.submit(f"tcp:127.0.0.1:{port}", starttls="localhost", login=("romeo", "secret"))
        self.assertIn("certificate verify failed", failed.exception.reason)
        self.assertEqual(self.server.mails, [])

    async def test_no_tls(self) -> None:
        """Without STARTTLS there is no password, and no mail."""
        port = await self.listen(self.server)
        with self.assertRaises(TryAgain) as failed:
            await self.submit(f"tcp:127.0.0.1:{port}", starttls="localhost", login=("romeo", "secret"))
        self.assertIn("TLS", failed.exception.reason)
        self.assertEqual(self.server.mails, [])

    async def test_direct_tls_and_login(self) -> None:
        """With a certificate of an authority that the endpoint names."""
        folder = Path(self.mktemp())
        context = certificate(folder)
        make = self.with_tls({b"romeo": b"secret"})

        def protocol() -> Any:
            made = make()
            made.ctx = None
            return made

        port = _REACTOR.listenSSL(0, Factory.forProtocol(protocol), context, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        endpoint = f"tls:localhost:{port.getHost().port}:trustRoots={folder}"
        await self.submit(endpoint, login=("romeo", "secret"))
        self.assertEqual(len(self.server.mails), 1)
        with self.assertRaises(TryAgain):
            await self.submit(endpoint, login=("romeo", "wrong"))
        self.flushLoggedErrors()

    async def test_received_from_twisted(self) -> None:
        """Twisted's own client brings mail."""
        taken: list[tuple[str, list[str], bytes]] = []

        async def exists(address: str) -> bool:
            return address == "token@example.org"

        async def take(sender: str, recipients: list[str], content: bytes) -> Answer:
            taken.append((sender, recipients, content))
            return Answer(250, "2.0.0 Taken")

        receiver = Receiver(Inbox("example.org", _REACTOR, exists, take, 100_000, 5, 30))
        port = await self.network.listen("tcp:0:interface=127.0.0.1", receiver)
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        content = b"Subject: x\n\n.\n..a\n" + b"x" * 900 + b"\n"
        await sendmail("127.0.0.1", b"friar@lawrence.example", [b"token@example.org"], content, port=number)
        await self.until(lambda: not receiver.open)
        await deferLater(_REACTOR, 0.05)  # the client closes its end
        wanted = content.replace(b"\n", b"\r\n")
        self.assertEqual(taken, [("friar@lawrence.example", ["token@example.org"], wanted)])


class HostileTests(MailTestCase):
    """Whoever connects, and whatever they send."""

    def dialogue(self, *lines: bytes) -> list[int]:
        script = self.connect_mail()
        script.codes()
        for line in lines:
            script.transport.write(line + b"\r\n")
            self.pump()
        codes = script.codes()
        script.transport.loseConnection()
        self.pump()
        return codes

    def test_commands(self) -> None:
        address = self.address().encode()
        for lines, codes in (
            ((b"\xff\xfe",), [500]),
            ((b"",), [500]),
            ((b"AUTH",), [500]),
            ((b"AUTH PLAIN AAAA",), [500]),
            ((b"STARTTLS",), [500]),
            ((b"VRFY root",), [500]),
            ((b"HELO x", b"RCPT TO:<a@b>"), [250, 503]),
            ((b"HELO x", b"MAIL FROM:<a@b>", b"DATA"), [250, 250, 503]),
            ((b"HELO x", b"MAIL FROM:", b"MAIL FROM:<>", b"MAIL FROM:<>"), [250, 501, 250, 503]),
            ((b"HELO x", b"MAIL FROM:<a@b>", b"RCPT TO:<nobody@email.example.org>"), [250, 250, 550]),
            ((b"HELO x", b"MAIL FROM:<a@b>", b"RCPT TO:<a@elsewhere.example>"), [250, 250, 550]),
            ((b"HELO x", b"MAIL FROM:<a@b>", b"RCPT TO:<\xff@b>"), [250, 250, 501]),
            ((b"EHLO x", b"MAIL FROM:<a@b> SIZE=1", b"RCPT TO:<" + address.upper() + b">", b"RSET", b"DATA", b"QUIT"),
             [250, 250, 250, 250, 503, 221]),
        ):  # fmt: skip
            with self.subTest(lines):
                self.assertEqual(self.dialogue(*lines), codes)

    def test_greeting(self) -> None:
        script = self.connect_mail()
        script.transport.write(b"EHLO x\r\n")
        self.pump()
        self.assertTrue(script.answers[0].startswith("220 email.example.org"))
        self.assertEqual({line[4:] for line in script.answers[2:]}, {"SIZE 2000000", "8BITMIME", "ENHANCEDSTATUSCODES"})

    def test_a_line_that_is_too_long(self) -> None:
        """What follows it is not taken for commands."""
        address = self.address().encode()
        codes = self.dialogue(
            b"HELO x", b"MAIL FROM:<a@b>", b"RCPT TO:<" + address + b">", b"DATA", b"x" * 20_000, b"MAIL FROM:<a@b>"
        )
        self.assertEqual(codes, [250, 250, 250, 354, 500])

    def test_recipients(self) -> None:
        address = self.address().encode()
        to = b"RCPT TO:<" + address + b">"
        codes = self.dialogue(b"HELO x", b"MAIL FROM:<a@b>", *[to] * 21, b"DATA", b"From: a@b\r\n\r\nhi\r\n.")
        self.assertEqual(codes, [250, 250, *[250] * 20, 452, 354, 250])
        self.assertEqual(sum("hi" in xml for xml in self.romeo.received), 1)

    def test_several_mails(self) -> None:
        to = b"RCPT TO:<" + self.address().encode() + b">"
        mail = (b"MAIL FROM:<a@b>", to, b"DATA", b"From: a@b\r\n\r\n%d\r\n.")
        codes = self.dialogue(b"HELO x", *mail[:3], mail[3] % 1, *mail[:3], mail[3] % 2)
        self.assertEqual(codes, [250, 250, 250, 354, 250, 250, 250, 354, 250])
        self.assertEqual(sum("<body>" in xml for xml in self.romeo.received), 2)

    def test_bare_line_ends(self) -> None:
        """A mail ends where its server says so, and nowhere else (no smuggling)."""
        to = b"RCPT TO:<" + self.address().encode() + b">"
        content = b"From: a@b\r\n\r\nhi\n.\nMAIL FROM:<c@d>\n\r.\r\nDATA\r\n\r\n."
        self.assertEqual(self.dialogue(b"HELO x", b"MAIL FROM:<a@b>", to, b"DATA", content), [250, 250, 250, 354, 250])

    def test_silence(self) -> None:
        """The option ``smtp_seconds``."""
        script = self.connect_mail()
        self.pump(61)
        self.assertEqual((script.codes(), script.lost), ([220, 421], True))

    def test_cut(self) -> None:
        address = self.address()
        script = self.connect_mail()
        for line in ("HELO x", "MAIL FROM:<a@b>", f"RCPT TO:<{address}>", "DATA", "From: a@b", "", "hi"):
            script.transport.write(line.encode() + b"\r\n")
            self.pump()
        script.transport.abortConnection()
        self.pump(1)
        self.romeo.expect_nothing()


class AnyBytes(SynchronousTestCase):
    @settings(deadline=None)
    @given(
        st.lists(
            st.sampled_from((b"EHLO x", b"MAIL FROM:<a@b>", b"MAIL FROM:<>", b"RCPT TO:<a@b>", b"DATA", b".", b"RSET"))
            | st.binary(max_size=60)
        )
    )
    def test_they_are_answered(self, lines: list[bytes]) -> None:
        """Whatever comes, there is no traceback."""
        taken: list[bytes] = []

        async def exists(address: str) -> bool:
            return True

        async def take(sender: str, recipients: list[str], content: bytes) -> Answer:
            taken.append(content)
            return Answer(250, "2.0.0 Taken")

        clock = Clock()
        connection: Any = Receiver(Inbox("example.org", clock, exists, take, 1000, 5, 30)).buildProtocol(None)
        link = Link(clock, connection)
        connection.makeConnection(link)
        for line in lines:
            connection.dataReceived(line + b"\r\n")
        link.cut()
        self.assertEqual(self.flushLoggedErrors(), [])


class Importing(SynchronousTestCase):
    def test_nothing_asks_the_resolver(self) -> None:
        """A server that has no gateway to mail doesn't load Twisted's SMTP, which looks for the machine's name."""
        look = (
            "import sys, xmppd.plugins.email; print([name for name in sys.modules if name.startswith('twisted.mail')])"
        )
        ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
        self.assertEqual(ended.stdout.strip(), "[]")
