"""When accounts last logged in, for get-user-lastlogin. Written every minute in one go, not at each log-in."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, MetaData, Table, Text, delete, insert, select

from xmppd.api import IDatabase, Jid

__all__ = ["LOGINS", "Logins"]

LOGINS = Table(
    "admin_commands_logins",
    MetaData(),
    Column("account", Text, primary_key=True),
    Column("at", Float, nullable=False),
)


class Logins:
    """The time of each account's last log-in."""

    def __init__(self, db: IDatabase) -> None:
        self._db = db
        self._new: dict[Jid, float] = {}

    def note(self, account: Jid, at: float) -> None:
        """The account has logged in."""
        self._new[account] = at

    async def last(self, account: Jid) -> float | None:
        """Return when it did last, in seconds since the epoch; None if it never has."""
        if account in self._new:
            return self._new[account]

        def find(connection: Connection) -> float | None:
            at: float | None = connection.scalar(select(LOGINS.c.at).where(LOGINS.c.account == str(account)))
            return at

        return await self._db.read(find)

    async def forget(self, account: Jid) -> None:
        """The account is gone."""
        self._new.pop(account, None)
        await self._db.write(lambda connection: _remove(connection, [str(account)]))

    async def save(self) -> None:
        """Write down what is new."""
        new, self._new = self._new, {}
        if not new:
            return
        rows = [{"account": str(account), "at": at} for account, at in new.items()]

        def put(connection: Connection) -> None:
            _remove(connection, [row["account"] for row in rows])
            connection.execute(insert(LOGINS), rows)

        try:
            await self._db.write(put)
        except BaseException:
            self._new = {**new, **self._new}  # for the next time
            raise


def _remove(connection: Connection, accounts: list[object]) -> None:
    for start in range(0, len(accounts), 500):
        connection.execute(delete(LOGINS).where(LOGINS.c.account.in_(accounts[start : start + 500])))
