"""What is stored of rooms: how it is read, and how changes are written.

Writing the same change twice does what writing it once does, as the ledger may have to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from xmppd.api import Jid
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.outcome import (
    Affiliated,
    Change,
    Configured,
    Created,
    Destroyed,
    Noted,
    Seated,
    SubjectSet,
    Unlocked,
    Vacated,
)
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Member, Subject
from xmppd.plugins.muc.service.tables import BLOCKED, HEAVY, MEMBERS, NOTES, ROOMS, SEATS, SEEN, SERVICES

__all__ = [
    "Key", "Listed", "Seat", "Stored", "address", "affiliated", "find", "listing", "note", "occupied",
    "service_secret", "touch", "write",
]  # fmt: skip

_PARTS = (MEMBERS, SEATS, NOTES, SEEN)


@dataclass(frozen=True, slots=True)
class Key:
    """Which room it is that changes are written of.

    :ivar created_at: when it was made, in seconds since the epoch.
    :ivar serial: grows from one act to the next, by more than the number of its changes.
    """

    number: int
    jid: Jid
    created_at: float
    serial: int


class Seat(NamedTuple):
    """A device that was in a room, as it is stored."""

    device: Jid
    nick: str
    role: str
    payload: bytes


class Listed(NamedTuple):
    """A room in a list: with how many devices are in it, and to how many it says what they are."""

    jid: Jid
    config: RoomConfig
    active_at: float
    occupants: int
    members: int


class Stored(NamedTuple):
    """A room as it is stored."""

    number: int
    config: RoomConfig
    locked: bool
    version: int
    created_at: float
    active_at: float
    subject: Subject | None
    members: Mapping[Jid, Member]
    seats: Sequence[Seat]
    notes: Mapping[str, str]


# Reading


def service_secret(connection: Connection, service: Jid, new: bytes) -> bytes:
    """Return the secret of a service; `new` if it has none yet."""
    found = connection.execute(select(SERVICES.c.secret).filter_by(service=str(service))).scalar()
    if found is None:
        connection.execute(insert(SERVICES), {"service": str(service), "secret": new})
    return new if found is None else bytes(found)


_ROOM = select(ROOMS).where(ROOMS.c.service == bindparam("of"), ROOMS.c.name == bindparam("called"))


def find(connection: Connection, jid: Jid) -> Stored | None:
    """Return the room with an address, or None."""
    row = connection.execute(_ROOM, {"of": jid.domain, "called": jid.local}).first()
    if row is None:
        return None
    members = {
        Jid.parse(one.who): Member(Affiliation(one.affiliation), one.nick, one.reason, one.form, one.version)
        for one in connection.execute(select(MEMBERS).filter_by(room=row.number))
    }
    seats = [
        Seat(Jid.parse(one.device), one.nick, one.role, bytes(one.payload))
        for one in connection.execute(select(SEATS).filter_by(room=row.number).order_by(SEATS.c.heard))
    ]
    light = select(NOTES).where(NOTES.c.room == row.number, NOTES.c.name.not_in(HEAVY))
    notes = {one.name: one.value for one in connection.execute(light)}
    subject = None
    if row.subject is not None:
        subject = Subject(row.subject_nick, bytes(row.subject), row.subject_id, row.subject_at)
    config = RoomConfig.from_text(row.config)
    return Stored(
        row.number, config, bool(row.locked), row.version, row.created_at, row.active_at, subject, members, seats, notes
    )


def note(connection: Connection, number: int, name: str) -> str | None:
    """Return what is kept with a room under a name, or None."""
    return connection.execute(select(NOTES.c.value).filter_by(room=number, name=name)).scalar()


def occupied(connection: Connection, service: Jid) -> list[Jid]:
    """Return the addresses of rooms that somebody is in."""
    query = select(ROOMS.c.name).where(ROOMS.c.service == str(service), ROOMS.c.number.in_(select(SEATS.c.room)))
    return [Jid.of(name, service.domain) for name in connection.execute(query).scalars()]


def affiliated(connection: Connection, service: Jid, who: Jid) -> list[Jid]:
    """Return the addresses of rooms to which somebody, a bare address or a domain, is something."""
    there = select(MEMBERS.c.room).where(MEMBERS.c.who == str(who))
    query = select(ROOMS.c.name).where(ROOMS.c.service == str(service), ROOMS.c.number.in_(there))
    return [Jid.of(name, service.domain) for name in connection.execute(query).scalars()]


def listing(connection: Connection, service: Jid, search: str, occupied: bool, limit: int, after: str) -> list[Listed]:
    """Return rooms by their addresses.

    :param search: only those with this in their names.
    :param occupied: only those that somebody is in.
    :param limit: how many at most.
    :param after: only those whose names come behind that.
    """
    there = select(func.count()).where(SEATS.c.room == ROOMS.c.number).scalar_subquery()
    known = select(func.count()).where(MEMBERS.c.room == ROOMS.c.number).scalar_subquery()
    query = select(ROOMS.c.name, ROOMS.c.config, ROOMS.c.active_at, there, known).filter_by(service=service.domain)
    if search:
        query = query.where(ROOMS.c.name.contains(search.lower(), autoescape=True))
    if occupied:
        query = query.where(ROOMS.c.number.in_(select(SEATS.c.room)))
    if after:
        query = query.where(ROOMS.c.name > after)
    rows = connection.execute(query.order_by(ROOMS.c.name).limit(limit))
    return [Listed(Jid.of(name, service.domain), RoomConfig.from_text(config), *more) for name, config, *more in rows]


def unused(connection: Connection, service: Jid, before: float) -> list[tuple[Jid, float]]:
    """Return the rooms that nobody is in, and that were last active before then, in seconds since the epoch."""
    query = select(ROOMS.c.name, ROOMS.c.active_at).where(ROOMS.c.service == service.domain)
    query = query.where(ROOMS.c.active_at < before, ROOMS.c.number.not_in(select(SEATS.c.room)))
    rows = connection.execute(query.order_by(ROOMS.c.active_at))
    return [(Jid.of(name, service.domain), active_at) for name, active_at in rows]


def address(connection: Connection, service: Jid, number: int) -> Jid | None:
    """Return the address of a room by its number, or None."""
    name = connection.execute(select(ROOMS.c.name).filter_by(service=service.domain, number=number)).scalar()
    return None if name is None else Jid.of(name, service.domain)


def count(connection: Connection, service: Jid) -> int:
    """Return how many rooms there are."""
    return connection.execute(select(func.count()).select_from(ROOMS).filter_by(service=service.domain)).scalar_one()


def owned(connection: Connection, service: Jid, who: Jid) -> int:
    """Return how many rooms somebody owns."""
    theirs = select(MEMBERS.c.room).filter_by(who=str(who), affiliation=str(Affiliation.OWNER))
    query = select(func.count()).select_from(ROOMS).where(ROOMS.c.service == service.domain)
    return connection.execute(query.where(ROOMS.c.number.in_(theirs))).scalar_one()


def blocked(connection: Connection, service: Jid) -> dict[Jid, str]:
    """Return who may not enter any room, with the reason: bare addresses and domains."""
    rows = connection.execute(select(BLOCKED.c.who, BLOCKED.c.reason).filter_by(service=service.domain))
    return {Jid.parse(who): reason for who, reason in rows}


# Writing


def block(connection: Connection, service: Jid, who: Jid, reason: str | None) -> None:
    """Let somebody enter no room any more, or let them again (None)."""
    connection.execute(delete(BLOCKED).filter_by(service=service.domain, who=str(who)))
    if reason is not None:
        connection.execute(insert(BLOCKED), {"service": service.domain, "who": str(who), "reason": reason})


_TOUCH = update(ROOMS).where(ROOMS.c.number == bindparam("of")).values(active_at=bindparam("at"))


def touch(connection: Connection, active: Sequence[tuple[int, float]], notes: Sequence[tuple[int, Noted]] = ()) -> None:
    """Write down when rooms, by their numbers, were last active, in seconds since the epoch; and what they note."""
    if active:
        connection.execute(_TOUCH, [{"of": number, "at": at} for number, at in active])
    for number, note in notes:
        _write_note(connection, number, note)


def write(connection: Connection, key: Key, changes: Sequence[Change]) -> None:
    """Write down what has changed in a room, in order; of what is noted under a name, the last is what counts."""
    noted = {change.name: change for change in changes if isinstance(change, Noted)}
    for place, change in enumerate(changes):
        if isinstance(change, Noted) and noted[change.name] is not change:
            continue
        if isinstance(change, Seated):
            _seat(connection, key, change, place)
        else:
            _WRITERS[type(change)](connection, key, change)


def _create(connection: Connection, key: Key, change: Created) -> None:
    _destroy(connection, key, change)
    row = {
        "number": key.number, "service": key.jid.domain, "name": key.jid.local, "config": RoomConfig().to_text(),
        "title": "", "public": 1, "found_title": "", "found_about": "", "locked": 1, "version": 0,
        "created_at": key.created_at, "active_at": key.created_at,
    }  # fmt: skip
    connection.execute(insert(ROOMS), row)


def _destroy(connection: Connection, key: Key, change: Change) -> None:
    for table in _PARTS:
        connection.execute(delete(table).filter_by(room=key.number))
    connection.execute(delete(ROOMS).filter_by(number=key.number))


def _unlock(connection: Connection, key: Key, change: Unlocked) -> None:
    connection.execute(update(ROOMS).filter_by(number=key.number).values(locked=0))


def _configure(connection: Connection, key: Key, change: Configured) -> None:
    config = change.config
    values = {"config": config.to_text(), "title": config.name, "public": int(config.public)}
    values |= {"found_title": config.name.casefold(), "found_about": config.description.casefold()}
    connection.execute(update(ROOMS).filter_by(number=key.number).values(values))


def _set_subject(connection: Connection, key: Key, change: SubjectSet) -> None:
    new = change.subject
    values = {
        "subject": new.payload, "subject_nick": new.nick, "subject_id": new.id, "subject_at": new.at,
        "active_at": new.at,
    }  # fmt: skip
    connection.execute(update(ROOMS).filter_by(number=key.number).values(values))


def _affiliate(connection: Connection, key: Key, change: Affiliated) -> None:
    connection.execute(delete(MEMBERS).filter_by(room=key.number, who=str(change.who)))
    member = change.member
    if member is not None:
        row = {
            "room": key.number, "who": str(change.who), "affiliation": str(member.affiliation), "nick": member.nick,
            "reason": member.reason, "form": member.form, "version": member.version,
        }  # fmt: skip
        connection.execute(insert(MEMBERS), row)
        if member.version:
            query = update(ROOMS).where(ROOMS.c.number == key.number, ROOMS.c.version < member.version)
            connection.execute(query.values(version=member.version))


_TAKE_SEAT = insert(SEATS)
_LEAVE_SEAT = delete(SEATS).where(SEATS.c.room == bindparam("of"), SEATS.c.device == bindparam("whose"))


def _seat(connection: Connection, key: Key, change: Seated, place: int) -> None:
    connection.execute(_LEAVE_SEAT, {"of": key.number, "whose": str(change.device)})
    row = {
        "room": key.number, "device": str(change.device), "nick": change.nick, "role": change.role,
        "payload": change.payload, "heard": key.serial + place,
    }  # fmt: skip
    connection.execute(_TAKE_SEAT, row)


def _vacate(connection: Connection, key: Key, change: Vacated) -> None:
    connection.execute(_LEAVE_SEAT, {"of": key.number, "whose": str(change.device)})


def _note(connection: Connection, key: Key, change: Noted) -> None:
    _write_note(connection, key.number, change)


def _write_note(connection: Connection, number: int, change: Noted) -> None:
    connection.execute(delete(NOTES).filter_by(room=number, name=change.name))
    if change.value is not None:
        connection.execute(insert(NOTES), {"room": number, "name": change.name, "value": change.value})


_WRITERS: Mapping[type, Callable[[Connection, Key, Any], None]] = {
    Created: _create,
    Unlocked: _unlock,
    Configured: _configure,
    SubjectSet: _set_subject,
    Affiliated: _affiliate,
    Vacated: _vacate,
    Noted: _note,
    Destroyed: _destroy,
}
