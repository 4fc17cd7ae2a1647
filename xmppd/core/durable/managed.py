"""Stream management's part of a session: both counters, what is not acknowledged, and how it is written down.

XEP-0198 sections 4 and 5. What a client is sent is entered in the journal first, and goes over the stream when that is
on disk; so it can never have got, or acknowledged, what the server does not know of after a crash.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from xmppd.core.durable import journal
from xmppd.core.durable.frozen import read_stanza
from xmppd.core.durable.journal import TAKEN, Recorded, Sent
from xmppd.core.durable.units import Spread
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import delay
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.stanza import Message
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.core.durable.ledger import Ledger
    from xmppd.core.durable.units import Batch
    from xmppd.core.sessions import Session
    from xmppd.core.settings import StreamManagement
    from xmppd.wire.stanza import Stanza

__all__ = ["NS", "Managed", "Unacknowledged"]

NS = "urn:xmpp:sm:3"
_WRAP = 1 << 32
_REQUEST = tag("r", xmlns=NS)
_DELAYED = DELAY.encode()
#: Seconds that a message may be on its way before a stamp says when it was sent.
_FRESH = 1.0

#: A stanza, when it was sent (seconds since the epoch), and what ties it to copies for other devices.
Unacknowledged = tuple[bytes, float, Spread | None]


class Managed:
    """One session's. Implements Waiter and Recorder of :mod:`xmppd.core.durable.ledger`.

    :ivar id: what the client resumes it by.
    :ivar number: what the journal calls it.
    :ivar resumable: may it be resumed?
    :ivar window: for how many seconds after its connection is lost.
    :ivar handled: how many stanzas of the client are handled.
    :ivar acknowledged: how many stanzas the client has acknowledged.
    :ivar queue: those sent since.
    :ivar overflowed: is the queue too long?
    :ivar buried: has the session ended, and nothing is left of it?
    :ivar asked_at: since when the client owes an acknowledgement; 0.0: it owes none.
    """

    __slots__ = (
        "_counting", "_marks", "_on_disk", "_parts", "_sending", "_unsent", "_waiting", "_wanted", "_wanted_since",
        "_written", "acknowledged", "asked_at", "buried",
        "handled", "id", "ledger", "lost_at", "number", "octets", "options", "overflowed", "queue", "resumable",
        "session", "since", "window",
    )  # fmt: skip

    def __init__(self, session: Session, ledger: Ledger, options: StreamManagement, number: int, id: str) -> None:
        self.session = session
        self.ledger = ledger
        self.options = options
        self.number = number
        self.since = 0
        self.id = id
        self.resumable = False
        self.window = 0.0
        self.handled = 0
        self._on_disk = 0
        self._marks: deque[tuple[int, int]] = deque()  # batches, and what is handled when they are on disk
        self._wanted: int | None = None  # the client wants to know when so many are handled
        self._wanted_since = 0.0
        self.acknowledged = 0
        self.queue: deque[Unacknowledged] = deque()
        self.octets = 0
        self._waiting: deque[tuple[int, list[bytes]]] = deque()  # for their batches
        self.buried = False
        self._unsent = 0  # of the queue, those that wait
        self._parts: list[bytes] = []  # those that wait for the newest batch
        self._sending: Batch | None = None  # that batch
        self._counting: Batch | None = None  # the newest batch that stanzas were handled in
        self.overflowed = False
        self._written = 0  # how many have gone over a stream
        self.asked_at = 0.0
        self.lost_at = 0.0

    # What the client sends

    def handle(self) -> None:
        """One more stanza of the client is handled."""
        self.handled += 1
        batch = self.ledger.gathering()
        if batch is not self._counting:
            self._counting = batch
            batch.counting.append(self)
            batch.waiters[self] = None

    def count(self, batch: Batch) -> bytes:
        """The batch is closed: return the entry for what is handled by now."""
        self._marks.append((batch.number, self.handled))
        return journal.handled(self.number, self.handled)

    def requested(self) -> None:
        """The client wants to know what is handled (section 4). It is told when what it has sent so far is on disk."""
        unhandled = self.session.unhandled
        if self._on_disk == self.handled and not unhandled:
            self.answer()
            return
        self._wanted = self.handled + unhandled
        if not self._wanted_since:
            self._wanted_since = self.session.host.clock.seconds()

    def answer(self) -> None:
        """Tell the client how many of its stanzas are handled and on disk; behind ``<enabled/>`` if that waits yet."""
        self.session.write_in_turn(tag("a", xmlns=NS, h=str(self._on_disk % _WRAP)))

    @property
    def settled(self) -> bool:
        """Is all that was handled on disk?"""
        return self._on_disk == self.handled

    @property
    def promised(self) -> int:
        """How many stanzas of the client are handled and on disk, as the protocol counts (modulo 2**32)."""
        return self._on_disk % _WRAP

    @property
    def counted(self) -> int:
        """How many stanzas of the client are handled, on disk or not, as the protocol counts."""
        return self.handled % _WRAP

    # What the client is sent

    def emit(self, stanza: Stanza, spread: Spread | None) -> None:
        """Send a stanza, when it is written down."""
        risen = self.buried
        if risen:
            self._rise()
        data = stanza.to_bytes()
        size = len(data)
        batch = self.ledger.gathering()
        if spread is not None and not spread.taken:
            spread.holders.append(self)
        batch.enter_sent(self.number, data, stanza.tail, _tied(spread))
        if not self.since:
            self.ledger.touch(self, batch)
        if batch is not self._sending:
            self._sending = batch
            self._parts = []
            self._waiting.append((batch.number, self._parts))
            batch.waiters[self] = None
        self._parts.append(data)
        self._unsent += 1
        self.queue.append((data, batch.at, spread))
        self.octets += size
        options = self.options
        if (len(self.queue) > options.queue_stanzas or self.octets > options.queue_octets) and not self.overflowed:
            self.overflowed = True
            self.session.overflow()
        if risen:
            self.session.host.server.bury_again(self.session)

    def committed(self, batch: Batch) -> None:
        """A batch is on disk: send what waited for it, and acknowledge what it covers."""
        number, waiting, marks = batch.number, self._waiting, self._marks
        while marks and marks[0][0] <= number:
            self._on_disk = marks.popleft()[1]
        parts: list[bytes] = []
        while waiting and waiting[0][0] <= number:
            parts += waiting.popleft()[1]
        self._unsent -= len(parts)
        stream = self.session.stream
        if stream is None:
            return  # they stay in the queue
        if parts:
            self.session.sent += len(parts)
            self._written += len(parts)
            if not self.asked_at and len(self.queue) - self._unsent >= self.options.request_after_stanzas:
                self.asked_at = batch.at
                parts.append(_REQUEST)
            stream.write_all(parts)
        if self._wanted is not None and self._on_disk >= self._wanted:
            self._wanted, self._wanted_since = None, 0.0
            self.answer()

    def take(self, h: int) -> None:
        """The client has acknowledged `h` stanzas (modulo 2**32). What it has acknowledged before stays so.

        :raises StreamError: it was not sent so many (section 6).
        """
        more = 0 if self.knows_more_than(h) else (h - self.acknowledged) % _WRAP
        if more > self._written - self.acknowledged:
            sent = self._written % _WRAP
            raise StreamError(
                StreamCondition.UNDEFINED_CONDITION,
                f"You acknowledged {h} stanzas, but I only sent you {sent} so far.",
                tag("handled-count-too-high", attributes={"h": h, "send-count": sent}, xmlns=NS),
            )
        self.asked_at = 0.0
        for _ in range(more):
            data, _, spread = self.queue.popleft()
            self.octets -= len(data)
            if spread is not None:
                spread.take(self, self.ledger)
        if more:
            self.acknowledged += more
            self.ledger.entry_later(self, journal.acknowledged(self.number, self.acknowledged))

    def unacknowledged(self) -> list[tuple[Message, float]]:
        """Return the messages in the queue, and when they were sent."""
        queued = ((read_stanza(data), at) for data, at, _ in self.queue if data.startswith(b"<message"))
        return [(stanza, at) for stanza, at in queued if isinstance(stanza, Message)]

    def knows_more_than(self, h: int) -> bool:
        """Has the client acknowledged more than `h` stanzas (modulo 2**32) already?"""
        return 0 < (self.acknowledged - h) % _WRAP <= min(self.acknowledged, _WRAP // 2)

    def look(self, now: float) -> bool:
        """Look after acknowledgements that are owed; false if the client owes one for too long.

        :param now: seconds since the epoch.
        """
        stream = self.session.stream
        if stream is None:
            return True
        if self._wanted_since and now - self._wanted_since >= self.options.answer_within_seconds:
            self._wanted_since = now  # section 4: an answer must not be withheld for any condition other than a timeout
            self.answer()
        if self.asked_at:
            return now - self.asked_at < self.options.acknowledge_within_seconds
        if self._written > self.acknowledged:
            self.ask()
        return True

    def ask(self) -> None:
        """Ask the client what it has; not again before it has answered."""
        stream = self.session.stream
        if stream is not None and not self.asked_at:
            self.asked_at = self.session.host.clock.seconds()
            stream.write(_REQUEST)

    # A new stream

    def resumed(self, told: bytes) -> None:
        """The client is back, and has said what it has: everything else goes on its way again, in order (section 5).

        :param told: what it is told first; all of it is written in one go.
        """
        now = self.session.host.clock.seconds()
        stream = self.session.stream
        assert stream is not None
        self.asked_at = 0.0
        self._wanted, self._wanted_since = None, 0.0
        ready = len(self.queue) - self._unsent
        self._written = self.acknowledged + ready
        if ready:
            self.session.sent += ready
            self.asked_at = now
            again = [self._stamped(data, at, now) for data, at, _ in islice(self.queue, ready)]
            stream.write_all((told, *again, _REQUEST))
        else:
            stream.write(told)

    def _stamped(self, data: bytes, at: float, now: float) -> bytes:
        """Return a stanza as it is sent again: a message says when it was sent first (XEP-0203)."""
        if now - at < _FRESH or not data.startswith(b"<message") or _DELAYED in data:
            return data
        stamp = delay(self.session.host.jid, at)
        return data[: -len(_END)] + stamp + _END if data.endswith(_END) else data

    # The end

    def lose(self) -> None:
        """The session has ended, and can't be resumed any more; what is not acknowledged goes elsewhere."""
        self.resumable = False
        self._waiting.clear()
        self._unsent = 0
        if self.queue:
            self.write_down()

    def is_last_with(self, spread: Spread | None) -> bool:
        """Has no other device the first stanza in the queue, nor may it still get it? To be asked once."""
        return spread is None or spread.leave(self)

    def give_up(self) -> None:
        """The first stanza in the queue has gone elsewhere."""
        data, _, _ = self.queue.popleft()
        self.octets -= len(data)
        self.acknowledged += 1
        self.ledger.entry(self, journal.given_up(self.number, self.acknowledged))

    def _rise(self) -> None:
        """Somebody was sending to the session when it ended, and is told that the server has it: so it has to."""
        self.buried = False
        self.write_down()
        self.ledger.entry(self, journal.given_up(self.number, self.acknowledged))

    # Written down

    def restore(self, recorded: Recorded, spreads: dict[int, Spread]) -> None:
        """Become what was written down.

        :param spreads: by their numbers; those that are missing are added.
        """
        self.handled = self._on_disk = recorded.handled
        self.acknowledged = recorded.acknowledged
        for data, at, tied in recorded.queue:
            spread = None
            if tied:
                spread = spreads.setdefault(tied, Spread(tied, taken=tied == TAKEN))
                if not spread.taken:
                    spread.holders.append(self)
            self.queue.append((data, at, spread))
            self.octets += len(data)
        self._written = self.acknowledged + len(self.queue)

    def record(self) -> bytes:
        """Return the session as entries of the journal."""
        queue = deque(Sent(data, at, _tied(spread)) for data, at, spread in self.queue)
        held = {key: stanza.to_bytes() for key, stanza in self.session.held_back().items()}
        recorded = Recorded(self.describe(), self.handled, self.acknowledged, queue, held)
        return journal.record(self.number, recorded)

    def describe(self) -> dict[str, Any]:
        """Return what is not counted."""
        described = self.session.describe()
        described["id"], described["resumable"], described["window"] = self.id, self.resumable, self.window
        return described

    def write_down(self) -> None:
        """Something about the session has changed."""
        self.ledger.entry(self, journal.state(self.number, self.describe()))


_END = b"</message>"


def _tied(spread: Spread | None) -> int:
    return 0 if spread is None else TAKEN if spread.taken else spread.number
