"""Bytes of an XML stream to its first-level elements (RFC 6120 sections 4, 8 and 11).

Expat checks every byte: well-formedness, namespaces, UTF-8. A stanza becomes a :class:`~xmppd.wire.stanza.Stanza`
that keeps its content as the exact bytes that came, which is what makes passing it on cheap. Bytes would change their
meaning on another stream if they used a prefix declared outside of them; such a stanza is parsed and written anew.

Hostile input costs bounded memory and time: every size has a limit, what RFC 6120 11.1 forbids is refused when it
begins, and the expat parser, which remembers every name it ever saw, is replaced now and then and dropped while a
stream is idle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import SEPARATOR, parse, serialise

__all__ = ["Frame", "Framer", "Limits", "Malformed", "StreamEnd", "StreamHeader"]

_LANG = f"{ns.XML}{SEPARATOR}lang"
_STREAM = f"{ns.STREAM}{SEPARATOR}stream"
_KINDS: dict[str, dict[str, type[Stanza]]] = {
    content: {f"{content}{SEPARATOR}{cls.kind}": cls for cls in (Message, Presence, Iq)}
    for content in (ns.CLIENT, ns.SERVER, ns.COMPONENT)
}
# One start tag: linear, since no two alternatives can begin with the same character.
_START_TAG = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_NAMELESS: tuple[str, ...] = ()
# After so many bytes the parser is replaced: expat keeps each distinct name until it is freed.
_PARSER_LIFE = 1 << 20
# So many octets of unfinished tags may be looked at more than once, a frame.
_MOST_WORK = 1 << 22
_SPACE = b" \t\r\n"


@dataclass(frozen=True)
class Limits:
    """What one stream may cost. All sizes in octets."""

    stanza: int = 262_144
    header: int = 4_096
    depth: int = 64
    attributes: int = 64
    children: int = 1_024


@dataclass(frozen=True)
class StreamHeader:
    """The opening tag of a stream (RFC 6120 4.7); the text of `to` and `from_` is as it came."""

    content: str
    to: str | None
    from_: str | None
    id: str | None
    version: str | None
    lang: str | None
    declared: dict[str, str] = field(default_factory=dict)  #: prefix ("" for the default) -> namespace


class StreamEnd:
    """The closing tag of a stream."""

    __slots__ = ()


class Malformed:
    """A stanza whose `to` is no address: to be answered with `error`, if it may be answered.

    :ivar stanza: the stanza, without its addresses.
    :ivar from_: the text of its `from`.
    """

    __slots__ = ("error", "from_", "stanza")

    def __init__(self, stanza: Stanza, error: StanzaError, from_: str | None) -> None:
        self.stanza = stanza
        self.error = error
        self.from_ = from_


#: What :meth:`Framer.feed` gives. A StreamError is always the last: the stream can't go on.
Frame = Stanza | Nonza | StreamHeader | StreamEnd | Malformed | StreamError


class Framer:
    """Splits the bytes of one stream into frames, however they were cut by the network.

    :ivar limits: may be replaced between calls (they differ before and after authentication).
    """

    __slots__ = (
        "_base", "_buffer", "_depth", "_done", "_element", "_frames", "_header", "_held", "_kinds", "_lang", "_life",
        "_names", "_outside", "_parser", "_rest", "_start_at", "_tag", "_work", "limits",
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new stream begins (after STARTTLS and SASL, RFC 6120 4.3.3)."""
        self._drop_parser()
        self._header: StreamHeader | None = None
        self._tag = b""  # the header's name as it was written
        self._rest: bytes | bytearray = b""  # what came since the last complete frame
        self._held = b""  # behind that, not yet given to expat
        self._depth = 0
        self._work = 0  # octets that expat had to look at again in this frame
        self._start_at = 0  # where the current first-level element begins, as expat counts
        self._element: tuple[str, dict[str, str]] = ("", {})
        self._names: list[str] = []
        self._kinds: dict[str, type[Stanza]] = {}
        self._outside: tuple[bytes, ...] = ()  # prefixes declared by the header, as b"prefix:"
        self._lang: str | None = None

    def _drop_parser(self) -> None:
        self._parser: expat.XMLParserType | None = None
        self._buffer: bytes | bytearray = b""  # what expat was given since _base
        self._base = 0  # expat's index of the first octet of the buffer
        self._done = 0  # and of the first one behind the last complete frame
        self._frames: list[Frame] = []
        self._life = 0

    @property
    def pending(self) -> int:
        """How many octets of an incomplete element (or header) are kept."""
        return len(self._rest) + len(self._held)

    def hibernate(self) -> None:
        """Free the parser (some 15 KiB) if nothing is pending; the next bytes make a new one."""
        if self._depth == 1 and not self._rest and not self._held:
            self._drop_parser()

    # In

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; return what they completed.

        :returns: frames in order; if a :class:`StreamError` is among them it is the last one and the stream is dead.
        """
        if b">" not in data:
            return self._hold(data)
        if self._held:
            data = self._held + data
            self._held = b""
        frames: list[Frame] = []
        try:
            self._parse(data, frames)
        except StreamError as error:
            frames.append(error)
        except expat.ExpatError as error:
            frames.append(_explain(error))
        self._frames = []
        return frames

    def _hold(self, data: bytes) -> list[Frame]:
        """Keep bytes that complete nothing.

        Expat begins again at the start of an incomplete token each time it is called: byte by byte, a long attribute
        would cost the square of its length. Whitespace between stanzas (RFC 6120 4.6.1) costs nothing at all.
        """
        if not self._rest and not self._held:
            if self._depth == 1 and data.isspace():
                return []
            if self._depth < 2 and data.lstrip(_SPACE)[:1] not in (b"", b"<", b"\xef"):
                return [self._not_a_tag(data)]
        self._held += data
        limit = self.limits.stanza if self._depth else self.limits.header
        return [_too_large(self._depth)] if self.pending > limit else []

    def _parse(self, data: bytes, frames: list[Frame]) -> None:
        parser = self._parser
        if parser is None or (self._life > _PARSER_LIFE and self._depth == 1 and not self._rest):
            parser = self._new_parser()
        self._frames = frames
        self._life += len(data)
        if self._rest:
            self._rest += data
            buffer = self._buffer = self._rest
        else:
            buffer = self._buffer = data
        if not self._depth:
            self._check_encoding(buffer)
        base = self._base
        parser.Parse(data)
        self._buffer = b""
        if self._depth < 0:
            return
        done = (self._start_at if self._depth > 1 else self._done) - base
        tail = len(buffer) - done
        if tail and self._depth == 1 and not buffer[done:].lstrip(_SPACE).startswith(b"<"):
            self._only_space(buffer[done:])
            tail = 0
        if not tail:
            self._rest = b""
            self._base = base + len(buffer)
            self._work = 0
            return
        if tail > (self.limits.stanza if self._depth else self.limits.header):
            raise _too_large(self._depth)
        unfinished = base + len(buffer) - parser.CurrentByteIndex
        self._work = self._work + unfinished if not frames else unfinished
        if self._work > _MOST_WORK:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many small pieces of one tag")
        self._rest = buffer if done == 0 and isinstance(buffer, bytearray) else bytearray(buffer[done:])
        self._base = base + done
        self._done = self._base

    def _check_encoding(self, start: bytes | bytearray) -> None:
        """RFC 6120 11.6: UTF-8 only; the other encodings can be told by their first two octets (XML 1.0 appendix F)."""
        if bytes(start[:2]) in (b"\xfe\xff", b"\xff\xfe", b"\x00<", b"<\x00"):
            raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is supported")
        if start.lstrip(_SPACE)[:1] not in (b"", b"<", b"\xef"):
            raise self._not_a_tag(start)

    def _not_a_tag(self, data: bytes | bytearray) -> StreamError:
        if not self._depth and bytes(data[:2]) in (b"\xfe\xff", b"\xff\xfe", b"\x00<"):
            return StreamError(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is supported")
        what = "between stanzas" if self._depth else "before the stream header"
        return StreamError(
            StreamCondition.BAD_FORMAT if self._depth else StreamCondition.NOT_WELL_FORMED, f"text {what}"
        )

    def _only_space(self, between: bytes | bytearray) -> None:
        if between.strip(_SPACE):
            raise self._not_a_tag(between)

    # Expat

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        self._drop_parser()
        self._parser = parser
        parser.StartDoctypeDeclHandler = _refuse("a document type declaration")
        parser.CommentHandler = _refuse("a comment")
        parser.ProcessingInstructionHandler = _refuse("a processing instruction")
        if self._header is None:
            parser.XmlDeclHandler = _check_declaration
            parser.StartNamespaceDeclHandler = self._declared
            parser.StartElementHandler = self._start
        else:
            # A stand-in for the header puts the declarations in force again, and waits for the same end tag.
            h = self._header
            declared = "".join(f" xmlns{':' + p if p else ''}='{escape_attribute(u)}'" for p, u in h.declared.items())
            stand_in = b"<%b%b>" % (self._tag, declared.encode())
            parser.Parse(stand_in)
            self._base = self._done = len(stand_in)
            parser.StartElementHandler = self._start
            parser.EndElementHandler = self._end
        return parser

    def _declared(self, prefix: str | None, uri: str | None) -> None:
        if self._depth == 0:
            self._element[1][f"xmlns:{prefix}" if prefix else "xmlns"] = uri or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        if depth == 3:
            names = self._names
            names.append(name)
            if len(names) > self.limits.children:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "too many children in one stanza")
        elif depth == 2:
            assert self._parser is not None
            at = self._parser.CurrentByteIndex
            if at != self._done:
                self._only_space(self._buffer[self._done - self._base : at - self._base])
            self._start_at = at
            self._element = (name, attributes)
        elif depth == 1:
            self._open(name, attributes)
        elif depth > self.limits.depth:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "elements are nested too deeply")
        if len(attributes) > self.limits.attributes:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many attributes")

    def _end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        if depth == 1:
            self._complete()
        elif depth == 0:
            self._frames.append(StreamEnd())
            self._depth = -1

    def _complete(self) -> None:
        """A first-level element has ended: make its frame."""
        assert self._parser is not None
        buffer, base = self._buffer, self._base
        start = self._start_at - base
        close = self._parser.CurrentByteIndex - base
        match = _START_TAG.match(buffer, start)
        assert match is not None
        opened = match.end()
        if match[0].endswith(b"/>"):
            end = opened
            payload = b""
        else:
            end = buffer.index(b">", close) + 1
            payload = bytes(buffer[opened:close])
        if end - start > self.limits.stanza:
            raise _too_large(1)
        self._done = base + end
        name, attributes = self._element
        names = tuple(self._names) if self._names else _NAMELESS
        if names:
            self._names = []
        opening = match[0]
        borrowed = b"xmlns:" in opening
        for prefix in self._outside:
            borrowed = borrowed or prefix in payload or prefix in opening
        if borrowed:
            payload = self._self_contained(bytes(buffer[start:end]), name)
        cls = self._kinds.get(name)
        if cls is None:
            namespace, _, local = name.rpartition(SEPARATOR)
            self._frames.append(Nonza(namespace, local, attributes, payload, names))
        else:
            self._frames.append(self._stanza(cls, attributes, payload, names))

    def _stanza(self, cls: type[Stanza], attributes: dict[str, str], payload: bytes, names: tuple[str, ...]) -> Frame:
        pop = attributes.pop
        to, from_ = pop("to", None), pop("from", None)
        id, type_, lang = pop("id", None), pop("type", None), pop(_LANG, None) or self._lang
        # What is left are attributes nobody knows; those with a namespace can't be passed on without their prefix.
        extra = {k: v for k, v in attributes.items() if SEPARATOR not in k} if attributes else None
        try:
            return cls(
                Jid.parse(to) if to else None,
                Jid.parse(from_) if from_ else None,
                id,
                type_,
                lang,
                payload,
                names,
                extra,
            )
        except JidError as error:
            stanza = cls(None, None, id, type_, lang, payload, names, extra)
            return Malformed(stanza, StanzaError(Condition.JID_MALFORMED, text=str(error)), from_)

    def _self_contained(self, raw: bytes, name: str) -> bytes:
        """Return the element's content, written so that it needs no declaration from outside."""
        assert self._header is not None
        declared = dict(self._header.declared)
        default = declared.pop("", "")
        element = parse(raw, default, declared)[0]
        namespace = self._header.content if name in self._kinds else name.rpartition(SEPARATOR)[0]
        pieces = (escape_text(c) if isinstance(c, str) else serialise(c, namespace).decode() for c in element.children)
        return "".join(pieces).encode()

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        """The stream header is complete (RFC 6120 4.7, 4.8)."""
        assert self._parser is not None
        parser, start = self._parser, self._parser.CurrentByteIndex - self._base
        found = {key.partition(":")[2]: uri for key, uri in self._element[1].items()}
        if name != _STREAM:
            wrong_namespace = name.rpartition(SEPARATOR)[0] != ns.STREAM
            condition = StreamCondition.INVALID_NAMESPACE if wrong_namespace else StreamCondition.BAD_FORMAT
            raise StreamError(condition, f"a stream header is expected, <stream:stream xmlns:stream='{ns.STREAM}'>")
        match = _START_TAG.match(self._buffer, start)
        assert match is not None
        if match.end() - start > self.limits.header:
            raise _too_large(0)
        self._done = self._base + match.end()
        self._tag = bytes(match[0][1:-1].split(None, 1)[0])
        # The content namespace is the default one, or else the one of a prefix (RFC 6120 4.8.2).
        content = next((uri for uri in found.values() if uri in _KINDS), found.get("", ""))
        self._kinds = _KINDS.get(content, {})
        self._outside = tuple(f"{prefix}:".encode() for prefix in found if prefix)
        get = attributes.get
        self._lang = get(_LANG)
        self._header = StreamHeader(
            content, get("to"), get("from"), get("id"), get("version"), get(_LANG), declared=found
        )
        parser.StartNamespaceDeclHandler = None
        parser.EndElementHandler = self._end
        self._frames.append(self._header)


def _refuse(what: str) -> Callable[..., None]:
    def refuse(*args: object) -> None:
        raise StreamError(StreamCondition.RESTRICTED_XML, f"{what} is not allowed in XMPP")

    return refuse


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding and encoding.lower() not in ("utf-8", "utf8"):
        raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is supported")


def _too_large(depth: int) -> StreamError:
    return StreamError(StreamCondition.POLICY_VIOLATION, f"the {'stanza' if depth else 'stream header'} is too large")


# Expat's errors that are not plain bad syntax.
_EXPLAINED = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: StreamCondition.RESTRICTED_XML,
    expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]: StreamCondition.BAD_NAMESPACE_PREFIX,
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
}


def _explain(error: expat.ExpatError) -> StreamError:
    return StreamError(_EXPLAINED.get(error.code, StreamCondition.NOT_WELL_FORMED), expat.ErrorString(error.code))
