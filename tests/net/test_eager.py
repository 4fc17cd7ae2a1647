"""Connections that write when the turn ends, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, UserError
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import TestCase

from xmppd.net.eager import EagerConnections, in_bulk, make_eager

reactor: Any = _reactor
LARGE = bytes(range(256)) * 20_000  # 5 MB: more than any socket's buffer


class Talker(Protocol):
    """A producer that notes when it is told to wait."""

    transport: Any

    def __init__(self) -> None:
        self.made: Deferred[Talker] = Deferred()
        self.lost: Deferred[Any] = Deferred()
        self.received = b""
        self.told: list[str] = []

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)

    def pauseProducing(self) -> None:
        if self.told[-1:] != ["pause"]:  # Twisted says it at each write
            self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        pass


class EagerTests(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        self.talker = Talker()
        await self.connect()
        self.addCleanup(self.client.close)
        self.client.setblocking(False)
        await self.talker.made

    async def connect(self) -> None:
        """Connect the two: the talker has accepted."""
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: self.talker), interface="127.0.0.1")
        make_eager(port, reactor)
        self.addCleanup(port.stopListening)
        self.client = socket.create_connection(("127.0.0.1", port.getHost().port))

    async def turns(self) -> None:
        await deferLater(reactor, 0.01, lambda: None)

    async def read(self, octets: int) -> bytes:
        found = b""
        for _ in range(5_000):
            if len(found) >= octets:
                break
            try:
                found += self.client.recv(1 << 20)
            except BlockingIOError:
                await self.turns()
        return found

    async def test_what_a_turn_wrote_goes_out_together(self) -> None:
        sent: list[bytes] = []
        transport = self.talker.transport
        original: Callable[[bytes], int] = transport.writeSomeData

        def noted(data: bytes) -> int:
            sent.append(data)
            return original(data)

        self.patch(transport, "writeSomeData", noted)
        transport.write(b"one ")
        transport.writeSequence([b"two ", b"three"])
        self.assertEqual(sent, [])
        self.assertEqual(await self.read(13), b"one two three")
        self.assertEqual(sent, [b"one two three"])

    async def test_somebody_writes_when_the_turn_ends(self) -> None:
        transport = self.talker.transport
        told: list[str] = []

        class Gathering:
            def turn_ends(self) -> None:
                told.append("end")
                transport.write(b"gathered ")

        for _ in range(2):
            transport.write(b"at once ")
            transport.at_end_of_turn(Gathering())
            self.assertEqual(told, [])
            self.assertEqual(await self.read(17), b"at once gathered ")
            self.assertEqual(told, ["end"])
            transport.at_end_of_turn(Gathering())
            self.assertEqual(await self.read(9), b"gathered ")
            told.clear()

    async def test_what_comes_in_bulk_is_read_in_larger_pieces(self) -> None:
        pieces: list[int] = []
        self.patch(self.talker, "dataReceived", lambda data: pieces.append(len(data)))
        for much, most in ((False, 8_192), (True, 65_536), (False, 8_192)):
            in_bulk(self.talker.transport, much)
            pieces.clear()
            self.client.setblocking(True)
            self.client.sendall(LARGE[:65_536])
            self.client.setblocking(False)
            while sum(pieces) < 65_536:
                await self.turns()
            self.assertLessEqual(max(pieces), most)
            self.assertEqual(max(pieces) > 8_192, much)

    async def test_what_the_next_turn_wrote_does_not_wait_for_an_acknowledgement(self) -> None:
        self.assertTrue(self.talker.transport.getTcpNoDelay())

    async def test_what_the_kernel_does_not_take_follows(self) -> None:
        for start in range(0, len(LARGE), 10_000):
            self.talker.transport.write(LARGE[start : start + 10_000])
        self.assertEqual(self.talker.told, ["pause"])
        await self.turns()
        self.talker.transport.write(b"end")
        self.assertEqual(self.talker.told, ["pause"])
        self.assertEqual(await self.read(len(LARGE) + 3), LARGE + b"end")
        await self.turns()
        self.assertEqual(self.talker.told, ["pause", "resume"])

    async def test_all_is_written_before_the_connection_ends(self) -> None:
        self.talker.transport.write(LARGE)
        self.talker.transport.loseConnection()
        self.talker.transport.unregisterProducer()
        self.assertEqual(await self.read(len(LARGE)), LARGE)
        await self.talker.lost

    async def test_half_a_connection_can_be_ended(self) -> None:
        self.talker.transport.write(b"bye")
        self.talker.transport.unregisterProducer()
        self.talker.transport.loseWriteConnection()
        self.assertEqual(await self.read(3), b"bye")
        self.client.setblocking(True)
        self.client.sendall(b"still here")
        await self.turns()
        self.assertEqual(self.talker.received, b"still here")
        self.client.close()
        await self.talker.lost

    async def test_large_packets_are_read_whole(self) -> None:
        self.client.setblocking(True)
        self.client.sendall(LARGE[:100_000])
        for _ in range(1_000):
            if len(self.talker.received) >= 100_000:
                break
            await self.turns()
        self.assertEqual(self.talker.received, LARGE[:100_000])

    async def test_a_connection_that_was_cut(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.client.close()
        self.talker.transport.write(b"x")
        await self.turns()
        self.talker.transport.write(b"x")
        await self.talker.lost
        self.talker.transport.write(b"nobody reads this")
        await self.turns()


class _Client(ClientFactory):
    noisy = False

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self.failed: Deferred[Any] = Deferred()

    def buildProtocol(self, address: Any) -> Any:
        return self._talker

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed.callback(reason.value)


class EagerClientTests(EagerTests):
    """The same with a talker that has connected."""

    async def connect(self) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        listening.setblocking(False)
        host, port = listening.getsockname()
        EagerConnections(reactor).connect(host, port, _Client(self.talker), 5.0)
        await self.talker.made
        self.client, _ = listening.accept()

    async def test_it_is_refused(self) -> None:
        factory = _Client(Talker())
        EagerConnections(reactor).connect("127.0.0.1", 1, factory, 5.0)
        self.assertIsInstance(await factory.failed, ConnectionRefusedError)

    async def test_it_is_given_up(self) -> None:
        factory = _Client(Talker())
        EagerConnections(reactor).connect("127.0.0.1", 1, factory, 5.0).disconnect()
        self.assertIsInstance(await factory.failed, UserError)

    def test_reactors_of_others(self) -> None:
        other = MemoryReactor()
        factory = _Client(Talker())
        EagerConnections(other).connect("127.0.0.1", 5269, factory, 5.0)
        self.assertEqual(other.tcpClients, [("127.0.0.1", 5269, factory, 5.0, None)])
