"""The first road: over the connections that devices hold open themselves.

Behind what is sent goes a ping, a fence (XEP-0199): clients read one stanza after the other, so whoever answers it has
read the notification. Devices that are known to confirm what they get are spared it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import Condition, IHost, Iq, ISession, Jid, Message, Stanza, StanzaError, settled, tag
from xmppd.api.notifications import IFormat, State
from xmppd.api.waiting import as_deferred
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Key, Move
from xmppd.plugins.notifications.devices import Devices
from xmppd.plugins.notifications.messages import Status, Stored
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.recording import Recorder
from xmppd.plugins.notifications.standard import StandardFormat, payload
from xmppd.plugins.notifications.states import UNREAD
from xmppd.wire import ns

__all__ = ["Fences", "Live", "Parcel"]

_log = Logger(namespace="xmppd.plugins.notifications")

_PING = tag("ping", xmlns=ns.PING)
#: Messages that are ready to be sent once more.
_MADE = 100


@dataclass(frozen=True, slots=True)
class Parcel:
    """A notification that is to be sent to a session now.

    :ivar state: of the delivery.
    :ivar attempts: how often it was sent before.
    """

    key: Key
    state: State
    attempts: int
    session: ISession


class Live:
    """Sends to sessions.

    :ivar formats: how kinds of clients are spoken to, besides the standard message.
    :ivar sent: how many notifications were sent.
    """

    def __init__(
        self, host: IHost, book: Book, recorder: Recorder, devices: Devices, options: Callable[[], NotificationOptions]
    ) -> None:
        self._host = host
        self._book = book
        self._recorder = recorder
        self._devices = devices
        self._options = options
        self._standard = StandardFormat(host.jid)
        self._spoken: WeakKeyDictionary[ISession, IFormat] = WeakKeyDictionary()
        self._copies: dict[int, _Copies] = {}
        self.formats: list[IFormat] = []
        self.sent = 0

    def format_of(self, session: ISession) -> IFormat:
        """Return how a session is spoken to."""
        if not self.formats:
            return self._standard
        found = self._spoken.get(session)
        if found is None:
            found = next((one for one in self.formats if one.speaks(session)), self._standard)
            self._spoken[session] = found
        return found

    def settled(self, session: ISession) -> bool:
        """Does a client listen already? Some do only a moment after they have said that they are there."""
        settling = self.format_of(session).settling_seconds(session)
        return not settling or session.bound_at + settling <= self._book.now

    def formats_changed(self) -> None:
        """Look again at how sessions are spoken to."""
        self._spoken.clear()

    def next_due(self, message: Stored, attempts: int) -> float:
        """Return when a notification that was sent so often is sent again, unless somebody confirms it."""
        options = self._options()
        gaps = options.retry_seconds
        gap = gaps[attempts - 1] if attempts <= len(gaps) else None
        if attempts >= options.max_attempts:
            gap = max(gaps, default=options.fence_seconds)  # the last chance to confirm it
        expires = message.notification.expires_at
        return expires if gap is None else min(self._book.now + gap, expires)

    async def send(
        self,
        message: Stored,
        parcels: Iterable[Parcel],
        step: Callable[[], Awaitable[None]],
        fences: Fences | None = None,
    ) -> int:
        """Send a message to sessions; return to how many.

        :param step: awaited behind each, so that others have their turn.
        :param fences: collects what a fence is due for; None: each gets its own at once.
        """
        standard = self._standard_of(message)
        count = 0
        for parcel in parcels:
            if self._unwanted(await self._book.message(message.number)):
                break
            if self._host.session(parcel.session.jid) is not parcel.session:
                continue  # it has just left
            await self._send_one(message, parcel, standard, fences)
            count += 1
            await step()
        return count

    def _standard_of(self, message: Stored) -> _Copies:
        """Return the standard message; it is made once for many devices."""
        found = self._copies.get(message.number)
        if found is None:
            stanza = Message(None, self._host.jid, message.id, "headline", payload=payload(message.notification))
            found = self._copies[message.number] = _Copies(stanza)
            if len(self._copies) > _MADE:
                del self._copies[next(iter(self._copies))]
        return found

    @staticmethod
    def _unwanted(message: Stored | None) -> bool:
        return message is None or message.status in (Status.PAUSED, Status.CANCELLED)

    async def _send_one(self, message: Stored, parcel: Parcel, standard: _Copies, fences: Fences | None) -> None:
        session, now = parcel.session, self._book.now
        format_ = self.format_of(session)
        try:
            if format_ is self._standard:
                stanza: Stanza = standard.to(session.jid)
            else:
                stanza = format_.stanza(message.notification, session.jid)
            pending = session.send(stanza)
            if pending is not None:
                await settled(pending)
        except Exception as error:  # a format's own, or that of a filter
            _log.failure("{id} can't be sent to {jid}", id=message.id, jid=session.jid)
            self._recorder.note(Move(parcel.key, State.FAILED, now, None, f"it can't be sent: {error}"))
            return
        self.sent += 1
        state = State.SENT if parcel.state in UNREAD else parcel.state
        due_at = self.next_due(message, parcel.attempts + 1)
        self._recorder.note(Move(parcel.key, state, now, due_at, sent=True, road=format_.name))
        if format_.fenced(session) and (parcel.attempts or session not in self._devices.confirming):
            if fences is None:
                self.fence(session, (parcel.key,))
            else:
                fences.add(session, parcel.key)

    def fence(self, session: ISession, keys: Sequence[Key]) -> None:
        """Send a ping, whose answer tells that what was sent before was read."""
        answer = self._host.request(Iq(session.jid, type="get", payload=_PING), self._options().fence_seconds)
        deferred: Deferred[Any] = as_deferred(answer)
        deferred.addCallbacks(
            lambda _: self._reached(session, keys), lambda failure: self._answered(failure.value, session, keys)
        )

    def _answered(self, error: BaseException, session: ISession, keys: Sequence[Key]) -> None:
        """Clients that know no ping answer with an error; the server does for those who are gone, or out of time."""
        alive = self._host.session(session.jid) is session
        if alive and isinstance(error, StanzaError) and error.condition is not Condition.REMOTE_SERVER_TIMEOUT:
            self._reached(session, keys)

    def _reached(self, session: ISession, keys: Sequence[Key]) -> None:
        now, confirms = self._book.now, session in self._devices.confirming
        for key in keys:
            # Whoever confirms otherwise, but has not yet, may have lost it after it was read.
            due_at = now + max(self._options().retry_seconds, default=0.0) if confirms else None
            self._recorder.note(Move(key, State.REACHED, now, due_at))


class _Copies:
    """One stanza to device after device: what the copies have in common is written once."""

    def __init__(self, stanza: Message) -> None:
        self._next: Jid = stanza.sender
        self._copies = stanza.copies(self._recipients())

    def _recipients(self) -> Iterator[Jid]:
        while True:
            yield self._next

    def to(self, jid: Jid) -> Message:
        """Return the copy for a device."""
        self._next = jid
        return next(self._copies)


class Fences:
    """Collects what a fence is due for: one behind all that a session is sent at once."""

    def __init__(self) -> None:
        self._keys: dict[ISession, list[Key]] = {}

    def add(self, session: ISession, key: Key) -> None:
        """A session was sent a notification."""
        self._keys.setdefault(session, []).append(key)

    def put_up(self, live: Live) -> None:
        """Send the fences."""
        for session, keys in self._keys.items():
            live.fence(session, keys)
