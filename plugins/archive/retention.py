"""Deleting from archives, always the oldest messages of one (XEP-0313 section 3.2), some at a time."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, select, update

from xmppd.api import Jid
from xmppd.plugins.archive.search import Search
from xmppd.plugins.archive.store import HOSTS, MESSAGES, OWNERS

__all__ = ["delete_oldest", "expire", "surplus"]

_m, _o, _h = MESSAGES.c, OWNERS.c, HOSTS.c
_OLDEST = (
    select(_m.position)
    .where(_m.owner == bindparam("whose"), _m.id <= bindparam("highest"))
    .order_by(_m.id)
    .limit(bindparam("most"))
)
_NTH = (
    select(_m.id)
    .where(_m.owner == bindparam("whose"))
    .order_by(_m.id.desc())
    .limit(1)
    .offset(bindparam("spared"))
)  # fmt: skip
_NEXT = (
    select(_m.position, _m.id, _o.account)
    .select_from(MESSAGES.outerjoin(OWNERS, _m.owner == _o.number))
    .where(_m.position > bindparam("behind"))
    .order_by(_m.position)
    .limit(bindparam("most"))
)
_DELETE = delete(MESSAGES).where(_m.position.in_(bindparam("which", expanding=True)))
_NEWEST = select(func.coalesce(func.max(_m.position), 0))


def _remove(connection: Connection, search: Search, positions: list[int]) -> None:
    if not positions:
        return
    connection.execute(_DELETE, {"which": positions})
    search.remove(connection, positions)
    newest = connection.execute(_NEWEST).scalar_one()
    if max(positions) > newest:
        # SQLite will give these positions again: what comes then must be indexed, and looked at when it is old.
        connection.execute(update(OWNERS).where(_o.searched_position > newest).values(searched_position=newest))
        connection.execute(update(HOSTS).where(_h.expired > newest).values(expired=newest))


def delete_oldest(connection: Connection, search: Search, owner: int, highest: int, most: int) -> int:
    """Delete messages of an archive up to the id `highest`, but no more than `most`; return how many it were."""
    positions = connection.execute(_OLDEST, {"whose": owner, "highest": highest, "most": most}).scalars().all()
    _remove(connection, search, list(positions))
    return len(positions)


def surplus(connection: Connection, owner: int, spared: int) -> int | None:
    """Return the id up to which an archive has to be deleted to leave its newest `spared` messages, if it must."""
    return connection.execute(_NTH, {"whose": owner, "spared": spared}).scalar()


def expire(connection: Connection, search: Search, host: Jid, before: int, most: int) -> bool:
    """Delete messages of a host's accounts with ids less than `before`; look at no more than `most` messages.

    Each message is looked at once: messages come in the order of their ages, or nearly so.

    :returns: is it worth going on at once?
    """
    behind = connection.execute(select(_h.expired).where(_h.host == str(host))).scalar_one()
    old: list[int] = []
    done = behind
    rows = connection.execute(_NEXT, {"behind": behind, "most": most}).all()
    for position, id_, account in rows:
        if account is None:
            old.append(position)  # it came when its owner's account was just deleted
        elif account.endswith(f"@{host}"):
            if id_ >= before:
                break
            old.append(position)
        done = position
    if done != behind:
        connection.execute(update(HOSTS).where(_h.host == str(host)).values(expired=done))
    _remove(connection, search, old)
    return len(rows) == most and done == rows[-1].position
