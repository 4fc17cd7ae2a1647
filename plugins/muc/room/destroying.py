"""Destroying a room (XEP-0045 section 10.9)."""

from __future__ import annotations

from xmppd.api import Condition, Element, Jid, JidError, StanzaError, tag
from xmppd.plugins.muc.room.elements import child, text_of
from xmppd.plugins.muc.room.outcome import Destroyed, Left, Outcome
from xmppd.plugins.muc.room.presenting import Change, presence_of
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import OWNER, Status

__all__ = ["as_asked", "destroy"]


def as_asked(room: Room, element: Element) -> Outcome:
    """Destroy a room as a ``<destroy/>`` says.

    :raises StanzaError: jid-malformed, if the alternate venue is no address; policy-violation for words without end.
    """
    venue, reason, password = None, *(text_of(child(element, OWNER, name)).strip() for name in ("reason", "password"))
    limits = room.service.limits
    if len(reason) > limits.reason_characters or len(password) > limits.text_characters:
        raise StanzaError(Condition.POLICY_VIOLATION, text="The reason or the password is too long.")
    if address := element.getAttribute("jid"):
        try:
            venue = Jid.parse(address)
        except JidError as error:
            raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
    return destroy(room, venue, reason, password)


def destroy(room: Room, venue: Jid | None = None, reason: str = "", password: str = "") -> Outcome:
    """Have a room be no more: each device that is in it is told, by one presence.

    :param venue: where those who were there may go instead.
    :param reason: why, for people.
    :param password: of the venue.
    """
    element = tag(
        "destroy",
        tag("password", password) if password else None,
        tag("reason", reason) if reason else None,
        jid=venue,
    )
    change = Change(gone=True, affiliation=Affiliation.NONE, payload=b"", more=element)
    out = Outcome(changes=[Destroyed()])
    for occupant in room.occupants.values():
        presence = presence_of(room, occupant, full=False, change=change, codes=(Status.SELF,))
        out.send(presence, *occupant.devices)
        out.happened.append(Left(occupant.nick, occupant.who))
    room.occupants.clear()
    room.devices.clear()
    return out
