"""The HTTP server (RFC 9110, RFC 9112): what all connections share, and how many there may be."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from xmppd.api.interfaces import IClock
from xmppd.core.settings import Http
from xmppd.net.http.answers import Fields, Heads, last_words
from xmppd.net.http.connection import Connection
from xmppd.net.http.cors import Origins
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.origin import Origin, host_of
from xmppd.net.http.routes import Routes
from xmppd.net.peers import Networks, PeerCounter, address_of

__all__ = ["HttpServer"]


class _Refused:
    """A connection that is one too many."""

    tls = None

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        transport.write(last_words(503))
        transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""

    def connectionLost(self, reason: object) -> None:
        """See IProtocol."""


@implementer(IProtocolFactory)
class HttpServer:
    """What HTTP ports are made with.

    :param routes: who answers.
    :param clock: times requests, and dates answers.
    :param exempt: from the limit on connections from one address.
    :ivar limits: the settings in force.
    :ivar origins: the origins whose pages may ask from within browsers.
    :ivar heads: renders heads of answers.
    :ivar peers: counts connections.
    """

    def __init__(self, routes: Routes, clock: IClock, limits: Http, exempt: Networks) -> None:
        self.routes = routes
        self.clock = clock
        self.heads = Heads(clock)
        self.peers = PeerCounter()
        self.limits, self.origins = limits, Origins(())
        self.reconfigure(limits, exempt)

    def reconfigure(self, limits: Http, exempt: Networks) -> None:
        """Put other limits in force.

        :param exempt: from the limit on connections from one address.
        """
        self.limits = limits
        self.origins = Origins(limits.cors_origins)
        self.peers.set_limits(limits.connections, limits.connections_per_address, exempt)

    # The factory of connections

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""

    def buildProtocol(self, addr: IAddress) -> Any:
        """See IProtocolFactory."""
        peer = address_of(addr)
        if self.peers.enter(peer) is not None:
            return _Refused()
        return Connection(self, peer)

    # What connections tell and ask

    def left(self, peer: str) -> None:
        """A connection is lost."""
        self.peers.leave(peer)

    def finished(self, exchange: Exchange, connection: Connection) -> None:
        """A request was answered."""

    def refused(self, connection: Connection, code: int) -> None:
        """Something was refused that was no whole request."""

    def additions(self, exchange: Exchange) -> Fields:
        """Return header fields that the server adds to an answer."""
        return self.origins.fields(exchange.fields.get(b"origin")) if exchange.cors else ()

    def origin_of(self, exchange: Exchange, peer: str, secure: bool) -> Origin:
        """Return where a request comes from, and whom it is for.

        :param peer: the other end of the connection.
        :param secure: does TLS protect it?
        """
        named = exchange.named.encode("latin-1") or exchange.fields.get(b"host", b"")
        return Origin(peer, host_of(named) or "", secure)
