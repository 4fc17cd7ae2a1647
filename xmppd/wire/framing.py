"""Bytes of an XML stream to its first-level elements (RFC 6120 sections 4, 8 and 11).

Expat checks every byte: well-formedness, namespaces, UTF-8. A stanza becomes a :class:`~xmppd.wire.stanza.Stanza`
that keeps its content as the exact bytes that came, which is what makes passing it on cheap. Bytes would change their
meaning on another stream if they used a prefix declared outside of them; such a stanza is parsed and written anew.

Hostile input costs bounded memory and time: every size has a limit, and what RFC 6120 11.1 forbids is refused when it
begins. The work on one element is in :mod:`xmppd.wire.scanner`.
"""

from __future__ import annotations

from typing import Protocol
from xml.parsers import expat

from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import Frame, Limits, Malformed, StreamEnd, StreamHeader
from xmppd.wire.scanner import SPACE, Context, Scanner, ScannerPool, too_large

__all__ = ["Frame", "Framer", "IFramer", "Limits", "Malformed", "ScannerPool", "StreamEnd", "StreamHeader", "explain"]

_UTF_16 = (b"\xfe\xff", b"\xff\xfe", b"\x00<", b"<\x00")  # XML 1.0 appendix F


class IFramer(Protocol):
    """Splits what comes on one stream into frames, whatever carries it.

    :ivar limits: may be replaced between calls, for what comes after the current element.
    """

    limits: Limits

    def feed(self, data: bytes) -> list[Frame]:
        """Take what came next; return the frames that it completed.

        :returns: in order; if a :class:`StreamError` is among them it is the last one and the stream is dead.
        """


class Framer:
    """Splits the bytes of one stream into frames, however they were cut by the network.

    A new stream on the same connection (after STARTTLS and SASL, RFC 6120 4.3.3) needs a new framer.

    :param limits: may be replaced between calls, for what comes after the current element.
    :param pool: shared by the streams of a server.
    """

    __slots__ = ("_context", "_ended", "_held", "_pool", "_scanner", "limits")

    def __init__(self, limits: Limits | None = None, pool: ScannerPool | None = None) -> None:
        self.limits = limits or Limits()
        self._pool = pool or ScannerPool(1)
        self._scanner: Scanner | None = None  # exists inside an element, and before the header
        self._context: Context | None = None
        self._held = b""  # not yet given to the scanner
        self._ended = False

    @property
    def pending(self) -> int:
        """How many octets of an incomplete element (or header) are kept."""
        return len(self._held) + (len(self._scanner.rest) if self._scanner is not None else 0)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; return what they completed.

        :returns: frames in order; if a :class:`StreamError` is among them it is the last one and the stream is dead.
        """
        if b">" not in data:
            return self._hold(data)
        if self._held:
            data = self._held + data
            self._held = b""
        scanner = self._scanner
        if scanner is None:
            if self._ended:
                return []
            context = self._context
            scanner = Scanner(self.limits) if context is None else self._pool.take(context, self.limits)
        frames: list[Frame] = []
        try:
            if self._context is None:
                self._check_beginning(bytes(scanner.rest) + data)
            scanner.scan(data, frames)
        except StreamError as error:
            self._fail(error, frames)
        except expat.ExpatError as error:
            self._fail(explain(error), frames)
        else:
            self._keep(scanner)
        return frames

    def _fail(self, error: StreamError, frames: list[Frame]) -> None:
        self._end()
        if not frames or not isinstance(frames[-1], StreamEnd):  # what comes behind the end is of no concern
            frames.append(error)

    def _keep(self, scanner: Scanner) -> None:
        """Hold on to the scanner if it is inside an element, else give it back."""
        if self._context is None:
            self._context = scanner.context
        if scanner.depth == 1 and not scanner.rest:
            self._scanner = None
            self._pool.give(scanner)
        elif scanner.depth < 0:
            self._end()
        else:
            self._scanner = scanner.renewed() if scanner.worn else scanner

    def _end(self) -> None:
        self._scanner = None
        self._ended = True

    def _hold(self, data: bytes) -> list[Frame]:
        """Keep bytes that complete nothing.

        Expat begins again at the start of an incomplete token each time it is called: byte by byte, a long attribute
        would cost the square of its length. Whitespace between stanzas (RFC 6120 4.6.1) costs nothing at all.
        """
        if self._ended:
            return []
        inside = self._context is not None
        if not self.pending:
            if inside and data.isspace():
                return []
            try:
                self._check_beginning(data)
            except StreamError as error:
                self._end()
                return [error]
        self._held += data
        if self.pending > (self.limits.stanza if inside else self.limits.header):
            self._end()
            return [too_large(1 if inside else 0)]
        return []

    def _check_beginning(self, data: bytes) -> None:
        """What begins here is a tag, in UTF-8 (RFC 6120 11.6)."""
        if self._context is None and data[:2] in _UTF_16:
            raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is supported")
        if data.lstrip(SPACE)[:1] not in (b"", b"<", b"\xef"):
            if self._context is None:
                raise StreamError(StreamCondition.NOT_WELL_FORMED, "text before the stream header")
            raise StreamError(StreamCondition.BAD_FORMAT, "text between stanzas")


# Expat's errors that are not plain bad syntax.
_EXPLAINED = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: StreamCondition.RESTRICTED_XML,
    expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]: StreamCondition.BAD_NAMESPACE_PREFIX,
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
}


def explain(error: expat.ExpatError) -> StreamError:
    """Return the stream error for what expat doesn't take (RFC 6120 4.9.3)."""
    return StreamError(_EXPLAINED.get(error.code, StreamCondition.NOT_WELL_FORMED), expat.ErrorString(error.code))
