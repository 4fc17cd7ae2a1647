"""Namespaces of rooms, status codes, and what may not be passed on (XEP-0045 sections 15.6 and 17)."""

from __future__ import annotations

from xmppd.api import Element, Stanza, tag
from xmppd.wire.xml import SEPARATOR, serialise

__all__ = [
    "ADMIN", "HATS", "MODERATE", "MUC", "OCCUPANT_ID", "OWNER", "RETRACT", "USER", "USER_NAMES", "Status", "clean",
    "occupant_id",
]  # fmt: skip

MUC = "http://jabber.org/protocol/muc"
USER = f"{MUC}#user"
ADMIN = f"{MUC}#admin"
OWNER = f"{MUC}#owner"
OCCUPANT_ID = "urn:xmpp:occupant-id:0"  # XEP-0421
HATS = "urn:xmpp:hats:0"  # XEP-0317
MODERATE = "urn:xmpp:message-moderate:1"  # XEP-0425
RETRACT = "urn:xmpp:message-retract:1"  # XEP-0424
USER_NAMES = f"{USER}{SEPARATOR}x"

#: What only the service says (sections 17.2 and 17.3, XEP-0421 section 3, XEP-0317, XEP-0425 section 5): taken out of
#: what occupants send.
_OURS = frozenset(
    {
        f"{MUC}{SEPARATOR}x",
        USER_NAMES,
        f"{ADMIN}{SEPARATOR}query",
        f"{OCCUPANT_ID}{SEPARATOR}occupant-id",
        f"{HATS}{SEPARATOR}hats",
        f"{MODERATE}{SEPARATOR}moderated",
        f"{RETRACT}{SEPARATOR}retracted",
    }
)
#: What may say the same inside.
_AROUND = f"{RETRACT}{SEPARATOR}retract"


class Status:
    """Status codes (section 15.6.2)."""

    SEES_ADDRESSES = 100
    AFFILIATION_CHANGED = 101
    SHOWS_UNAVAILABLE = 102
    HIDES_UNAVAILABLE = 103
    CONFIGURED = 104
    SELF = 110
    LOGGED = 170
    LOGGED_NO_MORE = 171
    NON_ANONYMOUS = 172
    SEMI_ANONYMOUS = 173
    CREATED = 201
    NICK_GIVEN = 210
    BANNED = 301
    NICK_CHANGED = 303
    KICKED = 307
    AFFILIATION_LOST = 321
    MEMBERS_ONLY = 322
    SHUTDOWN = 332
    TECHNICAL = 333


def clean(stanza: Stanza) -> bytes:
    """Return the content of a stanza without what only the service may say."""
    names = stanza.raw_names
    if _OURS.isdisjoint(names) and _AROUND not in names:
        return stanza.payload
    kept = (element for element in stanza.elements if f"{element.uri}{SEPARATOR}{element.name}" not in _OURS)
    return b"".join(_unmoderated(element) for element in kept)


def _unmoderated(element: Element) -> bytes:
    """Who retracts a message does so themselves, whatever they say."""
    if (element.uri, element.name) == (RETRACT, "retract") and any(e.uri == MODERATE for e in element.elements()):
        return tag("retract", xmlns=RETRACT, id=element.getAttribute("id"))
    return serialise(element)


def occupant_id(id: str) -> bytes:
    """Return the element that says who has sent something without saying their address (XEP-0421)."""
    return tag("occupant-id", xmlns=OCCUPANT_ID, id=id)
