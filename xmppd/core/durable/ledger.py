"""What the handling of stanzas leaves behind, committed a batch at a time (DESIGN D6).

Rows of plugins, entries of the session journal and the counters of stream management that belong together share a
transaction. Whatever depends on them leaves the server when it is committed. At most one batch is being written; the
next one gathers meanwhile, so the more there is to do, the less it costs each.

While the database can't be written the batch is tried again until it can: what waits for it was promised to nobody yet.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable import journal, tables
from xmppd.core.durable.units import Batch, Recorder, Spread, Unit
from xmppd.core.histogram import Histogram

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall
    from xmppd.wire.stanza import Stanza

__all__ = ["Ledger", "LedgerCounters"]

_log = Logger()
#: Seconds until a batch that could not be written is tried again: at first, and at most.
_AGAIN = 0.25
_AGAIN_AT_MOST = 1.0
#: Batches in the journal above which it is shortened, however short they are.
_ROWS = 20_000
#: Seconds after which it is shortened, however short it is: it holds messages that were deleted since.
_AGE = 3600.0
#: Seconds after which the handling of a message is taken for one that never ends, and nobody waits for it any more.
_HANGS = 60.0
#: Sessions that are recorded at most with one batch.
_AT_ONCE = 500
#: Octets of records after which no more are written with one batch.
_OCTETS_AT_ONCE = 1 << 22


class IStore(Protocol):
    """Where it is written."""

    def write_soon(self, fn: Callable[[Connection], Any], /) -> Deferred[Any]: ...


@dataclass
class LedgerCounters:
    """What the ledger has done: batches committed, units and octets in them, and attempts that failed.

    `seconds`: from when a batch was begun until it was on disk, which is how long acks and messages waited for it.
    """

    batches: int = 0
    units: int = 0
    octets: int = 0
    failures: int = 0
    seconds: Histogram = field(default_factory=Histogram)


class Ledger:
    """Gathers and commits.

    :param journal_octets: of the journal, above which it is shortened by recording sessions.
    :param crowd: units that may wait before clients are read no further.
    :param crowd_octets: the same in octets.
    :param pace: seconds between two commits at least, so that many share one.
    :param patience: seconds that what is stored waits for a database that can't be written; then more is refused.
    """

    def __init__(
        self, db: IStore, clock: IClock, *, journal_octets: int, crowd: int = 10_000, crowd_octets: int = 1 << 26,
        patience: float = 5.0, pace: float = 0.0,
    ) -> None:  # fmt: skip
        self._db = db
        self._clock = clock
        self._journal_octets = journal_octets
        self._crowd = crowd
        self._crowd_octets = crowd_octets
        self._patience = patience
        self._failing_since = 0.0
        self._pace = pace
        self._last = 0.0  # when a batch was written last
        self._run = journal.written_by(secrets.randbits(63))
        self._gathering = Batch(1)
        self._written: Batch | None = None  # the batch under way
        self._due: IDelayedCall | None = None
        self._paused: dict[Any, None] = {}
        self._lengths: deque[tuple[int, int, float]] = deque()  # of the journal: positions, octets, times
        self._length = 0
        self._dirty: dict[int, Recorder] = {}  # by number, in the order of `since`
        self._late: dict[Recorder, bytes] = {}
        #: The time, in seconds since the epoch.
        self.now = clock.seconds
        self._open: dict[Unit, float] = {}  # units of messages that are waited for, and since when
        self._hanging = 0  # of these, how many for too long
        self.counters = LedgerCounters()
        #: Does anything depend on it by now? Until then stanzas need no units.
        self.used = False

    def begin_at(self, position: int, octets: int) -> None:
        """Go on behind the journal as it was found: its last position, and its length. Comes before anything else."""
        self._gathering = Batch(position + 1)
        self._lengths.append((position, octets, self._clock.seconds()))
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

    def put_aside(self, number: int, record: bytes) -> None:
        """A session that was found in the journal is of no use now: it is kept for another start."""
        self.gathering().snapshots[number] = record

    @property
    def latest(self) -> Batch | None:
        """The last batch that anything is in which is not on disk; None if all is."""
        return self._gathering if self._gathering.at else self._written

    # What goes in

    def gathering(self) -> Batch:
        """Return the batch that will be written next, for what is added now."""
        batch = self._gathering
        if not batch.at:
            batch.at = self._clock.seconds()
            if self._written is None and self._due is None:
                self._write_soon()
        return batch

    def unit_of(self, stanza: Stanza) -> Unit | Batch:
        """Return the unit of work of a stanza, to store something; one that has none joins what is gathered just now.

        :raises StorageUnavailable: enough waits to be stored.
        """
        if self._failing_since and self._clock.seconds() - self._failing_since >= self._patience:
            raise StorageUnavailable("the database can't be written, and messages wait for it")
        self.used = True
        unit: Any = stanza.unit
        if unit is None:
            stanza.unit = batch = self.gathering()
            return batch
        return unit if unit.open else self.gathering()

    def opened(self, unit: Unit, begun: float) -> None:
        """The handling of a message, which began then, waits for something."""
        self._open[unit] = begun

    def closed(self, unit: Unit) -> None:
        """The handling of a stanza is over."""
        if self._open:
            self._open.pop(unit, None)
        unit.close(self)

    @property
    def open(self) -> list[Unit]:
        """The units of messages whose handling waits for something."""
        return list(self._open)

    def settled_before(self) -> float:
        """Return the moment before which the handling of all messages had begun that are on disk, without a gap.

        In seconds since the epoch; what was begun later may be on disk or not. Infinity, if all are on disk.
        """
        moments = [batch.at for batch in (self._written, self._gathering) if batch is not None and batch.at]
        overdue = self._clock.seconds() - _HANGS
        oldest = next((begun for begun in self._open.values() if begun > overdue), math.inf)
        return min(*moments, oldest, math.inf)

    def spread(self) -> Spread:
        """Return what ties together the copies of a message for several devices."""
        batch = self._gathering
        batch.spreads += 1
        return Spread((batch.number << 20) + batch.spreads)

    def entry(self, recorder: Recorder, entry: bytes) -> Batch:
        """Write something down of a session."""
        batch = self.gathering()
        batch.entries.append(entry)
        batch.octets += len(entry)
        if not recorder.since:
            self.touch(recorder, batch)
        return batch

    def touch(self, recorder: Recorder, batch: Batch) -> None:
        """An entry of a session that had none since it was recorded is in this batch."""
        recorder.since = batch.number
        self._dirty[recorder.number] = recorder

    def entry_later(self, recorder: Recorder, entry: bytes) -> None:
        """Write something down with the next batch there is; it replaces what the same session wanted to so far."""
        self._late[recorder] = entry

    def look(self) -> None:
        """To be called every second: wait no longer for a batch to come about, nor in silence for a database."""
        if self._written is not None and not self._failing_since:
            waited = self._clock.seconds() - self._last
            if waited >= self._patience:
                self._failing_since = self._last
                _log.error("the database has not answered for {n:.0f} s: messages wait, new ones are refused", n=waited)
        overdue = self._clock.seconds() - _HANGS
        hanging = sum(1 for _ in takewhile(lambda begun: begun <= overdue, self._open.values()))
        if hanging > self._hanging:
            _log.error(
                "handling a message hangs for {n:.0f} s ({count} in all): a plugin's fault", n=_HANGS, count=hanging
            )
        self._hanging = hanging
        lengths = self._lengths
        if self._late or (len(lengths) > 1 and self._clock.seconds() - lengths[0][2] > _AGE):
            self.gathering()

    def end(self, recorder: Recorder, entry: bytes) -> None:
        """The session has ended; nothing is needed of it any more."""
        self._late.pop(recorder, None)
        batch = self.entry(recorder, entry)
        self._dirty.pop(recorder.number, None)
        recorder.since = 0
        batch.snapshots[recorder.number] = None

    # Back-pressure

    @property
    def crowded(self) -> bool:
        """Does too much wait?"""
        batch = self._gathering
        return batch.units >= self._crowd or batch.octets >= self._crowd_octets

    @property
    def paused(self) -> int:
        """How many streams are read no further because too much waits."""
        return len(self._paused)

    @property
    def waiting_seconds(self) -> float:
        """For how long the oldest of what waits has waited to be stored."""
        began = (self._written or self._gathering).at
        return max(0.0, self._clock.seconds() - began) if began else 0.0

    @property
    def journal_octets(self) -> int:
        """The length of the session journal."""
        return self._length

    def pause(self, stream: Any) -> None:
        """Read no further from a stream, until there is room again."""
        stream.pause("storage")
        self._paused[stream] = None

    def _relieve(self) -> None:
        paused, self._paused = self._paused, {}
        for stream in paused:
            stream.resume("storage")

    # Writing

    def _write_soon(self) -> None:
        # Not before what runs now is over: what belongs together has to come into one batch.
        wait = self._last + self._pace - self._clock.seconds() if self._pace else 0.0
        self._due = self._clock.callLater(min(self._pace, max(0.0, wait)), self._write_next)

    def _write_next(self) -> None:
        self._due = None
        batch = self._gathering
        if not batch.at:
            return
        batch.entries.insert(0, self._run)
        late, self._late = self._late, {}
        for recorder, entry in late.items():
            self.entry(recorder, entry)
        for counting in batch.counting:
            self.entry(counting, counting.count(batch))
        self._gathering = Batch(batch.number + 1)
        self._written = batch
        self._last = self._clock.seconds()
        self._shorten(batch)
        self._write(batch)

    def _write(self, batch: Batch) -> None:
        batch.tries += 1
        self._due = None
        self._db.write_soon(lambda connection: tables.write_batch(connection, batch)).addCallbacks(
            lambda _: self._committed(batch), lambda failure: self._failed(batch, failure)
        )

    def _failed(self, batch: Batch, failure: Failure) -> None:
        self.counters.failures += 1
        self._failing_since = self._failing_since or self._clock.seconds()
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
        self._failing_since = 0.0
        batch.committed = True
        counters = self.counters
        counters.batches += 1
        counters.units += batch.units
        counters.octets += batch.octets
        counters.seconds.observe(max(0.0, self._clock.seconds() - batch.at))
        for waiter in batch.waiters:
            try:
                waiter.committed(batch)
            except Exception:
                _log.failure("what waited for the disk could not be sent")
        if self._gathering.at and self._due is None:
            self._write_soon()
        if self._paused and not self.crowded:
            self._relieve()
        for waiting in batch.settled:
            if not waiting.called:
                waiting.callback(None)
        batch.settled.clear()
        batch.let_go()

    def stop(self) -> None:
        """Try no more to write what waits."""
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due, self._written = None, None
        self._gathering = Batch(self._gathering.number + 1)

    @property
    def failing(self) -> bool:
        """Can the database not be written?"""
        return self._failing_since > 0

    @property
    def idle(self) -> bool:
        """Is everything on disk?"""
        return self._written is None and not self._gathering.at

    def settled(self) -> Deferred[None]:
        """Return a Deferred that fires when everything gathered so far is on disk."""
        waiting: Deferred[None] = Deferred()
        last = self._gathering if self._gathering.at else self._written
        if last is None:
            waiting.callback(None)
        else:
            last.settled.append(waiting)
        return waiting

    # The journal's length

    def _shorten(self, batch: Batch) -> None:
        """Record those sessions whose entries lie furthest back, if the journal has grown too long."""
        octets = sum(map(len, batch.entries))
        lengths = self._lengths
        lengths.append((batch.number, octets, batch.at))
        self._length += octets
        if self._length > self._journal_octets or len(lengths) > _ROWS or batch.at - lengths[0][2] > _AGE:
            goal = batch.number - len(lengths) // 2
            room = _OCTETS_AT_ONCE
            for number, recorder in list(islice(self._dirty.items(), _AT_ONCE)):
                if recorder.since > goal or room <= 0:
                    break
                batch.snapshots[number] = record = recorder.record()
                room -= len(record)
                del self._dirty[number]
                recorder.since = 0
            oldest = next(iter(self._dirty.values()), None)
            batch.trim = batch.number if oldest is None else oldest.since
            while lengths and lengths[0][0] < batch.trim:
                self._length -= lengths.popleft()[1]
