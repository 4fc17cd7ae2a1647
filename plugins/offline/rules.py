"""Which messages are kept for later: XEP-0160 section 3, XEP-0334 section 4."""

from __future__ import annotations

from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message
from xmppd.wire.xml import serialise

HINTS = "urn:xmpp:hints"
CHAT_STATES = "http://jabber.org/protocol/chatstates"

# They say how to treat a message and hold nothing to read.
_CIRCUMSTANCES = frozenset({(ns.CLIENT, "thread"), (HINTS, "no-copy"), (HINTS, "no-permanent-store")})


def is_stored(message: Message) -> bool:
    """Is this a message that should wait for its recipient?"""
    # RFC 6121 5.2.2: a type nobody knows is "normal".
    if message.type in ("groupchat", "headline", "error"):
        return False
    if message.has(HINTS, "no-store"):
        return False
    if message.type == "chat" and not message.has(HINTS, "store"):
        rest = set(message.names) - _CIRCUMSTANCES
        return not rest or any(namespace != CHAT_STATES for namespace, _ in rest)
    return True


def without_forged_delay(message: Message, host: Jid) -> Message:
    """Return the message without delay stamps that claim to be `host`'s (XEP-0203 section 6)."""
    if not message.has(DELAY, "delay"):
        return message
    forged = [e for e in message.elements if (e.uri, e.name) == (DELAY, "delay") and e.attributes.get("from") == host]
    if not forged:
        return message
    return message.with_payload(b"".join(serialise(e) for e in message.elements if e not in forged))
