"""Owner of all domains that are not ours: routes to them, what waits for them, and what becomes of it if they fail.

RFC 6120 sections 8.3.3.16 and .17 (errors), 10 (rules for domains); RFC 6121 section 4 through the events by which
plugins learn that nobody knows any more who is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.api.waiting import settled
from xmppd.core.durable.units import Unit, close_after
from xmppd.core.federation.contract import Conduit, Connector, LinkFailure, Pair
from xmppd.core.federation.policy import Policy, policy_for
from xmppd.core.federation.remote import Remote
from xmppd.core.federation.route import Route
from xmppd.core.federation.store import Store
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence, Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Federation"]

_log = Logger()
#: Seconds after which a domain that could not be reached is tried again at first; twice as long each time after.
_AGAIN = 1.0
#: Domains above which those are forgotten that nothing is known of but that they failed once.
_REMEMBERED = 10_000
#: Presence whose sender learns from :class:`ServerUnreachable` what he has to, and not by an error for each.
_SILENT = ("available", "unavailable", "probe")


class Federation:
    """All routes to other servers.

    :ivar connector: makes streams; None while there are to be none.
    :ivar remotes: the domains that something is known of.
    :ivar waiting_octets: the size of what waits for streams, for all domains.
    :ivar received: stanzas that came from other servers.
    :ivar bounced: stanzas given back to their senders, by condition.
    """

    federates = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._clock = server.clock
        self.connector: Connector | None = None
        self.remotes: dict[str, Remote] = {}
        self._routes: dict[tuple[str, str], Route] = {}
        self.store = Store(server.db, server.ledger, server.clock)
        self.waiting_octets = 0
        self.received = 0
        self.bounced: Counter[str] = Counter()

    # Out

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.core.routing.Owner`."""
        to, from_ = stanza.to, stanza.from_
        assert to is not None
        if from_ is None:
            return None
        route = self._routes.get((from_.domain, to.domain))
        if route is None:
            refusal = self._refusal(from_.domain, to.domain)
            if refusal is not None:
                return self._refuse(stanza, refusal)
            route = self._route(Pair(from_.domain, to.domain))
        route.send(stanza)
        return None

    def _refusal(self, local: str, remote: str) -> StanzaError | None:
        if not self.serves(local):
            text = f"{local} does not talk to other servers" if local in self._server.router.owners else None
        elif self.connector is None:
            text = f"this server does not talk to other servers, so not to {remote}"
        elif self.policy(remote).blocked:
            return StanzaError(Condition.NOT_ALLOWED, text=f"this server does not talk to {remote}")
        else:
            return None
        return StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=text)

    def _refuse(self, stanza: Stanza, error: StanzaError) -> Awaitable[None] | None:
        self.bounced[error.condition] += 1
        if stanza.from_ is None or stanza.from_.domain not in self._server.router.owners:
            # Neither domain is ours: somebody would have this server relay. Nobody may be answered either.
            _log.warn("a stanza from {who} to {whom} is not ours to pass on", who=stanza.from_, whom=stanza.to)
            return None
        if isinstance(stanza, Presence) and stanza.type in _SILENT:
            remote = self.remotes.get(stanza.recipient.domain)
            if remote is not None:
                remote.lost = True  # when it is found, it has to be told who is here
            return None
        return self._server.router.bounce(stanza, error)

    def _route(self, pair: Pair) -> Route:
        remote = self.remote(pair.remote)
        route = self._routes[pair] = remote.routes[pair.local] = Route(self, remote, pair)
        return route

    def remote(self, domain: str) -> Remote:
        """Return what is known of a domain of another server."""
        remote = self.remotes.get(domain)
        if remote is None:
            if len(self.remotes) >= _REMEMBERED:
                self._forget()
            remote = self.remotes[domain] = Remote(domain)
        return remote

    def _forget(self) -> None:
        for domain, remote in list(self.remotes.items()):
            if not remote.lost and not any(r.conduit or r.busy or r.connecting for r in remote.routes.values()):
                for local in remote.routes:
                    del self._routes[local, domain]
                del self.remotes[domain]

    def wait(self, route: Route, stanza: Stanza) -> None:
        """A stanza of a route needs a stream, and there is none."""
        now, settings, remote = self._clock.seconds(), self._server.settings.s2s, route.remote
        if remote.refused_until > now and remote.failure is not None and not route.connecting:
            self.bounce(stanza, remote.failure.to_error())
            return
        refusal = self._refusal(*route.pair)  # settings may have changed
        if refusal is not None:
            self.bounce(stanza, refusal)
            return
        octets = len(stanza.payload) + 200
        full = len(route.queue) >= settings.queue_stanzas or route.octets + octets > settings.queue_octets
        if full or self.waiting_octets + octets > settings.total_octets:
            text = f"too much waits for a connection with {route.pair.remote}"
            self.bounce(stanza, StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait", text=text))
            return
        route.append(stanza, octets)
        self.waiting_octets += octets
        if route.deadline is None:
            route.deadline = self._clock.callLater(settings.queue_seconds, self._too_late, route)
        self._seek(route)

    def _seek(self, route: Route) -> None:
        """Have a stream made, if nobody is at it."""
        route.since = route.since or self._clock.seconds()
        if not route.connecting and route.again is None and self.connector is not None:
            route.connecting = True
            self.connector.connect(route.pair)

    def _seek_again(self, route: Route) -> None:
        route.again = None
        self._seek(route)

    def _too_late(self, route: Route) -> None:
        """What waits has waited long enough, whatever is still being tried."""
        route.deadline = None
        text = f"{route.pair.remote} can't be reached"
        if route.remote.failure is None and route.remote.trail:
            text = f"{text}: {route.remote.trail[-1]}"
        self._return(route, StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text))

    def _return(self, route: Route, error: StanzaError) -> None:
        self.waiting_octets -= route.octets
        for stanza in route.take():
            self.bounce(stanza, error)

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        """Give a stanza back to its sender (RFC 6120 8.3)."""
        self.store.forget((stanza,))
        unit = Unit() if self._server.ledger.used else None
        stanza.unit = unit
        pending = self._refuse(stanza, error)
        if unit is not None:
            pending = close_after(unit, pending, self._server.ledger)
        if pending is not None:
            self._server.spawn(settled(pending), f"giving back what was for {stanza.to}")

    # What streams tell

    def up(self, pair: Pair, conduit: Conduit) -> None:
        """A stream may be used for a pair."""
        route = self._routes.get(pair) or self._route(pair)
        route.connecting = False
        if route.conduit is not None:
            return
        route.cancel()
        route.conduit, route.attempts, route.since = conduit, 0, 0.0
        route.remote.outcomes["connected"] += 1
        self.waiting_octets -= route.octets
        stanzas = route.take()
        if stanzas:
            route.sent += len(stanzas)
            conduit.send(stanzas)
        self.met(pair)

    def met(self, pair: Pair) -> None:
        """A stream has proven a pair, in whatever direction."""
        remote = self.remotes.get(pair.remote)
        if remote is not None and remote.found():
            _log.info("{domain} can be reached again", domain=pair.remote)
            self._tell(ServerReachable(Jid.parse(pair.remote)))

    def down(self, pair: Pair, conduit: Conduit, clean: bool) -> None:
        """A stream may be used no more for a pair.

        :param clean: was it closed because nobody needed it?
        """
        route = self._routes.get(pair)
        if route is None or route.conduit is not conduit:
            return
        route.conduit = None
        if not clean:
            route.remote.shaken = True
            self._seek(route)
        elif not route.busy:
            del self._routes[pair]
            del route.remote.routes[pair.local]

    def failed(self, pair: Pair, failure: LinkFailure) -> None:
        """There is no stream for a pair: try again, or give up."""
        route = self._routes.get(pair)
        if route is None:
            return
        route.connecting = False
        if route.conduit is not None:
            return
        remote, settings, now = route.remote, self._server.settings.s2s, self._clock.seconds()
        remote.outcomes[failure.condition] += 1
        route.attempts += 1
        delay = _AGAIN * 2 ** min(route.attempts - 1, 10)
        if not failure.lasting and now + delay < route.since + settings.queue_seconds:
            _log.debug("{pair} failed, trying again in {delay} s: {why}", pair=route, delay=delay, why=failure.text)
            route.again = self._clock.callLater(delay, self._seek_again, route)
            return
        _log.warn("{domain} can't be reached: {why}", domain=pair.remote, why=failure.text)
        remote.given_up(failure, now, settings.retry_seconds, settings.retry_at_most_seconds)
        route.cancel()
        route.attempts, route.since = 0, 0.0
        self._return(route, failure.to_error())
        if remote.shaken and not remote.connected:
            self._lose(remote, failure)

    def _lose(self, remote: Remote, failure: LinkFailure) -> None:
        remote.shaken = False
        remote.lost = True
        self._tell(ServerUnreachable(Jid.parse(remote.domain), failure.to_error()))

    def _tell(self, event: object) -> None:
        for host in list(self._server.hosts.values()):
            pending = host.notify(event)
            if pending is not None:
                self._server.spawn(settled(pending), "making good what was missed of another server")

    def delivered(self, stanzas: Iterable[Stanza]) -> None:
        """Stanzas are with the other server, for all that will ever be known."""
        self.store.forget(stanzas)

    def undelivered(self, stanzas: Iterable[Stanza]) -> None:
        """Stanzas were sent and never acknowledged, and their stream can't be resumed (XEP-0198 section 4)."""
        for stanza in stanzas:
            domain = stanza.recipient.domain
            text = f"the connection with {domain} was lost before it said that it has this; it may have it or not"
            self.bounce(stanza, StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text))

    # In

    def arrived(self, stanza: Stanza) -> Awaitable[None] | None:
        """Take a stanza from another server; the stream has proven both domains. It is a unit of work."""
        self.received += 1
        return self._server.from_elsewhere(stanza)

    # What is asked

    def policy(self, domain: str) -> Policy:
        """Return how a domain of another server is dealt with."""
        return policy_for(domain, self._server.settings.s2s)

    def serves(self, domain: str) -> bool:
        """Is the domain ours, and open to other servers?"""
        owner = self._server.router.owners.get(domain)
        return owner is not None and owner.federates

    def routes(self) -> list[Route]:
        """Return all routes."""
        return list(self._routes.values())

    # Life

    async def start(self) -> None:
        """Send what was under way when the server stopped. The connector is there, if there is to be one."""
        for pair, stanza in await self.store.found():
            route = self._routes.get(pair) or self._route(pair)
            route.emit(stanza, None)

    def reconfigure(self) -> None:
        """Other settings are in force: a domain that was given up may be tried at once, and others not any more."""
        for remote in self.remotes.values():
            remote.refused_until = 0.0
        for route in self.routes():
            if route.conduit is not None and self._refusal(*route.pair) is not None:
                route.conduit.close(StreamError(StreamCondition.POLICY_VIOLATION))

    def stop(self) -> None:
        """Try nothing more; messages that wait are on disk, to be sent when the server is started again."""
        self.connector = None
        for route in self._routes.values():
            route.cancel()
        self.store.stop()
