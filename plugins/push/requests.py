"""What clients ask for: XEP-0357 sections 5 and 6, with the filters and the key of Tigase's extensions."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from xmppd.api import Condition, Element, Jid, JidError, StanzaError
from xmppd.plugins.push.payload import ENCRYPT, NS, PRIORITY
from xmppd.wire.xml import parse, serialise

__all__ = ["FEATURES", "NO_EXTRAS", "Disabling", "Enabling", "Extras"]

UNKNOWN = "tigase:push:filter:ignore-unknown:0"
MUTED = "tigase:push:filter:muted:0"
GROUPCHAT = "tigase:push:filter:groupchat:0"
JINGLE = "tigase:push:jingle:0"
_ALGORITHM = "aes-128-gcm"
_KEY = 16  # octets
_PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
_FORMS = "jabber:x:data"
_EXTRAS = {
    (UNKNOWN, "ignore-unknown"), (MUTED, "muted"), (GROUPCHAT, "groupchat"), (ENCRYPT, "encrypt"), (JINGLE, "jingle"),
}  # fmt: skip
_ALLOWED = ("always", "mentioned", "never")

#: What is told to clients about their account.
FEATURES = (NS, ENCRYPT, f"tigase:push:encrypt:{_ALGORITHM}", PRIORITY, UNKNOWN, MUTED, GROUPCHAT, JINGLE)


class Extras(NamedTuple):
    """What an app wants beside the specification.

    :ivar ignore_unknown: don't push what people send who are not in the roster.
    :ivar muted: nor what comes from these, by bare addresses.
    :ivar rooms: ``always``, ``mentioned`` or ``never``, and the nickname, by bare addresses of rooms.
    :ivar key: what is told of messages is encrypted with this, if there is one.
    :ivar calls: it can be told of calls that way.
    """

    ignore_unknown: bool = False
    muted: frozenset[Jid] = frozenset()
    rooms: Mapping[Jid, tuple[str, str]] = {}
    key: bytes = b""
    calls: bool = False

    @classmethod
    def read(cls, elements: tuple[Element, ...]) -> Extras:
        """Read the children of ``<enable/>``.

        :raises StanzaError: bad-request; feature-not-implemented for another kind of encryption.
        """
        by_name = {(element.uri or "", element.name): element for element in elements}
        encrypt, muted = by_name.get((ENCRYPT, "encrypt")), by_name.get((MUTED, "muted"))
        rooms = by_name.get((GROUPCHAT, "groupchat"))
        return cls(
            (UNKNOWN, "ignore-unknown") in by_name,
            frozenset() if muted is None else frozenset(_jid(item).bare for item in muted.elements(MUTED, "item")),
            {} if rooms is None else dict(_room(room) for room in rooms.elements(GROUPCHAT, "room")),
            b"" if encrypt is None else _key(encrypt),
            (JINGLE, "jingle") in by_name,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Extras:
        """Read what was stored of them."""
        return cls.read(parse(data)) if data else NO_EXTRAS


NO_EXTRAS = Extras()


class Enabling(NamedTuple):
    """A request to enable push (section 5).

    :ivar form: publish-options, as they came; b"" if there are none.
    :ivar extras: the elements that :class:`Extras` is read from.
    """

    service: Jid
    node: str
    form: bytes
    extras: bytes

    @classmethod
    def read(cls, enable: Element, octets: int) -> Enabling:
        """Read ``<enable/>``.

        :param octets: how long everything may be together.
        :raises StanzaError: bad-request; jid-malformed; policy-violation if it is too long.
        """
        form, extras = b"", b""
        for element in enable.elements():
            if (element.uri, element.name) == (_FORMS, "x"):
                if form:
                    raise StanzaError(Condition.BAD_REQUEST, text="there can be one form of publish-options only")
                form = _options(element)
            elif (element.uri, element.name) in _EXTRAS:
                extras += serialise(element)
        Extras.from_bytes(extras)
        node: str = enable.getAttribute("node", "")
        if len(node.encode()) + len(form) + len(extras) > octets:
            raise StanzaError(Condition.POLICY_VIOLATION, text=f"node, form and settings may have {octets} octets")
        return cls(_service(enable), node, form, extras)


class Disabling(NamedTuple):
    """A request to disable push (section 6); `node` is None for all nodes of the service."""

    service: Jid
    node: str | None

    @classmethod
    def read(cls, disable: Element) -> Disabling:
        """Read ``<disable/>``.

        :raises StanzaError: bad-request; jid-malformed.
        """
        return cls(_service(disable), disable.getAttribute("node"))


def _service(element: Element) -> Jid:
    if not element.getAttribute("jid"):
        raise StanzaError(Condition.BAD_REQUEST, text="the address of the push service is missing")
    return _jid(element)


def _options(form: Element) -> bytes:
    """Return the form as it came, if it is one of publish-options (XEP-0060 section 7.1.5)."""
    for field in form.elements(_FORMS, "field"):
        values = [str(value) for value in field.elements(_FORMS, "value")]
        if field.getAttribute("var") == "FORM_TYPE" and values == [_PUBLISH_OPTIONS]:
            return serialise(form)
    raise StanzaError(Condition.BAD_REQUEST, text=f"the FORM_TYPE of the form has to be {_PUBLISH_OPTIONS}")


def _jid(element: Element) -> Jid:
    try:
        return Jid.parse(element.getAttribute("jid", ""))
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None


def _room(room: Element) -> tuple[Jid, tuple[str, str]]:
    allow: str = room.getAttribute("allow", "never")
    if allow not in _ALLOWED:
        raise StanzaError(Condition.BAD_REQUEST, text=f"a room allows one of {', '.join(_ALLOWED)}")
    return _jid(room).bare, (allow, room.getAttribute("nick", ""))


def _key(encrypt: Element) -> bytes:
    if encrypt.getAttribute("alg") != _ALGORITHM:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text=f"encryption is done with {_ALGORITHM}")
    try:
        key = b64decode("".join(str(encrypt).split()), validate=True)
    except ValueError:  # it is none, or not even ASCII
        key = b""
    if len(key) != _KEY:
        raise StanzaError(Condition.BAD_REQUEST, text=f"a key of {_KEY} octets is needed, in Base64")
    return key
