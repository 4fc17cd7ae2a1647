"""Accounts made and deleted, and the plugins told of it, even if the server isn't running or is killed in between.

Plugins delete what they keep for an account when they observe `AccountDeleted`. An account may be deleted while no
plugin is loaded (``xmppctl`` with the server stopped), and the server may be killed between the account's end and the
plugins' work. So a deletion is noted in the database first and struck off when the plugins are done; what is still
noted when the server starts is told then. Accounts made while the server was stopped are noted likewise.

Plugins that don't run on the account's host at that time are told when they do, see :mod:`.missed`.

If a plugin could not do its work, because the disk was full, the note stays as well. It is told once more before an
account of that name is made again, which must not get what its predecessor has left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import Column, ColumnElement, Connection, Integer, MetaData, Table, Text, delete, select
from twisted.internet.defer import DeferredLock

from xmppd.api.accounts import IAccounts, Imported
from xmppd.api.events.accounts import AccountCreated, AccountDeleted
from xmppd.api.storage import IDatabase, Migration, StorageUnavailable
from xmppd.core.plugins import missed
from xmppd.wire.jid import Jid

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "AccountKeeper", "CloseSessions", "Notify"]

#: Tells the plugins of a domain's host of an event; have all of them done what they had to?
Notify = Callable[[str, object], Awaitable[bool]]
#: Ends the sessions of an account that is gone, and waits until they are.
CloseSessions = Callable[[Jid], Awaitable[object]]

_NOTES = Table(
    "xmppd_account_events",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("event", Text, nullable=False),
)
OWNER = "account_events"
TABLES = (_NOTES,)
MIGRATIONS: tuple[Migration, ...] = ()

_CREATED, _DELETED = "created", "deleted"
#: Being told twice after a crash is harmless, a commit for each of ten thousand imported accounts is not.
_STRUCK_AT_ONCE = 500
_EVENTS: Mapping[str, type[AccountCreated] | type[AccountDeleted]] = {
    _CREATED: AccountCreated,
    _DELETED: AccountDeleted,
}


class AccountKeeper:
    """Makes and deletes accounts.

    :param notify: None while the server isn't running: then the news waits for its next start.
    :param informed: names those owners of tables that are told by it, or have nothing to do.
    """

    def __init__(
        self,
        db: IDatabase,
        accounts: IAccounts,
        notify: Notify | None = None,
        close_sessions: CloseSessions | None = None,
        informed: Callable[[str], Collection[str]] = lambda domain: (),
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._notify = notify
        self._close_sessions = close_sessions
        self._informed = informed
        self._deleting: dict[Jid, DeferredLock] = {}

    async def create(self, jid: Jid, password: str) -> None:
        """Make an account. Raises what IAccounts.create raises, also while its predecessor's data can't be deleted."""
        await self._finish_deletions([jid])
        await self._accounts.create(jid, password)
        await self._created([jid])

    async def import_many(self, users: Sequence[tuple[Jid, str]]) -> Imported:
        """Make many accounts. Raises what IAccounts.import_many raises."""
        await self._finish_deletions([jid for jid, _ in users])
        imported = await self._accounts.import_many(users)
        await self._created(imported.created)
        return imported

    async def delete(self, jid: Jid, before_closing: Callable[[], object] | None = None) -> bool:
        """Delete an account and what plugins keep for it, and end its sessions.

        :param before_closing: called when the account is gone for good and its sessions are still open.
        :returns: was there such an account?
        """
        async with self._alone(jid):
            return await self._delete(jid, before_closing)

    async def _delete(self, jid: Jid, before_closing: Callable[[], object] | None) -> bool:
        noted = str(jid) in await self._noted_deletions()
        if not noted:
            await self._note(_DELETED, [jid])
        if not await self._accounts.delete(jid):
            if noted:
                await self._forget(jid)
            else:
                await self._strike(_NOTES.c.account == str(jid))
            return False
        if before_closing is not None:
            before_closing()
        if self._close_sessions is not None:
            await self._close_sessions(jid)
        await self._forget(jid)
        return True

    async def _forget(self, jid: Jid) -> bool:
        """Have plugins delete what they keep for an account that is gone; have all of them?"""
        done = await self._tell(AccountDeleted(jid))
        if done:
            await self._strike(_NOTES.c.account == str(jid))
        return done

    async def _finish_deletions(self, jids: Sequence[Jid]) -> None:
        """Have plugins forget earlier accounts of these names. Raises StorageUnavailable if they can't."""
        noted = await self._noted_deletions()
        for jid in jids:
            if jid not in self._deleting and str(jid) not in noted:
                continue
            async with self._alone(jid):
                again = str(jid) in await self._noted_deletions() and not await self._accounts.exists(jid)
                if again and self._notify is not None and not await self._forget(jid):
                    raise StorageUnavailable(f"what is left of an earlier account {jid} can't be deleted")

    async def _noted_deletions(self) -> set[str]:
        query = select(_NOTES.c.account).where(_NOTES.c.event == _DELETED)
        return await self._db.read(lambda connection: set(connection.scalars(query)))

    @asynccontextmanager
    async def _alone(self, jid: Jid) -> AsyncIterator[None]:
        """Keep others from deleting the account, or making it again, meanwhile."""
        lock = self._deleting.setdefault(jid, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked and self._deleting.get(jid) is lock:
                del self._deleting[jid]

    async def catch_up(self) -> int:
        """Tell what is still noted, oldest first; call it when the plugins are loaded and nobody is served yet.

        :returns: how many events there were.
        """

        def read(connection: Connection) -> list[tuple[int, str, str]]:
            rows = connection.execute(select(_NOTES.c.id, _NOTES.c.account, _NOTES.c.event).order_by(_NOTES.c.id))
            return [(row.id, row.account, row.event) for row in rows]

        notes = await self._db.read(read)
        made_last = {text: number for number, (_, text, event) in enumerate(notes) if event == _CREATED}
        told = 0
        failed: list[int] = []
        for number, (id, text, event) in enumerate(notes):
            jid = Jid.parse(text)
            made_again = made_last.get(text, -1) > number
            # A deletion that was noted, but not carried out: the server was killed before.
            if event == _CREATED or made_again or not await self._accounts.exists(jid):
                if not await self._tell(_EVENTS[event](jid)) and event == _DELETED and not made_again:
                    failed.append(id)
                told += 1
            if number % _STRUCK_AT_ONCE == _STRUCK_AT_ONCE - 1 or number == len(notes) - 1:
                await self._strike((_NOTES.c.id <= id) & _NOTES.c.id.not_in(failed))
        return told

    async def _created(self, accounts: Sequence[Jid]) -> None:
        if self._notify is None:
            await self._note(_CREATED, accounts)
            return
        for account in accounts:
            await self._tell(AccountCreated(account))

    async def _tell(self, event: AccountCreated | AccountDeleted) -> bool:
        if self._notify is None:
            return False
        account = event.account
        if isinstance(event, AccountDeleted):
            informed = self._informed(account.domain)
            await self._db.write(lambda connection: missed.note(connection, account, informed))
        return await self._notify(account.domain, event)

    async def _note(self, event: str, accounts: Sequence[Jid]) -> None:
        await self._db.append(_NOTES, [{"account": str(account), "event": event} for account in accounts])

    async def _strike(self, which: ColumnElement[bool]) -> None:
        def strike(connection: Connection) -> None:
            connection.execute(delete(_NOTES).where(which))

        await self._db.write(strike)
