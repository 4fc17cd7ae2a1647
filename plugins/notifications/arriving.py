"""Devices that come: what waits for them is looked for, for many devices at once, and sent.

In a storm of log-ins each costs an entry in a list; one read of the database serves hundreds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from xmppd.api import IDelayedCall, IHost, ISession, StorageUnavailable
from xmppd.api.notifications import State
from xmppd.api.pace import Pace
from xmppd.plugins.notifications import deliveries
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Delivery, Move
from xmppd.plugins.notifications.devices import Devices, device_of
from xmppd.plugins.notifications.live import Fences, Live, Parcel
from xmppd.plugins.notifications.messages import Status, Stored
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.recording import Recorder
from xmppd.plugins.notifications.states import UNREAD

__all__ = ["Arrivals"]

#: Seconds in which devices are gathered.
_GATHER = 0.1
_AT_ONCE = 500
_AGAIN = 5.0


class Arrivals:
    """Serves those who come."""

    def __init__(
        self, host: IHost, book: Book, devices: Devices, live: Live, recorder: Recorder, pace: Pace,
        later: Callable[[float, Callable[[], Any]], IDelayedCall], options: Callable[[], NotificationOptions],
    ) -> None:  # fmt: skip
        self._host = host
        self._book = book
        self._devices = devices
        self._live = live
        self._recorder = recorder
        self._pace = pace
        self._later = later
        self._options = options
        self._coming: dict[ISession, float] = {}  # when they can be sent to
        self._came_at: dict[ISession, float] = {}
        self._timer: IDelayedCall | None = None

    def came(self, session: ISession, since: float | None = None) -> None:
        """A device can be sent to, soon.

        :param since: what it was sent after that it need not be sent again; None: now.
        """
        if self._book.quiet:
            return
        now = self._book.now
        self._coming[session] = now + self._live.format_of(session).settling_seconds(session)
        self._came_at[session] = now if since is None else since
        if self._timer is None:
            self._timer = self._later(_GATHER, self._serve)

    def left(self, session: ISession) -> None:
        """A device is gone."""
        self._coming.pop(session, None)
        self._came_at.pop(session, None)

    async def _serve(self) -> None:
        self._timer = None
        now, pause = self._book.now, 0.0
        ready = [session for session, at in self._coming.items() if at <= now][:_AT_ONCE]
        for session in ready:
            del self._coming[session]
        try:
            if ready:
                await self._recorder.settled()
                await self._devices.write()
                await self._hand_over(ready)
                for session in ready:
                    self._came_at.pop(session, None)
        except StorageUnavailable:
            pause = _AGAIN
            for session in ready:
                if session in self._came_at:
                    self._coming[session] = now + pause
        if self._coming and self._timer is None:
            wait = min(self._coming.values()) - self._book.now
            self._timer = self._later(max(wait, pause, _GATHER), self._serve)

    async def _hand_over(self, sessions: Sequence[ISession]) -> None:
        accounts = list({str(session.account) for session in sessions})
        found = await self._host.db.read(lambda c: deliveries.waiting(c, accounts))
        by_account: dict[str, list[Delivery]] = defaultdict(list)
        for one in found:
            by_account[one.account].append(one)
        came_at = {session: self._came_at.get(session, 0.0) for session in sessions}
        plan = _Plan(await self._whole(sessions, by_account), came_at)
        for session in sessions:
            waiting = by_account[str(session.account)]
            if waiting:
                plan.mine[session] = [one async for one in self._meant(session, waiting, plan)]
        await self._write(plan)
        fences = Fences()
        for session, mine in plan.mine.items():
            await self._send(session, sorted(mine), fences)
        fences.put_up(self._live)

    async def _whole(
        self, sessions: Iterable[ISession], waiting: Mapping[str, Sequence[Delivery]]
    ) -> dict[tuple[int, str], list[Delivery]]:
        """Return all deliveries of what waits for accounts, but not for those of their devices that have come."""
        strange: set[tuple[int, str]] = set()
        for session in sessions:
            device, some = device_of(session), waiting[str(session.account)]
            own = {one.message for one in some if one.device in (device, "")}
            strange |= {(one.message, one.account) for one in some if one.message not in own}
        found: dict[tuple[int, str], list[Delivery]] = defaultdict(list)
        if strange:
            for one in await self._host.db.read(lambda c: deliveries.of_accounts(c, sorted(strange))):
                found[one.message, one.account].append(one)
        return found

    async def _meant(self, session: ISession, waiting: Sequence[Delivery], plan: _Plan) -> AsyncIterator[Delivery]:
        """Go through what a session is to be sent; what else has to be written for that goes into the plan."""
        device = device_of(session)
        own = {one.message for one in waiting if one.device == device}
        seen: set[int] = set()
        for one in waiting:
            pair = (one.message, one.account)
            message = await self._book.message(one.message)
            if message is None or not self._may_send(message) or one.attempts >= self._options().max_attempts:
                continue
            if one.key in self._book.in_hand:
                pass  # it is its turn in a moment
            elif one.device == device:
                if one.sent_at is None or one.sent_at < plan.came_at[session]:
                    yield one  # else it was sent since
            elif one.message in own or one.message in seen:
                continue
            elif one.device == "":
                if pair not in plan.claims:
                    plan.claims[pair] = device
                    yield one._replace(device=device)
            elif _joins(message, device, plan.whole[pair]):
                plan.joins.append((one.message, one.account, device, message.notification.expires_at))
                yield Delivery(one.message, one.account, device, State.QUEUED, 0)
            seen.add(one.message)

    def _may_send(self, message: Stored) -> bool:
        alive = message.status in (Status.RUNNING, Status.DONE) and message.notification.expires_at > self._book.now
        return alive and "live" in message.roads

    async def _write(self, plan: _Plan) -> None:
        if not plan.claims and not plan.joins:
            return
        now, host = self._book.now, self._book.name

        def write(connection: Connection) -> None:
            for (message, account), device in plan.claims.items():
                deliveries.claim(connection, message, account, device)
            for message, account, device, due_at in plan.joins:
                deliveries.add(connection, message, host, [(account, device, due_at, State.QUEUED, "")], now, 0)

        await self._host.db.write(write)

    async def _send(self, session: ISession, mine: Sequence[Delivery], fences: Fences) -> None:
        surplus = len(mine) - self._options().waiting_per_device
        for count, one in enumerate(mine):
            message = await self._book.message(one.message)
            if count < surplus:
                state = State.FAILED if one.state in UNREAD else one.state
                self._recorder.note(Move(one.key, state, self._book.now, None, "too many waited for the device"))
            elif message is not None:
                parcel = Parcel(one.key, one.state, one.attempts, session)
                await self._live.send(message, (parcel,), self._pace.step, fences)


class _Plan:
    """What is found for those who came.

    :ivar whole: all deliveries of a message to an account, where that matters.
    :ivar came_at: when each session came.
    :ivar mine: what each session is sent.
    :ivar claims: deliveries to whichever device comes first, and which has.
    :ivar joins: deliveries to devices that weren't known: message, account, device, and when it is over.
    """

    def __init__(self, whole: Mapping[tuple[int, str], Sequence[Delivery]], came_at: Mapping[ISession, float]) -> None:
        self.whole = whole
        self.came_at = came_at
        self.mine: dict[ISession, list[Delivery]] = {}
        self.claims: dict[tuple[int, str], str] = {}
        self.joins: list[tuple[int, str, str, float]] = []


def _joins(message: Stored, device: str, there: Sequence[Delivery]) -> bool:
    """Does a device that wasn't known get it? If it is for the whole account, and none of its devices has read it."""
    if message.by_device or message.online_only:
        return False
    return all(one.device != device and one.state in UNREAD for one in there)
