"""Stanzas from components and other servers: each is a unit of work, and they are handled in order (RFC 6120 10.1).

One stream carries the stanzas of many. Order is kept between any two accounts, so that those of one pair wait for each
other and for nobody else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.waiting import as_deferred
from xmppd.core.durable.units import Unit
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Arrivals", "handle"]

_log = Logger()
Pair = tuple[Jid, Jid]
Arrival = tuple[Stanza, int]


class Readable(Protocol):
    """A stream that can be read no further for a while."""

    def pause(self, why: str = "inbox") -> None: ...
    def resume(self, why: str = "inbox") -> None: ...


def handle(server: Server, stanza: Stanza, unit: Unit | None = None) -> Awaitable[None] | None:
    """Handle a stanza with proven `from_`, and `to`, as a unit of work.

    :param unit: which has been begun, and ends with this; a new one unless given.
    :returns: what to await before the next one from and to the same accounts is handled, if anything.
    """
    ledger = server.ledger
    if not ledger.used:
        return server.router.route(stanza)
    unit = stanza.unit = unit or Unit(octets=len(stanza.payload))
    begun = ledger.now()
    pending: Awaitable[None] | None = None
    try:
        pending = server.router.route(stanza)
    finally:
        if pending is None:
            ledger.closed(unit)
    if pending is None:
        return None
    if stanza.kind == "message":
        ledger.opened(unit, begun)
    return _close_after(server, unit, pending)


async def _close_after(server: Server, unit: Unit, pending: Awaitable[None]) -> None:
    try:
        await pending
    finally:
        server.ledger.closed(unit)


class Arrivals:
    """What comes over one stream.

    :param most: how many stanzas may be handled or wait at a time before the stream is read no further.
    :param receive: handles one of them; :func:`handle` unless given.
    :param done: is told the number of each stanza that is handled, if it has one.
    """

    __slots__ = ("_done", "_lanes", "_most", "_paused", "_receive", "_server", "_stream", "_then", "_waiting")

    def __init__(
        self,
        server: Server,
        stream: Readable,
        most: int,
        receive: Callable[[Stanza], Awaitable[None] | None] | None = None,
        done: Callable[[int], None] | None = None,
    ) -> None:
        self._server = server
        self._stream = stream
        self._most = most
        self._receive = receive or partial(handle, server)
        self._done = done
        self._lanes: dict[Pair, deque[Arrival]] = {}  # one of each pair is being handled; these come after it
        self._waiting = 0  # how many there are
        self._paused = False
        self._then: list[Callable[[], object]] = []

    def take(self, stanza: Stanza, number: int = 0) -> None:
        """Handle a stanza with proven `from_`, and `to`; in turn.

        :param number: what `done` is told; 0 if it is not to be.
        """
        lanes = self._lanes
        if lanes:
            if self._answers(stanza):
                self._tell(number)
                return
            lane = lanes.get(_pair(stanza))
            if lane is not None:
                lane.append((stanza, number))
                self._waiting += 1
                self._check()
                return
        pending = self._begin(stanza)
        if pending is None:
            if number:
                self._tell(number)
        else:
            key = _pair(stanza)
            lanes[key] = deque()
            as_deferred(pending).addBoth(self._proceed, key, number)
            self._check()
        if self._server.ledger.crowded:
            self._server.ledger.pause(self._stream)

    def _answers(self, stanza: Stanza) -> bool:
        """Is it the answer to a request of the server? What is being waited for may wait for just that."""
        return isinstance(stanza, Iq) and not stanza.answerable and self._server.requests.answered(stanza)

    def _begin(self, stanza: Stanza) -> Awaitable[None] | None:
        try:
            return self._receive(stanza)
        except Exception:
            _log.failure("{stanza!r} could not be handled", stanza=stanza)
            return None

    def _proceed(self, outcome: object, key: Pair, number: int) -> None:
        """What was waited for is done: go on with those of the same pair that came meanwhile."""
        _log_failure(outcome, key)
        self._tell(number)
        lane = self._lanes[key]
        while lane:
            self._waiting -= 1
            stanza, number = lane.popleft()
            pending = self._begin(stanza)
            if pending is not None:
                deferred = as_deferred(pending)
                if not deferred.called or deferred.paused:
                    deferred.addBoth(self._proceed, key, number)
                    return
                deferred.addErrback(_log_failure, key)
            self._tell(number)
        del self._lanes[key]
        if self._paused and self._waiting + len(self._lanes) < self._most:
            self._paused = False
            self._stream.resume("arrivals")
        if not self._lanes:
            then, self._then = self._then, []
            for call in then:
                call()

    def _tell(self, number: int) -> None:
        if number and self._done is not None:
            self._done(number)

    def when_idle(self, call: Callable[[], object]) -> None:
        """Call something when everything that has come is handled; at once if nothing is left."""
        if self._lanes:
            self._then.append(call)
        else:
            call()

    def forget(self) -> None:
        """The stream is gone, and nobody waits any more; what has come is handled all the same."""
        self._then.clear()

    def _check(self) -> None:
        if not self._paused and self._waiting + len(self._lanes) >= self._most:
            self._paused = True
            self._stream.pause("arrivals")


def _pair(stanza: Stanza) -> Pair:
    return stanza.sender.bare, stanza.recipient.bare


def _log_failure(outcome: object, key: Pair) -> None:
    if isinstance(outcome, Failure):
        _log.failure("a stanza from {a} to {b} could not be handled", failure=outcome, a=key[0], b=key[1])
