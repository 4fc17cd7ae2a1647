"""XML in and out: escaping, building and reading small pieces.

Building is done with bytes: :func:`tag` escapes and returns bytes that can be nested without another pass.
Reading gives :class:`twisted.words.xish.domish.Element`, the element type of Twisted and tx-xmpp.
RFC 6120 section 11 restricts the XML that may appear; :mod:`xmppd.wire.framing` enforces that on the way in.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.parsers import expat

from twisted.words.xish.domish import Element, SerializedXML

from xmppd.wire import ns
from xmppd.wire.escape import escape_attribute, escape_text

__all__ = [
    "SEPARATOR",
    "Element",
    "Payload",
    "escape_attribute",
    "escape_text",
    "parse",
    "serialise",
    "tag",
    "to_payload",
]

#: Put by expat between a namespace and a name. U+001F can't occur in XML, so no namespace can contain it.
SEPARATOR = "\x1f"

#: What can be given as the content of a stanza: bytes made by :func:`tag`, an element, several, or nothing.
Payload = bytes | Element | Sequence["bytes | Element"] | None


def tag(
    name: str,
    /,
    *content: bytes | str | Element | None,
    attributes: dict[str, object] | None = None,
    **attrs: object,
) -> bytes:
    """Build one element as bytes.

    :param name: the element's local name.
    :param content: children: bytes as they are, elements serialised, str escaped as text, None left out.
    :param attributes: attributes whose names are no Python identifiers (``xml:lang``); None values are left out.
    :param attrs: the other attributes, ``xmlns`` among them; a trailing underscore is dropped (``from_``).

    >>> tag("query", tag("item", jid="romeo@example.net"), xmlns="jabber:iq:roster", ver=None)
    b"<query xmlns='jabber:iq:roster'><item jid='romeo@example.net'/></query>"
    """
    head = "<" + name
    xmlns = attrs.pop("xmlns", None)
    if xmlns is not None:
        head += f" xmlns='{escape_attribute(str(xmlns))}'"
    for source in (attributes, attrs):
        for key, value in source.items() if source else ():
            if value is not None:
                head += f" {key.rstrip('_')}='{escape_attribute(str(value))}'"
    inner = b"".join(_piece(piece) for piece in content if piece is not None)
    if inner:
        return b"".join(((head + ">").encode(), inner, f"</{name}>".encode()))
    return (head + "/>").encode()


def _piece(piece: bytes | str | Element) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return escape_text(piece).encode()
    return serialise(piece)


def serialise(element: Element, default_namespace: str = ns.CLIENT) -> bytes:
    """Return the element as bytes that mean the same wherever the default namespace is `default_namespace`.

    Elements are written without prefixes. ``Element.toXml`` is not used: it doesn't escape namespaces, which may come
    from strangers, nor line breaks in attributes. An element whose namespace is None has that of its parent.
    """
    out: list[str] = []
    _write(element, default_namespace, out)
    return "".join(out).encode()


def _write(element: Element, outer: str, out: list[str]) -> None:
    uri = outer if element.uri is None else element.uri
    out.append(f"<{element.name}")
    if uri != outer:
        out.append(f" xmlns='{escape_attribute(uri)}'")
    for number, (key, value) in enumerate(element.attributes.items()):
        if isinstance(key, tuple):
            namespace, name = key
            if namespace == ns.XML:
                key = f"xml:{name}"
            else:
                out.append(f" xmlns:n{number}='{escape_attribute(namespace)}'")
                key = f"n{number}:{name}"
        out.append(f" {key}='{escape_attribute(str(value))}'")
    if not element.children:
        out.append("/>")
        return
    out.append(">")
    for child in element.children:
        if isinstance(child, Element):
            _write(child, uri, out)
        else:
            out.append(child if isinstance(child, SerializedXML) else escape_text(child))
    out.append(f"</{element.name}>")


def to_payload(content: Payload) -> bytes:
    """Return the bytes of anything that may be a stanza's content."""
    if content is None:
        return b""
    if isinstance(content, bytes):
        return content
    if isinstance(content, Element):
        return serialise(content)
    return b"".join(_piece(piece) for piece in content)


def parse(
    payload: bytes, default_namespace: str = ns.CLIENT, prefixes: dict[str, str] | None = None
) -> tuple[Element, ...]:
    """Parse the children that `payload` holds, as they mean inside a stream.

    :param payload: well-formed content (it has passed :class:`~xmppd.wire.framing.Framer`, or we made it).
    :param default_namespace: the default namespace in force around it.
    :param prefixes: other namespace declarations in force around it.
    :raises xml.parsers.expat.ExpatError: if it is not well-formed after all.
    """
    builder = _Builder()
    parser = expat.ParserCreate("UTF-8", SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    declared = "".join(f" xmlns:{p}='{escape_attribute(u)}'" for p, u in (prefixes or {}).items())
    parser.Parse(f"<x xmlns='{escape_attribute(default_namespace)}'{declared}>".encode())
    parser.Parse(payload)
    parser.Parse(b"</x>", True)
    return tuple(builder.roots)


class _Builder:
    """Expat's events to elements. The wrapper element made by :func:`parse` is not kept."""

    __slots__ = ("_stack", "roots")

    def __init__(self) -> None:
        self.roots: list[Element] = []
        self._stack: list[Element | None] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._stack:
            self._stack.append(None)
            return
        uri, _, local = name.rpartition(SEPARATOR)
        element = Element((uri, local), uri)
        for key, value in attributes.items():
            auri, _, alocal = key.rpartition(SEPARATOR)
            element.attributes[(auri, alocal) if auri else alocal] = value
        parent = self._stack[-1]
        if parent is None:
            self.roots.append(element)
        else:
            element.parent = parent
            parent.children.append(element)
        self._stack.append(element)

    def end(self, name: str) -> None:
        self._stack.pop()

    def text(self, data: str) -> None:
        parent = self._stack[-1] if self._stack else None
        if parent is not None:
            parent.children.append(data)
