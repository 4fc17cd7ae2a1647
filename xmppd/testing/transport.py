"""A connection in memory: what a server's protocol writes comes to the test at once, unless the test reads slowly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["MemoryTransport", "Peer"]

_BUFFER = 65_536


@dataclass(frozen=True)
class Peer:
    """The address of the other side."""

    host: str
    port: int = 50_000


@implementer(ITransport, IConsumer)
class MemoryTransport:
    """The server's transport of a connection in memory.

    :param deliver: is given what the server writes.
    :ivar stalled: does the other side not read? Then at most 64 KiB are taken before the producer is paused.
    :ivar paused: has the server stopped reading?
    :ivar unread: what was sent to the server while it did not read.
    :ivar unsent: what the server wrote while the other side did not read.
    :ivar stays: does the other side keep the connection open when the server has closed its direction?
    :ivar closed: is the connection at its end? `aborted`: without a word.
    """

    def __init__(self, clock: Clock, peer: Peer, deliver: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._peer = peer
        self._deliver = deliver
        self._producer: Any = None
        self._producer_paused = False
        self.protocol: Any = None
        self.stalled = False
        self.stays = False
        self.paused = False
        self.unread = b""
        self.unsent = b""
        self.disconnecting = False
        self.closed = False
        self.aborted = False

    def connect(self, protocol: Any) -> None:
        """Begin, with the server's protocol."""
        self.protocol = protocol
        protocol.makeConnection(self)

    # The test's side

    def receive(self, data: bytes) -> None:
        """Send bytes to the server; they wait while it does not read."""
        if self.paused:
            self.unread += data
        elif not self.closed and (not self.disconnecting or self.stays):
            self.protocol.dataReceived(data)

    def read_on(self) -> None:
        """Take what the server wrote meanwhile, and all that comes from now on."""
        self.stalled = False
        data, self.unsent = self.unsent, b""
        if data:
            self._deliver(data)
        if self._producer is not None and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self.disconnecting and not self.unsent and not self.stays:
            self._end(ConnectionDone())

    def cut(self) -> None:
        """Lose the connection, as when a network fails."""
        self._lost(ConnectionLost())

    def vanish(self) -> None:
        """Lose the connection without the server noticing: as when it is killed."""
        self.closed = True

    def hang_up(self) -> None:
        """Close the connection in good order, from the other side."""
        self._lost(ConnectionDone())

    # The server's side

    def write(self, data: bytes) -> None:
        """See ITransport."""
        if self.closed or self.aborted:
            return
        if not isinstance(data, bytes):
            raise TypeError(f"bytes are written to a transport, not {type(data).__name__}")
        if not self.stalled:
            self._deliver(data)
            return
        self.unsent += data
        if len(self.unsent) > _BUFFER and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """See ITransport."""
        self.stays = False
        self.loseWriteConnection()

    def loseWriteConnection(self) -> None:
        """See ITCPTransport. The other side does the same in answer, unless it `stays`."""
        self.disconnecting = True
        if not self.unsent and not self.stays:
            self._end(ConnectionDone())

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        if not self.aborted:
            self.aborted = self.disconnecting = True
            self._end(ConnectionLost())

    def _end(self, reason: Exception) -> None:
        self._clock.callLater(0, self._lost, reason)

    def _lost(self, reason: Exception) -> None:
        if self.closed:
            return
        self.closed = True
        if self._producer is not None:
            self._producer.stopProducing()
        self.protocol.connectionLost(Failure(reason))

    def getPeer(self) -> Peer:
        """See ITransport."""
        return self._peer

    def getHost(self) -> Peer:
        """See ITransport."""
        return Peer("127.0.0.1", 5222)

    def pauseProducing(self) -> None:
        """See IPushProducer."""
        self.paused = True

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self.paused = False
        if self.unread:
            self._clock.callLater(0, self._catch_up)

    def _catch_up(self) -> None:
        data, self.unread = self.unread, b""
        self.receive(data)

    def stopProducing(self) -> None:
        """See IPushProducer."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._producer = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See ITCPTransport."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """See ITCPTransport."""
