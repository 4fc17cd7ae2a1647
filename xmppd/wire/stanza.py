"""Stanzas and nonzas (RFC 6120 section 8, XEP-0360).

A stanza keeps its content as the bytes it came with: it is parsed only when somebody asks for an element, and goes out
again as a new header around the same bytes. Stanzas are never changed: :meth:`Stanza.readdressed`, :meth:`Iq.result`
and :meth:`Stanza.error` return new ones, which share the payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol, TypeVar

from xmppd.wire import ns
from xmppd.wire.errors import StanzaError
from xmppd.wire.escape import escape_attribute
from xmppd.wire.jid import Jid
from xmppd.wire.xml import SEPARATOR, Element, Payload, parse, to_payload

__all__ = ["Iq", "Message", "Nonza", "Presence", "Stanza", "Unit"]

S = TypeVar("S", bound="Stanza")
_SHOWN = 8  # names of children that logs show
#: The lexical form of `xs:byte`, with the whitespace that may be around it.
_BYTE = re.compile(r"[ \t\r\n]*[+-]?0{0,9}[0-9]{1,3}[ \t\r\n]*\Z")


class Unit(Protocol):
    """What the handling of one stanza leaves behind, all of it or nothing; the server's own affair."""

    @property
    def again(self) -> bool:
        """See :attr:`Stanza.again`."""


class Stanza:
    """What the three kinds have in common. Treat every attribute as read-only.

    :ivar to: address of the intended recipient, or None when the stanza had none.
    :ivar from_: address of the sender; on everything a plugin sees it is set and proven.
    :ivar id: the sender's identifier, or None.
    :ivar type: the type as RFC 6121 understands it, see the kinds.
    :ivar lang: xml:lang, or None.
    :ivar payload: the content, as bytes, in terms of the stream's content namespace.
    :ivar extra: attributes that RFC 6120 doesn't know, passed on as they are.
    :ivar unit: the unit of work it belongs to (:meth:`along`), or None. Copies inherit it.
    :ivar tail: the end of its bytes, if it shares them with others (:meth:`copies`); else None.
    """

    __slots__ = (
        "_bytes", "_elements", "_names", "extra", "from_", "id", "lang", "payload", "tail", "to", "type", "unit",
    )  # fmt: skip

    #: The element's name.
    kind: ClassVar[str] = ""
    #: The type that is meant when there is no type attribute.
    default_type: ClassVar[str] = ""

    def __init__(
        self,
        to: Jid | None = None,
        from_: Jid | None = None,
        id: str | None = None,
        type: str | None = None,
        lang: str | None = None,
        payload: Payload = b"",
        names: tuple[str, ...] | None = None,
        extra: dict[str, str] | None = None,
    ) -> None:
        self.to = to
        self.from_ = from_
        self.id = id
        self.type = type or self.default_type
        self.lang = lang
        self.payload = payload if payload.__class__ is bytes else to_payload(payload)
        self.extra = extra
        self.unit: Unit | None = None
        self._names = names
        self._elements: tuple[Element, ...] | None = None
        self._bytes: bytes | None = None
        self.tail: bytes | None = None

    # What it holds

    @property
    def sender(self) -> Jid:
        """:attr:`from_` of a stanza that has one, as all have that a plugin sees but for those with scope ``STREAM``.

        :raises ValueError: if it has none.
        """
        if self.from_ is None:
            raise ValueError(f"{self!r} has no sender")
        return self.from_

    @property
    def recipient(self) -> Jid:
        """:attr:`to` of a stanza that has one, as all have that are on their way to an account, a host or a component.

        :raises ValueError: if it has none.
        """
        if self.to is None:
            raise ValueError(f"{self!r} has no recipient")
        return self.to

    @property
    def elements(self) -> tuple[Element, ...]:
        """The direct children, parsed on first use."""
        if self._elements is None:
            self._elements = parse(self.payload)
        return self._elements

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(namespace, name) of every direct child, in order; costs no parsing on a stanza that was received."""
        return tuple((uri, name) for uri, _, name in (raw.rpartition(SEPARATOR) for raw in self.raw_names))

    @property
    def raw_names(self) -> tuple[str, ...]:
        """The same as ``namespace + SEPARATOR + name``, the key of the handler tables."""
        if self._names is None:
            self._names = tuple(f"{e.uri}{SEPARATOR}{e.name}" for e in self.elements)
        return self._names

    def has(self, namespace: str, name: str) -> bool:
        """Is there such a direct child? Costs no parsing on a stanza that was received."""
        return f"{namespace}{SEPARATOR}{name}" in self.raw_names

    def child(self, namespace: str, name: str) -> Element | None:
        """Return the first direct child of that name, parsed, or None."""
        if not self.has(namespace, name):
            return None
        return next((e for e in self.elements if e.uri == namespace and e.name == name), None)

    def text(self, name: str, namespace: str = ns.CLIENT) -> str | None:
        """Return the text of that child (such as ``body``), or None if there is no such child."""
        element = self.child(namespace, name)
        return None if element is None else "".join(c for c in element.children if isinstance(c, str))

    # Others made from it

    def _copy(self: S) -> S:
        new: S = self.__class__.__new__(self.__class__)
        new.to, new.from_, new.id, new.type, new.lang = self.to, self.from_, self.id, self.type, self.lang
        new.payload, new.extra, new.unit = self.payload, self.extra, self.unit
        new._names, new._elements, new._bytes, new.tail = self._names, self._elements, None, None
        return new

    def readdressed(self: S, to: Jid | None = None, from_: Jid | None = None) -> S:
        """Return the same stanza with other addresses; None keeps the one it has."""
        new = self._copy()
        if to is not None:
            new.to = to
        if from_ is not None:
            new.from_ = from_
        return new

    def copies(self: S, recipients: Iterable[Jid]) -> Iterator[S]:
        """Give the same stanza to each of many recipients. What the copies have in common is written once."""
        cls, end = self.__class__, b"/>"
        from_, id, type_, lang, payload, extra = self.from_, self.id, self.type, self.lang, self.payload, self.extra
        names, elements, unit = self.raw_names, self._elements, self.unit  # names first: they are not looked for again
        head = f"{self._opening()} to='".encode()
        if payload:
            end = b"".join((b">", payload, _END[self.kind]))
        tail = f"'{self._attributes()}".encode() + end
        for to in recipients:
            new = cls.__new__(cls)
            new.to, new.from_, new.id, new.type, new.lang, new.payload = to, from_, id, type_, lang, payload
            new.extra, new.unit, new._names, new._elements = extra, unit, names, elements
            new._bytes, new.tail = b"".join((head, to.xml.encode(), tail)), tail
            yield new

    def with_payload(self: S, payload: Payload) -> S:
        """Return the same stanza around other content."""
        new = self._copy()
        new.payload, new._names, new._elements = to_payload(payload), None, None
        return new

    def along(self: S, other: Stanza) -> S:
        """Make this stanza, which nobody has seen yet, part of the unit of work that `other` belongs to; return it.

        What is sent on account of another stanza is on disk when that one is, or not at all.
        """
        self.unit = other.unit
        return self

    @property
    def again(self) -> bool:
        """Was it sent to a device once that never said it got it, and is now on its way to others (XEP-0198 4)?

        Then it has been stored and copied already.
        """
        return self.unit is not None and self.unit.again

    def adding(self: S, payload: Payload, *raw_names: str) -> S:
        """Return the same stanza with more content behind what it has (a delay stamp, a stanza id).

        :param raw_names: the :attr:`raw_names` of what is added, if they are known: it need not be parsed then.
        """
        added = payload if isinstance(payload, bytes) else to_payload(payload)
        new = self._copy()
        new.payload, new._elements = self.payload + added, None
        new._names = (*self._names, *raw_names) if raw_names and self._names is not None else None
        if self._bytes is not None and self.payload:
            end = _END[self.kind]  # the header is the same: what it costs is spent
            new._bytes = b"".join((self._bytes[: -len(end)], added, end))
        return new

    def error(self: S, error: StanzaError) -> S:
        """Return the error reply to this stanza: addresses turned round, the sender's content before ``<error/>``.

        RFC 6120 section 8.3. A stanza of type ``error`` or ``result`` must never be answered; see :attr:`answerable`.

        :raises ValueError: if this stanza must not be answered.
        """
        if not self.answerable:
            raise ValueError(f"a {self.kind} of type {self.type} must not be answered by an error")
        return self.__class__(self.from_, self.to, self.id, "error", None, self.payload + error.to_bytes())

    @property
    def answerable(self) -> bool:
        """May an error be sent in reply? (RFC 6120 8.3.1: never to an error; nor to a result.)"""
        return self.type not in ("error", "result")

    # Out

    def to_bytes(self) -> bytes:
        """Return the stanza as it goes on a stream whose content namespace is the default."""
        data = self._bytes
        if data is None:
            data = self._bytes = self._serialise()
        return data

    def _serialise(self) -> bytes:
        head = self._opening()
        if self.to is not None:
            head += f" to='{self.to.xml}'"
        head += self._attributes()
        if self.payload:
            return b"".join(((head + ">").encode(), self.payload, _END[self.kind]))
        return (head + "/>").encode()

    def _opening(self) -> str:
        return "<" + self.kind if self.from_ is None else f"<{self.kind} from='{self.from_.xml}'"

    def _attributes(self) -> str:
        """Return what follows the addresses."""
        text = ""
        if self.type != self.default_type:
            text = f" type='{escape_attribute(self.type)}'"
        if self.id is not None:
            text += f" id='{escape_attribute(self.id)}'"
        if self.lang is not None:
            text += f" xml:lang='{escape_attribute(self.lang)}'"
        if self.extra:
            text += "".join(f" {key}='{escape_attribute(value)}'" for key, value in self.extra.items())
        return text

    def __repr__(self) -> str:
        """For logs: header and the names of the children, but no content, which is private and may be a password."""
        names = [name for _, name in self.names[:_SHOWN]] + ["..."] * (len(self.names) > _SHOWN)
        holding = f": {' '.join(names)}" if names else ""
        return f"<{self.__class__.__name__} {self.type} from {self.from_} to {self.to}{holding}>"


class Message(Stanza):
    """RFC 6121 section 5. A missing type is ``normal``."""

    __slots__ = ()
    kind = "message"
    default_type = "normal"

    @property
    def body(self) -> str | None:
        """The text of the first ``<body/>``, or None."""
        return self.text("body")


class Presence(Stanza):
    """RFC 6121 section 4. A missing type is called ``available`` here."""

    __slots__ = ()
    kind = "presence"
    default_type = "available"

    @property
    def priority(self) -> int:
        """The priority between -128 and 127; 0 when there is none or it is no such number (RFC 6121 4.7.2.3)."""
        if f"{ns.CLIENT}{SEPARATOR}priority" not in self.raw_names:
            return 0
        if _BYTE.match(text := self.text("priority") or "") is None:
            return 0
        value = int(text)
        return value if -128 <= value <= 127 else 0


class Iq(Stanza):
    """RFC 6120 section 8.2.3: a ``get`` or ``set`` is answered by exactly one ``result`` or ``error``."""

    __slots__ = ()
    kind = "iq"

    @property
    def request(self) -> Element:
        """The one child of a get or set, parsed.

        :raises IndexError: on a result without content.
        """
        return self.elements[0]

    def result(self, payload: Payload = b"") -> Iq:
        """Return the reply of type result, from whom the request was to, with that content."""
        return Iq(self.from_, self.to, self.id, "result", None, payload)


_END = {cls.kind: f"</{cls.kind}>".encode() for cls in (Message, Presence, Iq)}


class Nonza:
    """A first-level element that is no stanza: stream negotiation, SASL, stream management.

    :ivar attributes: keyed by local name; by ``namespace + SEPARATOR + name`` for those that have a namespace.
    """

    __slots__ = ("attributes", "name", "names", "namespace", "payload")

    def __init__(
        self, namespace: str, name: str, attributes: dict[str, str], payload: bytes, names: tuple[str, ...]
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.attributes = attributes
        self.payload = payload
        self.names = names

    @property
    def elements(self) -> tuple[Element, ...]:
        """The children, parsed; text directly inside is in :attr:`text`."""
        return parse(self.payload, self.namespace)

    @property
    def text(self) -> str:
        """The character data directly inside, entities resolved."""
        wrapped = parse(b"<x>" + self.payload + b"</x>", self.namespace)[0]
        return "".join(c for c in wrapped.children if isinstance(c, str))
