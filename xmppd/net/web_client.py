"""HTTP requests of the server (RFC 9110): by HTTP/1.1 with Twisted's client, or by HTTP/2.

Whoever has given us the URL, TLS is checked against its name, and for strangers' URLs the address is looked at that the
name leads to: it is resolved once, and what was looked at is connected to. A name that leads elsewhere the next time
(DNS rebinding) gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredSemaphore, maybeDeferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import platformTrust
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from xmppd.api.http import Headers, Response
from xmppd.api.network import Forbidden, NoConnection, Reach
from xmppd.net.http2 import Query
from xmppd.net.http2_client import Http2Client
from xmppd.net.reach import Place, allowed, place_of
from xmppd.net.tls.web import WebTls

__all__ = ["WebClient"]

_IDLE = 60  # seconds that a connection by HTTP/1.1 is kept for the next request
_IDLE_STRANGER = 10  # the same, of a stranger: each may have as many names as they like
_LOOKED_UP = 4  # names of strangers at a time
_LONGEST = 1 << 20  # octets of a stranger's answer, head and all
_AGENT = "xmppd"


class WebClient:
    """All requests of a server.

    :param roots: the authorities whose certificates servers may show, as :mod:`twisted.internet.ssl` has them; None:
        those that the system trusts.
    """

    def __init__(self, reactor: Any, roots: Any = None) -> None:
        self._reactor = reactor
        self._roots = roots
        self._names = _Names(reactor)
        self._pools: dict[Reach | None, HTTPConnectionPool] = {}
        self._http2 = Http2Client(reactor)

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, octets: int, reach: Reach | None
    ) -> Response:
        """Send a request by HTTP/1.1.

        :param octets: of the answer's body at most.
        :param reach: how far the URL may lead; None: anywhere.
        :raises Forbidden: it leads farther.
        """
        if reach is not None:
            place_of(url, reach)
        pool = self._pools.get(reach)
        if pool is None:  # a connection that was made within one reach is not used within another
            pool = self._pools[reach] = HTTPConnectionPool(self._reactor)
            pool.cachedConnectionTimeout = _IDLE if reach is None else _IDLE_STRANGER
            pool.retryAutomatically = False  # whoever asks knows better what may be asked twice
        agent = Agent.usingEndpointFactory(
            self._reactor, _Endpoints(self._reactor, self._roots, reach, self._names), pool
        )
        fields = WebHeaders({name.encode("ascii"): [value.encode("utf-8")] for name, value in headers.items()})
        fields.setRawHeaders(b"User-Agent", [_AGENT.encode()])
        producer: Any = _Body(body) if body else None
        URI.fromBytes(url.encode("ascii"))  # says what is wrong with it, if something is
        answer: Any = await agent.request(method.encode("ascii"), url.encode("ascii"), fields, producer)
        reader = _Reader(octets)
        answer.deliverBody(reader)
        content = await reader.whole
        raw = answer.headers.getAllRawHeaders()
        found = Headers({name.decode("latin-1"): b", ".join(values).decode("latin-1") for name, values in raw})
        return Response(answer.code, content, found.get("content-type", ""), found)

    async def ask_http2(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, octets: int, reach: Reach | None
    ) -> Response:
        """The same by HTTP/2."""
        parts = urlsplit(url)
        place = place_of(url, reach) if reach is not None else _place(url)
        if place.scheme != "https":
            raise NoConnection("HTTP/2 needs https://")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"user-agent": _AGENT, **{name.lower(): value for name, value in headers.items()}}
        query = Query(method, place.scheme, parts.netloc, target, tuple(_checked(fields).items()), body, octets)
        endpoints = _Endpoints(self._reactor, self._roots, reach, self._names)
        try:
            answer = await self._http2.ask((place, reach), lambda: endpoints.to(place, [b"h2"]), query)
        except NoConnection as error:
            raise NoConnection(f"https://{place.host} failed: {error}") from None
        joined: dict[str, str] = {}
        for name, value in answer.fields:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return Response(answer.status, answer.body, joined.get("content-type", ""), Headers(joined))

    async def close(self) -> None:
        """Close what is kept open."""
        for pool in self._pools.values():
            await maybeDeferred(pool.closeCachedConnections)
        await self._http2.close()


def _place(url: str) -> Place:
    parts = urlsplit(url)
    if not parts.hostname:
        raise NoConnection("the URL names no server")
    return Place(parts.scheme, parts.hostname, parts.port or 443)


def _checked(fields: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in fields.items():
        if any(character in name + value for character in "\r\n\0"):
            raise NoConnection(f"the header field {name!r} has characters that it can't have")
    return fields


# Connecting


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Makes the endpoints of one kind of request."""

    def __init__(self, reactor: Any, roots: Any, reach: Reach | None, names: _Names) -> None:
        self._reactor = reactor
        self._roots = roots or platformTrust()
        self._reach = reach
        self._names = names

    def endpointForURI(self, uri: URI) -> Any:
        """See IAgentEndpointFactory."""
        endpoint = self.to(Place(uri.scheme.decode("ascii"), uri.host.decode("ascii"), uri.port))
        return endpoint if self._reach is None else _Bounded(endpoint)

    def to(self, place: Place, protocols: list[bytes] | None = None) -> Any:
        """Return what connects to a server.

        :param protocols: what is offered by ALPN (RFC 7301).
        """
        if place.scheme not in ("http", "https"):
            raise SchemeNotSupported(f"{place.scheme}:// is not supported")
        endpoint: Any = HostnameEndpoint(self._reactor, place.host, place.port)
        if self._reach is not None:
            endpoint = _Checked(self._reactor, place, self._reach, self._names)
        if place.scheme == "http":
            return endpoint
        tls: Any = WebTls(place.host, self._roots, protocols)
        return wrapClientTLS(tls, endpoint)


@implementer(IStreamClientEndpoint)
class _Checked:
    """Connects to a server at the addresses that may be reached."""

    def __init__(self, reactor: Any, place: Place, reach: Reach, names: _Names) -> None:
        self._reactor, self._place, self._reach, self._names = reactor, place, reach, names

    def connect(self, factory: Factory) -> Deferred[Any]:
        """See IStreamClientEndpoint. Fails with Forbidden if there is no such address."""
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: Factory) -> Any:
        place = self._place
        found = await self._names.addresses(place)
        if not found:
            raise DNSLookupError(f"{place.host} has no address")
        good = [address for address in found if allowed(address.host, place, self._reach)]
        if not good:
            raise Forbidden(f"{place.host} is not on the public Internet")
        target: Any = HostnameEndpoint(_Known(self._reactor, good), place.host, place.port)
        return await target.connect(factory)


class _Meter(ProtocolWrapper):
    """Counts what a stranger answers: Twisted's client would take header fields without end."""

    _received = 0

    def write(self, data: bytes) -> None:
        """See ITransport: this is the next request."""
        self._received = 0
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        self._received += len(data)
        if self._received > _LONGEST:
            self.abortConnection()
        else:
            super().dataReceived(data)


class _Metered(WrappingFactory):
    """Makes these."""

    noisy = False
    protocol = _Meter


@implementer(IStreamClientEndpoint)
class _Bounded:
    """Connects, and cuts the connection if an answer gets too long."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    async def _connect(self, factory: Any) -> Any:
        meter = await self._endpoint.connect(_Metered(factory))
        return meter.wrappedProtocol

    def connect(self, factory: Any) -> Deferred[Any]:
        """See IStreamClientEndpoint."""
        return Deferred.fromCoroutine(self._connect(factory))


@implementer(IResolutionReceiver)
class _Answers:
    """Gathers the addresses of a name.

    :param ended: called when there are no more.
    """

    def __init__(self, ended: Callable[[], object]) -> None:
        self._ended = ended
        self._found: list[Any] = []
        self.done: Deferred[list[Any]] = Deferred()

    def resolutionBegan(self, resolution: Any) -> None:
        """See IResolutionReceiver."""

    def addressResolved(self, address: Any) -> None:
        """See IResolutionReceiver."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """See IResolutionReceiver."""
        self._ended()
        self.done.callback(self._found)


class _Names:
    """Looks names of strangers up, a few at a time.

    Each takes one of the reactor's threads for as long as the name's servers like, whether anybody waits for it still
    or not; passwords are checked in those, too.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._turns = DeferredSemaphore(_LOOKED_UP)

    async def addresses(self, place: Place) -> list[Any]:
        """Return the addresses of a server."""
        await self._turns.acquire()
        answers = _Answers(self._turns.release)
        self._reactor.nameResolver.resolveHostName(answers, place.host, place.port)
        return await answers.done


@implementer(IReactorPluggableNameResolver)
class _Known:
    """A reactor in which a name has the addresses that were found, and no others."""

    def __init__(self, reactor: Any, addresses: Sequence[IPv4Address | IPv6Address]) -> None:
        self._addresses = addresses
        self.nameResolver = self
        self.connectTCP, self.callLater, self.seconds = reactor.connectTCP, reactor.callLater, reactor.seconds

    def installNameResolver(self, resolver: Any) -> Any:
        """See IReactorPluggableNameResolver; there is but this one."""
        raise NotImplementedError

    def resolveHostName(self, receiver: Any, *_: Any, **__: Any) -> Any:
        """See IHostnameResolver."""
        receiver.resolutionBegan(self)
        for address in self._addresses:
            receiver.addressResolved(address)
        receiver.resolutionComplete()
        return self

    def cancel(self) -> None:
        """See IHostResolution: it is over."""


# Bodies


@implementer(IBodyProducer)
class _Body:
    """The body of a request."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """See IBodyProducer."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """See IBodyProducer: it is small, and was written at once."""

    def resumeProducing(self) -> None:
        """See IBodyProducer."""

    def stopProducing(self) -> None:
        """See IBodyProducer."""


class _Reader(Protocol):
    """Reads the body of an answer, up to its limit."""

    transport: Any

    def __init__(self, octets: int) -> None:
        self._left = octets
        self._parts: list[bytes] = []
        self.whole: Deferred[bytes] = Deferred(lambda _: self.transport.abortConnection())

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        self._parts.append(data)
        if self._left < 0 and not self.whole.called:
            self.whole.errback(Failure(NoConnection("the answer is too long")))
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(Failure(NoConnection(f"the answer broke off: {reason.value}")))
