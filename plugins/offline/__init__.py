"""XEP-0160 Best Practices for Handling Offline Messages, with the delay stamps of XEP-0203."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from sqlalchemy import ColumnElement
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
    StanzaError,
    StorageUnavailable,
    ToAccount,
    Undeliverable,
    Verdict,
    filter,
    observe,
    operation,
    settled,
)
from xmppd.api.offline import IOfflineStore, StoredMessage
from xmppd.api.waiting import as_deferred
from xmppd.api.words import plural
from xmppd.plugins.offline import store
from xmppd.plugins.offline.rules import is_stored, without_forged_delay
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import delay

_BATCH = 100  # messages read, handed over and deleted together
_DAY = 86400.0
_AGAIN = 30.0  # seconds until delivering is tried again after the database failed
_NOTHING: store.Usage = (0, 0)
_c = store.MESSAGES.c


class Offline(Plugin):
    """Keep messages for users who are not there, and deliver them when they come."""

    xep = ((160, "1.0.1"), (203, "2.0"), (334, "1.0.0"))
    features = ("msgoffline",)
    provides = (IOfflineStore,)
    tables = (store.MESSAGES,)

    class Options(Plugin.Options):
        """How much is kept for each account; what would be more is refused."""

        max_messages: int = Field(1000, ge=0, description="Messages that may wait for one account.")
        max_octets: int = Field(
            4 * 1024 * 1024, ge=0, description="Octets that the messages waiting for one account may have together."
        )
        max_days: float = Field(365, ge=0, description="Days after which a message is thrown away; 0: never.")

    async def start(self) -> None:
        # Kept in memory for all accounts that have messages, so that neither a login nor a message waits for a reader.
        # A message is counted before it is written, and counted out after it is deleted.
        self._usage = await self.db.read(lambda c: store.usage(c, store.of_host(self.host.jid)))
        self._position = await self.db.read(store.last_position)
        self._delivering: dict[Jid, list[Deferred[None]]] = {}  # with the messages that must not overtake
        self._sending: set[Jid] = set()  # of those, where a message is on its way to the device just now
        self._late: set[Jid] = set()  # delivered to when the database works again
        # Up to which position messages were handed over, of accounts where they could not be deleted afterwards.
        self._handed_over: dict[Jid, int] = {}
        await self._expire()
        self.every(3600.0, self._expire)

    # In

    @filter(ToAccount, Phase.REWRITE, kinds=(Message,))
    def believe_no_other(self, event: ToAccount) -> Verdict | None:
        """Take out delay stamps that others made in our name (XEP-0203 section 6), also if it needn't wait."""
        message = event.stanza
        if not message.has(DELAY, "delay") or not isinstance(message, Message) or message.again:
            return None
        honest = without_forged_delay(message, self.host.jid)
        return None if honest is message else Replace(honest)

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,))
    def in_order(self, event: ToAccount) -> Awaitable[None] | None:
        """Let no message overtake older ones that are just being handed over (RFC 6120 10.1)."""
        account = event.account
        if account not in self._delivering or account in self._sending:
            return None
        return self._delivered(account)

    async def _delivered(self, account: Jid) -> None:
        while (waiting := self._delivering.get(account)) is not None:
            done: Deferred[None] = Deferred()
            waiting.append(done)
            await done

    @filter(Undeliverable, Phase.DELIVER, kinds=(Message,))
    async def keep(self, event: Undeliverable) -> Verdict | None:
        """Store the message before its sender's turn ends."""
        if not is_stored(event.stanza):
            return None
        account = event.account
        message = event.stanza
        octets = len(message.to_bytes())
        count, used = self._usage.get(account, _NOTHING)
        if count >= self.options.max_messages or used + octets > self.options.max_octets:
            return Bounce(StanzaError(Condition.SERVICE_UNAVAILABLE))
        now = self.clock.seconds()
        # Time keeps the order across restarts, and the counter if the clock stands still or goes back.
        self._position = max(self._position + 1, int(now * 1e6))
        row = store.row_of(account, self._position, now, message, octets)
        self._usage[account] = (count + 1, used + octets)
        try:
            await self.db.append(store.MESSAGES, [row])
        except Exception:
            self._add(account, -1, -octets)
            raise
        device = self._device(account)
        if device is not None:  # it came while the message was written
            self.host.spawn(self._deliver(device), f"delivering the messages that waited for {account}")
        return Handled()

    def _add(self, account: Jid, count: int, octets: int) -> None:
        old = self._usage.get(account, _NOTHING)
        if old[0] + count > 0:
            self._usage[account] = (old[0] + count, old[1] + octets)
        else:
            self._usage.pop(account, None)

    async def _take_away(self, *which: ColumnElement[bool]) -> int:
        gone = await self.db.write(lambda c: store.take_away(c, *which))
        for account, (count, octets) in gone.items():
            self._add(account, -count, -octets)
        return sum(count for count, _ in gone.values())

    # Out

    @observe(AvailabilityChanged)
    def deliver(self, event: AvailabilityChanged) -> Awaitable[None] | None:
        """Hand over what waits to the first device that says it takes messages."""
        session = event.session
        if session.account not in self._usage or not _takes_messages(session):
            return None
        return as_deferred(self._deliver(session))  # begins at once, and not after what others do about the event

    async def _deliver(self, session: ISession | None) -> None:
        if session is None:
            return
        account = session.account
        if account in self._delivering:
            return  # to another device, which gets all
        self._delivering[account] = []
        try:
            while session is not None and account in self._usage:
                if account in self._handed_over:
                    await self._delete_handed_over(account)
                messages = await self.db.read(lambda c: store.first(c, account, _BATCH))
                if not messages:
                    break  # one is being written; it is looked after when that is done
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
        """Send messages to a device and delete them afterwards: an end in between sends twice, and loses none."""
        last = 0
        for stored in messages:
            if not self._reachable(session):
                break
            stamp = delay(self.host.jid, stored.stored_at, "Offline Storage")
            if without_forged_delay(stored.message, self.host.jid) is not stored.message:
                stamp = b""  # it waited for a device before, and says since when (XEP-0198 section 4)
            # What a filter sends to the same account meanwhile must not wait for the end of this.
            self._sending.add(session.account)
            try:
                await settled(session.send(stored.message.adding(stamp)))
            finally:
                self._sending.discard(session.account)
            last = stored.position
        if last:
            self._handed_over[session.account] = last
            await self._delete_handed_over(session.account)

    async def _delete_handed_over(self, account: Jid) -> None:
        await self._take_away(_c.account == str(account), _c.position <= self._handed_over[account])
        del self._handed_over[account]

    def _reachable(self, session: ISession) -> bool:
        return self.host.session(session.jid) is session and _takes_messages(session)

    def _device(self, account: Jid) -> ISession | None:
        return next((session for session in self.host.sessions(account) if _takes_messages(session)), None)

    # Housekeeping

    async def _expire(self) -> None:
        if self.options.max_days:
            before = self.clock.seconds() - self.options.max_days * _DAY
            await self._take_away(store.of_host(self.host.jid), _c.stored_at < before)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's messages."""
        await self.purge(event.account)

    # For other plugins and operators

    def count(self, account: Jid) -> int:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        return self._usage.get(account, _NOTHING)[0]

    async def list(self, account: Jid, limit: int = 100, after: int = 0) -> Sequence[StoredMessage]:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        return await self.db.read(lambda c: store.first(c, account, limit, after))

    async def purge(self, account: Jid) -> int:
        """See :class:`xmppd.api.offline.IOfflineStore`."""
        return await self._take_away(_c.account == str(account))

    @operation("offline count", examples=("romeo@example.org",))
    async def count_for(self, account: Jid) -> Result:
        """Say how many messages wait for an account, and how large they are.

        :param account: bare address of the account.
        """
        await self._check(account)
        messages, octets = self._usage.get(account, _NOTHING)
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
