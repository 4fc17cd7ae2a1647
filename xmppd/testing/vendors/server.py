"""The stand-ins on a port: TLS with ALPN, HTTP/2 (RFC 9113) and HTTP/1.1 for those who ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from OpenSSL import SSL
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from xmppd.api.http import Headers, Request, Response
from xmppd.api.network import NoConnection
from xmppd.net.tls.certificates import Credentials

__all__ = ["Answering", "Http2Server", "WebFactory", "over_tls"]

Answering = Callable[[Request], Response]
_STREAMS = 100


class Http2Server(Protocol):
    """A server's side of a connection by HTTP/2.

    :param answer: of requests, whose path is the whole URL. If it raises NoConnection, the connection is cut.
    :param streams: that a client may have open at a time.
    :ivar most: streams that were open at a time.
    """

    transport: Any

    def __init__(self, answer: Answering, streams: int = _STREAMS) -> None:
        self._answer = answer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams = streams
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._unsent: dict[int, bytes] = {}
        self.most = 0

    def connectionMade(self) -> None:
        """See IProtocol."""
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._streams})
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent."""
        self.transport.write(self.h2.data_to_send())

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        try:
            for event in self.h2.receive_data(data):
                self._take(event)
        except (ProtocolError, NoConnection):
            self.transport.abortConnection()
            return
        self.flush()

    def _take(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            self._heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
            self._bodies[event.stream_id] = b""
            self.most = max(self.most, len(self._heads))
        elif isinstance(event, DataReceived):
            self._bodies[event.stream_id] += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.asked(event.stream_id)
        elif isinstance(event, StreamReset):
            for waiting in (self._heads, self._bodies, self._unsent):
                waiting.pop(event.stream_id, None)
        elif isinstance(event, WindowUpdated):
            self._feed()

    def asked(self, number: int) -> None:
        """A request is there as a whole: answer it."""
        self.reply(number, self._answer(self.request(number)))

    def request(self, number: int) -> Request:
        """Return the request on a stream."""
        head = self._heads[number]
        url = f"{head[':scheme']}://{head[':authority']}{head[':path']}"
        headers = Headers({name: value for name, value in head.items() if not name.startswith(":")})
        return Request(head[":method"], url, headers=headers, body=self._bodies[number], secure=True)

    def reply(self, number: int, answer: Response) -> None:
        """Answer the request on a stream."""
        del self._heads[number], self._bodies[number]
        fields = [(":status", str(answer.status)), *answer.headers.items()]
        if answer.body:
            fields.append(("content-type", answer.type))
        self.h2.send_headers(number, fields, end_stream=not answer.body)
        if answer.body:
            self._unsent[number] = answer.body
            self._feed()

    def _feed(self) -> None:
        """Send as much of bodies as flow control allows."""
        for number, body in list(self._unsent.items()):
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            while body and room > 0:
                piece, body = body[:room], body[room:]
                self.h2.send_data(number, piece, end_stream=not body)
                room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if body:
                self._unsent[number] = body
            else:
                del self._unsent[number]


class _Page(Resource):
    """Every page of a server by HTTP/1.1."""

    isLeaf = True

    def __init__(self, answer: Answering) -> None:
        super().__init__()
        self._answer = answer

    def render(self, request: Any) -> bytes:
        """See IResource."""
        raw = request.requestHeaders.getAllRawHeaders()
        headers = Headers({name.decode("latin-1"): b", ".join(values).decode("latin-1") for name, values in raw})
        url = f"https://{headers.get('host', '')}{request.uri.decode('ascii')}"
        asked = Request(request.method.decode("ascii"), url, headers=headers, body=request.content.read(), secure=True)
        try:
            answer = self._answer(asked)
        except NoConnection:
            request.transport.abortConnection()
            return b""
        request.setResponseCode(answer.status)
        for name, value in answer.headers.items():
            request.setHeader(name, value)
        request.setHeader("Content-Type", answer.type)
        return answer.body


@implementer(IHandshakeListener)
class _Choosing(Protocol):
    """A connection whose protocol is known when the handshake is complete (RFC 7301)."""

    transport: Any

    def __init__(self, factory: WebFactory) -> None:
        self._factory = factory
        self._inner: Any = None

    def handshakeCompleted(self) -> None:
        """See IHandshakeListener."""
        self._inner = self._factory.choose(self.transport.negotiatedProtocol)
        self._inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See IProtocol."""
        if self._inner is not None:
            self._inner.connectionLost(reason)


class WebFactory(Factory):
    """Makes the connections of a server.

    :param answer: of requests, whose path is the whole URL.
    :param make: makes connections by HTTP/2.
    :ivar made: those there were.
    """

    noisy = False

    def __init__(self, answer: Answering, make: Callable[[Answering], Http2Server] = Http2Server) -> None:
        self._answer, self._make = answer, make
        self._site = Site(_Page(answer))
        self._site.noisy = False
        self.made: list[Http2Server] = []

    def buildProtocol(self, address: Any) -> _Choosing:
        """See IProtocolFactory."""
        return _Choosing(self)

    def choose(self, protocol: bytes | None) -> Any:
        """Return a connection of the protocol that was agreed on."""
        if protocol == b"h2":
            self.made.append(self._make(self._answer))
            return self.made[-1]
        return self._site.buildProtocol(None)


def over_tls(factory: Any, credentials: Credentials, protocols: tuple[bytes, ...] = (b"h2", b"http/1.1")) -> Any:
    """Return a factory that puts TLS before another.

    :param protocols: that ALPN may choose, the preferred one first; none: it takes no part in ALPN.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_privatekey(credentials.key)
    context.use_certificate(credentials.leaf)
    if protocols:
        context.set_alpn_select_callback(lambda _, offered: _chosen(protocols, offered))
    made: Any = _Context(context)
    return TLSMemoryBIOFactory(made, False, factory)


def _chosen(ours: tuple[bytes, ...], offered: list[bytes]) -> Any:
    return next((protocol for protocol in ours if protocol in offered), SSL.NO_OVERLAPPING_PROTOCOLS)


@implementer(IOpenSSLContextFactory)
class _Context:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:
        return self._context
