"""What owners do with a room: configure it, for the first time or later, and destroy it (XEP-0045 section 10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from xmppd.api import Condition, Element, Iq, Jid, StanzaError, tag
from xmppd.plugins.muc.room.affiliating import Standing, affiliate, check_standings
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.destroying import as_asked, destroy
from xmppd.plugins.muc.room.elements import children
from xmppd.plugins.muc.room.fields import FIELDS, ROOMCONFIG, roomconfig
from xmppd.plugins.muc.room.forms import field, form
from xmppd.plugins.muc.room.leaving import expel_all
from xmppd.plugins.muc.room.outcome import Configured, Destroyed, Outcome, Unlocked
from xmppd.plugins.muc.room.presenting import Change, rebroadcast, tell_configured
from xmppd.plugins.muc.room.ranks import Affiliation, Role, default_role
from xmppd.plugins.muc.room.remembering import forget_all
from xmppd.plugins.muc.room.roles import By, cast
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.submitted import PASSWORD, PROTECTED, Submitted, read, refuse
from xmppd.plugins.muc.room.words import OWNER, Status
from xmppd.wire import ns

__all__ = ["ask", "change", "reconfigure"]

#: Options that have codes of their own, if they change: to true, and to false (section 10.2.1).
_CODES = {
    "logging": (Status.LOGGED, Status.LOGGED_NO_MORE),
    "anonymous": (Status.SEMI_ANONYMOUS, Status.NON_ANONYMOUS),
}


def _check_owner(room: Room, iq: Iq) -> None:
    if room.affiliation(iq.sender) is not Affiliation.OWNER:
        raise StanzaError(Condition.FORBIDDEN, text="That takes an owner of the room.")


# The form


def ask(room: Room, iq: Iq, now: float) -> Outcome:
    """Return the form with the options as they are (sections 10.1.3 and 10.2).

    :raises StanzaError: forbidden for those who are no owners; bad-request, if something else is asked for.
    """
    _check_owner(room, iq)
    if next(iq.request.elements(), None) is not None:
        raise StanzaError(Condition.BAD_REQUEST, text="Only the form can be asked for.")
    return Outcome(reply=tag("query", _form(room), xmlns=OWNER))


def _form(room: Room) -> bytes:
    service, config = room.service, room.config
    words = "The room has been created, and waits for you to say how it shall be." if room.locked else "How it is now."
    fixed = [one.label for one in FIELDS if one.option in service.forced]
    if fixed:
        words += f" What can't be changed on this service: {' '.join(fixed)}"
    shown = [one.to_bytes(config, service.limits) for one in FIELDS if one.option not in service.forced]
    return form(
        ROOMCONFIG, f"Configuration of {room.jid}", words, *shown,
        field(PROTECTED, "boolean", "Does it take a password to enter?", ("1" if config.password else "0",)),
        field(PASSWORD, "text-private", "The password", (config.password,) if config.password else ()),
        field(roomconfig("roomadmins"), "jid-multi", "All admins", map(str, _all(room, Affiliation.ADMIN))),
        field(roomconfig("roomowners"), "jid-multi", "All owners", map(str, _all(room, Affiliation.OWNER))),
    )  # fmt: skip


def _all(room: Room, affiliation: Affiliation) -> list[Jid]:
    return [who for who, _ in room.having(affiliation)]


# Changes


def change(room: Room, iq: Iq, now: float) -> Outcome:
    """Take the form that was filled in, or none for an instant room, or that it was cancelled; or destroy the room.

    :raises StanzaError: forbidden for those who are no owners; bad-request for what is none of that; what
        :func:`~xmppd.plugins.muc.room.submitted.read`, :func:`~xmppd.plugins.muc.room.affiliating.check_standings` and
        :func:`~xmppd.plugins.muc.room.destroying.as_asked` say.
    """
    _check_owner(room, iq)
    query = iq.request
    inside = [*children(query, ns.DATA_FORMS, "x"), *children(query, OWNER, "destroy")]
    if len(inside) != 1 or sum(1 for _ in query.elements()) != 1:
        raise StanzaError(Condition.BAD_REQUEST, text="A form is needed, or <destroy/>.")
    if inside[0].name == "destroy":
        return as_asked(room, inside[0])
    if inside[0].getAttribute("type") == "cancel":  # section 10.1.3; 10.2: all stays as it is
        return destroy(room, reason="The room was not wanted after all.") if room.locked else Outcome()
    return _submit(room, iq, inside[0], now)


def _submit(room: Room, iq: Iq, x: Element, now: float) -> Outcome:
    submitted = read(x, room.config, room.service.limits, room.service.forced)
    standings = list(_standings(room, submitted))
    if len(standings) > room.service.limits.items:
        refuse(Condition.NOT_ACCEPTABLE, roomconfig("roomadmins"), "changes too much at once")
    if standings:
        check_standings(room, standings)
    out = Outcome()
    creating = room.locked
    if creating:
        room.locked = False
        out.changes.append(Unlocked())
    if standings:
        there = room.devices.get(iq.sender)
        out.add(affiliate(room, standings, there.nick if there else "", now))
    if creating:  # there is nobody else who could be told, and the owner knows
        out.sent = [(stanza, to) for stanza, to in out.sent if room.devices.keys().isdisjoint(to)]
    return out.add(reconfigure(room, submitted.config, now, tell=not creating, lists=bool(standings)))


def _standings(room: Room, submitted: Submitted) -> Iterator[Standing]:
    """Say who becomes something else by full lists of admins and owners (section 10.2).

    Who is no owner any more is an admin, and who is no admin any more a member. Of admins that is also said if a list
    of admins is there without those who were owners.
    """
    admins, owners = submitted.admins, submitted.owners
    before = {who: Affiliation.ADMIN for who in _all(room, Affiliation.ADMIN)}
    before |= {who: Affiliation.OWNER for who in _all(room, Affiliation.OWNER)}
    for who in dict.fromkeys((*before, *(admins or ()), *(owners or ()))):
        was = before.get(who)
        owner = was is Affiliation.OWNER if owners is None else who in owners
        admin = was in (Affiliation.ADMIN, Affiliation.OWNER) if admins is None else who in admins
        new = Affiliation.OWNER if owner else Affiliation.ADMIN if admin else Affiliation.MEMBER
        if new is not was:
            yield Standing(who, new)


def reconfigure(room: Room, config: RoomConfig, now: float, *, tell: bool = True, lists: bool = False) -> Outcome:
    """Give a room other options, with all that follows (sections 10.2 and 10.2.1).

    If only members may be there now, others have to go, with status 322. If the room is not moderated any more,
    visitors have voice. If it is not persistent any more and nobody is there, it is gone.

    :param tell: are those in the room told that it was configured?
    :param lists: has something else changed that is configured, such as who is an admin?
    """
    before, out = room.config, Outcome()
    changed = [one.name for one in fields(config) if getattr(config, one.name) != getattr(before, one.name)]
    if changed:
        room.config = config
        out.changes.append(Configured(config))
        rebroadcast(room, before.presence_broadcast, out)
    if config.members_only and not before.members_only:
        change = Change(codes=(Status.MEMBERS_ONLY,), gone=True, payload=b"")
        others = [
            (one, change)
            for one in room.occupants.values()
            if default_role(config, room.affiliation(one.who)) is Role.NONE
        ]
        out.add(expel_all(room, others, now))
    if config.moderated is not before.moderated:
        forget_all(room, out)
    if before.moderated and not config.moderated:
        for occupant in room.occupants.values():
            if occupant.role is Role.VISITOR:
                cast(room, occupant, Role.PARTICIPANT, By(), out)
    if tell:
        codes = [_CODES[name][not getattr(config, name)] for name in changed if name in _CODES]
        if lists or not set(changed) <= set(_CODES):
            codes.append(Status.CONFIGURED)
        for code in codes:
            tell_configured(room, out, code)
    if changed and not config.persistent and not room.occupants and not room.locked and Destroyed() not in out.changes:
        out.changes.append(Destroyed())
    return out
