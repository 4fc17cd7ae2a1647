"""Registrations and parcels in the database. All functions are for its threads.

A parcel is a row from when it is taken until it is settled, and if it was accepted for a while after that, without its
content: so that a publisher who repeats a request, not knowing what became of the first, wakes nobody twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from xmppd.plugins.push_service.tables import DEVICES, PARCELS, SERVICES

__all__ = [
    "Device",
    "Limits",
    "Service",
    "Waiting",
    "delay",
    "find",
    "forget_settled",
    "keep_vapid_key",
    "keys",
    "last_number",
    "listed",
    "load",
    "own",
    "prune",
    "put_device",
    "remove",
    "replace_content",
    "settle",
    "take",
    "totals",
    "unused",
    "waiting",
]  # fmt: skip

_AT_ONCE = 500

# What is done for each push: built once, because building takes longer than executing.
_D, _P = DEVICES.c, PARCELS.c
_ON_DEVICE = and_(_D.service == bindparam("service_"), _D.node == bindparam("node_"))
_ON_PARCEL = and_(_P.service == bindparam("service_"), _P.number == bindparam("number_"))
_FIND = select(DEVICES).where(_ON_DEVICE)
_KNOWN = (
    select(_P.number)
    .select_from(DEVICES.outerjoin(
        PARCELS, and_(_P.service == _D.service, _P.node == _D.node, _P.item == bindparam("item_"), _P.item != "")
    ))
    .where(_ON_DEVICE)
    .limit(1)
)  # fmt: skip
_USED = update(DEVICES).where(_ON_DEVICE, _D.published_at < bindparam("since_"))
_USED = _USED.values(published_at=bindparam("now_"))
_SECRET_USED = update(DEVICES).where(_ON_DEVICE).values(old_secret="")
_TAKE = insert(PARCELS)
_SETTLE = update(PARCELS).where(_ON_PARCEL).values(settled_at=bindparam("now_"), content="")
_FORGET = delete(PARCELS).where(_ON_PARCEL)
_ACCEPTED = update(DEVICES).where(_ON_DEVICE).values(accepted_at=bindparam("now_"), failure="")
_FAILED = update(DEVICES).where(_ON_DEVICE).values(failure=bindparam("failure_"))
_SPARING = 3600.0  # seconds; when a registration was last used needn't be known more exactly


@dataclass(frozen=True, slots=True)
class Service:
    """What a service keeps to itself."""

    salt: bytes
    vapid_key: str


@dataclass(frozen=True, slots=True)
class Device:
    """A registration; see the table."""

    service: str
    node: str
    account: str
    road: str
    app: str
    device: str
    target_hash: str
    target: str
    secret: str
    old_secret: str
    registered_at: float
    published_at: float
    accepted_at: float
    failure: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parcel that waits, with where it goes."""

    number: int
    node: str
    item: str
    publisher: str
    topic: str
    call: int
    content: str
    expires_at: float
    due_at: float
    failures: int
    road: str
    app: str
    target: str
    target_hash: str


class Taken(Enum):
    """What became of a request to take a parcel."""

    NEW = "it is taken"
    KNOWN = "it was taken before"
    GONE = "there is no such registration any more"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many registrations there may be."""

    per_account: int
    total: int


# The service


def keys(connection: Connection, service: str, new_salt: bytes) -> Service:
    """Return the service's keys; the salt is `new_salt`, if it has none yet."""
    c = SERVICES.c
    row = connection.execute(select(c.salt, c.vapid_key).where(c.service == service)).one_or_none()
    if row is not None:
        return Service(*row)
    connection.execute(insert(SERVICES).values(service=service, salt=new_salt, vapid_key=""))
    return Service(new_salt, "")


def keep_vapid_key(connection: Connection, service: str, key: str) -> None:
    """Keep the key that was made for Web Push."""
    connection.execute(update(SERVICES).where(SERVICES.c.service == service).values(vapid_key=key))


# Registrations


def find(connection: Connection, service: str, node: str) -> Device | None:
    """Return a registration."""
    row = connection.execute(_FIND, {"service_": service, "node_": node}).one_or_none()
    return None if row is None else Device(*row)


def _is(service: str, node: str) -> ColumnElement[bool]:
    return and_(DEVICES.c.service == service, DEVICES.c.node == node)


def put_device(connection: Connection, row: Mapping[str, Any], limits: Limits) -> str | None:
    """Register an app, or what the same app of the same account has as a token now; return its node.

    The node stays the same. The secret that was given before is good until the new one is used: the server of the user
    hears of it only after the app does.

    :returns: None, if there are too many registrations.
    """
    c, service = DEVICES.c, row["service"]
    mine = and_(c.service == service, c.account == row["account"])
    same = or_(c.device == row["device"], and_(c.target_hash == row["target_hash"], c.account == row["account"]))
    query = select(c.node, c.secret, c.device).where(c.service == service, same).order_by(c.device != row["device"])
    found = connection.execute(query).all()
    if found:
        node, secret, _ = found[0]
        for other in found[1:]:
            _remove(connection, service, [other.node])
        changed = {name: value for name, value in row.items() if name not in ("node", "service")}
        connection.execute(update(DEVICES).where(_is(service, node)).values(changed | {"old_secret": secret}))
        return str(node)
    if (connection.scalar(select(func.count()).where(c.service == service)) or 0) >= limits.total:
        return None
    used = case((c.published_at > c.registered_at, c.published_at), else_=c.registered_at)
    oldest_last = select(c.node).where(mine).order_by(used.desc()).offset(limits.per_account - 1)
    _remove(connection, service, list(connection.scalars(oldest_last)))
    connection.execute(insert(DEVICES).values(row))
    return str(row["node"])


def own(connection: Connection, service: str, account: str) -> list[Device]:
    """Return what an account has registered, the newest last."""
    query = select(DEVICES).where(DEVICES.c.service == service, DEVICES.c.account == account)
    return [Device(*row) for row in connection.execute(query.order_by(DEVICES.c.registered_at, DEVICES.c.node))]


def listed(connection: Connection, service: str, account: str, after: str, limit: int) -> list[Device]:
    """Return registrations by node.

    :param account: of this one only, unless "".
    :param after: behind this node.
    """
    query = select(DEVICES).where(DEVICES.c.service == service, DEVICES.c.node > after)
    if account:
        query = query.where(DEVICES.c.account == account)
    return [Device(*row) for row in connection.execute(query.order_by(DEVICES.c.node).limit(limit))]


def totals(connection: Connection, service: str) -> list[tuple[str, str, int, float]]:
    """Return road, app, how many are registered, and when the vendor last accepted something, by road and app."""
    c = DEVICES.c
    query = select(c.road, c.app, func.count(), func.max(c.accepted_at)).where(c.service == service)
    return [(road, app, count, at) for road, app, count, at in connection.execute(query.group_by(c.road, c.app))]


def remove(connection: Connection, service: str, which: ColumnElement[bool]) -> list[Device]:
    """Remove registrations, and what waits for them; return them."""
    found = [Device(*row) for row in connection.execute(select(DEVICES).where(DEVICES.c.service == service, which))]
    _remove(connection, service, [device.node for device in found])
    return found


def _remove(connection: Connection, service: str, nodes: Sequence[str]) -> None:
    for start in range(0, len(nodes), _AT_ONCE):
        some = nodes[start : start + _AT_ONCE]
        connection.execute(delete(DEVICES).where(DEVICES.c.service == service, DEVICES.c.node.in_(some)))
        connection.execute(delete(PARCELS).where(PARCELS.c.service == service, PARCELS.c.node.in_(some)))


def prune(connection: Connection, service: str, target_hash: str) -> list[Device]:
    """Remove all registrations of a token that is no more; return them."""
    return remove(connection, service, DEVICES.c.target_hash == target_hash)


def unused(before: float) -> ColumnElement[bool]:
    """Registrations that were neither made nor used since."""
    return and_(DEVICES.c.registered_at < before, DEVICES.c.published_at < before)


# Parcels


def take(connection: Connection, device: Device, row: Mapping[str, Any], current: bool) -> Taken:
    """Take a parcel, unless it was taken before: the publisher asks again.

    :param device: which it is for.
    :param current: it came with the secret that was given last, so that the one before is not needed any more.
    """
    which = {"service_": device.service, "node_": device.node}
    found = connection.execute(_KNOWN, which | {"item_": row["item"]}).one_or_none()
    if found is None:
        return Taken.GONE
    now = row["due_at"]
    if now - device.published_at > _SPARING:
        connection.execute(_USED, which | {"now_": now, "since_": now - _SPARING})
    if current and device.old_secret:
        connection.execute(_SECRET_USED, which)
    if found.number is not None:
        return Taken.KNOWN
    connection.execute(_TAKE, dict(row))
    return Taken.NEW


def waiting(connection: Connection, service: str) -> list[Waiting]:
    """Return all that waits, the oldest first, without what is in it."""
    return _waiting(connection, literal(""), PARCELS.c.service == service, PARCELS.c.settled_at == 0)


def load(connection: Connection, service: str, number: int) -> Waiting | None:
    """Return one that waits; None if it is gone, or the registration is."""
    mine = (PARCELS.c.service == service, PARCELS.c.number == number, PARCELS.c.settled_at == 0)
    return next(iter(_waiting(connection, PARCELS.c.content, *mine)), None)


def _waiting(connection: Connection, content: ColumnElement[str], *which: ColumnElement[bool]) -> list[Waiting]:
    p, d = PARCELS.c, DEVICES.c
    query = (
        select(
            p.number, p.node, p.item, p.publisher, p.topic, p.call, content, p.expires_at, p.due_at, p.failures,
            d.road, d.app, d.target, d.target_hash,
        )
        .join(DEVICES, and_(d.service == p.service, d.node == p.node))
        .where(*which)
        .order_by(p.number)
    )  # fmt: skip
    return [Waiting(*row) for row in connection.execute(query)]


def last_number(connection: Connection, service: str) -> int:
    """Return the largest number that a parcel has."""
    return connection.scalar(select(func.max(PARCELS.c.number)).where(PARCELS.c.service == service)) or 0


def _parcel(service: str, number: int) -> ColumnElement[bool]:
    return and_(PARCELS.c.service == service, PARCELS.c.number == number)


def delay(connection: Connection, service: str, number: int, due_at: float, failures: int) -> None:
    """Try one again later."""
    values = {"due_at": due_at, "failures": failures}
    connection.execute(update(PARCELS).where(_parcel(service, number)).values(values))


def replace_content(connection: Connection, service: str, number: int, content: str) -> None:
    """Send something else instead."""
    connection.execute(update(PARCELS).where(_parcel(service, number)).values(content=content))


def settle(
    connection: Connection, service: str, number: int, now: float, node: str = "", failure: str | None = None
) -> None:
    """A parcel has come to an end. One that was not accepted is forgotten: it may be published once more.

    :param node: whose registration is to tell of it, if any.
    :param failure: why it was not accepted; None: it was.
    """
    which = {"service_": service, "number_": number}
    connection.execute(*((_SETTLE, which | {"now_": now}) if failure is None else (_FORGET, which)))
    if node and failure is None:
        connection.execute(_ACCEPTED, {"service_": service, "node_": node, "now_": now})
    elif node:
        connection.execute(_FAILED, {"service_": service, "node_": node, "failure_": failure})


def forget_settled(connection: Connection, service: str, before: float) -> int:
    """Forget what has come to an end before then."""
    c = PARCELS.c
    old = and_(c.service == service, c.settled_at > 0, c.settled_at < before)
    return connection.execute(delete(PARCELS).where(old)).rowcount
