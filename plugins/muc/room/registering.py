"""Registration with a room: membership, and a nickname of one's own (XEP-0045 sections 7.10 and 9.9, XEP-0077)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from xmppd.api import Condition, Element, Iq, Jid, JidError, Message, StanzaError, tag
from xmppd.plugins.muc.room.affiliating import Standing, affiliate, check_standings, inviter_of
from xmppd.plugins.muc.room.elements import child
from xmppd.plugins.muc.room.entering import check_nick
from xmppd.plugins.muc.room.forms import Values, boolean, field, filled, form, one
from xmppd.plugins.muc.room.outcome import Affiliated, Noted, Outcome, Seated
from xmppd.plugins.muc.room.presenting import Change, announce
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import MUC, Status
from xmppd.wire import ns

__all__ = ["NS", "REGISTER", "ask", "decide", "forget", "pending", "register"]

NS = "jabber:iq:register"
REGISTER = f"{MUC}#register"
_NICK, _ALLOW, _WHO = "muc#register_roomnick", "muc#register_allow", "muc#jid"
#: What people may say of themselves, by field: its type, and what people are shown (section 16.5.1).
_FIELDS: Mapping[str, tuple[str, str]] = {
    "muc#register_first": ("text-single", "Given name"),
    "muc#register_last": ("text-single", "Family name"),
    "muc#register_url": ("text-single", "A web page"),
    "muc#register_email": ("text-single", "Email address"),
    "muc#register_faqentry": ("text-multi", "FAQ entry"),
}
#: Under which name a room keeps the requests that wait for an admin.
_NOTE = "registrations"
#: What somebody has said: the nickname, and the values of the other fields.
_Said = dict[str, str]


def ask(room: Room, iq: Iq, now: float) -> Outcome:
    """Tell somebody what it takes to register, or under which nickname they are registered.

    :raises StanzaError: item-not-found, if the room is not open yet; not-allowed, if they may not register.
    """
    who = iq.sender.bare
    _check_open(room, who)
    member = room.members.get(who)
    registered = room.affiliation(who).rank >= Affiliation.MEMBER.rank
    if not registered and not room.config.registration:
        raise StanzaError(Condition.NOT_ALLOWED, text="Nobody can register with this room.")
    nick = "" if member is None else member.nick
    said: Mapping[str, str] = json.loads(member.form) if member is not None and member.form else {}
    content: list[bytes] = []
    if registered:
        content += [tag("registered"), *([tag("username", nick)] if nick else [])]
    if room.config.registration:
        content += [tag("instructions", "Fill in the form to register with the room."), _form(room, nick, said)]
    return Outcome(reply=tag("query", *content, xmlns=NS))


def _form(room: Room, nick: str, said: Mapping[str, str]) -> bytes:
    by_admin = " An admin has to approve it." if _needs_approval(room) else ""
    return form(
        REGISTER,
        f"Registration with {room.config.name or room.jid.local}",
        f"The nickname will be yours in this room. The rest is for its admins; you may leave it out.{by_admin}",
        field(_NICK, "text-single", "Desired nickname", [nick] if nick else [], required=True),
        *_described(said),
    )


def _described(said: Mapping[str, str]) -> list[bytes]:
    return [field(var, kind, label, said.get(var, "").splitlines()) for var, (kind, label) in _FIELDS.items()]


def _needs_approval(room: Room) -> bool:
    """Does an admin have to approve it: always, where nobody is to give themselves what members have before others?"""
    config = room.config
    if config.members_only or config.password or config.moderated:  # who may enter, and who has voice
        return True
    return config.registration_approval or (config.archive and not config.public_archive)


def _check_open(room: Room, who: Jid) -> None:
    affiliation = room.affiliation(who)
    if room.locked and affiliation is not Affiliation.OWNER:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room.")
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError(Condition.NOT_ALLOWED, text="You are banned from this room.")


def register(room: Room, iq: Iq, now: float) -> Outcome:
    """Register somebody with the room, or have them be registered no more.

    Members take another nickname by it. Where an admin has to approve it, the admins are asked.

    :raises StanzaError: as :func:`ask`, and service-unavailable, if nobody can register; bad-request for no form;
        not-acceptable without a nickname, with one that can't be, or with too much else; conflict, if it is another's;
        registration-required from somebody who is not registered and doesn't want to be; resource-constraint, if too
        many wait, or are members.
    """
    who, query = iq.sender.bare, iq.request
    _check_open(room, who)
    if child(query, NS, "remove") is not None:
        return _resign(room, who, query, now)
    if not room.config.registration:
        raise StanzaError(Condition.SERVICE_UNAVAILABLE, text="Nobody can register with this room.")
    values = filled(child(query, ns.DATA_FORMS, "x"), REGISTER)
    if values is None:
        return Outcome()
    nick, said = _nick(room, who, one(values, _NICK)), _said(room, values)
    if room.affiliation(who) is Affiliation.NONE and _needs_approval(room):
        return _wait(room, who, nick, said)
    if who not in room.members and len(room.members) >= room.service.limits.affiliations // 2:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="The room has too many members.")
    return _admit(room, who, nick, said, now)


def _nick(room: Room, who: Jid, text: str) -> str:
    """Return a nickname as it is spelt in an address, if somebody can have it."""
    if not text:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="A nickname is needed.")
    try:
        nick = Jid.parse(f"{room.jid}/{text}").resource
    except JidError as error:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"That can't be a nickname: {error}") from None
    check_nick(room.service, nick)
    occupant, owner = room.occupants.get(nick), room.reserved_for(nick)
    waiting = any(other != who and said[_NICK] == nick for other, said in pending(room).items())
    if waiting or (occupant is not None and occupant.who != who) or owner not in (None, who):
        raise StanzaError(Condition.CONFLICT, text="The nickname is another's.")
    return nick


def _said(room: Room, values: Values) -> _Said:
    said = {
        var: ("\n" if kind == "text-multi" else " ").join(values.get(var, ())) for var, (kind, _) in _FIELDS.items()
    }
    if sum(map(len, said.values())) > room.service.limits.form_characters:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="That is too much.")
    return {var: text for var, text in said.items() if text}


def _admit(
    room: Room, who: Jid, nick: str, said: _Said, now: float, by: str = "", inviter: Jid | None = None
) -> Outcome:  # fmt: skip
    """Make somebody a member; who is more than that stays so.

    :param by: the nickname of the admin who has approved it.
    :param inviter: their address, as the invitation to a members-only room says it.
    """
    old = room.members.get(who)
    affiliation = old.affiliation if old is not None else Affiliation.MEMBER
    standings = [Standing(who, affiliation, nick)]
    check_standings(room, standings)
    out = affiliate(room, standings, by, now, inviter, known=inviter is None)
    member = room.members[who] = replace(room.members[who], form=json.dumps(said) if said else "")
    out.changes.append(Affiliated(who, member))
    _forget(room, who, out)
    if room.config.fixed_nick:
        _rename(room, who, nick, out)
    return out


def _rename(room: Room, who: Jid, nick: str, out: Outcome) -> None:
    """Have somebody who is there use the nickname that is theirs: status 210."""
    there = room.occupants_of(who)
    if len(there) != 1 or there[0].nick == nick:
        return
    occupant = there[0]
    announce(room, occupant, out, Change(codes=(Status.NICK_CHANGED,), gone=True, nick=nick, payload=b""))
    del room.occupants[occupant.nick]
    occupant.nick, occupant.jid = nick, room.jid.with_resource(nick)
    room.occupants[nick] = occupant
    out.changes += [Seated(device, nick, occupant.role, shown) for device, shown in occupant.devices.items()]
    announce(room, occupant, out, Change(codes=(Status.NICK_GIVEN,)))


def _resign(room: Room, who: Jid, query: Element, now: float) -> Outcome:
    """Take somebody's registration back, or the request for one. Admins and owners stay that, without a nickname."""
    if len(list(query.elements())) > 1:
        raise StanzaError(Condition.BAD_REQUEST, text="To unregister, send <remove/> and nothing else.")
    out, member = Outcome(), room.members.get(who)
    waits = who in pending(room)
    if member is None and not waits:
        raise StanzaError(Condition.REGISTRATION_REQUIRED, text="You are not registered with this room.")
    _forget(room, who, out)
    if member is not None:
        stays = member.affiliation.rank > Affiliation.MEMBER.rank
        standing = Standing(who, member.affiliation if stays else Affiliation.NONE, "")
        out.add(affiliate(room, [standing], "", now, known=True))
        if stays and member.form:
            room.members[who] = replace(room.members[who], form="")
            out.changes.append(Affiliated(who, room.members[who]))
    return out


# Approval


def pending(room: Room) -> dict[Jid, _Said]:
    """Return who waits for an admin to approve their registration, and what they have said."""
    return {Jid.parse(who): said for who, said in json.loads(room.notes.get(_NOTE, "{}")).items()}


def _note(room: Room, waiting: Mapping[Jid, _Said], out: Outcome) -> None:
    if waiting:
        room.notes[_NOTE] = json.dumps(waiting)
    else:
        room.notes.pop(_NOTE, None)
    out.changes.append(Noted(_NOTE, room.notes.get(_NOTE)))


def forget(room: Room, who: Jid) -> Outcome:
    """Have somebody wait no more who exists no more."""
    out = Outcome()
    _forget(room, who, out)
    return out


def _forget(room: Room, who: Jid, out: Outcome) -> None:
    waiting = pending(room)
    if waiting.pop(who, None) is not None:
        _note(room, waiting, out)


def _wait(room: Room, who: Jid, nick: str, said: _Said) -> Outcome:
    """Ask the admins and owners: with their devices that are in the room, or else by their account."""
    waiting = pending(room)
    if who not in waiting and len(waiting) >= room.service.limits.registrations:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many wait to be approved.")
    again = waiting.get(who)
    waiting[who] = {**said, _NICK: nick}
    out = Outcome()
    _note(room, waiting, out)
    if again != waiting[who]:  # who asks once more is told the same, and nobody else is
        out.send(Message(None, room.jid, payload=_approval(who, nick, said)), *_admins(room))
    return out


def _admins(room: Room) -> list[Jid]:
    found: list[Jid] = []
    for affiliation in (Affiliation.OWNER, Affiliation.ADMIN):
        for who, _ in room.having(affiliation):
            found += [device for one in room.occupants_of(who) for device in one.devices] or [who]
    return found


def _approval(who: Jid, nick: str, said: _Said) -> bytes:
    return form(
        REGISTER,
        "Registration request",
        "To approve this registration request, select the checkbox, and send the form. To leave it, cancel.",
        field(_WHO, "jid-single", "User ID", [who]),
        field(_NICK, "text-single", "Desired nickname", [nick]),
        *_described(said),
        field(_ALLOW, "boolean", "Allow this person to register with the room?", ["0"]),
    )


def decide(room: Room, message: Message, x: Element, now: float) -> Outcome:
    """Take the form with which an admin approves a registration, or denies it.

    :raises StanzaError: forbidden from others; bad-request for no such form; item-not-found, if nobody waits of whom it
        speaks; not-allowed, if they are banned; conflict, if the nickname is another's by now.
    """
    admin = message.sender
    if room.affiliation(admin).rank < Affiliation.ADMIN.rank:
        raise StanzaError(Condition.FORBIDDEN, text="Only admins can approve registrations.")
    values = filled(x, REGISTER)
    if values is None:
        return Outcome()
    if _ALLOW not in values:
        raise StanzaError(Condition.BAD_REQUEST, text=f"The form says nothing of {_ALLOW}.")
    allowed = boolean(values, _ALLOW)
    waiting = pending(room)
    nick, address = one(values, _NICK), one(values, _WHO)
    who = next((who for who, said in waiting.items() if address == who or (not address and said[_NICK] == nick)), None)
    if who is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="They don't wait to be approved.")
    said = waiting[who]
    wanted = said.pop(_NICK)
    if allowed and room.affiliation(who) is Affiliation.OUTCAST:
        raise StanzaError(Condition.NOT_ALLOWED, text="They are banned from this room.")
    if allowed:
        actor = room.devices.get(admin)
        by = "" if actor is None else actor.nick
        return _admit(room, who, _nick(room, who, wanted), said, now, by, inviter_of(room, admin.bare, by))
    out = forget(room, who)
    text = tag("body", f"An admin of {room.config.name or room.jid.local} has not approved your registration.")
    out.send(Message(None, room.jid, payload=text), who)
    return out
