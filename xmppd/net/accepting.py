"""Ports of plugins that much data passes through: connections that are read in large pieces, and written at once.

Twisted's connections read 64 KiB at a time, and write in the reactor's next turn, once the kernel has said that it
would take something. For a relay that is four system calls for each piece more than it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EWOULDBLOCK
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Door", "make_direct"]

_LEAST, _MOST = 16_384, 262_144  # octets that are read at once


class Door(Factory):
    """Makes protocols for those who connect.

    :param make: see :meth:`xmppd.api.network.INetwork.accept`.
    """

    noisy = False

    def __init__(self, make: Callable[[str], Any | None]) -> None:
        self._make = make

    def buildProtocol(self, addr: Any) -> Protocol | None:
        """See IProtocolFactory."""
        inner = self._make(getattr(addr, "host", ""))
        return None if inner is None else _Accepted(inner)


@implementer(IHalfCloseableProtocol)
class _Accepted(Protocol):
    """Hands a connection on to a protocol that is none of Twisted's classes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.dataReceived = inner.dataReceived  # type: ignore[method-assign]  # one call less for each piece

    def connectionMade(self) -> None:
        self._inner.makeConnection(self.transport)

    def readConnectionLost(self) -> None:
        self._inner.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """We closed our side ourselves."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._inner.connectionLost(reason)


class _Direct(tcp.Server):
    """A connection that was accepted. What is written goes out at once, as far as the kernel takes it."""

    protocol: Any
    _size = _LEAST

    def doRead(self) -> Any:
        """Read what is there. Python allocates in advance what it asks the kernel for: as much as usually comes."""
        size = self._size
        try:
            data = self.socket.recv(size)
        except OSError as error:
            return None if error.args[0] in (EAGAIN, EWOULDBLOCK) else CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        if len(data) == size:
            self._size = min(size * 4, _MOST)
        elif len(data) * 8 < size:
            self._size = max(size // 4, _LEAST)
        self.protocol.dataReceived(data)
        return None

    def write(self, data: bytes) -> None:
        """See ITransport."""
        waits = self.dataBuffer or self._tempDataLen or self.disconnecting or self._writeDisconnecting
        if data and self.connected and not waits:
            try:
                sent = self.socket.send(data)
            except OSError:
                sent = 0  # it would block; or else the next attempt fails as well, where Twisted expects it
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)


def make_direct(port: Any) -> None:
    """Let the connections that `port` accepts from now on be for much data, if it is a TCP port of Twisted's own."""
    if isinstance(port, tcp.Port):
        port.transport = _Direct
