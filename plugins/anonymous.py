"""XEP-0175 Best Practices for Use of SASL ANONYMOUS, section 3: what users without an account may do, and its end."""

from __future__ import annotations

from collections.abc import Awaitable

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, insert, select

from xmppd.api import (
    AccountDeleted,
    Bounce,
    Condition,
    Field,
    FromClient,
    Jid,
    Phase,
    Plugin,
    SessionBound,
    SessionEnded,
    StanzaError,
    Verdict,
    filter,
    observe,
    settled,
)

#: Those who are there, so that those whose end was missed can be forgotten later.
GUESTS = Table("anonymous_guests", MetaData(), Column("account", Text, primary_key=True))
_REFUSED = Bounce(StanzaError(Condition.FORBIDDEN, text="users without an account reach this server only"))


class Anonymous(Plugin):
    """Keep users without an account (SASL ANONYMOUS) to this server, and forget all about them when they leave."""

    xep = (175, "1.2")
    tables = (GUESTS,)

    class Options(Plugin.Options):
        """What they may do."""

        remote: bool = Field(False, description="May they write to users of other servers?")

    async def start(self) -> None:
        mine = GUESTS.c.account.endswith(f"@{self.host.jid}", autoescape=True)
        known = await self.db.read(lambda c: c.execute(select(GUESTS.c.account).where(mine)).scalars().all())
        self._guests = {Jid.parse(account) for account in known}
        for account in {session.account for session in self.host.all_sessions()}:
            await self._look_up(account)
        # When all plugins are there to hear of it.
        self.later(0, self._forget_the_lost)

    async def _forget_the_lost(self) -> None:
        """Forget those who were there when the server ended without warning."""
        for account in [account for account in self._guests if not self.host.sessions(account)]:
            await self._forget(account)

    @observe(SessionBound)
    def came(self, event: SessionBound) -> Awaitable[None] | None:
        """Take note of those that no account is known for."""
        account = event.session.account
        return None if self.host.accounts.known(account) else self._look_up(account)

    async def _look_up(self, account: Jid) -> None:
        if account in self._guests or await self.host.accounts.exists(account):
            return
        if self.host.sessions(account):  # it may have ended meanwhile, and then nobody would forget it
            self._guests.add(account)
            self.wake()
            await self.db.write(lambda c: c.execute(insert(GUESTS).values(account=str(account))) and None)

    @filter(FromClient, Phase.POLICY, dormant=True)
    def outgoing(self, event: FromClient) -> Verdict | None:
        """Refuse what a guest sends to elsewhere, unless the options allow it."""
        if not self._guests or event.session.account not in self._guests or self.options.remote:
            return None
        to = event.stanza.to
        near = to is None or self.host.serves(to.domain) or Jid.parse(to.domain) in self.host.components()
        return None if near else _REFUSED

    @observe(SessionEnded)
    def left(self, event: SessionEnded) -> Awaitable[None] | None:
        """Have every plugin delete what it kept: subscriptions, stored data, messages that wait."""
        account = event.session.account
        if account not in self._guests or self.host.sessions(account):
            return None
        return self._forget(account)

    async def _forget(self, account: Jid) -> None:
        # An account of that name may have been made since, and what is there is then its owner's.
        if not await self.host.accounts.exists(account):
            await settled(self.host.notify(AccountDeleted(account)))
        await self.db.write(lambda c: _remove(c, account))
        self._guests.discard(account)


def _remove(connection: Connection, account: Jid) -> None:
    connection.execute(delete(GUESTS).where(GUESTS.c.account == str(account)))
