"""XMPP over WebSocket (RFC 7395): each message is one element that stands for itself, with all its declarations.

A stream begins with ``<open/>`` and ends with ``<close/>`` in place of the header and the closing tag of RFC 6120.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from xmppd.wire import ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.escape import escape_attribute
from xmppd.wire.frames import Frame, Limits, StreamEnd, StreamHeader
from xmppd.wire.framing import ScannerPool, explain
from xmppd.wire.scanner import SPACE, Context, too_large
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import SEPARATOR

__all__ = ["CLOSE", "NS", "MessageFramer", "opening", "qualified", "standard_context"]

NS = "urn:ietf:params:xml:ns:xmpp-framing"
#: The end of a stream (section 3.6).
CLOSE = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
_LANG = f"{ns.XML}{SEPARATOR}lang"
_DECLARATION = re.compile(rb"\s*<\?xml[ \t\r\n][^>]*\?>")
#: What an element declares that leaves it to the stream header on TCP, by how it begins.
_DECLARED = {
    tag[:3]: (tag, tag + declared)
    for tag, declared in (
        (b"<message", b" xmlns='jabber:client'"),
        (b"<presence", b" xmlns='jabber:client'"),
        (b"<iq", b" xmlns='jabber:client'"),
        (b"<stream:features", b" xmlns:stream='http://etherx.jabber.org/streams'"),
    )
}
_ERROR = b"<stream:error"


def opening(stream_id: str, from_: str, to: str | None = None, lang: str | None = None) -> bytes:
    """Return ``<open/>`` (section 3.4), the counterpart of :func:`xmppd.wire.stream.header`."""
    attributes = {"id": stream_id, "from": from_, "to": to, "version": "1.0", "xml:lang": lang or "en"}
    text = "".join(f" {key}='{escape_attribute(value)}'" for key, value in attributes.items() if value is not None)
    return f"<open xmlns='{NS}'{text}/>".encode()


def qualified(element: bytes) -> bytes:
    """Return an element so that it stands for itself, without the declarations of a stream header (section 3.3).

    :param element: as it is written on a stream over TCP.
    """
    found = _DECLARED.get(element[:3])
    if found is None:
        return element
    tag, declared = found
    if element.startswith(tag):
        return declared + element[len(tag) :]
    if element.startswith(_ERROR):
        return b"%b xmlns:stream='%b'%b" % (_ERROR, ns.STREAM.encode(), element[len(_ERROR) :])
    return element


def standard_context(lang: str | None = None) -> Context:
    """Return what a stream's elements are read with that has the usual header.

    :param lang: the language of stanzas that name none.
    """
    declared = {"": ns.CLIENT, "stream": ns.STREAM}
    return Context(StreamHeader(ns.CLIENT, None, None, None, "1.0", lang, declared))


class MessageFramer:
    """Makes frames of WebSocket messages. Implements :class:`xmppd.wire.framing.IFramer`.

    A stanza that declares no namespace is taken for one of ``jabber:client``, a message of nothing but white space for
    a keepalive, and an XML declaration for nothing.
    """

    __slots__ = ("_context", "_ended", "_pool", "limits")

    def __init__(self, limits: Limits | None = None, pool: ScannerPool | None = None) -> None:
        self.limits = limits or Limits()
        self._pool = pool or ScannerPool(1)
        self._context: Context | None = None  # exists once the stream is open
        self._ended = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next message; return what it is.

        :returns: one frame, or none for white space; a :class:`StreamError` if it is not exactly one element.
        """
        if self._ended or not data or data.isspace():
            return []
        try:
            return [self._framed(self._read(data))]
        except StreamError as error:
            self._ended = True
            return [error]

    def _read(self, data: bytes) -> Frame:
        """Return the one element of a message."""
        declaration = _DECLARATION.match(data)
        if declaration is not None:
            data = data[declaration.end() :]
        if data[:1] != b"<" and data.lstrip(SPACE)[:1] != b"<":
            raise StreamError(StreamCondition.NOT_WELL_FORMED, "a message has to be an element")
        if self._context is None and len(data) > self.limits.header:
            raise too_large(0)
        context = self._context or standard_context()
        scanner = self._pool.take(context, self.limits)
        frames: list[Frame] = []
        try:
            scanner.scan(data, frames)
        except expat.ExpatError as error:
            raise explain(error) from None
        if scanner.depth < 0:
            raise StreamError(StreamCondition.NOT_WELL_FORMED, "a closing tag without an opening one")
        if len(frames) != 1 or scanner.depth != 1 or scanner.rest:
            raise StreamError(StreamCondition.BAD_FORMAT, "a message has to be one whole element")
        self._pool.give(scanner)
        return frames[0]

    def _framed(self, frame: Frame) -> Frame:
        if isinstance(frame, Nonza) and frame.namespace == NS:
            if frame.name == "close":
                self._ended = True
                return StreamEnd()
            if frame.name == "open":
                return self._open(frame)
        elif self._context is None:
            raise StreamError(StreamCondition.INVALID_NAMESPACE, f"the stream begins with <open xmlns='{NS}'/>")
        return frame

    def _open(self, nonza: Nonza) -> StreamHeader:
        if self._context is not None:
            raise StreamError(StreamCondition.BAD_FORMAT, "the stream has begun already")
        get = nonza.attributes.get
        header = StreamHeader(ns.CLIENT, get("to"), get("from"), get("id"), get("version"), get(_LANG))
        self._context = standard_context(header.lang)
        return header
