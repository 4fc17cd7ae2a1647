"""A virtual host: what becomes of its users' stanzas, and of stanzas for its addresses (RFC 6120 10, RFC 6121 8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from xmppd.api.events.sessions import AvailabilityChanged
from xmppd.api.events.stanzas import FromClient, StanzaEvent, ToAccount, ToHost, Undeliverable
from xmppd.api.hooks import UNANSWERED, Scope, Unanswered
from xmppd.api.storage import StorageUnavailable
from xmppd.api.verdicts import Bounce, Drop, Verdict
from xmppd.api.waiting import settled
from xmppd.core.acting import Acting
from xmppd.core.delivery import Rule, row_for
from xmppd.core.durable.storing import Storing
from xmppd.core.listening import Listening
from xmppd.core.machine import Machine
from xmppd.core.operations.catalogue import HostOperations
from xmppd.core.plugins.described import Described
from xmppd.core.plugins.dispatch import Handler, Tables, decide, error_for, unavailable
from xmppd.core.routing import iq_key
from xmppd.core.web import Web
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.rules import iq_fault, presence_fault
from xmppd.wire.stanza import Iq, Message, Presence, Stanza

if TYPE_CHECKING:
    from xmppd.api.accounts import IAccounts
    from xmppd.api.interfaces import IClock
    from xmppd.api.storage import IDatabase
    from xmppd.core.plugins.registry import Registry
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session
    from xmppd.core.settings import Limits

__all__ = ["Host"]

_log = Logger()
Onward = Callable[[Stanza], Awaitable[None] | None]


class Host(Described, Storing, Acting, Machine):
    """One domain whose accounts live here. Implements :class:`xmppd.api.IHost`; owner of its domain in the router."""

    registry: Registry

    def __init__(self, server: Server, jid: Jid, limits: Limits) -> None:
        self.server = server
        self.jid = jid
        self.admins: frozenset[Jid] = frozenset()
        self.limits = limits
        self.tables = Tables()
        self.clock: IClock = server.clock
        self.accounts: IAccounts = server.accounts
        self.db: IDatabase = server.db
        self.started_at = server.started_at
        self.operations = HostOperations(server.operations, jid.domain, lambda: self.admins)
        self.network = server.network
        self.guesses = server.guesses
        self.web = Web(jid.domain, lambda: server.settings)
        self.listening = Listening(jid.domain, lambda: server.settings)
        self._directory = server.directory
        self._router = server.router

    def set_admins(self, addresses: Iterable[str]) -> None:
        """Say who administers the host, by bare addresses."""
        self.admins = frozenset(Jid.parse(address) for address in addresses)

    @property
    def federates(self) -> bool:
        """Do its users talk with users of other servers? See :class:`xmppd.core.routing.Owner`."""
        settings = self.server.settings.hosts.get(self.jid.domain)
        return settings is not None and settings.federate

    # From our own users

    def from_client(self, stanza: Stanza, session: Session) -> Awaitable[None] | None:
        """Take a stanza that a client of this host sent; its `from_` is stamped.

        :returns: None if it is dealt with, else something to await before the session's next stanza.
        """
        if isinstance(stanza, Iq):
            fault = iq_fault(stanza)
        elif isinstance(stanza, Presence):
            if session.ended and stanza.type in ("available", "unavailable"):
                return None  # it has ended; the client had sent this before
            fault = presence_fault(stanza)
        else:
            fault, to = None, stanza.to
            if to is not None and to.local and self._is_unknown(to.bare):
                return self._look_up_first(stanza, session, to.bare)
        if fault is not None:
            return self._router.bounce(stanza, fault, self.jid)
        return self._filter(stanza, session)

    def _is_unknown(self, account: Jid) -> bool:
        """Would somebody have to look into the database whether we have such an account?"""
        if account in self._directory.by_account or account.domain not in self.server.hosts:
            return False
        return self.accounts.known(account) is None

    async def _look_up_first(self, stanza: Stanza, session: Session, account: Jid) -> None:
        """Wait before anything comes of a message, and not between what is archived of it and what is delivered.

        Others' messages would overtake it there: devices would get them in another order than archives have.
        """
        with suppress(StorageUnavailable):  # it is looked up again, and its sender told
            await self.accounts.exists(account)
        await settled(self._filter(stanza, session))

    def _filter(self, stanza: Stanza, session: Session) -> Awaitable[None] | None:
        filters = self.tables.from_client.get(stanza.kind)
        if filters:
            event = FromClient(stanza, session)
            verdict = decide(filters, event)
            if verdict is not None or event.also is not None:
                return self.finish(event, verdict, partial(self._onward, session))
            stanza = event.stanza
        return self._onward(session, stanza)

    def _onward(self, session: Session, stanza: Stanza) -> Awaitable[None] | None:
        if stanza.to is None:
            if isinstance(stanza, Presence):
                return self._availability(session, stanza)
            # RFC 6120 10.3: the server handles it on behalf of the account.
            stanza = stanza.readdressed(to=session.account)
        return self._router.route(stanza)

    def _availability(self, session: Session, presence: Presence) -> Awaitable[None] | None:
        """Presence to nobody in particular (RFC 6121 4.2, 4.4, 4.5)."""
        if self._directory.by_jid.get(session.jid) is not session:
            return None  # it has ended; the client had sent this before
        if presence.type not in ("available", "unavailable"):
            text = f"presence of type {presence.type} needs a recipient"
            return self._router.bounce(presence, StanzaError(Condition.BAD_REQUEST, text=text), self.jid)
        previous = session.presence
        if presence.type == "available":
            session.presence, session.priority = presence, presence.priority
        else:
            session.presence = None
        if (
            session.managed is not None
            or session.ghost is None
            or session.ghost.available is (presence.type != "available")
        ):
            session.changed()  # of what can't be resumed only whether it is available
        return self.notify(AvailabilityChanged(session, presence, previous))

    # For our addresses

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """Take a stanza for this host or one of its accounts, whoever sent it."""
        to = stanza.to
        assert to is not None
        if not to.local:
            return self._to_host(stanza)
        account = to.bare
        if account not in self._directory.by_account:
            known = self.accounts.known(account)
            if known is None:
                return self._look_up(stanza, account)
            if not known:
                return self._nobody(stanza)
        return self._to_account(stanza, account)

    async def _look_up(self, stanza: Stanza, account: Jid) -> None:
        try:
            exists = await self.accounts.exists(account)
        except StorageUnavailable as error:
            _log.warn("{stanza!r}: can't look up the account: {reason}", stanza=stanza, reason=str(error))
            await settled(self._router.bounce(stanza, unavailable(error)))
            return
        await settled(self._to_account(stanza, account) if exists else self._nobody(stanza))

    def _nobody(self, stanza: Stanza) -> Awaitable[None] | None:
        """RFC 6121 8.5.1, no such account. The answer is the one an account gives that doesn't answer."""
        if isinstance(stanza, Presence):
            return self._unknown_presence(stanza)
        if isinstance(stanza, Iq) and stanza.answerable:
            handler = self.tables.iq[Scope.NO_ACCOUNT].get(iq_key(stanza))
            if handler is not None:
                return self.answer(handler, stanza)
        if row_for(stanza).nobody is Rule.IGNORE:
            return None
        return self._router.bounce(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))

    def _unknown_presence(self, presence: Presence) -> Awaitable[None] | None:
        """RFC 6121 4.3.2: a probe gets the same answer as from an account that doesn't show its presence."""
        if presence.type != "probe" or presence.from_ is None or presence.to is None:
            return None
        return self._router.route(Presence(presence.from_.bare, presence.to.bare, type="unsubscribed"))

    def _to_account(self, stanza: Stanza, account: Jid) -> Awaitable[None] | None:
        filters = self.tables.to_account.get(stanza.kind)
        if filters:
            event = ToAccount(stanza, account)
            verdict = decide(filters, event)
            if verdict is not None or event.also is not None:
                return self.finish(event, verdict, self._deliver)
            stanza = event.stanza
        return self._deliver(stanza)

    def _deliver(self, stanza: Stanza) -> Awaitable[None] | None:
        """RFC 6121 8.5.2 and 8.5.3."""
        to = stanza.to
        assert to is not None
        if to.resource:
            session = self._directory.by_jid.get(to)
            if session is not None:
                return session.send(stanza)  # every row says DEVICE here
            rule = row_for(stanza).no_match
            if rule is not Rule.AS_BARE:
                return self._without_device(rule, stanza)
        elif isinstance(stanza, Iq):
            return self._to_account_handler(stanza)
        row = row_for(stanza)
        sessions = self._devices(to.bare, row.bare)
        if not sessions:
            return self._without_device(row.nobody, stanza)
        pending = [wait for session in sessions if (wait := session.send(stanza)) is not None]
        return settled(*pending) if pending else None

    def _devices(self, account: Jid, rule: Rule) -> list[Session]:
        sessions = self._directory.of(account).values()
        if rule is Rule.NON_NEGATIVE:
            return [s for s in sessions if s.presence is not None and s.priority >= 0]
        return [s for s in sessions if s.presence is not None] if rule is Rule.AVAILABLE else []

    def _without_device(self, rule: Rule, stanza: Stanza) -> Awaitable[None] | None:
        if rule is Rule.ERROR:
            return self._router.bounce(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
        if rule is Rule.UNDELIVERABLE and isinstance(stanza, Message) and stanza.to is not None:
            filters = self.tables.undeliverable.get("message", ())
            event = Undeliverable(stanza, stanza.to.bare)
            return self.finish(event, decide(filters, event), self._refuse)
        return None

    def _refuse(self, stanza: Stanza) -> Awaitable[None] | None:
        return self._router.bounce(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))

    def _to_host(self, stanza: Stanza) -> Awaitable[None] | None:
        onward: Onward = self._refuse if isinstance(stanza, Message) else _ignore
        if isinstance(stanza, Iq):
            if not stanza.answerable:
                self.server.requests.answered(stanza)
                return None
            onward = self._host_request
        filters = self.tables.to_host.get(stanza.kind)
        if not filters:
            return onward(stanza)
        event = ToHost(stanza)
        return self.finish(event, decide(filters, event), onward)

    def _host_request(self, stanza: Stanza) -> Awaitable[None] | None:
        assert isinstance(stanza, Iq)
        handler = self.tables.host_iq.get(iq_key(stanza))
        return self.answer(handler, stanza) if handler is not None else self._refuse(stanza)

    def _to_account_handler(self, iq: Iq) -> Awaitable[None] | None:
        """An IQ to a bare address: the server answers on behalf of the account (RFC 6121 8.5.2.1.3)."""
        if not iq.answerable:
            self.server.requests.answered(iq)
            return None
        handler = self.account_handler(iq)
        return self.answer(handler, iq) if handler is not None else self._refuse(iq)

    def account_handler(self, iq: Iq) -> Handler | None:
        """Return who answers a request on behalf of an account."""
        key = iq_key(iq)
        handler = self.tables.iq[Scope.OWN_ACCOUNT].get(key) if iq.sender.bare == iq.to else None
        return handler or self.tables.iq[Scope.ACCOUNT].get(key)

    # Handlers' outcomes

    def answer(self, handler: Handler, iq: Iq) -> Awaitable[None] | None:
        """Have a handler answer a request and route the reply; what it raises becomes the error reply."""
        try:
            reply = handler(iq)
        except Exception as error:
            return self._router.bounce(iq, error_for(error, handler, iq))
        if isinstance(reply, Iq) and reply.to is not None:
            return self.reply(reply)
        return None if reply is UNANSWERED else self._answer_later(handler, iq, reply)

    async def _answer_later(self, handler: Handler, iq: Iq, coming: Awaitable[Iq | Unanswered]) -> None:
        try:
            reply = await coming
            pending = None if reply is UNANSWERED else self.reply(reply)
        except Exception as error:
            pending = self._router.bounce(iq, error_for(error, handler, iq))
        if pending is not None:
            await pending

    def reply(self, reply: Iq) -> Awaitable[None] | None:
        """Send a reply: to the device that asked if it is ours, without another look at filters."""
        assert reply.to is not None
        session = self._directory.by_jid.get(reply.to)
        return session.send(reply) if session is not None else self._router.route(reply)

    def finish(
        self, event: StanzaEvent, verdict: Verdict | Awaitable[Verdict | None] | None, onward: Onward
    ) -> Awaitable[None] | None:
        """Do what the filters of an event decided.

        :param onward: where the stanza goes if nothing stopped it.
        """
        if verdict is not None and not isinstance(verdict, Verdict):
            return self._finish_later(event, verdict, onward)
        if verdict is None:
            pending = onward(event.stanza)
        elif isinstance(verdict, Bounce):
            pending = self._router.bounce(event.stanza, verdict.error, self.jid)
        elif isinstance(verdict, Drop) and isinstance(event.stanza, Iq):
            pending = self._refuse(event.stanza)
        else:
            pending = None
        if event.also is None:
            return pending
        unit = event.stanza.unit
        for stanza in event.also:
            if stanza.unit is None:
                stanza.unit = unit
        return self._with_also(pending, event.also)

    async def _finish_later(self, event: StanzaEvent, verdict: Awaitable[Verdict | None], onward: Onward) -> None:
        await settled(self.finish(event, await verdict, onward))

    async def _with_also(self, first: Awaitable[None] | None, also: Sequence[Stanza]) -> None:
        await settled(first)
        for stanza in also:
            await settled(self._router.route(stanza))

    # For plugins

    def filters_changed(self) -> None:
        """See :class:`xmppd.api.IHost`."""
        self.registry.recompile()

    def observed(self, event: type) -> bool:
        """See :class:`xmppd.api.IHost`."""
        return bool(self.tables.observers.get(event))

    def notify(self, event: object) -> Awaitable[None] | None:
        """See :class:`xmppd.api.IHost`."""
        pending: list[Awaitable[None]] = []
        for handler in self.tables.observers.get(type(event), ()):
            try:
                outcome = handler(event)
            except Exception as error:
                error_for(error, handler, event)
                continue
            if outcome is not None:
                pending.append(_guarded(handler, event, outcome))
        return settled(*pending) if pending else None

    async def create_account(self, jid: Jid, password: str) -> None:
        """See :class:`xmppd.api.IHost`."""
        await self.server.keeper.create(jid, password)

    async def delete_account(self, jid: Jid, before_closing: Callable[[], object] | None = None) -> bool:
        """See :class:`xmppd.api.IHost`."""
        return await self.server.keeper.delete(jid, before_closing)

    def sessions(self, account: Jid) -> Sequence[Session]:
        """See :class:`xmppd.api.IHost`."""
        return tuple(self._directory.of(account).values())

    def all_sessions(self) -> Sequence[Session]:
        """See :class:`xmppd.api.IHost`."""
        return tuple(self._directory.on(self.jid))

    def session(self, jid: Jid) -> Session | None:
        """See :class:`xmppd.api.IHost`."""
        return self._directory.by_jid.get(jid)

    def serves(self, domain: str) -> bool:
        """See :class:`xmppd.api.IHost`."""
        return domain in self.server.hosts

    def spawn(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        """See :class:`xmppd.api.IHost`."""
        self.server.spawn(work, what)


def _ignore(stanza: Stanza) -> None:
    """Presence to the host itself that nobody handles (RFC 6121 8.4)."""


async def _guarded(handler: Handler, event: object, outcome: Awaitable[None]) -> None:
    try:
        await outcome
    except Exception as error:
        error_for(error, handler, event)
