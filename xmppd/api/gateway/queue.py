"""Messages on their way to another network: accepted ones are on disk until it is known what has become of them.

Messages of one user to one contact are sent one after the other, in order; those of others don't wait for them. When
more could be sent than may be at the same time, users take turns, however many contacts they write to. What
happens to a message is written down before and after each attempt, so that nothing is lost if the server is killed, and
an attempt that may have succeeded is known for one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update
from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError

from xmppd.api.gateway.outgoing import Outgoing, TryAgain, from_row, header_of
from xmppd.api.gateway.tables import execute
from xmppd.api.interfaces import IDelayedCall
from xmppd.api.storage import StorageUnavailable
from xmppd.api.waiting import as_deferred
from xmppd.wire.errors import Condition, ErrorType, StanzaError
from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.api.gateway.base import Gateway

__all__ = ["Queue"]

_DATABASE = 5.0  # seconds until what has to be written is tried again
_GRACE = 10.0  # seconds that attempts under way get to end when the gateway is stopped


class _Lane:
    """The messages of one user to one contact, in order, by number."""

    __slots__ = ("busy", "contact", "numbers", "timer", "user")

    def __init__(self, user: Jid, contact: str) -> None:
        self.user = user
        self.contact = contact
        self.numbers: deque[int] = deque()
        self.busy = False
        self.timer: IDelayedCall | None = None


class Queue:
    """The queue of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = str(gateway.jid)
        self._tables = gateway.gateway_tables
        self._lanes: dict[tuple[Jid, str], _Lane] = {}
        self._counts: Counter[Jid] = Counter()
        self._ready: OrderedDict[Jid, deque[_Lane]] = OrderedDict()  # by user: they take turns
        self._attempts: set[Deferred[Any]] = set()
        self._working: set[Deferred[None]] = set()  # fire when what is under way is over
        self._pauses: set[Deferred[None]] = set()  # until the database is tried again
        self._running = 0
        self._uncommitted: set[int] = set()
        self._number = 0
        self._stopped = False

    # Life

    async def load(self) -> None:
        """Read which messages wait; they are sent when :meth:`go` is called. Those of users who have gone are deleted.

        (A message may have been accepted in the very moment in which everything of its sender was deleted.)
        """
        c = self._tables.queue.c

        def read(connection: Connection) -> tuple[list[tuple[int, str, str]], int]:
            query = select(c.number, c.account, c.contact).where(c.gateway == self._jid, c.sent_at == 0)
            rows = [(number, account, contact) for number, account, contact in connection.execute(query)]
            last = connection.scalar(select(c.number).where(c.gateway == self._jid).order_by(c.number.desc()).limit(1))
            return rows, last or 0

        rows, self._number = await self._gateway.db.read(read)
        for number, account, contact in sorted(rows):
            user = Jid.parse(account)
            if user in self._gateway.registrations:
                self._enter(number, user, contact)
            else:
                await execute(self._gateway.db, delete(self._tables.queue).filter_by(gateway=self._jid, number=number))

    def _enter(self, number: int, user: Jid, contact: str) -> _Lane:
        lane = self._lanes.get((user, contact))
        if lane is None:
            lane = self._lanes[user, contact] = _Lane(user, contact)
        lane.numbers.append(number)
        self._counts[user] += 1
        return lane

    def go(self, user: Jid | None = None) -> None:
        """Try all that wait, or all of a user, now."""
        for lane in list(self._lanes.values()):
            if user is None or lane.user == user:
                self._wake(lane)

    async def stop(self) -> None:
        """Begin nothing more, and wait a little for what is under way to be over, and written down.

        Whoever loads the queue then sees all that was accepted, and nothing that was sent.
        """
        self._stopped = True
        for lane in list(self._lanes.values()):
            self._cancel_timer(lane)
        for pause in list(self._pauses):
            pause.callback(None)
        if self._working:
            clock = self._gateway.clock
            waiting = DeferredList(list(self._working), consumeErrors=True)
            calls = [clock.callLater(_GRACE, _cancel, self._attempts), clock.callLater(2 * _GRACE, waiting.cancel)]
            await waiting
            for call in calls:
                if call.active():
                    call.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        over: Deferred[None] = Deferred()
        self._working.add(over)

        async def run() -> None:
            try:
                await work
            finally:
                self._working.discard(over)
                over.callback(None)

        self._gateway.host.spawn(run(), what)

    # In

    def waiting(self, user: Jid) -> int:
        """Return how many messages of a user wait to be sent."""
        return self._counts[user]

    @property
    def length(self) -> int:
        """How many messages wait."""
        return self._counts.total()

    def next_number(self) -> int:
        """Return a number that no message ever had: the time in microseconds, or one more than the last."""
        self._number = max(self._number + 1, int(self._gateway.clock.seconds() * 1e6))
        return self._number

    def add(self, message: Outgoing) -> None:
        """Take a message that is being handled: it is stored with all else that handling it leaves behind.

        :raises StorageUnavailable: it can't be stored now.
        :raises StanzaError: recipient-unavailable: the gateway has been stopped meanwhile.
        """
        if self._stopped:
            raise StanzaError(Condition.RECIPIENT_UNAVAILABLE, ErrorType.WAIT, "the gateway is being stopped")
        host = self._gateway.host
        row = {
            "gateway": self._jid, "number": message.number, "account": str(message.user), "contact": message.contact,
            "header": header_of(message.message), "payload": message.message.payload, "cost": message.cost,
            "accepted_at": message.accepted_at, "tries": 0, "begun": 0, "sent_at": 0.0, "note": "",
        }  # fmt: skip
        host.store(message.message, self._tables.queue, row)
        lane = self._enter(message.number, message.user, message.contact)
        self._uncommitted.add(message.number)
        self._spawn(self._committed(message, lane), f"sending a message through {self._jid}")

    async def _committed(self, message: Outgoing, lane: _Lane) -> None:
        await self._gateway.host.stored(message.message)
        self._uncommitted.discard(message.number)
        if lane.timer is None:
            self._wake(lane)

    def forget(self, user: Jid) -> None:
        """A user is gone, and their messages have been deleted."""
        for key in [key for key in self._lanes if key[0] == user]:
            lane = self._lanes.pop(key)
            self._cancel_timer(lane)
            lane.numbers.clear()
        del self._counts[user]

    # Sending

    def _cancel_timer(self, lane: _Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None

    def _wake(self, lane: _Lane) -> None:
        self._cancel_timer(lane)
        if not lane.busy and lane.numbers and not self._stopped:
            lane.busy = True
            self._ready.setdefault(lane.user, deque()).append(lane)
            self._next()

    def _next(self) -> None:
        while self._ready and self._running < self._gateway.concurrency and not self._stopped:
            self._running += 1
            user, lanes = self._ready.popitem(last=False)
            lane = lanes.popleft()
            if lanes:
                self._ready[user] = lanes
            self._spawn(self._drain(lane), f"sending what waits in {self._jid}")

    async def _drain(self, lane: _Lane) -> None:
        """Send what waits in a lane until it is empty or something has to be waited for."""
        try:
            while lane.numbers and not self._stopped and lane.numbers[0] not in self._uncommitted:
                number = lane.numbers[0]
                delay = await self._try_surely(number)
                if delay is not None:
                    if lane.numbers and not self._stopped:
                        lane.timer = self._gateway.later(delay, lambda: self._wake(lane))
                    break
                if lane.numbers and lane.numbers[0] == number:
                    lane.numbers.popleft()
                    self._counts[lane.user] -= 1
        except GeneratorExit:
            self._stopped = True  # the server is gone without having been stopped: nothing may begin now
            raise
        finally:
            lane.busy = False
            self._running -= 1
            self._tidy(lane)
            self._next()

    def _tidy(self, lane: _Lane) -> None:
        if lane.numbers:
            if lane.timer is None and lane.numbers[0] not in self._uncommitted:
                self._wake(lane)  # it came while the last one was dealt with
            return
        if self._lanes.get((lane.user, lane.contact)) is lane:
            del self._lanes[lane.user, lane.contact]
        if self._counts.get(lane.user) == 0:
            del self._counts[lane.user]

    async def _try_surely(self, number: int) -> float | None:
        try:
            return await self._try(number)
        except Exception:  # nothing that should happen; it must not happen all the time
            self._gateway.log.failure("message {number} of {gateway} is stuck", number=number, gateway=self._jid)
            longest: float = self._gateway.options.retry_max_seconds
            return longest

    async def _try(self, number: int) -> float | None:
        """Try to send a message; return seconds to wait before the next attempt, or None if it is dealt with."""
        try:
            message = await self._begin(number)
        except StorageUnavailable:
            return _DATABASE
        if message is None:
            return None
        if self._stopped or message.user not in self._gateway.registrations:  # they are just being forgotten
            if not message.uncertain:
                await self._surely(partial(self._not_begun, message.number))
            return _DATABASE
        try:
            references = await self._attempt(message)
        except TryAgain as error:
            return await self._failed(message, error)
        except StanzaError as error:
            await self._surely(partial(self._gateway.reports.refuse, message, error))
            return None
        except StorageUnavailable as error:
            return await self._failed(message, TryAgain(error.reason))
        except CancelledError:
            if self._stopped:
                return 0.0
            return await self._failed(message, TryAgain("it was cancelled", uncertain=True))
        except Exception as error:
            self._gateway.log.failure("{number} could not be sent through {gateway}", number=number, gateway=self._jid)
            return await self._failed(message, TryAgain(f"internal error: {type(error).__name__}", uncertain=True))
        await self._sent(message, references)
        return None

    async def _sent(self, message: Outgoing, references: Any) -> None:
        """A message was sent; if what it is called there can't be stored, that is no reason to send it again."""
        reports = self._gateway.reports
        try:
            await self._surely(partial(reports.sent, message, _names(references)))
        except Exception:
            self._gateway.log.failure(
                "{gateway}: no report on {number} can be waited for: {references} can't be stored",
                gateway=self._jid, number=message.number, references=repr(references)[:200],
            )  # fmt: skip
            await self._surely(partial(reports.sent, message, ()))

    async def _attempt(self, message: Outgoing) -> str | Sequence[str] | None:
        gateway = self._gateway
        attempt = as_deferred(gateway.outgoing(message.user, message.contact, message))
        if not attempt.called:
            self._attempts.add(attempt)
            attempt.addTimeout(gateway.options.attempt_seconds, gateway.clock)  # type: ignore[arg-type]
        try:
            return await attempt
        except TimeoutError:
            raise TryAgain("it took too long", uncertain=True) from None
        finally:
            self._attempts.discard(attempt)

    async def _begin(self, number: int) -> Outgoing | None:
        """Note that an attempt begins; return the message, or None if it is gone."""
        table = self._tables.queue
        key = {"gateway": self._jid, "number": number}

        def write(connection: Connection) -> dict[str, Any] | None:
            row = connection.execute(select(table).filter_by(**key)).mappings().first()
            if row is not None:
                connection.execute(update(table).filter_by(**key).values(begun=1, tries=table.c.tries + 1))
            return None if row is None else dict(row)

        found = await self._gateway.db.write(write)
        return None if found is None else from_row(found)

    async def _failed(self, message: Outgoing, error: TryAgain) -> float | None:
        """An attempt has failed; return seconds until the next one, or None if there is none."""
        gateway, options = self._gateway, self._gateway.options
        if gateway.clock.seconds() - message.accepted_at >= options.give_up_hours * 3600:
            refusal = StanzaError(error.condition, text=error.reason)
            await self._surely(partial(gateway.reports.refuse, message, refusal))
            return None
        gateway.log.info(
            "{gateway}: message {key} of {user} has to wait: {reason}",
            gateway=self._jid, key=message.key, user=message.user, reason=error.reason,
        )  # fmt: skip
        if not error.uncertain and not message.uncertain:  # once nobody knows, nobody ever will
            await self._surely(partial(self._not_begun, message.number))
        longest: float = options.retry_max_seconds
        delay = min(longest, options.retry_seconds * 2 ** min(message.tries, 30))
        return max(delay, error.after or 0.0)

    async def _not_begun(self, number: int) -> None:
        query = update(self._tables.queue).filter_by(gateway=self._jid, number=number).values(begun=0)
        await execute(self._gateway.db, query)

    async def _surely(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write something down that has happened: until it is written, or the gateway is stopped."""
        while True:
            try:
                return await write()
            except StorageUnavailable as error:
                self._gateway.log.warn("{gateway}: {reason}", gateway=self._jid, reason=error.reason)
            if self._stopped:
                return None
            pause: Deferred[None] = Deferred()
            self._pauses.add(pause)
            timer = self._gateway.later(_DATABASE, lambda pause=pause: pause.callback(None))  # type: ignore[misc]
            try:
                await pause
            finally:
                self._pauses.discard(pause)
                timer.cancel()


def _names(references: Any) -> Sequence[str]:
    """What a gateway's `outgoing` has returned; some networks have numbers for names."""
    if references is None:
        return ()
    return [str(references)] if isinstance(references, str | int) else [str(one) for one in references]


def _cancel(attempts: Iterable[Deferred[Any]]) -> None:
    for attempt in list(attempts):
        attempt.cancel()
