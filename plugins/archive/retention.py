"""Deleting from archives, always the oldest messages of one (XEP-0313 section 3.2), some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from xmppd.api import Jid
from xmppd.plugins.archive.search import Search
from xmppd.plugins.archive.store import HOSTS, MESSAGES, OWNERS

__all__ = ["Old", "delete_oldest", "expire", "expired", "find_old", "surplus"]

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
_SEEN = select(_h.expired).where(_h.host == bindparam("whose"))
_SEE = update(HOSTS).where(_h.host == bindparam("whose"))
_DELETE = delete(MESSAGES).where(_m.position.in_(bindparam("which", expanding=True)))
_NEWEST = select(func.coalesce(func.max(_m.position), 0))


def _remove(connection: Connection, search: Search, positions: Sequence[int]) -> None:
    if not positions:
        return
    connection.execute(_DELETE, {"which": list(positions)})
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


class Old(NamedTuple):
    """What was found in one look at messages.

    :ivar positions: those that are to be deleted, ascending.
    :ivar seen: the position up to which it was looked.
    :ivar more: is it worth looking on?
    """

    positions: Sequence[int]
    seen: int
    more: bool


def expired(connection: Connection, host: Jid) -> int:
    """Return up to which position messages have been looked at for their age."""
    return connection.execute(_SEEN, {"whose": str(host)}).scalar_one()


def find_old(connection: Connection, host: Jid, behind: int, before: int, most: int) -> Old:
    """Find messages of a host's accounts with ids less than `before`, behind a position.

    Messages come in the order of their ages, or nearly so: the first one that is not old ends the search.

    :param most: how many messages are looked at.
    """
    old: list[int] = []
    rows = connection.execute(_NEXT, {"behind": behind, "most": most}).all()
    for position, id_, account in rows:
        if account is not None and account.endswith(f"@{host}") and id_ >= before:
            return Old(old, behind, False)
        if account is None or account.endswith(f"@{host}"):  # without: it came while its owner's account was deleted
            old.append(position)
        behind = position
    return Old(old, behind, len(rows) == most)


def expire(connection: Connection, search: Search, host: Jid, positions: Sequence[int], seen: int) -> None:
    """Delete messages that are too old, and remember up to which position it was looked."""
    newest = connection.execute(_NEWEST).scalar_one()
    connection.execute(_SEE, {"whose": str(host), "expired": min(seen, newest)})
    _remove(connection, search, positions)
