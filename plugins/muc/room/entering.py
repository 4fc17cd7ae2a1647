"""Entering a room, and creating one by that (XEP-0045 sections 7.2 and 10.1)."""

from __future__ import annotations

from xmppd.api import Condition, Element, Jid, Message, Presence, StanzaError, tag
from xmppd.plugins.muc.room import avatar, tokens, versions
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.history import Request, read_request
from xmppd.plugins.muc.room.outcome import Affiliated, Configured, Created, Entered, Outcome, Seated
from xmppd.plugins.muc.room.presenting import Change, announce, as_seen, presence_of
from xmppd.plugins.muc.room.ranks import Affiliation, Role, default_role
from xmppd.plugins.muc.room.remembering import entering_role
from xmppd.plugins.muc.room.state import Member, Occupant, Room, Service
from xmppd.plugins.muc.room.traffic import passing
from xmppd.plugins.muc.room.words import MUC, Status, clean
from xmppd.wire.delay import delay

__all__ = ["check", "check_free", "check_nick", "check_rename", "create", "enter", "nick_for", "tell_past"]

#: What nobody sees (section 17.1): preparation leaves no other spaces, but a pattern of Braille without dots.
_BLANK = " \u2800"


def create(room: Room, presence: Presence, now: float) -> Outcome:
    """Have somebody create a room that is not there, by entering it: they own it, and it is locked (section 10.1.1)."""
    check_nick(room.service, presence.recipient.resource)
    who = presence.sender.bare
    room.locked = True
    room.members[who] = owner = Member(Affiliation.OWNER)
    out = Outcome(changes=[Created(who), Affiliated(who, owner)], happened=[Created(who)])
    if room.config != RoomConfig():
        out.changes.append(Configured(room.config))
    return out.add(enter(room, presence, now, created=True))


def nick_for(room: Room, presence: Presence) -> str:
    """Return the nickname with which somebody enters: where it is fixed, the one they have registered (7.10)."""
    member = room.members.get(presence.sender.bare)
    registered = member.nick if room.config.fixed_nick and member is not None else ""
    return registered or presence.recipient.resource


def enter(room: Room, presence: Presence, now: float, created: bool = False, moved: bool = False) -> Outcome:
    """Let a device in, or send everything once more to one that is in already (sections 7.2 and 17.3).

    :param moved: it was there by another nickname until now.
    :raises StanzaError: as section 7.2.17 says.
    """
    device, nick = presence.sender, nick_for(room, presence)
    there = room.devices.get(device)
    wanted = read_request(presence.child(MUC, "x"), now)
    check(room, presence, now, created)
    occupant = room.occupants.get(nick)
    out = Outcome()
    tokens.use(room, presence, now, out)
    payload = clean(passing(room.config, presence))
    if occupant is None:
        occupant = Occupant(room, nick, device.bare, entering_role(room, device))
        room.occupants[nick] = occupant
        out.happened.append(Entered(nick, device.bare))
    version = versions.catch_up(room, occupant, presence, out)
    avatar.show(room, device, out)
    _show_others(room, occupant, device, out)
    shown = occupant.shown
    changed = there is None or moved or shown != payload
    room.devices[device] = occupant
    occupant.seat(device, payload)
    room.active_at = now
    out.changes.append(Seated(device, nick, occupant.role, payload))
    own = (*_codes(room), *((Status.CREATED,) if created else ()))
    if nick != presence.recipient.resource:
        own = (*own, Status.NICK_GIVEN)
    if changed:
        announce(room, occupant, out, Change(own=own, own_more=version), own=(device,))
    else:
        codes = (*own, Status.SELF)
        change = Change(more=version)
        out.send(presence_of(room, occupant, full=True, change=change, codes=codes, device=device), device)
    tell_past(room, device, wanted, out)
    if shown != payload:
        _tell_devices(room, occupant, device, out)
    return out


def _tell_devices(room: Room, occupant: Occupant, device: Jid, out: Outcome) -> None:
    """Tell the other devices of an occupant how one of them has made them look."""
    for other in occupant.devices:
        if other != device:
            out.send(presence_of(room, occupant, full=True, codes=(Status.SELF,), device=other), other)


def _codes(room: Room) -> tuple[int, ...]:
    codes = () if room.config.anonymous else (Status.SEES_ADDRESSES,)
    return (*codes, Status.LOGGED) if room.config.logging else codes


def _show_others(room: Room, occupant: Occupant, device: Jid, out: Outcome) -> None:
    """Show a device who is there (section 7.2.2)."""
    full = room.sees_addresses(occupant)
    for other in room.occupants.values():
        if other is not occupant and room.broadcasts(other.role):
            out.send(as_seen(room, other, full=full), device)


def tell_past(room: Room, device: Jid, wanted: Request, out: Outcome) -> None:
    """Send a device what was said, and at last the subject (sections 7.2.13 to 7.2.15)."""
    most = room.most_history if wanted != Request() else min(room.config.default_history, room.most_history)
    around = len(delay(room.jid, room.created_at, digits=3).decode()) + len(f" to='{device.xml}'")
    for past in room.history.select(wanted, most, around):
        out.send(past.message.adding(delay(room.jid, past.at, digits=3)), device)
    subject = room.subject
    if subject is None:
        out.send(Message(None, room.jid, type="groupchat", payload=tag("subject")), device)
        return
    from_ = room.jid.with_resource(subject.nick) if subject.nick else room.jid
    payload = subject.payload + delay(room.jid, subject.at, digits=3)
    out.send(Message(None, from_, subject.id or None, "groupchat", None, payload), device)


# May they?


def check(room: Room, presence: Presence, now: float, created: bool = False) -> None:
    """Refuse who may not enter; who is there already may. :raises StanzaError: as section 7.2.17 says."""
    device, nick, x = presence.sender, nick_for(room, presence), presence.child(MUC, "x")
    there = room.devices.get(device)
    if there is not None:
        if there.nick != nick:
            check_rename(room, there, nick)
        return
    affiliation = room.affiliation(device)
    staff = affiliation.rank >= Affiliation.ADMIN.rank
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError(Condition.FORBIDDEN, text="You are banned from this room.")
    if room.locked and not created:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="The room is not there yet.")
    check_nick(room.service, presence.recipient.resource)
    invited = tokens.invited(room, presence, now)
    if invited and len(room.members) >= room.service.limits.affiliations:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="The room has too many members.")
    if not invited and default_role(room.config, affiliation) is Role.NONE:
        text = "Only members may enter this room."
        raise tokens.refusal(room, presence) or StanzaError(Condition.REGISTRATION_REQUIRED, text=text)
    exempt = created or room.service.is_admin(device.bare)
    if room.config.password and not exempt and _password(x) != room.config.password:
        raise StanzaError(Condition.NOT_AUTHORIZED, text="That is not the room's password.")
    check_free(room, device.bare, nick)
    mine = sum(len(one.devices) for one in room.occupants.values() if one.who == device.bare)
    if mine >= room.service.limits.devices:  # under whatever nicknames: nobody fills a room alone
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="You are there with too many devices.")
    if nick not in room.occupants and not staff and len(room.occupants) >= room.most_occupants:
        raise StanzaError(Condition.SERVICE_UNAVAILABLE, type="wait", text="The room is full.")


def check_nick(service: Service, nick: str) -> None:
    """Refuse a nickname that nobody can have. :raises StanzaError: jid-malformed without one; not-acceptable."""
    if not nick:
        raise StanzaError(Condition.JID_MALFORMED, text="To enter a room, a nickname is needed: room@service/nickname.")
    if not nick.strip(_BLANK) or len(nick) > service.limits.nick_characters:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="The nickname is empty or too long.")
    if nick.strip(_BLANK) != nick:  # it looks like another's
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="A nickname doesn't begin or end with a space.")


def check_free(room: Room, who: Jid, nick: str) -> None:
    """Refuse a nickname that is another's. :raises StanzaError: conflict; not-acceptable if theirs is another one.

    :param who: a bare real address.
    """
    occupant = room.occupants.get(nick)
    owner = room.reserved_for(nick)
    if (occupant is not None and occupant.who != who) or (owner is not None and owner != who):
        raise StanzaError(Condition.CONFLICT, text="The nickname is another's.")
    member = room.members.get(who)
    if room.config.fixed_nick and member is not None and member.nick not in ("", nick):
        raise StanzaError(Condition.NOT_ACCEPTABLE, type="cancel", text=f"You are {member.nick} in this room.")


def check_rename(room: Room, occupant: Occupant, nick: str) -> None:
    """Refuse another nickname to somebody who is there (section 7.6).

    :raises StanzaError: conflict, not-acceptable or jid-malformed; forbidden, if visitors may not.
    """
    check_nick(room.service, nick)
    if occupant.role is Role.VISITOR and not room.config.visitor_nick:
        raise StanzaError(Condition.FORBIDDEN, text="Visitors can't change their nickname here.")
    check_free(room, occupant.who, nick)


def _password(x: Element | None) -> str:
    element = None if x is None else next((e for e in x.elements() if (e.uri, e.name) == (MUC, "password")), None)
    return "" if element is None else str(element)
