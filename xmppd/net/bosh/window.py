"""The requests of one session: their order, which of them wait, and what was answered (XEP-0124).

A machine without sockets and clocks: times are passed in, in seconds, and a request's `ticket` is whatever it is
answered by. Requests are taken in the order of their ids, whatever order they come in (14.2); they are answered in that
order as well (8); and what was answered is kept, in case it has not arrived (14.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from xmppd.net.bosh.keys import KeySequence
from xmppd.wire.bosh import RECOVERABLE, RESTART, BindingError, Body

__all__ = ["Request", "Terms", "Window"]

#: Seconds after which the client is told that it has not acknowledged an answer (9.2).
_LATE = 0.5
#: Seconds between repeats after which they are those of a client whose requests get no answers, not of one in a hurry.
_APART = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What client and server have agreed on when the session was created (7.2).

    :ivar wait: seconds that a request is kept waiting at most.
    :ivar hold: requests that are kept waiting at most.
    :ivar polling: seconds that have to be between two empty requests; 0 for none.
    :ivar inactivity: seconds that there may be no request under way.
    :ivar repeats: how often requests may be repeated in a row, with less than :data:`_APART` in between.
    :ivar acks: does the client say which answers it has received?
    """

    wait: int
    hold: int
    polling: int
    inactivity: int
    repeats: int
    acks: bool

    @property
    def requests(self) -> int:
        """How many requests may be under way at a time."""
        return self.hold + 1

    @property
    def polls(self) -> bool:
        """Is it a polling session (section 12)?"""
        return not (self.wait and self.hold)


class Request:
    """A request that is not answered yet.

    :ivar body: what it says, until that is done.
    :ivar ticket: what it is answered by, or None if its connection is gone.
    :ivar at: when it came.
    :ivar hollow: must its answer have no payloads?
    """

    __slots__ = ("at", "body", "hollow", "rid", "ticket")

    def __init__(self, rid: int, body: Body, ticket: Any, at: float) -> None:
        self.rid = rid
        self.body: Body | None = body
        self.ticket = ticket
        self.at = at
        self.hollow = False


class Window:
    """The requests of one session.

    :param rid: the id of the request that has created it.
    :ivar last: the highest id that was received, with all below it.
    :ivar live: how many requests wait whose connections are there.
    :ivar quiet_since: since when there are none.
    :ivar flushing: are all that wait to be answered, even with nothing?
    """

    __slots__ = (
        "_answered", "_early", "_fed", "_held", "_idle", "_kept", "_keys", "_new_at", "_ready", "_repeated_at",
        "_repeats", "_report", "flushing", "last", "live", "quiet_since", "terms",
    )  # fmt: skip

    def __init__(self, rid: int, terms: Terms, now: float) -> None:
        self.terms = terms
        self.last = self._answered = rid - 1
        self.live = 0
        self.quiet_since = now
        self.flushing = True  # the client is told at once that there is a session
        self._ready: list[Request] = []  # their turn has come
        self._early: dict[int, Request] | None = None  # others have to come before them
        self._held: list[Request] = []  # what they say is done
        self._kept: list[tuple[bytes, float]] = []  # the last answers, and when they were given
        self._keys: KeySequence | None = None
        self._new_at = float("-inf")  # when the last new request came
        self._idle = False  # was it empty?
        self._fed = False  # had the last answer payloads?
        self._repeats = 0
        self._repeated_at = float("-inf")
        self._report: int | None = None  # an answer that the client doesn't seem to have

    # In

    def arrive(self, request: Request, extra: bool = False) -> tuple[Any, bytes, Request | None] | None:
        """Take a request.

        :param extra: may it be one more than there may be, and in any hurry? (11: to pause or to terminate.)
        :returns: None if it is new; else it is a repeat, and these are the ticket to answer at once, how, and the
            request that waits for an answer still and is now answered by the ticket of the repeat.
        :raises BindingError: the session has to end.
        """
        step = request.rid - self.last
        if step <= 0:
            return self._repeat(request)
        if step > self.terms.requests + extra:
            raise BindingError("item-not-found", "the request id is beyond the window")
        early = self._early
        if early is not None and request.rid in early:
            return self._replace(early[request.rid], request)
        self._check_activity(request, extra)
        self._repeats = 0
        self.live += 1
        if step > 1:
            if early is None:
                early = self._early = {}
            early[request.rid] = request
            return None
        self.last += 1
        self._ready.append(request)
        while early:
            following = early.pop(self.last + 1, None)
            if following is None:
                return None
            self.last += 1
            self._ready.append(following)
        self._early = None
        return None

    def _check_activity(self, request: Request, extra: bool) -> None:
        """Sections 11 and 12: not too many requests at a time, and empty ones not too often."""
        terms, body, now = self.terms, request.body, request.at
        waiting = len(self._held) + len(self._ready) + (len(self._early) if self._early else 0) + 1
        blank = body is not None and (not body.content or body.content.isspace())
        empty = body is not None and blank and not extra and RESTART not in body.attributes
        since, self._new_at = now - self._new_at, now
        before, self._idle = self._idle, empty
        if waiting > terms.requests + extra:
            raise BindingError("policy-violation", "too many requests at a time")
        if not empty or since >= terms.polling or (self._early and request.rid < max(self._early)):
            return  # the last request matters, not the last to arrive: this one was held up by a lost connection, say
        if (before and waiting == 1 and not self._fed) if terms.polls else (self.live + 1 >= terms.requests):
            raise BindingError("policy-violation", "empty requests come too often")

    def _repeat(self, request: Request) -> tuple[Any, bytes, Request | None]:
        """Section 14.3: a request that has come before; its answer may have got lost."""
        hasty = request.at - self._repeated_at < _APART
        self._repeats, self._repeated_at = self._repeats + 1 if hasty else 1, request.at
        if self._repeats > self.terms.repeats:
            raise BindingError("policy-violation", "requests are repeated too often")
        if self._keys is not None and request.body is not None:
            self._keys.check_again(request.rid, request.body.attributes)
        back = self._answered - request.rid
        if back < 0:
            waiting = next(one for one in chain(self._held, self._ready) if one.rid == request.rid)
            return self._replace(waiting, request)
        if back >= len(self._kept):
            raise BindingError("item-not-found", "the answer is no longer there")
        if not self.live:
            self.quiet_since = request.at
        return request.ticket, self._kept[-1 - back][0], None

    def _replace(self, waiting: Request, request: Request) -> tuple[Any, bytes, Request | None]:
        """A request that waits is repeated: the latest is the one that is answered.

        :raises BindingError: its turn has not come, and its key is another one: somebody else wants the answer.
        """
        mine, its = waiting.body, request.body
        if mine is not None and its is not None and mine.attributes.get("key") != its.attributes.get("key"):
            raise BindingError("item-not-found", "the request is repeated with another key")
        ticket, waiting.ticket, waiting.at = waiting.ticket, request.ticket, request.at
        if ticket is None:
            self.live += 1
        return ticket, RECOVERABLE, waiting

    def take(self) -> Request | None:
        """Return the next request, for what it says to be done; None if its turn has not come.

        :raises BindingError: its key is wrong; the session has to end.
        """
        if not self._ready:
            return None
        request = self._ready[0]
        assert request.body is not None
        attributes = request.body.attributes
        if self._keys is not None:
            self._keys.check(request.rid, attributes)
        elif "newkey" in attributes:
            self._keys = KeySequence(attributes["newkey"], 2 * self.terms.requests)
        self._held.append(self._ready.pop(0))
        return request

    def acknowledge(self, ack: int, now: float) -> None:
        """Take what the client says it has received (9.2): if an answer is missing for some time, tell it so."""
        behind = self._answered - ack
        if 0 < behind <= len(self._kept) and now - self._kept[-behind][1] >= _LATE:
            self._report = ack + 1

    # Out

    def due(self, now: float, output: bool) -> bool:
        """Is the oldest request that waits to be answered now?

        :param output: is there something to answer with?
        """
        held, terms = self._held, self.terms
        if not held:
            self.flushing = False
            return False
        if terms.polls or len(held) > terms.hold or self.flushing:
            return True
        first = held[0]
        if first.ticket is None:  # its answer is kept for when the client comes back; unless it is there
            first = next((request for request in held if request.ticket is not None), first)
            if first.ticket is None:
                return False
        return output or self._report is not None or now >= first.at + terms.wait

    @property
    def carries(self) -> bool:
        """May the next answer have payloads? What nobody waits for has none, so that they go to who does."""
        first = self._held[0]
        return first.ticket is not None and not first.hollow

    def report(self, now: float) -> tuple[int, int] | None:
        """Return the request whose answer the client doesn't seem to have, and how many milliseconds ago it was."""
        missing, self._report = self._report, None
        if missing is None or not 0 <= self._answered - missing < len(self._kept):
            return None
        return missing, round((now - self._kept[missing - self._answered - 1][1]) * 1000)

    @property
    def next_rid(self) -> int:
        """The id of the request that is answered next."""
        return self._answered + 1

    def answer(self, body: bytes, fed: bool, now: float) -> Any:
        """Answer the oldest request.

        :param body: what with.
        :param fed: are there payloads in it?
        :returns: the ticket; or None if nobody is there to be answered, but may come back.
        """
        request = self._held.pop(0)
        self._answered = request.rid
        self._fed = fed
        kept = self._kept
        kept.append((body, now))
        if len(kept) > self.terms.requests:
            del kept[0]
        ticket, request.ticket = request.ticket, None
        if ticket is not None:
            self._left(now)
        return ticket

    # The rest

    def lost(self, request: Request, now: float) -> None:
        """The connection of a request is gone before it was answered."""
        if request.ticket is not None:
            request.ticket = None
            self._left(now)

    def _left(self, now: float) -> None:
        self.live -= 1
        if not self.live:
            self.quiet_since = now

    def quiet(self, now: float) -> float:
        """Return for how many seconds the client has not been there."""
        return 0.0 if self.live else now - self.quiet_since

    def deadline(self, now: float, inactivity: float) -> float:
        """Return the first moment at which time may make a difference, whatever requests come meanwhile.

        :param inactivity: seconds that there may be no request.
        """
        wait = self.terms.wait or inactivity
        if not self.live:
            return min(self.quiet_since + inactivity, now + wait)
        waiting = (request.at + wait for request in self._held if request.ticket is not None)
        return min(now + inactivity, next(waiting, now + wait))

    def end(self) -> Iterator[Any]:
        """Give the tickets of all requests that are not answered, in their order: the session is over."""
        early = sorted(self._early.values(), key=lambda request: request.rid) if self._early else []
        requests = [*self._held, *self._ready, *early]
        self._held.clear()
        self._ready.clear()
        self._early = None
        for request in requests:
            ticket, request.ticket = request.ticket, None
            if ticket is not None:
                self.live -= 1
                yield ticket
