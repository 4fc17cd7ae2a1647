"""Units of work, and the batches they are committed in; see :mod:`.ledger`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred

from xmppd.core.durable import journal

if TYPE_CHECKING:
    from xmppd.core.durable.ledger import Ledger
    from xmppd.core.durable.turn import Recipient
    from xmppd.wire.jid import Jid
    from xmppd.wire.stanza import Stanza

__all__ = ["Batch", "Recorder", "Spread", "Unit", "Waiter", "close_after"]

#: Octets that a row is taken for, without the stanza in it.
_ROW = 200
#: Stands for a table among what a unit has to write: what follows waits for it.
_WAITS = object()


class Waiter(Protocol):
    """Who is told that a batch is on disk, once a batch."""

    def committed(self, batch: Batch) -> None: ...


class Recorder(Protocol):
    """A session, as far as it is written down.

    :ivar since: the position of its first entry that its record doesn't cover; 0 if there is none.
    """

    number: int
    since: int

    def record(self) -> bytes: ...
    def count(self, batch: Batch) -> bytes: ...


class Batch:
    """What is committed together. It can stand for a :class:`Unit` that is closed.

    :ivar number: increases; it is the position in the journal as well.
    :ivar at: when it was begun, in seconds since the epoch.
    :ivar committed: is it on disk?
    :ivar suspect: has the database refused something in it? Then that is looked for.
    """

    __slots__ = (
        "at", "calls", "committed", "common", "counting", "entries", "number", "octets", "rows", "settled",
        "snapshots", "spreads", "suspect", "tries", "trim", "units", "waiters",
    )  # fmt: skip
    again = False
    open = False

    def __init__(self, number: int) -> None:
        self.number = number
        self.at = 0.0
        self.rows: dict[Table, list[Mapping[str, Any]]] = {}
        self.calls: list[Callable[[Connection], object]] = []
        self.entries: list[bytes] = []
        self.common: dict[bytes, int] = {}  # tails of stanzas that are among the entries already
        self.counting: list[Recorder] = []  # who counts stanzas that belong to the batch
        self.snapshots: dict[int, bytes | None] = {}  # records of sessions by number; None takes one away
        self.trim = 0  # entries before this position are not needed any more
        self.waiters: dict[Waiter, None] = {}
        self.settled: list[Deferred[None]] = []  # fire when it is on disk, after the waiters
        self.octets = 0
        self.units = 0
        self.spreads = 0
        self.tries = 0
        self.committed = False
        self.suspect = False

    @property
    def batch(self) -> Batch:
        """Itself."""
        return self

    def call(self, fn: Callable[[Connection], object]) -> None:
        """Run a function in the transaction, behind the rows."""
        self.calls.append(fn)

    def let_go(self) -> None:
        """It is on disk: hold what was written no longer. Stanzas hold the batch, for as long as somebody has them."""
        for held in (self.rows, self.calls, self.entries, self.common, self.counting, self.snapshots, self.waiters):
            held.clear()

    def store(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row."""
        self.octets += _ROW
        rows = self.rows.get(table)
        if rows is None:
            self.rows[table] = [row]
        else:
            rows.append(row)

    def enter_sent(self, number: int, data: bytes, tail: bytes | None, spread: int) -> None:
        """Enter a stanza that a session is sent: of what it shares with others, only that it does.

        :param tail: its end, if it may be shared.
        """
        if tail is None:
            self.entries += (journal.sent(number, len(data), self.at, spread), data)
            self.octets += len(data)
            return
        which = self.common.get(tail)
        if which is None:
            which = self.common[tail] = len(self.common)
            self.entries.append(journal.common(which, tail))
            self.octets += len(tail)
        head = data[: -len(tail)]
        self.entries += (journal.copy(number, len(head), self.at, spread, which), head)
        self.octets += len(head)


class Spread:
    """Ties together the copies of one message for several devices of an account.

    :ivar number: the same for all.
    :ivar holders: the devices that have a copy they haven't acknowledged; not kept up any more once one is taken.
    :ivar taken: has a device acknowledged its copy, or does it acknowledge nothing?
    """

    __slots__ = ("holders", "number", "taken")

    def __init__(self, number: int, taken: bool = False) -> None:
        self.number = number
        self.holders: list[Recorder] = []
        self.taken = taken

    def take(self, taker: Recorder, ledger: Ledger) -> None:
        """A device has acknowledged its copy.

        What is recorded of the others says something else. So they are recorded once more before the journal begins
        behind the acknowledgement, which it is told by as long.
        """
        if self.taken:
            return
        self.taken = True
        for holder in self.holders:
            if holder is not taker and not holder.since:
                ledger.touch(holder, ledger.gathering())
        self.holders.clear()

    def leave(self, holder: Recorder) -> bool:
        """A device will not acknowledge its copy any more; true if no other has it, nor may still get it."""
        if self.taken:
            return False
        self.holders.remove(holder)
        return not self.holders


class Unit:
    """What the handling of one stanza leaves behind: it goes into a batch when the handling is over, whole.

    :ivar open: is the stanza still being handled?
    :ivar octets: what each row of it is taken for.
    :ivar batch: the batch it went into; None while it is open, or if there was nothing to write.
    :ivar again: see :attr:`xmppd.wire.stanza.Stanza.again`.
    """

    __slots__ = ("_outputs", "_writes", "again", "batch", "octets", "open")

    def __init__(self, again: bool = False, octets: int = 0) -> None:
        self.open = True
        self.octets = octets
        self.batch: Batch | None = None
        self.again = again
        self._writes: list[tuple[Any, Any]] | None = None  # tables and rows
        self._outputs: list[tuple[Recipient, Stanza]] | None = None

    def store(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row."""
        if self._writes is None:
            self._writes = []
        self._writes.append((table, row))

    def call(self, fn: Callable[[Connection], object]) -> None:
        """Run a function in the transaction, behind the rows."""
        if self._writes is None:
            self._writes = []
        self._writes.append((None, fn))

    def wait(self, waiter: Waiter) -> None:
        """Tell somebody when everything is on disk."""
        if self._writes is None:
            self._writes = []
        self._writes.append((_WAITS, waiter))

    def send(self, recipient: Recipient, stanza: Stanza) -> None:
        """Send a stanza to a device, a component or another server when the unit is closed."""
        if self._outputs is None:
            self._outputs = []
        self._outputs.append((recipient, stanza))

    def close(self, ledger: Ledger) -> None:
        """The handling is over: what it has left behind is gathered, and what it has to send is sent after that."""
        self.open = False
        writes, outputs = self._writes, self._outputs
        self._writes = self._outputs = None
        if writes is not None:
            batch = self.batch = ledger.gathering()
            batch.units += 1
            batch.octets += self.octets * len(writes)
            for table, what in writes:
                if table is None:
                    batch.calls.append(what)
                elif table is _WAITS:
                    batch.waiters[what] = None
                else:
                    batch.store(table, what)
        if outputs is not None:
            spreads: dict[Jid | None, Spread] = _spreads(outputs, ledger) if len(outputs) > 1 else {}
            if not spreads:
                for recipient, stanza in outputs:
                    recipient.emit(stanza, self.batch)
                return
            for recipient, stanza in outputs:
                spread = spreads.get(recipient.account) if stanza.kind == "message" else None
                recipient.emit(stanza, self.batch, spread)


def close_after(unit: Unit, pending: Awaitable[None] | None, ledger: Ledger) -> Awaitable[None] | None:
    """Close a unit as soon as what is still done for it, if anything, is done; return what to wait for."""
    if pending is not None:
        return _close_after(unit, pending, ledger)
    unit.close(ledger)
    return None


async def _close_after(unit: Unit, pending: Awaitable[None], ledger: Ledger) -> None:
    try:
        await pending
    finally:
        unit.close(ledger)


def _spreads(outputs: list[tuple[Recipient, Stanza]], ledger: Ledger) -> dict[Jid | None, Spread]:
    """Find accounts several devices of which get a message: one at least itself, others maybe a copy (XEP-0280)."""
    accounts = [recipient.account for recipient, stanza in outputs if stanza.kind == "message"]
    if len(set(accounts)) == len(accounts):
        return {}  # none gets two, not even in a room that many are in
    reached: dict[Jid, set[Any]] = {}  # the sessions of each
    itself: set[Jid] = set()
    for recipient, stanza in outputs:
        account = recipient.account
        if account is not None and stanza.kind == "message":
            reached.setdefault(account, set()).add(recipient)
            if stanza.from_ != account:
                itself.add(account)
    spreads: dict[Jid | None, Spread] = {account: ledger.spread() for account in itself if len(reached[account]) > 1}
    for account in itself:
        if account in spreads:
            # One that acknowledges nothing has it, for all we will ever hear: to be written down with the others'.
            spreads[account].taken = any(s.managed is None and not s.ended for s in reached[account])
    return spreads
