"""Pages of what matches a query: from numbers to rows, whoever's archive it is (XEP-0313 section 4, XEP-0059).

A page is found by the ids around it, in the index, so every page costs the same. Counting everything that matches is
done once for many pages: :class:`xmppd.api.archives.walks.Walk` says when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select

from xmppd.api.archives.search import Search, expression
from xmppd.api.archives.tables import HIGHEST_ID, ArchiveTables, brief
from xmppd.wire.jid import Jid

__all__ = ["Found", "NoSuchMessage", "Pages", "Selection", "Wanted"]


class NoSuchMessage(LookupError):
    """An id is not that of a message in the archive."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What matches.

    :ivar owner: whose archive, by its number.
    :ivar low: ids are greater than that.
    :ivar high: ids are less than that.
    :ivar with_: the other side; a bare address stands for all of its resources.
    :ivar ids: only these; None: all.
    :ivar words: those that must occur; None: it doesn't matter.
    :ivar equal: columns, and the values they must have.
    """

    owner: int
    low: int = -HIGHEST_ID
    high: int = HIGHEST_ID
    with_: Jid | None = None
    ids: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None
    equal: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of what matches.

    :ivar max: how many messages at most.
    :ivar octets: how large they may be together; one is given whatever it has.
    :ivar backwards: take the last ones, not the first ones.
    :ivar after: ids on the page are greater than that.
    :ivar before: ids on the page are less than that.
    :ivar index: the page begins with the message at this place, from 0.
    :ivar known: ids that must be in the archive.
    :ivar count: is it to be counted how many messages match?
    :ivar until: ids on the page are less than that: of later ones some may not be stored yet, and who went on behind
        them would never see those.
    """

    max: int
    octets: int
    backwards: bool = False
    after: int = -HIGHEST_ID
    before: int = HIGHEST_ID
    index: int | None = None
    known: tuple[int, ...] = ()
    count: bool = True
    until: int = HIGHEST_ID


class Found(NamedTuple):
    """A page.

    :ivar messages: ids, stanzas, and what else is to be known of each, oldest first.
    :ivar complete: is there nothing beyond it, in the direction asked for?
    :ivar total: how many messages match; None if it was not asked for.
    """

    messages: Sequence[tuple[Any, ...]]
    complete: bool
    total: int | None


class _Shape(NamedTuple):
    """What makes one statement another one."""

    dialect: str
    with_: str
    ids: bool
    words: bool
    equal: tuple[str, ...]


def _shape(connection: Connection, selection: Selection) -> _Shape:
    with_ = "" if selection.with_ is None else "full" if selection.with_.resource else "bare"
    return _Shape(
        connection.dialect.name, with_, selection.ids is not None, selection.words is not None,
        tuple(column for column, _ in selection.equal),
    )  # fmt: skip


def _values(connection: Connection, selection: Selection) -> dict[str, Any]:
    values: dict[str, Any] = {"owner": selection.owner, "low": selection.low, "high": selection.high}
    if selection.with_ is not None:
        prefix = f"{selection.with_.bare}/"
        values |= {"peer": brief(selection.with_.bare), "address": str(selection.with_)}
        if not selection.with_.resource:
            values |= {"prefix": prefix, "length": len(prefix)}
    if selection.ids is not None:
        values["ids"] = list(selection.ids)
    if selection.words is not None:
        values["words"] = expression(connection.dialect.name, selection.owner, selection.words)
    return values | {f"equal_{column}": value for column, value in selection.equal}


class Pages:
    """Statements for some tables, made when they are needed first.

    :param more: columns that are to be known of each message besides its stanza.
    """

    def __init__(self, tables: ArchiveTables, search: Search, more: Sequence[str] = ()) -> None:
        self._shown = (tables.messages.c.id, tables.messages.c.stanza, *(tables.messages.c[name] for name in more))
        self._messages = tables.messages
        self._m = tables.messages.c
        self._search = search
        self._conditions = lru_cache(maxsize=128)(self._make_conditions)
        self._page = lru_cache(maxsize=128)(self._make_page)
        self._count = lru_cache(maxsize=128)(self._make_count)
        self._place = lru_cache(maxsize=128)(self._make_place)
        self._known = select(func.count(self._m.id.distinct())).where(
            self._m.owner == bindparam("owner"), self._m.id.in_(bindparam("ids", expanding=True))
        )

    def _make_conditions(self, shape: _Shape) -> tuple[ColumnElement[bool], ...]:
        m = self._m
        found: list[ColumnElement[bool]] = [
            m.owner == bindparam("owner"), m.id > bindparam("low"), m.id < bindparam("high")
        ]  # fmt: skip
        if shape.with_:
            # The number is in the index; the text makes sure that it stands for this address.
            found.append(m.peer == bindparam("peer"))
            exact = m.address == bindparam("address")
            resource = func.substr(m.address, 1, bindparam("length")) == bindparam("prefix")
            found.append(exact if shape.with_ == "full" else or_(exact, resource))
        if shape.ids:
            found.append(m.id.in_(bindparam("ids", expanding=True)))
        if shape.words:
            found.append(m.position.in_(self._search.matching(shape.dialect)))
        found += [m[column] == bindparam(f"equal_{column}") for column in shape.equal]
        return tuple(found)

    def _make_page(self, shape: _Shape, backwards: bool) -> Select[Any]:
        order = self._m.id.desc() if backwards else self._m.id
        return select(*self._shown).where(*self._conditions(shape)).order_by(order).limit(bindparam("most"))

    def _make_count(self, shape: _Shape) -> Select[Any]:
        return select(func.count()).select_from(self._messages).where(*self._conditions(shape))

    def _make_place(self, shape: _Shape) -> Select[Any]:
        m, conditions = self._m, self._conditions(shape)
        return select(m.id).where(*conditions).order_by(m.id).limit(1).offset(bindparam("place"))

    def find(self, connection: Connection, selection: Selection, wanted: Wanted) -> Found:
        """Return a page. :raises NoSuchMessage: one of the ids in the query is not in the archive."""
        shape, values = _shape(connection, selection), _values(connection, selection)
        known = set(wanted.known) | set(selection.ids or ())
        if known:
            there = connection.execute(self._known, {"owner": selection.owner, "ids": list(known)}).scalar_one()
            if there != len(known):
                raise NoSuchMessage
        count = connection.execute(self._count(shape), values).scalar_one() if wanted.count else None
        if not wanted.max:
            return Found((), count == 0, count)
        values["low"] = max(selection.low, wanted.after)
        values["high"] = min(selection.high, wanted.before, wanted.until)
        if wanted.index is not None:
            first = connection.execute(self._place(shape), values | {"place": wanted.index}).scalar()
            values["low"] = HIGHEST_ID if first is None else first - 1
        messages: list[tuple[Any, ...]] = []
        complete, octets = True, 0
        with connection.execute(self._page(shape, wanted.backwards), values | {"most": wanted.max + 1}) as rows:
            for id_, stanza, *more in rows:
                octets += len(stanza)
                if len(messages) == wanted.max or (messages and octets > wanted.octets):
                    complete = False
                    break
                messages.append((id_, bytes(stanza), *more))
        if wanted.backwards:
            messages.reverse()
        return Found(messages, complete, count)
