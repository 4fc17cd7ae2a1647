"""Stanzas of one stream, in order for each pair of addresses (RFC 6120 section 10.1).

A handler that takes its time holds up what the same sender sends to the same recipient, and nobody else; until so much
waits that nothing more is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.waiting import as_deferred
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Stanza

__all__ = ["Lanes"]

_log = Logger()
_Key = tuple[Jid, Jid]


class Lanes:
    """The stanzas that are being handled, and those that wait for them.

    :param handle: handles a stanza; what it returns is awaited.
    :param done: told when the stanza of that number is handled.
    :param answers: takes a stanza if it answers a request of the server: what is being handled may wait for just that.
    :ivar waiting: how many stanzas are being handled or wait.
    """

    __slots__ = ("_answers", "_done", "_handle", "_lanes", "_then", "waiting")

    def __init__(
        self,
        handle: Callable[[Stanza], Awaitable[None] | None],
        done: Callable[[int], None],
        answers: Callable[[Stanza], bool],
    ) -> None:
        self._handle = handle
        self._done = done
        self._answers = answers
        self._lanes: dict[_Key, deque[tuple[Stanza, int]]] = {}
        self._then: list[Callable[[], object]] = []
        self.waiting = 0

    def take(self, stanza: Stanza, number: int) -> None:
        """Handle a stanza, after those of its pair of addresses that came before.

        :param number: what `done` is told.
        """
        if self._lanes:
            lane = self._lanes.get(_key(stanza))
            if lane is not None:
                if self._answers(stanza):
                    self._done(number)
                    return
                lane.append((stanza, number))
                self.waiting += 1
                return
        pending = self._begin(stanza)
        if pending is None:
            self._done(number)
            return
        key = _key(stanza)
        self._lanes[key] = deque()
        self.waiting += 1
        as_deferred(pending).addBoth(self._proceed, key, number)

    def _begin(self, stanza: Stanza) -> Awaitable[None] | None:
        try:
            return self._handle(stanza)
        except Exception:
            _log.failure("a stanza from {sender} could not be handled", sender=stanza.from_)
            return None

    def _proceed(self, outcome: Any, key: _Key, number: int) -> None:
        lane = self._lanes[key]
        while True:
            if isinstance(outcome, Failure):
                _log.failure("a stanza from {sender} could not be handled", failure=outcome, sender=key[0])
            self.waiting -= 1
            self._done(number)
            if not lane:
                break
            stanza, number = lane.popleft()
            pending = self._begin(stanza)
            outcome = None
            if pending is not None:
                deferred = as_deferred(pending)
                if not deferred.called or deferred.paused:
                    deferred.addBoth(self._proceed, key, number)
                    return
                results: list[Any] = []
                deferred.addBoth(results.append)
                outcome = results[0]
        del self._lanes[key]
        if not self._lanes:
            then, self._then = self._then, []
            for call in then:
                call()

    def stop(self) -> None:
        """The stream is gone: nobody waits any more; what has come is handled all the same."""
        self._then.clear()

    def when_idle(self, done: Callable[[], object]) -> None:
        """Call `done` when everything that has come is handled; at once if nothing is left."""
        if self._lanes:
            self._then.append(done)
        else:
            done()


def _key(stanza: Stanza) -> _Key:
    return stanza.sender.bare, stanza.recipient.bare
