"""Which messages are kept for later: XEP-0160 section 3, XEP-0334 section 4. And what stamps say: XEP-0203."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import parse_datetime
from xmppd.wire.stanza import Message
from xmppd.wire.stanza_id import NS as STANZA_ID

HINTS = "urn:xmpp:hints"
CHAT_STATES = "http://jabber.org/protocol/chatstates"

# They say how to treat a message and hold nothing to read.
_CIRCUMSTANCES = frozenset(
    {
        (ns.CLIENT, "thread"), (HINTS, "no-copy"), (HINTS, "no-permanent-store"), (DELAY, "delay"),
        (STANZA_ID, "stanza-id"), (STANZA_ID, "origin-id"), ("urn:xmpp:carbons:2", "private"),
    }
)  # fmt: skip


def is_stored(message: Message) -> bool:
    """Is this a message that should wait for its recipient?"""
    # RFC 6121 5.2.2: a type nobody knows is "normal".
    if message.type in ("groupchat", "headline", "error"):
        return False
    if message.has(HINTS, "no-store") or is_data(message):
        return False
    return message.type != "chat" or message.has(HINTS, "store") or not is_passing(message)


def is_data(message: Message) -> bool:
    """Is it a piece of a bytestream, which one device and nobody else can do something with (XEP-0047)?"""
    return message.has("http://jabber.org/protocol/ibb", "data")


def is_passing(message: Message) -> bool:
    """Does it say nothing but what somebody is just doing (XEP-0085)?"""
    rest = set(message.names) - _CIRCUMSTANCES
    return bool(rest) and all(namespace == CHAT_STATES for namespace, _ in rest)


def stamps(message: Message) -> Mapping[str, float]:
    """Return when the message was sent, in seconds since the epoch, by who says so in a delay stamp."""
    found: dict[str, float] = {}
    if message.has(DELAY, "delay"):
        for element in message.elements:
            if (element.uri, element.name) == (DELAY, "delay"):
                with suppress(ValueError):
                    found[element.attributes.get("from", "")] = parse_datetime(element.attributes.get("stamp", ""))
    return found
