"""HTTP/2 over TLS on loopback: connections that are shared, lost, refused and given up, and what is asked again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from cryptography import x509
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame
from OpenSSL import crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.net.tls_peers import issue
from xmppd.api.http import Headers, Request, Response
from xmppd.api.network import NoConnection, Reach
from xmppd.net.http2 import Query
from xmppd.net.http2_client import Http2Client
from xmppd.net.network import Network
from xmppd.testing.authority import authority_pem, certificate, self_signed
from xmppd.testing.vendors.server import Answering, Http2Server, WebFactory, over_tls

ROOTS: Any = trustRootFromCertificates([Certificate(crypto.load_certificate(crypto.FILETYPE_PEM, authority_pem()))])
LOOPBACK = Reach.of(["127.0.0.0/8", "::1"])


def echo(request: Request) -> Response:
    return Response(200, request.method.encode() + b" " + request.body, headers=Headers({"x-path": request.path}))


class Silent(Http2Server):
    """Doesn't answer, as long as it is silent."""

    silent = True

    def asked(self, number: int) -> None:
        """See Http2Server."""
        if not self.silent:
            super().asked(number)


class Refusing(Http2Server):
    """Has looked at nothing."""

    def asked(self, number: int) -> None:
        """See Http2Server."""
        self.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)


class Leaving(Http2Server):
    """Answers one request, and says goodbye before the next."""

    def asked(self, number: int) -> None:
        """See Http2Server."""
        if number == 1:
            super().asked(number)
            return
        frame = GoAwayFrame(0)
        frame.last_stream_id = 1
        self.transport.write(frame.serialize())


class Case(TestCase):
    def setUp(self) -> None:
        self.network = Network(reactor, ROOTS)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.network.close()))

    def open(
        self, answer: Answering = echo, make: Callable[[Answering], Http2Server] = Http2Server, **more: Any
    ) -> WebFactory:
        factory = WebFactory(answer, make)
        secured = over_tls(factory, more.pop("credentials", certificate("localhost")), **more)
        port: Any = cast(Any, reactor).listenTCP(0, secured, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.url = f"https://localhost:{port.getHost().port}"
        return factory

    def fetch(self, path: str = "/", method: str = "GET", body: bytes = b"", **more: Any) -> Deferred[Response]:
        more = {"timeout": 10, "http2": True, **more}
        return Deferred.fromCoroutine(self.network.fetch(method, f"{self.url}{path}", {"X-Asked": "1"}, body, **more))

    async def assertFails(self, why: str, **more: Any) -> None:
        with self.assertRaisesRegex(NoConnection, why):
            await self.fetch(**more)


def run(method: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Deferred[None]]:
    """Let trial run a test that is a coroutine."""

    def wrapped(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(method(self))

    wrapped.__name__ = method.__name__
    return wrapped


class Requests(Case):
    @run
    async def test_one_connection_for_all(self) -> None:
        factory = self.open()
        found = await gatherResults([self.fetch(f"/{number}?q", "POST", b"hello") for number in range(150)])
        self.assertEqual({answer.body for answer in found}, {b"POST hello"})
        self.assertEqual({answer.headers["X-Path"] for answer in found}, {f"{self.url}/{n}?q" for n in range(150)})
        await self.fetch()
        (connection,) = factory.made
        self.assertLessEqual(connection.most, 100)

    @run
    async def test_http_1_by_the_same_server(self) -> None:
        factory = self.open()
        found = await self.fetch("/x", "POST", b"hello", http2=False)
        self.assertEqual((found.body, found.headers["x-path"]), (b"POST hello", f"{self.url}/x"))
        self.assertEqual(factory.made, [])

    @run
    async def test_the_server_says_goodbye(self) -> None:
        factory = self.open(make=Leaving)
        for _ in range(3):
            self.assertEqual((await self.fetch()).status, 200)
        self.assertEqual(len(factory.made), 3)

    @run
    async def test_the_server_has_lost_the_connection(self) -> None:
        factory = self.open()
        await self.fetch()
        factory.made[0].transport.abortConnection()
        try:
            await self.fetch()
        except NoConnection as error:
            self.assertIn("the connection was lost", str(error))
        self.assertEqual((await self.fetch()).status, 200)
        self.assertEqual(len(factory.made), 2)

    @run
    async def test_never_asked_again_for_ever(self) -> None:
        factory = self.open(make=Refusing)
        await self.assertFails("cut it off")
        self.assertEqual(len(factory.made), 1)

    @run
    async def test_too_slow(self) -> None:
        factory = self.open(make=Silent)
        await self.assertFails("did not answer within 0.2 seconds", timeout=0.2)
        cast(Silent, factory.made[0]).silent = False
        self.assertEqual((await self.fetch()).status, 200)  # the connection is as good as before
        self.assertEqual(len(factory.made), 1)

    @run
    async def test_too_long(self) -> None:
        self.open(lambda request: Response(200, bytes(1_000)))
        await self.assertFails("the answer is too long", octets=999)
        self.assertEqual(len((await self.fetch(octets=1_000)).body), 1_000)

    @run
    async def test_header_fields_with_more_in_them(self) -> None:
        self.open()
        with self.assertRaisesRegex(NoConnection, "characters"):
            await self.network.fetch("GET", self.url, {"X": "a\r\nY: b"}, http2=True)


class Connecting(Case):
    @run
    async def test_a_server_without_http_2(self) -> None:
        self.open(protocols=())
        await self.assertFails("does not speak HTTP/2")

    @run
    async def test_certificates(self) -> None:
        for credentials in (
            self_signed("localhost"),
            certificate("other.example"),
            certificate("localhost", expired=True),
        ):
            factory = self.open(credentials=credentials)
            await self.assertFails("the connection was lost|failed")
            self.assertEqual([one.most for one in factory.made], [0] * len(factory.made))

    @run
    async def test_certificates_that_name_nobody(self) -> None:
        """A known authority has issued them, but what they say of names can't be understood, or is not there."""
        authority = issue("An authority", authority=True)
        root = Certificate(crypto.X509.from_cryptography(authority.leaf))
        self.network = Network(reactor, trustRootFromCertificates([root]))
        for names in (None, [x509.DNSName("*.localhost")], [x509.RFC822Name("romeo@localhost")]):
            for http2 in (True, False):
                self.open(credentials=issue("localhost", names, authority))
                await self.assertFails("certificate verify failed", http2=http2)

    @run
    async def test_nobody(self) -> None:
        self.url = "https://localhost:1"
        await self.assertFails("https://localhost failed: ")

    @run
    async def test_a_server_that_is_silent_from_the_first(self) -> None:
        port: Any = cast(Any, reactor).listenTCP(0, Silence(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.url = f"https://localhost:{port.getHost().port}"
        await self.assertFails("did not answer within 0.2 seconds", timeout=0.2)

    @run
    async def test_only_with_tls(self) -> None:
        self.url = "http://localhost:1"
        await self.assertFails("needs https")

    @run
    async def test_closed(self) -> None:
        self.open(make=Silent)
        asked = self.fetch()
        await self.fetch(timeout=0.2).addErrback(lambda _: None)
        await self.network.close()
        with self.assertRaisesRegex(NoConnection, "the connection was closed"):
            await asked


class Public(Case):
    """Where strangers' URLs lead, over real sockets."""

    @run
    async def test_loopback_is_not_public(self) -> None:
        factory = self.open()
        for http2 in (True, False):
            await self.assertFails("localhost is to be asked at port", public=True, http2=http2)
            reach = Reach.of([], [int(self.url.rpartition(":")[2])])
            await self.assertFails("localhost is not on the public Internet", public=reach, http2=http2)
        self.assertEqual(factory.made, [])

    @run
    async def test_unless_it_is_exempt(self) -> None:
        self.open()
        for http2 in (True, False):
            self.assertEqual((await self.fetch(public=LOOPBACK, http2=http2)).status, 200)

    @run
    async def test_other_spellings_of_loopback(self) -> None:
        self.open()
        port = int(self.url.rpartition(":")[2])
        for host in ("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]"):
            self.url = f"https://{host}:{port}"
            await self.assertFails("", public=Reach.of([], [port]), http2=False)

    @run
    async def test_header_fields_without_end(self) -> None:
        port: Any = cast(Any, reactor).listenTCP(0, Factory.forProtocol(Endless), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.url = f"http://127.0.0.1:{port.getHost().port}"
        await self.assertFails("failed", public=LOOPBACK, http2=False)

    @run
    async def test_a_connection_is_not_used_by_those_who_may_not(self) -> None:
        factory = self.open()
        port = int(self.url.rpartition(":")[2])
        await self.fetch(public=LOOPBACK)
        await self.assertFails("not on the public Internet", public=Reach.of([], [port]))
        await self.fetch()
        self.assertEqual(len(factory.made), 2)


class Endless(Protocol):
    """Answers with header fields without end."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\n")
        self.go_on()

    def go_on(self) -> None:
        if not self.transport.disconnected:
            self.transport.write(b"X-More: more\r\n" * 5_000)
            cast(Any, reactor).callLater(0, self.go_on)


class Silence(WebFactory):
    """Accepts connections, and says nothing."""

    def __init__(self) -> None:
        super().__init__(echo)

    def buildProtocol(self, address: Any) -> Any:
        """See IProtocolFactory."""
        return Protocol()


class Wire(StringTransport):
    """A connection in memory."""

    negotiatedProtocol = b"h2"
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Endpoint:
    """Connects at once."""

    def __init__(self) -> None:
        self.wire = Wire()

    def connect(self, factory: Any) -> Deferred[Any]:
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(self.wire)
        done: Deferred[Any] = Deferred()
        done.callback(self.protocol)
        return done


class SignsOfLife(SynchronousTestCase):
    """Time, on a fake clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.client = Http2Client(self.clock)
        self.endpoint = Endpoint()
        self.server = Http2Server(echo)
        self.theirs = StringTransport()
        self.server.makeConnection(self.theirs)
        asked = Deferred.fromCoroutine(self.client.ask("x", lambda: self.endpoint, Query("GET", "https", "x", "/")))
        self.endpoint.protocol.handshakeCompleted()
        self.exchange()
        self.assertEqual(self.successResultOf(asked).body, b"GET ")

    def exchange(self) -> None:
        while self.endpoint.wire.value() or self.theirs.value():
            ours, theirs = self.endpoint.wire.value(), self.theirs.value()
            self.endpoint.wire.clear()
            self.theirs.clear()
            if ours:
                self.server.dataReceived(ours)
            if theirs:
                self.endpoint.protocol.dataReceived(theirs)

    def test_pings_while_it_is_idle(self) -> None:
        self.clock.advance(29)
        self.assertEqual(self.endpoint.wire.value(), b"")
        self.clock.advance(1)
        self.assertIn(b"\x06", self.endpoint.wire.value()[3:4])
        self.exchange()
        self.clock.advance(10)
        self.assertFalse(self.endpoint.wire.aborted)

    def test_a_server_that_is_gone(self) -> None:
        self.clock.advance(30)
        asked = Deferred.fromCoroutine(self.client.ask("x", lambda: self.endpoint, Query("GET", "https", "x", "/")))
        self.clock.advance(10)
        self.assertTrue(self.endpoint.wire.aborted)
        self.failureResultOf(asked, NoConnection)
        self.endpoint.protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed_when_nobody_asks(self) -> None:
        for _ in range(70):
            self.clock.advance(10)
            self.exchange()
        self.assertTrue(self.endpoint.wire.disconnecting)
        self.assertTrue(self.endpoint.wire.aborted)  # it has not closed its side
        self.endpoint.protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
