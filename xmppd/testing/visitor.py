"""Somebody who connects to a port of a plugin, in memory: reads slowly, closes one direction, is cut off."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.testing.transport import Peer

__all__ = ["Visitor"]


class Visitor:
    """A connection to a plugin's protocol, see :meth:`xmppd.api.network.INetwork.accept`.

    :param protocol: the plugin's; None if it refused the connection.
    :ivar received: what the plugin has sent, as far as it was read.
    :ivar ended: has the plugin sent all that it will?
    :ivar closed: is the connection at its end? `aborted`: without a word, by the plugin.
    """

    def __init__(self, clock: Clock, protocol: Any | None, host: str) -> None:
        self.received = b""
        self.ended = self.closed = self.aborted = False
        self.transport = _Transport(clock, self, host)
        self.transport.protocol = protocol
        if protocol is None:
            self.closed = True
        else:
            protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """Send bytes; they wait while the plugin doesn't read."""
        self.transport.unread += data
        self.transport.deliver()

    def finish(self) -> None:
        """Say that this was all. The other direction stays open."""
        self.transport.finished = True
        self.transport.deliver()

    def hang_up(self) -> None:
        """Close both directions: the plugin notices when it has read all, or writes."""
        self.transport.deaf = True
        self.finish()

    def cut(self) -> None:
        """Lose the connection, as when a network fails."""
        self.transport.lose(ConnectionLost())

    def stall(self) -> None:
        """Stop reading."""
        self.transport.stalled = True

    def read_on(self) -> None:
        """Read what waits, and all that comes from now on."""
        self.transport.stalled = False
        self.transport.flush()

    def take(self) -> bytes:
        """Return what was received, and forget it."""
        data, self.received = self.received, b""
        return data

    @property
    def waiting(self) -> int:
        """How many octets the plugin's side keeps because they aren't read."""
        return len(self.transport.unsent)

    @property
    def unread(self) -> int:
        """How many octets were sent that the plugin has not read."""
        return len(self.transport.unread)


class _Transport:
    """The plugin's transport; as Twisted's TCP connections do, it closes a direction when all was written."""

    #: Octets that it takes before it asks the producer to pause, and that it reads at once.
    bufferSize = 65_536

    def __init__(self, clock: Clock, visitor: Visitor, host: str) -> None:
        self._clock, self._visitor, self._host = clock, visitor, host
        self.protocol: Any = None
        self.unread = self.unsent = b""
        self.stalled = self.finished = self.deaf = False
        self.disconnecting = False
        self._paused = self._told = self._closing = False
        self._producer: Any = None
        self._producer_paused = False

    # From the visitor

    def deliver(self) -> None:
        while self.unread and not (self._paused or self._visitor.closed or self.disconnecting):
            data, self.unread = self.unread[: self.bufferSize], self.unread[self.bufferSize :]
            self.protocol.dataReceived(data)
        if self.finished and not (self.unread or self._paused or self._told or self._visitor.closed):
            self._told = True
            if not self.disconnecting:
                self.protocol.readConnectionLost()

    def flush(self) -> None:
        if self.stalled or self._visitor.closed:
            return
        if self.unsent and self.deaf:
            self.lose(ConnectionLost())  # the other side answers with a reset
            return
        self._visitor.received += self.unsent
        self.unsent = b""
        if self._producer is not None and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        if self._closing or self.disconnecting:
            self._visitor.ended = True
        if self.disconnecting:
            self._clock.callLater(0, self.lose, ConnectionDone())

    def lose(self, reason: Exception) -> None:
        if self._visitor.closed:
            return
        self._visitor.closed = True
        if self._producer is not None:
            self._producer.stopProducing()
        self.protocol.connectionLost(Failure(reason))

    # From the plugin

    def write(self, data: bytes) -> None:
        if self._visitor.closed or self._visitor.ended:
            return
        self.unsent += data
        self.flush()
        if len(self.unsent) > self.bufferSize and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._producer is not None or not streaming:
            raise RuntimeError("there is a producer already, or it is of the other kind")
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        if self._told:
            raise RuntimeError("there is nothing more to read")
        self._paused = False
        self._clock.callLater(0, self.deliver)

    def loseWriteConnection(self) -> None:
        self._closing = True
        self.flush()

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self.flush()

    def abortConnection(self) -> None:
        if not self._visitor.closed:
            self.disconnecting = self._visitor.aborted = True
            self.unsent = b""
            self._clock.callLater(0, self.lose, ConnectionLost())

    def getPeer(self) -> Peer:
        return Peer(self._host)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """It writes at once."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """It does not go away unseen."""
