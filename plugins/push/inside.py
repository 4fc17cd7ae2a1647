"""Messages that are inside of others: copies (XEP-0280), and what notices of mentions forward (XEP-0452)."""

from __future__ import annotations

from xmppd.api import Element, Message, StanzaError
from xmppd.wire import ns
from xmppd.wire.forward import NS as FORWARD
from xmppd.wire.forward import stanza_of

__all__ = ["forwarded_in", "original"]

_CARBONS = "urn:xmpp:carbons:2"


def forwarded_in(element: Element | None) -> Message | None:
    """Return the message forwarded in an element, if there is one."""
    forwarded = None if element is None else next(element.elements(FORWARD, "forwarded"), None)
    inner = None if forwarded is None else next(forwarded.elements(ns.CLIENT, "message"), None)
    try:
        stanza = None if inner is None else stanza_of(inner)
    except StanzaError:
        return None
    return stanza if isinstance(stanza, Message) else None


def original(message: Message) -> Message | None:
    """Return what a session was sent, without the envelope of a copy that it got; None: a copy of nothing."""
    if not message.has(_CARBONS, "received"):
        return message
    return forwarded_in(message.child(_CARBONS, "received"))
