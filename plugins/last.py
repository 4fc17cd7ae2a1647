"""XEP-0012 Last Activity of accounts and of the devices that are connected."""

from __future__ import annotations

from collections.abc import Awaitable

from sqlalchemy import Column, Connection, Float, MetaData, Table, Text, delete, insert, select, update

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    AccountDeleted,
    AvailabilityChanged,
    Bounce,
    Condition,
    Iq,
    Jid,
    Phase,
    Plugin,
    SessionEnded,
    StanzaError,
    ToAccount,
    Verdict,
    filter,
    iq_get,
    observe,
    tag,
    use,
)
from xmppd.api.roster import IRoster

NS = "jabber:iq:last"
#: Under which name a session remembers the status with which its client became unavailable.
STATE = "last"
LOGOUTS = Table(
    "last_logouts",
    MetaData(),
    Column("account", Text, primary_key=True),
    Column("ended_at", Float, nullable=False),
    Column("status", Text, nullable=False),
)
_c = LOGOUTS.c


class Last(Plugin):
    """Tell those who see a user's presence when the user was last there, and the status they left."""

    xep = (12, "2.0")
    account_features = (NS,)
    tables = (LOGOUTS,)

    roster = use(IRoster)

    async def start(self) -> None:
        # What is not written down yet: the contacts have seen the user go, and may ask before it is.
        self._going: dict[Jid, tuple[float, str]] = {}

    @iq_get(NS, "query", to=ACCOUNT)
    async def of_account(self, request: Iq) -> Iq:
        """Answer for an account: since when it has been offline, or that it isn't (section 3)."""
        account = request.recipient
        if not await self._may_see(account, request.sender):
            raise StanzaError(Condition.FORBIDDEN)
        if self.host.sessions(account):
            return request.result(tag("query", xmlns=NS, seconds=0))
        query = select(_c.ended_at, _c.status).where(_c.account == str(account))
        row = self._going.get(account) or await self.db.read(lambda c: c.execute(query).tuples().first())
        if row is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="this user has never been here")
        ended_at, status = row
        seconds = max(0, int(self.clock.seconds() - ended_at))
        return request.result(tag("query", status or None, xmlns=NS, seconds=seconds))

    @filter(ToAccount, Phase.POLICY, kinds=(Iq,))
    def guard_devices(self, event: ToAccount) -> Awaitable[Verdict | None] | None:
        """Let through to a device only what comes from those who see its presence (section 4)."""
        request = event.stanza
        if request.type != "get" or not request.has(NS, "query") or not request.recipient.resource:
            return None
        return self._guard(event.account, request.sender)

    async def _guard(self, account: Jid, asker: Jid) -> Verdict | None:
        return None if await self._may_see(account, asker) else Bounce(StanzaError(Condition.FORBIDDEN))

    @iq_get(NS, "query", to=NO_ACCOUNT)
    def of_nobody(self, request: Iq) -> Iq:
        """Say the same as for an account that does not share its presence."""
        raise StanzaError(Condition.FORBIDDEN)

    async def _may_see(self, account: Jid, asker: Jid) -> bool:
        if asker.bare == account:
            return True
        if self.roster is None:
            return False
        contact = (await self.roster.load(account)).items.get(asker.bare)
        return contact is not None and contact.from_

    # Taking note

    @observe(AvailabilityChanged)
    def note_status(self, event: AvailabilityChanged) -> None:
        """Keep the status that a device leaves with, for when its session ends."""
        if event.presence.type == "unavailable":
            # It may stay connected after that.
            event.session.keep(STATE, event.presence.text("status") or None)

    @observe(SessionEnded)
    def note_end(self, event: SessionEnded) -> Awaitable[None] | None:
        """Write it down when the last device goes."""
        account = event.session.account
        if self.host.sessions(account):
            return None
        self._going[account] = self.clock.seconds(), event.session.state.get(STATE, "")
        return self._write(account, *self._going[account])

    async def _write(self, account: Jid, ended_at: float, status: str) -> None:
        try:
            await self.db.write(lambda c: _put(c, account, ended_at, status))
        finally:
            if self._going.get(account) == (ended_at, status):
                del self._going[account]

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete when the account was last there."""
        await self.db.write(lambda c: c.execute(delete(LOGOUTS).where(_c.account == str(event.account))) and None)


def _put(connection: Connection, account: Jid, ended_at: float, status: str) -> None:
    values = {"ended_at": ended_at, "status": status}
    if not connection.execute(update(LOGOUTS).where(_c.account == str(account)).values(values)).rowcount:
        connection.execute(insert(LOGOUTS).values(account=str(account), **values))
