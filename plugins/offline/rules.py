"""Which messages are kept for later: XEP-0160 section 3, XEP-0334 section 4. And what stamps say: XEP-0203."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import parse_datetime
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Message
from xmppd.wire.stanza_id import NS as STANZA_ID
from xmppd.wire.xml import Element, serialise

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
    if message.has(HINTS, "no-store"):
        return False
    return message.type != "chat" or message.has(HINTS, "store") or not is_passing(message)


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


def without_forged_delay(message: Message, host: Jid) -> Message:
    """Return the message without delay stamps that claim to be `host`'s (XEP-0203 section 6)."""
    if not message.has(DELAY, "delay"):
        return message
    forged = [e for e in message.elements if (e.uri, e.name) == (DELAY, "delay") and _is_from(e, host)]
    if not forged:
        return message
    return message.with_payload(b"".join(serialise(e) for e in message.elements if e not in forged))


def _is_from(delay: Element, host: Jid) -> bool:
    try:
        return Jid.parse(delay.getAttribute("from", "")) == host  # however it is written
    except JidError:
        return False
