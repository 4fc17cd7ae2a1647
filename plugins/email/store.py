"""The tables of the mail gateway: the addresses that answers go to, and what belongs to which conversation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, Connection, Float, MetaData, Table, Text, delete, insert, select, update

from xmppd.api import IDatabase, Jid
from xmppd.plugins.email.addresses import new_token

__all__ = ["ADDRESSES", "THREADS", "Store", "Thread"]

_metadata = MetaData()
ADDRESSES = Table(
    "email_addresses",
    _metadata,
    Column("gateway", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("contact", Text, nullable=False),
)
THREADS = Table(
    "email_threads",
    _metadata,
    Column("gateway", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("contact", Text, primary_key=True),
    Column("thread", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("ids", Text, nullable=False),
    Column("at", Float, nullable=False, index=True),
)
_IDS = 20  # Message-IDs remembered of a conversation
_THREADS = 50  # conversations remembered with a contact


@dataclass(frozen=True)
class Thread:
    """A conversation of a user with a contact.

    :ivar name: the thread's name in XMPP (RFC 6121 5.2.5); "" for what clients send without one.
    :ivar subject: the first mail's.
    :ivar ids: the Message-IDs of its mails, the latest last.
    :ivar at: when something was said last, in seconds since the epoch.
    """

    name: str
    subject: str = ""
    ids: tuple[str, ...] = ()
    at: float = 0.0

    def with_mail(self, id: str, at: float) -> Thread:
        """Return it with one more mail."""
        ids = [*(known for known in self.ids if known != id), id] if id else list(self.ids)
        return replace(self, ids=tuple(ids[-_IDS:]), at=at)


class Store:
    """The rows of one gateway."""

    def __init__(self, db: IDatabase, gateway: str) -> None:
        self._db = db
        self._gateway = gateway

    async def token_for(self, user: Jid, contact: str) -> str:
        """Return the localpart of the address at which a contact can answer a user; it is made if need be."""
        key = {"gateway": self._gateway, "account": str(user), "contact": contact}
        fresh = new_token()

        def write(connection: Connection) -> str:
            token = connection.scalar(select(ADDRESSES.c.token).filter_by(**key))
            if token is None:
                connection.execute(insert(ADDRESSES).values(**key, token=fresh))
            return token or fresh

        return await self._db.write(write)

    async def owner_of(self, token: str) -> tuple[Jid, str] | None:
        """Return whose address that is, user and contact, or None."""

        def read(connection: Connection) -> tuple[str, str] | None:
            c = ADDRESSES.c
            found = connection.execute(select(c.account, c.contact).filter_by(gateway=self._gateway, token=token))
            row = found.first()
            return None if row is None else (row.account, row.contact)

        found = await self._db.read(read)
        return None if found is None else (Jid.parse(found[0]), found[1])

    async def threads(self, user: Jid, contact: str) -> list[Thread]:
        """Return the conversations of a user with a contact, the latest first."""

        def read(connection: Connection) -> list[Thread]:
            rows = connection.execute(
                select(THREADS).filter_by(**self._pair(user, contact)).order_by(THREADS.c.at.desc())
            )
            return [Thread(row.thread, row.subject, tuple(row.ids.split()), row.at) for row in rows]

        return await self._db.read(read)

    async def put_thread(self, user: Jid, contact: str, thread: Thread) -> None:
        """Enter a conversation, or what is new in it; of too many the oldest is forgotten."""
        key = {**self._pair(user, contact), "thread": thread.name}
        row: dict[str, Any] = {"subject": thread.subject, "ids": " ".join(thread.ids), "at": thread.at}

        def write(connection: Connection) -> None:
            if not connection.execute(update(THREADS).filter_by(**key).values(**row)).rowcount:
                connection.execute(insert(THREADS).values(**key, **row))
                c = THREADS.c
                latest = select(c.thread).filter_by(**self._pair(user, contact)).order_by(c.at.desc())
                for name in list(connection.scalars(latest.offset(_THREADS))):
                    connection.execute(delete(THREADS).filter_by(**{**key, "thread": name}))

        await self._db.write(write)

    def _pair(self, user: Jid, contact: str) -> dict[str, str]:
        return {"gateway": self._gateway, "account": str(user), "contact": contact}

    async def forget(self, user: Jid) -> None:
        """Delete what is kept of a user."""

        def write(connection: Connection) -> None:
            for table in (ADDRESSES, THREADS):
                connection.execute(delete(table).filter_by(gateway=self._gateway, account=str(user)))

        await self._db.write(write)

    async def expire(self, before: float) -> None:
        """Delete conversations in which nothing was said since."""
        query = delete(THREADS).where(THREADS.c.gateway == self._gateway, THREADS.c.at < before)

        def write(connection: Connection) -> None:
            connection.execute(query)

        await self._db.write(write)
