"""Pages of what matches a query: from numbers to rows, whoever's archive it is (XEP-0313 section 4, XEP-0059).

A page is found by the ids around it, in the index, so every page costs the same. Counting everything that matches is
done once for many pages: :class:`xmppd.plugins.archive.walks.Walk` says when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select

from xmppd.api import Jid
from xmppd.plugins.archive.search import expression, matching
from xmppd.plugins.archive.store import MESSAGES, brief

__all__ = ["Found", "NoSuchMessage", "Selection", "Wanted", "find"]

_m = MESSAGES.c
_HIGHEST = (1 << 63) - 1


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
    """

    owner: int
    low: int = -_HIGHEST
    high: int = _HIGHEST
    with_: Jid | None = None
    ids: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None


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
    after: int = -_HIGHEST
    before: int = _HIGHEST
    index: int | None = None
    known: tuple[int, ...] = ()
    count: bool = True
    until: int = _HIGHEST


class Found(NamedTuple):
    """A page.

    :ivar messages: ids and stanzas, oldest first.
    :ivar complete: is there nothing beyond it, in the direction asked for?
    :ivar total: how many messages match; None if it was not asked for.
    """

    messages: Sequence[tuple[int, bytes]]
    complete: bool
    total: int | None


class _Shape(NamedTuple):
    """What makes one statement another one."""

    dialect: str
    with_: str
    ids: bool
    words: bool


def _shape(connection: Connection, selection: Selection) -> _Shape:
    with_ = "" if selection.with_ is None else "full" if selection.with_.resource else "bare"
    return _Shape(connection.dialect.name, with_, selection.ids is not None, selection.words is not None)


@lru_cache(maxsize=128)
def _conditions(shape: _Shape) -> tuple[ColumnElement[bool], ...]:
    found: list[ColumnElement[bool]] = [
        _m.owner == bindparam("owner"), _m.id > bindparam("low"), _m.id < bindparam("high")
    ]  # fmt: skip
    if shape.with_:
        # The number is in the index; the text makes sure that it stands for this address.
        found.append(_m.peer == bindparam("peer"))
        exact = _m.address == bindparam("address")
        resource = func.substr(_m.address, 1, bindparam("length")) == bindparam("prefix")
        found.append(exact if shape.with_ == "full" else or_(exact, resource))
    if shape.ids:
        found.append(_m.id.in_(bindparam("ids", expanding=True)))
    if shape.words:
        found.append(_m.position.in_(matching(shape.dialect)))
    return tuple(found)


@lru_cache(maxsize=128)
def _page(shape: _Shape, backwards: bool) -> Select[Any]:
    order = _m.id.desc() if backwards else _m.id
    return select(_m.id, _m.stanza).where(*_conditions(shape)).order_by(order).limit(bindparam("most"))


@lru_cache(maxsize=128)
def _count(shape: _Shape) -> Select[Any]:
    return select(func.count()).select_from(MESSAGES).where(*_conditions(shape))


@lru_cache(maxsize=128)
def _place(shape: _Shape) -> Select[Any]:
    return select(_m.id).where(*_conditions(shape)).order_by(_m.id).limit(1).offset(bindparam("place"))


_KNOWN = select(func.count(_m.id.distinct())).where(
    _m.owner == bindparam("owner"), _m.id.in_(bindparam("ids", expanding=True))
)


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
    return values


def find(connection: Connection, selection: Selection, wanted: Wanted) -> Found:
    """Return a page. :raises NoSuchMessage: one of the ids in the query is not in the archive."""
    shape, values = _shape(connection, selection), _values(connection, selection)
    known = set(wanted.known) | set(selection.ids or ())
    if known:
        there = connection.execute(_KNOWN, {"owner": selection.owner, "ids": list(known)}).scalar_one()
        if there != len(known):
            raise NoSuchMessage
    count = connection.execute(_count(shape), values).scalar_one() if wanted.count else None
    if not wanted.max:
        return Found((), count == 0, count)
    values["low"], values["high"] = max(selection.low, wanted.after), min(selection.high, wanted.before, wanted.until)
    if wanted.index is not None:
        first = connection.execute(_place(shape), values | {"place": wanted.index}).scalar()
        values["low"] = _HIGHEST if first is None else first - 1
    messages: list[tuple[int, bytes]] = []
    complete, octets = True, 0
    with connection.execute(_page(shape, wanted.backwards), values | {"most": wanted.max + 1}) as rows:
        for id_, stanza in rows:
            octets += len(stanza)
            if len(messages) == wanted.max or (messages and octets > wanted.octets):
                complete = False
                break
            messages.append((id_, bytes(stanza)))
    if wanted.backwards:
        messages.reverse()
    return Found(messages, complete, count)
