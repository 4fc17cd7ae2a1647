"""Expat at work on one first-level element at a time (RFC 6120 sections 4, 8 and 11).

Between two elements nothing of a stream is left in the parser but the namespaces that its header declares, and those
are the same on nearly all streams. So streams don't own a parser: they take one when bytes come and give it back when
the last element is complete. Ten thousand idle streams need none, and busy ones share one that is warm in the CPU's
caches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.frames import Frame, Limits, Malformed, StreamEnd, StreamHeader
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import SEPARATOR, Element, parse, serialise

__all__ = ["SPACE", "Context", "Scanner", "ScannerPool", "too_large"]

_LANG = f"{ns.XML}{SEPARATOR}lang"
_CLIENTS = f"{ns.CLIENT}{SEPARATOR}"
_STREAM = f"{ns.STREAM}{SEPARATOR}stream"
_KINDS: dict[str, dict[str, type[Stanza]]] = {
    content: {f"{content}{SEPARATOR}{cls.kind}": cls for cls in (Message, Presence, Iq)}
    for content in (ns.CLIENT, ns.SERVER, ns.COMPONENT)
}
# One start tag: linear, since no two alternatives can begin with the same character, and nothing is tried twice.
_START_TAG = re.compile(rb"<(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
SPACE = b" \t\r\n"
#: After so many octets a parser is replaced: expat keeps each distinct name until it is freed.
_LIFE = 1 << 20
#: So many octets of unfinished tags may be looked at more than once, in one element.
_MOST_WORK = 1 << 22


class Context:
    """What a stream's header means for the elements after it.

    :ivar kinds: the kinds of stanzas, by their names on this stream.
    :ivar outside: the prefixes that the header declares, as they look in use.
    :ivar content: the name of the content namespace, as it looks in a payload that declares it once more.
    :ivar foreign: the content namespace with the separator, if it is not that of clients, which all of the server
        above this module takes for granted.
    :ivar shared: if the header declares what headers usually do, what others it shares its scanners with; else "".
    """

    __slots__ = ("content", "foreign", "header", "kinds", "lang", "outside", "shared")

    def __init__(self, header: StreamHeader) -> None:
        content = header.content
        self.header = header
        self.kinds = _KINDS.get(content, {})
        self.lang = header.lang
        self.outside = tuple(f"{prefix}:".encode() for prefix in header.declared if prefix)
        self.content = content.encode()
        self.foreign = f"{content}{SEPARATOR}" if self.kinds and content != ns.CLIENT else ""
        declared = dict(header.declared)
        dialback = declared.pop("db", None)
        usual = declared == {"": content, "stream": ns.STREAM} and dialback in (None, ns.DIALBACK)
        self.shared = ""
        if usual and self.kinds and header.tag == b"stream:stream":
            self.shared = content if dialback is None else f"{content} db"


class ScannerPool:
    """Scanners that are between two elements of streams with the usual header."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._free: dict[str, list[Scanner]] = {}

    def take(self, context: Context, limits: Limits) -> Scanner:
        """Return a scanner that goes on behind the header of `context`."""
        free = self._free.get(context.shared) if context.shared else None
        scanner = free.pop() if free else Scanner.resumed(context)
        scanner.context = context
        scanner.limits = limits
        scanner._most_attributes = limits.attributes
        return scanner

    def give(self, scanner: Scanner) -> None:
        """Take back a scanner whose stream is between two elements."""
        context = scanner.context
        if context is not None and scanner.life < _LIFE and context.shared:
            free = self._free.setdefault(context.shared, [])
            if len(free) < self._most:
                scanner.context = None
                free.append(scanner)


class Scanner:
    """An expat parser with its handlers, and how far it is in the current element.

    :ivar depth: 0 before the header, 1 between elements, more inside one; -1 after the end of the stream.
    :ivar rest: what came since the last complete frame.
    :ivar life: how many octets the parser has seen.
    """

    __slots__ = (
        "_attributes", "_base", "_buffer", "_declared", "_done", "_frames", "_most_attributes", "_name", "_names",
        "_parser", "_start_at", "_work", "context", "depth", "life", "limits", "rest",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._most_attributes = limits.attributes
        self.context: Context | None = None
        self.depth = 0
        self.rest: bytes | bytearray = b""
        self.life = 0
        self._base = 0  # expat's index of the first octet of the buffer
        self._done = 0  # and of the first one behind the last complete frame
        self._start_at = 0  # and of the first one of the current element
        self._buffer: bytes | bytearray = b""  # what expat was given since _base
        self._frames: list[Frame] = []
        self._declared: dict[str, str] = {}
        self._name = ""
        self._attributes: dict[str, str] = {}
        self._names: list[str] = []
        self._work = 0  # octets looked at again in this element
        parser = self._parser = expat.ParserCreate("UTF-8", SEPARATOR)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            # Expat 2.6 would wait for more bytes even if those that end the element are there; _MOST_WORK is our limit.
            parser.SetReparseDeferralEnabled(False)
        parser.StartDoctypeDeclHandler = _refuse("a document type declaration")
        parser.CommentHandler = _refuse("a comment")
        parser.ProcessingInstructionHandler = _refuse("a processing instruction")
        parser.XmlDeclHandler = _check_declaration
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start

    @classmethod
    def resumed(cls, context: Context) -> Scanner:
        """Return a scanner that is where one would be that had read the header of `context`."""
        scanner = cls(Limits())
        parser, header = scanner._parser, context.header
        names = "".join(f" xmlns{':' + p if p else ''}='{escape_attribute(u)}'" for p, u in header.declared.items())
        stand_in = b"<%b%b>" % (header.tag, names.encode())
        parser.StartNamespaceDeclHandler = parser.StartElementHandler = None
        parser.Parse(stand_in)
        scanner.depth = 1
        scanner._base = scanner._done = len(stand_in)
        parser.StartElementHandler = scanner._start
        parser.EndElementHandler = scanner._end
        return scanner

    @property
    def worn(self) -> bool:
        """Has the parser seen so much that it should be replaced, and that is cheap?"""
        return self.life > _LIFE and self.life > 4 * len(self.rest)

    def renewed(self) -> Scanner:
        """Return a scanner that is where this one is inside an element, but remembers no older names.

        A client may cut its packets so that its scanner is never between two elements, and never given back.
        """
        assert self.context is not None
        new = Scanner.resumed(self.context)
        new.context, new.limits, new._most_attributes = self.context, self.limits, self._most_attributes
        new.scan(bytes(self.rest), [])
        new._work = self._work
        return new

    def scan(self, data: bytes, frames: list[Frame]) -> None:
        """Take bytes; add what they complete to `frames`.

        :raises StreamError: if the stream can't go on.
        :raises xml.parsers.expat.ExpatError: if the XML is not well-formed.
        """
        self._frames = frames
        self.life += len(data)
        if self.rest:
            self.rest += data
            buffer = self.rest
        else:
            buffer = data
        self._buffer = buffer
        base = self._base
        parser = self._parser
        parser.Parse(data)
        self._buffer = b""
        depth = self.depth
        done = (self._start_at if depth > 1 else self._done) - base
        end = len(buffer)
        if done == end or depth < 0:
            self._complete_to(base + end)
            return
        if depth == 1 and not buffer[done:].lstrip(SPACE).startswith(b"<"):
            self._only_space(buffer[done:])
            self._complete_to(base + end)
            return
        if end - done > (self.limits.stanza if depth else self.limits.header):
            raise too_large(depth)
        unfinished = base + end - parser.CurrentByteIndex
        self._work = self._work + unfinished if not frames else unfinished
        if self._work > _MOST_WORK:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many small pieces of one tag")
        self.rest = buffer if done == 0 and isinstance(buffer, bytearray) else bytearray(buffer[done:])
        self._base = self._done = base + done

    def _complete_to(self, index: int) -> None:
        self.rest = b""
        self._base = self._done = index
        self._work = 0

    def _only_space(self, between: bytes | bytearray) -> None:
        if between.strip(SPACE):
            raise StreamError(StreamCondition.BAD_FORMAT, "text between stanzas")

    # Expat's events

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self.depth = self.depth + 1
        if depth == 3:
            names = self._names
            names.append(name)
            if len(names) > self.limits.children:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "too many children in one stanza")
        elif depth == 2:
            at = self._start_at = self._parser.CurrentByteIndex
            if at != self._done:
                self._only_space(self._buffer[self._done - self._base : at - self._base])
            if name == _STREAM:
                raise StreamError(StreamCondition.BAD_FORMAT, "the stream has begun already")
            self._name = name
            self._attributes = attributes
        elif depth == 1:
            self._open(name, attributes)
        elif depth > self.limits.depth:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "elements are nested too deeply")
        if len(attributes) > self._most_attributes:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many attributes")

    def _end(self, name: str) -> None:
        depth = self.depth = self.depth - 1
        if depth == 1:
            self._complete()
        elif depth == 0:
            self._frames.append(StreamEnd())
            self.depth = -1

    def _complete(self) -> None:
        """A first-level element has ended: make its frame."""
        buffer, base, context = self._buffer, self._base, self.context
        assert context is not None
        start = self._start_at - base
        match = _START_TAG.match(buffer, start)
        assert match is not None
        opening = match[0]
        if opening.endswith(b"/>"):
            end = match.end()
            payload = b""
        else:
            close = self._parser.CurrentByteIndex - base
            end = buffer.index(b">", close) + 1
            payload = bytes(buffer[match.end() : close])
        if end - start > self.limits.stanza:
            raise too_large(1)
        self._done = base + end
        name = self._name
        names = self._names
        if names:
            self._names = []
        borrowed = b"xmlns:" in opening or context.content in payload
        for prefix in context.outside:
            borrowed = borrowed or prefix in payload or prefix in opening
        if borrowed:
            payload = _self_contained(bytes(buffer[start:end]), name, context)
        cls = context.kinds.get(name)
        if context.foreign and names and cls is not None:
            foreign = context.foreign
            names = [_CLIENTS + n[len(foreign) :] if n.startswith(foreign) else n for n in names]
        if cls is None:
            namespace, _, local = name.rpartition(SEPARATOR)
            self._frames.append(Nonza(namespace, local, self._attributes, payload, tuple(names)))
        else:
            self._frames.append(_stanza(cls, self._attributes, payload, tuple(names), context.lang))

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        """The stream header is complete (RFC 6120 4.7, 4.8)."""
        parser = self._parser
        start = parser.CurrentByteIndex - self._base
        if name != _STREAM:
            wrong_namespace = name.rpartition(SEPARATOR)[0] != ns.STREAM
            condition = StreamCondition.INVALID_NAMESPACE if wrong_namespace else StreamCondition.BAD_FORMAT
            raise StreamError(condition, f"a stream header is expected, <stream:stream xmlns:stream='{ns.STREAM}'>")
        match = _START_TAG.match(self._buffer, start)
        assert match is not None
        if match.end() - start > self.limits.header:
            raise too_large(0)
        self._done = self._base + match.end()
        declared = self._declared
        # The content namespace is the default one, or else the one of a prefix (RFC 6120 4.8.2).
        content = next((uri for uri in declared.values() if uri in _KINDS), declared.get("", ""))
        tag = re.split(rb"[\s/>]", match[0][1:], maxsplit=1)[0]
        get = attributes.get
        header = StreamHeader(
            content, get("to"), get("from"), get("id"), get("version"), get(_LANG), declared, bytes(tag)
        )
        self.context = Context(header)
        parser.StartNamespaceDeclHandler = None
        parser.EndElementHandler = self._end
        self._frames.append(header)


def _stanza(
    cls: type[Stanza], attributes: dict[str, str], payload: bytes, names: tuple[str, ...], lang: str | None
) -> Frame:
    pop = attributes.pop
    to, from_ = pop("to", None), pop("from", None)
    id, type_, lang = pop("id", None), pop("type", None), pop(_LANG, lang)
    extra = _extra(attributes) if attributes else None  # what is left are attributes nobody knows
    try:
        return cls(
            Jid.parse(to) if to else None, Jid.parse(from_) if from_ else None, id, type_, lang, payload, names, extra
        )
    except JidError as error:
        stanza = cls(None, None, id, type_, lang, payload, names, extra)
        return Malformed(stanza, StanzaError(Condition.JID_MALFORMED, text=str(error)), from_)


def _extra(attributes: dict[str, str]) -> dict[str, str]:
    """Return attributes as they can be written on any stream: those with a namespace get a prefix, declared here."""
    extra: dict[str, str] = {}
    for number, (key, value) in enumerate(attributes.items()):
        uri, _, name = key.rpartition(SEPARATOR)
        if uri and uri != ns.XML:
            extra[f"xmlns:a{number}"] = uri
            extra[f"a{number}:{name}"] = value
        else:
            extra[f"xml:{name}" if uri else name] = value
    return extra


def _self_contained(raw: bytes, name: str, context: Context) -> bytes:
    """Return an element's content, written so that it needs no declaration from outside.

    The content namespace of servers and components becomes that of clients, wherever it is named: what is in a stanza
    for a client is in no namespace that clients don't know (RFC 6120 4.8.3).
    """
    declared = dict(context.header.declared)
    default = declared.pop("", "")
    element = parse(raw, default, declared)[0]
    namespace = ns.CLIENT if name in context.kinds else name.rpartition(SEPARATOR)[0]
    if context.foreign and name in context.kinds:
        _translate(element, context.header.content)
    pieces = (escape_text(c) if isinstance(c, str) else serialise(c, namespace).decode() for c in element.children)
    return "".join(pieces).encode()


def _translate(element: Element, content: str) -> None:
    if element.uri == content:
        element.uri = element.defaultUri = ns.CLIENT
    for child in element.children:
        if isinstance(child, Element):
            _translate(child, content)


def _refuse(what: str) -> Callable[..., None]:
    def refuse(*args: object) -> None:
        raise StreamError(StreamCondition.RESTRICTED_XML, f"{what} is not allowed in XMPP")

    return refuse


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding and encoding.lower() not in ("utf-8", "utf8"):
        raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is supported")


def too_large(depth: int) -> StreamError:
    """The error for an element (or, at depth 0, a header) over its limit."""
    return StreamError(StreamCondition.POLICY_VIOLATION, f"the {'stanza' if depth else 'stream header'} is too large")
