"""TCP connections that write at the end of the reactor's turn instead of asking first whether they may.

Twisted's connections register for writing, wait for the kernel to say that the socket is writable, which it nearly
always is, write, and unregister: two system calls and a trip through the event loop for each stanza. Here what a turn
has written goes out when the turn ends, in one call a connection; only what the kernel does not take is left to the
usual way. See docs/decisions/0008-eager-writes.md.
"""

from __future__ import annotations

from errno import EAGAIN, EWOULDBLOCK
from typing import Any, Protocol

from twisted.internet import tcp, unix
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import ClientFactory

from xmppd.net.admission import Admission
from xmppd.net.newcomers import Newcomers

__all__ = ["EagerConnections", "in_bulk", "make_eager"]

_READ = 8_192  # octets
_BULK = 65_536


class Gathering(Protocol):
    """Gathers what is written in a turn, to write it when the turn ends."""

    def turn_ends(self) -> None: ...


class _Turn:
    """The connections that have something to send when this turn of the reactor ends."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: list[_Eager] = []

    def add(self, connection: _Eager) -> None:
        if not self._waiting:
            self._reactor.callLater(0, self._end)
        self._waiting.append(connection)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()


class _Eager(tcp.Connection):
    """A connection that is flushed when the turn ends."""

    turn: _Turn
    _size = _READ
    _due = False
    _gathering: Gathering | None = None

    def doRead(self) -> Any:
        """Read what is there."""
        return self.read_now()

    def read_now(self) -> Any:
        """Read what is there, up to some stanzas: Python allocates in advance what it asks the kernel for."""
        try:
            data = self.socket.recv(self._size)
        except OSError as error:
            return None if error.args[0] in (EAGAIN, EWOULDBLOCK) else CONNECTION_LOST
        return self._dataReceived(data)

    def bulk(self, much: bool) -> None:
        """See :func:`in_bulk`."""
        self._size = _BULK if much else _READ

    def startWriting(self) -> None:
        """There is something to write, or the connection is to be closed once all is written."""
        if not self.connected:
            super().startWriting()  # it is still being connected
        elif not self._due:
            self._due = True
            self.turn.add(self)

    def write(self, data: bytes) -> None:
        """Keep the bytes until the turn ends. What Twisted's own does, less its trip through the reactor."""
        if not data or not self.connected or self._writeDisconnected:
            return
        self._tempDataBuffer.append(data)
        self._tempDataLen += len(data)
        if self._tempDataLen > self.bufferSize:
            self._maybePauseProducer()
        if not self._due:
            self._due = True
            self.turn.add(self)

    def at_end_of_turn(self, gathering: Gathering) -> None:
        """Let somebody write just before what the turn has written goes out."""
        self._gathering = gathering
        if not self._due:
            self._due = True
            self.turn.add(self)

    def flush(self) -> None:
        """Write; leave to the reactor what the kernel does not take."""
        if self._gathering is not None:
            gathering, self._gathering = self._gathering, None
            gathering.turn_ends()
        self._due = False
        if not self.connected:
            return
        waiting = self._tempDataBuffer
        if waiting and not self.dataBuffer and not self.disconnecting and not self._writeDisconnecting:
            why = self._send(waiting[0] if len(waiting) == 1 else b"".join(waiting))
        else:
            why = self.doWrite()
        if why is not None:
            self.reactor._disconnectSelectable(self, why, False)
        elif self.dataBuffer or self._tempDataLen:
            super().startWriting()

    def _send(self, data: bytes) -> Any:
        """Send what waits, in the usual case: nothing is left of an earlier turn, and the connection stays open."""
        sent = self.writeSomeData(data)
        if isinstance(sent, Exception):
            return sent
        self._tempDataBuffer.clear()
        self._tempDataLen = 0
        if sent < len(data):
            self.dataBuffer, self.offset = data, sent
        elif self.producer is not None and self.producerPaused:
            self.producerPaused = False
            self.producer.resumeProducing()
        return None


class _EagerServer(_Eager, tcp.Server):
    """A connection that was accepted."""

    #: Whom it waits for to be read, as long as nobody has logged in on it.
    newcomers: Newcomers | None = None
    queued = False
    _paused = False

    def doRead(self) -> Any:
        """Read what is there; or when its turn comes."""
        return self.read_now() if self.newcomers is None else self.newcomers.read(self)

    def promote(self) -> None:
        """Somebody has logged in: it is read whenever there is something to read."""
        self.newcomers = None

    def admitted(self) -> None:
        """Its turn has come."""
        if self.connected and not self._paused:
            self.startReading()
            why = self.read_now()
            if why is not None:
                self.reactor._disconnectSelectable(self, why, True)

    def pauseProducing(self) -> None:
        """See IPushProducer."""
        self._paused = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self._paused = False
        super().resumeProducing()


class _EagerClient(_Eager, tcp.Client):
    """A connection that was made."""

    def _connectDone(self) -> None:
        self.setTcpNoDelay(True)  # see make_eager
        super()._connectDone()


class _EagerConnector(tcp.Connector):
    turn: _Turn

    def _makeTransport(self) -> tcp.Client:
        transport = _EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)
        transport.turn = self.turn
        return transport


class EagerConnections:
    """Makes connections that write eagerly.

    :param reactor: one of Twisted's own; with any other, connections are its usual ones.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._turn = _Turn(reactor)

    def connect(self, host: str, port: int, factory: ClientFactory, timeout: float) -> Any:
        """See IReactorTCP.connectTCP: returns an IConnector."""
        if not isinstance(self._reactor, PosixReactorBase):
            return self._reactor.connectTCP(host, port, factory, timeout)
        connector = _EagerConnector(host, port, factory, timeout, None, self._reactor)
        connector.turn = self._turn
        connector.connect()
        return connector


def in_bulk(transport: Any, much: bool) -> None:
    """Tell a transport that much will come or go, and no stanzas, so that it takes more at once; or no longer."""
    bulk = getattr(transport, "bulk", None)
    if bulk is not None:
        bulk(much)


def make_eager(port: Any, reactor: Any, admission: Admission | None = None) -> None:
    """Let the connections that `port` accepts from now on write eagerly, if it is a TCP port of Twisted's own.

    :param admission: says when it may accept, if not always.
    """
    if not isinstance(port, tcp.Port) or isinstance(port, unix.Port):
        return
    turn = _Turn(reactor)
    newcomers = Newcomers(reactor.callLater)

    def accept(*args: Any) -> _EagerServer:
        connection = _EagerServer(*args)
        connection.turn = turn
        connection.newcomers = newcomers
        # A turn's data goes out in one call anyway. To hold back the next turn's until it is acknowledged (Nagle's
        # algorithm) means 40 ms for whatever takes several, as clients delay their acknowledgements.
        connection.setTcpNoDelay(True)
        return connection

    port.transport = accept  # type: ignore[assignment]
    if admission is not None:
        admission.watch(port, lambda: newcomers.late)
