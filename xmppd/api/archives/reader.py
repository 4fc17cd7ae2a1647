"""Reading archives: a query as it was asked, to messages as they are shown. It does not matter whose archive it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from xmppd.api.archives.ids import ArchiveIds
from xmppd.api.archives.pages import Found, NoSuchMessage, Pages, Selection, Wanted
from xmppd.api.archives.search import Search, words_of
from xmppd.api.archives.tables import HIGHEST_ID
from xmppd.api.archives.turns import Turns
from xmppd.api.archives.walks import Walk
from xmppd.api.storage import IDatabase
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.mam import Archived, Query
from xmppd.wire.rsm import PageRequest, page_set

__all__ = ["EVERYTHING", "Answer", "Limits", "Reader", "View"]

_INDEXED_AT_ONCE = 200


class Limits(NamedTuple):
    """How much is given at once: messages if nothing is said, messages at most, octets; and words to search for."""

    page: int
    max_page: int
    octets: int
    words: int


class Answer(NamedTuple):
    """What a query has found.

    :ivar messages: in the order in which they are to be sent.
    :ivar page: the ``<set/>`` that describes them.
    :ivar complete: is nothing left beyond them?
    :ivar walk: to be given to the next query of the same client.
    :ivar fetched: the ids, from and to, between which it was given everything; None after a search.
    """

    messages: Sequence[Archived]
    page: bytes
    complete: bool
    walk: Walk
    fetched: tuple[int, int] | None


class View(NamedTuple):
    """What of an archive whoever asks gets to see.

    :ivar narrow: leaves of a selection what is "with" an address (section 4.1.1).
    :ivar show: turns the stanza of a message, and what else is known of it, into the stanza that is shown.
    """

    narrow: Callable[[Selection, Jid], Selection]
    show: Callable[..., bytes]


#: All of it, as it is.
EVERYTHING = View(lambda selection, with_: replace(selection, with_=with_), lambda stanza: stanza)


class Reader:
    """Answers queries. What needs the database fails with StorageUnavailable.

    :param limits: those in force.
    """

    def __init__(
        self, db: IDatabase, ids: ArchiveIds, pages: Pages, search: Search, limits: Callable[[], Limits]
    ) -> None:
        self._db = db
        self._ids = ids
        self._pages = pages
        self._search = search
        self._limits = limits
        self._indexing = Turns()

    async def answer(
        self, owner: int, query: Query, walk: Walk | None, until: float, view: View = EVERYTHING
    ) -> Answer:
        """Find what a query asks for.

        :param owner: whose archive, by its number.
        :param walk: what the client's last query left behind.
        :param until: seconds since the epoch: later messages are not shown yet.
        :param view: what of it whoever asks gets to see.
        :raises StanzaError: item-not-found for ids that aren't in the archive; not-acceptable for too many words.
        """
        selection = self._selection(owner, query, view)
        if walk is not None and walk.query != selection:
            walk = None
        wanted = self._wanted(query, walk)
        if until < math.inf:
            wanted = replace(wanted, until=int(until * 1e6))
        if selection.words:
            await self._catch_up(owner)
        try:
            found = await self._db.read(lambda c: self._pages.find(c, selection, wanted))
        except NoSuchMessage:
            raise _not_found() from None
        return self._answer(query, selection, wanted, found, walk, view)

    def _selection(self, owner: int, query: Query, view: View) -> Selection:
        low, high = -HIGHEST_ID, HIGHEST_ID
        if query.start is not None:
            low = max(low, round(query.start * 1e6) - 1)
        if query.after_id is not None:
            low = max(low, self._number(query.after_id))
        if query.end is not None:
            high = min(high, round(query.end * 1e6) + 1)
        if query.before_id is not None:
            high = min(high, self._number(query.before_id))
        ids = tuple(self._number(text) for text in query.ids) if query.ids else None
        words = self._words(query.search) if query.search else None
        if words is not None and not words:
            ids = ()  # what holds no word is found nowhere
        selection = Selection(owner, low, high, None, ids, words or None)
        return selection if query.with_ is None else view.narrow(selection, query.with_)

    def _words(self, text: str) -> tuple[str, ...]:
        words = tuple(words_of(text))
        most = self._limits().words
        if len(words) > most:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"at most {most} words can be searched for")
        return words

    def _wanted(self, query: Query, walk: Walk | None) -> Wanted:
        limits, page = self._limits(), query.page
        known = {text: self._number(text) for text in _named(query)}
        place = {}
        if page.before:
            place["before"] = known[page.before]
        if page.after:
            place["after"] = known[page.after]
        return Wanted(
            min(limits.page if page.max is None else page.max, limits.max_page),
            limits.octets,
            page.backwards,
            index=page.index,
            known=tuple(known.values()),
            count=walk is None or not place,
            **place,
        )

    def _number(self, text: str) -> int:
        number = self._ids.number(text)
        if number is None:
            raise _not_found()
        return number

    async def _catch_up(self, owner: int) -> None:
        """Index what has come since the archive was last searched, once however many search."""
        search = self._search
        async with self._indexing.of(owner):
            backlog = await self._db.read(lambda c: search.backlog(c, owner))
            while backlog is not None:
                left = backlog
                backlog = await self._db.write(lambda c: search.index(c, owner, left, _INDEXED_AT_ONCE))  # noqa: B023

    def _answer(
        self, query: Query, selection: Selection, wanted: Wanted, found: Found, walk: Walk | None, view: View
    ) -> Answer:
        messages = [Archived(self._ids.text(id_), id_ / 1e6, view.show(*shown)) for id_, *shown in found.messages]
        count = found.total if found.total is not None else walk.count if walk is not None else 0
        if not messages:
            return Answer((), page_set(None, None, None, count), found.complete, Walk(selection, count), None)
        index = _index(query.page, wanted, found, walk)
        if found.complete and index is not None and not wanted.backwards:
            count = index + len(messages)  # it may have grown since it was counted
        first, last = found.messages[0][0], found.messages[-1][0]
        return Answer(
            messages[::-1] if query.flipped else messages,
            page_set(messages[0].id, messages[-1].id, index, count),
            found.complete,
            Walk(selection, count, first, last, index, len(messages)),
            _fetched(selection, wanted, first, last),
        )


def _named(query: Query) -> list[str]:
    """Return the ids in a query that have to be in the archive, but for those that are asked for themselves."""
    return [text for text in (query.after_id, query.before_id, query.page.before, query.page.after) if text]


def _index(page: PageRequest, wanted: Wanted, found: Found, walk: Walk | None) -> int | None:
    """Return the place of the page in the whole; None if it would have to be counted, or is better left out."""
    size = len(found.messages)
    if page.index is not None:
        return page.index
    if wanted.backwards and found.complete:
        return 0
    if page.before or page.after:
        before, after = wanted.before if page.before else None, wanted.after if page.after else None
        return None if walk is None else walk.place(before, after, size)
    # Of a page at the end it is known as well. But slixmpp takes whatever page ends the whole for the last one to be
    # asked for, also if it goes backwards, and stops there.
    return None if wanted.backwards else 0


def _fetched(selection: Selection, wanted: Wanted, first: int, last: int) -> tuple[int, int] | None:
    """Return between which ids nothing was left out: those of the page, and of the message it was to go on from."""
    if selection.with_ is not None or selection.ids is not None or selection.words is not None or selection.equal:
        return None
    if wanted.backwards:
        high = min(selection.high, wanted.before)
        return first, high if high in wanted.known else last
    low = max(selection.low, wanted.after)
    return low if low in wanted.known and wanted.index is None else first, last


def _not_found() -> StanzaError:
    return StanzaError(Condition.ITEM_NOT_FOUND)
