"""Which messages are archived: XEP-0313 section 6.1.1 for user archives, XEP-0334 section 4.

A message is kept if it is one that people have a conversation with, or that tells all devices about a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from xmppd.wire import ns
from xmppd.wire.stanza import Message
from xmppd.wire.xml import SEPARATOR

__all__ = ["GROUPS", "KEPT", "RETRACTS", "Group", "Rules"]

HINTS = "urn:xmpp:hints"
RETRACT = "urn:xmpp:message-retract:1"
_ROOMS = "http://jabber.org/protocol/muc#user"
_BYTESTREAM = "http://jabber.org/protocol/ibb"  # XEP-0047: a piece of a file, without the rest of it

#: Kinds of messages that an operator can choose from.
Group = Literal[
    "bodies", "encrypted", "files", "receipts", "markers", "reactions", "retractions", "calls", "invitations"
]
GROUPS: tuple[Group, ...] = get_args(Group)

#: What makes a message one of a group: namespace, and names of a direct child; no names means all.
_TABLE: Mapping[Group, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "bodies": (
        (ns.CLIENT, ("body", "subject")),
        ("urn:xmpp:message-correct:0", ("replace",)),  # XEP-0308
    ),
    "encrypted": (
        ("eu.siacs.conversations.axolotl", ("encrypted",)),  # XEP-0384 before 0.4
        ("urn:xmpp:omemo:2", ("encrypted",)),  # XEP-0384
        ("urn:xmpp:openpgp:0", ("openpgp",)),  # XEP-0373
        ("jabber:x:encrypted", ("x",)),  # XEP-0027
    ),
    "files": (
        ("jabber:x:oob", ("x",)),  # XEP-0066
        ("urn:xmpp:sfs:0", ("file-sharing", "sources")),  # XEP-0447
        ("urn:xmpp:reference:0", ("reference",)),  # XEP-0372
    ),
    "receipts": (("urn:xmpp:receipts", ("received",)),),  # XEP-0184
    "markers": (("urn:xmpp:chat-markers:0", ("received", "displayed", "acknowledged")),),  # XEP-0333
    "reactions": (("urn:xmpp:reactions:0", ("reactions",)),),  # XEP-0444
    "retractions": (
        (RETRACT, ("retract",)),  # XEP-0424
        ("urn:xmpp:fasten:0", ("apply-to",)),  # XEP-0422, XEP-0424 before 0.4
    ),
    "calls": (
        ("urn:xmpp:jingle-message:0", ("propose", "proceed", "accept", "reject", "retract", "finish")),  # XEP-0353
        ("urn:xmpp:call-invites:0", ("invite", "retract", "accept", "reject", "left")),  # XEP-0482
    ),
    "invitations": (
        (_ROOMS, ("x",)),  # XEP-0045 section 7.8.2
        ("jabber:x:conference", ("x",)),  # XEP-0249
    ),
}


# What a child of a message says about it. (An IntFlag would say the same, at twenty times the cost.)
KEPT = 1  #: It is kept.
REFUSED = 2  #: It must not be kept, whatever else is in it (XEP-0334 4.1, 4.2).
RETRACTS = 4  #: It takes back an earlier message (XEP-0424).
_INVITES = 8  # It is kept if it is an invitation; rooms say a lot else in this element, and mark private messages.


class Rules:
    """What is archived, of messages in general; the owner of the archive has a say as well (:mod:`.preferences`).

    :param groups: what is kept.
    """

    def __init__(self, groups: Iterable[Group] = GROUPS) -> None:
        groups = tuple(groups)
        self._meanings: dict[str, int] = {
            f"{namespace}{SEPARATOR}{name}": KEPT
            for group in groups
            for namespace, names in _TABLE[group]
            for name in names
        }
        if "invitations" in groups:
            self._meanings[f"{_ROOMS}{SEPARATOR}x"] = _INVITES
        self._meanings[f"{HINTS}{SEPARATOR}store"] = KEPT
        self._meanings[f"{HINTS}{SEPARATOR}no-store"] = REFUSED
        self._meanings[f"{HINTS}{SEPARATOR}no-permanent-store"] = REFUSED
        self._meanings[f"{_BYTESTREAM}{SEPARATOR}data"] = REFUSED
        retract = f"{RETRACT}{SEPARATOR}retract"
        self._meanings[retract] = self._meanings.get(retract, 0) | RETRACTS

    def of(self, message: Message) -> int:
        """Return what becomes of a message, as :data:`KEPT` and others; 0 if it is not archived."""
        if message.type in ("groupchat", "error"):  # rooms have archives of their own
            return 0
        found = 0
        meanings = self._meanings
        for name in message.raw_names:
            if name in meanings:
                found |= meanings[name]
        if found & _INVITES:
            found ^= _INVITES
            found |= 0 if found & KEPT else _invited(message)
        if found & REFUSED or not found & KEPT:
            return 0
        if message.type == "headline" and not message.has(HINTS, "store"):
            return 0
        return found


def _invited(message: Message) -> int:
    """Return KEPT for an invitation to a room, or its answer (XEP-0045 section 7.8.2)."""
    x = message.child(_ROOMS, "x")
    said = x is not None and any(child.uri == _ROOMS and child.name in ("invite", "decline") for child in x.elements())
    return KEPT if said else 0
