"""The owners of archives that are in memory: those who are connected, and the latest of the others.

Whoever's number is not in memory has it looked up behind the scenes; until then the rows for them look it up in the
transaction that they are written with. So no message ever waits for the database here.
"""

from __future__ import annotations

from collections.abc import Callable

from xmppd.api import IDatabase, Jid, StorageUnavailable
from xmppd.plugins.archive import store

__all__ = ["Owner", "Owners"]

#: Owners in memory above which those who aren't connected are dropped.
_MANY = 20_000


class Owner:
    """Whose an archive is.

    :ivar number: stands for the account in the database.
    :ivar room: how many messages there is room for, as far as is known; below 0, it has to be looked.
    """

    __slots__ = ("number", "room")

    def __init__(self, number: int) -> None:
        self.number = number
        self.room = 0


class Owners:
    """Looks numbers up once and keeps them.

    :param connected: is an account connected?
    """

    def __init__(self, db: IDatabase, connected: Callable[[Jid], bool]) -> None:
        self._db = db
        self._connected = connected
        self._looking: set[Jid] = set()
        #: Those in memory, by their accounts.
        self.known: dict[Jid, Owner] = {}

    async def load(self, account: Jid) -> Owner | None:
        """Return the owner, or None if the account has no archive. Fails with StorageUnavailable."""
        owner = self.known.get(account)
        if owner is None:
            number = await self._db.read(lambda c: store.find_owner(c, account))
            if number is not None:
                owner = self._add(account, number)
        return owner

    def _add(self, account: Jid, number: int) -> Owner:
        if len(self.known) >= _MANY:
            self.known = {jid: known for jid, known in self.known.items() if self._connected(jid)}
        return self.known.setdefault(account, Owner(number))

    def missing(self, account: Jid) -> bool:
        """Is the account to be looked up by :meth:`look_up`, which nobody does yet?"""
        return account not in self._looking

    async def look_up(self, account: Jid) -> None:
        """Look an account up for the sake of the messages that follow."""
        self._looking.add(account)
        try:
            await self.load(account)
        except StorageUnavailable:
            pass  # the next message tries again
        finally:
            self._looking.discard(account)

    def drop(self, account: Jid) -> None:
        """Keep an owner in memory no longer."""
        self.known.pop(account, None)
