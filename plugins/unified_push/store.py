"""Endpoints and what waits for their devices, in the database. All functions are for its threads.

An endpoint's URL is all that it takes to push to it, and no more can be done with it. It stays the same as long as the
app renews it. One that has ended is remembered for a while: whoever pushes to it is told that it is gone for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)  # fmt: skip

__all__ = [
    "TABLES", "Endpoint", "Full", "Waiting", "drop", "end", "ended", "find", "forget", "keep", "listed", "register",
    "remove", "sweep", "totals", "waiting",
]  # fmt: skip

_META = MetaData()
ENDPOINTS = Table(
    "unified_push_endpoints",
    _META,
    Column("id", Integer, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("account", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("application", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended", Integer, nullable=False),  # 1: before its time
    Index("ix_unified_push_endpoints_device", "account", "resource"),
    sqlite_autoincrement=True,
)
WAITING = Table(
    "unified_push_waiting",
    _META,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("until", Float, nullable=False),
    Index("ix_unified_push_waiting_token", "token"),
    Index("ix_unified_push_waiting_account", "account"),
    sqlite_autoincrement=True,
)
TABLES = (ENDPOINTS, WAITING)
_E, _W = ENDPOINTS.c, WAITING.c


class Full(Exception):
    """There are as many as there may be."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an app is pushed to.

    :ivar application, instance: what the client calls it.
    :ivar ended: before `expires_at`.
    :ivar waits: does anything wait for the device?
    """

    id: int
    token: str
    account: str
    resource: str
    application: str
    instance: str
    registered_at: float
    expires_at: float
    ended: bool
    waits: bool = False

    def good(self, now: float) -> bool:
        """May it be pushed to?"""
        return not self.ended and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Waiting:
    """A push that waits for its device until `until`."""

    id: int
    token: str
    application: str
    instance: str
    content: bytes
    until: float


def register(
    connection: Connection, account: str, resource: str, application: str, instance: str, token: str, now: float,
    until: float, most: int,
) -> str:  # fmt: skip
    """Make an endpoint, or renew the one there is; return its token.

    :param token: for a new one.
    :param most: endpoints of the account that may be good at a time.
    :raises Full: there are as many.
    """
    same = (_E.resource == resource, _E.application == application, _E.instance == instance)
    mine = (_E.account == account, _E.ended == 0)
    known = connection.execute(select(_E.token).where(*mine, *same)).scalar()
    if known is not None:
        connection.execute(update(ENDPOINTS).where(_E.token == known).values(expires_at=until))
        return str(known)
    count = connection.execute(select(func.count()).where(*mine, _E.expires_at > now)).scalar_one()
    if count >= most:
        raise Full
    past = select(_E.token).where(_E.account == account, or_(_E.ended == 1, _E.expires_at <= now))
    for old in connection.execute(past.order_by(_E.id.desc()).offset(most)).scalars().all():
        connection.execute(delete(ENDPOINTS).where(_E.token == old))  # of what has ended no more is remembered either
        connection.execute(delete(WAITING).where(_W.token == old))
    row = {
        "token": token, "account": account, "resource": resource, "application": application, "instance": instance,
        "registered_at": now, "expires_at": until, "ended": 0,
    }  # fmt: skip
    connection.execute(insert(ENDPOINTS).values(row))
    return token


def find(connection: Connection, token: str) -> Endpoint | None:
    """Return an endpoint, also one that has ended."""
    row = connection.execute(select(ENDPOINTS).where(_E.token == token)).mappings().one_or_none()
    if row is None:
        return None
    waits = connection.execute(select(_W.id).where(_W.token == token).limit(1)).one_or_none() is not None
    return _endpoint(row, waits)


def _endpoint(row: Any, waits: bool = False) -> Endpoint:
    return Endpoint(**{**row, "ended": bool(row["ended"])}, waits=waits)


def listed(connection: Connection, host: str, account: str, now: float, limit: int, after: int) -> Sequence[Endpoint]:
    """Return endpoints that are good, oldest first.

    :param host: whose accounts they are of.
    :param account: of whom; "": of all.
    """
    query = select(ENDPOINTS).where(_E.ended == 0, _E.expires_at > now, _E.id > after)
    query = query.where(_E.account.endswith(f"@{host}", autoescape=True))
    if account:
        query = query.where(_E.account == account)
    rows = connection.execute(query.order_by(_E.id).limit(limit)).mappings()
    return [_endpoint(row) for row in rows]


def ended(connection: Connection, tokens: Iterable[str]) -> None:
    """End endpoints, and throw away what waits for them."""
    for token in tokens:
        connection.execute(update(ENDPOINTS).where(_E.token == token).values(ended=1))
        connection.execute(delete(WAITING).where(_W.token == token))


def end(connection: Connection, account: str, resource: str, application: str, instance: str) -> bool:
    """End the endpoint of an app, if it has one. Had it?"""
    query = select(_E.token).where(
        _E.account == account, _E.resource == resource, _E.application == application, _E.instance == instance,
        _E.ended == 0,
    )  # fmt: skip
    tokens = list(connection.execute(query).scalars())
    ended(connection, tokens)
    return bool(tokens)


def drop(connection: Connection, account: str) -> int:
    """End all endpoints of an account; return how many there were."""
    tokens = list(connection.execute(select(_E.token).where(_E.account == account, _E.ended == 0)).scalars())
    ended(connection, tokens)
    return len(tokens)


def forget(connection: Connection, account: str) -> None:
    """Delete all there is of an account."""
    connection.execute(delete(ENDPOINTS).where(_E.account == account))
    connection.execute(delete(WAITING).where(_W.account == account))


def keep(connection: Connection, endpoint: Endpoint, topic: str, content: bytes, until: float, most: int) -> None:
    """Keep a push until its device is there; it replaces one with the same topic.

    :param most: that may wait for the endpoint.
    :raises Full: there are as many.
    """
    if topic:
        connection.execute(delete(WAITING).where(_W.token == endpoint.token, _W.topic == topic))
    count = connection.execute(select(func.count()).where(_W.token == endpoint.token)).scalar_one()
    if count >= most:
        raise Full
    row = {"account": endpoint.account, "token": endpoint.token, "topic": topic, "content": content, "until": until}
    connection.execute(insert(WAITING).values(row))


def waiting(connection: Connection, account: str, resource: str, limit: int) -> Sequence[Waiting]:
    """Return what waits for a device, oldest first."""
    join = WAITING.join(ENDPOINTS, _W.token == _E.token)
    query = select(_W.id, _W.token, _E.application, _E.instance, _W.content, _W.until).select_from(join)
    query = query.where(_E.account == account, _E.resource == resource, _E.ended == 0)
    return [Waiting(*row) for row in connection.execute(query.order_by(_W.id).limit(limit))]


def remove(connection: Connection, id: int) -> None:
    """A push was delivered."""
    connection.execute(delete(WAITING).where(_W.id == id))


def sweep(connection: Connection, now: float, forgotten: float) -> None:
    """Delete what was not delivered in time, and endpoints that ended so long ago that nobody asks for them.

    :param forgotten: endpoints that would have expired before.
    """
    connection.execute(delete(WAITING).where(_W.until <= now))
    old = select(_E.token).where(_E.expires_at <= forgotten)
    connection.execute(delete(WAITING).where(_W.token.in_(old)))
    connection.execute(delete(ENDPOINTS).where(_E.expires_at <= forgotten))


def totals(connection: Connection, now: float) -> tuple[int, int]:
    """Return how many endpoints are good, and how many pushes wait."""
    endpoints = connection.execute(select(func.count()).where(_E.ended == 0, _E.expires_at > now)).scalar_one()
    return endpoints, connection.execute(select(func.count()).select_from(WAITING)).scalar_one()
