"""What is known of accounts: aliases, tags, groups and devices; and segments.

All functions are for the database's threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, tuple_, update

from xmppd.plugins.notifications.tables import ALIASES, DEVICES, GROUPS, SEGMENTS, TAGS

__all__ = [
    "Device",
    "accounts_with_alias",
    "add_to_group",
    "aliases",
    "devices",
    "devices_of",
    "drop_aliases",
    "find_device",
    "forget_account",
    "forget_device",
    "forget_unseen",
    "groups",
    "members",
    "merged",
    "note_devices",
    "remove_from_group",
    "segments",
    "set_alias",
    "set_segment",
    "set_tags",
    "tagged",
    "tags",
]  # fmt: skip

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a device.

    :ivar id: what its client says to be known by (XEP-0388 2.3), else its resource.
    :ivar name: of the thing it runs on.
    :ivar confirms: has it ever confirmed a notification?
    """

    account: str
    id: str
    name: str = ""
    platform: str = ""
    app: str = ""
    version: str = ""
    locale: str = ""
    confirms: bool = False
    first_at: float = 0.0
    seen_at: float = 0.0


_FIELDS = ("name", "platform", "app", "version", "locale")
_COLUMNS = (
    DEVICES.c.account, DEVICES.c.device, *(DEVICES.c[name] for name in _FIELDS), DEVICES.c.confirms,
    DEVICES.c.first_at, DEVICES.c.seen_at,
)  # fmt: skip


def _slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


# Devices


def _devices(rows: Iterable[Any]) -> list[Device]:
    return [Device(*row) for row in rows]


def devices_of(connection: Connection, accounts: Sequence[str]) -> dict[str, list[Device]]:
    """Return the devices of accounts, those that were seen last first."""
    found: dict[str, list[Device]] = {}
    for some in _slices(accounts):
        query = select(*_COLUMNS).where(DEVICES.c.account.in_(some)).order_by(DEVICES.c.seen_at.desc())
        for device in _devices(connection.execute(query)):
            found.setdefault(device.account, []).append(device)
    return found


def devices(
    connection: Connection, host: str, wanted: Mapping[str, str], after: tuple[str, str], limit: int
) -> list[Device]:
    """Return devices of a host by account and id, those behind `after`.

    :param wanted: what columns have to be, by their names.
    """
    query = select(*_COLUMNS).where(DEVICES.c.host == host)
    query = query.where(*(DEVICES.c[name] == value for name, value in wanted.items()))
    behind = tuple_(DEVICES.c.account, DEVICES.c.device) > tuple_(*after)
    return _devices(connection.execute(query.where(behind).order_by(DEVICES.c.account, DEVICES.c.device).limit(limit)))


def find_device(connection: Connection, account: str, device: str) -> Device | None:
    """Return a device."""
    query = select(*_COLUMNS).where(DEVICES.c.account == account, DEVICES.c.device == device)
    return next(iter(_devices(connection.execute(query))), None)


_IS_IT = and_(DEVICES.c.account == bindparam("a"), DEVICES.c.device == bindparam("d"))
_SEEN = update(DEVICES).where(_IS_IT).values(
    **{name: bindparam(f"new_{name}") for name in (*_FIELDS, "confirms", "seen_at")}
)  # fmt: skip


def note_devices(connection: Connection, host: str, seen: Sequence[Device], most: int) -> list[Device]:
    """Write down what was learned of devices, and return them as they are now known.

    :param seen: what is empty of them stays as it was.
    :param most: devices an account may have; those that were seen longest ago are forgotten.
    """
    known = {
        (one.account, one.id): one
        for some in devices_of(connection, [d.account for d in seen]).values()
        for one in some
    }
    new, old, result = [], [], []
    for device in seen:
        before = known.get((device.account, device.id))
        now = merged(before, device)
        result.append(now)
        values = {name: getattr(now, name) for name in _FIELDS}
        if before is None:
            times = {"first_at": device.seen_at, "seen_at": device.seen_at}
            who = {"account": device.account, "device": device.id, "host": host}
            new.append({**who, **values, **times, "confirms": int(device.confirms)})
        else:
            changed = {**values, "confirms": int(now.confirms), "seen_at": now.seen_at}
            old.append({"a": device.account, "d": device.id, **{f"new_{name}": v for name, v in changed.items()}})
    if new:
        connection.execute(insert(DEVICES), new)
        _forget_surplus(connection, {row["account"] for row in new}, most)
    if old:
        connection.execute(_SEEN, old)
    return result


def merged(before: Device | None, now: Device) -> Device:
    """Return what is known of a device when more was learned: what is empty stays as it was."""
    if before is None:
        return now
    return replace(
        now,
        name=now.name or before.name,
        platform=now.platform or before.platform,
        app=now.app or before.app,
        version=now.version or before.version,
        locale=now.locale or before.locale,
        confirms=before.confirms or now.confirms,
        first_at=before.first_at,
        seen_at=max(before.seen_at, now.seen_at),
    )


def _forget_surplus(connection: Connection, accounts: Iterable[str], most: int) -> None:
    for account, some in devices_of(connection, list(accounts)).items():
        for device in some[most:]:
            forget_device(connection, account, device.id)


def forget_device(connection: Connection, account: str, device: str) -> bool:
    """Forget a device; say whether there was one."""
    which = (DEVICES.c.account == account) & (DEVICES.c.device == device)
    return connection.execute(delete(DEVICES).where(which)).rowcount > 0


def forget_unseen(connection: Connection, host: str, before: float) -> int:
    """Forget the devices of a host that were seen last before a moment; return how many."""
    return connection.execute(delete(DEVICES).where(DEVICES.c.host == host, DEVICES.c.seen_at < before)).rowcount


# Aliases


def set_alias(connection: Connection, host: str, alias: str, account: str) -> str | None:
    """Give an account an alias; return who had it, if somebody else did."""
    which = (ALIASES.c.host == host) & (ALIASES.c.alias == alias)
    before = connection.execute(select(ALIASES.c.account).where(which)).scalar()
    if before != account:
        connection.execute(delete(ALIASES).where(which))
        connection.execute(insert(ALIASES), {"host": host, "alias": alias, "account": account})
    return None if before == account else before


def drop_aliases(connection: Connection, host: str, account: str = "", alias: str = "") -> int:
    """Delete an alias, or all of an account; return how many there were."""
    which = (ALIASES.c.alias == alias) if alias else (ALIASES.c.account == account)
    return connection.execute(delete(ALIASES).where(ALIASES.c.host == host, which)).rowcount


def aliases(connection: Connection, host: str, account: str, after: str, limit: int) -> list[tuple[str, str]]:
    """Return aliases and whose they are, those behind `after`."""
    query = select(ALIASES.c.alias, ALIASES.c.account).where(ALIASES.c.host == host, ALIASES.c.alias > after)
    if account:
        query = query.where(ALIASES.c.account == account)
    return [(alias, whose) for alias, whose in connection.execute(query.order_by(ALIASES.c.alias).limit(limit))]


def accounts_with_alias(connection: Connection, host: str, names: Sequence[str]) -> dict[str, str]:
    """Return whose aliases those are of some that somebody has."""
    found: dict[str, str] = {}
    for some in _slices(names):
        query = select(ALIASES.c.alias, ALIASES.c.account).where(ALIASES.c.host == host, ALIASES.c.alias.in_(some))
        found.update((alias, account) for alias, account in connection.execute(query))
    return found


# Tags and groups


def set_tags(connection: Connection, host: str, account: str, wanted: Sequence[str], additive: bool, most: int) -> bool:
    """Replace the tags of an account, or add to them; false if it would have too many, and nothing is done."""
    there = set(connection.scalars(select(TAGS.c.tag).where(TAGS.c.account == account)))
    result = set(wanted) | (there if additive else set())
    if len(result) > most:
        return False
    gone = there - result
    if gone:
        connection.execute(delete(TAGS).where(TAGS.c.account == account, TAGS.c.tag.in_(gone)))
    if result - there:
        rows = [{"account": account, "tag": tag, "host": host} for tag in sorted(result - there)]
        connection.execute(insert(TAGS), rows)
    return True


def tags(connection: Connection, host: str, account: str, after: str, limit: int) -> list[tuple[str, int]]:
    """Return tags and how many accounts have each, those behind `after`."""
    query = select(TAGS.c.tag, func.count()).where(TAGS.c.host == host, TAGS.c.tag > after)
    if account:
        query = query.where(TAGS.c.account == account)
    rows = connection.execute(query.group_by(TAGS.c.tag).order_by(TAGS.c.tag).limit(limit))
    return [(tag, number) for tag, number in rows]


def tagged(connection: Connection, host: str, tag: str) -> list[str]:
    """Return the accounts with a tag."""
    return list(connection.scalars(select(TAGS.c.account).where(TAGS.c.host == host, TAGS.c.tag == tag)))


def add_to_group(connection: Connection, host: str, name: str, accounts: Sequence[str]) -> int:
    """Add accounts to a group; return how many are new."""
    there = set(members(connection, host, name))
    new = sorted(set(accounts) - there)
    if new:
        connection.execute(insert(GROUPS), [{"host": host, "name": name, "account": account} for account in new])
    return len(new)


def remove_from_group(connection: Connection, host: str, name: str, accounts: Sequence[str]) -> int:
    """Take accounts out of a group, all if none is named; return how many."""
    which = (GROUPS.c.host == host) & (GROUPS.c.name == name)
    if not accounts:
        return connection.execute(delete(GROUPS).where(which)).rowcount
    return sum(
        connection.execute(delete(GROUPS).where(which, GROUPS.c.account.in_(some))).rowcount
        for some in _slices(accounts)
    )


def groups(connection: Connection, host: str, after: str, limit: int) -> list[tuple[str, int]]:
    """Return groups and how many are in each, those behind `after`."""
    query = select(GROUPS.c.name, func.count()).where(GROUPS.c.host == host, GROUPS.c.name > after)
    rows = connection.execute(query.group_by(GROUPS.c.name).order_by(GROUPS.c.name).limit(limit))
    return [(name, number) for name, number in rows]


def members(connection: Connection, host: str, name: str, after: str = "", limit: int | None = None) -> list[str]:
    """Return the accounts in a group, those behind `after`."""
    which = (GROUPS.c.host == host) & (GROUPS.c.name == name) & (GROUPS.c.account > after)
    return list(connection.scalars(select(GROUPS.c.account).where(which).order_by(GROUPS.c.account).limit(limit)))


# Segments


def segments(connection: Connection, host: str) -> dict[str, str]:
    """Return the expressions of segments by name."""
    query = select(SEGMENTS.c.name, SEGMENTS.c.expression).where(SEGMENTS.c.host == host).order_by(SEGMENTS.c.name)
    return {name: expression for name, expression in connection.execute(query)}


def set_segment(connection: Connection, host: str, name: str, expression: str, at: float) -> bool:
    """Give a segment an expression, or delete it if that is empty; say whether there was one of that name."""
    which = (SEGMENTS.c.host == host) & (SEGMENTS.c.name == name)
    there = connection.execute(delete(SEGMENTS).where(which)).rowcount > 0
    if expression:
        values = {"host": host, "name": name, "expression": expression, "changed_at": at}
        connection.execute(insert(SEGMENTS), values)
    return there


def forget_account(connection: Connection, account: str) -> None:
    """Forget all that is known of an account."""
    for table in (DEVICES, ALIASES, TAGS, GROUPS):
        connection.execute(delete(table).where(table.c.account == account))
