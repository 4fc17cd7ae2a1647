"""Roles of those who are in a room, and how they change (XEP-0045 sections 5.1.3, 8.2 to 8.4, 9.6 and 9.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xmppd.plugins.muc.room.leaving import expel_all
from xmppd.plugins.muc.room.outcome import Outcome, Seated
from xmppd.plugins.muc.room.presenting import Change, announce, hide, reveal
from xmppd.plugins.muc.room.ranks import Affiliation, Role, default_role
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import Status

__all__ = ["By", "cast", "kick", "role_after"]


@dataclass(frozen=True, slots=True)
class By:
    """Who has done something, and why, as others are told.

    :ivar nick: their nickname; "" if they are not in the room, or it is nobody's business.
    :ivar reason: for people; "" if they haven't said.
    """

    nick: str = ""
    reason: str = ""


def cast(room: Room, occupant: Occupant, role: Role, by: By, out: Outcome, tell: bool = False) -> None:
    """Give an occupant another role, and tell everybody; new moderators get to know who the others are.

    :param role: any but NONE; see :func:`kick`.
    :param tell: is there something else to tell, if it is the role that they have?
    """
    before = occupant.role
    if role is before and not tell:
        return
    blind = not room.sees_addresses(occupant)
    occupant.role = role
    if role is not before:
        out.changes += [Seated(device, occupant.nick, role, shown) for device, shown in occupant.devices.items()]
    announce(room, occupant, out, Change(actor=by.nick, reason=by.reason), role=before)
    if room.broadcasts(before) and not room.broadcasts(role):
        hide(room, occupant, out)
    if blind and room.sees_addresses(occupant):
        reveal(room, occupant, out)


def kick(room: Room, occupants: Mapping[Occupant, By], now: float) -> Outcome:
    """Remove occupants, who may come again (section 8.2)."""
    leaving = [
        (one, Change(codes=(Status.KICKED,), gone=True, actor=by.nick, reason=by.reason, payload=b""))
        for one, by in occupants.items()
    ]
    return expel_all(room, leaving, now)


def role_after(room: Room, role: Role, before: Affiliation, after: Affiliation) -> Role:
    """Return the role that goes with another affiliation, in the same room; NONE if there is no place for them in it.

    Who rises has at least the role of those who enter with the new affiliation. Who falls has at most that, but a
    moderator who was not one by affiliation stays one (section 5.1.3).
    """
    entering = default_role(room.config, after)
    if entering is Role.NONE or after.rank > before.rank:
        return entering if entering is Role.NONE or entering.rank > role.rank else role
    if role is Role.MODERATOR and before.rank < Affiliation.ADMIN.rank:
        return role
    return entering if entering.rank < role.rank else role
