"""How owners and admins make hats, and put them on people's heads (XEP-0317 sections 4.2 to 4.7)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from xmppd.api import Condition, Iq, Jid, JidError, StanzaError, tag
from xmppd.api.commands import bad_payload
from xmppd.plugins.muc.room import forms, hats
from xmppd.plugins.muc.room.commands import Command
from xmppd.plugins.muc.room.hats import Hat, Hats
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.presenting import announce, tell_configured
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Room
from xmppd.wire import ns

__all__ = ["COMMANDS"]

_TYPE = "urn:xmpp:hats:commands"
_JID, _TITLE, _URI, _HUE = "hats#jid", "hats#title", "hats#uri", "hats#hue"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+\Z")
_CIRCLE = 360.0


# Who may


def _staff(room: Room, iq: Iq) -> bool:
    return room.affiliation(iq.sender).rank >= Affiliation.ADMIN.rank


def _belongs(room: Room, iq: Iq) -> bool:
    return iq.sender in room.devices or room.affiliation(iq.sender).rank >= Affiliation.MEMBER.rank


def _sees_addresses(room: Room, iq: Iq) -> bool:
    occupant = room.devices.get(iq.sender)
    moderator = occupant is not None and occupant.role is Role.MODERATOR
    return _staff(room, iq) or moderator or (occupant is not None and not room.config.anonymous)


# Hats


def _create_form(room: Room) -> bytes:
    return forms.form(
        _TYPE, "Creating a Hat", "Fill out this form to create a hat.",
        forms.field(_TITLE, "text-single", "Hat Title", required=True),
        forms.field(_URI, "text-single", "Hat URI", required=True),
        forms.field(_HUE, "text-single", "Hat Hue"),
    )  # fmt: skip


def _create(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Make a hat, or change the one with that URI (section 4.2)."""
    uri, title, hue = (forms.one(values, var) for var in (_URI, _TITLE, _HUE))
    most = room.service.limits.hat_characters
    if not _SCHEME.match(uri) or len(uri) > most:
        raise bad_payload("The hat needs a URI.")
    if not title or len(title) > most:
        raise bad_payload("The hat needs a title that is not too long.")
    if hue and (len(hue) > most or not _is_hue(hue)):
        raise bad_payload("The hue is an angle in degrees.")
    if len(iq.lang or "") > most:
        raise bad_payload("That is the name of no language.")
    before = hats.of(room)
    if uri not in before.hats and len(before.hats) >= room.service.limits.hats:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="The room has too many hats.")
    return _changed(room, before.with_hat(uri, Hat(title, hue, iq.lang or "")), before.wearers(uri))


def _is_hue(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and 0 <= number <= _CIRCLE


def _choice(room: Room) -> bytes:
    return forms.field(
        _URI, "list-single", "The hat", required=True,
        options={uri: hat.title for uri, hat in hats.of(room).hats.items()},
    )  # fmt: skip


def _destroy_form(room: Room) -> bytes:
    return forms.form(_TYPE, "Destroying a Hat", "Fill out this form to destroy a hat.", _choice(room))


def _destroy(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Take a hat away for good (section 4.3)."""
    uri, before = _known(room, values)
    return _changed(room, before.without_hat(uri), before.wearers(uri))


def _known(room: Room, values: forms.Values) -> tuple[str, Hats]:
    uri, before = forms.one(values, _URI), hats.of(room)
    if uri not in before.hats:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="The room has no such hat.")
    return uri, before


# On people's heads


def _assign_form(room: Room) -> bytes:
    return forms.form(
        _TYPE, "Assigning a Hat", "Fill out this form to assign a hat.",
        forms.field(_JID, "jid-single", "User Address", required=True), _choice(room),
    )  # fmt: skip


def _assign(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Give somebody a hat (section 4.5)."""
    uri, before = _known(room, values)
    who = _who(room, values)
    if uri in before.worn.get(str(who), ()):
        return Outcome()
    if before.assignments >= room.service.limits.hats_worn:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many hats are worn in this room.")
    if len(before.worn.get(str(who), ())) >= room.service.limits.hats_each:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="They wear too many hats.")
    return _changed(room, before.given(who, uri), [who], configured=False)


def _unassign_form(room: Room) -> bytes:
    return forms.form(
        _TYPE, "Removing a Hat", "Fill out this form to remove a hat.",
        forms.field(_JID, "jid-single", "User Address", required=True), _choice(room),
    )  # fmt: skip


def _unassign(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Take it off again (section 4.6)."""
    uri, before = _known(room, values)
    who = _who(room, values)
    if uri not in before.worn.get(str(who), ()):
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="They don't wear this hat.")
    return _changed(room, before.taken(who, uri), [who], configured=False)


def _who(room: Room, values: forms.Values) -> Jid:
    """Return the bare real address that is meant, also by the address of an occupant."""
    try:
        who = Jid.parse(forms.one(values, _JID))
    except JidError:
        raise bad_payload("That is no address.") from None
    return room.occupant_named(who.resource).who if who.bare == room.jid else who.bare


def _changed(room: Room, after: Hats, wearers: Iterable[Jid], configured: bool = True) -> Outcome:
    """Have a room have these hats, and show whom it concerns as they look now."""
    out = Outcome(changes=[hats.keep(room, after)])
    concerned = set(wearers)
    for occupant in room.occupants.values():
        if occupant.who in concerned:
            announce(room, occupant, out)
    if configured:
        tell_configured(room, out)
    return out


# Lists


def _list(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Show which hats there are (section 4.4)."""
    rows = ((hat.title, uri, hat.hue) for uri, hat in hats.of(room).hats.items())
    return Outcome(reply=_table("Hats List", (_TITLE, _URI, _HUE), rows))


def _list_assigned(room: Room, iq: Iq, values: forms.Values) -> Outcome:
    """Show who wears which hat (section 4.7)."""
    known = hats.of(room)
    rows = ((who, uri, known.hats[uri].title, known.hats[uri].hue) for who, uris in known.worn.items() for uri in uris)
    return Outcome(reply=_table("Assigned Hats List", (_JID, _URI, _TITLE, _HUE), rows))


def _table(title: str, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    reported = tag("reported", *(tag("field", var=name) for name in names))
    items = (
        tag("item", *(tag("field", tag("value", value), var=name) for name, value in zip(names, row, strict=True)))
        for row in rows
    )
    return tag("x", tag("title", title), reported, *items, xmlns=ns.DATA_FORMS, type="result")


#: By node.
COMMANDS: Mapping[str, Command] = {
    f"{_TYPE}:create": Command("Create a hat", _staff, _TYPE, _create_form, _create),
    f"{_TYPE}:destroy": Command("Destroy a hat", _staff, _TYPE, _destroy_form, _destroy),
    f"{_TYPE}:list": Command("List the hats", _belongs, _TYPE, None, _list),
    f"{_TYPE}:assign": Command("Give somebody a hat", _staff, _TYPE, _assign_form, _assign),
    f"{_TYPE}:unassign": Command("Take a hat from somebody", _staff, _TYPE, _unassign_form, _unassign),
    f"{_TYPE}:list-assigned": Command("List who wears which hat", _sees_addresses, _TYPE, None, _list_assigned),
}
