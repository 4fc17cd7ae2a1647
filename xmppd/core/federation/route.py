"""What is sent from one domain of ours to one of another server, in order (RFC 6120 section 10.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable.turn import InTurn, send_to
from xmppd.core.durable.units import Batch, Spread, Unit
from xmppd.core.federation.contract import Conduit, LinkFailure, Pair
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Message, Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.federation.federation import Federation
    from xmppd.core.federation.remote import Remote

__all__ = ["Route", "Waiting"]


class Waiting(NamedTuple):
    """A stanza that waits for a stream, since then, in seconds since the epoch."""

    stanza: Stanza
    octets: int
    since: float


class Route(InTurn[Stanza]):
    """Takes stanzas for a pair of domains, and hands them to a stream; they wait while there is none.

    A stanza may not leave before what its handling has stored is on disk, nor overtake another. To a unit of work a
    route is one more that is sent something to, as a session is (:meth:`xmppd.core.durable.units.Unit.send`).

    :ivar conduit: the stream, if there is one.
    :ivar connecting: is one being sought?
    :ivar attempts: how often that has failed in vain since it was last needed.
    :ivar since: since when a stream is needed, in seconds since the epoch; 0 while none is.
    :ivar up_since: since when there is one, in seconds since the epoch; 0 while there is none.
    :ivar failures: how often it was given up in a row.
    :ivar failure: why the last attempt failed; None if it didn't.
    :ivar refused_until: before then, in seconds since the epoch, no stream is sought again.
    :ivar queue: what waits for a stream.
    :ivar octets: the size of that.
    :ivar sent: stanzas that were handed to streams.
    :ivar again: when the next attempt is due.
    :ivar again_at: that moment, in seconds since the epoch.
    :ivar deadline: when those that wait have waited long enough.
    """

    __slots__ = (
        "_federation", "_waiting", "again", "again_at", "attempts", "conduit", "connecting", "deadline", "failure",
        "failures", "octets", "pair", "queue", "refused_until", "remote", "sent", "since", "up_since",
    )  # fmt: skip
    #: See :class:`xmppd.core.durable.turn.Recipient`.
    account: ClassVar[None] = None

    def __init__(self, federation: Federation, remote: Remote, pair: Pair) -> None:
        self._federation = federation
        self.remote = remote
        self.pair = pair
        self.conduit: Conduit | None = None
        self.connecting = False
        self.attempts = 0
        self.since = 0.0
        self.up_since = 0.0
        self.failures = 0
        self.failure: LinkFailure | None = None
        self.refused_until = 0.0
        self.queue: deque[Waiting] = deque()
        self.octets = 0
        self.sent = 0
        self.again: IDelayedCall | None = None
        self.again_at = 0.0
        self.deadline: IDelayedCall | None = None
        self._waiting = None

    # In order, and not before the disk

    def send(self, stanza: Stanza) -> None:
        """Take a stanza. It goes out when its unit of work is over, and is on disk."""
        send_to(self, stanza)

    def emit(self, stanza: Stanza, batch: Batch | None, spread: Spread | None = None) -> None:
        """See :class:`xmppd.core.durable.turn.Recipient`."""
        at_once = self._waiting is None and (batch is None or batch.committed)
        durable = stanza.unit is not None and isinstance(stanza, Message) and stanza.type != "error"
        if durable and not (at_once and self._leaves_unstored(stanza)):
            batch = self._store(stanza)
            if batch is None:
                return
            at_once = False
        if at_once:
            self.put(stanza)
        else:
            self.put_off(stanza, batch)

    def _leaves_unstored(self, message: Stanza) -> bool:
        """May it leave without having been on disk? It is with the other server before anybody is told that we have it.

        So it may if there is a stream that takes it now, and nobody will be told: its sender has no stream management.
        """
        conduit = self.conduit
        return conduit is not None and conduit.prompt and self._federation.of_unmanaged_session(message)

    def _store(self, message: Stanza) -> Batch | None:
        """Have a message stored; return what it is stored with, or None if it came back instead."""
        try:
            where = self._federation.store.keep(message, self.pair)
        except StorageUnavailable as error:
            text = f"it can't be made sure now that it is not lost: {error}"
            self._federation.bounce(message, StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait", text=text))
            return None
        batch = where.batch
        assert batch is not None  # a unit is closed before what it sends is sent
        unit = message.unit
        if isinstance(unit, Unit) and unit.batch is None:
            unit.batch = batch
            batch.units += 1
            batch.octets += unit.octets
        return batch

    def committed(self, batch: Batch) -> None:
        """See :class:`xmppd.core.durable.units.Waiter`."""
        ready = self.due(batch)
        if self.conduit is not None and ready:
            self._hand_over(self.conduit, ready)
        else:
            for stanza in ready:
                self._federation.wait(self, stanza)

    def put(self, stanza: Stanza) -> None:
        """Send a stanza that may leave now; it waits if there is no stream."""
        if self.conduit is not None:
            self._hand_over(self.conduit, (stanza,))
        else:
            self._federation.wait(self, stanza)

    def _hand_over(self, conduit: Conduit, stanzas: Sequence[Stanza]) -> None:
        self.sent += len(stanzas)
        counts = self._federation.sent
        for stanza in stanzas:
            counts[stanza.kind] += 1
        conduit.send(stanzas)

    @property
    def busy(self) -> bool:
        """Is there something to be sent?"""
        return bool(self.queue) or self._waiting is not None

    # The queue

    def append(self, stanza: Stanza, octets: int, now: float) -> None:
        """Have a stanza wait."""
        self.queue.append(Waiting(stanza, octets, now))
        self.octets += octets

    def start(self, conduit: Conduit, now: float) -> None:
        """There is a stream: what has waited goes first."""
        self.cancel()
        self.conduit, self.attempts, self.since, self.up_since = conduit, 0, 0.0, now
        stanzas = self.take()
        if stanzas:
            self._hand_over(conduit, stanzas)

    def take(self) -> list[Stanza]:
        """Return all that waits, which waits no longer."""
        stanzas = [waiting.stanza for waiting in self.queue]
        self.queue.clear()
        self.octets = 0
        return stanzas

    def given_up(self, failure: LinkFailure, now: float, first: float, most: float) -> None:
        """Remember that there is no stream to be had, and for how long that is believed.

        :param first: seconds after the first failure in a row.
        :param most: seconds at most.
        """
        self.cancel()
        self.refused_until = now + min(most, first * 2 ** min(self.failures, 30))
        self.failures += 1
        self.failure = failure
        self.attempts, self.since = 0, 0.0

    def forgive(self) -> None:
        """Forget that it ever failed."""
        self.failures, self.failure, self.refused_until = 0, None, 0.0

    def cancel(self) -> None:
        """Forget what is due."""
        for call in (self.again, self.deadline):
            if call is not None and call.active():
                call.cancel()
        self.again = self.deadline = None

    def __repr__(self) -> str:
        return f"<Route {self.pair.local} to {self.pair.remote}>"
