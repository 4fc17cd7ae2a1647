"""Sessions: the bound resources of our users (RFC 6120 section 7).

A session ends with its stream, unless the client has asked for stream management; then it may be resumed on another
(:mod:`xmppd.core.durable`). It takes one stanza at a time, so order holds even when a handler has to wait, and only its
own stanzas wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.events.stanzas import ToDevice
from xmppd.api.limits import TokenBucket
from xmppd.api.waiting import as_deferred
from xmppd.core.durable.turn import InTurn
from xmppd.core.durable.units import Spread, Unit
from xmppd.core.keeping import Keeping
from xmppd.core.plugins.dispatch import decide
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import Malformed
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Nonza, Stanza

if TYPE_CHECKING:
    from xmppd.core.durable.units import Batch
    from xmppd.core.hosts import Host

__all__ = ["Output", "Session"]

_log = Logger()


class Output(Protocol):
    """What a session needs of its stream."""

    @property
    def peer(self) -> str: ...
    @property
    def over(self) -> str: ...
    @property
    def secured(self) -> bool: ...
    @property
    def confidential(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    def write_all(self, elements: Iterable[bytes]) -> None: ...
    def close(self, error: StreamError | None = None) -> None: ...
    def pause(self, why: str = "inbox") -> None: ...
    def resume(self, why: str = "inbox") -> None: ...
    def handle_nonza(self, nonza: Nonza) -> None: ...
    def handle_malformed(self, frame: Malformed) -> None: ...
    def release_session(self) -> None: ...


#: What a session handles in turn. None stands for a stanza that was handled when it came.
Item = Stanza | Nonza | Malformed | None


class Session(Keeping, InTurn[bytes]):
    """A bound resource. See :class:`xmppd.api.ISession` for what plugins may use.

    :ivar received: stanzas that the client has sent.
    :ivar sent: stanzas that were written to it.
    :ivar ended: does nobody find it any more?
    """

    __slots__ = (
        "_inbox", "_pauses", "_stored", "_then", "_unit", "_waiting", "_waiting_octets", "account", "active_at",
        "bucket", "ended", "received", "sent", "stream",
    )  # fmt: skip

    def __init__(self, host: Host, jid: Jid, stream: Output | None, bucket: TokenBucket) -> None:
        super().__init__(host, jid)
        self.account = jid.bare
        self.stream = stream
        self.bucket = bucket
        self.active_at = self.bound_at
        self.received = self.sent = 0
        self.ended = False
        self._inbox: deque[Item] | None = None  # exists while a stanza is being waited for
        self._unit: Unit | None = None  # of that one
        self._pauses = False
        self._stored: Batch | None = None  # what the client's last message has left behind
        self._then: list[Callable[[Session], object]] | None = None
        self._waiting: deque[tuple[int, bytes]] | None = None  # what is sent when a batch is on disk, and what follows
        self._waiting_octets = 0

    @property
    def peer(self) -> str:
        """The client's network address; "" while it has no connection."""
        return self.stream.peer if self.stream else ""

    @property
    def over(self) -> str:
        """What carries its stream, such as "TCP"; "" while it has no connection."""
        return self.stream.over if self.stream else ""

    @property
    def secured(self) -> bool:
        """Is its stream encrypted?"""
        return self.stream is not None and self.stream.secured

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it?"""
        return self.stream is not None and self.stream.confidential

    @property
    def hibernating(self) -> bool:
        """See :class:`xmppd.api.ISession`."""
        return self.stream is None

    @property
    def durable(self) -> bool:
        """See :class:`xmppd.api.ISession`."""
        return self.managed is not None

    def unacknowledged(self) -> Sequence[tuple[Message, float]]:
        """See :class:`xmppd.api.ISession`."""
        return () if self.managed is None else self.managed.unacknowledged()

    # In

    def receive(self, item: Item) -> None:
        """Take the next that the client has sent, a stanza with its `from_` stamped; one after the other."""
        if item.__class__ is not Nonza:
            self.received += 1
        inbox = self._inbox
        if inbox is None:
            pending = self._handle(item)
            if pending is not None:
                self._inbox = deque()
                as_deferred(pending).addBoth(self._proceed)
            return
        inbox.append(None if isinstance(item, Iq) and self._answers(item) else item)
        if len(inbox) >= self.host.limits.input_queue_stanzas and not self._pauses and self.stream:
            self._pauses = True
            self.stream.pause()

    def _answers(self, iq: Iq) -> bool:
        """Is it the answer to a request of the server? What is being waited for may wait for just that."""
        return not iq.answerable and iq.to == self.host.jid and self.host.server.requests.answered(iq)

    def _handle(self, item: Item) -> Awaitable[None] | None:
        """Begin to handle what has come; return what to wait for before the next, if anything."""
        if not isinstance(item, Stanza):
            self._handle_other(item)
            return None
        ledger = self.host.server.ledger
        if not ledger.used and self.managed is None:
            pending = self.host.from_client(item, self)
            self._stored = ledger.latest  # if it is the first of all to leave something
            return pending
        unit = item.unit = Unit(octets=len(item.payload))
        begun = ledger.now()
        try:
            pending = self.host.from_client(item, self)
        except Exception:
            _log.failure("a stanza of {jid} could not be handled", jid=self.jid)
            pending = None
        if pending is None:
            self._handled(unit)
        else:
            self._unit = unit
            if item.kind == "message":
                ledger.opened(unit, begun)
        return pending

    def _handle_other(self, item: Item) -> None:
        stream = self.stream
        if isinstance(item, Nonza):
            if stream is not None:
                stream.handle_nonza(item)
            return
        if item is not None and stream is not None:
            stream.handle_malformed(item)  # type: ignore[arg-type]  # no stanza, no nonza
        if self.managed is not None:
            self.managed.handle()

    def _handled(self, unit: Unit) -> None:
        """A stanza is handled: what it has left behind is on its way to the disk, with the count of those handled."""
        ledger = self.host.server.ledger
        ledger.closed(unit)
        if self.managed is not None:
            self.managed.handle()
        else:
            self._stored = unit.batch or self._stored
        if ledger.crowded and self.stream is not None:
            ledger.pause(self.stream)

    def _proceed(self, outcome: object) -> None:
        """What was waited for is done: go on with those that came meanwhile."""
        if isinstance(outcome, Failure):
            _log.failure("a stanza of {jid} could not be handled", failure=outcome, jid=self.jid)
        inbox = self._inbox
        assert inbox is not None
        self._close_unit()
        while inbox:
            pending = self._next(inbox.popleft())
            if pending is not None:
                deferred = as_deferred(pending)
                if not deferred.called or deferred.paused:
                    deferred.addBoth(self._proceed)
                    return
                deferred.addErrback(lambda f: _log.failure("a stanza of {jid} failed", failure=f, jid=self.jid))
                self._close_unit()
        self._inbox = None
        then, self._then = self._then, None
        for done in then or ():
            done(self)
        if self._pauses:
            self._pauses = False
            if self.stream:
                self.stream.resume()

    def _close_unit(self) -> None:
        unit, self._unit = self._unit, None
        if unit is not None:
            self._handled(unit)
        elif self._stored is None and self.managed is None:
            self._stored = self.host.server.ledger.latest  # it was the first of all to leave something, after a wait

    def _next(self, item: Item) -> Awaitable[None] | None:
        try:
            return self._handle(item)
        except Exception:
            _log.failure("a stanza of {jid} could not be handled", jid=self.jid)
            return None

    def abandon(self) -> None:
        """Do nothing more of what the client has sent, but for what is under way.

        It is no longer entitled to it, or sends it again.
        """
        if self._inbox is not None:
            self._inbox.clear()

    @property
    def unhandled(self) -> int:
        """How many stanzas of the client are not handled yet."""
        inbox = self._inbox
        return 0 if inbox is None else 1 + sum(item.__class__ is not Nonza for item in inbox)

    def when_idle(self, done: Callable[[Session], object]) -> None:
        """Call `done` as soon as what the client has sent is handled; at once if nothing is left."""
        if self._inbox is None:
            done(self)
        elif self._then is None:
            self._then = [done]
        else:
            self._then.append(done)

    # Out

    def send(self, stanza: Stanza) -> Awaitable[None] | None:
        """Write a stanza to the device, past the ToDevice filters."""
        filters = self.host.tables.to_device.get(stanza.kind)
        if filters:
            event = ToDevice(stanza, self)
            verdict = decide(filters, event)
            if verdict is not None or event.also:
                return self.host.finish(event, verdict, self._write)
            stanza = event.stanza
        self._write(stanza)
        return None

    def _write(self, stanza: Stanza) -> None:
        unit: Any = stanza.unit
        if unit is None:
            self.emit(stanza, None)
        elif unit.open:
            unit.send(self, stanza)
        else:
            self.emit(stanza, unit.batch)

    def emit(self, stanza: Stanza, batch: Batch | None, spread: Spread | None = None) -> None:
        """Write a stanza to the stream, after all that was to be written before it.

        :param batch: what has to be on disk before.
        :param spread: what ties it to copies for other devices.
        """
        if self.managed is not None:
            self.managed.emit(stanza, spread)
            return
        if self.ended:
            self.host.server.redirect(self, stanza, spread)
            return
        if spread is not None:
            spread.taken = True  # for all we will ever hear
        stored = self._stored
        if stored is not None:
            # A client without acknowledgements has only this to go by: an answer to what it sent later.
            if stored.committed:
                self._stored = None
            elif batch is None and not self.host.server.ledger.failing:
                batch = stored
        self.write_in_turn(stanza.to_bytes(), batch)
        self.sent += 1

    def write_in_turn(self, data: bytes, batch: Batch | None = None) -> None:
        """Write to the stream, after all that was to be written before, and when a batch is on disk."""
        if self._waiting is None and (batch is None or batch.committed):
            if self.stream is not None:
                self.stream.write(data)
            return
        self.put_off(data, batch)
        self._waiting_octets += len(data)
        if self._waiting is not None and self._waiting_octets > self.host.limits.output_queue_octets:
            self._waiting.clear()
            self._waiting_octets = 0
            self.close(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much waits for the disk"))

    def committed(self, batch: Batch) -> None:
        """A batch is on disk: write what waited for it."""
        elements = list(self.due(batch))
        if not elements:
            return
        self._waiting_octets -= sum(map(len, elements))
        if self.stream is not None:
            self.stream.write_all(elements)

    def overflow(self) -> None:
        """The client doesn't acknowledge what it is sent, and too much has gathered: the session ends.

        That is when what runs now is over: only then it is known which other devices have the last message.
        """
        self.host.clock.callLater(0, self._overflow)

    def _overflow(self) -> None:
        if self.host.server.directory.by_jid.get(self.jid) is self:
            _log.info("{jid} has not acknowledged what it was sent for too long; its session ends", jid=self.jid)
            self.close(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much is not acknowledged"))

    def close(self, error: StreamError | None = None) -> None:
        """End the session."""
        if self.stream is not None:
            self.stream.close(error)
        else:
            self.host.server.end(self)

    def __repr__(self) -> str:
        return f"<Session {self.jid}>"
