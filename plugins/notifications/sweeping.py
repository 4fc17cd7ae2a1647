"""Deliveries whose time has come: they are sent again, go by push, or have expired. And what is old is forgotten."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from xmppd.api import IHost, Jid, StorageUnavailable
from xmppd.api.notifications import State
from xmppd.api.pace import Pace
from xmppd.plugins.notifications import deliveries, messages, people
from xmppd.plugins.notifications.arriving import Arrivals
from xmppd.plugins.notifications.audience import Resolver
from xmppd.plugins.notifications.book import NEVER, Book
from xmppd.plugins.notifications.deliveries import Delivery, Move
from xmppd.plugins.notifications.live import Live, Parcel
from xmppd.plugins.notifications.messages import Status, Stored
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.pushing import Pushing
from xmppd.plugins.notifications.recording import Recorder
from xmppd.plugins.notifications.states import UNREAD

__all__ = ["Sweeper"]

_AT_ONCE = 500
#: Messages that are forgotten in one transaction, each of which may have been to many.
_FORGOTTEN = 2
#: Seconds until a delivery of a paused message is looked at again.
_PAUSED = 60.0
#: The same of one that is just being sent.
_IN_HAND = 5.0
_DAY = 86_400.0


class Sweeper:
    """Looks after what is due."""

    def __init__(
        self, host: IHost, book: Book, resolver: Resolver, live: Live, pushing: Pushing, recorder: Recorder, pace: Pace,
        arrivals: Arrivals, options: Callable[[], NotificationOptions],
    ) -> None:  # fmt: skip
        self._host = host
        self._book = book
        self._resolver = resolver
        self._live = live
        self._pushing = pushing
        self._recorder = recorder
        self._pace = pace
        self._arrivals = arrivals
        self._options = options

    async def sweep(self) -> None:
        """Look after all that is due now."""
        if self._book.sweeping or self._book.next_due > self._book.now:
            return
        self._book.sweeping = True
        try:
            while await self._sweep_some():
                pass
        finally:
            self._book.sweeping = False

    async def _sweep_some(self) -> bool:
        """Look after some; say whether there may be more that are due."""
        await self._recorder.settled()
        book = self._book
        now, host = book.now, book.name
        book.next_due = NEVER  # whatever comes meanwhile brings it forward
        try:
            some, following = await self._host.db.read(lambda c: deliveries.due(c, host, now, _AT_ONCE))
        except StorageUnavailable:
            book.wake(now)
            raise
        if following is not None:
            book.wake(following)
        moves: list[Move] = []
        to_push: list[tuple[Stored, Delivery]] = []
        for one in some:
            message = await book.message(one.message)
            if message is not None:
                moves += await self._look_after(message, one, now, to_push)
        await book.record(moves)
        await self._pushing.push(to_push)
        await self._recorder.settled()
        return len(some) == _AT_ONCE

    async def _look_after(
        self, message: Stored, one: Delivery, now: float, to_push: list[tuple[Stored, Delivery]]
    ) -> list[Move]:
        """Return how a delivery moves on; what is sent is noted elsewhere."""
        expires = message.notification.expires_at
        if message.status is Status.CANCELLED:
            return [_ended(one, State.CANCELLED, now, "it was cancelled")]
        if expires <= now:
            return [
                _ended(one, State.EXPIRED, now, "nobody confirmed it" if one.attempts else "the device did not come")
            ]
        if message.status in (Status.PAUSED, Status.SCHEDULED):
            return [Move(one.key, one.state, now, min(now + _PAUSED, expires))]
        if one.key in self._book.in_hand:
            return [Move(one.key, one.state, now, min(now + _IN_HAND, expires))]
        if one.attempts >= self._options().max_attempts:
            return [_ended(one, State.FAILED, now, f"it was sent {one.attempts} times, and never confirmed")]
        online = self._resolver.online(Jid.parse(one.account)) if "live" in message.roads else {}
        if one.device in online:
            parcel = Parcel(one.key, one.state, one.attempts, online[one.device])
            if await self._live.send(message, (parcel,), self._pace.step):
                return []
        for session in online.values():  # it may be for one of these, which have come while it was paused
            self._arrivals.came(session, session.bound_at)
        taken = not one.device and online
        if not taken and "push" in message.roads and one.state is State.QUEUED:
            to_push.append((message, one))
            return []
        return [Move(one.key, one.state, now, expires)]

    async def forget_old(self) -> None:
        """Forget messages, deliveries and devices that are older than the options want them kept."""
        options, now, host = self._options(), self._book.now, self._book.name

        def clean(connection: Connection) -> int:
            done = messages.with_deliveries(connection, host, now - options.deliveries_days * _DAY, _FORGOTTEN)
            messages.forget_deliveries(connection, done)
            gone = [] if done else messages.old(connection, host, now - options.history_days * _DAY, _FORGOTTEN)
            messages.forget(connection, gone)
            people.forget_unseen(connection, host, now - options.device_days * _DAY)
            return len(gone) + len(done)

        while await self._host.db.write(clean):
            pass


def _ended(one: Delivery, state: State, now: float, reason: str) -> Move:
    """Whoever has read it has it, and is waited for no longer."""
    return Move(one.key, state if one.state in UNREAD else one.state, now, None, reason)
