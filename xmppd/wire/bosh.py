"""The ``<body/>`` that wraps what goes over HTTP in either direction (XEP-0124 section 5, XEP-0206 section 2).

What is inside is read by the same :class:`~xmppd.wire.scanner.Scanner` as a stream over TCP: payloads stay the bytes
that came, and limits and the restrictions of RFC 6120 section 11 hold. A body is read in two steps, since nobody should
look into one before it is known whose it is and that its turn has come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from xml.parsers import expat

from xmppd.wire import ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.escape import escape_attribute
from xmppd.wire.frames import Frame, Limits, StreamHeader
from xmppd.wire.scanner import SPACE, Context, ScannerPool
from xmppd.wire.websocket import qualified, standard_context
from xmppd.wire.xml import SEPARATOR

__all__ = [
    "EMPTY", "MOST_RID", "NS", "RECOVERABLE", "RESTART", "VERSION", "VERSION_OF_STREAM", "BindingError", "Body",
    "ContentFramer", "Unreadable", "boolean", "number", "read_body", "terminal", "write_attributes", "write_body",
]  # fmt: skip

NS = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
#: The names of attributes in :attr:`Body.attributes` that have a namespace.
RESTART = f"{XBOSH}{SEPARATOR}restart"
VERSION_OF_STREAM = f"{XBOSH}{SEPARATOR}version"
#: The version of BOSH that is spoken here (the attribute `ver`).
VERSION = (1, 11)
#: The largest request ID (XEP-0124 14.1): 2**53 - 1.
MOST_RID = 9_007_199_254_740_991

_OPENING = b"<body xmlns='http://jabber.org/protocol/httpbind'"
#: A body without content.
EMPTY = _OPENING + b"/>"
#: A recoverable binding condition (17.3).
RECOVERABLE = _OPENING + b" type='error'/>"

_USUAL = {"stream": ns.STREAM}
#: A start tag that holds nothing that takes thought: ASCII, no references. Others are read by expat.
_SIMPLE = re.compile(
    rb"[ \t\r\n]*<body((?:[ \t\r\n]+[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?[ \t\r\n]*=[ \t\r\n]*"
    rb"(?:'[ -%(-;=-~]*'|\"[ !#-%'-;=-~]*\"))*+)[ \t\r\n]*(/?)>"
)
_ATTRIBUTE = re.compile(r"([\w.:-]+)[ \t\r\n]*=[ \t\r\n]*(['\"])(.*?)\2")
_START_TAG = re.compile(rb"<(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_END_TAG = re.compile(rb"</([^ \t\r\n<>/]+)[ \t\r\n]*>\Z")
_NUMBER = re.compile(r"[ \t\r\n]*\+?0{0,9}([0-9]{1,16})[ \t\r\n]*\Z")


class BindingError(Exception):
    """A terminal binding condition (XEP-0124 17.2), after which the session is over.

    :ivar condition: its name.
    :ivar content: elements to put into the body: the URI of `see-other-uri`, the error of `remote-stream-error`.
    """

    def __init__(self, condition: str, why: str = "", content: bytes = b"") -> None:
        super().__init__(f"{condition}: {why}" if why else condition)
        self.condition = condition
        self.content = content


class Unreadable(StreamError):
    """What is in a body is no XML, or none that may be there: `bad-request` rather than an error of the stream."""


class Body:
    """A ``<body/>`` whose content nobody has looked at yet.

    :ivar attributes: keyed by local name; by ``namespace + SEPARATOR + name`` for those that have a namespace.
    :ivar prefixes: the namespaces that it declares, by prefix; without the default one.
    :ivar content: what is between the tags.
    """

    __slots__ = ("attributes", "content", "prefixes")

    def __init__(self, attributes: dict[str, str], prefixes: dict[str, str], content: bytes) -> None:
        self.attributes = attributes
        self.prefixes = prefixes
        self.content = content


def number(text: str | None) -> int | None:
    """Return what an attribute says that is an xs:unsignedInt or the like, or None if it is no such number."""
    match = _NUMBER.match(text) if text is not None else None
    return int(match[1]) if match is not None else None


def boolean(text: str | None) -> bool:
    """Return what an attribute says that is an xs:boolean; what isn't true is false."""
    return text in ("true", "1")


def read_body(data: bytes, limits: Limits) -> Body:
    """Read a body as far as its own tags.

    :param limits: `header` and `attributes` are those of the body's start tag.
    :raises BindingError: `bad-request`: it is no body. Whether its content is well-formed is not known yet.
    """
    match = _SIMPLE.match(data)
    body = _read_simple(match[1].decode("ascii"), limits) if match is not None else None
    if body is None or match is None:
        return _read_any(data, limits)
    end = match.end()
    if end > limits.header:
        raise BindingError("bad-request", "the start tag is too large")
    if match[2]:
        if data[end:].strip(SPACE):
            raise BindingError("bad-request", "there is something behind the body")
    elif data.endswith(b"</body>"):
        body.content = data[end:-7]
    else:
        body.content = _content(data, end, b"body")
    return body


def _read_simple(text: str, limits: Limits) -> Body | None:
    """Read attributes that are known to be well-formed one by one; None if there is more to think about."""
    found = _ATTRIBUTE.findall(text)
    attributes: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    qualified: list[tuple[str, str]] | None = None
    namespace = ""
    for name, _, value in found:
        if ":" in name:
            prefix, _, local = name.partition(":")
            if prefix == "xmlns":
                if not value or local.startswith("xml"):
                    return None
                prefixes[local] = value
            elif qualified is None:
                qualified = [(name, value)]
            else:
                qualified.append((name, value))
        elif name == "xmlns":
            namespace = value
        else:
            attributes[name] = value
    for name, value in qualified or ():
        prefix, _, local = name.partition(":")
        uri = ns.XML if prefix == "xml" else prefixes.get(prefix)
        if uri is None:
            return None
        attributes[f"{uri}{SEPARATOR}{local}"] = value
    if len(attributes) + len(prefixes) + 1 != len(found) or namespace != NS or len(found) > limits.attributes:
        return None  # one stands there twice, or something else is wrong
    return Body(attributes, prefixes, b"")


def _content(data: bytes, start: int, name: bytes) -> bytes:
    """Return what is before the end tag, which is the last thing there is."""
    data = data.rstrip(SPACE)
    close = data.rfind(b"</", start)
    match = _END_TAG.match(data, close) if close >= 0 else None
    if match is None or match[1] != name:
        raise BindingError("bad-request", "the body has no end")
    return data[start:close]


class _Found(Exception):
    """The start tag is complete."""


class _Opening:
    """Expat's events up to the end of the first start tag."""

    def __init__(self) -> None:
        self.declared: dict[str, str] = {}
        self.name = ""
        self.attributes: dict[str, str] = {}
        self.at = 0
        parser = self.parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.StartDoctypeDeclHandler = parser.CommentHandler = parser.ProcessingInstructionHandler = _refuse
        parser.XmlDeclHandler = _check_declaration
        parser.StartNamespaceDeclHandler = self.declare
        parser.StartElementHandler = self.start

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self.declared[prefix or ""] = uri or ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes, self.at = name, attributes, self.parser.CurrentByteIndex
        raise _Found


def _read_any(data: bytes, limits: Limits) -> Body:
    """Read a start tag in any way that XML allows."""
    opening = _Opening()
    try:
        opening.parser.Parse(data, True)
    except _Found:
        pass
    except expat.ExpatError as error:
        raise BindingError("bad-request", expat.ErrorString(error.code)) from None
    finally:
        del opening.parser  # which knows it as well
    match = _START_TAG.match(data, opening.at)
    if opening.name != f"{NS}{SEPARATOR}body" or match is None:
        raise BindingError("bad-request", f"a body is expected, <body xmlns='{NS}'>")
    tag = match[0]
    if len(tag) > limits.header or len(opening.attributes) > limits.attributes:
        raise BindingError("bad-request", "the start tag is too large")
    prefixes = {prefix: uri for prefix, uri in opening.declared.items() if prefix}
    body = Body(opening.attributes, prefixes, b"")
    if not tag.endswith(b"/>"):
        body.content = _content(data, match.end(), re.split(rb"[ \t\r\n>]", tag[1:], maxsplit=1)[0])
    elif data[match.end() :].strip(SPACE):
        raise BindingError("bad-request", "there is something behind the body")
    return body


def _refuse(*args: object) -> None:
    raise BindingError("bad-request", "comments, processing instructions and document types are not allowed")


def _check_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding and encoding.lower() not in ("utf-8", "utf8"):
        raise BindingError("bad-request", "only UTF-8 is supported")


class ContentFramer:
    """Splits the content of bodies into frames. A body is taken as a whole: what is wrong in it spoils all of it.

    Elements without a namespace of their own are in that of clients (XEP-0206 section 2, the note). Implements
    :class:`xmppd.wire.framing.IFramer`.

    :ivar limits: may be replaced between calls.
    :ivar lang: the language of stanzas that name none.
    :ivar prefixes: the namespaces that the next body declares, by prefix.
    """

    __slots__ = ("_pool", "lang", "limits", "prefixes")

    def __init__(self, limits: Limits, pool: ScannerPool, lang: str | None = None) -> None:
        self.limits = limits
        self.lang = lang
        self.prefixes: Mapping[str, str] = {}
        self._pool = pool

    @property
    def pending(self) -> int:
        """See IFramer: nothing of a body is left over."""
        return 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take the content of the next body.

        :returns: frames in order, or nothing but one :class:`StreamError`, which is :class:`Unreadable` if it is XML
            that is the matter.
        """
        if not data:
            return []
        scanner = self._pool.take(self._context(data), self.limits)
        frames: list[Frame] = []
        try:
            scanner.scan(data, frames)
            if scanner.depth != 1 or scanner.rest:
                return [Unreadable(StreamCondition.NOT_WELL_FORMED, "an element has no end, or ends twice")]
        except StreamError as error:
            known = error.condition is StreamCondition.POLICY_VIOLATION
            return [error if known else Unreadable(error.condition, error.text)]
        except expat.ExpatError as error:
            return [Unreadable(StreamCondition.NOT_WELL_FORMED, expat.ErrorString(error.code))]
        self._pool.give(scanner)
        return frames

    def _context(self, content: bytes) -> Context:
        """Return what is declared around content, as far as it matters to it."""
        prefixes = self.prefixes
        declared = {p: prefixes[p] for p in prefixes if p.encode() + b":" in content} if prefixes else {}
        if declared == _USUAL or (not declared and b"stream:" not in content):
            return _usual_context(self.lang)
        declared[""] = ns.CLIENT
        return Context(StreamHeader(ns.CLIENT, None, None, None, "1.0", self.lang, declared, b"body"))


@lru_cache(maxsize=256)
def _usual_context(lang: str | None) -> Context:
    return standard_context(lang)


def write_body(elements: Iterable[bytes], attributes: bytes = b"") -> bytes:
    """Return a body around elements as they would stand on a stream over TCP.

    :param attributes: further ones, written, with a space before each.
    """
    parts = [_OPENING, attributes, b"", b">"]
    for element in elements:
        if element.startswith(b"<stream:"):
            parts[2] = b" xmlns:stream='http://etherx.jabber.org/streams'"  # XEP-0206 section 2: a MUST
            parts.append(element)
        else:
            parts.append(qualified(element))
    if len(parts) == 4:
        parts[3] = b"/>"
    else:
        parts.append(b"</body>")
    return b"".join(parts)


def terminal(condition: str = "") -> bytes:
    """Return the attributes of a body that ends a session, with a terminal binding condition or in good order."""
    return b" type='terminate' condition='%b'" % condition.encode() if condition else b" type='terminate'"


def write_attributes(pairs: Iterable[tuple[str, object]]) -> bytes:
    """Write attributes; those that are None are left out."""
    return "".join(f" {name}='{escape_attribute(str(value))}'" for name, value in pairs if value is not None).encode()
