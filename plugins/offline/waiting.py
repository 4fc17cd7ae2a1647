"""What waits: the table, and in memory what is not in it yet, or not out of it yet.

A message is counted when it comes, and belongs to whoever takes it out first; so nobody gets it twice, however long the
database needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import ColumnElement, Connection

from xmppd.api import Jid, Message
from xmppd.api.interfaces import IHost
from xmppd.api.offline import StoredMessage
from xmppd.plugins.offline import store

_NOTHING: store.Usage = (0, 0)


class Waiting:
    """The messages for the accounts of a host.

    Whatever reads does so inside :meth:`reading`, up to where it has taken what it read.
    """

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._usage: dict[Jid, store.Usage] = {}  # of all that have messages: so that nothing needs a look at the table
        self._position = 0
        self._fresh: dict[Jid, dict[int, StoredMessage]] = {}  # came, but may not be on disk yet
        self._taken: dict[Jid, set[int]] = {}  # taken out, but may still be on disk
        self._readers: dict[Jid, int] = {}
        self._afterwards: dict[Jid, list[Callable[[], object]]] = {}

    async def load(self) -> None:
        """Look at what waits from before."""
        await self._host.stored()
        self._usage = await self._host.db.read(lambda c: store.usage(c, store.of_host(self._host.jid)))
        self._position = await self._host.db.read(store.last_position)

    async def unload(self) -> None:
        """Wait until everything is in the table, or out of it."""
        await self._host.stored(*(stored.message for fresh in self._fresh.values() for stored in fresh.values()))

    def usage(self, account: Jid) -> store.Usage:
        """Return how many messages wait, and their octets."""
        return self._usage.get(account, _NOTHING)

    # In

    def keep(self, account: Jid, message: Message, octets: int, sent_at: float | None = None) -> None:
        """Store a message with the unit of work it belongs to.

        :param sent_at: when it was sent, in seconds since the epoch, if that is not now; then its place is before
            everything that came later.
        """
        now = self._host.clock.seconds()
        # Time keeps the order across restarts, and the counter if the clock stands still or goes back.
        self._position = max(self._position + 1, int(now * 1e6))
        place = self._position if sent_at is None else int(sent_at * 1e6)
        stored = StoredMessage(self._position, place, now if sent_at is None else sent_at, octets, message)
        self._host.store(message, store.MESSAGES, store.row_of(account, stored))
        self._fresh.setdefault(account, {})[stored.position] = stored
        self._count(account, 1, octets)
        self._host.spawn(self._until_written(account, stored), f"storing a message for {account}")

    async def _until_written(self, account: Jid, stored: StoredMessage) -> None:
        await self._host.stored(stored.message)
        self._after_readers(account, partial(self._written, account, stored.position))

    def _written(self, account: Jid, position: int) -> None:
        fresh = self._fresh.get(account)
        if fresh is not None:
            fresh.pop(position, None)
            if not fresh:
                del self._fresh[account]

    def _count(self, account: Jid, count: int, octets: int) -> None:
        old = self.usage(account)
        if old[0] + count > 0:
            self._usage[account] = (old[0] + count, old[1] + octets)
        else:
            self._usage.pop(account, None)

    # A look

    @contextmanager
    def reading(self, account: Jid) -> Iterator[None]:
        """While somebody reads, what he may come upon in the table or not is still known by memory."""
        self._readers[account] = self._readers.get(account, 0) + 1
        try:
            yield
        finally:
            self._readers[account] -= 1
            if not self._readers[account]:
                del self._readers[account]
                for due in self._afterwards.pop(account, ()):
                    due()

    def _after_readers(self, account: Jid, due: Callable[[], object]) -> None:
        if account in self._readers:
            self._afterwards.setdefault(account, []).append(due)
        else:
            due()

    async def first(
        self, account: Jid, limit: int, after: StoredMessage | None = None, *which: ColumnElement[bool]
    ) -> list[StoredMessage]:
        """Return the oldest messages, at most `limit`; none only if there are none.

        :param which: looks at those in the table only.
        """
        while True:
            most = limit + len(self._taken.get(account, ()))
            rows = await self._host.db.read(partial(_first, account, most, after, which))
            found = {} if which else dict(self._fresh.get(account, {}))
            found.update((stored.position, stored) for stored in rows)
            taken = self._taken.get(account, ())
            messages = sorted((found[position] for position in found.keys() - taken), key=store.order)
            if after is not None:
                messages = [stored for stored in messages if store.order(stored) > store.order(after)]
            if len(rows) == most:  # there may be others between these and what has just come
                messages = [stored for stored in messages if store.order(stored) <= store.order(rows[-1])]
            if messages or len(rows) < most:
                break
        if not messages and not which and after is None:
            self._usage.pop(account, None)  # what was counted is what the database would not take
        return messages[:limit]

    # Out

    def take(self, account: Jid, messages: Sequence[StoredMessage]) -> list[StoredMessage]:
        """Take messages out: nobody else gets them. Return those that nobody else had taken.

        They are gone for good after :meth:`remove`.
        """
        gone = self._taken.setdefault(account, set())
        own = [stored for stored in messages if stored.position not in gone]
        for stored in own:
            gone.add(stored.position)
            self._count(account, -1, -stored.octets)
            self._written(account, stored.position)
        if not gone:
            del self._taken[account]
        return own

    def remove(self, account: Jid, taken: Sequence[tuple[StoredMessage, Message]]) -> None:
        """Delete messages that were taken: each with the unit of work that its copy belongs to, or its own."""
        by_unit: dict[object, tuple[Message, list[int]]] = {}
        for stored, copy in taken:
            by_unit.setdefault(copy.unit, (copy, []))[1].append(stored.position)
        for copy, positions in by_unit.values():
            self._host.store_call(copy, partial(store.remove, account=account, positions=positions))
        if taken:
            self._host.spawn(self._until_removed(account, taken), f"deleting messages for {account}")

    async def _until_removed(self, account: Jid, taken: Sequence[tuple[StoredMessage, Message]]) -> None:
        await self._host.stored(*(copy for _, copy in taken))
        self._after_readers(account, partial(self._removed, account, [stored for stored, _ in taken]))

    def _removed(self, account: Jid, taken: Sequence[StoredMessage]) -> None:
        left = self._taken.get(account)
        if left is not None:
            left.difference_update(stored.position for stored in taken)
            if not left:
                del self._taken[account]

    async def remove_now(self, account: Jid, messages: Sequence[StoredMessage]) -> int:
        """Delete messages, and wait until that is on disk; return how many there still were.

        :raises StorageUnavailable: the database can't; those that are in it are still there.
        """
        own = self.take(account, messages)
        new = [stored for stored in own if stored.message.unit is not None]
        old = [stored for stored in own if stored.message.unit is None]
        self.remove(account, [(stored, stored.message) for stored in new])
        try:
            if old:
                positions = [stored.position for stored in old]
                await self._host.db.write(lambda c: store.remove(c, account, positions))
        except BaseException:
            for stored in old:
                self._count(account, 1, stored.octets)
            self._removed(account, old)
            raise
        self._after_readers(account, partial(self._removed, account, old))
        if new:
            await self._host.stored(*(stored.message for stored in new))
        return len(own)

    async def remove_all(self, account: Jid) -> int:
        """Delete all messages of an account. Returns and raises as :meth:`remove_now`."""
        count = 0
        with self.reading(account):
            while messages := await self.first(account, 1000):
                count += await self.remove_now(account, messages)
        return count

    async def expire(self, before: float) -> None:
        """Delete what came before that time, in seconds since the epoch. :raises StorageUnavailable: as it says."""
        old = store.MESSAGES.c.stored_at < before
        accounts = await self._host.db.read(lambda c: store.usage(c, store.of_host(self._host.jid), old))
        for account in accounts:
            with self.reading(account):
                while messages := await self.first(account, 1000, None, old):
                    await self.remove_now(account, messages)


def _first(
    account: Jid,
    limit: int,
    after: StoredMessage | None,
    which: Sequence[ColumnElement[bool]],
    connection: Connection,
) -> list[StoredMessage]:
    return store.first(connection, account, limit, after, *which)
