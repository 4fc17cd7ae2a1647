"""Clients' streams over WebSocket (RFC 7395): what differs from TCP; all else is in :mod:`xmppd.net.c2s`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from xmppd.net.c2s.over_http import HttpCarried
from xmppd.wire.errors import StreamError
from xmppd.wire.websocket import CLOSE, NS, MessageFramer, opening

if TYPE_CHECKING:
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.tls.info import TlsInfo
    from xmppd.wire.framing import IFramer

__all__ = ["WebSocketStream"]

_NS = NS.encode()


class WebSocketStream(HttpCarried):
    """One client's stream over a WebSocket.

    :param secured: is it encrypted, here or by a reverse proxy?
    :param tls: what TLS says of the connection, if it ends here.
    """

    __slots__ = ()
    over = "WebSocket"

    def __init__(self, listener: ClientListener, secured: bool, tls: TlsInfo | None) -> None:
        super().__init__(listener, secured)
        self.tls = tls

    def new_framer(self) -> IFramer:
        """See ClientStream."""
        listener = self.listener
        return MessageFramer(listener.limits_after if self.account else listener.limits_before, listener.parsers)

    def header_for(self, stream_id: str, from_: str, to: str | None, lang: str | None) -> bytes:
        """See ClientStream (RFC 7395 3.4)."""
        return opening(stream_id, from_, to, lang)

    def write_all(self, elements: Iterable[bytes]) -> None:
        """See Outgoing: each is a message of its own."""
        for element in elements:
            self.write(element)

    def last_words(self, error: StreamError | None) -> list[bytes]:
        """See XmlStream (RFC 7395 3.5, 3.6)."""
        return [*super().last_words(error)[:-1], CLOSE]

    def listen_for_end(self, data: bytes) -> None:
        """See XmlStream: the other end's ``<close/>``."""
        if b"close" in data and _NS in data:
            self.wait_no_longer()

    def spend(self, octets: int) -> None:
        """Count what came that is no part of a message, against what may come in a second."""
        if octets:
            self._limit_rate(octets, 0, self.session)

    def ping(self) -> None:
        """See ClientStream (RFC 7395 3.8): browsers answer even if the page is asleep."""
        if self.session is not None and self.session.managed is not None:
            self.session.managed.ask()
        elif self.transport is not None:
            self.transport.ping()
