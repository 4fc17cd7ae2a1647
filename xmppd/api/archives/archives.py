"""The archives of the users, or of the rooms, of one host: everything that does not depend on whose they are."""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api.archives.ids import KEY_OCTETS, ArchiveIds
from xmppd.api.archives.keeper import Keeper
from xmppd.api.archives.owners import Owners
from xmppd.api.archives.pages import Pages, Selection, Wanted
from xmppd.api.archives.reader import EVERYTHING, Answer, Limits, Reader, View
from xmppd.api.archives.retention import Retention
from xmppd.api.archives.search import Search
from xmppd.api.archives.store import Store
from xmppd.api.archives.tables import ArchiveTables, row_of
from xmppd.api.archives.walks import Walk
from xmppd.api.interfaces import IHost
from xmppd.wire import mam
from xmppd.wire.jid import Jid
from xmppd.wire.mam import Query
from xmppd.wire.stanza import Message

__all__ = ["Archives"]

_DAY = 86_400.0
_SETTLED = 600.0  # seconds after which a message is on disk, or will never be
_HANDLING = 1.0  # seconds at most between the id of a message and the batch that it is written with
_BURST = 25  # results that are sent before others get their turn


class Archives:
    """Archives of owners, by their bare addresses, and whatever answers queries and looks after them.

    :param domain: of the owners' addresses.
    :param tables: what they are kept in.
    :param limits: those in force.
    :param there: is an owner there, so that it is kept in memory?
    :param more: columns that a view is told besides the stanza of a message.
    """

    def __init__(
        self,
        host: IHost,
        domain: Jid,
        tables: ArchiveTables,
        limits: Callable[[], Limits],
        there: Callable[[Jid], bool],
        more: Sequence[str] = (),
    ) -> None:
        self._host = host
        self._db = host.db
        self._domain = domain
        self._messages = tables.messages
        self._limits = limits
        self._seconds = host.clock.seconds
        self._last_id = 0
        self._newest: dict[Jid, int] = {}  # by owner: the id of the message that others must not miss
        self._crowded: set[Jid] = set()  # whose archives may have grown too long
        self.store = Store(tables)
        self.search = Search(tables)
        self.owners = Owners(host.db, self.store, there)
        self.keeper = Keeper(
            host.db, domain, self.owners, self.store, Retention(tables, self.search), self.turn
        )  # fmt: skip
        self._pages = Pages(tables, self.search, more)

    async def start(self) -> None:
        """Read what is needed before the first message. Fails with StorageUnavailable."""
        new = secrets.token_bytes(KEY_OCTETS)
        self.ids = ArchiveIds(await self._db.write(lambda c: self.store.host_key(c, self._domain, new)))
        self._last_id = await self._db.read(self.store.last_id)
        self._reader = Reader(self._db, self.ids, self._pages, self.search, self._limits)

    async def allow_search(self, allowed: bool) -> None:
        """Say whether there is a full text search; the table of words stays if there was one before."""
        await (self._db.write(self.search.create) if allowed else self._db.read(self.search.look))

    # In

    def next_id(self) -> int:
        """Return an id greater than all before: the time, which keeps the order across restarts.

        If the clock stands still or goes back, it is a counter.
        """
        now = int(self._seconds() * 1e6)
        self._last_id = id_ = now if now > self._last_id else self._last_id + 1
        return id_

    def put(
        self, owner: Jid, address: Jid, message: Message, more: Mapping[str, object] | None = None, urgent: bool = False
    ) -> int:
        """Archive a message, when all that its handling leaves behind is written; return its id.

        :param address: of the other side.
        :param more: values of further columns, or other ones than usual.
        :param urgent: must whoever asks next find it?
        """
        id_ = self.next_id()
        if urgent:
            self._newest[owner] = id_
        known = self.owners.known.get(owner)
        if known is None:
            self._put(owner, {**row_of(0, id_, address, message), **(more or {})}, message)
            return id_
        row = row_of(known.number, id_, address, message)
        if more is not None:
            row |= more
        self._host.store(message, self._messages, row)
        known.room -= 1
        if known.room < 0:
            self._crowded.add(owner)
        return id_

    def _put(self, owner: Jid, row: Mapping[str, object], message: Message) -> None:
        """Do so for an owner whose number is not known."""
        self._host.store_call(message, lambda c: self.store.add(c, owner, row))
        if self.owners.missing(owner):
            self._host.spawn(self.owners.look_up(owner), f"looking up the archive of {owner}")
        self._crowded.add(owner)

    def take_back(self, owner: Jid, message: Message, id: int) -> None:
        """Have a message not be in the archive, while it is handled."""
        self._host.store_call(message, lambda c: self.store.take_back(c, owner, id))

    # Out

    async def answer(self, owner: Jid, query: Query, walk: Walk | None, view: View = EVERYTHING) -> Answer:
        """Find what a query asks for; see :meth:`xmppd.api.archives.reader.Reader.answer`."""
        await self.written(owner)
        known = await self.owners.load(owner)
        until = self._host.stored_before()
        if self._last_id > (self._seconds() + 1.0) * 1e6:
            until = math.inf  # the clock was set back: ids are ahead of the time, which says nothing of them
        return await self._reader.answer(0 if known is None else known.number, query, walk, until, view)

    async def newest(
        self, owner: Jid, most: int, octets: int, equal: tuple[tuple[str, str | int], ...] = ()
    ) -> Sequence[tuple[Any, ...]]:
        """Return the last messages of an archive, oldest first: ids, stanzas, and the further columns.

        :param most: how many at most.
        :param octets: how large they may be together; one is given whatever it has.
        :param equal: columns, and the values they must have.
        """
        await self.written(owner)
        known = await self.owners.load(owner)
        if known is None:
            return ()
        selection, wanted = Selection(known.number, equal=equal), Wanted(most, octets, backwards=True, count=False)
        return (await self._db.read(lambda c: self._pages.find(c, selection, wanted))).messages

    async def written(self, owner: Jid) -> None:
        """Wait for what was urgent: whoever asks after that has to find it (RFC 6120 10.1)."""
        if self._newest.get(owner, 0) >= (self._host.stored_before() - _HANDLING) * 1e6:
            await self._host.stored()

    async def send(self, answer: Answer, query_id: str | None, send: Callable[[bytes], Awaitable[bool]]) -> bool:
        """Send the results of a query, some at a time.

        :param send: sends a ``<result/>``, the payload of a message (:data:`xmppd.wire.mam.RESULT`); false, if nobody
            is there any more.
        :returns: was all of it sent?
        """
        for number, message in enumerate(answer.messages):
            if number and number % _BURST == 0:
                await self.turn()
            if not await send(mam.result(message, query_id)):
                return False
        return True

    async def metadata(self, owner: Jid) -> bytes:
        """Return the ``<metadata/>`` of an archive (section 5)."""
        store = self.store
        ends = await self._db.read(lambda c: store.ends(c, store.find_owner(c, owner)))
        named = zip(("start", "end"), ends or (), strict=False)
        return mam.metadata((name, self.ids.text(id_), id_ / 1e6) for name, id_ in named)

    def turn(self) -> Deferred[None]:
        """Return what fires when others have had their turn."""
        turn: Deferred[None] = Deferred()
        self._host.clock.callLater(0, turn.callback, None)
        return turn

    # Housekeeping

    async def keep_house(self, max_days: float, most: Callable[[Jid], int | None]) -> None:
        """Delete what is too old, and what is too much in the archives that have grown.

        :param max_days: days that messages are kept; 0: for ever.
        :param most: says how many messages an owner may have; None: any number.
        """
        now = self._seconds()
        old = (min(now, self._host.stored_before()) - _SETTLED) * 1e6
        self._newest = {owner: id_ for owner, id_ in self._newest.items() if id_ >= old}
        if max_days:
            await self.keeper.expire(int((now - max_days * _DAY) * 1e6))
        crowded, self._crowded = self._crowded, set()
        for owner in crowded:
            spared = most(owner)
            if spared is not None:
                await self.keeper.make_room(owner, spared)

    def crowd(self, owner: Jid) -> None:
        """Look next time whether an archive has too much: it may have less than before."""
        self._crowded.add(owner)
