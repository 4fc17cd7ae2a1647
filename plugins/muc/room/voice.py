"""Requests for voice, and what moderators say to them (XEP-0045 sections 7.13 and 8.6)."""

from __future__ import annotations

from xmppd.api import Condition, Element, Jid, JidError, Message, StanzaError
from xmppd.plugins.muc.room.forms import Values, boolean, field, filled, form, one
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.remembering import remember
from xmppd.plugins.muc.room.roles import By, cast
from xmppd.plugins.muc.room.state import Occupant, Room

__all__ = ["REQUEST", "asks", "submit"]

REQUEST = "http://jabber.org/protocol/muc#request"
_ROLE, _JID, _NICK, _ALLOW = "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow"


def asks(room: Room, message: Message) -> bool:
    """Does somebody ask for voice, and is no moderator who gives it?"""
    occupant = room.devices.get(message.sender)
    return occupant is not None and occupant.role is not Role.MODERATOR


def submit(room: Room, message: Message, x: Element) -> Outcome:
    """Take the form with which a visitor asks for voice, or a moderator says whether they get it.

    :raises StanzaError: not-acceptable from somebody who isn't there; bad-request for a form that says nothing of the
        kind; forbidden, if nobody may ask, or from a moderator's form without being one; unexpected-request from
        somebody who has voice; recipient-unavailable, if there is no moderator; item-not-found, if who has asked is
        gone.
    """
    occupant = room.occupant_of(message.sender)
    values = filled(x, REQUEST)
    if values is None:
        return Outcome()
    if _ALLOW in values:
        return _decide(room, occupant, values)
    return _ask(room, occupant, message.sender, values)


def _ask(room: Room, occupant: Occupant, device: Jid, values: Values) -> Outcome:
    if one(values, _ROLE) not in ("", Role.PARTICIPANT):
        raise StanzaError(Condition.BAD_REQUEST, text="The role that can be asked for is that of a participant.")
    if occupant.role is not Role.VISITOR:
        raise StanzaError(Condition.UNEXPECTED_REQUEST, type="cancel", text="You have voice.")
    if not room.config.voice_requests:
        raise StanzaError(Condition.FORBIDDEN, text="Visitors may not ask for voice here.")
    moderators = [jid for jid, other in room.devices.items() if other.role is Role.MODERATOR]
    if not moderators:
        raise StanzaError(Condition.RECIPIENT_UNAVAILABLE, text="There is no moderator in the room.")
    out = Outcome()
    out.send(Message(None, room.jid, payload=_approval(occupant, device)), *moderators)
    return out


def _approval(occupant: Occupant, device: Jid) -> bytes:
    return form(
        REQUEST,
        "Voice request",
        "To give this person voice, select the checkbox, and send the form. To leave it, cancel.",
        field(_ROLE, "list-single", "Requested role", [Role.PARTICIPANT], options={Role.PARTICIPANT: "Participant"}),
        field(_JID, "jid-single", "User ID", [device]),
        field(_NICK, "text-single", "Room nickname", [occupant.nick]),
        field(_ALLOW, "boolean", "Grant voice to this person?", ["false"]),
    )


def _decide(room: Room, moderator: Occupant, values: Values) -> Outcome:
    if moderator.role is not Role.MODERATOR:
        raise StanzaError(Condition.FORBIDDEN, text="Only moderators can give voice.")
    if one(values, _ROLE) not in ("", Role.PARTICIPANT):
        raise StanzaError(Condition.BAD_REQUEST, text="The role that can be given is that of a participant.")
    out = Outcome()
    if boolean(values, _ALLOW):
        occupant = _meant(room, values)
        if occupant.role is Role.VISITOR:  # else another moderator was faster
            cast(room, occupant, Role.PARTICIPANT, By(moderator.nick), out)
            remember(room, occupant, out)
    return out


def _meant(room: Room, values: Values) -> Occupant:
    """Return who has asked: they may have another nickname by now, and another may have theirs."""
    nick, address = one(values, _NICK), one(values, _JID)
    try:
        device = Jid.parse(address) if address else None
    except JidError as error:
        raise StanzaError(Condition.BAD_REQUEST, text=f"{_JID}: {error}") from None
    if device is None:
        return room.occupant_named(nick)
    found = room.devices.get(device) or next(iter(room.occupants_of(device.bare)), None)
    if found is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="They are not in the room any more.")
    return found
