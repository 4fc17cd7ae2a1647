"""Connections of plugins to elsewhere, on loopback: who is there, who isn't, who takes too long; and an HTTP client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET, create_connection, socket
from struct import pack
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.net.tls_peers import issue
from xmppd.api.network import NoConnection
from xmppd.net.network import Network
from xmppd.testing.vendors.server import over_tls


class Plain:
    """A protocol that is none of Twisted's classes."""

    def __init__(self) -> None:
        self.data: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.data.callback(data)

    def connectionLost(self, reason: Any) -> None:
        self.lost.callback(None)


class Echo(Protocol):
    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.loseConnection()


class Connections(TestCase):
    def setUp(self) -> None:
        self.network = Network(reactor)

    async def open(self, factory: Any) -> str:
        port = await self.network.listen("tcp:0:interface=127.0.0.1", factory)
        self.addCleanup(port.stopListening)
        return f"tcp:127.0.0.1:{port.getHost().port}"

    def bad_folder(self) -> str:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
        return str(folder)

    def test_there_and_back(self) -> Deferred[None]:
        return ensureDeferred(self._there_and_back())

    async def _there_and_back(self) -> None:
        protocol = await self.network.connect(await self.open(Factory.forProtocol(Echo)), Plain())
        self.assertEqual(await protocol.data, b"hello")
        await protocol.lost

    def test_nobody(self) -> Deferred[None]:
        return ensureDeferred(self._nobody())

    async def _nobody(self) -> None:
        port = await self.network.listen("tcp:0:interface=127.0.0.1", Factory.forProtocol(Echo))
        number = port.getHost().port
        stopped = port.stopListening()
        if stopped is not None:
            await stopped
        for endpoint, why in (
            (f"tcp:127.0.0.1:{number}", "can't be reached"),
            ("nonsense", "is no endpoint"),
            ("nonsense:1:2", "is no endpoint"),
            ("tcp:127.0.0.1", "is no endpoint"),
            (f"tls:127.0.0.1:{number}:trustRoots={self.bad_folder()}", "is no endpoint"),
        ):
            with self.assertRaisesRegex(NoConnection, why):
                await self.network.connect(endpoint, Plain())
        with self.assertRaisesRegex(NoConnection, "can't be opened"):
            await self.network.listen("tcp:x", Factory.forProtocol(Echo))


class Certificates(TestCase):
    """What servers show with TLS, of an authority that the endpoint names."""

    def setUp(self) -> None:
        self.network = Network(reactor)
        self.authority = issue("An authority", authority=True)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "authority.pem").write_bytes(self.authority.leaf.public_bytes(Encoding.PEM))

    async def connect(self, names: Sequence[x509.GeneralName] | None, host: str = "localhost") -> Plain:
        """Connect to a server with a certificate for those names, and return what has said hello to it."""
        secured = over_tls(Factory.forProtocol(Echo), issue("localhost", names, self.authority))
        port: Any = cast(Any, reactor).listenTCP(0, secured, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        endpoint = f"tls:{host}:port={port.getHost().port}:trustRoots={self.folder}"
        plain: Plain = await self.network.connect(endpoint, Plain())
        return plain

    def test_the_right_name(self) -> Deferred[None]:
        return ensureDeferred(self._right())

    async def _right(self) -> None:
        for host in ("localhost", "local\\host", "timeout=5:host=localhost"):
            protocol = await self.connect([x509.DNSName("localhost")], host)
            self.assertEqual(await protocol.data, b"hello")
            await protocol.lost

    def test_others(self) -> Deferred[None]:
        return ensureDeferred(self._others())

    async def _others(self) -> None:
        for names in (None, [x509.DNSName("*.localhost")], [x509.DNSName("other")], [x509.RFC822Name("a@localhost")]):
            protocol = await self.connect(names)
            await protocol.lost
            self.assertFalse(protocol.data.called)
            self.flushLoggedErrors()  # Twisted logs what it doesn't understand


class Side:
    """One side of a connection that keeps what it is sent, and says when the other side has sent all."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.made: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.made.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def readConnectionLost(self) -> None:
        self.ended.callback(None)

    def connectionLost(self, reason: Any) -> None:
        self.lost.callback(None)


class Accepting(TestCase):
    """Ports for much data."""

    def setUp(self) -> None:
        self.network = Network(reactor)

    async def meet(self) -> tuple[Side, socket]:
        """Return a side of ours, and a socket that is connected to it."""
        side, hosts = Side(), list[str]()

        def make(host: str) -> Side:
            hosts.append(host)
            return side

        port = await self.network.accept("tcp:0:interface=127.0.0.1", make)
        self.addCleanup(port.stopListening)
        client = create_connection(("127.0.0.1", port.getHost().port))
        self.addCleanup(client.close)
        await side.made
        self.assertEqual(hosts, ["127.0.0.1"])
        return side, client

    def test_each_direction_ends_for_itself(self) -> Deferred[None]:
        return ensureDeferred(self._each_direction())

    async def _each_direction(self) -> None:
        side, client = await self.meet()
        client.sendall(b"the file")
        client.shutdown(SHUT_WR)
        await side.ended
        self.assertEqual(side.received, b"the file")
        side.transport.write(b"thank")
        side.transport.write(b"")
        side.transport.write(b" you")
        side.transport.loseWriteConnection()
        self.assertFalse(side.lost.called)
        self.assertEqual(await deferToThread(read_all, client), b"thank you")
        side.transport.loseConnection()
        await side.lost

    def test_written_at_once(self) -> Deferred[None]:
        return ensureDeferred(self._written_at_once())

    async def _written_at_once(self) -> None:
        side, client = await self.meet()
        side.transport.write(b"now")
        self.assertEqual(client.recv(10), b"now")  # the reactor has had no turn

    def test_more_than_the_kernel_takes(self) -> Deferred[None]:
        return ensureDeferred(self._more_than_the_kernel_takes())

    async def _more_than_the_kernel_takes(self) -> None:
        side, client = await self.meet()
        producer = Producer()
        side.transport.registerProducer(producer, True)
        pieces = [bytes([number]) * 100_000 for number in range(200)]
        at_the_pause = 0
        for piece in pieces:
            at_the_pause += not producer.paused
            side.transport.write(piece)
        self.assertLess(at_the_pause, 150)
        side.transport.unregisterProducer()
        side.transport.loseConnection()
        self.assertEqual(await deferToThread(read_all, client), b"".join(pieces))
        await side.lost

    def test_goes_on_when_it_was_taken(self) -> Deferred[None]:
        return ensureDeferred(self._goes_on())

    async def _goes_on(self) -> None:
        side, client = await self.meet()
        producer = Producer()
        side.transport.registerProducer(producer, True)
        written = 0
        while not producer.paused:
            written += side.transport.write(bytes(100_000)) or 100_000
        reading = deferToThread(read_all, client)
        await producer.resumed
        side.transport.unregisterProducer()
        side.transport.loseConnection()
        self.assertEqual(len(await reading), written)
        await side.lost

    def test_the_other_side_is_gone(self) -> Deferred[None]:
        return ensureDeferred(self._gone())

    async def _gone(self) -> None:
        side, client = await self.meet()
        client.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        client.close()  # with a reset
        side.transport.write(b"to nobody")
        await side.lost
        side.transport.write(b"to nobody")

    def test_refused(self) -> Deferred[None]:
        return ensureDeferred(self._refused())

    async def _refused(self) -> None:
        port = await self.network.accept("tcp:0:interface=127.0.0.1", lambda host: None)
        self.addCleanup(port.stopListening)
        with create_connection(("127.0.0.1", port.getHost().port)) as client:
            self.assertEqual(await deferToThread(read_all, client), b"")
        with self.assertRaisesRegex(NoConnection, "can't be opened"):
            await self.network.accept("tcp:x", lambda host: None)


class Producer:
    """Notes whether it is to pause."""

    def __init__(self) -> None:
        self.paused = False
        self.resumed: Deferred[None] = Deferred()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.resumed.callback(None)

    def stopProducing(self) -> None:
        """The connection is lost."""


def read_all(client: socket) -> bytes:
    """Read until the end, in a thread."""
    client.settimeout(30)
    return b"".join(iter(lambda: client.recv(65_536), b""))


class Page(Resource):
    isLeaf = True

    def render(self, request: Any) -> Any:
        if request.path == b"/silent":
            return NOT_DONE_YET
        if request.path == b"/cut":
            request.transport.abortConnection()
            return NOT_DONE_YET
        if request.path == b"/half":
            request.setHeader(b"Content-Length", b"10")
            request.write(b"half")
            request.transport.loseConnection()
            return NOT_DONE_YET
        if request.path == b"/moved":
            request.redirect(b"/")
            return b""
        request.setHeader(b"X-Method", request.method)
        body = request.content.read()
        return body or b"agent " + request.requestHeaders.getRawHeaders(b"User-Agent", [b""])[0]


class Web(TestCase):
    def setUp(self) -> None:
        self.network = Network(reactor)
        site = Site(Page())
        self.port: Any = cast(Any, reactor).listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        self.addCleanup(lambda: ensureDeferred(self.network.close()))
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"

    def test_fetch(self) -> Deferred[None]:
        return ensureDeferred(self._fetch())

    async def _fetch(self) -> None:
        found = await self.network.fetch("GET", self.url)
        self.assertEqual((found.status, found.body, found.headers["x-method"]), (200, b"agent xmppd", "GET"))
        found = await self.network.fetch("POST", self.url, {"Content-Type": "text/x"}, "ä".encode())
        self.assertEqual((found.body, found.headers["X-Method"]), ("ä".encode(), "POST"))
        found = await self.network.fetch("GET", f"{self.url}/moved")
        self.assertEqual(found.status, 302)  # redirections are the caller's

    def test_failures(self) -> Deferred[None]:
        return ensureDeferred(self._failures())

    async def _failures(self) -> None:
        for url, timeout, octets, why in (
            (f"{self.url}/silent", 0.05, 100, "within 0.05 seconds"),
            (f"{self.url}/cut", 5, 100, "failed"),
            (f"{self.url}/half", 5, 100, "broke off"),
            (self.url, 5, 5, "too long"),
            ("gopher://127.0.0.1/", 5, 100, "can't be reached"),
            ("nonsense", 5, 100, "can't be reached"),
            ("http://127.0.0.1:x/", 5, 100, "can't be reached"),
            ("http://ä/", 5, 100, "can't be reached"),
            ("http://127.0.0.1:1/", 5, 100, "can't be reached"),
        ):
            with self.assertRaisesRegex(NoConnection, why, msg=url) as raised:
                await self.network.fetch("GET", url, timeout=timeout, octets=octets)
            # It goes to logs, and what stands behind the server's name may be a key or somebody's message.
            for secret in ("/silent", "/cut", "/half"):
                self.assertNotIn(secret, str(raised.exception))
