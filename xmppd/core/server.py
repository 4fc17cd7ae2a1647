"""The server without its sockets: hosts, accounts, sessions and the router between them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred, succeed
from twisted.logger import Logger

from xmppd.api.accounts import IAccounts
from xmppd.api.events.sessions import AvailabilityChanged, SessionBound, SessionEnded
from xmppd.api.interfaces import IClock
from xmppd.api.limits import TokenBucket
from xmppd.api.network import INetwork
from xmppd.api.waiting import settled
from xmppd.core.accounts.accounts import RunInThread
from xmppd.core.arrivals import handle
from xmppd.core.audit import AuditTrail
from xmppd.core.components.external import Components
from xmppd.core.components.uplinks import Uplinks
from xmppd.core.directory import Directory
from xmppd.core.durable.ledger import Ledger
from xmppd.core.durable.loss import bury, bury_again, redirect
from xmppd.core.durable.management import Management
from xmppd.core.durable.storing import Told
from xmppd.core.durable.units import Spread
from xmppd.core.federation.federation import Federation
from xmppd.core.guesses import Guesses
from xmppd.core.history import History
from xmppd.core.hosts import Host
from xmppd.core.nowhere import NoNetwork
from xmppd.core.operations.certificates import Ends
from xmppd.core.operations.kernel import account_keeper, server_operations
from xmppd.core.operations.links import Probing
from xmppd.core.operations.sessions import end_sessions
from xmppd.core.plugins.registry import Migrate, Registry, wanted_names
from xmppd.core.plugins.sources import Source
from xmppd.core.recent_log import RecentLog
from xmppd.core.requests import Requests
from xmppd.core.routing import Router
from xmppd.core.sessions import Output, Session
from xmppd.core.settings import Host as HostSettings
from xmppd.core.settings import Settings
from xmppd.core.settings_writer import SettingsFile
from xmppd.core.storage import Database, DirectDatabase
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence, Stanza

__all__ = ["BindRefused", "Server"]

_log = Logger()
T = TypeVar("T")


class BindRefused(Exception):
    """The resource can't be bound; `conflict` tells whether it is because the name is in use."""

    def __init__(self, conflict: bool) -> None:
        super().__init__("the resource is in use" if conflict else "the account has too many sessions")
        self.conflict = conflict


class Server:
    """All hosts of one process. Everything it works with is passed in.

    :param clock: the time; a reactor, or a fake one in tests.
    :param sources: where plugins come from.
    :param migrate: brings a plugin's tables up to date.
    :param network: how plugins connect to elsewhere; they can't, if it is None.
    :param run_in_thread: runs what blocks; at once, unless given.
    """

    #: What SIGTERM and SIGHUP do, for operations; put in by what runs the server as a process.
    begin_stop: Callable[[], object] | None = None
    reload: Callable[[], Awaitable[Sequence[str]]] | None = None
    #: Looks for other servers and at them, for operations; put in by what connects to them.
    probing: Probing | None = None
    #: Tells until when certificates are valid; put in by what uses them.
    certificates: Ends | None = None
    #: What was read at the start, and is written by operations; None if the settings are in no file.
    settings_file: SettingsFile | None = None

    def __init__(
        self,
        settings: Settings,
        clock: IClock,
        db: Database | DirectDatabase,
        accounts: IAccounts,
        sources: Iterable[Source],
        migrate: Migrate,
        network: INetwork | None = None,
        run_in_thread: RunInThread | None = None,
    ) -> None:
        self.network = network or NoNetwork()
        self.run_in_thread = run_in_thread or _run_here
        self.settings = settings
        self.clock = clock
        self.db = db
        self.accounts = accounts
        self.started_at = clock.seconds()
        self.directory = Directory()
        self.router = Router()
        self.requests = Requests(clock, self.router.route)
        self.ledger = Ledger(
            db,
            clock,
            journal_octets=settings.stream_management.journal_octets,
            crowd=settings.database.queue_stanzas,
            crowd_octets=settings.database.queue_octets,
            patience=settings.database.patience_seconds,
            pace=db.gather,
        )
        self.management = Management(self)
        self.guesses = Guesses(settings.limits, clock.seconds)
        self.federation = self.router.elsewhere = Federation(self)
        self.hosts: dict[str, Host] = {}
        self.log = RecentLog(lambda: self.settings.server.log_lines, lambda: self.settings.server.log_level)
        self.audit = AuditTrail(db, clock.seconds, lambda: self.settings.server.audit_days)
        self.history = History(clock, lambda: len(self.directory.by_jid), self.directory.stanzas)
        self.keeper = account_keeper(self)
        self.operations = server_operations(self, self.keeper)
        self.sources = list(sources)
        self._migrate = migrate
        self._buckets: dict[Jid, TokenBucket] = {}
        self._background: set[Deferred[None]] = set()
        self._ending: dict[Session, list[Deferred[None]]] = {}  # with those that wait for the end
        for domain, options in settings.hosts.items():
            self.add_host(domain, options)
        self.components = Components(self)
        self.components.configure(settings.components)
        self.uplinks = Uplinks(self, self.federation)
        self.uplinks.configure(settings.uplinks)

    def add_host(self, domain: str, options: HostSettings) -> Host:
        """Serve one more domain; its plugins are not started yet."""
        host = Host(self, Jid.parse(domain), self.settings.limits)
        host.set_admins(options.admins)
        host.registry = Registry(host, self.sources, options.plugin_options, self._migrate)
        self.hosts[domain] = self.router.owners[domain] = host
        return host

    async def remove_host(self, domain: str) -> None:
        """Serve a domain no more: its sessions end with host-gone, its plugins are stopped."""
        host = self.hosts.pop(domain)
        del self.router.owners[domain]
        await end_sessions(self, self.directory.on(host.jid), StreamError(StreamCondition.HOST_GONE))
        await host.registry.stop()

    async def start(self) -> None:
        """Start the plugins of every host. :raises PluginError: if one can't be started."""
        self.audit.tidy()
        await self.federation.restore()
        for domain, options in self.settings.hosts.items():
            await self.hosts[domain].registry.start(wanted_names(options.plugins, self.sources))
        await self.management.restore()
        await self.keeper.catch_up()
        self.management.start()
        self.components.start()
        self.uplinks.start()

    async def stop(self) -> None:
        """End sessions with system-shutdown, finish what their clients have asked for, then stop the plugins.

        Those that can be resumed don't end: they are on disk, and go on when the server is started again.
        """
        for session in list(self.directory.by_jid.values()):
            if session.stream is not None:
                session.stream.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
        await self._handled()
        for session in self._mortal():
            self.spawn(self.unbind(session), f"ending the session {session.jid}")
        self.requests.stop()
        connector = self.federation.connector
        self.federation.stop()
        self.management.stop()
        await self._finished()
        await self._written_down()
        if connector is not None:  # other servers have been told by now who is not there any more
            await connector.drain()
        await self._all(await self.components.stop())
        self.uplinks.stop()
        await self._finished()
        for host in self.hosts.values():
            await host.registry.stop()
        await self._written_down()

    async def _finished(self) -> None:
        """Wait until what runs in the background is done; not for ever: it may wait for a database that is gone."""
        until = self.clock.seconds() + self.settings.server.drain_seconds
        while self._background:
            one: Deferred[None] = Deferred()
            next(iter(self._background)).addBoth(_tell, one)
            late = self.clock.callLater(max(0.0, until - self.clock.seconds()), one.cancel)
            try:
                await one
            except CancelledError:
                _log.error("{count} tasks take too long, and are left alone", count=len(self._background))
                return
            late.cancel()

    async def _written_down(self) -> None:
        """Wait until everything is on disk; not for ever, if the database can't be written."""
        until = self.clock.seconds() + self.settings.server.drain_seconds
        while not self.ledger.idle:
            settled = self.ledger.settled()
            late = self.clock.callLater(max(0.0, until - self.clock.seconds()), settled.cancel)
            try:
                await settled
            except CancelledError:
                _log.error("the database can't be written: what waits for it is dropped; it was promised to nobody")
                self.ledger.stop()
                return
            late.cancel()

    def _mortal(self) -> list[Session]:
        """The sessions that end with the server."""
        sessions = self.directory.by_jid.values()
        return [session for session in sessions if session.managed is None or not session.managed.resumable]

    async def _handled(self) -> None:
        """Wait until everything that clients have sent is handled, but no longer than the settings say."""
        waiting: list[Deferred[Session]] = []
        for session in list(self.directory.by_jid.values()):
            handled: Deferred[Session] = Deferred()
            session.when_idle(handled.callback)
            waiting.append(handled)
        await self._all(waiting)

    async def messages_handled(self) -> None:
        """Wait until the messages that are being handled are, and all is on disk, but no longer than the settings say.

        Whatever they leave behind for an account is there then, to be deleted with it.
        """
        waiting = [self.ledger.settled()]
        for unit in self.ledger.open:
            told = Told()
            unit.wait(told)
            waiting.append(told.deferred)
        await self._all(waiting)

    async def _all(self, waiting: Sequence[Deferred[Any]]) -> None:
        everything = DeferredList(waiting, consumeErrors=True)
        if not everything.called:
            late = self.clock.callLater(self.settings.server.drain_seconds, everything.cancel)
            await everything
            if late.active():
                late.cancel()

    def spawn(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        """Run work in the background; :meth:`stop` waits for it. `what` names it in the log if it fails."""
        deferred = ensureDeferred(work)
        deferred.addErrback(lambda failure: _log.failure("{what} failed", failure=failure, what=what))
        if not deferred.called:
            self._background.add(deferred)
            deferred.addBoth(lambda result: self._background.discard(deferred))

    def host_for(self, domain: str | None) -> Host | None:
        """The host a stream is for; the first one if the client names none."""
        if not domain:
            return next(iter(self.hosts.values()), None)
        try:
            return self.hosts.get(Jid.parse(domain))
        except ValueError:
            return None

    def from_elsewhere(self, stanza: Stanza) -> Awaitable[None] | None:
        """Take a stanza from another server: like those of clients, it is a unit of work."""
        return handle(self, stanza)

    # Sessions

    async def bind(
        self,
        host: Host,
        account: Jid,
        resource: str | None,
        stream: Output,
        bound: Callable[[Session], object] = lambda session: None,
        replace: bool = False,
    ) -> Session:
        """Bind a resource (RFC 6120 section 7).

        :param resource: what the client asks for; None lets the server choose.
        :param bound: called before anything can be sent to the session.
        :param replace: end a session with that name, whatever the settings say of conflicts.
        :raises BindRefused: if there are too many, or the name is in use and the settings say to refuse.
        """
        policy = "replace" if replace else self.settings.accounts.resource_conflict
        jid = account.with_resource(resource or _new_resource())
        # Several clients may ask for the same resource while an older session takes its time to end.
        while (old := self.directory.by_jid.get(jid)) is not None:
            if policy == "refuse":
                raise BindRefused(conflict=True)
            if policy == "rename":
                jid = account.with_resource(_new_resource())
            else:
                old.close(StreamError(StreamCondition.CONFLICT, "another client has taken this resource"))
                await self.unbind(old)
        await self._make_room(account)
        session = Session(host, jid, stream, self.bucket(account))
        bound(session)
        self.directory.add(session)
        await settled(host.notify(SessionBound(session)))
        return session

    async def _make_room(self, account: Jid) -> None:
        """An account may have so many sessions; those that only wait to be resumed give way, the oldest first.

        :raises BindRefused: there are too many, all with connections.
        """
        while len(self.directory.of(account)) >= self.settings.limits.resources_per_account:
            waiting = [session for session in self.directory.of(account).values() if session.hibernating]
            if not waiting:
                raise BindRefused(conflict=False)
            await self.unbind(min(waiting, key=lambda session: session.active_at))

    def bucket(self, account: Jid) -> TokenBucket:
        """The rate limit that all sessions of an account share."""
        limits = self.settings.limits
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = TokenBucket(limits.stanzas_per_second, limits.stanzas_burst, self.clock.seconds)
            self._buckets[account] = bucket
        return bucket

    async def unbind(self, session: Session) -> None:
        """End a session: nobody finds it any more, and whoever saw it is told.

        Doing it twice does nothing but wait until the first time is done.
        """
        waiting = self._ending.get(session)
        if waiting is not None:
            done: Deferred[None] = Deferred()
            waiting.append(done)
            await done
        elif self.directory.by_jid.get(session.jid) is session:
            self._ending[session] = []
            try:
                await self._unbind(session)
            finally:
                for done in self._ending.pop(session):
                    done.callback(None)

    def ending(self, account: Jid) -> list[Session]:
        """The sessions of an account that nobody finds any more, while their end is still being told."""
        return [session for session in self._ending if session.account == account]

    def bury(self, session: Session) -> Coroutine[Any, Any, None]:
        """Send on its way what a session that has ended was sent and did not acknowledge."""
        return bury(session)

    def bury_again(self, session: Session) -> None:
        """The same for a session that something was sent to after it had ended."""
        self.spawn(bury_again(session), f"sending on what was for {session.jid}")

    def redirect(self, session: Session, stanza: Stanza, spread: Spread | None) -> None:
        """Send on its way what was on its way to a session without stream management when that ended."""
        self.spawn(redirect(session, stanza, spread), f"sending on what was for {session.jid}")

    def end(self, session: Session) -> None:
        """End a session that has no stream, when what its client has sent is handled."""
        session.when_idle(lambda session: self.spawn(self.unbind(session), f"ending the session {session.jid}"))

    async def _unbind(self, session: Session) -> None:
        self.directory.remove(session)
        session.stream = None
        session.ended = True
        self.management.forget(session)
        if not self.directory.of(session.account):
            self._buckets.pop(session.account, None)
        host, previous = session.host, session.presence
        await self.bury(session)
        if previous is not None:
            session.presence = None
            unavailable = Presence(from_=session.jid, type="unavailable")
            await settled(host.notify(AvailabilityChanged(session, unavailable, previous)))
        await settled(host.notify(SessionEnded(session)))


def _run_here(fn: Callable[[], T], /) -> Deferred[T]:
    return succeed(fn())


def _tell(outcome: object, waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)


def _new_resource() -> str:
    """Random, so that nobody can guess it (RFC 6120 13.10.2)."""
    return secrets.token_urlsafe(9)
