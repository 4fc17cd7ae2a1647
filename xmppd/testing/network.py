"""A network in memory: what plugins connect to is made by the test, and everything takes a turn of the fake clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.api.http import Headers, Request, Response
from xmppd.api.network import Forbidden, IPort, NoConnection, Reach
from xmppd.net.reach import allowed, place_of, reach_of
from xmppd.net.s2s.targets import ip_literal
from xmppd.testing.visitor import Visitor

__all__ = ["Link", "MemoryNetwork"]

_PUBLIC = "93.184.215.14"  # what names lead to

Peer = Callable[[], Any]
Web = Callable[[Request], Response]


class Link:
    """One end of a connection in memory: a transport, as far as Twisted's protocols need one.

    :ivar closed: has the connection ended?
    """

    def __init__(self, clock: Clock, protocol: Any) -> None:
        self._clock = clock
        self._protocol = protocol
        self.other: Link = self
        self.closed = False
        self.disconnecting = False
        self._producer: Any = None
        self._paused = False
        self._unread = b""

    def getPeer(self) -> IPv4Address:
        """See ITransport."""
        return IPv4Address("TCP", "127.0.0.1", 1)

    getHost = getPeer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer: who waits to be asked for more is asked in every turn."""
        self._producer = producer
        if not streaming:
            self._produce()

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._producer = None

    def _produce(self) -> None:
        if self._producer is not None and not self.closed:
            self._producer.resumeProducing()
            self._clock.callLater(0, self._produce)

    def write(self, data: bytes) -> None:
        """See ITransport."""
        if not self.closed and not self.disconnecting:
            self._clock.callLater(0, self.other._take, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """See ITransport: what was written still arrives."""
        self.disconnecting = True
        self._clock.callLater(0, self.cut, Failure(ConnectionDone()))

    def loseWriteConnection(self) -> None:
        """See ITCPTransport: the other end does the same in answer."""
        self.loseConnection()

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self.cut()

    def pauseProducing(self) -> None:
        """See IPushProducer: what comes waits."""
        self._paused = True

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self._paused = False
        data, self._unread = self._unread, b""
        if data:
            self._clock.callLater(0, self._take, data)

    def cut(self, reason: Failure | None = None) -> None:
        """Lose the connection at both ends."""
        for end in (self, self.other):
            if not end.closed:
                end.closed = True
                end._protocol.connectionLost(reason or Failure(ConnectionLost()))

    def _take(self, data: bytes) -> None:
        if self._paused:
            self._unread += data
        elif not self.closed:
            self._protocol.dataReceived(data)


class MemoryNetwork:
    """A network of a test. Implements :class:`xmppd.api.network.INetwork`.

    :ivar peers: by endpoint: makes the protocol that a connection meets there. Other endpoints refuse connections.
    :ivar doors: ports that plugins have opened by `accept`, by endpoint.
    :ivar web: answers HTTP requests; None: nobody does. It may raise :class:`NoConnection`.
    :ivar links: of all connections, the plugin's ends, in order.
    :ivar requests: all HTTP requests, in order; their path is the whole URL.
    :ivar over_http2: the URLs that were asked for by HTTP/2.
    :ivar names: IP addresses by the name of a server, for strangers' URLs; other names have public ones.
    :ivar silent: do connections and requests get no answer at all?
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.peers: dict[str, Peer] = {}
        self.doors: dict[str, Callable[[str], Any | None]] = {}
        self.web: Web | None = None
        self.links: list[Link] = []
        self.requests: list[Request] = []
        self.over_http2: list[str] = []
        self.names: dict[str, str] = {}
        self.silent = False

    async def connect(self, endpoint: str, protocol: Any, timeout: float = 30.0) -> Any:
        """See INetwork."""
        await self._pass(endpoint, timeout)
        if endpoint not in self.peers:
            raise NoConnection(f"{endpoint} can't be reached: refused")
        peer = self.peers[endpoint]()
        if peer is None:
            raise NoConnection(f"{endpoint} can't be reached: it closed the connection")
        ours, theirs = Link(self._clock, protocol), Link(self._clock, peer)
        ours.other, theirs.other = theirs, ours
        self.links.append(ours)
        peer.makeConnection(theirs)
        protocol.makeConnection(ours)
        return protocol

    async def listen(self, endpoint: str, factory: Any) -> IPort:
        """See INetwork: what listens is connected to by other plugins only."""
        self.peers[endpoint] = lambda: factory.buildProtocol(None)
        return _Port(self.peers, endpoint)

    async def accept(self, endpoint: str, make: Callable[[str], Any | None]) -> IPort:
        """See INetwork: tests connect to it by :meth:`visit`."""
        if endpoint in self.doors:
            raise NoConnection(f"{endpoint} can't be opened: the address is in use")
        self.doors[endpoint] = make
        return _Port(self.doors, endpoint)

    def visit(self, endpoint: str, host: str = "192.0.2.1") -> Visitor:
        """Connect to a port that a plugin has opened for much data.

        :param host: the address that the visitor comes from.
        :raises NoConnection: the port is not open.
        """
        if endpoint not in self.doors:
            raise NoConnection(f"{endpoint} can't be reached: refused")
        return Visitor(self._clock, self.doors[endpoint](host), host)

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 30.0,
        octets: int = 65_536,
        http2: bool = False,
        public: bool | Reach = False,
    ) -> Response:
        """See INetwork."""
        reach = reach_of(public)
        if reach is not None:
            self._check(url, reach)
        await self._pass(url, timeout)
        if http2:
            self.over_http2.append(url)
        request = Request(method, url, headers=Headers(headers), body=body)
        self.requests.append(request)
        if self.web is None:
            raise NoConnection(f"{url} can't be reached: refused")
        response = self.web(request)
        if len(response.body) > octets:
            raise NoConnection(f"{url} failed: the answer is too long")
        return response

    def _check(self, url: str, reach: Reach) -> None:
        place = place_of(url, reach)
        address = self.names.get(place.host) or ip_literal(place.host) or _PUBLIC
        if not allowed(address, place, reach):
            raise Forbidden(f"{place.host} is not on the public Internet")

    async def _pass(self, what: str, timeout: float) -> None:
        turn: Deferred[None] = Deferred()
        delay = self._clock.callLater(timeout if self.silent else 0, turn.callback, None)
        try:
            await turn
        except CancelledError:
            delay.cancel()  # type: ignore[misc]  # mypy takes the attribute of a DelayedCall for a method
            raise
        if self.silent:
            raise NoConnection(f"{what} did not answer within {timeout:g} seconds")


class _Port:
    def __init__(self, places: dict[str, Any], endpoint: str) -> None:
        self._places, self._endpoint = places, endpoint

    def getHost(self) -> IPv4Address:
        number = self._endpoint.split(":")[1]
        return IPv4Address("TCP", "127.0.0.1", int(number) if number.isdecimal() else 0)

    def stopListening(self) -> None:
        self._places.pop(self._endpoint, None)
