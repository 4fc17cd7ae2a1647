"""Presence of those who are in a room already: another status, another nickname (XEP-0045 sections 7.6, 7.7)."""

from __future__ import annotations

from xmppd.api import Condition, Jid, Presence, StanzaError, tag
from xmppd.plugins.muc.room import entering
from xmppd.plugins.muc.room.entering import check_rename, nick_for
from xmppd.plugins.muc.room.history import read_request
from xmppd.plugins.muc.room.outcome import Outcome, Seated
from xmppd.plugins.muc.room.presenting import Change, announce, presence_of, user
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.traffic import passing
from xmppd.plugins.muc.room.words import MUC, Status, clean

__all__ = ["enter", "not_there", "update"]


def not_there(presence: Presence) -> Presence:
    """Return what a device is told that believes it is in a room (section 7.2.18)."""
    item = tag("item", tag("reason", "You are not in the room."), affiliation="none", role="none")
    payload = user(item, (Status.SELF, Status.KICKED, Status.TECHNICAL))
    return Presence(presence.from_, presence.to, presence.id, type="unavailable", payload=payload)


def enter(room: Room, presence: Presence, now: float) -> Outcome:
    """Let a device in; one that is in by another nickname takes this one, and is sent everything again (7.2.1).

    :raises StanzaError: as section 7.2.17 says.
    """
    device, nick = presence.sender, nick_for(room, presence)
    there = room.devices.get(device)
    if there is None or there.nick == nick:
        return entering.enter(room, presence, now)
    check_rename(room, there, nick)
    read_request(presence.child(MUC, "x"), now)  # it is refused now, or not at all
    out = Outcome()
    _leave_nick(room, there, device, nick, out)
    return out.add(entering.enter(room, presence, now, moved=True))


def update(room: Room, presence: Presence, now: float) -> Outcome:
    """Take the presence of a device that is in the room: another status, or another nickname.

    :raises StanzaError: conflict, not-acceptable or jid-malformed for the nickname (section 7.6); forbidden, if
        visitors may not.
    """
    device, nick = presence.sender, presence.recipient.resource
    occupant = room.devices[device]
    if nick and nick != occupant.nick:
        return _rename(room, occupant, device, nick, clean(passing(room.config, presence)), now)
    if occupant.role is Role.VISITOR and not room.config.visitor_status:
        raise StanzaError(Condition.FORBIDDEN, text="Visitors can't change their status here.")
    payload = clean(passing(room.config, presence))
    occupant.seat(device, payload)
    out = Outcome(changes=[Seated(device, occupant.nick, occupant.role, payload)])
    announce(room, occupant, out)
    return out


def _rename(room: Room, occupant: Occupant, device: Jid, nick: str, payload: bytes, now: float) -> Outcome:
    check_rename(room, occupant, nick)
    out = Outcome()
    occupant = _leave_nick(room, occupant, device, nick, out)
    room.active_at = now
    occupant.seat(device, payload)
    out.changes.append(Seated(device, nick, occupant.role, payload))
    announce(room, occupant, out)
    return out


def _leave_nick(room: Room, occupant: Occupant, device: Jid, nick: str, out: Outcome) -> Occupant:
    """A device leaves its nickname for another one. Return the occupant that it is then."""
    gone = Change(codes=(Status.NICK_CHANGED,), gone=True, nick=nick, payload=b"")
    if len(occupant.devices) > 1 or nick in room.occupants:
        return _move(room, occupant, device, nick, gone, out)
    announce(room, occupant, out, gone)
    del room.occupants[occupant.nick]
    occupant.nick, occupant.jid = nick, room.jid.with_resource(nick)
    room.occupants[nick] = occupant
    return occupant


def _move(room: Room, occupant: Occupant, device: Jid, nick: str, gone: Change, out: Outcome) -> Occupant:
    """One of several devices takes another nickname, or joins the one that has it."""
    other = room.occupants.get(nick)
    if other is None:
        other = room.occupants[nick] = Occupant(room, nick, occupant.who, occupant.role)
    if len(occupant.devices) == 1:
        announce(room, occupant, out, gone)
        del room.occupants[occupant.nick]
        room.devices[device] = other
        return other
    codes = (*gone.own, Status.SELF)
    out.send(presence_of(room, occupant, full=True, change=gone, codes=codes, device=device), device)
    before = occupant.shown
    occupant.unseat(device)
    room.devices[device] = other
    # To this device the other devices of the same user are another occupant now, and one that is there.
    if occupant.shown != before:
        announce(room, occupant, out)
    elif room.broadcasts(occupant.role):
        out.send(presence_of(room, occupant, full=room.sees_addresses(other)), device)
    return other
