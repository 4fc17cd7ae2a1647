"""Who is registered with a gateway, and whose presence on the other network they see. All of it is kept in memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from twisted.internet.defer import DeferredLock

from xmppd.api.gateway.tables import GatewayTables, execute
from xmppd.api.storage import IDatabase
from xmppd.wire.jid import Jid

__all__ = ["Members", "Registration"]


@dataclass(frozen=True)
class Registration:
    """A user of a gateway.

    :ivar user: the bare address.
    :ivar values: what was filled in, by the names of the fields.
    :ivar since: when they registered, in seconds since the epoch.
    """

    user: Jid
    values: Mapping[str, str]
    since: float


class Members:
    """The registrations of one gateway.

    :param gateway: its domain.
    :ivar registrations: by the users' bare addresses.
    :ivar changing: held by whoever changes them.
    """

    def __init__(self, db: IDatabase, tables: GatewayTables, gateway: str) -> None:
        self._db = db
        self._tables = tables
        self._gateway = gateway
        self.registrations: dict[Jid, Registration] = {}
        self.changing = DeferredLock()
        self._index: dict[tuple[str, str], list[Jid]] | None = None  # made anew after each change
        self._contacts: dict[Jid, set[str]] = {}

    async def load(self) -> None:
        """Read all."""
        users, contacts = await self._db.read(self._read)
        for account, fields, since in users:
            user = Jid.parse(account)
            self.registrations[user] = Registration(user, json.loads(fields), since)
        for account, contact in contacts:
            self._contacts.setdefault(Jid.parse(account), set()).add(contact)

    def _read(self, connection: Connection) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        u, c = self._tables.users.c, self._tables.contacts.c
        users = connection.execute(select(u.account, u.fields, u.since).where(u.gateway == self._gateway))
        contacts = connection.execute(select(c.account, c.contact).where(c.gateway == self._gateway))
        return [tuple(row) for row in users], [tuple(row) for row in contacts]

    def find(self, field: str, value: str) -> list[Jid]:
        """Return the users who have registered that value of a field."""
        if self._index is None:
            self._index = {}
            for user, entry in self.registrations.items():
                for item in entry.values.items():
                    self._index.setdefault(item, []).append(user)
        return list(self._index.get((field, value), ()))

    async def put(self, entry: Registration) -> None:
        """Enter a user, or what a user has changed."""
        table = self._tables.users
        key = {"gateway": self._gateway, "account": str(entry.user)}
        row = {**key, "fields": json.dumps(dict(entry.values), ensure_ascii=False), "since": entry.since}
        await execute(self._db, delete(table).filter_by(**key), insert(table).values(row))
        self.registrations[entry.user] = entry
        self._index = None

    async def remove(self, user: Jid) -> None:
        """Delete everything that the gateway keeps of a user, the messages that wait included; but not what they have
        used up, or limits would end with a registration.
        """
        key = {"gateway": self._gateway, "account": str(user)}
        self._index = None
        entry = self.registrations.pop(user, None)  # nothing more is accepted from them meanwhile
        try:
            tables = (table for table in self._tables if table is not self._tables.usage)
            await execute(self._db, *(delete(table).filter_by(**key) for table in tables))
        except Exception:
            if entry is not None:
                self.registrations[user] = entry
                self._index = None
            raise
        self._contacts.pop(user, None)

    def contacts(self, user: Jid) -> Collection[str]:
        """Return the addresses whose presence a user sees."""
        return self._contacts.get(user, ())

    async def add_contact(self, user: Jid, contact: str) -> None:
        """A user has subscribed to somebody's presence."""
        known = self._contacts.setdefault(user, set())
        if contact not in known:
            known.add(contact)
            row = {"gateway": self._gateway, "account": str(user), "contact": contact}
            table = self._tables.contacts
            try:
                await execute(self._db, delete(table).filter_by(**row), insert(table).values(row))
            except Exception:
                known.discard(contact)
                raise

    async def remove_contact(self, user: Jid, contact: str) -> None:
        """A user does not see somebody's presence any more."""
        known = self._contacts.get(user, set())
        if contact in known:
            known.discard(contact)
            row = {"gateway": self._gateway, "account": str(user), "contact": contact}
            try:
                await execute(self._db, delete(self._tables.contacts).filter_by(**row))
            except Exception:
                known.add(contact)
                raise
