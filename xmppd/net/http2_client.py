"""HTTP/2 over TLS (RFC 9113): one connection to each server, for all requests, as long as it lives.

A connection is opened by the first request and closed when nobody has asked anything for a while. While it is idle it
is pinged: a firewall that has forgotten it is noticed before the next request is lost on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xmppd.api.network import NoConnection
from xmppd.net.http2 import Answered, Failed, Http2, Query

__all__ = ["Http2Client"]

_PING = 30.0  # seconds that a connection is silent before it is pinged
_PATIENCE = 10.0  # and then without an answer before it is given up
_IDLE = 600.0  # seconds without a request before it is closed
_FAREWELL = 2.0  # seconds that a server has to close a connection after our goodbye
_TRIES = 3  # times that a request is sent which the server says it has not looked at


class Http2Client:
    """All connections by HTTP/2.

    :param reactor: with time.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._lines: dict[object, _Line] = {}
        self._open: set[_Line] = set()

    async def ask(self, key: object, endpoint: Callable[[], Any], query: Query) -> Answered:
        """Send a request and return the answer.

        :param key: which server it is for: requests with the same key share a connection.
        :param endpoint: makes an IStreamClientEndpoint that connects to it, with TLS that offers ``h2``.
        :raises NoConnection: there was none.
        """
        for left in reversed(range(_TRIES)):
            line = self._lines.get(key)
            if line is None or line.closing:
                line = self._lines[key] = _Line(self._reactor, self._gone)
                self._open.add(line)
                line.connect(endpoint())
            outcome = await line.ask(query)
            if isinstance(outcome, Answered):
                return outcome
            if not outcome.untouched or line.unreachable or not left:
                raise NoConnection(outcome.text)
        raise AssertionError

    def _gone(self, line: _Line) -> None:
        self._open.discard(line)
        for key in [key for key, known in self._lines.items() if known is line]:
            del self._lines[key]

    async def close(self) -> None:
        """Close all connections, and wait until they are."""
        for line in list(self._open):
            await line.close()


@implementer(IHandshakeListener)
class _Line(Protocol):
    """One connection.

    :ivar unreachable: it never came to be.
    """

    transport: Any = None

    def __init__(self, reactor: Any, gone: Callable[[_Line], None]) -> None:
        self._reactor = reactor
        self._gone = gone
        self._http2 = Http2()
        self._askers: dict[int, Deferred[Answered | Failed]] = {}
        self._connecting: Deferred[Any] | None = None
        self._closed: list[Deferred[None]] = []
        self._used = self._heard = reactor.seconds()
        self._timer: Any = None
        self._secured = False
        self.unreachable = False

    @property
    def closing(self) -> bool:
        """Does it take no more requests?"""
        return self._http2.closing

    def connect(self, endpoint: Any) -> None:
        """Connect; requests may be made already."""
        factory = Factory.forProtocol(lambda: self)
        factory.noisy = False
        self._connecting = connecting = endpoint.connect(factory)
        connecting.addCallbacks(self._connected, self._not_connected)

    def _connected(self, _: Any) -> None:
        self._connecting = None

    def _not_connected(self, reason: Failure) -> None:
        self._connecting = None
        self._end(_problem(reason.value))
        self._over()

    def ask(self, query: Query) -> Deferred[Answered | Failed]:
        """Send a request; a request that is cancelled is taken back."""
        self._used = self._reactor.seconds()
        ticket = self._http2.ask(query)
        asker: Deferred[Answered | Failed] = Deferred(lambda _: self._forget(ticket))
        self._askers[ticket] = asker
        self._flush()
        return asker

    def _forget(self, ticket: int) -> None:
        del self._askers[ticket]
        self._http2.forget(ticket)
        self._flush()
        if not self._askers and not self._secured:
            self.drop("nobody waits for it")

    # The connection

    def handshakeCompleted(self) -> None:
        """See IHandshakeListener."""
        if self.transport.negotiatedProtocol != b"h2":
            self.drop("the server does not speak HTTP/2")
            return
        self._secured = True
        self._http2.start()
        self._flush()
        self._watch(_PING)

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        self._heard = self._reactor.seconds()
        self._tell(self._http2.receive(data))
        self._flush()
        if self._http2.closing and not self._http2.busy:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See IProtocol."""
        self._end(f"the connection was lost: {_problem(reason.value)}")
        self._over()

    def drop(self, text: str) -> None:
        """Cut the connection, which is no good."""
        self._end(text)
        if self._connecting is not None:
            self._connecting.cancel()
        elif self.transport is not None:
            self.transport.abortConnection()

    def close(self) -> Deferred[None]:
        """Say goodbye, and close it; fires when it is closed."""
        closed: Deferred[None] = Deferred()
        self._closed.append(closed)
        if self._secured:
            self._leave()
        else:
            self.drop("the connection was closed")
        return closed

    def _leave(self) -> None:
        self._tell(self._http2.leave())
        self._flush()
        self.transport.loseConnection()
        self._watch(_FAREWELL)

    def _end(self, text: str) -> None:
        self.unreachable = not self._secured
        self._tell(self._http2.end(text))

    def _over(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._gone(self)
        closed, self._closed = self._closed, []
        for waiting in closed:
            waiting.callback(None)

    # Requests and answers

    def _tell(self, outcomes: list[Answered | Failed] | list[Failed]) -> None:
        for outcome in outcomes:
            asker = self._askers.pop(outcome.ticket, None)
            if asker is not None:
                asker.callback(outcome)

    def _flush(self) -> None:
        if self._secured:
            self.transport.write(self._http2.outgoing())

    # Signs of life

    def _watch(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, self._look)

    def _look(self) -> None:
        now = self._reactor.seconds()
        if self._http2.quiet:
            self.drop(f"the server was silent for {_PATIENCE:g} seconds")
        elif self._http2.closing and not self._askers:
            self.drop("the server has not closed the connection")
        elif not self._askers and now - self._used >= _IDLE:
            self._leave()
        elif now - self._heard >= _PING:
            self._http2.ping()
            self._flush()
            self._watch(_PATIENCE)
        else:
            self._watch(max(1.0, self._heard + _PING - now))


def _problem(error: BaseException | None) -> str:
    return str(error) or type(error).__name__
