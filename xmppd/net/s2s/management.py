"""Stream management between servers (XEP-0198): each direction of a stream has its counters.

What we acknowledge is on disk, with all that came of it (decision 15). What we have sent is kept until it is
acknowledged; what never is goes back to where it came from, so that senders learn of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.stanza import Nonza, Stanza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.core.durable.units import Batch
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["FEATURE", "NS", "Acknowledged", "Acknowledging", "count_of", "failed", "wants_resumption"]

NS = "urn:xmpp:sm:3"
FEATURE = tag("sm", xmlns=NS)
_REQUEST = tag("r", xmlns=NS)
_WRAP = 1 << 32


class Acknowledging:
    """Counts what the other server sends."""

    __slots__ = ("_come", "_idle", "_marks", "_open", "_wanted", "_wanted_since", "stream")

    def __init__(self, stream: ServerStream) -> None:
        self.stream = stream
        self._idle: list[Deferred[None]] = []
        self._come = 0  # how many stanzas have come
        self._open: dict[int, None] = {}  # numbers of those that are not on disk yet, in order
        self._marks: deque[tuple[int, list[int]]] = deque()  # batches, and the stanzas that are on disk with them
        self._wanted = 0  # how many the other server wants acknowledged
        self._wanted_since = 0.0

    def number(self) -> int:
        """A stanza has come; return its number."""
        self._come += 1
        self._open[self._come] = None
        return self._come

    def handled(self, number: int) -> None:
        """A stanza is handled; it counts when what it has left behind is on disk."""
        batch = self.stream.network.server.ledger.latest
        if batch is None:
            del self._open[number]
            self._tell()
            return
        marks = self._marks
        if not marks or marks[-1][0] != batch.number:
            marks.append((batch.number, []))
            batch.waiters[self] = None
        marks[-1][1].append(number)

    def committed(self, batch: Batch) -> None:
        """See Waiter."""
        marks = self._marks
        while marks and marks[0][0] <= batch.number:
            for number in marks.popleft()[1]:
                del self._open[number]
        self._tell()

    @property
    def on_disk(self) -> int:
        """How many stanzas are on disk, without a gap."""
        return next(iter(self._open)) - 1 if self._open else self._come

    def requested(self) -> None:
        """The other server wants to know; it is told when what it has sent so far is on disk."""
        self._wanted = self._come
        if not self._wanted_since:
            self._wanted_since = self.stream.clock.seconds()
        self._tell()

    def _tell(self) -> None:
        if self._idle and not self._open:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)
        if self._wanted_since and self.on_disk >= self._wanted:
            self._wanted_since = 0.0
            self.answer()

    async def settled(self) -> int:
        """Wait until all that has come is on disk; return how many stanzas that is, as the protocol counts."""
        while self._open:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        self._wanted_since = 0.0
        return self._come % _WRAP

    def answer(self) -> None:
        """Tell the other server how many of its stanzas are on disk."""
        self.stream.write(tag("a", xmlns=NS, h=str(self.on_disk % _WRAP)))

    def look(self, now: float) -> None:
        """Section 4: an answer must not be withheld for any condition other than a timeout."""
        seconds = self.stream.network.server.settings.stream_management.answer_within_seconds
        if self._wanted_since and now - self._wanted_since >= seconds:
            self._wanted_since = now
            self.answer()


class Acknowledged:
    """Keeps what we send until it is acknowledged.

    :ivar asked_at: since when an acknowledgement is owed; 0.0: none is.
    """

    __slots__ = ("_acknowledged", "_after", "_queue", "asked_at", "stream")

    def __init__(self, stream: ServerStream) -> None:
        self.stream = stream
        self._after = stream.network.server.settings.stream_management.request_after_stanzas
        self._acknowledged = 0
        self._queue: deque[Stanza] = deque()
        self.asked_at = 0.0

    def __len__(self) -> int:
        """Return how many stanzas are not acknowledged."""
        return len(self._queue)

    def sent(self, stanzas: Sequence[Stanza]) -> None:
        """These were sent."""
        queue = self._queue
        queue.extend(stanzas)
        if len(queue) >= self._after:
            self.ask()
            if len(queue) > self.stream.network.settings.unacknowledged_stanzas:
                error = StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much is not acknowledged")
                self.stream.close(error)

    def ask(self) -> None:
        """Ask for an acknowledgement, unless one is owed."""
        if not self.asked_at:
            self.asked_at = self.stream.clock.seconds()
            self.stream.write(_REQUEST)

    def receive(self, nonza: Nonza) -> None:
        """Take an acknowledgement. :raises StreamError: it makes no sense (section 6)."""
        self.take(count_of(nonza))

    def take(self, h: int) -> None:
        """The other server has so many stanzas. :raises StreamError: it was not sent so many."""
        more = (h - self._acknowledged) % _WRAP
        if more > len(self._queue):
            sent = (self._acknowledged + len(self._queue)) % _WRAP
            raise StreamError(
                StreamCondition.UNDEFINED_CONDITION,
                f"You acknowledged {h} stanzas, but I only sent you {sent} so far.",
                tag("handled-count-too-high", attributes={"h": h, "send-count": sent}, xmlns=NS),
            )
        self.asked_at = 0.0
        self._acknowledged = (self._acknowledged + more) % _WRAP
        if more:
            self.stream.network.federation.delivered([self._queue.popleft() for _ in range(more)])

    def send_again(self) -> None:
        """The other server is back, and has said what it has: the rest is sent once more (section 5)."""
        self.asked_at = 0.0
        if self._queue:
            self.stream.write(b"".join([stanza.to_bytes() for stanza in self._queue]))
            self.ask()

    def keep(self) -> None:
        """It may take a while until the rest is acknowledged: messages have to be on disk."""
        if self._queue:
            self.stream.network.federation.keep(self._queue)

    def give_up(self, stopping: bool) -> None:
        """The connection is gone: what was not acknowledged goes back.

        :param stopping: does the server stop? Then it is kept to be sent when it is started again.
        """
        if stopping:
            self.keep()
        stanzas = list(self._queue)
        self._queue.clear()
        if stanzas and not stopping:
            self.stream.network.federation.undelivered(stanzas)

    def refused(self) -> None:
        """The other server does not want stream management after all."""
        stanzas = list(self._queue)
        self._queue.clear()
        if stanzas:
            self.stream.network.federation.delivered(stanzas)

    def look(self, now: float) -> bool:
        """Ask about what was sent a while ago. False if an answer is owed for too long."""
        if self.asked_at:
            limit = self.stream.network.server.settings.stream_management.acknowledge_within_seconds
            return now - self.asked_at < limit
        if self._queue:
            self.keep()
            self.ask()
        return True


def failed(condition: Condition, handled: int | None = None) -> bytes:
    """Return `<failed/>` (section 6)."""
    return tag("failed", tag(condition.value, xmlns=ns.STANZA_ERRORS), xmlns=NS, h=handled)


def wants_resumption(nonza: Nonza) -> bool:
    """Does `<enable/>` or `<enabled/>` say that the stream can be resumed?"""
    return nonza.attributes.get("resume", "").strip() in ("true", "1")


def count_of(nonza: Nonza) -> int:
    """Return the attribute `h`. :raises StreamError: it is no number."""
    text = nonza.attributes.get("h", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < _WRAP):
        raise StreamError(StreamCondition.INVALID_XML, f"<{nonza.name}/> needs an attribute h, a number of 32 bits")
    return int(text)
