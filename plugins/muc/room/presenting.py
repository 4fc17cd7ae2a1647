"""Occupants' presence as the room shows it, to each as they may see it (XEP-0045 sections 7.2.2 to 7.2.4, 17.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial

from xmppd.api import Jid, Message, Presence, tag
from xmppd.plugins.muc.room import hats
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import USER, Status, occupant_id

__all__ = [
    "Change", "announce", "as_seen", "hide", "inform", "presence_of", "rebroadcast", "reveal", "tell_configured",
    "user",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What a presence says besides how somebody is.

    :ivar codes: status codes, for everybody.
    :ivar own: status codes for those whom it is about, besides 110.
    :ivar gone: is it of type unavailable?
    :ivar nick: the new nickname of somebody who leaves the old one.
    :ivar role: the role; None: the one they have.
    :ivar affiliation: the affiliation; None: the one they have.
    :ivar actor: the nickname of who has done it; "" if that is nobody's business.
    :ivar reason: why.
    :ivar payload: what is shown of the presence; None: what their device has said last.
    :ivar own_more: there for those whom it is about, and nobody else.
    :ivar more: in the ``<x/>`` behind the item, such as ``<destroy/>``.
    """

    codes: tuple[int, ...] = ()
    own: tuple[int, ...] = ()
    gone: bool = False
    nick: str = ""
    role: Role | None = None
    affiliation: Affiliation | None = None
    actor: str = ""
    reason: str = ""
    payload: bytes | None = None
    more: bytes = b""
    own_more: bytes = b""


PLAIN = Change()


def user(item: bytes | None, codes: Iterable[int] = (), more: bytes = b"") -> bytes:
    """Return the ``<x/>`` of the room's own words."""
    return tag("x", item, more, *(tag("status", code=code) for code in codes), xmlns=USER)


def presence_of(
    room: Room, occupant: Occupant, *, full: bool, change: Change = PLAIN, codes: Iterable[int] = (),
    device: Jid | None = None,
) -> Presence:  # fmt: skip
    """Return the presence of an occupant, without `to`.

    :param full: does it say who it is?
    :param codes: status codes besides those of the change.
    :param device: which of their devices it is about; unless given, the one that was heard of last.
    """
    affiliation = change.affiliation or room.affiliation(occupant.who)
    role = change.role or (Role.NONE if change.gone and not change.nick else occupant.role)
    device = device or (occupant.device if full else None)
    item = tag(
        "item",
        tag("actor", nick=change.actor) if change.actor else None,
        tag("reason", change.reason) if change.reason else None,
        affiliation=affiliation,
        jid=device if full else None,
        nick=change.nick or None,
        role=role,
    )
    shown = occupant.shown if change.payload is None else change.payload
    worn = b"" if change.gone else hats.worn_by(room, occupant.who)
    payload = shown + occupant_id(occupant.id) + worn + user(item, (*change.codes, *codes), change.more)
    return Presence(None, occupant.jid, type="unavailable" if change.gone else None, payload=payload)


def as_seen(room: Room, occupant: Occupant, *, full: bool) -> Presence:
    """Return the presence of an occupant as who enters sees it.

    In a large room that is nearly all of the work, so it is made again only if something about it has changed.
    """
    affiliation, worn = room.affiliation(occupant.who), hats.worn_by(room, occupant.who)
    device = occupant.device if full else None
    made_of = (occupant.jid, occupant.shown, occupant.role, affiliation, worn, device)
    seen = occupant.seen
    if seen is None or seen[0] != made_of:
        made = presence_of(room, occupant, full=full)
        seen = occupant.seen = (made_of, Presence(None, made.from_, payload=made.payload, names=made.raw_names))
    return seen[1].readdressed()


def announce(
    room: Room, occupant: Occupant, out: Outcome, change: Change = PLAIN, own: Collection[Jid] | None = None,
    role: Role | None = None,
) -> None:  # fmt: skip
    """Tell everybody in the room how somebody is; themselves with status 110, and last.

    :param own: their own devices that are told; unless given, all they have in the room.
    :param role: the role they had before, if it has changed: whoever saw them then is told.
    """
    mine = tuple(occupant.devices) if own is None else tuple(own)
    if room.broadcasts(occupant.role) or (role is not None and room.broadcasts(role)):
        _tell_others(room, occupant, out, change, mine)
    codes = (*change.own, Status.SELF)
    if change.own_more:
        change = replace(change, more=change.more + change.own_more)
    for jid in mine:
        out.send(presence_of(room, occupant, full=True, change=change, codes=codes, device=jid), jid)


def _tell_others(room: Room, occupant: Occupant, out: Outcome, change: Change, mine: Collection[Jid] = ()) -> None:
    """Tell them now, or at a pace, if much is told at once: everybody of everybody in a large room."""
    if out.presences >= room.service.limits.at_once:
        out.later.append(partial(_tell_later, room, occupant, change, mine))
        return
    out.presences += len(room.devices)
    device = tuple(mine)[-1] if mine else None
    seeing: list[Jid] = []
    others: list[Jid] = []
    for jid, other in room.devices.items():
        if other is not occupant and jid not in mine:
            (seeing if room.sees_addresses(other) else others).append(jid)
    if seeing:
        out.show(presence_of(room, occupant, full=True, change=change, device=device), seeing)
    if others:
        out.show(presence_of(room, occupant, full=False, change=change), others)


def _tell_later(room: Room, occupant: Occupant, change: Change, mine: Collection[Jid]) -> Outcome:
    """The same, unless what there was to tell is not so any more: then something else has been told meanwhile."""
    out = Outcome()
    there = room.occupants.get(occupant.nick)
    shown = there is not None and room.broadcasts(there.role)
    if (not shown and there in (None, occupant)) if change.gone else (shown and there is occupant):
        _tell_others(room, occupant, out, change, mine)
    return out


def hide(room: Room, occupant: Occupant, out: Outcome) -> None:
    """Have somebody be gone for the others, who are told of their presence no more: nor will they be when they go."""
    _tell_others(room, occupant, out, Change(gone=True, payload=b""))


def reveal(room: Room, occupant: Occupant, out: Outcome) -> None:
    """Show somebody who may know it from now on who the others are: at once, or at a pace, if many may know it."""
    if out.presences >= room.service.limits.at_once:
        out.later.append(partial(_reveal_later, room, occupant))
        return
    out.presences += len(room.occupants)
    for other in room.occupants.values():
        if other is not occupant and room.broadcasts(other.role):
            out.send(as_seen(room, other, full=True), *occupant.devices)


def _reveal_later(room: Room, occupant: Occupant) -> Outcome:
    out = Outcome()
    if room.occupants.get(occupant.nick) is occupant and room.sees_addresses(occupant):
        reveal(room, occupant, out)
    return out


def inform(room: Room, message: Message, out: Outcome) -> None:
    """Send something that is about real addresses to those who may know them: at once, or at a pace."""
    if out.presences >= room.service.limits.at_once:
        out.later.append(partial(_inform_later, room, message))
        return
    knowing = [jid for jid, occupant in room.devices.items() if room.sees_addresses(occupant)]
    out.presences += len(knowing)
    if knowing:
        out.send(message, *knowing)


def _inform_later(room: Room, message: Message) -> Outcome:
    out = Outcome()
    inform(room, message, out)
    return out


def rebroadcast(room: Room, before: Collection[str], out: Outcome) -> None:
    """Show those whose presence is told now, and hide those of whom it isn't any more.

    :param before: in which roles they were of whom it was told (muc#roomconfig_presencebroadcast).
    """
    for occupant in room.occupants.values():
        shown = occupant.role in before
        if room.broadcasts(occupant.role) and not shown:
            _tell_others(room, occupant, out, PLAIN)
        elif shown and not room.broadcasts(occupant.role):
            hide(room, occupant, out)


def tell_configured(room: Room, out: Outcome, *codes: int) -> None:
    """Tell everybody that the configuration, or something else that the room says of itself, is another one.

    :param codes: what has changed; unless given, 104 (section 10.2.1).
    """
    if room.devices:
        payload = user(None, codes or (Status.CONFIGURED,))
        out.sent.append((Message(None, room.jid, type="groupchat", payload=payload), tuple(room.devices)))
