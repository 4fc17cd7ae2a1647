"""Invitations by way of the room, and what becomes of them (XEP-0045 sections 7.8.2, 7.9 and 9.5).

Those that are sent directly (XEP-0249) don't pass a room.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from xmppd.api import Condition, Element, Jid, JidError, Message, StanzaError, tag
from xmppd.plugins.muc.room.affiliating import Standing, affiliate, check_standings
from xmppd.plugins.muc.room.elements import child, children, text_of
from xmppd.plugins.muc.room.outcome import Noted, Outcome
from xmppd.plugins.muc.room.presenting import user
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import USER
from xmppd.wire import ns

__all__ = ["bounced", "decline", "forget", "invite", "invitees"]

#: Under which name a room keeps its invitations.
_NOTE = "invitations"


@dataclass(frozen=True, slots=True)
class _Invited:
    """An invitation that was sent and not declined.

    :ivar invitee: to which address.
    :ivar inviter: the full address of the device that has invited.
    :ivar id: of the message that was sent, or "".
    :ivar origin: the id of the message that came, or "".
    """

    invitee: str
    inviter: str
    id: str
    origin: str


def invitees(message: Message) -> tuple[Element, ...]:
    """Return the ``<invite/>`` elements of a message."""
    x = message.child(USER, "x")
    return () if x is None else tuple(children(x, USER, "invite"))


def invite(room: Room, message: Message, now: float) -> Outcome:
    """Invite everybody a message names, in the name of who has sent it; to a members-only room as members.

    Whether somebody is in the room already, or banned, makes no difference to others: they can't find it out that way.

    :raises StanzaError: item-not-found, if the room is not open yet, or for an address in a room; not-acceptable from
        somebody who isn't there; forbidden for who may not invite; bad-request or jid-malformed for the address of an
        invitee; resource-constraint, if the list of members is full; not-acceptable for a reason that is too long.
    """
    occupant = room.occupant_of(message.sender)
    if room.locked:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="The room is not there yet.")
    _check_may(room, occupant)
    wanted = [(_address(room, element), element) for element in invitees(message)]
    known = _invited(room)
    out = _make_members(room, occupant, [who for who, _ in wanted], now) if room.config.members_only else Outcome()
    for number, (who, element) in enumerate(wanted):
        id_ = message.id if number == 0 or message.id is None else f"{message.id}-{number}"
        x = _forwarded(room, occupant, element)
        out.send(Message(None, room.jid, id_, payload=x, lang=message.lang), who)
        known.append(_Invited(who, message.sender, id_ or "", message.id or ""))
    _note(room, known, out)
    return out


def _check_may(room: Room, occupant: Occupant) -> None:
    """Section 9.5: to a members-only room, mere members invite only if the room lets them."""
    affiliation = room.affiliation(occupant.who)
    if not room.config.members_only or affiliation.rank >= Affiliation.ADMIN.rank:
        return
    if not room.config.invites or affiliation is not Affiliation.MEMBER:
        raise StanzaError(Condition.FORBIDDEN, text="Only admins may invite others to this room.")


def _address(room: Room, element: Element) -> Jid:
    try:
        who = Jid.parse(element.getAttribute("to") or "")
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=f"Who is invited? {error}") from None
    if not who.local:
        raise StanzaError(Condition.BAD_REQUEST, text=f"{who} is nobody's address.")
    if who.domain == room.service.jid.domain:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text=f"{who} is the address of a room, not of a person.")
    if len(_reason(element)) > room.service.limits.reason_characters:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="The reason is too long.")
    return who


def _make_members(room: Room, occupant: Occupant, who: Sequence[Jid], now: float) -> Outcome:
    new = {one.bare for one in who if room.affiliation(one) is Affiliation.NONE}
    standings = [Standing(one, Affiliation.MEMBER) for one in sorted(new)]
    if not standings:
        return Outcome()
    check_standings(room, standings)
    return affiliate(room, standings, occupant.nick, now, known=True)


def _reason(element: Element) -> str:
    return text_of(child(element, USER, "reason"))


def _forwarded(room: Room, occupant: Occupant, element: Element) -> bytes:
    """Return what the invitee gets. Who invites somebody lets them know who it is."""
    going_on = child(element, USER, "continue")
    reason = child(element, USER, "reason")
    inner = tag(
        "invite",
        None if reason is None else tag("reason", text_of(reason)),
        None if going_on is None else tag("continue", thread=going_on.getAttribute("thread")),
        from_=occupant.who,
    )
    return user(inner, more=tag("password", room.config.password) if room.config.password else b"")


# What is remembered of them


def _invited(room: Room) -> list[_Invited]:
    return [_Invited(**one) for one in json.loads(room.notes.get(_NOTE, "[]"))]


def _note(room: Room, known: Sequence[_Invited], out: Outcome) -> None:
    """Remember invitations, the last of each person by another; of more than there may be, the oldest are forgotten."""
    last: dict[tuple[Jid, Jid], _Invited] = {}
    for one in known:
        key = (Jid.parse(one.invitee).bare, Jid.parse(one.inviter).bare)
        last.pop(key, None)
        last[key] = one
    most = room.service.limits.invitations
    kept = list(last.values())[-most:] if most else []
    text = json.dumps([asdict(one) for one in kept])
    if kept:
        room.notes[_NOTE] = text
    else:
        room.notes.pop(_NOTE, None)
    out.changes.append(Noted(_NOTE, text if kept else None))


def _without(room: Room, one: _Invited, out: Outcome) -> None:
    _note(room, [other for other in _invited(room) if other != one], out)


def forget(room: Room, who: Jid) -> Outcome:
    """Forget the invitations of and by somebody who exists no more."""
    known, out = _invited(room), Outcome()
    left = [one for one in known if who not in (Jid.parse(one.invitee).bare, Jid.parse(one.inviter).bare)]
    if len(left) < len(known):
        _note(room, left, out)
    return out


# What becomes of them


def decline(room: Room, message: Message) -> Outcome:
    """Tell who has invited somebody that they won't come; once for each invitation.

    :raises StanzaError: forbidden, if they were not invited by the one whom they name.
    """
    element = child(message.child(USER, "x"), USER, "decline")
    inviter = "" if element is None else element.getAttribute("to") or ""
    found = next((one for one in reversed(_invited(room)) if _answers(room, message, inviter, one)), None)
    if found is None or element is None:
        raise StanzaError(Condition.FORBIDDEN, text="You were not invited by them to this room.")
    if len(_reason(element)) > room.service.limits.reason_characters:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="The reason is too long.")
    out = Outcome()
    reason = child(element, USER, "reason")
    inner = tag("decline", None if reason is None else tag("reason", text_of(reason)), from_=message.sender.bare)
    out.send(Message(None, room.jid, message.id, payload=user(inner), lang=message.lang), _origin(room, found))
    _without(room, found, out)
    return out


def _answers(room: Room, message: Message, inviter: str, one: _Invited) -> bool:
    """Is it the invitation that is declined? Who has invited is named by their real address, or the one in the room."""
    if Jid.parse(one.invitee).bare != message.sender.bare:
        return False
    try:
        named = Jid.parse(inviter) if inviter else None
    except JidError:
        return False
    if named is None:
        return True
    real = Jid.parse(one.inviter).bare
    return named.bare == real or any(other.jid == named for other in room.occupants_of(real))


def _origin(room: Room, one: _Invited) -> Jid:
    """Return where who has invited is told of it: with the device that did, or by the account if that has left."""
    inviter = Jid.parse(one.inviter)
    return inviter if inviter in room.devices else inviter.bare


def bounced(room: Room, message: Message) -> Outcome:
    """Take an error in answer to an invitation: tell who has invited that nobody has that address, or what it says."""
    found = next((one for one in _invited(room) if _returned(message, one)), None)
    out = Outcome()
    if found is None:
        return out
    element = message.child(ns.CLIENT, "error")
    error = StanzaError(Condition.UNDEFINED_CONDITION) if element is None else StanzaError.from_element(element)
    if error.condition is Condition.SERVICE_UNAVAILABLE:
        # What RFC 6121 8.5.1 has servers say of accounts that don't exist.
        error = StanzaError(Condition.ITEM_NOT_FOUND)
    answer = StanzaError(error.condition, error.type, f"{found.invitee} could not be invited.", by=room.jid)
    payload = user(tag("invite", to=found.invitee)) + answer.to_bytes()
    out.send(Message(None, room.jid, found.origin or None, "error", payload=payload), _origin(room, found))
    _without(room, found, out)
    return out


def _returned(message: Message, one: _Invited) -> bool:
    return one.invitee == message.sender and one.id == (message.id or "")
