"""The statements that run often: owners, the messages of one, and the key of a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from xmppd.api.archives.tables import ArchiveTables
from xmppd.wire.jid import Jid

__all__ = ["Store"]

_LATEST = 1000  # rows that are looked at for the greatest id


class Store:
    """Statements for some tables. All methods are for the database's threads."""

    def __init__(self, tables: ArchiveTables) -> None:
        owners, messages = tables.owners, tables.messages
        o, m = owners.c, messages.c
        of_one = m.owner == bindparam("whose")
        self._hosts = tables.hosts
        self._address = tables.address.name
        self._find_owner = select(o.number).where(tables.address == bindparam("who"))
        self._make_owner = insert(owners)
        self._remove_owner = delete(owners).where(o.number == bindparam("whose"))
        self._add = insert(messages)
        self._take_back = delete(messages).where(of_one, m.id == bindparam("which"))
        self._last_ids = select(func.max(select(m.id).order_by(m.position.desc()).limit(_LATEST).subquery().c.id))
        self._find = select(messages).where(of_one, m.id == bindparam("which"))
        self._replace = update(messages).where(m.position == bindparam("which")).values(stanza=bindparam("new"))
        self._count = select(func.count()).select_from(messages).where(of_one)
        self._first = select(func.min(m.id)).where(of_one)
        self._last = select(func.max(m.id)).where(of_one)

    def find_owner(self, connection: Connection, owner: Jid) -> int | None:
        """Return the number of an owner, if it has an archive."""
        return connection.execute(self._find_owner, {"who": str(owner)}).scalar()

    def make_owner(self, connection: Connection, owner: Jid) -> int:
        """The same; who has no archive gets one."""
        found = self.find_owner(connection, owner)
        if found is None:
            connection.execute(self._make_owner, {self._address: str(owner), "searched_position": 0, "searched_id": 0})
            found = self.find_owner(connection, owner)
            assert found is not None
        return found

    def add(self, connection: Connection, owner: Jid, row: Mapping[str, object]) -> None:
        """Insert a row for an owner whose number is not known."""
        connection.execute(self._add, {**row, "owner": self.make_owner(connection, owner)})

    def take_back(self, connection: Connection, owner: Jid, id: int) -> None:
        """Delete a message that was inserted in this transaction: nobody has seen it, nor its words."""
        connection.execute(self._take_back, {"whose": self.find_owner(connection, owner), "which": id})

    def find(self, connection: Connection, owner: int | None, id: int) -> Row[Any] | None:
        """Return the row of a message, or None."""
        return connection.execute(self._find, {"whose": owner, "which": id}).first()

    def replace(self, connection: Connection, position: int, stanza: bytes) -> None:
        """Put another stanza in the place of one; its words are not seen to."""
        connection.execute(self._replace, {"which": position, "new": stanza})

    def remove_owner(self, connection: Connection, owner: int) -> None:
        """Delete what is left of an archive that is empty."""
        connection.execute(self._remove_owner, {"whose": owner})

    def last_id(self, connection: Connection) -> int:
        """Return the greatest id of any message, or 0."""
        return connection.execute(self._last_ids).scalar() or 0

    def count(self, connection: Connection, owner: int) -> int:
        """Return how many messages are in an archive."""
        return connection.execute(self._count, {"whose": owner}).scalar_one()

    def ends(self, connection: Connection, owner: int | None) -> tuple[int, int] | None:
        """Return the ids of the first and the last message, or None if there are no messages."""
        first = connection.execute(self._first, {"whose": owner}).scalar()
        last = connection.execute(self._last, {"whose": owner}).scalar()
        return None if first is None or last is None else (first, last)

    def host_key(self, connection: Connection, host: Jid, new: bytes) -> bytes:
        """Return the key for the archive ids of a host; `new` if it has none yet."""
        hosts = self._hosts
        found = connection.execute(select(hosts.c.key).where(hosts.c.host == str(host))).scalar()
        if found is None:
            connection.execute(insert(hosts), {"host": str(host), "key": new, "expired": 0})
        return new if found is None else bytes(found)
