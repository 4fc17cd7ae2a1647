"""Incoming messages that come in parts, in any order: kept in the database until they are complete, or long enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from xmppd.api.gateway import Gateway
from xmppd.api.gateway.tables import execute
from xmppd.plugins.sms.tables import PARTS
from xmppd.plugins.sms.text import Alphabet, Header, joined

__all__ = ["Collected", "Parts", "TooMany"]

_MISSING = "[…]"


class TooMany(Exception):
    """Too many messages wait for parts already."""


@dataclass(frozen=True)
class Collected:
    """What there is of a message.

    :ivar set: which message, as columns of the table.
    :ivar parts: (number, data_coding, octets) of each, in order.
    :ivar since: when the first part came, in seconds since the epoch.
    """

    set: Mapping[str, Any]
    parts: Sequence[tuple[int, int, bytes]]
    since: float

    @property
    def complete(self) -> bool:
        """Are all parts there?"""
        return len(self.parts) == self.set["total"]

    @property
    def key(self) -> str:
        """A name for the message."""
        return f"{self.set['source']} {self.set['reference']}/{self.set['total']} {self.since:.6f}"

    def text(self, alphabet: Alphabet) -> str:
        """The text, with a sign where parts are missing."""
        found: list[str] = []
        run: list[tuple[int, bytes]] = []
        expected = 1
        for number, coding, data in self.parts:
            if number != expected:
                found += [joined(run, alphabet), _MISSING]
                run = []
            run.append((coding, data))
            expected = number + 1
        found.append(joined(run, alphabet))
        if expected != self.set["total"] + 1:
            found.append(_MISSING)
        return "".join(found)


class Parts:
    """The parts that one gateway has got."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = str(gateway.jid)
        self._done: dict[tuple[Any, ...], float] = {}

    async def add(self, source: str, destination: str, header: Header, coding: int, data: bytes) -> Collected | None:
        """Keep a part; return what there is of its message, or None if it was complete before.

        :raises TooMany: it is the first part of one more message than may wait.
        """
        now = self._gateway.clock.seconds()
        which = {"gateway": self._jid, "source": source, "destination": destination, "reference": header.reference,
                 "total": header.total}  # fmt: skip
        if self._done.get(_name(which), 0.0) > now - self._gateway.options.part_seconds:
            return None
        most = self._gateway.options.incomplete_messages

        def write(connection: Connection) -> Collected:
            there = _collected(connection, which)
            if there is None and _count(connection, self._jid) >= most:
                raise TooMany
            if there is None or header.number not in [number for number, _, _ in there.parts]:
                row = {**which, "number": header.number, "coding": coding, "data": data, "at": now}
                connection.execute(insert(PARTS).values(row))
            found = _collected(connection, which)
            assert found is not None
            return found

        return await self._gateway.db.write(write)

    async def done(self, message: Collected) -> None:
        """A message was delivered: forget its parts."""
        self._done[_name(message.set)] = self._gateway.clock.seconds()
        query = delete(PARTS).filter_by(**message.set)
        await execute(self._gateway.db, query)

    async def overdue(self) -> list[Collected]:
        """Messages that wait for parts too long; and complete ones that were left behind when the server was killed."""
        before = self._gateway.clock.seconds() - self._gateway.options.part_seconds
        self._done = {name: at for name, at in self._done.items() if at > before}
        c = PARTS.c
        columns = (c.gateway, c.source, c.destination, c.reference, c.total)

        def read(connection: Connection) -> list[Collected]:
            query = select(*columns).where(c.gateway == self._jid).group_by(*columns)
            query = query.having((func.min(c.at) < before) | (func.count() >= c.total))
            rows = [dict(row) for row in connection.execute(query).mappings()]
            return [found for row in rows if (found := _collected(connection, row)) is not None]

        return await self._gateway.db.read(read)


def _name(which: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(which[name] for name in ("source", "destination", "reference", "total"))


def _collected(connection: Connection, which: Mapping[str, Any]) -> Collected | None:
    c = PARTS.c
    query = select(c.number, c.coding, c.data, c.at).filter_by(**which).order_by(c.number)
    rows = list(connection.execute(query))
    if not rows:
        return None
    return Collected(which, [(row.number, row.coding, row.data) for row in rows], min(row.at for row in rows))


def _count(connection: Connection, gateway: str) -> int:
    c = PARTS.c
    sets = select(c.source, c.destination, c.reference, c.total).where(c.gateway == gateway).distinct().subquery()
    return connection.scalar(select(func.count()).select_from(sets)) or 0
