"""The HTTP server (RFC 9110, RFC 9112): what all connections share, how many there may be, and whom is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from xmppd.api.interfaces import IClock
from xmppd.core.settings import Http
from xmppd.net.http.access_log import AccessLog
from xmppd.net.http.answers import Fields, Heads
from xmppd.net.http.connection import Connection
from xmppd.net.http.cors import Origins
from xmppd.net.http.counting import Counts
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.heads import BadRequest
from xmppd.net.http.origin import Origin, Untold, forwarded, host_of
from xmppd.net.http.parsing import Unfinished
from xmppd.net.http.proxy_protocol import Announced
from xmppd.net.http.routes import Routes
from xmppd.net.peers import Networks, PeerCounter, address_of

__all__ = ["HttpServer", "Secure", "Wrap"]

Wrap = Callable[[Any], Any]
"""Puts TLS before a connection."""
_UNIX = "unix"


class _Refused:
    """A connection that is one too many."""

    tls = None

    def __init__(self, heads: Heads) -> None:
        self._heads = heads

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        transport.write(self._heads.last_words(503))
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
    :param exempt: networks without a limit on connections from one address.
    :ivar limits: the settings in force.
    :ivar heads: renders heads of answers.
    :ivar peers: counts connections.
    :ivar counts: counts requests.
    :ivar unfinished: counts octets of bodies that are not complete.
    :ivar origins: the origins whose pages may ask from within browsers.
    :ivar access_log: the log of requests.
    """

    def __init__(self, routes: Routes, clock: IClock, limits: Http, exempt: tuple[str, ...] = ()) -> None:
        self.routes = routes
        self.clock = clock
        self.heads = Heads(clock)
        self.peers = PeerCounter()
        self.counts = Counts()
        self.unfinished = Unfinished()
        self.access_log = AccessLog()
        self.reconfigure(limits, exempt)

    def reconfigure(self, limits: Http, exempt: tuple[str, ...] = ()) -> None:
        """Put other settings in force, and begin the log of requests anew.

        :param exempt: networks without a limit on connections from one address.
        """
        self.limits = limits
        self.unfinished.most = limits.unfinished_octets
        self.origins = Origins(limits.cors_origins)
        self._proxies = Networks(limits.trusted_proxies)
        self._announced = Networks(limits.proxy_protocol_networks)
        # Of a proxy there may be as many connections as it has clients.
        many = Networks((*exempt, *limits.trusted_proxies, *limits.proxy_protocol_networks))
        self.peers.set_limits(limits.connections, limits.connections_per_address, many)
        self._hsts: Fields = ()
        if limits.hsts_seconds:
            self._hsts = ((b"Strict-Transport-Security", b"max-age=%d" % limits.hsts_seconds),)
        self.access_log.open(limits.access_log)

    # The factory of connections

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""

    def buildProtocol(self, addr: IAddress) -> Any:
        """See IProtocolFactory."""
        return self.accept(addr, None)

    def accept(self, addr: IAddress, wrap: Wrap | None) -> Any:
        """Return the protocol of a connection that was accepted, or None for none.

        :param wrap: puts TLS before it.
        """
        peer = address_of(addr)
        if peer != _UNIX and peer in self._announced:
            if self.peers.enter(peer) is not None:
                return None
            return Announced(self, peer, wrap)
        return self.connect(peer, wrap)

    def connect(self, peer: str, wrap: Wrap | None, assured: bool = False) -> Any:
        """Return what talks with a client.

        :param peer: the client's address.
        :param wrap: puts TLS before it.
        :param assured: is the client's connection, to a proxy before us, protected by TLS?
        """
        if self.peers.enter(peer) is not None:
            refused = _Refused(self.heads)
            return refused if wrap is None else wrap(refused)
        connection = Connection(self, peer, assured)
        return connection if wrap is None else wrap(connection)

    # What connections tell and ask

    def left(self, peer: str) -> None:
        """A connection is lost."""
        self.peers.leave(peer)

    def finished(self, exchange: Exchange) -> None:
        """A request was answered."""
        now = self.clock.seconds()
        path = exchange.path if exchange.path in self.routes.doors else ""
        self.counts.add(path, exchange.code, now - exchange.began)
        if self.access_log:
            self.access_log.tell(now, exchange, exchange.peer)

    def refused(self, connection: Connection, code: int) -> None:
        """Something was refused that was no whole request."""
        self.counts.add_refused(code)
        if self.access_log:
            self.access_log.tell_refused(self.clock.seconds(), connection.peer, code)

    def additions(self, exchange: Exchange) -> Fields:
        """Return header fields that the server adds to an answer."""
        added = self.origins.fields(exchange.fields.get(b"origin")) if exchange.cors else ()
        return (*added, *self._hsts) if self._hsts and exchange.secure else added

    def is_proxy(self, peer: str) -> bool:
        """Is the other end a proxy whose word counts?"""
        return peer in self._proxies

    def origin_of(self, exchange: Exchange, peer: str, secure: bool, proxied: bool) -> Origin:
        """Return where a request comes from, and whom it is for.

        :param peer: the other end of the connection.
        :param secure: does TLS protect it?
        :param proxied: is it a proxy whose word counts?
        :raises BadRequest: the words of proxies contradict each other.
        """
        named = exchange.named.encode("latin-1") or exchange.fields.get(b"host", b"")
        direct = Origin(peer, host_of(named) or "", secure)
        if not proxied:
            return direct
        try:
            return forwarded(exchange.fields, direct, self.is_proxy)
        except Untold:
            raise BadRequest(400) from None


@implementer(IProtocolFactory)
class Secure:
    """What HTTPS ports are made with.

    :param wrap: puts TLS before a connection.
    """

    def __init__(self, server: HttpServer, wrap: Wrap) -> None:
        self._server = server
        self._wrap = wrap

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""

    def buildProtocol(self, addr: IAddress) -> Any:
        """See IProtocolFactory."""
        return self._server.accept(addr, self._wrap)
