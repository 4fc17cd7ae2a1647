"""XEP-0359 Unique and Stable Stanza IDs."""

from __future__ import annotations

import re
from functools import lru_cache

from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Message
from xmppd.wire.xml import SEPARATOR, Element, serialise, tag

__all__ = ["NS", "RAW_NAME", "given_by", "stanza_id", "without"]

NS = "urn:xmpp:sid:0"
#: What the element is called in :attr:`xmppd.wire.stanza.Stanza.raw_names`.
RAW_NAME = f"{NS}{SEPARATOR}stanza-id"
# An attribute value can't contain "<", so this is at least what each such tag holds.
_HOLDING = re.compile(rb"stanza-id([^<]*)")


def stanza_id(by: Jid, id: str) -> bytes:
    """Return the ``<stanza-id/>`` that `by` gives to a message."""
    return tag("stanza-id", xmlns=NS, by=by, id=id)


def given_by(message: Message, by: Jid) -> str | None:
    """Return the id that `by` has given to the message, or None. Only `by` itself knows whether it is genuine."""
    if RAW_NAME not in message.raw_names or not _may_name(message.payload, by):
        return None
    return next((element.getAttribute("id") for element in message.elements if _is(element, by)), None)


def without(message: Message, by: Jid) -> Message:
    """Return the message without the ids that claim to be given by `by` (section 3, rule 2)."""
    if RAW_NAME not in message.raw_names or not _may_name(message.payload, by):
        return message
    if not any(_is(element, by) for element in message.elements):
        return message
    return message.with_payload(b"".join(serialise(e) for e in message.elements if not _is(e, by)))


def _is(element: Element, by: Jid) -> bool:
    if element.uri != NS or element.name != "stanza-id":
        return False
    try:
        return Jid.parse(element.getAttribute("by", "")) == by
    except JidError:
        return False


def _may_name(payload: bytes, by: Jid) -> bool:
    """Could one of the elements name `by`? Rooms give an id to each message: those aren't parsed for every occupant."""
    held = _held(payload)
    return held is None or by.encode() in held


@lru_cache(maxsize=8)  # the same payload goes to all occupants of a room, one after the other
def _held(payload: bytes) -> bytes | None:
    """Return what the elements hold, in lower case; None if an address in one could be written in yet other ways.

    Other ways to write the same address than in other letters of ASCII need something beyond ASCII, or an entity.
    """
    held = b"<".join(_HOLDING.findall(payload)).lower()
    return held if held.isascii() and b"&" not in held else None
