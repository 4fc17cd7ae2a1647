"""What a room says of itself to those who ask: features, and the form muc#roominfo (XEP-0045 6.4, 16.3, 16.5.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xmppd.api import Element, Jid, tag
from xmppd.plugins.muc.room import activity, avatar, hats
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.elements import text_of
from xmppd.plugins.muc.room.fields import FIELDS, roomconfig
from xmppd.plugins.muc.room.forms import hidden
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.relaying import SELF_PING
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import MUC, OCCUPANT_ID
from xmppd.wire import ns
from xmppd.wire.xml import parse

__all__ = ["INFO_FIELDS", "ROOMINFO", "features", "information", "is_private"]

ROOMINFO = f"{MUC}#roominfo"
#: Features of all rooms.
_ALWAYS = (MUC, f"{MUC}#stable_id", f"{MUC}#roomconfig", ROOMINFO, OCCUPANT_ID, SELF_PING)
#: What a room is or is not, each a feature (section 16.3).
_EITHER: Sequence[tuple[Callable[[RoomConfig], object], str, str]] = (
    (lambda config: config.public, "muc_public", "muc_hidden"),
    (lambda config: config.persistent, "muc_persistent", "muc_temporary"),
    (lambda config: config.password, "muc_passwordprotected", "muc_unsecured"),
    (lambda config: config.members_only, "muc_membersonly", "muc_open"),
    (lambda config: config.moderated, "muc_moderated", "muc_unmoderated"),
    (lambda config: config.anonymous, "muc_semianonymous", "muc_nonanonymous"),
)


def features(config: RoomConfig) -> list[str]:
    """Return the features that XEP-0045 has for a room with that configuration."""
    registration = (f"{MUC}#register",) if config.registration else ()
    return [*_ALWAYS, *registration, *(yes if holds(config) else no for holds, yes, no in _EITHER)]


@dataclass(frozen=True, slots=True)
class InfoField:
    """A field of muc#roominfo.

    :ivar var: its name.
    :ivar values: what it says now; nothing, if it isn't there. The time is in seconds since the epoch.
    :ivar private: is it told only to those who belong to the room, if not everybody may enter?
    :ivar kind: its type, where the XEP that has it wants that to be said.
    """

    var: str
    values: Callable[[Room, float], Sequence[str]]
    private: bool = False
    kind: str | None = None


def _subject(room: Room, now: float) -> Sequence[str]:
    """Return the subject in the language that has none named, or else the first."""
    elements: Sequence[Element] = parse(room.subject.payload) if room.subject is not None else ()
    texts = {element.getAttribute((ns.XML, "lang"), ""): text_of(element) for element in reversed(elements)}
    text = texts.get("") or next(reversed(texts.values()), "")
    return (text,) if text else ()


def _activity(room: Room, now: float) -> Sequence[str]:
    rate = activity.per_hour(room, now)
    return () if rate is None else (str(rate),)


def _option(name: str) -> InfoField:
    """A field of the configuration form that is told to everybody (section 6.4 allows any)."""
    field = next(field for field in FIELDS if field.var == roomconfig(name))
    return InfoField(field.var, lambda room, now: field.write(getattr(room.config, field.option)))


#: Fields in the order of the form.
INFO_FIELDS: tuple[InfoField, ...] = (
    InfoField("muc#roominfo_description", lambda room, now: _some(room.config.description)),
    InfoField("muc#roominfo_contactjid", lambda room, now: room.config.contacts),
    InfoField("muc#roominfo_subject", _subject, private=True),
    InfoField("muc#roominfo_subjectmod", lambda room, now: ("1" if room.config.change_subject else "0",)),
    InfoField("muc#roominfo_occupants", lambda room, now: (str(len(room.occupants)),), private=True),
    InfoField("muc#roominfo_lang", lambda room, now: _some(room.config.lang)),
    InfoField("muc#roominfo_logs", lambda room, now: _some(room.config.logs)),
    InfoField("muc#maxhistoryfetch", lambda room, now: (str(room.most_history),)),
    InfoField("muc#roominfo_avatarhash", lambda room, now: avatar.hashes(room), kind="text-multi"),
    InfoField(
        "muc#roominfo_slow_mode_duration",
        lambda room, now: (str(room.config.slow_mode),) if room.config.slow_mode else (),
        kind="text-single",
    ),
    InfoField(activity.FIELD, _activity),
    InfoField("hats#hash", lambda room, now: _some(hats.digest(room)), kind="text-single"),
    *map(_option, ("roomname", "changesubject", "allowinvites", "allowpm", "enablelogging", "pubsub")),
)


def _some(text: str) -> Sequence[str]:
    return (text,) if text else ()


def is_private(room: Room, who: Jid) -> bool:
    """Is what goes on in the room none of somebody's business (section 13.4)?

    It is not, if not everybody may enter, and they are not there and don't belong to it.
    """
    closed = bool(room.config.password) or room.config.members_only
    return room.affiliation(who).rank < (Affiliation.MEMBER if closed else Affiliation.NONE).rank and not any(
        occupant.who == who.bare for occupant in room.occupants.values()
    )


def information(room: Room, who: Jid, now: float) -> bytes:
    """Return the form of type result for somebody who asks.

    :param who: their real address, bare or full.
    :param now: in seconds since the epoch.
    """
    private = is_private(room, who)
    said: Mapping[InfoField, Sequence[str]] = {
        one: one.values(room, now) for one in INFO_FIELDS if not (private and one.private)
    }
    shown = (
        tag("field", *(tag("value", value) for value in values), var=one.var, type=one.kind)
        for one, values in said.items()
        if values
    )
    return tag("x", hidden(ROOMINFO), *shown, xmlns=ns.DATA_FORMS, type="result")
