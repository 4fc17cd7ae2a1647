"""What people are to a room, and all that follows if it changes (XEP-0045 sections 5.2.2, 9.1 to 9.5, 10.3 to 10.8).

Whether somebody may do it is asked elsewhere: in :mod:`xmppd.plugins.muc.room.admin` for requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xmppd.api import Condition, Jid, Message, StanzaError, tag
from xmppd.plugins.muc.room import versions
from xmppd.plugins.muc.room.entering import check_nick
from xmppd.plugins.muc.room.leaving import expel_all
from xmppd.plugins.muc.room.outcome import Affiliated, Outcome
from xmppd.plugins.muc.room.presenting import Change, inform, user
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.remembering import forget
from xmppd.plugins.muc.room.roles import By, cast, role_after
from xmppd.plugins.muc.room.state import Member, Occupant, Room
from xmppd.plugins.muc.room.words import Status

__all__ = ["Standing", "affiliate", "check_standings", "inviter_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to become.

    :ivar who: a bare address, or a domain for all who are there.
    :ivar nick: the nickname that is to be theirs in this room; "": none; None: the one they have.
    """

    who: Jid
    affiliation: Affiliation
    nick: str | None = None
    reason: str = ""


def check_standings(room: Room, standings: Sequence[Standing]) -> None:
    """Refuse what would leave the room without an owner, too full a list, or a nickname with two who have it.

    :raises StanzaError: conflict, resource-constraint, or as :func:`~xmppd.plugins.muc.room.entering.check_nick`.
    """
    after = dict(room.members)
    for standing in standings:
        member = _member(room, standing)
        if member is None:
            after.pop(standing.who, None)
        else:
            after[standing.who] = member
    if not any(member.affiliation is Affiliation.OWNER for member in after.values()):
        raise StanzaError(Condition.CONFLICT, text="A room has to have an owner.")
    if len(after) > max(room.service.limits.affiliations, len(room.members)):
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="There are too many that are something to the room.")
    named = [standing.nick for standing in standings if standing.nick]
    for nick in named:
        check_nick(room.service, nick)
    nicks = [member.nick for member in after.values() if member.nick] if named else []
    if len(nicks) > len(set(nicks)):
        raise StanzaError(Condition.CONFLICT, text="The nickname is another's.")


def _member(room: Room, standing: Standing) -> Member | None:
    """Return what is written down of somebody, without a version; None: nothing."""
    affiliation = standing.affiliation
    if affiliation is Affiliation.NONE:
        return None
    old = room.members.get(standing.who)
    if affiliation is Affiliation.OUTCAST:
        return Member(affiliation, reason=standing.reason)  # section 9.1: without a nickname
    nick = (old.nick if old else "") if standing.nick is None else standing.nick
    return Member(affiliation, nick, standing.reason, old.form if old else "")


def inviter_of(room: Room, who: Jid, nick: str) -> Jid:
    """Return the address that invitations name: not the real one, where that is nobody's business.

    :param who: the bare real address of who makes somebody a member.
    :param nick: theirs in the room, or "".
    """
    if not room.config.anonymous:
        return who
    return room.jid.with_resource(nick) if nick else room.jid


def affiliate(
    room: Room, standings: Sequence[Standing], nick: str, now: float, inviter: Jid | None = None, known: bool = False
) -> Outcome:  # fmt: skip
    """Have people be something else to the room, and tell them and others, as the sections above say.

    Those who are in the room get the role that goes with it, or have to go: with status 301 if they are banned, with
    321 if only members may be there. Of those who aren't, others are told by a message; they themselves as well, if
    they were or are more than nothing. New members of a members-only room are invited.

    :param nick: of who does it; "" if they are not in the room, or it is nobody's business.
    :param inviter: the address that invitations name; None: nobody is invited.
    :param known: do they know themselves, or are told otherwise?
    """
    there = _occupants(room, standings)
    known_by = {one.jid: one.who for one, _ in there}
    before = [(one, room.affiliation(one.who)) for one, _ in there]
    absent = {standing.who for standing in standings} - {one.who for one, _ in there}
    out, were = Outcome(), {who: room.affiliation(who) for who in absent}
    for standing in standings:
        _write(room, standing, out)
    leaving: list[tuple[Occupant, Change]] = []
    for (occupant, reason), (_, old) in zip(there, before, strict=True):
        new = room.affiliation(occupant.who)
        role = role_after(room, occupant.role, old, new)
        if new is old:
            continue
        if role is Role.NONE:
            code = Status.BANNED if new is Affiliation.OUTCAST else Status.AFFILIATION_LOST
            change = Change(codes=(code,), gone=True, actor=nick, reason=reason, payload=b"")
            leaving.append((occupant, change))
        else:
            cast(room, occupant, role, By(nick, reason), out, tell=True)
    last = {standing.who: standing for standing in standings}
    for who, standing in last.items():
        if who in were and who.local:
            _tell_of_absent(room, standing, were[who], By(nick, standing.reason), inviter, known, out)
    out.add(expel_all(room, leaving, now))
    versions.annotate(room, out, known_by)
    return out


def _occupants(room: Room, standings: Sequence[Standing]) -> list[tuple[Occupant, str]]:
    """Return who is in the room of those that are named, in the order in which they are, with the reason for each."""
    reasons = {standing.who: standing.reason for standing in standings}
    places = {who: place for place, who in enumerate(reasons)}
    domains = {who.domain: who for who in reasons if not who.local}
    found: list[tuple[int, Occupant, str]] = []
    for occupant in room.occupants.values():
        who = occupant.who if occupant.who in reasons else domains.get(occupant.who.domain)
        if who is not None:
            found.append((places[who], occupant, reasons[who]))
    return [(occupant, reason) for _, occupant, reason in sorted(found, key=lambda one: one[0])]


def _write(room: Room, standing: Standing, out: Outcome) -> None:
    """Write it down, with the version that this gives the room."""
    new, who = _member(room, standing), standing.who
    old = room.members.get(who)
    if new == (None if old is None else replace(old, version=0)):
        return  # it is so already
    room.version += 1
    if new is None:
        del room.members[who]
    else:
        room.members[who] = new = replace(new, version=room.version)
    out.changes.append(Affiliated(who, new))
    if old is not None and (new is None or new.affiliation is Affiliation.OUTCAST):
        out.changes.append(versions.remove(room, who, old.affiliation))
    if new is None or old is None or new.affiliation is not old.affiliation:
        forget(room, who, out)


def _tell_of_absent(
    room: Room, standing: Standing, old: Affiliation, by: By, inviter: Jid | None, known: bool, out: Outcome
) -> None:  # fmt: skip
    """Tell of somebody who isn't there: those who may know who it is, and themselves (sections 10.3, 15.1.2).

    Bans of people who were nothing to the room are nobody's business; nor is it told to them.
    """
    who, new = standing.who, room.affiliation(standing.who)
    if new is old or max(old.rank, new.rank) < Affiliation.MEMBER.rank:
        return
    actor = tag("actor", nick=by.nick) if by.nick else None
    reason = tag("reason", by.reason) if by.reason else None
    item = tag("item", actor, reason, affiliation=new, jid=who, role=Role.NONE)
    inform(room, Message(None, room.jid, payload=user(item)), out)
    if known:
        return
    if room.config.members_only and inviter is not None and old is Affiliation.NONE and new is Affiliation.MEMBER:
        password = tag("password", room.config.password) if room.config.password else b""
        out.send(Message(None, room.jid, payload=user(tag("invite", reason, from_=inviter), more=password)), who)
        return
    item = tag("item", reason, affiliation=new, role=Role.NONE)
    out.send(Message(None, room.jid, payload=user(item, (Status.AFFILIATION_CHANGED,))), who)
