"""Which messages go to another network: those with a text that can be read there."""

from __future__ import annotations

from xmppd.api.gateway.outgoing import RECEIPTS
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Message

__all__ = ["acknowledged_id", "error_in", "refusal"]

#: Messages with one of these have a text that only says that the client can't decrypt.
_ENCRYPTED = (
    ("urn:xmpp:eme:0", "encryption"),  # XEP-0380
    ("eu.siacs.conversations.axolotl", "encrypted"),  # XEP-0384 0.3
    ("urn:xmpp:omemo:2", "encrypted"),  # XEP-0384
    ("urn:xmpp:openpgp:0", "openpgp"),  # XEP-0373
    ("jabber:x:encrypted", "x"),  # XEP-0027
)


def refusal(message: Message) -> StanzaError | None:
    """Return why a message with a text can't go to another network, or None."""
    if message.type == "groupchat":
        return StanzaError(Condition.SERVICE_UNAVAILABLE, text="there are no rooms here")
    if any(message.has(*marker) for marker in _ENCRYPTED):
        return StanzaError(Condition.NOT_ACCEPTABLE, text="people on the other network can't read encrypted messages")
    return None


def acknowledged_id(message: Message) -> str | None:
    """Return the id of the message that this one is a receipt for (XEP-0184), or None if it is none."""
    element = message.child(RECEIPTS, "received")
    return None if element is None else element.getAttribute("id")


def error_in(message: Message) -> StanzaError:
    """Return the error that a message of type error holds."""
    element = next((e for e in message.elements if e.name == "error"), None)
    return StanzaError(Condition.UNDEFINED_CONDITION) if element is None else StanzaError.from_element(element)
