"""Slots and files in the database: what is reserved, what is there, what ends. All functions are for its threads.

A row is a slot first: open, its octets reserved. It is stored when the file is in its place, on disk to the last octet;
only then anybody sees it. When it ends it is gone at once, and the file is deleted afterwards; the row stays as long as
it counts for what was uploaded within a day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.sql.functions import coalesce

from xmppd.plugins.http_upload.quotas import DAY, Limits, Refused, Usage, ask, room_at
from xmppd.plugins.http_upload.tables import FILES, SERVICES

__all__ = [
    "Ended", "File", "Full", "State", "Totals", "by_account", "disown", "end", "end_of", "ended", "expired", "find",
    "forget", "keep", "known", "listed", "removed", "reserve", "service_secret", "slots", "totals", "unused",
    "usage_of", "used_by",
]  # fmt: skip

_AT_ONCE = 500  # values in one statement


class State(IntEnum):
    """Of a row."""

    OPEN = 0
    STORED = 1
    #: Nobody sees it any more, and the file is to be deleted.
    GONE = 2
    #: It is.
    REMOVED = 3


_LIVE = FILES.c.state <= State.STORED


@dataclass(frozen=True, slots=True)
class File:
    """A row; see the table."""

    token: str
    service: str
    account: str
    name: str
    type: str
    size: int
    bucket: str
    place: str
    state: int
    created_at: float
    until: float
    stored_at: float | None
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A file that is to be deleted, and where it is."""

    token: str
    place: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What a service holds."""

    files: int
    octets: int


@dataclass(frozen=True, slots=True)
class Full:
    """There is no room for a file. `retry`: when there will be, in seconds since the epoch, if anybody knows."""

    text: str
    retry: float | None = None


def service_secret(connection: Connection, service: str, new: bytes) -> bytes:
    """Return what a service signs with; `new`, if it has nothing yet."""
    found: bytes | None = connection.execute(
        select(SERVICES.c.secret).where(SERVICES.c.service == service)
    ).scalar_one_or_none()
    if found is None:
        connection.execute(insert(SERVICES).values(service=service, secret=new, octets=0, files=0))
    return found or new


def totals(connection: Connection, service: str) -> Totals:
    """Return what a service holds."""
    row = connection.execute(select(SERVICES.c.files, SERVICES.c.octets).where(SERVICES.c.service == service)).one()
    return Totals(*row)


def _count(connection: Connection, service: str, files: int, octets: int) -> None:
    more = {"files": SERVICES.c.files + files, "octets": SERVICES.c.octets + octets}
    connection.execute(update(SERVICES).where(SERVICES.c.service == service).values(more))


# Slots


def usage_of(connection: Connection, service: str, account: str, bucket: str, now: float) -> Usage:
    """Return what an account has."""
    in_bucket = and_(_LIVE, FILES.c.bucket == bucket)
    of_today = or_(FILES.c.state == State.OPEN, FILES.c.stored_at > now - DAY)
    is_open = FILES.c.state == State.OPEN
    row = connection.execute(
        select(
            coalesce(func.sum(case((in_bucket, FILES.c.size))), 0),
            func.count(case((_LIVE, 1))),
            coalesce(func.sum(case((of_today, FILES.c.size))), 0),
            func.count(case((of_today, 1))),
            func.count(case((is_open, 1))),
            coalesce(func.min(case((is_open, FILES.c.until))), 0.0),
        ).where(FILES.c.service == service, FILES.c.account == account)
    ).one()
    octets, files, day_octets, day_files, open_, opened = row
    return Usage(int(octets), files, int(day_octets), day_files, open_, opened)


def reserve(
    connection: Connection, row: Mapping[str, Any], limits: Limits, host_octets: int, seconds: Mapping[str, float]
) -> Full | None:
    """Make a slot, if there is room: None, or why there is not.

    :param row: of the table, an open one.
    :param host_octets: what the service may hold.
    :param seconds: by bucket, how long files are kept; for ever, if it is not in there.
    """
    service, account, size, now = row["service"], row["account"], row["size"], row["created_at"]
    if totals(connection, service).octets + size > host_octets:
        return Full("The server has no room for more files")
    usage = usage_of(connection, service, account, row["bucket"], now)
    refused = ask(size, usage, limits)
    if refused is None:
        connection.execute(insert(FILES).values(row))
        _count(connection, service, 1, size)
        return None
    if refused.kind == "open":
        return Full(refused.text, usage.opened)
    return Full(refused.text, room_at(refused, _ends(connection, row, refused, seconds)))


def _ends(
    connection: Connection, row: Mapping[str, Any], refused: Refused, seconds: Mapping[str, float]
) -> list[tuple[float, int]]:
    """When what an account has ceases to count, earliest first, with octets."""
    query = select(FILES).where(FILES.c.service == row["service"], FILES.c.account == row["account"])
    found = _files(connection.execute(query).mappings())
    if refused.kind == "day":
        return sorted(((file.stored_at or file.created_at) + DAY, file.size) for file in found)
    kept = [file for file in found if file.state <= State.STORED]
    if refused.octets:
        kept = [file for file in kept if file.bucket == row["bucket"]]
    return sorted((at, file.size) for file in kept if (at := end_of(file, seconds)) is not None)


def end_of(file: File, seconds: Mapping[str, float]) -> float | None:
    """Return when a file ends, None for never.

    :param seconds: by bucket, how long files are kept.
    """
    kept = seconds.get(file.bucket)
    ends = [file.expires_at, None if kept is None else file.created_at + kept]
    return min((at for at in ends if at is not None), default=None)


def find(connection: Connection, token: str) -> File | None:
    """Return a slot or file."""
    return next(_files(connection.execute(select(FILES).where(FILES.c.token == token)).mappings()), None)


def keep(connection: Connection, token: str, now: float) -> bool:
    """Make an open slot a file; false, if it is none any more."""
    is_it = and_(FILES.c.token == token, FILES.c.state == State.OPEN)
    done = connection.execute(update(FILES).where(is_it).values(state=State.STORED, stored_at=now))
    return done.rowcount == 1


# Ends


def expired(now: float, seconds: Mapping[str, float]) -> list[ColumnElement[bool]]:
    """What has ended by its own time, and what by that of its bucket: each is found by an index of its own."""
    aged = [and_(FILES.c.bucket == bucket, FILES.c.created_at <= now - kept) for bucket, kept in seconds.items()]
    return [and_(FILES.c.state == State.STORED, which) for which in (FILES.c.expires_at <= now, *aged)]


def unused(now: float, place: str) -> ColumnElement[bool]:
    """Slots of a place that have ended."""
    return and_(FILES.c.state == State.OPEN, FILES.c.until < now, FILES.c.place == place)


def used_by(account: str) -> ColumnElement[bool]:
    """All that an account has."""
    return and_(_LIVE, FILES.c.account == account)


def end(connection: Connection, service: str, which: ColumnElement[bool], limit: int | None = None) -> int:
    """End files and slots, so that nobody sees them any more; return how many.

    :param which: which of those that are there.
    """
    query = select(FILES.c.token, FILES.c.size).where(FILES.c.service == service, _LIVE, which).limit(limit)
    rows = list(connection.execute(query))
    for tokens in _slices([token for token, _ in rows]):
        connection.execute(update(FILES).where(FILES.c.token.in_(tokens)).values(state=State.GONE))
    if rows:
        _count(connection, service, -len(rows), -sum(size for _, size in rows))
    return len(rows)


def disown(connection: Connection, account: str) -> int:
    """End all that an account has, with whatever service, and forget whose it was; return how many there were."""
    mine = FILES.c.account == account
    services = connection.execute(select(FILES.c.service).where(mine).distinct()).scalars().all()
    count = sum(end(connection, service, used_by(account)) for service in services)
    connection.execute(delete(FILES).where(mine, FILES.c.state == State.REMOVED))
    connection.execute(update(FILES).where(mine).values(account="", name="", type=""))
    return count


def ended(connection: Connection, service: str, places: Collection[str], limit: int) -> list[Ended]:
    """Return files that are to be deleted in some places."""
    gone = and_(FILES.c.service == service, FILES.c.state == State.GONE, FILES.c.place.in_(places))
    return [Ended(*row) for row in connection.execute(select(FILES.c.token, FILES.c.place).where(gone).limit(limit))]


def removed(connection: Connection, tokens: Sequence[str]) -> None:
    """Files have been deleted."""
    for some in _slices(tokens):
        mine = FILES.c.token.in_(some)
        connection.execute(delete(FILES).where(mine, or_(FILES.c.stored_at.is_(None), FILES.c.account == "")))
        connection.execute(update(FILES).where(mine).values(state=State.REMOVED, name="", type=""))


def forget(connection: Connection, service: str, now: float) -> None:
    """Forget what was uploaded more than a day ago, and is deleted."""
    old = and_(FILES.c.state == State.REMOVED, FILES.c.stored_at <= now - DAY)
    connection.execute(delete(FILES).where(FILES.c.service == service, old))


# Looking


def known(connection: Connection, tokens: Sequence[str]) -> set[str]:
    """Return those of the tokens whose files may be there."""
    found: set[str] = set()
    for some in _slices(tokens):
        there = and_(FILES.c.token.in_(some), FILES.c.state != State.REMOVED)
        found.update(connection.execute(select(FILES.c.token).where(there)).scalars())
    return found


def slots(connection: Connection, service: str, which: ColumnElement[bool], limit: int) -> list[File]:
    """Return slots, by token."""
    query = select(FILES).where(FILES.c.service == service, which).order_by(FILES.c.token).limit(limit)
    return list(_files(connection.execute(query).mappings()))


def by_account(connection: Connection, service: str, limit: int) -> list[tuple[str, int, int]]:
    """Return accounts with most octets: address, files, octets."""
    octets = func.sum(FILES.c.size)
    query = select(FILES.c.account, func.count(), octets).where(FILES.c.service == service, _LIVE)
    rows = connection.execute(query.group_by(FILES.c.account).order_by(octets.desc()).limit(limit))
    return [(account, files, int(total)) for account, files, total in rows]


def listed(connection: Connection, service: str, which: ColumnElement[bool], limit: int | None = None) -> list[File]:
    """Return files, the oldest first."""
    query = select(FILES).where(FILES.c.service == service, which).order_by(FILES.c.created_at).limit(limit)
    return list(_files(connection.execute(query).mappings()))


def _files(rows: Iterable[Mapping[Any, Any]]) -> Iterator[File]:
    return (File(**row) for row in rows)


def _slices(tokens: Sequence[str]) -> Iterable[Sequence[str]]:
    return (tokens[start : start + _AT_ONCE] for start in range(0, len(tokens), _AT_ONCE))
