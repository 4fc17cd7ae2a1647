"""Messages that come from another network: routed to the user, once, and on disk as far as the server keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select
from twisted.internet.defer import DeferredLock

from xmppd.api.gateway.tables import execute
from xmppd.api.waiting import settled
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message

if TYPE_CHECKING:
    from xmppd.api.gateway.base import Gateway

__all__ = ["Incoming"]


class Incoming:
    """What has been delivered to the users of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._table = gateway.gateway_tables.seen
        self._locks: dict[tuple[Jid, str], DeferredLock] = {}

    async def deliver(self, user: Jid, message: Message, key: str | None) -> bool:
        """Route a message, unless one with that key was delivered; return when it is on disk.

        :raises StorageUnavailable: it can't be stored now; it has not been delivered.
        """
        if key is None:
            await self._route(message, None)
            return True
        lock = self._locks.setdefault((user, key), DeferredLock())
        await lock.acquire()
        try:
            row = {"gateway": str(self._gateway.jid), "account": str(user), "key": key}
            if await self._gateway.db.read(lambda connection: self._known(connection, row)):
                return False
            await self._route(message, row)
            return True
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop((user, key), None)

    def _known(self, connection: Connection, row: dict[str, str]) -> bool:
        return connection.execute(select(self._table.c.at).filter_by(**row)).first() is not None

    async def _route(self, message: Message, row: dict[str, str] | None) -> None:
        host = self._gateway.host
        with host.unit(message):
            if row is not None:
                host.store(message, self._table, {**row, "at": self._gateway.clock.seconds()})
            await settled(host.route(message))
        await host.stored(message)

    async def expire(self) -> None:
        """Forget what was delivered long ago."""
        c = self._table.c
        before = self._gateway.clock.seconds() - self._gateway.options.repetition_days * 86400.0
        query = delete(self._table).where(c.gateway == str(self._gateway.jid), c.at < before)
        await execute(self._gateway.db, query)
