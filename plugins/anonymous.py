"""XEP-0175 Best Practices for Use of SASL ANONYMOUS, section 3: what users without an account may do, and its end."""

from __future__ import annotations

from collections.abc import Awaitable

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
)

_REFUSED = Bounce(StanzaError(Condition.FORBIDDEN, text="users without an account reach this server only"))


class Anonymous(Plugin):
    """Keep users without an account (SASL ANONYMOUS) to this server, and forget all about them when they leave."""

    xep = (175, "1.2")

    class Options(Plugin.Options):
        """What they may do."""

        remote: bool = Field(False, description="May they write to users of other servers?")

    async def start(self) -> None:
        self._guests: set[Jid] = set()
        for account in {session.account for session in self.host.all_sessions()}:
            await self._look_up(account)

    @observe(SessionBound)
    def came(self, event: SessionBound) -> Awaitable[None] | None:
        """Take note of those that no account is known for."""
        account = event.session.account
        return None if self.host.accounts.known(account) else self._look_up(account)

    async def _look_up(self, account: Jid) -> None:
        if not await self.host.accounts.exists(account):
            self._guests.add(account)

    @filter(FromClient, Phase.POLICY)
    def outgoing(self, event: FromClient) -> Verdict | None:
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
        self._guests.discard(account)
        return self.host.notify(AccountDeleted(account))
