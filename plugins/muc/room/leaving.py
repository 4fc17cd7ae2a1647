"""Leaving a room, by one's own will or another's (XEP-0045 sections 7.14, 8.2, 9.1 and 11)."""

from __future__ import annotations

from xmppd.api import Jid, Presence
from xmppd.plugins.muc.room.outcome import Destroyed, Left, Outcome, Vacated
from xmppd.plugins.muc.room.presenting import Change, announce, presence_of
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import Status, clean

__all__ = ["exit", "expel", "lose", "vacate"]


def exit(room: Room, presence: Presence, now: float) -> Outcome:
    """Let a device go (section 7.14). Nobody who isn't there is answered (section 17.3)."""
    if presence.sender not in room.devices:
        return Outcome()
    return vacate(room, presence.sender, Change(gone=True, payload=clean(presence)), now)


def lose(room: Room, device: Jid, now: float, reason: str = "") -> Outcome:
    """Take a device for gone that can't be reached (section 11.1)."""
    if device not in room.devices:
        return Outcome()
    change = Change(codes=(Status.KICKED, Status.TECHNICAL), gone=True, reason=reason, payload=b"")
    return vacate(room, device, change, now)


def vacate(room: Room, device: Jid, change: Change, now: float) -> Outcome:
    """Have a device be in the room no more; who has another one stays.

    :param change: what the presence of type unavailable says.
    """
    occupant = room.devices[device]
    if len(occupant.devices) == 1:
        return expel(room, occupant, change, now)
    out = Outcome(changes=[Vacated(device)])
    codes = (*change.own, Status.SELF)
    out.send(presence_of(room, occupant, full=True, change=change, codes=codes, device=device), device)
    before = occupant.shown
    del room.devices[device]
    occupant.unseat(device)
    room.active_at = now
    if occupant.shown != before:
        announce(room, occupant, out)
    return out


def expel(room: Room, occupant: Occupant, change: Change, now: float) -> Outcome:
    """Have an occupant be in the room no more, with any device; an empty room that is not persistent is gone."""
    devices = tuple(occupant.devices)
    out = Outcome(changes=[Vacated(device) for device in devices])
    for device in devices:
        del room.devices[device]
    del room.occupants[occupant.nick]
    room.active_at = now
    announce(room, occupant, out, change, own=devices)
    out.happened.append(Left(occupant.nick, occupant.who))
    if not room.occupants and (not room.config.persistent or room.locked):
        out.changes.append(Destroyed())
    return out
