"""Operations on accounts: ``user add``, ``user list`` and the rest."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Literal

from xmppd.api.accounts import Account, AccountExists, IAccounts, NoSuchAccount
from xmppd.api.interfaces import ISession
from xmppd.api.operations import FileText, OperationError, Permission, Progress, operation
from xmppd.api.words import plural
from xmppd.core.accounts.keeper import AccountKeeper
from xmppd.core.accounts.user_file import read_users
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import PasswordError

__all__ = ["UserOperations", "new_password"]

_PAGE = 500
_BATCH = 100
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 letters and digits that can't be mistaken for each other


def new_password() -> str:
    """Return a password of 80 random bits that can be read out to somebody."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


class UserOperations:
    """Accounts.

    :param hosts: the domains that are served.
    :param sessions: finds the sessions of an account; while the server isn't running there are none.
    :param close_sessions: ends them, because the account is locked, and tells how many there were.
    """

    def __init__(
        self,
        accounts: IAccounts,
        keeper: AccountKeeper,
        hosts: Collection[str],
        sessions: Callable[[Jid], Sequence[ISession]] = lambda account: (),
        close_sessions: Callable[[Jid], Awaitable[int]] | None = None,
    ) -> None:
        self._accounts = accounts
        self._keeper = keeper
        self._hosts = hosts
        self._sessions = sessions
        self._close_sessions = close_sessions

    @operation("user add", offline=True, examples=("romeo@example.org", "romeo@example.org --password 'R0m30 + J'"))
    async def add(self, jid: Jid, *, password: str | None = None) -> dict[str, str]:
        """Make an account.

        :param jid: the new address, user@domain.
        :param password: its password; a random one is made and shown if none is given.
        """
        self._check_new(jid)
        chosen = new_password() if password is None else password
        try:
            await self._keeper.create(jid, chosen)
        except AccountExists:
            raise OperationError(f"{jid} exists already", Condition.CONFLICT) from None
        except PasswordError as error:
            raise _bad_password(error) from None
        return {"account": str(jid)} if password is not None else {"account": str(jid), "password": chosen}

    # Permission: a file may name accounts of every host.
    @operation("user import", permission=Permission.OPERATOR, offline=True, examples=("users.csv",))
    async def import_file(self, file: FileText, *, progress: Progress) -> dict[str, int]:
        """Make many accounts from a file; those that exist already are left as they are.

        :param file: a text with one account a line, `user@domain password` or `user@domain,password`.
        """
        users = read_users(file, self._hosts)
        created = 0
        progress(0, len(users))
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            try:
                imported = await self._keeper.import_many(batch)
            except PasswordError as error:
                raise _bad_password(error) from None
            created += len(imported.created)
            progress(min(start + _BATCH, len(users)), len(users))
        return {"created": created, "existing": len(users) - created}

    @operation("user delete", offline=True, examples=("romeo@example.org",))
    async def delete(self, jid: Jid) -> str:
        """Delete an account and everything that is kept for it.

        :param jid: whose account.
        """
        self._check_address(jid)
        if not await self._keeper.delete(jid):
            raise _nobody(jid)
        return f"Deleted {jid}."

    @operation("user list", safe=True, offline=True, examples=("", "example.org", "example.org --state locked"))
    async def list_users(
        self,
        host: str | None = None,
        *,
        state: Literal["all", "online", "offline", "locked"] = "all",
        limit: int = 0,
        after: str = "",
    ) -> list[dict[str, Any]]:
        """List accounts.

        :param host: the domain; all if none is given.
        :param state: which accounts.
        :param limit: at most so many accounts; 0 is no limit.
        :param after: those behind this address only, host by host in alphabetical order.
        """
        rows: list[dict[str, Any]] = []
        domains = list(self._chosen(host))
        last = after.rpartition("@")[2]
        if last in domains:  # the hosts before it are through, and those behind it have not begun
            domains = domains[domains.index(last) :]
        for domain in domains:
            async for account in self._all(domain, after if domain == last else ""):
                if limit and len(rows) >= limit:
                    return rows
                row = self._row(account)
                if state == "all" or _state_matches(state, row):
                    rows.append(row)
        return rows

    @operation("user count", safe=True, offline=True, examples=("", "example.org"))
    async def count(self, host: str | None = None) -> dict[str, int]:
        """Count accounts: all, those that are locked, and those with a session now.

        :param host: the domain; all if none is given.
        """
        counts = {"registered": 0, "locked": 0, "online": 0}
        for domain in self._chosen(host):
            async for account in self._all(domain, ""):
                counts["registered"] += 1
                counts["locked"] += account.locked is not None
                counts["online"] += bool(self._sessions(account.jid))
        return counts

    @operation("user password", offline=True, examples=("romeo@example.org", "romeo@example.org --password -"))
    async def password(self, jid: Jid, *, password: str | None = None) -> dict[str, str]:
        """Give an account another password. Its sessions stay open.

        :param jid: whose password.
        :param password: the new one; a random one is made and shown if none is given.
        """
        self._check_address(jid)
        chosen = new_password() if password is None else password
        try:
            await self._accounts.set_password(jid, chosen)
        except NoSuchAccount:
            raise _nobody(jid) from None
        except PasswordError as error:
            raise _bad_password(error) from None
        return {"account": str(jid)} if password is not None else {"account": str(jid), "password": chosen}

    @operation("user lock", offline=True, examples=("romeo@example.org --reason 'sends spam'",))
    async def lock(self, jid: Jid, *, reason: str = "locked by the operator") -> str:
        """Let nobody log in to an account, and end its sessions. Everything it has is kept.

        :param jid: which account.
        :param reason: why, for those who look at it later.
        """
        self._check_address(jid)
        try:
            await self._accounts.lock(jid, reason)
        except NoSuchAccount:
            raise _nobody(jid) from None
        ended = await self._close_sessions(jid) if self._close_sessions else 0
        return f"Locked {jid}" + (f" and ended {plural(ended, 'session')}." if ended else ".")

    @operation("user unlock", offline=True, examples=("romeo@example.org",))
    async def unlock(self, jid: Jid) -> str:
        """Let the owner of a locked account log in again.

        :param jid: which account.
        """
        self._check_address(jid)
        try:
            await self._accounts.unlock(jid)
        except NoSuchAccount:
            raise _nobody(jid) from None
        return f"Unlocked {jid}."

    @operation("user info", safe=True, offline=True, examples=("romeo@example.org",))
    async def info(self, jid: Jid) -> dict[str, Any]:
        """Show what is known of an account, and its sessions.

        :param jid: which account.
        """
        self._check_address(jid)
        account = await self._accounts.get(jid)
        if account is None:
            raise _nobody(jid)
        sessions = self._sessions(jid)
        return {
            **self._row(account),
            "resources": [session.jid.resource for session in sessions],
            "addresses": sorted({session.peer for session in sessions if session.peer}),
        }

    def _row(self, account: Account) -> dict[str, Any]:
        return {
            "account": str(account.jid),
            "created": format_datetime(account.created),
            "sessions": len(self._sessions(account.jid)),
            "locked": account.locked or "",
        }

    async def _all(self, domain: str, after: str) -> AsyncIterator[Account]:
        while page := await self._accounts.list(domain, after, _PAGE):
            for account in page:
                yield account
            after = str(page[-1].jid)

    def _chosen(self, host: str | None) -> Collection[str]:
        if not host:
            return self._hosts
        if host not in self._hosts:
            raise _not_served(host, self._hosts)
        return (host,)

    def _check_address(self, jid: Jid) -> None:
        if not jid.local or not jid.is_bare:
            raise OperationError(f"{jid} is not of the form user@domain", Condition.JID_MALFORMED)

    def _check_new(self, jid: Jid) -> None:
        self._check_address(jid)
        if jid.domain not in self._hosts:
            raise _not_served(jid.domain, self._hosts)


def _state_matches(state: str, row: dict[str, Any]) -> bool:
    if state == "locked":
        return bool(row["locked"])
    return bool(row["sessions"]) == (state == "online")


def _nobody(jid: Jid) -> OperationError:
    return OperationError(f"there is no account {jid}", Condition.ITEM_NOT_FOUND)


def _bad_password(error: PasswordError) -> OperationError:
    return OperationError(f"that can't be a password: {error}", Condition.NOT_ACCEPTABLE)


def _not_served(domain: str, hosts: Collection[str]) -> OperationError:
    known = f"the hosts are {', '.join(hosts)}" if hosts else "no host is configured"
    return OperationError(f"{domain} is not served here; {known}", Condition.ITEM_NOT_FOUND)
