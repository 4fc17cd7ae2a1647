"""Deleting from archives, always the oldest messages of one (XEP-0313 section 3.2), some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from xmppd.api.archives.search import Search
from xmppd.api.archives.tables import ArchiveTables
from xmppd.wire.jid import Jid

__all__ = ["Old", "Retention"]


class Old(NamedTuple):
    """What was found in one look at messages.

    :ivar positions: those that are to be deleted, ascending.
    :ivar seen: the position up to which it was looked.
    :ivar more: is it worth looking on?
    """

    positions: Sequence[int]
    seen: int
    more: bool


class Retention:
    """Statements for some tables. All methods are for the database's threads."""

    def __init__(self, tables: ArchiveTables, search: Search) -> None:
        owners, messages, hosts = tables.owners, tables.messages, tables.hosts
        o, m, h = owners.c, messages.c, hosts.c
        self._search = search
        self._oldest = (
            select(m.position)
            .where(m.owner == bindparam("whose"), m.id <= bindparam("highest"))
            .order_by(m.id)
            .limit(bindparam("most"))
        )
        self._nth = (
            select(m.id)
            .where(m.owner == bindparam("whose"))
            .order_by(m.id.desc())
            .limit(1)
            .offset(bindparam("spared"))
        )  # fmt: skip
        self._next = (
            select(m.position, m.id, tables.address)
            .select_from(messages.outerjoin(owners, m.owner == o.number))
            .where(m.position > bindparam("behind"))
            .order_by(m.position)
            .limit(bindparam("most"))
        )
        self._seen = select(h.expired).where(h.host == bindparam("whose"))
        self._see = update(hosts).where(h.host == bindparam("whose"))
        self._delete = delete(messages).where(m.position.in_(bindparam("which", expanding=True)))
        self._newest = select(func.coalesce(func.max(m.position), 0))
        self._rewind_words = update(owners).where(o.searched_position > bindparam("limit"))
        self._rewind_hosts = update(hosts).where(h.expired > bindparam("limit"))

    def _remove(self, connection: Connection, positions: Sequence[int]) -> None:
        if not positions:
            return
        connection.execute(self._delete, {"which": list(positions)})
        self._search.remove(connection, positions)
        newest = connection.execute(self._newest).scalar_one()
        if max(positions) > newest:
            # SQLite will give these positions again: what comes then must be indexed, and looked at when it is old.
            connection.execute(self._rewind_words, {"limit": newest, "searched_position": newest})
            connection.execute(self._rewind_hosts, {"limit": newest, "expired": newest})

    def delete_oldest(self, connection: Connection, owner: int, highest: int, most: int) -> int:
        """Delete messages of an archive up to the id `highest`, but no more than `most`; return how many it were."""
        positions = connection.execute(self._oldest, {"whose": owner, "highest": highest, "most": most}).scalars().all()
        self._remove(connection, list(positions))
        return len(positions)

    def surplus(self, connection: Connection, owner: int, spared: int) -> int | None:
        """Return the id up to which an archive has to be deleted to leave its newest `spared` messages, if it must."""
        return connection.execute(self._nth, {"whose": owner, "spared": spared}).scalar()

    def expired(self, connection: Connection, host: Jid) -> int:
        """Return up to which position messages have been looked at for their age."""
        return connection.execute(self._seen, {"whose": str(host)}).scalar_one()

    def find_old(self, connection: Connection, host: Jid, behind: int, before: int, most: int) -> Old:
        """Find messages of a host's owners with ids less than `before`, behind a position.

        Messages come in the order of their ages, or nearly so: the first one that is not old ends the search.

        :param most: how many messages are looked at.
        """
        old: list[int] = []
        rows = connection.execute(self._next, {"behind": behind, "most": most}).all()
        for position, id_, owner in rows:
            if owner is not None and owner.endswith(f"@{host}") and id_ >= before:
                return Old(old, behind, False)
            if owner is None or owner.endswith(f"@{host}"):  # None: it came while its owner was deleted
                old.append(position)
            behind = position
        return Old(old, behind, len(rows) == most)

    def expire(self, connection: Connection, host: Jid, positions: Sequence[int], seen: int) -> None:
        """Delete messages that are too old, and remember up to which position it was looked."""
        newest = connection.execute(self._newest).scalar_one()
        connection.execute(self._see, {"whose": str(host), "expired": min(seen, newest)})
        self._remove(connection, positions)
