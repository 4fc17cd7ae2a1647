"""HTTP (RFC 9110, RFC 9112): twisted.web with limits on what a client may cost, and pages made by functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, RESPONSES, HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from xmppd.api.interfaces import IClock, IDelayedCall
from xmppd.core.settings import Http
from xmppd.net.peers import Networks, PeerCounter

__all__ = ["METHODS", "Answer", "HttpServer", "Make", "Page", "Tree", "peer_of", "send", "text"]

_log = Logger()
_TEXT = b"text/plain; charset=utf-8"
#: Of RFC 9110 section 9.3 and RFC 5789: what a server knows, but a page may not allow. Others get 501.
METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"))
_REASONS = {**RESPONSES, 431: b"Request Header Fields Too Large"}
#: For programs, not for browsers: nothing of it is to be shown in a frame, guessed at, or kept.
_HEADERS = (
    (b"Server", b"xmppd"),
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
)
#: Seconds that a client gets to read our last words and close its side before the connection is cut.
_FAREWELL = 5.0


@dataclass(frozen=True)
class Answer:
    """What a page answers with."""

    body: bytes
    code: int = 200
    type: bytes = _TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()


Make = Callable[[Request], Answer | Awaitable[Answer]]
"""Makes the answer to a request."""


def text(line: str, code: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer in plain words."""
    return Answer(f"{line}\n".encode(), code, headers=headers)


def send(request: Request, answer: Answer) -> None:
    """Answer a request."""
    request.setResponseCode(answer.code)
    for name, value in ((b"Content-Type", answer.type), *answer.headers):
        request.setHeader(name, value)
    if answer.code in NO_BODY_CODES:  # which say nothing of a length either (RFC 9110 section 8.6)
        request.responseHeaders.removeHeader(b"Content-Type")
        request.write(b"")
    else:
        request.setHeader(b"Content-Length", b"%d" % len(answer.body))
        request.write(answer.body)
    request.finish()


class Page(Resource):
    """A resource that can be read, and that is made anew for each request.

    :param make: makes the answer, and may take its time. If it raises, the client gets 500, the log the traceback.
    :param networks: tells who may read it; others get 403.
    """

    isLeaf = True

    def __init__(self, make: Make, networks: Callable[[], Networks]) -> None:
        super().__init__()
        self._make = make
        self._networks = networks

    def render(self, request: Request) -> int:
        """See IResource."""
        refused = self._refusal(request)
        if refused is None:
            Deferred.fromCoroutine(self._respond(request))
        else:
            send(request, refused)
        return NOT_DONE_YET

    def _refusal(self, request: Request) -> Answer | None:
        if peer_of(request.getClientAddress()) not in self._networks():
            return text("This page is not for your address.", 403)
        if request.postpath:
            return _not_found()
        if request.method in (b"GET", b"HEAD"):
            return None
        if request.method in METHODS:
            return text("This page can only be read.", 405, (b"Allow", b"GET, HEAD"))
        return text("This server does not know that method.", 501)

    async def _respond(self, request: Request) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            answer = self._make(request)
            if not isinstance(answer, Answer):
                answer = await answer
        except Exception:
            _log.failure("the page {path} could not be made", path=request.path)
            answer = text("This page could not be made; the log says why.", 500)
        if not gone:
            send(request, answer)


class Tree(Resource):
    """A folder of resources; what isn't in it is not found.

    :ivar otherwise: what is asked for everything that isn't in it.
    """

    def __init__(self, otherwise: Resource | None = None) -> None:
        super().__init__()
        self.otherwise = otherwise or _Nothing()

    def getChild(self, path: bytes, request: Request) -> Resource:
        """See Resource."""
        return self.otherwise

    def render(self, request: Request) -> int:
        """See IResource: the folder itself is no page."""
        return self.otherwise.render(request)


class _Nothing(Resource):
    isLeaf = True

    def render(self, request: Request) -> int:
        send(request, _not_found())
        return NOT_DONE_YET


def _not_found() -> Answer:
    return text("There is no such page.", 404)


class _Request(Request):
    """A request whose body has a limit, also if it comes in chunks whose number nobody knows."""

    defaultContentType = _TEXT
    channel: Any
    content: Any

    def handleContentChunk(self, data: bytes) -> None:
        """Take in a part of the body."""
        if self.channel.has_room(self.content.tell() + len(data)):
            super().handleContentChunk(data)

    def process(self) -> None:
        """Answer the request."""
        if self.clientproto == b"HTTP/1.1" and len(self.requestHeaders.getRawHeaders(b"Host", [])) != 1:
            self._finish_with(text("A request has to have one Host field.", 400))  # RFC 9112 3.2
            return
        if self.path.lower().startswith((b"http://", b"https://")):  # RFC 9112 3.2.2
            self.path = b"/" + self.path.partition(b"://")[2].partition(b"/")[2]
        super().process()

    def _finish_with(self, answer: Answer) -> None:
        for name, value in _HEADERS:
            self.setHeader(name, value)
        send(self, answer)

    def processingFailed(self, reason: Failure) -> Failure:
        """Answer with 500, if there is still somebody to answer."""
        _log.failure("a request for {path} failed", failure=reason, path=self.path)
        if not self._disconnected and not self.startedWriting:
            self._finish_with(text("This request could not be handled; the log says why.", 500))
        return reason


class _Channel(HTTPChannel):
    """One connection. Its time is for whole requests: octets that trickle in don't extend it."""

    requestFactory = _Request
    transport: Any
    site: Any

    def __init__(self, site: HttpServer, limits: Http, clock: IClock, left: Callable[[], None]) -> None:
        super().__init__()
        self.factory = self.site = site
        self.timeOut: Any = limits.request_seconds
        self._limits = limits
        self._clock = clock
        self._left = left
        self._head = 0  # octets of the head of a request that is arriving
        self._over = False
        self._farewell: IDelayedCall | None = None
        self.MAX_LENGTH = self.totalHeadersSize = limits.header_octets

    def callLater(self, period: float, func: Callable[[], object]) -> IDelayedCall:
        """See TimeoutMixin."""
        return self._clock.callLater(period, func)

    def resetTimeout(self) -> None:
        """Do nothing: the time began when the connection was opened, or the last answer was sent."""

    def timeoutConnection(self) -> None:
        """End a connection that is idle, or whose request takes too long to arrive."""
        if self._head or self.requests or self.clearLineBuffer():
            self._refuse(408)
        else:
            self._over = True
            self.loseConnection()
            self._cut_off_later()

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head; but nothing that stands behind a bad request, which was answered already."""
        if self._over or self.transport.disconnecting:
            return
        first = not self._head
        self._head += len(line) + 2
        if self._head > self._limits.header_octets:
            self._refuse(414 if first else 431)
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """See LineReceiver."""
        if not self._over:
            self._refuse(431 if self._head else 414)

    def allHeadersReceived(self) -> None:
        """See HTTPChannel. What is too large is refused before the client is told to continue."""
        self._head = 0
        if self.has_room(self.length or 0):
            super().allHeadersReceived()

    def has_room(self, octets: int) -> bool:
        """May a body have so many octets? If not, the request is refused."""
        if octets > self._limits.body_octets and not self._over:
            self._refuse(413)
        return not self._over

    def rawDataReceived(self, data: bytes) -> None:
        """See HTTPChannel."""
        if not self._over:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """See HTTPChannel."""
        if not self._over:
            super().allContentReceived()

    def _refuse(self, code: int) -> None:
        """Answer a request that is not worth reading on; what still comes of it is thrown away (RFC 9112 9.6)."""
        self._over = True
        self.setTimeout(None)
        self.transport.write(_last_words(code))
        _close_ours(self.transport)
        self._cut_off_later()

    def _cut_off_later(self) -> None:
        self._farewell = self._clock.callLater(_FAREWELL, self.transport.abortConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See IProtocol."""
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        self._left()
        super().connectionLost(reason)


class _Refused(Protocol):
    """A connection that is one too many."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(_last_words(503))
        self.transport.loseConnection()


def _last_words(code: int) -> bytes:
    reason = _REASONS[code]
    head = b"HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
    return head % (code, reason, _TEXT, len(reason) + 1) + b"Server: xmppd\r\n\r\n" + reason + b"\n"


def _close_ours(transport: Any) -> None:
    """Close our direction only, where that can be done: what the client still sends must not undo our last words."""
    getattr(transport, "loseWriteConnection", transport.loseConnection)()


class HttpServer(Site):
    """What HTTP ports are made with.

    :param root: the resources that are served.
    :param clock: times requests.
    :ivar peers: counts connections.
    """

    noisy = False

    def __init__(self, root: Resource, clock: IClock, limits: Http, exempt: Networks) -> None:
        super().__init__(root, _Request, parsePOSTFormSubmission=False, reactor=clock)
        self.peers = PeerCounter()
        self._clock = clock
        self.reconfigure(limits, exempt)

    def reconfigure(self, limits: Http, exempt: Networks) -> None:
        """Put other limits in force, for new connections.

        :param exempt: from the limit on connections from one address.
        """
        self._limits = limits
        self.peers.set_limits(limits.connections, limits.connections_per_address, exempt)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """See IProtocolFactory."""
        peer = peer_of(addr)
        if self.peers.enter(peer) is not None:
            return _Refused()
        return _Channel(self, self._limits, self._clock, lambda: self.peers.leave(peer))

    def getContentFile(self, length: int | None) -> BytesIO:
        """Return where the body of a request is kept: its size has a limit."""
        return BytesIO()

    def getResourceFor(self, request: Request) -> Any:
        """See Site."""
        for name, value in _HEADERS:
            request.setHeader(name, value)
        return super().getResourceFor(request)

    def startFactory(self) -> None:
        """See Factory. There is no log file to open: requests go to the log, at its most detailed level."""

    def stopFactory(self) -> None:
        """See Factory."""

    def log(self, request: Any) -> None:
        """Tell the log of a request that was answered."""
        peer, code, size = peer_of(request.getClientAddress()), request.code, request.sentLength
        _log.debug("{peer} {method} {uri}: {code}, {size} octets", peer=peer, method=request.method,
                   uri=request.uri, code=code, size=size)  # fmt: skip


def peer_of(address: object) -> str:
    """Return the network address of the other end, as text."""
    return str(getattr(address, "host", "") or "unix")
