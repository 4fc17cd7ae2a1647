"""XEP-0160 Best Practices for Handling Offline Messages, with the delay stamps of XEP-0203.

:mod:`.waiting` knows what waits, :mod:`.store` is its table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextvars import ContextVar

from twisted.internet.defer import Deferred

from xmppd.api import (
    AccountDeleted,
    AvailabilityChanged,
    Bounce,
    Condition,
    Field,
    Handled,
    ISession,
    Jid,
    Message,
    OperationError,
    Phase,
    Plugin,
    Replace,
    Result,
    SessionBound,
    StanzaError,
    StorageUnavailable,
    ToAccount,
    Undeliverable,
    Verdict,
    bound_element,
    filter,
    observe,
    operation,
    settled,
    use,
)
from xmppd.api.archive import USED, IArchive
from xmppd.api.blocking import IBlocking
from xmppd.api.offline import FETCHES, IOfflineStore, StoredMessage
from xmppd.api.waiting import as_deferred
from xmppd.api.words import plural
from xmppd.plugins.offline import store
from xmppd.plugins.offline.rules import is_data, is_passing, is_stored, stamps
from xmppd.plugins.offline.waiting import Waiting
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import delay, without
from xmppd.wire.xml import SEPARATOR

_STAMP = f"{DELAY}{SEPARATOR}delay"
_BATCH = 100  # messages read, handed over and deleted together
_DAY = 86400.0
_AGAIN = 30.0  # seconds until delivering is tried again after the database failed
_WHY = "Offline Storage"
#: The account to whose device a message is just being given. What filters do on account of that knows it, nothing else:
#: if one of them sends something to the same account, the two must not wait for each other.
_handed_to: ContextVar[Jid | None] = ContextVar("handed_to", default=None)


class Offline(Plugin):
    """Keep messages for users who are not there, and deliver them when they come."""

    xep = ((160, "1.0.1"), (203, "2.0"), (334, "1.0.0"))
    features = ("msgoffline",)
    provides = (IOfflineStore,)
    tables = (store.MESSAGES,)
    migrations = (store.add_place,)

    archive = use(IArchive)
    blocking = use(IBlocking)

    class Options(Plugin.Options):
        """How much is kept for each account; what would be more is refused."""

        max_messages: int = Field(1000, ge=0, description="Messages that may wait for one account.")
        max_octets: int = Field(
            4 * 1024 * 1024, ge=0, description="Octets that the messages waiting for one account may have together."
        )
        max_returned: int = Field(
            10,
            ge=1,
            description="How many times as much may wait, with messages that a device was given and did not acknowledge"
            " before it was gone.",
        )
        max_days: float = Field(365, ge=0, description="Days after which a message is thrown away; 0: never.")

    async def start(self) -> None:
        self._waiting = Waiting(self.host)
        await self._waiting.load()
        self._delivering: dict[Jid, list[Deferred[None]]] = {}  # with the messages that must not overtake
        self._late: set[Jid] = set()  # delivered to when the database works again
        await self._expire()
        self.every(3600.0, self._expire)

    async def stop(self) -> None:
        await self._waiting.unload()

    # In

    @filter(ToAccount, Phase.REWRITE, kinds=(Message,))
    def believe_no_other(self, event: ToAccount) -> Verdict | None:
        """Take out delay stamps that others made in our name (XEP-0203 section 6), also if it needn't wait."""
        message = event.stanza
        if _STAMP not in message.raw_names or not isinstance(message, Message) or message.again:
            return None
        honest = without(message, self.host.jid)
        return None if honest is message else Replace(honest)

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,))
    def in_order(self, event: ToAccount) -> Awaitable[None] | None:
        """Let no message overtake older ones that are just being handed over (RFC 6120 10.1)."""
        account = event.account
        if account not in self._delivering or _handed_to.get() == account:
            return None
        return self._delivered(account)

    async def _delivered(self, account: Jid) -> None:
        while (waiting := self._delivering.get(account)) is not None:
            done: Deferred[None] = Deferred()
            waiting.append(done)
            await done

    @filter(Undeliverable, Phase.DELIVER, kinds=(Message,))
    def keep(self, event: Undeliverable) -> Verdict | None:
        """Store the message, together with all else that handling it leaves behind."""
        message, account = event.stanza, event.account
        if is_data(message):
            return Bounce(StanzaError(Condition.RECIPIENT_UNAVAILABLE))  # XEP-0047 2.2
        if not is_stored(message):
            # Nobody wants to hear, an hour later, that "is typing" was not seen.
            return Handled() if message.again and is_passing(message) else None
        octets = len(message.to_bytes())
        count, used = self._waiting.usage(account)
        # What has been taken once is refused only if somebody lets devices come and go to fill the disk.
        times = self.options.max_returned if message.again else 1
        if count >= self.options.max_messages * times or used + octets > self.options.max_octets * times:
            if self.archive is not None and not message.again:
                self.archive.take_back(account, message)
            return Bounce(StanzaError(Condition.SERVICE_UNAVAILABLE))
        self._waiting.keep(account, message, octets, self._sent_at(message) if message.again else None)
        device = self._device(account)
        if device is not None and account not in self._delivering:  # it came after it was looked for
            self.host.spawn(self._deliver(device), f"delivering the messages that waited for {account}")
        return Handled()

    def _sent_at(self, message: Message) -> float:
        """When was a message sent that a device was given once?"""
        now, found = self.clock.seconds(), stamps(message)
        return min(now, found.get(self.host.jid, next(iter(found.values()), now)))

    # Out

    @observe(AvailabilityChanged)
    def deliver(self, event: AvailabilityChanged) -> Awaitable[None] | None:
        """Hand over what waits to the first device that says it takes messages."""
        if not self._waits_for(event.session):
            return None
        return as_deferred(self._deliver(event.session))  # begins at once, not after what others do about the event

    @observe(SessionBound)
    def deliver_to_restored(self, event: SessionBound) -> None:
        """Go on handing over to a session that was there when the server ended; its start doesn't wait for that."""
        if event.restored and self._waits_for(event.session):
            account = event.session.account
            self.host.spawn(self._deliver(event.session), f"delivering the messages that waited for {account}")

    def _waits_for(self, session: ISession) -> bool:
        account = session.account
        return self.count(account) > 0 and _takes_messages(session) and self._device(account) is not None

    async def _deliver(self, session: ISession | None) -> None:
        if session is None:
            return
        account = session.account
        if account in self._delivering:
            return  # to another device, which gets all
        self._delivering[account] = []
        try:
            with self._waiting.reading(account):
                while session is not None and (messages := await self._waiting.first(account, _BATCH)):
                    await self._hand_over(session, messages)
                    if not self._reachable(session):
                        session = self._device(account)
        except StorageUnavailable as error:
            self.log.warn("messages still wait for {account}: {reason}", account=account, reason=error.reason)
            if account not in self._late:
                self._late.add(account)
                self.later(_AGAIN, lambda: self._deliver_late(account))
        finally:
            for done in self._delivering.pop(account):
                done.callback(None)

    def _deliver_late(self, account: Jid) -> Awaitable[None]:
        self._late.discard(account)
        return self._deliver(self._device(account))

    async def _hand_over(self, session: ISession, messages: Sequence[StoredMessage]) -> None:
        """Send messages to a device, and delete them.

        Both at once, if what the session is sent can't be lost. Otherwise they are deleted when they were sent: an end
        in between sends them twice, and loses none.
        """
        account = session.account
        unwanted = [s for s in messages if self._was_read(session, s) or self._is_blocked(account, s.message)]
        unwanted = self._waiting.take(account, unwanted)
        self._waiting.remove(account, [(stored, stored.message) for stored in unwanted])
        outgoing = [(stored, self.stamped(stored)) for stored in messages if stored not in unwanted]
        sent: list[tuple[StoredMessage, Message]] = []
        if not session.durable:
            await self._send(session, outgoing, sent)
            self.host.spawn(self._remove_sent(account, sent), f"deleting messages for {account}")
            return
        with self.host.unit(*(copy for _, copy in outgoing)):
            await self._send(session, outgoing, sent)
            self._waiting.remove(account, sent)

    async def _send(
        self,
        session: ISession,
        outgoing: Sequence[tuple[StoredMessage, Message]],
        sent: list[tuple[StoredMessage, Message]],
    ) -> None:
        """Send messages to the device as long as it is there, and note which were sent."""
        account = session.account
        for stored, copy in outgoing:
            if not self._reachable(session):
                break
            if self._waiting.take(account, [stored]):
                sent.append((stored, copy))
                _handed_to.set(account)
                try:
                    await settled(session.send(copy))
                finally:
                    _handed_to.set(None)

    async def _remove_sent(self, account: Jid, sent: Sequence[tuple[StoredMessage, Message]]) -> None:
        await self.host.stored(*(copy for _, copy in sent))
        self._waiting.remove(account, sent)

    def _is_blocked(self, account: Jid, message: Message) -> bool:
        """Has the account blocked the sender meanwhile? Then nothing of it is delivered any more (XEP-0191 3.3)."""
        return self.blocking is not None and message.from_ is not None and self.blocking.blocks(account, message.from_)

    def _was_read(self, session: ISession, stored: StoredMessage) -> bool:
        """Does the client have the message from its archive?"""
        if self.archive is None or not session.state.get(USED):
            return False
        id = self.archive.archive_id(session.account, stored.message)
        return id is not None and self.archive.fetched(session, id)

    def _reachable(self, session: ISession) -> bool:
        return self.host.session(session.jid) is session and _takes_messages(session)

    def _device(self, account: Jid) -> ISession | None:
        """A device that gets what waits; none if one of them fetches it by itself (XEP-0013)."""
        sessions = self.host.sessions(account)
        if any(FETCHES in session.state for session in sessions):
            return None
        return next((session for session in sessions if _takes_messages(session)), None)

    @bound_element
    async def clear(self, session: ISession) -> None:
        """Throw away what is in the archive, where a client of Bind 2 looks for it (XEP-0386 section 3.2)."""
        archive, account = self.archive, session.account
        if archive is None or not self.count(account):
            return
        with self._waiting.reading(account):
            last = None
            while messages := await self._waiting.first(account, _BATCH, last):
                last = messages[-1]
                archived = [stored for stored in messages if archive.archive_id(account, stored.message) is not None]
                if archived:
                    await self._waiting.remove_now(account, archived)

    # Housekeeping

    async def _expire(self) -> None:
        if self.options.max_days:
            await self._waiting.expire(self.clock.seconds() - self.options.max_days * _DAY)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's messages."""
        await self.purge(event.account)

    # For other plugins and operators

    def count(self, account: Jid) -> int:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        return self._waiting.usage(account)[0]

    async def list(self, account: Jid, limit: int = 100, after: StoredMessage | None = None) -> Sequence[StoredMessage]:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        with self._waiting.reading(account):
            return await self._waiting.first(account, limit, after)

    async def find(self, account: Jid, positions: Sequence[int]) -> Sequence[StoredMessage]:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        await self.host.stored()
        which = store.MESSAGES.c.position.in_(positions)
        with self._waiting.reading(account):
            return await self._waiting.first(account, len(positions), None, which)

    def stamped(self, stored: StoredMessage) -> Message:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        if self.host.jid in stamps(stored.message):
            return stored.message.readdressed()
        return stored.message.adding(delay(self.host.jid, stored.stored_at, _WHY))

    async def remove(self, account: Jid, messages: Sequence[StoredMessage]) -> int:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        with self._waiting.reading(account):
            return await self._waiting.remove_now(account, messages)

    async def purge(self, account: Jid) -> int:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        return await self._waiting.remove_all(account)

    @operation("offline count", safe=True, examples=("romeo@example.org",))
    async def count_for(self, account: Jid) -> Result:
        """Say how many messages wait for an account, and how large they are.

        :param account: bare address of the account.
        """
        await self._check(account)
        messages, octets = self._waiting.usage(account)
        return {"account": str(account), "messages": messages, "octets": octets}

    @operation("offline purge", examples=("romeo@example.org",))
    async def purge_for(self, account: Jid) -> Result:
        """Throw away all messages that wait for an account.

        :param account: bare address of the account.
        """
        await self._check(account)
        return f"Threw away {plural(await self.purge(account), 'message')}."

    async def _check(self, account: Jid) -> None:
        if not await self.host.accounts.exists(account):
            raise OperationError(f"there is no account {account}", Condition.ITEM_NOT_FOUND)


def _takes_messages(session: ISession) -> bool:
    """Is it available with a priority that is not negative?"""
    return session.presence is not None and session.priority >= 0
