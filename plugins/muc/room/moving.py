"""Presence of those who are in a room already: another status, another nickname (XEP-0045 sections 7.6, 7.7)."""

from __future__ import annotations

from xmppd.api import Condition, Jid, Presence, StanzaError, tag
from xmppd.plugins.muc.room.entering import check_free, check_nick
from xmppd.plugins.muc.room.outcome import Outcome, Seated
from xmppd.plugins.muc.room.presenting import Change, announce, presence_of, user
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import Status, clean

__all__ = ["not_there", "update"]


def not_there(presence: Presence) -> Presence:
    """Return what a device is told that believes it is in a room (section 7.2.17)."""
    item = tag("item", tag("reason", "You are not in the room."), affiliation="none", role="none")
    payload = user(item, (Status.SELF, Status.KICKED, Status.TECHNICAL))
    return Presence(presence.from_, presence.to, presence.id, type="unavailable", payload=payload)


def update(room: Room, presence: Presence, now: float) -> Outcome:
    """Take the presence of a device that is in the room: another status, or another nickname.

    :raises StanzaError: conflict, not-acceptable or jid-malformed for the nickname (section 7.6); forbidden, if
        visitors may not.
    """
    device, nick = presence.sender, presence.recipient.resource
    occupant = room.devices[device]
    if nick and nick != occupant.nick:
        return _rename(room, occupant, device, nick, clean(presence), now)
    if occupant.role is Role.VISITOR and not room.config.visitor_status:
        raise StanzaError(Condition.FORBIDDEN, text="Visitors can't change their status here.")
    payload = clean(presence)
    occupant.seat(device, payload)
    out = Outcome(changes=[Seated(device, occupant.nick, occupant.role, payload)])
    announce(room, occupant, out)
    return out


def _rename(room: Room, occupant: Occupant, device: Jid, nick: str, payload: bytes, now: float) -> Outcome:
    check_nick(room.service, nick)
    if occupant.role is Role.VISITOR and not room.config.visitor_nick:
        raise StanzaError(Condition.FORBIDDEN, text="Visitors can't change their nickname here.")
    check_free(room, occupant.who, nick)
    other = room.occupants.get(nick)
    out = Outcome()
    gone = Change(codes=(Status.NICK_CHANGED,), gone=True, nick=nick, payload=b"")
    if len(occupant.devices) == 1 and other is None:
        announce(room, occupant, out, gone)
        del room.occupants[occupant.nick]
        occupant.nick, occupant.jid = nick, room.jid.with_resource(nick)
        room.occupants[nick] = occupant
    else:
        occupant = _move(room, occupant, device, nick, gone, out)
    room.active_at = now
    occupant.seat(device, payload)
    out.changes.append(Seated(device, nick, occupant.role, payload))
    announce(room, occupant, out)
    return out


def _move(room: Room, occupant: Occupant, device: Jid, nick: str, gone: Change, out: Outcome) -> Occupant:
    """One of several devices takes another nickname, or joins the one that has it."""
    if len(occupant.devices) == 1:
        announce(room, occupant, out, gone)
        del room.occupants[occupant.nick]
    else:
        codes = (*gone.own, Status.SELF)
        out.send(presence_of(room, occupant, full=True, change=gone, codes=codes, device=device), device)
        occupant.unseat(device)
    other = room.occupants.get(nick)
    if other is None:
        other = room.occupants[nick] = Occupant(room, nick, occupant.who, occupant.role)
    room.devices[device] = other
    return other
