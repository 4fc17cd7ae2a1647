"""Deletes what is too old, or too much, some messages at a time, so that others get their turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from xmppd.api.archives.owners import Owners
from xmppd.api.archives.retention import Retention
from xmppd.api.archives.store import Store
from xmppd.api.archives.tables import HIGHEST_ID
from xmppd.api.storage import IDatabase
from xmppd.wire.jid import Jid

__all__ = ["Keeper"]

_AT_ONCE = 200  # messages that are deleted in one transaction
_LOOKED_AT = 5000  # messages whose age is looked at in one


class Keeper:
    """Looks after the archives of a host. What needs the database fails with StorageUnavailable.

    :param turn: returns what fires when others have had their turn.
    """

    def __init__(
        self,
        db: IDatabase,
        host: Jid,
        owners: Owners,
        store: Store,
        retention: Retention,
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        self._db = db
        self._host = host
        self._owners = owners
        self._store = store
        self._retention = retention
        self._turn = turn

    async def expire(self, before: int) -> None:
        """Delete messages with ids less than `before`."""
        host, retention = self._host, self._retention
        seen = await self._db.read(lambda c: retention.expired(c, host))
        more = True
        while more:
            behind = seen
            found, seen, more = await self._db.read(
                lambda c: retention.find_old(c, host, behind, before, _LOOKED_AT)  # noqa: B023
            )
            for start in range(0, len(found), _AT_ONCE):
                some = found[start : start + _AT_ONCE]
                await self._db.write(lambda c: retention.expire(c, host, some, some[-1]))  # noqa: B023
                await self._turn()
            if seen != behind and not (found and found[-1] == seen):
                await self._db.write(lambda c: retention.expire(c, host, (), seen))  # noqa: B023

    async def make_room(self, address: Jid, most: int) -> None:
        """Delete the oldest messages of an owner that has more than `most`."""
        owner = await self._owners.load(address)
        if owner is None:
            return
        highest = await self._db.read(lambda c: self._retention.surplus(c, owner.number, most))
        if highest is not None:
            await self.delete(owner.number, highest)
        owner.room = most - await self._db.read(lambda c: self._store.count(c, owner.number))

    async def delete(self, owner: int, highest: int = HIGHEST_ID) -> int:
        """Delete messages of an archive up to an id; return how many there were."""
        total = 0

        def some(connection: Connection) -> int:
            return self._retention.delete_oldest(connection, owner, highest, _AT_ONCE)

        while deleted := await self._db.write(some):
            total += deleted
            await self._turn()
        return total

    async def remove(self, address: Jid) -> None:
        """Delete all there is of an owner."""
        self._owners.drop(address)
        owner = await self._db.read(lambda c: self._store.find_owner(c, address))
        if owner is not None:
            await self.delete(owner)
            await self._db.write(lambda c: self._store.remove_owner(c, owner))
            self._owners.drop(address)  # who was just being looked up
