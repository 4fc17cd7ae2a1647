"""Notifications: what senders have to say to people's devices, from the audience to the last device that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from xmppd.api import (
    OWN_ACCOUNT,
    AccountDeleted,
    AvailabilityChanged,
    Condition,
    Handled,
    Iq,
    ISession,
    Jid,
    Message,
    Phase,
    Plugin,
    SessionBound,
    SessionResumed,
    StanzaError,
    StorageUnavailable,
    ToHost,
    filter,
    iq_set,
    observe,
    use,
)
from xmppd.api.figures import Figure
from xmppd.api.muc import IRooms
from xmppd.api.notifications import Draft, IFormat, INotifications, NotificationError, State
from xmppd.api.pace import Pace
from xmppd.api.push import IPush, PushSettled
from xmppd.plugins.notifications.arriving import Arrivals
from xmppd.plugins.notifications.audience import AudienceError, Resolver
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Key, Move
from xmppd.plugins.notifications.devices import Devices, device_of, with_words
from xmppd.plugins.notifications.directory import Directory
from xmppd.plugins.notifications.expanding import Expanding
from xmppd.plugins.notifications.expression import ExpressionError
from xmppd.plugins.notifications.live import Live
from xmppd.plugins.notifications.messages import number_of
from xmppd.plugins.notifications.operating import MessageOperations
from xmppd.plugins.notifications.operating_people import PeopleOperations
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.pushing import Pushing
from xmppd.plugins.notifications.recording import Recorder
from xmppd.plugins.notifications.sending import Sending
from xmppd.plugins.notifications.standard import confirmed
from xmppd.plugins.notifications.sweeping import Sweeper
from xmppd.plugins.notifications.tables import TABLES
from xmppd.plugins.notifications.values import NAME

__all__ = ["DESCRIBE", "Notifications"]

#: The namespace of the request by which a client describes its device.
DESCRIBE = "urn:xmppd:device:0"
_TICK = 1.0
#: Seconds from one handful of notifications to the next; meanwhile all others have their turn.
_SLICE = 0.005
_HOUR = 3600.0
_WORDS = ("platform", "app", "version", "locale")


class Notifications(MessageOperations, PeopleOperations, Plugin):
    """Send notifications to people's devices, and know what became of each."""

    xep = ((184, "1.4.0"), (333, "1.0.0"), (432, "0.1.1"))
    account_features = (DESCRIBE,)
    provides = (INotifications,)
    tables = TABLES

    rooms = use(IRooms)
    push_road = use(IPush)

    class Options(NotificationOptions):
        """How notifications are sent, and what is kept of them."""

    # Life

    async def start(self) -> None:
        """Go on with what was begun."""
        host, options = self.host, lambda: self.options
        self.book = Book(host)
        self.recorder = Recorder(self.book, self.later)
        self.devices = Devices(host, lambda: self.options.devices_per_account)
        self.resolver = Resolver(host, lambda: self.rooms, device_of)
        pace = Pace(self.later, lambda: self.options.rate, _SLICE)
        self.live = Live(host, self.book, self.recorder, self.devices, options)
        self.pushing = Pushing(host, self.book, lambda: self.push_road, options)
        self.arrivals = Arrivals(host, self.book, self.devices, self.live, self.recorder, pace, self.later, options)
        expanding = Expanding(
            host, self.book, self.resolver, self.devices, self.live, self.recorder, pace, self.later, self.arrivals
        )
        self.sweeper = Sweeper(
            host, self.book, self.resolver, self.live, self.pushing, self.recorder, pace, self.arrivals, options
        )
        self.sending = Sending(host, self.book, self.resolver, self.devices, expanding, lambda: self.push_road, options)
        self.directory = Directory(host, self.book, self.resolver, self.devices, options)
        for session in host.all_sessions():
            self._there(session)
        self.every(_TICK, self._tick)
        self.every(_TICK, self.devices.write_in_turn)
        self.every(_HOUR, self.sweeper.forget_old)

    async def stop(self) -> None:
        """Write down what is known."""
        try:
            await self.devices.write()
            await self.recorder.finish()
        except StorageUnavailable as error:
            self.log.warn("what was learned last is lost: {reason}", reason=error.reason)

    async def _tick(self) -> None:
        with suppress(StorageUnavailable):  # the log has said so, and it comes round again
            await self.sending.start_due()
            await self.sweeper.sweep()

    # Devices

    def _there(self, session: ISession) -> None:
        if session.presence is not None and not session.hibernating:
            self.devices.came(session)
            self.arrivals.came(session)

    @observe(AvailabilityChanged)
    def available(self, event: AvailabilityChanged) -> None:
        """A device has come, or is going."""
        if event.presence.type != "available":
            self.devices.left(event.session)
            self.arrivals.left(event.session)
        elif event.previous is None:
            self._there(event.session)

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """A session from before the server was started is there again."""
        if event.restored:
            self._there(event.session)

    @observe(SessionResumed)
    def resumed(self, event: SessionResumed) -> None:
        """A device has its connection again."""
        self._there(event.session)

    @iq_set(DESCRIBE, "device", to=OWN_ACCOUNT)
    def describe(self, request: Iq) -> Iq:
        """A client describes its device."""
        session = self.host.session(request.sender)
        if session is None:
            raise StanzaError(Condition.UNEXPECTED_REQUEST)
        words = {name: request.request.getAttribute(name, "") for name in _WORDS}
        if any(len(value) > NAME or "\n" in value for value in words.values()):
            raise StanzaError(Condition.BAD_REQUEST, text=f"{NAME} characters on one line are allowed")
        self.describe_device(session, **words)
        return request.result()

    # What devices confirm

    @filter(ToHost, Phase.DELIVER, kinds=(Message,))
    def confirmation(self, event: ToHost) -> Handled | None:
        """Take receipts (XEP-0184) and marks (XEP-0333) for notifications."""
        message = event.stanza
        if message.type == "error" or not isinstance(message, Message):
            return None
        found = confirmed(message)
        if found is None:
            return None
        session = self.host.session(message.sender)
        if session is not None:
            self.confirm(session, *found)
        return Handled()

    # INotifications

    def add_format(self, format: IFormat) -> Callable[[], None]:
        """See INotifications."""
        self.live.formats.append(format)
        self.live.formats_changed()

        def undo() -> None:
            self.live.formats.remove(format)
            self.live.formats_changed()

        return undo

    async def send(self, draft: Draft, to: str, actor: str) -> str:
        """See INotifications."""
        try:
            return await self.sending.send(draft, to, actor)
        except (ExpressionError, AudienceError) as error:
            raise NotificationError(str(error)) from None

    def confirm(self, session: ISession, notification: str, state: State) -> None:
        """See INotifications."""
        try:
            number = number_of(notification)
        except ValueError:
            self.log.info("{jid} confirms what is no notification", jid=session.jid)
            return
        self.devices.confirms(session)
        self.recorder.note(Move(Key(number, str(session.account), device_of(session)), state, self.clock.seconds()))

    def describe_device(
        self, session: ISession, *, platform: str = "", app: str = "", version: str = "", locale: str = ""
    ) -> None:
        """See INotifications."""
        words = {"platform": platform, "app": app, "version": version, "locale": locale}
        words = {name: text[:NAME] for name, text in words.items() if text}
        self.devices.learn(session, with_words(session, self.clock.seconds(), **words))

    async def set_alias(self, account: Jid, alias: str) -> None:
        """See INotifications."""
        await self.directory.set_alias(account, alias)

    async def set_tags(self, account: Jid, tags: Sequence[str], *, additive: bool = False) -> None:
        """See INotifications."""
        await self.directory.set_tags(account, tags, additive=additive)

    # Ends

    @observe(PushSettled)
    async def settled(self, event: PushSettled) -> None:
        """A vendor has said its last word."""
        await self.pushing.settled(event)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Forget all that is known of an account."""
        await self.directory.forget(event.account)

    def figures(self) -> Iterable[Figure]:
        yield Figure("sent", "Notifications that were sent to devices over their own connections.", self.live.sent,
                     grows=True)  # fmt: skip
        yield Figure("pushed", "Notifications that push services have accepted.", self.pushing.pushed, grows=True)
