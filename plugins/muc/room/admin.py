"""Requests of moderators, admins and owners about people (XEP-0045 sections 8.2 to 8.5, 9.1 to 9.8, 10.3 to 10.8).

All that one request asks for is done, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xmppd.api import Condition, Element, Iq, Jid, JidError, StanzaError, tag
from xmppd.plugins.muc.room.affiliating import Standing, affiliate, check_standings, inviter_of
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.ranks import Affiliation, Role, default_role, may_change_affiliation, may_change_role
from xmppd.plugins.muc.room.remembering import remember
from xmppd.plugins.muc.room.roles import By, cast, kick
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import ADMIN

__all__ = ["ask", "change"]

Value = TypeVar("Value", Role, Affiliation)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for something.

    :ivar who: their bare real address.
    :ivar nick: in the room; "" if they aren't there.
    :ivar role: admins and owners are moderators, there or not.
    """

    who: Jid
    nick: str
    role: Role
    affiliation: Affiliation

    @property
    def is_admin(self) -> bool:
        """May they do what admins may?"""
        return self.affiliation.rank >= Affiliation.ADMIN.rank


@dataclass(frozen=True, slots=True)
class Casting:
    """The role that somebody is to have."""

    occupant: Occupant
    role: Role
    reason: str


def _actor(room: Room, iq: Iq) -> Actor:
    """Say who asks: the occupant that the device is, or else one with the same bare address."""
    who, affiliation = iq.sender.bare, room.affiliation(iq.sender)
    mine = [room.devices[iq.sender]] if iq.sender in room.devices else room.occupants_of(who)
    occupant = max(mine, key=lambda one: one.role.rank, default=None)
    role = Role.NONE if occupant is None else occupant.role
    if affiliation.rank >= Affiliation.ADMIN.rank:
        role = Role.MODERATOR
    return Actor(who, "" if occupant is None else occupant.nick, role, affiliation)


# Lists


def ask(room: Room, iq: Iq, now: float) -> Outcome:
    """Return the list of those who have a role or an affiliation (sections 8.5, 9.2, 9.5, 9.8, 10.5 and 10.8).

    :raises StanzaError: forbidden, if it is not for them; bad-request.
    """
    actor = _actor(room, iq)
    items: list[bytes] = []
    for element in _items(room, iq):
        role, affiliation = _read(element)
        if role is Role.NONE or affiliation is Affiliation.NONE:
            raise StanzaError(Condition.BAD_REQUEST, text="There is no list of those who are nothing.")
        if role is not None:
            items += _occupants_with(room, actor, role)
        elif affiliation is not None:
            items += _people_with(room, actor, affiliation)
    return Outcome(reply=tag("query", *items, xmlns=ADMIN))


def _occupants_with(room: Room, actor: Actor, role: Role) -> Iterator[bytes]:
    """List occupants as section 17.4 has it."""
    if actor.role is not Role.MODERATOR or (role is Role.MODERATOR and not actor.is_admin):
        raise StanzaError(Condition.FORBIDDEN, text="This list is not for you.")
    return (
        tag("item", affiliation=room.affiliation(one.who), jid=one.device, nick=one.nick, role=role)
        for one in room.occupants.values()
        if one.role is role
    )


def _people_with(room: Room, actor: Actor, affiliation: Affiliation) -> Iterator[bytes]:
    """List people as section 17.4 has it: with the nickname that is theirs, or else the one they are there with."""
    if not _may_list(room, actor, affiliation):
        raise StanzaError(Condition.FORBIDDEN, text="This list is not for you.")
    nicks = {occupant.who: occupant.nick for occupant in room.occupants.values()}
    return (
        tag(
            "item",
            tag("reason", member.reason) if affiliation is Affiliation.OUTCAST and member.reason else None,
            affiliation=affiliation,
            jid=who,
            nick=member.nick or nicks.get(who),
        )
        for who, member in room.having(affiliation)
    )


def _may_list(room: Room, actor: Actor, affiliation: Affiliation) -> bool:
    """May they know who has an affiliation?

    In a semi-anonymous room it takes an owner to see owners and admins, and an admin for the others. Members of a
    non-anonymous one see all but outcasts, if those with their role may (muc#roomconfig_getmemberlist).
    """
    if actor.affiliation is Affiliation.OWNER:
        return True
    if affiliation is Affiliation.OUTCAST or (affiliation is Affiliation.MEMBER and actor.is_admin):
        return actor.is_admin
    if room.config.anonymous or actor.affiliation.rank < Affiliation.MEMBER.rank:
        return False
    role = actor.role if actor.nick else default_role(room.config, actor.affiliation)
    return role in room.config.member_list


# Changes


def change(room: Room, iq: Iq, now: float) -> Outcome:
    """Change roles of occupants, and what people are to the room.

    :raises StanzaError: forbidden, not-allowed or conflict, as the sections above say; item-not-found; bad-request.
    """
    actor = _actor(room, iq)
    castings: list[Casting] = []
    standings: list[Standing] = []
    for element in _items(room, iq):
        role, affiliation = _read(element)
        if role is not None:
            castings.append(_casting(room, actor, role, element))
        elif affiliation is not None:
            standings.append(_standing(room, actor, affiliation, element))
    for named in ([one.occupant.nick for one in castings], [one.who for one in standings]):
        if len(set(named)) < len(named):
            raise StanzaError(Condition.BAD_REQUEST, text="Somebody is named twice.")
    if standings:
        check_standings(room, standings)
    out = Outcome()
    for one in castings:
        if one.role is not Role.NONE:
            cast(room, one.occupant, one.role, By(actor.nick, one.reason), out)
            remember(room, one.occupant, out)
    if standings:
        out.add(affiliate(room, standings, actor.nick, now, inviter_of(room, actor.who, actor.nick)))
    kicked = {
        one.occupant: By(actor.nick, one.reason)
        for one in castings
        # Who is banned as well has gone already.
        if one.role is Role.NONE and room.occupants.get(one.occupant.nick) is one.occupant
    }
    return out.add(kick(room, kicked, now))


def _casting(room: Room, actor: Actor, role: Role, element: Element) -> Casting:
    if actor.role is not Role.MODERATOR:  # asked first: nobody else learns whether somebody is there
        raise StanzaError(Condition.FORBIDDEN, text="That takes a moderator.")
    occupant = _named(room, element)
    if role is Role.NONE and occupant.who == actor.who:
        raise StanzaError(Condition.CONFLICT, text="You can't kick yourself.")
    before = occupant.role
    about_moderators = role is Role.MODERATOR or (before is Role.MODERATOR and role is Role.PARTICIPANT)
    if role is not before and about_moderators and not actor.is_admin:
        raise StanzaError(Condition.FORBIDDEN, text="That takes an admin.")
    target = (before, room.affiliation(occupant.who))
    if role is not before and not may_change_role((actor.role, actor.affiliation), target, role):
        raise StanzaError(Condition.NOT_ALLOWED, text="You can't do that to who stands as high.")
    return Casting(occupant, role, _reason(room, element))


def _standing(room: Room, actor: Actor, affiliation: Affiliation, element: Element) -> Standing:
    if not actor.is_admin:
        raise StanzaError(Condition.FORBIDDEN, text="That takes an admin.")
    who = _address(room, element)
    before = room.affiliation(who)
    if affiliation is Affiliation.OUTCAST and who == actor.who:
        raise StanzaError(Condition.CONFLICT, text="You can't ban yourself.")
    if not may_change_affiliation(actor.affiliation, before, affiliation):
        if affiliation is Affiliation.OUTCAST:
            raise StanzaError(Condition.NOT_ALLOWED, text="You can't ban who stands as high.")
        raise StanzaError(Condition.FORBIDDEN, text="That takes an owner.")
    if not who.local and affiliation.rank > Affiliation.MEMBER.rank:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="A whole domain can't be admin or owner.")
    return Standing(who, affiliation, _nick(room, element), _reason(room, element))


# Reading


def _items(room: Room, iq: Iq) -> Sequence[Element]:
    items = [one for one in iq.request.elements() if one.name == "item" and one.uri == ADMIN]
    if not items:
        raise StanzaError(Condition.BAD_REQUEST, text="There is no item.")
    if len(items) > room.service.limits.items:
        raise StanzaError(Condition.POLICY_VIOLATION, text="There are too many items.")
    return items


def _read(element: Element) -> tuple[Role | None, Affiliation | None]:
    """Read what an item is about: a role or an affiliation, and never both (section 17.4)."""
    role, affiliation = (element.getAttribute(name) for name in ("role", "affiliation"))
    if (role is None) is (affiliation is None):
        raise StanzaError(Condition.BAD_REQUEST, text="An item is about either a role or an affiliation.")
    return _one_of(Role, role), _one_of(Affiliation, affiliation)


def _one_of(values: type[Value], text: str | None) -> Value | None:
    if text is None:
        return None
    try:
        return values(text)
    except ValueError:
        raise StanzaError(Condition.BAD_REQUEST, text=f"There is no {values.__name__.lower()} {text[:20]!r}.") from None


def _named(room: Room, element: Element) -> Occupant:
    """Return the occupant that an item names: by nickname, or else by the real address of a device."""
    nick, jid = element.getAttribute("nick"), element.getAttribute("jid")
    if nick is not None:
        return room.occupant_named(_prepared(room, nick))
    occupants: Iterable[Occupant] = ()
    if jid is not None:
        device = _parse(jid)
        there = room.devices.get(device)
        occupants = [one for one in room.occupants.values() if one.who == device.bare] if there is None else [there]
    for occupant in occupants:
        return occupant
    raise StanzaError(
        Condition.BAD_REQUEST if jid is None else Condition.ITEM_NOT_FOUND, text="Nobody in the room is named by that."
    )


def _address(room: Room, element: Element) -> Jid:
    """Return the bare address, or domain, that an item names: itself, or by a nickname that is used or reserved."""
    jid, nick = element.getAttribute("jid"), element.getAttribute("nick")
    if jid is not None:
        return _parse(jid).bare
    if nick:
        nick = _prepared(room, nick)
        reserved = None if nick in room.occupants else room.reserved_for(nick)
        return reserved or room.occupant_named(nick).who
    raise StanzaError(Condition.BAD_REQUEST, text="The item names nobody.")


def _nick(room: Room, element: Element) -> str | None:
    """Return the nickname that an item reserves, if its address says for whom (section 9.5)."""
    nick = element.getAttribute("nick")
    if nick is None or not element.hasAttribute("jid"):
        return None
    return _prepared(room, nick) if nick else ""


def _reason(room: Room, element: Element) -> str:
    child = next((one for one in element.elements() if one.name == "reason" and one.uri == ADMIN), None)
    reason = "" if child is None else str(child).strip()
    if len(reason) > room.service.limits.reason_characters:
        raise StanzaError(Condition.POLICY_VIOLATION, text="The reason is too long.")
    return reason


def _prepared(room: Room, nick: str) -> str:
    try:
        return room.jid.with_resource(nick).resource
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None


def _parse(text: str) -> Jid:
    try:
        return Jid.parse(text)
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
