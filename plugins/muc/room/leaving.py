"""Leaving a room, by one's own will or another's (XEP-0045 sections 7.14, 8.2, 9.1 and 11)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from xmppd.api import Condition, Jid, Message, Presence, Stanza, StanzaError, tag
from xmppd.plugins.muc.room.outcome import Destroyed, Left, Outcome, Vacated
from xmppd.plugins.muc.room.presenting import Change, announce, presence_of
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.traffic import passing
from xmppd.plugins.muc.room.words import USER, Status, clean
from xmppd.wire import ns

__all__ = ["bounced", "exit", "expel", "expel_all", "lose", "remove", "vacate"]

#: What says that somebody can't be reached (section 18.1.2).
_UNREACHABLE = frozenset(
    {
        Condition.GONE,
        Condition.ITEM_NOT_FOUND,
        Condition.RECIPIENT_UNAVAILABLE,
        Condition.REDIRECT,
        Condition.REMOTE_SERVER_NOT_FOUND,
        Condition.REMOTE_SERVER_TIMEOUT,
    }
)


def exit(room: Room, presence: Presence, now: float) -> Outcome:
    """Let a device go (section 7.14). Nobody who isn't there is answered (section 17.3)."""
    if presence.sender not in room.devices:
        return Outcome()
    # Section 10.1.3: who goes without having confirmed the room has not wanted it.
    unwanted = tag("destroy") if room.locked else b""
    words = clean(passing(room.config, presence))
    return vacate(room, presence.sender, Change(gone=True, payload=words, more=unwanted), now)


def lose(room: Room, device: Jid, now: float, reason: str = "") -> Outcome:
    """Take a device for gone that can't be reached (section 11.1)."""
    if device not in room.devices:
        return Outcome()
    return vacate(room, device, Change(codes=(Status.TECHNICAL,), gone=True, reason=reason, payload=b""), now)


def bounced(room: Room, stanza: Stanza, now: float, private: bool = False) -> Outcome:
    """Take an error in answer to something that the room has sent: it may mean that a device is gone (section 18.1.2).

    RFC 6121 8.5.3.2.1 has a message of type groupchat to a device that isn't there answered with service-unavailable;
    a private message is answered so by those, too, who don't want it. An error that doesn't say what it is about comes
    from nobody who could take part.

    :param private: is it known to answer one? Else it is taken for that if it still holds what says so.
    """
    element = stanza.child(ns.CLIENT, "error")
    condition = None if element is None else StanzaError.from_element(element).condition
    gone = condition in _UNREACHABLE or (element is None and not private)
    if condition is Condition.SERVICE_UNAVAILABLE:
        gone = isinstance(stanza, Message) and not private and not stanza.has(USER, "x")
    return lose(room, stanza.sender, now) if gone else Outcome()


def remove(room: Room, devices: Collection[Jid], now: float, *codes: int) -> Iterator[Outcome]:
    """Have many devices be in the room no more, who can't be told; the others are told of one after the other.

    All are gone at once: nothing is sent to them any more, whenever the outcomes are put into effect.
    """
    leaving: dict[Occupant, list[Jid]] = {}
    for device in devices:
        occupant = room.devices.pop(device, None)
        if occupant is not None:
            leaving.setdefault(occupant, []).append(device)
    for occupant, gone in leaving.items():
        if len(gone) == len(occupant.devices):
            del room.occupants[occupant.nick]
    empty = not room.occupants and (not room.config.persistent or room.locked)
    for number, (occupant, gone) in enumerate(leaving.items(), 1):
        out = Outcome(changes=[Vacated(device) for device in gone])
        if len(gone) == len(occupant.devices):
            announce(room, occupant, out, Change(codes=codes, gone=True, payload=b""), own=())
            out.happened.append(Left(occupant.nick, occupant.who))
        else:
            for device in gone:
                occupant.unseat(device)
        if empty and number == len(leaving):
            out.changes.append(Destroyed())
        yield out


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
    return expel_all(room, ((occupant, change),), now)


def expel_all(room: Room, leaving: Sequence[tuple[Occupant, Change]], now: float) -> Outcome:
    """The same for several at once: those who stay are told of all, those who go only of themselves."""
    out = Outcome()
    if room.locked and len(leaving) == len(room.occupants):  # section 10.1.3: it is destroyed, and they are told
        leaving = [(occupant, replace(change, more=tag("destroy"))) for occupant, change in leaving]
    going = [(occupant, change, tuple(occupant.devices)) for occupant, change in leaving]
    for occupant, _, devices in going:
        for device in devices:
            del room.devices[device]
        del room.occupants[occupant.nick]
        out.changes += [Vacated(device) for device in devices]
    for occupant, change, devices in going:
        announce(room, occupant, out, change, own=devices)
        out.happened.append(Left(occupant.nick, occupant.who))
    if going:
        room.active_at = now
        if not room.occupants and (not room.config.persistent or room.locked):
            out.changes.append(Destroyed())
    return out
