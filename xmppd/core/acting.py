"""What is sent in the name of a host, and of its users without a client of theirs (XEP-0355 and XEP-0356)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from xmppd.api.events.stanzas import StanzaEvent, ToAccount
from xmppd.api.limits import TokenBucket
from xmppd.api.verdicts import Verdict
from xmppd.api.waiting import settled
from xmppd.core.plugins.dispatch import Handler, Tables, decide, error_for
from xmppd.core.sessions import Session
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Acting"]


class _StandIn(Session):
    """What filters take for the session of a client, when there is none. Nobody finds it."""

    __slots__ = ()

    def send(self, stanza: Stanza) -> None:
        """Take what a filter has to say to the sender: the answer to a request, or else nobody wants to know."""
        if isinstance(stanza, Iq) and not stanza.answerable:
            self.host.server.requests.answered(stanza)


class Acting:
    """Base of a host."""

    server: Server
    jid: Jid
    tables: Tables

    def send(self, stanza: Stanza) -> None:
        """See :class:`xmppd.api.IHost`."""
        pending = self.route(stanza)
        if pending is not None:
            self.server.spawn(settled(pending), f"routing {stanza.kind} to {stanza.to}")

    def route(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.api.IHost`."""
        return self.server.router.route(stanza)

    def route_copies(self, stanza: Stanza, recipients: Iterable[Jid]) -> Awaitable[None] | None:
        """See :class:`xmppd.api.IHost`. What the router and the host do for a device that is here is written out."""
        filters = self.tables.to_account.get(stanza.kind, ())
        sessions, route = self.server.directory.by_jid, self.server.router.route
        pending: list[Awaitable[None]] = []
        for copy in stanza.copies(recipients):
            session = sessions.get(copy.recipient)
            if session is None or session.host is not self:
                wait = route(copy)
            else:
                event = ToAccount(copy, session.account)
                verdict = decide(filters, event)
                if verdict is None and event.also is None and event.stanza is copy:
                    wait = session.send(copy)
                else:
                    wait = self.finish(event, verdict, self._deliver)
            if wait is not None:
                pending.append(wait)
        return settled(*pending) if pending else None

    def request(self, iq: Iq, timeout: float = 60.0) -> Awaitable[Iq]:
        """See :class:`xmppd.api.IHost`."""
        return self.server.requests.send(iq.readdressed(from_=self.jid), timeout)

    def from_client(self, stanza: Stanza, session: Session) -> Awaitable[None] | None:
        """See Host."""
        raise NotImplementedError

    def finish(
        self, event: StanzaEvent, verdict: Verdict | Awaitable[Verdict | None] | None,
        onward: Callable[[Stanza], Awaitable[None] | None],
    ) -> Awaitable[None] | None:  # fmt: skip
        """See Host."""
        raise NotImplementedError

    def _deliver(self, stanza: Stanza) -> Awaitable[None] | None:
        """See Host."""
        raise NotImplementedError

    def account_handler(self, iq: Iq) -> Handler | None:
        """See Host."""
        raise NotImplementedError

    def act(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.api.IHost`."""
        bucket = TokenBucket(1.0, 1.0, self.server.clock.seconds)
        return self.from_client(stanza, _StandIn(self, stanza.sender.bare, None, bucket))  # type: ignore[arg-type]

    def request_as(self, account: Jid, iq: Iq, timeout: float = 60.0) -> Awaitable[Iq]:
        """See :class:`xmppd.api.IHost`."""
        return self.server.requests.send(iq.readdressed(to=iq.to or account, from_=account), timeout, self.act)

    async def answer_as(self, iq: Iq) -> Iq:
        """See :class:`xmppd.api.IHost`."""
        handler = self.account_handler(iq)
        if handler is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        try:
            reply = handler(iq)
            if not isinstance(reply, Iq):
                reply = await reply
        except Exception as error:
            raise error_for(error, handler, iq) from None
        assert isinstance(reply, Iq)
        return reply
