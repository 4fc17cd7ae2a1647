"""IQ requests that the server itself has sent, waiting for their answers (RFC 6120 8.2.3)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from itertools import count

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from xmppd.api.interfaces import IClock, IDelayedCall
from xmppd.api.waiting import as_deferred
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Stanza

__all__ = ["Requests"]

Key = tuple[Jid | None, str | None]


class Requests:
    """Matches answers to requests by who answers and the id."""

    def __init__(self, clock: IClock, route: Callable[[Stanza], Awaitable[None] | None]) -> None:
        self._clock = clock
        self._route = route
        self._waiting: dict[Key, tuple[Deferred[Iq], IDelayedCall]] = {}
        self._run = secrets.token_urlsafe(6)  # late answers to requests of an earlier run match none of these
        self._numbers = count(1)
        self._stopped = False

    def send(
        self, iq: Iq, timeout: float, route: Callable[[Stanza], Awaitable[None] | None] | None = None
    ) -> Deferred[Iq]:
        """Send a get or set; fires with the result, fails with StanzaError for an error or after `timeout` seconds.

        :param route: sends it some other way than usual.
        """
        if self._stopped:
            return fail(_no_answer())
        request = Iq(iq.to, iq.from_, f"{self._run}-{next(self._numbers)}", iq.type, iq.lang, iq.payload)
        key = (request.to, request.id)
        answer: Deferred[Iq] = Deferred()
        self._waiting[key] = (answer, self._clock.callLater(timeout, self._timed_out, key))
        pending = (route or self._route)(request)
        if pending is not None:
            as_deferred(pending).addErrback(self._not_routed, key)
        return answer

    def answered(self, iq: Iq) -> bool:
        """Take a result or error; False if nobody waits for it."""
        entry = self._waiting.pop((iq.from_, iq.id), None)
        if entry is None:
            return False
        answer, timeout = entry
        timeout.cancel()
        if iq.type == "result":
            answer.callback(iq)
        else:
            error = next((e for e in iq.elements if e.name == "error"), None)
            answer.errback(StanzaError.from_element(error) if error is not None else _no_answer())
        return True

    def _not_routed(self, failure: Failure, key: Key) -> None:
        self._fail(key, failure.value or _no_answer())

    def _timed_out(self, key: Key) -> None:
        self._waiting.pop(key)[0].errback(_no_answer())

    def _fail(self, key: Key, error: BaseException) -> None:
        entry = self._waiting.pop(key, None)
        if entry is not None:
            entry[1].cancel()
            entry[0].errback(error)

    def stop(self) -> None:
        """Give up on all of them, and send no more."""
        self._stopped = True
        for key in list(self._waiting):
            self._fail(key, _no_answer())


def _no_answer() -> StanzaError:
    return StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
