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
from xmppd.api.storage import StorageUnavailable
from xmppd.api.waiting import settled
from xmppd.core.federation.contract import Conduit, Connector, LinkFailure, Pair
from xmppd.core.federation.late import Late
from xmppd.core.federation.policy import Policy, policy_for
from xmppd.core.federation.remote import Remote, Remotes
from xmppd.core.federation.returns import Returns
from xmppd.core.federation.route import Route
from xmppd.core.federation.store import Store
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.rules import fault
from xmppd.wire.stanza import Message, Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Federation"]

_log = Logger()
#: Seconds after which a domain that could not be reached is tried again at first; twice as long each time after.
_AGAIN = 1.0
#: Octets that a stanza is taken for, beside its content.
_HEADER = 200


class Federation:
    """All routes to other servers.

    :ivar connector: makes streams; None while there are to be none.
    :ivar remotes: the domains that something is known of.
    :ivar waiting_octets: the size of what waits for streams, for all domains.
    :ivar sent: stanzas handed to streams, by kind.
    :ivar received: stanzas that came from other servers, by kind.
    :ivar bounced: stanzas that could not be sent, by the condition of the error.
    :ivar bounce: gives a stanza back; see :meth:`xmppd.core.federation.returns.Returns.bounce`.
    :ivar attempts: attempts to reach a domain, by how they ended: ``connected``, or the condition of the error.
    """

    federates = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._clock = server.clock
        #: The time, in seconds since the epoch.
        self.now = server.clock.seconds
        self.connector: Connector | None = None
        self.remotes = Remotes()
        self.store = Store(server.db, server.ledger, server.clock)
        self.waiting_octets = 0
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self._returns = Returns(server, self.remotes, self.store)
        self.bounced = self._returns.counts
        self.bounce = self._returns.bounce
        self.attempts: Counter[str] = Counter()
        self._late = Late(self._clock, self._give_back_late)
        self._open = False
        self._found: list[tuple[Pair, Stanza]] = []  # what was under way when the server was stopped
        self._early: list[tuple[Route, Stanza]] = []  # what came before it was open

    # Out

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.core.routing.Owner`."""
        to, from_ = stanza.to, stanza.from_
        assert to is not None
        if from_ is None:
            return None
        remote = self.remotes.get(to.domain)
        route = None if remote is None else remote.routes.get(from_.domain)
        if route is None:
            pair = Pair(from_.domain, to.domain)
            refusal = self._refusal(pair)
            if refusal is not None:
                reply = self._returns.answer(stanza, refusal)
                return None if reply is None else self._server.router.route(reply)
            route = self._route(pair)
        route.send(stanza)
        return None

    def _refusal(self, pair: Pair) -> StanzaError | None:
        """Why nothing is to be sent from one domain to the other, if so."""
        local, remote = pair
        if not self.serves(local):
            text = f"{local} does not talk to other servers" if local in self._server.router.owners else None
        elif self.connector is None and self._open:
            text = f"this server does not talk to other servers, so not to {remote}"
        elif self.policy(remote).blocked:
            return StanzaError(Condition.NOT_ALLOWED, text=f"this server does not talk to {remote}")
        else:
            return None
        return StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=text)

    def _route(self, pair: Pair) -> Route:
        remote = self.remote(pair.remote)
        route = remote.routes.get(pair.local)
        if route is None:
            route = remote.routes[pair.local] = Route(self, remote, pair)
        return route

    def remote(self, domain: str) -> Remote:
        """Return what is known of a domain of another server."""
        return self.remotes.make(domain)

    def wait(self, route: Route, stanza: Stanza, again: bool = False) -> None:
        """A stanza of a route needs a stream, and there is none.

        :param again: it was taken before the server was restarted: there has to be room for it.
        """
        if not self._open:
            self._early.append((route, stanza))
            return
        current = self._route(route.pair)
        if current is not route:  # it was forgotten while a stanza for it was still being handled
            current.put(stanza)
            return
        now, settings = self._clock.seconds(), self._server.settings.s2s
        if route.refused_until > now and route.failure is not None and not route.connecting:
            self.bounce(stanza, route.failure.to_error())
            return
        refusal = self._refusal(route.pair)  # settings may have changed
        if refusal is not None:
            self.bounce(stanza, refusal)
            return
        octets = len(stanza.payload) + _HEADER
        full = len(route.queue) >= settings.queue_stanzas or route.octets + octets > settings.queue_octets
        if (full or self.waiting_octets + octets > settings.total_octets) and not again:
            text = f"too much waits for a connection with {route.pair.remote}"
            self.bounce(stanza, StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait", text=text))
            return
        route.append(stanza, octets, now)
        self.waiting_octets += octets
        if route.deadline is None:
            route.deadline = self._clock.callLater(settings.queue_seconds, self._late.add, route)
        self._seek(route)

    def _seek(self, route: Route) -> None:
        """Have a stream made, if nobody is at it."""
        if self.connector is None or route.connecting or route.again is not None:
            return
        route.since = route.since or self._clock.seconds()
        route.connecting = True
        self.connector.connect(route.pair)

    def _seek_again(self, route: Route) -> None:
        route.again = None
        self._seek(route)

    def _seek_now(self, route: Route) -> None:
        """Wait no longer before the next attempt, if one is due."""
        if route.again is not None:
            route.again.cancel()
            self._seek_again(route)

    def _give_back_late(self, route: Route) -> None:
        text = f"{route.pair.remote} could not be reached in time"
        if route.failure is not None:
            text = route.failure.text
        elif route.remote.trail:
            text = f"{text}; so far: {route.remote.trail[-1]}"
        self.give_back(route, StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text))

    def give_back(self, route: Route, error: StanzaError) -> int:
        """Return what waits for a route to its senders; how many there were."""
        self.waiting_octets -= route.octets
        stanzas = route.take()
        for stanza in stanzas:
            self.bounce(stanza, error)
        return len(stanzas)

    # What streams tell

    def up(self, pair: Pair, conduit: Conduit) -> None:
        """A stream may be used for a pair."""
        route = self._route(pair)
        route.connecting = False
        if route.conduit is not None:
            return
        route.remote.outcomes["connected"] += 1
        self.attempts["connected"] += 1
        self.waiting_octets -= route.octets
        route.start(conduit, self._clock.seconds())
        self.met(pair)

    def met(self, pair: Pair) -> None:
        """A stream has proven a pair, in whatever direction."""
        remote, route = self.remote(pair.remote), self.remotes.route(pair)
        if route is not None:
            route.forgive()
            self._seek_now(route)  # who has just come is there
        if remote.found():
            _log.info("{domain} can be reached again", domain=pair.remote)
            self._tell(ServerReachable(Jid.parse(pair.remote)))

    def down(self, pair: Pair, conduit: Conduit, clean: bool) -> None:
        """A stream may be used no more for a pair.

        :param clean: was it closed because nobody needed it?
        """
        route = self.remotes.route(pair)
        if route is None or route.conduit is not conduit:
            return
        route.conduit, route.up_since = None, 0.0
        if not clean:
            route.remote.shaken = True
            self._seek(route)
        elif not route.busy:
            del route.remote.routes[pair.local]

    def failed(self, pair: Pair, failure: LinkFailure) -> None:
        """There is no stream for a pair: try again, or give up."""
        route = self.remotes.route(pair)
        if route is None:
            return
        route.connecting = False
        if route.conduit is not None or not self._open:
            return
        settings, now = self._server.settings.s2s, self._clock.seconds()
        route.failure = failure
        route.remote.outcomes[failure.condition] += 1
        self.attempts[failure.condition] += 1
        route.attempts += 1
        delay = _AGAIN * 2 ** min(route.attempts - 1, 10)
        if not failure.lasting and now + delay < route.since + settings.queue_seconds:
            _log.debug("{pair} failed, trying again in {delay} s: {why}", pair=route, delay=delay, why=failure.text)
            route.again, route.again_at = self._clock.callLater(delay, self._seek_again, route), now + delay
            return
        _log.warn("{why}; what waits for {domain} goes back to its senders", why=failure.text, domain=pair.remote)
        route.given_up(failure, now, settings.retry_seconds, settings.retry_at_most_seconds)
        self.give_back(route, failure.to_error())
        if route.remote.loses():
            self._tell(ServerUnreachable(Jid.parse(pair.remote), failure.to_error()))

    def _tell(self, event: object) -> None:
        for host in list(self._server.hosts.values()):
            pending = host.notify(event)
            if pending is not None:
                self._server.spawn(settled(pending), "making good what was missed of another server")

    def delivered(self, stanzas: Iterable[Stanza]) -> None:
        """Stanzas are with the other server, for all that will ever be known."""
        self.store.forget(stanzas)

    def keep(self, stanzas: Iterable[Stanza]) -> None:
        """Stanzas were sent and are not acknowledged, which may take a while: messages are stored, if they aren't."""
        for stanza in stanzas:
            if isinstance(stanza, Message) and stanza.type != "error" and stanza.from_ is not None:
                try:
                    self.store.keep(stanza, Pair(stanza.from_.domain, stanza.recipient.domain))
                except StorageUnavailable:
                    return  # nothing can be stored, which others tell of

    def of_unmanaged_session(self, message: Stanza) -> bool:
        """Has a client of ours sent it that is not told by acknowledgements what we have (XEP-0198)?"""
        session = self._server.directory.by_jid.get(message.from_)  # type: ignore[arg-type]  # None is not there
        return session is not None and session.managed is None

    def undelivered(self, stanzas: Iterable[Stanza]) -> None:
        """Stanzas were sent and never acknowledged, and their stream can't be resumed (XEP-0198 section 4)."""
        for stanza in stanzas:
            domain = stanza.recipient.domain
            text = f"the connection with {domain} was lost before it said that it has this; it may have it or not"
            self.bounce(stanza, StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text), sent=True)

    # In

    def arrived(self, stanza: Stanza) -> Awaitable[None] | None:
        """Take a stanza from another server, as a unit of work; or send it back, if it breaks the rules of its kind."""
        self.received[stanza.kind] += 1
        remote = self.remotes.get(stanza.sender.domain)
        if remote is not None:
            remote.received += 1
        wrong = fault(stanza)
        if wrong is not None:
            return self._server.router.bounce(stanza, wrong)
        return self._server.from_elsewhere(stanza)

    # What is asked

    def policy(self, domain: str) -> Policy:
        """Return how a domain of another server is dealt with."""
        return policy_for(domain, self._server.settings.s2s)

    def serves(self, domain: str) -> bool:
        """Is the domain ours, and open to other servers?"""
        owner = self._server.router.owners.get(domain)
        return owner is not None and owner.federates

    # Life

    async def restore(self) -> None:
        """Find what was under way when the server stopped, before anything is added to it."""
        self._found = await self.store.found()

    async def start(self) -> None:
        """Send what was under way when the server stopped, and what has come since it was started.

        The connector is there, if there is to be one. Until then everything waits.
        """
        self._open = True
        found, self._found = self._found, []
        if self.connector is not None or found:
            self._server.ledger.used = True  # messages are stored, from the first one
        early, self._early = self._early, []
        for pair, stanza in found:
            route = self._route(pair)
            if route.conduit is None:
                self.wait(route, stanza, again=True)
            else:
                route.put(stanza)
        for route, stanza in early:
            route.put(stanza)

    def retry(self, domain: str) -> None:
        """Forget that a domain could not be reached: the next stanza tries at once, and so does what waits."""
        remote = self.remotes.get(domain)
        for route in list(remote.routes.values()) if remote is not None else ():
            route.forgive()
            self._seek_now(route)

    def reconfigure(self) -> None:
        """Other settings are in force: a domain that was given up may be tried at once, and others not any more."""
        for route in self.remotes.routes():
            refusal = self._refusal(route.pair)
            if refusal is None:
                route.refused_until = 0.0
                continue
            self.give_back(route, refusal)
            if route.conduit is not None:
                route.conduit.close(StreamError(StreamCondition.POLICY_VIOLATION))

    def stop(self) -> None:
        """Try nothing more; messages that wait are on disk, to be sent when the server is started again."""
        self._open = False
        self.connector = None
        self._late.clear()
        for route in self.remotes.routes():
            route.cancel()
        self.store.stop()
