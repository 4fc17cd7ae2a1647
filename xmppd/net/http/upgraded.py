"""A connection that another protocol has taken over from HTTP (RFC 9110 section 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.python.failure import Failure

if TYPE_CHECKING:
    from xmppd.net.http.server import HttpServer

__all__ = ["Upgraded"]


class Upgraded:
    """Stands between a transport and another protocol, so that the connection stays counted until it is lost.

    :ivar dataReceived: the protocol's.
    """

    __slots__ = ("_peer", "_protocol", "_server", "dataReceived")

    def __init__(self, protocol: Any, server: HttpServer, peer: str) -> None:
        self.dataReceived = protocol.dataReceived
        self._protocol = protocol
        self._server = server
        self._peer = peer

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._server.left(self._peer)
        self._protocol.connectionLost(reason)
