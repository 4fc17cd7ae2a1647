"""What the handling of stanzas leaves behind, committed a batch at a time (DESIGN D6).

Rows of plugins, entries of the session journal and the counters of stream management that belong together share a
transaction. Whatever depends on them leaves the server when it is committed. At most one batch is being written; the
next one gathers meanwhile, so the more there is to do, the less it costs each.

While the database can't be written the batch is tried again until it can: what waits for it was promised to nobody yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable import tables

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall
    from xmppd.api.storage import IDatabase
    from xmppd.core.sessions import Session
    from xmppd.wire.jid import Jid
    from xmppd.wire.stanza import Stanza

__all__ = ["Batch", "Ledger", "LedgerCounters", "Recorder", "Spread", "Unit", "Waiter"]

_log = Logger()
#: Seconds until a batch that could not be written is tried again: at first, and at most.
_AGAIN = 0.25
_AGAIN_AT_MOST = 5.0
#: Batches in the journal above which it is shortened, however short they are.
_ROWS = 20_000
#: Octets that a row is taken for.
_ROW = 1000
#: Sessions that are recorded at most with one batch.
_AT_ONCE = 500


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


class Batch:
    """What is committed together. It can stand for a :class:`Unit` that is closed.

    :ivar number: increases; it is the position in the journal as well.
    :ivar at: when it was begun, in seconds since the epoch.
    :ivar committed: is it on disk?
    :ivar suspect: has the database refused something in it? Then that is looked for.
    """

    __slots__ = (
        "at", "calls", "committed", "entries", "number", "octets", "rows", "snapshots", "spreads", "suspect", "tries",
        "trim", "units", "waiters",
    )  # fmt: skip
    again = False
    open = False

    def __init__(self, number: int) -> None:
        self.number = number
        self.at = 0.0
        self.rows: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}  # by table and columns
        self.calls: list[Callable[[Connection], object]] = []
        self.entries: list[bytes] = []
        self.snapshots: dict[int, bytes | None] = {}  # records of sessions by number; None takes one away
        self.trim = 0  # entries before this position are not needed any more
        self.waiters: dict[Waiter, None] = {}
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

    def store(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row."""
        self.octets += _ROW
        key = (table, *row)
        rows = self.rows.get(key)
        if rows is None:
            self.rows[key] = [row]
        else:
            rows.append(row)


class Spread:
    """Ties together the copies of one message for several devices of an account.

    :ivar number: the same for all.
    :ivar holders: how many devices have a copy that they haven't acknowledged.
    :ivar taken: has a device acknowledged its copy, or does it acknowledge nothing?
    """

    __slots__ = ("holders", "number", "taken")

    def __init__(self, number: int, holders: int = 0, taken: bool = False) -> None:
        self.number = number
        self.holders = holders
        self.taken = taken


class Unit:
    """What the handling of one stanza leaves behind: it goes into a batch when the handling is over, whole.

    :ivar open: is the stanza still being handled?
    :ivar batch: the batch it went into; None while it is open, or if there was nothing to write.
    :ivar again: see :attr:`xmppd.wire.stanza.Stanza.again`.
    """

    __slots__ = ("_outputs", "_writes", "again", "batch", "open")

    def __init__(self, again: bool = False) -> None:
        self.open = True
        self.batch: Batch | None = None
        self.again = again
        self._writes: list[tuple[Table | None, Any]] | None = None
        self._outputs: list[tuple[Session, Stanza]] | None = None

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

    def send(self, session: Session, stanza: Stanza) -> None:
        """Send a stanza to a device when the unit is closed."""
        if self._outputs is None:
            self._outputs = []
        self._outputs.append((session, stanza))

    def close(self, ledger: Ledger) -> None:
        """The handling is over: what it has left behind is gathered, and what it has to send is sent after that."""
        self.open = False
        writes, outputs = self._writes, self._outputs
        self._writes = self._outputs = None
        if writes is not None:
            batch = self.batch = ledger.gathering()
            batch.units += 1
            for table, what in writes:
                if table is None:
                    batch.calls.append(what)
                else:
                    batch.store(table, what)
        if outputs is not None:
            if len(outputs) == 1:
                session, stanza = outputs[0]
                session.emit(stanza, self.batch)
            else:
                spreads = _spreads(outputs, ledger)
                for session, stanza in outputs:
                    session.emit(stanza, self.batch, spreads.get(session.account) if stanza.kind == "message" else None)


def _spreads(outputs: list[tuple[Session, Stanza]], ledger: Ledger) -> dict[Jid, Spread]:
    """Find accounts several devices of which get a message: itself, or a copy of it (XEP-0280)."""
    reached: dict[Jid, set[Session]] = {}
    for session, stanza in outputs:
        if stanza.kind == "message":
            reached.setdefault(session.account, set()).add(session)
    return {account: ledger.spread(len(sessions)) for account, sessions in reached.items() if len(sessions) > 1}


@dataclass
class LedgerCounters:
    """What the ledger has done: batches committed, units and octets in them, and attempts that failed."""

    batches: int = 0
    units: int = 0
    octets: int = 0
    failures: int = 0


class Ledger:
    """Gathers and commits.

    :param journal_octets: of the journal, above which it is shortened by recording sessions.
    :param crowd: units that may wait before clients are read no further.
    :param crowd_octets: the same in octets.
    """

    def __init__(
        self, db: IDatabase, clock: IClock, *, journal_octets: int, crowd: int = 10_000, crowd_octets: int = 1 << 26
    ) -> None:
        self._db = db
        self._clock = clock
        self._journal_octets = journal_octets
        self._crowd = crowd
        self._crowd_octets = crowd_octets
        self._gathering = Batch(1)
        self._written: Batch | None = None  # the batch under way
        self._due: IDelayedCall | None = None
        self._idle: list[Deferred[None]] = []
        self._paused: dict[Any, None] = {}
        self._lengths: deque[tuple[int, int]] = deque()  # of the journal: positions and octets
        self._length = 0
        self._dirty: dict[int, Recorder] = {}  # by number, in the order of `since`
        self._late: dict[Recorder, bytes] = {}
        self.counters = LedgerCounters()
        #: Does anything depend on it by now? Until then stanzas need no units.
        self.used = False

    def begin_at(self, position: int, octets: int) -> None:
        """Go on behind the journal as it was found: its last position, and its length. Comes before anything else."""
        self._gathering = Batch(position + 1)
        self._lengths.append((position, octets))
        self._length = octets

    def known(self, recorder: Recorder) -> None:
        """The session was found in the journal."""
        recorder.since = 1
        self._dirty[recorder.number] = recorder

    def drop(self, number: int, entry: bytes) -> None:
        """A session that was found in the journal is of no use."""
        batch = self.gathering()
        batch.entries.append(entry)
        batch.snapshots[number] = None

    # What goes in

    def gathering(self) -> Batch:
        """Return the batch that will be written next, for what is added now."""
        batch = self._gathering
        if not batch.at:
            batch.at = self._clock.seconds()
            self.used = True
            if self._written is None and self._due is None:
                # Not before what runs now is over: what belongs together has to come into one batch.
                self._due = self._clock.callLater(0, self._write_next)
        return batch

    def unit_of(self, stanza: Stanza) -> Unit | Batch:
        """Return the unit of work of a stanza; one that has none joins what is gathered just now."""
        unit = stanza.unit
        if unit is None:
            unit = stanza.unit = self.gathering()
        assert isinstance(unit, Unit | Batch)
        return unit if unit.open else self.gathering()

    def spread(self, holders: int) -> Spread:
        """Return what ties together the copies of a message for so many devices."""
        batch = self._gathering
        batch.spreads += 1
        return Spread((batch.number << 20) + batch.spreads, holders)

    def entry(self, recorder: Recorder, entry: bytes) -> Batch:
        """Write something down of a session."""
        batch = self.gathering()
        batch.entries.append(entry)
        batch.octets += len(entry)
        if not recorder.since:
            recorder.since = batch.number
            self._dirty[recorder.number] = recorder
        return batch

    def entry_later(self, recorder: Recorder, entry: bytes) -> None:
        """Write something down with the next batch there is; it replaces what the same session wanted to so far."""
        self._late[recorder] = entry

    def write_late(self) -> None:
        """Wait no longer for a batch to come about."""
        if self._late:
            self.gathering()

    def end(self, recorder: Recorder, entry: bytes) -> None:
        """The session has ended; nothing is needed of it any more."""
        self._late.pop(recorder, None)
        batch = self.entry(recorder, entry)
        self._dirty.pop(recorder.number, None)
        batch.snapshots[recorder.number] = None

    # Back-pressure

    @property
    def crowded(self) -> bool:
        """Does too much wait?"""
        batch = self._gathering
        return batch.units >= self._crowd or batch.octets >= self._crowd_octets

    def pause(self, stream: Any) -> None:
        """Read no further from a stream, until there is room again."""
        stream.pause("storage")
        self._paused[stream] = None

    def _relieve(self) -> None:
        paused, self._paused = self._paused, {}
        for stream in paused:
            stream.resume("storage")

    # Writing

    def _write_next(self) -> None:
        self._due = None
        batch = self._gathering
        if not batch.at:
            return
        late, self._late = self._late, {}
        for recorder, entry in late.items():
            self.entry(recorder, entry)
        self._gathering = Batch(batch.number + 1)
        self._written = batch
        self._shorten(batch)
        self._write(batch)

    def _write(self, batch: Batch) -> None:
        batch.tries += 1
        self._due = None
        self._db.write(lambda connection: tables.write_batch(connection, batch)).addCallbacks(
            lambda _: self._committed(batch), lambda failure: self._failed(batch, failure)
        )

    def _failed(self, batch: Batch, failure: Failure) -> None:
        self.counters.failures += 1
        if failure.check(StorageUnavailable) is None:
            if batch.suspect:
                _log.failure("what has to be stored can't be", failure=failure)
            batch.suspect = True
        elif batch.tries == 1:
            _log.warn("{reason}: messages wait until it works again", reason=failure.getErrorMessage())
        delay = min(_AGAIN_AT_MOST, _AGAIN * 2 ** min(batch.tries, 10))
        self._due = self._clock.callLater(0 if batch.tries == 1 and batch.suspect else delay, self._write, batch)

    def _committed(self, batch: Batch) -> None:
        self._written = None
        batch.committed = True
        counters = self.counters
        counters.batches += 1
        counters.units += batch.units
        counters.octets += batch.octets
        for waiter in batch.waiters:
            try:
                waiter.committed(batch)
            except Exception:
                _log.failure("what waited for the disk could not be sent")
        if self._gathering.at and self._due is None:
            self._due = self._clock.callLater(0, self._write_next)
        if self._paused and not self.crowded:
            self._relieve()
        if self._idle and not self._gathering.at:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    def settled(self) -> Deferred[None]:
        """Return a Deferred that fires when everything gathered so far is on disk."""
        waiting: Deferred[None] = Deferred()
        if self._written is None and not self._gathering.at:
            waiting.callback(None)
        else:
            self._idle.append(waiting)
        return waiting

    # The journal's length

    def _shorten(self, batch: Batch) -> None:
        """Record those sessions whose entries lie furthest back, if the journal has grown too long."""
        octets = sum(map(len, batch.entries))
        self._lengths.append((batch.number, octets))
        self._length += octets
        if self._length > self._journal_octets or len(self._lengths) > _ROWS:
            goal = batch.number - len(self._lengths) // 2
            for number, recorder in list(islice(self._dirty.items(), _AT_ONCE)):
                if recorder.since > goal:
                    break
                batch.snapshots[number] = recorder.record()
                del self._dirty[number]
                recorder.since = 0
            oldest = next(iter(self._dirty.values()), None)
            batch.trim = batch.number if oldest is None else oldest.since
            while self._lengths and self._lengths[0][0] < batch.trim:
                self._length -= self._lengths.popleft()[1]
