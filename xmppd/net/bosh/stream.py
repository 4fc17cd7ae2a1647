"""Clients' streams over BOSH (XEP-0206): what differs from TCP; all else is in :mod:`xmppd.net.c2s`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from xmppd.net.c2s.over_http import HttpCarried
from xmppd.wire import ns
from xmppd.wire.bosh import VERSION_OF_STREAM, BindingError, Body, ContentFramer, Unreadable
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import StreamHeader
from xmppd.wire.xml import SEPARATOR

if TYPE_CHECKING:
    from xmppd.net.bosh.session import BoshSession

__all__ = ["BoshStream", "binding_error"]

_LANG = f"{ns.XML}{SEPARATOR}lang"
#: Errors of a stream that BOSH has words of its own for.
_CONDITIONS = {
    StreamCondition.HOST_GONE: "host-gone",
    StreamCondition.HOST_UNKNOWN: "host-unknown",
    StreamCondition.SYSTEM_SHUTDOWN: "system-shutdown",
}


def binding_error(error: StreamError) -> BindingError:
    """Return what a client is told of an error of its stream (XEP-0124 17.2, XEP-0206 section 6)."""
    if isinstance(error, Unreadable):
        return BindingError("bad-request", str(error))
    condition = _CONDITIONS.get(error.condition)
    if condition is not None:
        return BindingError(condition)
    return BindingError("remote-stream-error", str(error), error.to_bytes())


class BoshStream(HttpCarried):
    """One client's stream over BOSH. Its transport is the :class:`~xmppd.net.bosh.session.BoshSession`.

    :param secured: did the request that began the session come encrypted? All others have to, then.
    """

    __slots__ = ()
    over = "BOSH"

    def new_framer(self) -> ContentFramer:
        """See ClientStream."""
        listener = self.listener
        return ContentFramer(listener.limits_after if self.account else listener.limits_before, listener.parsers)

    # In

    def take_header(self, attributes: Mapping[str, str], restart: bool = True) -> None:
        """Take what stands for a stream header: the request that begins a session, or that restarts the stream.

        :param attributes: of the body.
        """
        if restart and self.negotiation is None and not self._closing:
            self.close(StreamError(StreamCondition.BAD_FORMAT, "the stream has begun already"))
            return
        get = attributes.get
        lang = get(_LANG) or self.lang
        to = get("to") or (str(self.host.jid) if self.host is not None else None)
        version = get(VERSION_OF_STREAM, "1.0")
        self.receive(StreamHeader(ns.CLIENT, to, get("from"), None, version, lang))
        cast("ContentFramer", self.framer).lang = self.lang

    def take_content(self, body: Body) -> None:
        """Take the payloads of a request."""
        if not self._done:  # nothing comes behind the end of the stream
            cast("ContentFramer", self.framer).prefixes = body.prefixes
            self.dataReceived(body.content)

    def listen_for_end(self, data: bytes) -> None:
        """See XmlStream. What comes behind the end is of no concern."""

    # Out

    def write_all(self, elements: Iterable[bytes]) -> None:
        """See Outgoing: each of them has its place in a body."""
        for element in elements:
            self.write(element)

    def header_for(self, stream_id: str, from_: str, to: str | None, lang: str | None) -> bytes:
        """See ClientStream. There is no header but what the first answer says."""
        return b""

    def last_words(self, error: StreamError | None) -> list[bytes]:
        """See XmlStream: it is the body of the last answer that says it."""
        transport: BoshSession | None = self.transport
        if transport is not None:
            transport.finish(None if error is None else binding_error(error))
        return []
