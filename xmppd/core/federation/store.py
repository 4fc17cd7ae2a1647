"""Messages for other servers, on disk until they are delivered there: what we have taken is not lost with us.

A message is stored together with all else its handling leaves behind, before its sender is told that we have it. One
that a stream takes at once, and of which nobody is told, is not. It is forgotten when a stream has taken it, or
with stream management when the other server has acknowledged it. What is found when the server starts is sent again; so
a message can arrive twice, if the server was killed in the second after it was delivered, but it is not lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, Text, delete, select
from twisted.logger import Logger

from xmppd.core.durable.units import Batch, Unit
from xmppd.core.federation.contract import Pair
from xmppd.wire import ns, stream
from xmppd.wire.framing import Framer
from xmppd.wire.stanza import Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall
    from xmppd.api.storage import IDatabase
    from xmppd.core.durable.ledger import Ledger

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "Store"]

_log = Logger()
OWNER = "federation"
_METADATA = MetaData()
MESSAGES = Table(
    "s2s_messages",
    _METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("local", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
TABLES = (MESSAGES,)
MIGRATIONS = ()
#: Seconds after which what was delivered is forgotten, if nothing else is written meanwhile.
_SOON = 1.0
#: How many are named in one statement.
_AT_ONCE = 500


class Store:
    """The messages under way."""

    def __init__(self, db: IDatabase, ledger: Ledger, clock: IClock) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._numbers: dict[Stanza, int] = {}  # by identity
        self._next = int(clock.seconds() * 1_000_000)
        self._delivered: list[int] = []
        self._due: IDelayedCall | None = None
        self._stopped = False

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._numbers)

    def keep(self, stanza: Stanza, pair: Pair) -> Unit | Batch:
        """Store a message; return what it is stored with.

        :raises StorageUnavailable: enough waits to be stored.
        """
        where = self._ledger.unit_of(stanza)
        if stanza in self._numbers:
            return where
        self._next += 1
        self._numbers[stanza] = self._next
        row = {"number": self._next, "local": pair.local, "remote": pair.remote, "data": stanza.to_bytes()}
        where.store(MESSAGES, row)
        if self._delivered:
            self._forget(where)
        return where

    def forget(self, stanzas: Iterable[Stanza]) -> None:
        """These are dealt with: delivered, or given back."""
        pop, delivered = self._numbers.pop, self._delivered
        for stanza in stanzas:
            number = pop(stanza, None)
            if number is not None:
                delivered.append(number)
        if self._stopped:
            self._forget_now()
        elif delivered and self._due is None:
            self._due = self._clock.callLater(_SOON, self._forget_now)

    def forget_with(self, stanza: Stanza, unit: Unit) -> None:
        """This is dealt with when that unit of work is: both are on disk, or neither."""
        number = self._numbers.pop(stanza, None)
        if number is not None:
            unit.call(lambda connection: _delete(connection, (number,)))

    def _forget_now(self) -> None:
        self._due = None
        if self._delivered:
            self._forget(self._ledger.gathering())

    def _forget(self, where: Unit | Batch) -> None:
        numbers, self._delivered = self._delivered, []
        where.call(lambda connection: _delete(connection, numbers))

    def stop(self) -> None:
        """Have all written that is known now, and from now on without delay."""
        self._stopped = True
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._forget_now()

    async def found(self) -> list[tuple[Pair, Stanza]]:
        """Return the messages that were under way when the server stopped, the oldest first.

        To be called before anything is kept.
        """
        rows = await self._db.read(
            lambda connection: connection.execute(select(MESSAGES).order_by(MESSAGES.c.number)).all()
        )
        found: list[tuple[Pair, Stanza]] = []
        for number, local, remote, data in rows:
            stanza = _parse(bytes(data))
            if stanza is None:
                _log.error("a message to {remote} can't be read; it is dropped", remote=remote)
                self._delivered.append(number)
                continue
            self._numbers[stanza] = number
            self._next = max(self._next, number)
            found.append((Pair(local, remote), stanza))
        return found


def _delete(connection: Connection, numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), _AT_ONCE):
        chosen = numbers[start : start + _AT_ONCE]
        connection.execute(delete(MESSAGES).where(MESSAGES.c.number.in_(chosen)))


def _parse(data: bytes) -> Stanza | None:
    framer = Framer()
    framer.feed(stream.header(None, "", content=ns.CLIENT))
    frames = framer.feed(data)
    return frames[0] if frames and isinstance(frames[0], Stanza) else None
