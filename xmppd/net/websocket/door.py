"""Where WebSockets are opened (RFC 6455 section 4.2, RFC 7395 section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from xmppd.net.http.answers import Answer
from xmppd.net.http.cors import NOT_ADMITTED, Origins
from xmppd.net.websocket.socket import Socket
from xmppd.net.websocket.stream import WebSocketStream

if TYPE_CHECKING:
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.http.exchange import Exchange

__all__ = ["WebSocketDoor"]

_XMPP = Subprotocol("xmpp")
_TEXT = b"text/plain; charset=utf-8"
_HANDSHAKE = (
    "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
)  # fmt: skip
_VERSION = "13"
#: What an answer says that offers a WebSocket (RFC 6455 section 4.4, RFC 9110 section 15.5.22).
_OFFER = (
    (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", _VERSION.encode()),
)  # fmt: skip
#: Fields that the HTTP server adds by itself, or that are for it alone, or in the offer.
_OURS = frozenset(("connection", "content-length", "content-type", "date", "upgrade"))


class WebSocketDoor:
    """Makes streams of requests to upgrade.

    :param listener: what the streams of all clients share; None while the server starts or stops.
    :param origins: the origins whose pages may open WebSockets.
    """

    most: int | None = 0
    cors = False  # pages of other origins need no leave for WebSockets: the server looks at where they come from

    def __init__(self, listener: Callable[[], ClientListener | None], origins: Callable[[], Origins]) -> None:
        self._listener = listener
        self._origins = origins

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        listener = self._listener()
        if listener is None:
            exchange.respond(Answer(b"The server is starting, or stopping.\n", 503, headers=((b"Retry-After", b"5"),)))
            return
        if not exchange.secure and listener.needs_tls(exchange.peer):
            exchange.respond(Answer(b"XMPP over WebSocket has to be encrypted here: use wss.\n", 403))
            return
        if exchange.header("sec-websocket-version") not in (None, _VERSION):
            exchange.respond(Answer(b"WebSocket is spoken in version 13 here (RFC 6455).\n", 426, _TEXT, _OFFER))
            return
        if not self._origins().admit(exchange, listener.server.settings, listener.server.hosts):
            exchange.respond(NOT_ADMITTED)
            return
        handshake = ServerProtocol(subprotocols=[_XMPP])
        response = handshake.accept(_request(exchange))
        if response.status_code != 101:
            fields = ((name.encode(), value.encode()) for name, value in response.headers.raw_items())
            headers = tuple(field for field in fields if field[0].decode().lower() not in _OURS)
            headers += _OFFER if response.status_code == 426 else ()
            exchange.respond(Answer(bytes(response.body), response.status_code, _TEXT, headers))
            return
        stream = WebSocketStream(listener, exchange.secure, exchange.tls)
        exchange.upgrade(response.serialize(), Socket(stream, exchange.peer))


def _request(exchange: Exchange) -> Request:
    """Return a request as the library knows it."""
    headers = Headers()
    for name in _HANDSHAKE:
        value = exchange.header(name) if exchange.modern else None  # RFC 9110 section 7.8
        if value is not None:
            headers[name] = value
    return Request(exchange.path, headers, method=exchange.method)
