"""Connections of plugins to elsewhere (:mod:`xmppd.api.network`): Twisted's endpoints, and its HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone, ResponseFailed
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from xmppd.api.http import Headers, Response
from xmppd.api.network import IPort, NoConnection
from xmppd.net.accepting import Door, make_direct

__all__ = ["Network"]

_IDLE = 60  # seconds that a connection to an HTTP server is kept for the next request


class Network:
    """The network as the reactor has it. Implements :class:`xmppd.api.network.INetwork`."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool: HTTPConnectionPool | None = None

    async def connect(self, endpoint: str, protocol: Any, timeout: float = 30.0) -> Any:
        """See INetwork."""
        try:
            target = clientFromString(self._reactor, endpoint)
        except Exception as error:  # whatever its parser has to say, or the files that it names
            raise NoConnection(f"{endpoint} is no endpoint: {error}") from None
        await self._in_time(connectProtocol(target, _Bare(protocol)), endpoint, timeout)
        return protocol

    async def listen(self, endpoint: str, factory: Any) -> IPort:
        """See INetwork."""
        try:
            port: IPort = await serverFromString(self._reactor, endpoint).listen(factory)
        except Exception as error:  # whatever an endpoint's parser or the system has to say
            raise NoConnection(f"{endpoint} can't be opened: {error}") from None
        return port

    async def accept(self, endpoint: str, make: Callable[[str], Any | None]) -> IPort:
        """See INetwork."""
        port = await self.listen(endpoint, Door(make))
        make_direct(port)
        return port

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 30.0,
        octets: int = 65_536,
    ) -> Response:
        """See INetwork."""
        asking = Deferred.fromCoroutine(self._ask(method, url, headers or {}, body, octets))
        # Only the server is named: in what follows there may be keys, or what somebody has written.
        found: Response = await self._in_time(asking, "/".join(url.split("/", 3)[:3]).partition("?")[0], timeout)
        return found

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes, octets: int) -> Response:
        if self._pool is None:
            self._pool = HTTPConnectionPool(self._reactor)
            self._pool.cachedConnectionTimeout = _IDLE
            self._pool.retryAutomatically = False  # whoever asks knows better what may be asked twice
        agent = Agent(self._reactor, pool=self._pool)
        fields = WebHeaders({name.encode("ascii"): [value.encode("utf-8")] for name, value in headers.items()})
        fields.setRawHeaders(b"User-Agent", [b"xmppd"])
        producer: Any = _Body(body) if body else None
        URI.fromBytes(url.encode("ascii"))  # says what is wrong with it, if something is
        answer: Any = await agent.request(method.encode("ascii"), url.encode("ascii"), fields, producer)
        reader = _Reader(octets)
        answer.deliverBody(reader)
        content = await reader.whole
        raw = answer.headers.getAllRawHeaders()
        found = Headers({name.decode("latin-1"): b", ".join(values).decode("latin-1") for name, values in raw})
        return Response(answer.code, content, found.get("content-type", ""), found)

    async def _in_time(self, coming: Deferred[Any], what: str, timeout: float) -> Any:
        timer = self._reactor.callLater(timeout, coming.cancel)
        try:
            return await coming
        except (CancelledError, ConnectingCancelledError):
            raise NoConnection(f"{what} did not answer within {timeout:g} seconds") from None
        except ResponseFailed as error:
            reasons = "; ".join(str(reason.value) or reason.type.__name__ for reason in error.reasons)
            if any(reason.check(CancelledError) for reason in error.reasons):
                reasons = f"no answer within {timeout:g} seconds"
            raise NoConnection(f"{what} failed: {reasons}") from None
        except (ConnectError, DNSLookupError, SchemeNotSupported, ValueError, OSError) as error:
            raise NoConnection(f"{what} can't be reached: {error}") from None
        finally:
            if timer.active():
                timer.cancel()

    async def close(self) -> None:
        """Close what is kept open."""
        if self._pool is not None:
            await maybeDeferred(self._pool.closeCachedConnections)


class _Bare(Protocol):
    """Hands a connection on to a protocol that may be none of Twisted's classes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def connectionMade(self) -> None:
        self.inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self.inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.inner.connectionLost(reason)


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
