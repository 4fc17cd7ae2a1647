"""To whom of an account's devices a stanza goes: RFC 6121 section 8.5 as a table."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from xmppd.wire.stanza import Message, Presence, Stanza

__all__ = ["ROWS", "Rule", "row_for"]


class Rule(Enum):
    """What to do."""

    DEVICE = "deliver to the addressed device"
    NON_NEGATIVE = "deliver to every available device whose priority is not negative"
    AVAILABLE = "deliver to every available device"
    AS_BARE = "treat as if it were addressed to the bare address"
    UNDELIVERABLE = "keep it for later, or else tell the sender service-unavailable"
    ERROR = "tell the sender service-unavailable"
    IGNORE = "ignore it silently"


class Row(NamedTuple):
    """The rules for one type of stanza, by how it is addressed and who is there.

    :ivar bare: to the bare address, and there is a device (available with non-negative priority; for presence:
        available).
    :ivar nobody: to the bare address, and there is none (8.5.2.2; a negative priority counts as none).
    :ivar match: to a full address that is connected (8.5.3.1).
    :ivar no_match: to a full address that is not (8.5.3.2).
    """

    bare: Rule
    nobody: Rule
    match: Rule
    no_match: Rule


_R = Rule

#: (kind, type) to its row. IQs to the bare address don't come here: the server answers them (8.5.2.1.3).
ROWS: dict[tuple[str, str], Row] = {
    ("message", "normal"): Row(_R.NON_NEGATIVE, _R.UNDELIVERABLE, _R.DEVICE, _R.ERROR),
    ("message", "chat"): Row(_R.NON_NEGATIVE, _R.UNDELIVERABLE, _R.DEVICE, _R.AS_BARE),
    ("message", "groupchat"): Row(_R.ERROR, _R.ERROR, _R.DEVICE, _R.ERROR),
    ("message", "headline"): Row(_R.NON_NEGATIVE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
    ("message", "error"): Row(_R.IGNORE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
    ("presence", ""): Row(_R.AVAILABLE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
    ("presence", "error"): Row(_R.IGNORE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
    ("iq", "get"): Row(_R.ERROR, _R.ERROR, _R.DEVICE, _R.ERROR),
    ("iq", "set"): Row(_R.ERROR, _R.ERROR, _R.DEVICE, _R.ERROR),
    ("iq", "result"): Row(_R.IGNORE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
    ("iq", "error"): Row(_R.IGNORE, _R.IGNORE, _R.DEVICE, _R.IGNORE),
}
_NORMAL = ROWS["message", "normal"]
_PRESENCE = ROWS["presence", ""]


def row_for(stanza: Stanza) -> Row:
    """Return the rules for a stanza; a message of a type nobody knows is a normal one (RFC 6121 5.2.2)."""
    if isinstance(stanza, Message):
        return ROWS.get(("message", stanza.type), _NORMAL)
    if isinstance(stanza, Presence):
        return ROWS.get(("presence", stanza.type), _PRESENCE)
    return ROWS["iq", stanza.type]
