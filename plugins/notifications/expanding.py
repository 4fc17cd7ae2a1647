"""From a message to its deliveries: the audience is gone through in pages, and each page is written before it is sent.

How far that is, is written with each page, so that it goes on behind the last one after the server was killed. Whoever
was written but not sent to then gets it like everybody else who was not there: when the device comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from xmppd.api import IDelayedCall, IHost, ISession, Jid
from xmppd.api.notifications import State
from xmppd.api.pace import Pace
from xmppd.plugins.notifications import deliveries, messages
from xmppd.plugins.notifications.arriving import Arrivals
from xmppd.plugins.notifications.audience import AudienceError, Person, Resolver
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Key, Moved
from xmppd.plugins.notifications.devices import Devices
from xmppd.plugins.notifications.expression import ExpressionError
from xmppd.plugins.notifications.live import Live, Parcel
from xmppd.plugins.notifications.messages import Status, Stored
from xmppd.plugins.notifications.recording import Recorder

__all__ = ["Expanding"]

_Row = tuple[str, str, float | None, State, str]
_UNBOUNDED = 1e9
_PAGE = 500
#: Seconds that a page takes at most, if the rate says so.
_SECONDS = 2.0
_NEWER = "a newer one was there before"


class Expanding:
    """Begins messages, and sees them through to the last recipient.

    :param pace: of all notifications of the host.
    """

    def __init__(
        self, host: IHost, book: Book, resolver: Resolver, devices: Devices, live: Live, recorder: Recorder, pace: Pace,
        later: Callable[[float, Callable[[], Any]], IDelayedCall], arrivals: Arrivals,
    ) -> None:  # fmt: skip
        self._arrivals = arrivals
        self._host = host
        self._book = book
        self._resolver = resolver
        self._devices = devices
        self._live = live
        self._recorder = recorder
        self._pace = pace
        self._later = later
        self.running: set[int] = set()

    async def run(self, message: Stored) -> None:
        """Write the deliveries of a message, and send it to those who are there.

        Comes back when all are written, or the message was paused or cancelled, or the database can't be used.
        """
        if message.number in self.running:
            return
        self.running.add(message.number)
        try:
            await self._run(message)
        finally:
            self.running.discard(message.number)

    async def _run(self, message: Stored) -> None:
        number, now = message.number, self._book.now
        running = (Status.SCHEDULED, Status.RUNNING)
        if not await self._host.db.write(lambda c: messages.set_status(c, number, Status.RUNNING, running)):
            return
        self._book.changed(number)
        await self._devices.write()
        try:
            listed = await self._host.db.read(lambda c: messages.listed(c, number))
            audience = await self._resolver.resolve(message.audience, listed or None)
        except (AudienceError, ExpressionError) as error:
            await self._fail(message, str(error), now)
            return
        step = self.step(message)
        async for cursor, people in self._resolver.pages(audience, message.cursor, lambda: self._page_of(message)):
            if not await self._goes_on(number):
                return
            await self._send(message, await self._write(message, cursor, people), step)
        if await self._goes_on(number):
            await self._write(message, None, ())

    def _page_of(self, message: Stored) -> int:
        """Return how many accounts are taken at once: no more than are sent to within seconds."""
        rate = self._rate_of(message)
        return max(1, int(rate * _SECONDS)) if 0 < rate < _UNBOUNDED else _PAGE

    async def _send(self, message: Stored, parcels: Sequence[Parcel], step: Callable[[], Awaitable[None]]) -> None:
        ready = [parcel for parcel in parcels if self._live.settled(parcel.session)]
        keys = {parcel.key for parcel in ready}
        self._book.in_hand |= keys
        try:
            await self._live.send(message, ready, step)
        finally:
            self._book.in_hand -= keys
        for parcel in parcels:
            if parcel.key not in keys:
                self._arrivals.came(parcel.session, parcel.session.bound_at)
            elif self._host.session(parcel.session.jid) is not parcel.session:  # but perhaps another one of that device
                for session in self._resolver.online(parcel.session.account).values():
                    self._arrivals.came(session, session.bound_at)

    def step(self, message: Stored) -> Callable[[], Awaitable[None]]:
        """Return what is to be awaited behind each notification: the pace of all, and that of the message."""
        own = Pace(self._later, lambda: self._rate_of(message) or _UNBOUNDED)

        async def step() -> None:
            if self._rate_of(message):
                await own.step()
            await self._pace.step()

        return step

    def _rate_of(self, message: Stored) -> float:
        return (self._book.cached(message.number) or message).rate

    async def _goes_on(self, number: int) -> bool:
        message = await self._book.message(number)
        return message is not None and message.status is Status.RUNNING

    async def _fail(self, message: Stored, reason: str, now: float) -> None:
        """What was meant is not there any more: those who have it have it."""

        def write(connection: Connection) -> None:
            messages.expanded(connection, message.number, None, reason)
            messages.finish(connection, [message.number], now)

        await self._host.db.write(write)
        self._book.changed(message.number)

    async def _write(self, message: Stored, cursor: str | None, people: Sequence[Person]) -> list[Parcel]:
        """Write the deliveries of a page, and return whom to send to now.

        :param cursor: the account up to which it goes; None: there are no more.
        """
        number, now, key, done = message.number, self._book.now, message.notification.collapse, cursor is None
        host, rows = self._book.name, self._rows(message, people, now)
        accounts = list(dict.fromkeys(account for account, *_ in rows))
        taken: set[tuple[str, str]] = set()

        def write(connection: Connection) -> list[Moved]:
            taken.clear()
            moved: list[Moved] = []
            new = rows
            if key and rows:
                moved, there = deliveries.supersede(connection, number, host, key, message.starts_at, accounts, now)
                taken.update(there)
                new = [_superseded(row) if row[:2] in taken else row for row in rows]
            deliveries.add(connection, number, host, new, now, len(accounts))
            messages.expanded(connection, number, cursor)
            return moved

        for _, _, due_at, *_ in rows:
            if due_at is not None:
                self._book.wake(due_at)
        await self._book.write(write, {number} if done else None)
        if done:
            self._book.changed(number)
        return self._here(message, people, taken) if "live" in message.roads else []

    def _here(self, message: Stored, people: Sequence[Person], taken: Collection[tuple[str, str]]) -> list[Parcel]:
        """Return whom to send to now. Some may have come while their deliveries were written."""
        found: list[Parcel] = []
        for person in people:
            online = self._resolver.online(Jid.parse(person.account))
            for device in person.devices:
                if device is None:
                    for session in online.values():
                        self._arrivals.came(session, session.bound_at)
                elif self._meant_now(message, person, device.id, online) and (person.account, device.id) not in taken:
                    key = Key(message.number, person.account, device.id)
                    found.append(Parcel(key, State.QUEUED, 0, online[device.id]))
        return found

    @staticmethod
    def _meant_now(message: Stored, person: Person, device: str, online: Mapping[str, ISession]) -> bool:
        return device in online and (device in person.online or not message.online_only)

    def _rows(self, message: Stored, people: Sequence[Person], now: float) -> list[_Row]:
        """Return the deliveries to people: those who are there are sent to at once, others when they come."""
        expires = message.notification.expires_at
        rows: list[_Row] = []
        pushes = "push" in message.roads
        for person in people:
            for device in person.devices:
                here = device is not None and device.id in person.online and "live" in message.roads
                if message.online_only and not here:
                    continue
                due_at = self._live.next_due(message, 1) if here else min(now, expires) if pushes else expires
                rows.append((person.account, device.id if device else "", due_at, State.QUEUED, ""))
        return rows


def _superseded(row: _Row) -> _Row:
    return (row[0], row[1], None, State.SUPERSEDED, _NEWER)
