"""What can wait while nobody looks at a client. Pure; see :mod:`xmppd.plugins.csi`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from xmppd.api import Element, Presence, Stanza
from xmppd.wire import ns

__all__ = ["Classes", "key_of"]

CARBONS = "urn:xmpp:carbons:2"
FORWARD = "urn:xmpp:forward:0"
MUC_USER = "http://jabber.org/protocol/muc#user"
PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event"
STATES = "http://jabber.org/protocol/chatstates"
RECEIPTS = "urn:xmpp:receipts"
MARKERS = "urn:xmpp:chat-markers:0"

#: Receipts (XEP-0184) and markers (XEP-0333), not the requests for them.
_RECEIPTS = frozenset(
    {(RECEIPTS, "received"), *((MARKERS, name) for name in ("received", "displayed", "acknowledged"))}
)
#: What says nothing by itself: hints, ids, stamps.
_BESIDE = frozenset({"urn:xmpp:hints", "urn:xmpp:sid:0", "urn:xmpp:delay", "urn:xmpp:occupant-id:0"})


class Classes(Protocol):
    """Which classes of stanzas wait: the plugin's options."""

    presence: bool
    chat_states: bool
    receipts: bool
    pubsub: bool
    pubsub_at_once: tuple[str, ...]


def key_of(stanza: Stanza, classes: Classes) -> str | None:
    """Tell whether a stanza can wait.

    :returns: None: it can't. Else what it replaces among those that wait: the one with the same key; "": none.
    """
    if isinstance(stanza, Presence):
        return f"p{stanza.from_}" if classes.presence and _is_news(stanza) else None
    if stanza.kind != "message" or stanza.type == "error":
        return None
    names = stanza.names
    if (PUBSUB_EVENT, "event") in names:
        return _event(stanza, classes) if classes.pubsub and not stanza.has(ns.CLIENT, "body") else None
    if len(names) == 1 and names[0][0] == CARBONS:
        return _carbon(stanza, classes)
    return _conversation(names, classes, f"{stanza.from_}")


def _is_news(presence: Presence) -> bool:
    """Is it what somebody is up to (RFC 6121 4), and not about what becomes of the user in a room?"""
    if presence.type not in ("available", "unavailable"):
        return False
    if b"110" not in presence.payload:
        return True
    x = presence.child(MUC_USER, "x")  # XEP-0045: status 110 marks the user's own presence
    return x is None or all(status.getAttribute("code") != "110" for status in x.elements(MUC_USER, "status"))


def _conversation(names: Iterable[tuple[str, str]], classes: Classes, of: str) -> str | None:
    """Return the key of a message that has only chat states and receipts in it; None of any other.

    :param of: who says it, to whom if that isn't the session's account.
    """
    state = receipt = False
    for name in names:
        if name[0] == STATES:
            state = True
        elif name in _RECEIPTS:
            receipt = True
        elif name[0] not in _BESIDE and name != (ns.CLIENT, "thread"):
            return None
    if receipt:
        return "" if classes.receipts else None
    return f"c{of}" if state and classes.chat_states else None


def _carbon(carbon: Stanza, classes: Classes) -> str | None:
    """Return the key of a copy of a message (XEP-0280)."""
    copy = carbon.elements[0]
    message = _first(_first(copy, FORWARD, "forwarded"), ns.CLIENT, "message")
    if message is None or message.getAttribute("type") == "error":
        return None
    children = [(child.uri or "", child.name) for child in message.elements()]
    if copy.name == "sent" and (MARKERS, "displayed") in children:
        return None  # it was read on another device: this one need not notify of it any more
    return _conversation(children, classes, f"{message.getAttribute('from')}\n{message.getAttribute('to')}")


def _event(message: Stanza, classes: Classes) -> str | None:
    """Return the key of a notification of XEP-0060: it replaces an older one of the same item."""
    items = _first(message.child(PUBSUB_EVENT, "event"), PUBSUB_EVENT, "items")
    node = None if items is None else items.getAttribute("node")
    if items is None or node is None or node in classes.pubsub_at_once:
        return None
    ids = [item.getAttribute("id") for item in items.elements()]
    return f"e{message.from_}\n{node}\n{ids[0]}" if len(ids) == 1 and ids[0] else ""


def _first(element: Element | None, namespace: str, name: str) -> Element | None:
    return None if element is None else next(element.elements(namespace, name), None)
