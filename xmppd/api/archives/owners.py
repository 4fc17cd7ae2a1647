"""The owners of archives that are in memory: those who are connected, and the latest of the others.

Whoever's number is not in memory has it looked up behind the scenes; until then the rows for them look it up in the
transaction that they are written with. So no message ever waits for the database here.
"""

from __future__ import annotations

from collections.abc import Callable

from xmppd.api.archives.store import Store
from xmppd.api.storage import IDatabase, StorageUnavailable
from xmppd.wire.jid import Jid

__all__ = ["Owner", "Owners"]

#: Owners in memory above which those who aren't connected are dropped.
_MANY = 20_000


class Owner:
    """Whose an archive is.

    :ivar number: stands for it in the database.
    :ivar room: how many messages there is room for, as far as is known; below 0, it has to be looked.
    """

    __slots__ = ("number", "room")

    def __init__(self, number: int) -> None:
        self.number = number
        self.room = 0


class Owners:
    """Looks numbers up once and keeps them.

    :param connected: is an owner there, so that it stays in memory?
    """

    def __init__(self, db: IDatabase, store: Store, connected: Callable[[Jid], bool]) -> None:
        self._db = db
        self._store = store
        self._connected = connected
        self._looking: set[Jid] = set()
        self._loads = 0  # how many are going on
        self._dropped: set[Jid] = set()  # meanwhile: what they find of those may be an archive that is gone
        #: Those in memory, by their addresses.
        self.known: dict[Jid, Owner] = {}

    async def load(self, address: Jid) -> Owner | None:
        """Return the owner, or None if there is no archive of that address. Fails with StorageUnavailable."""
        owner = self.known.get(address)
        if owner is None:
            number = await self._find(address)
            if number is not None:
                owner = Owner(number) if address in self._dropped else self._add(address, number)
        return owner

    async def _find(self, address: Jid) -> int | None:
        if not self._loads:
            self._dropped.clear()
        self._loads += 1
        try:
            return await self._db.read(lambda c: self._store.find_owner(c, address))
        finally:
            self._loads -= 1

    def _add(self, address: Jid, number: int) -> Owner:
        if len(self.known) >= _MANY:
            self.known = {jid: known for jid, known in self.known.items() if self._connected(jid)}
        return self.known.setdefault(address, Owner(number))

    def missing(self, address: Jid) -> bool:
        """Is an owner to be looked up by :meth:`look_up`, which nobody does yet?"""
        return address not in self._looking

    async def look_up(self, address: Jid) -> None:
        """Look an owner up for the sake of the messages that follow."""
        self._looking.add(address)
        try:
            await self.load(address)
        except StorageUnavailable:
            pass  # the next message tries again
        finally:
            self._looking.discard(address)

    def drop(self, address: Jid) -> None:
        """Keep an owner in memory no longer."""
        if self._loads:
            self._dropped.add(address)
        self.known.pop(address, None)
