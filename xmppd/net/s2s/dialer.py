"""Connecting to the server of a domain: one place after the other, until one will do (RFC 6120 section 3.2.1).

Everything that is tried is written down in plain words, because somebody will want to know why a link failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from xmppd.core.settings.network import S2s
from xmppd.net.eager import EagerConnections
from xmppd.net.s2s.race import Race
from xmppd.net.s2s.resolver import Resolver
from xmppd.net.s2s.targets import Target, Unresolvable

__all__ = ["Dialer", "Search"]

_A_TURN = 8  # searches begun in one turn of the reactor
Make = Callable[[Target], IProtocol]


class Dialer:
    """Makes connections to servers.

    :param reactor: with TCP and time.
    """

    def __init__(self, reactor: Any, resolver: Resolver, settings: S2s) -> None:
        self.reactor = reactor
        self.connections = EagerConnections(reactor)
        self.resolver = resolver
        self.settings = settings
        self._begun = 0  # in this turn of the reactor
        self._looking = 0  # whose servers are being asked for
        self._turning = False
        self._waiting: deque[Deferred[None]] = deque()

    def search(self, domain: str, make: Make, route: Target | None = None) -> Search:
        """Begin to look for the server of a domain.

        :param make: returns the protocol for a connection to a target: wrapped in TLS if it is one for direct TLS.
        :param route: where the settings say that the server is; then the DNS is not asked for SRV records.
        """
        return Search(self, domain, make, route)

    async def admit(self) -> None:
        """Wait until one more domain may be looked for; :meth:`resolved` has to be called afterwards.

        Thousands at once would keep everybody else waiting, and each that waits for its nameservers takes some memory
        that the garbage collector has to look through again and again.
        """
        if self._waiting or self._begun >= _A_TURN or self._looking >= self.settings.dns_queries:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting  # whoever ends the waiting has counted us
        else:
            self._count()

    def resolved(self) -> None:
        """A domain has been looked for."""
        self._looking -= 1
        if self._waiting:
            self._soon()

    def _count(self) -> None:
        self._begun += 1
        self._looking += 1
        self._soon()

    def _soon(self) -> None:
        if not self._turning:
            self._turning = True
            self.reactor.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turning = False
        self._begun = 0
        while self._waiting and self._begun < _A_TURN and self._looking < self.settings.dns_queries:
            waiting = self._waiting.popleft()
            if not waiting.called:  # cancelled
                self._count()
                waiting.callback(None)


class Search:
    """One look for the server of a domain.

    :ivar trail: what was tried, and what came of it; sentences without their full stops, in the order of time.
    :ivar lasting: once :meth:`next` has returned None: will it be the same another time, as far as can be told?
    :ivar problem: why the place that was tried last could not be reached; "" while none has failed.
    :ivar found: has any target accepted a connection?
    """

    def __init__(self, dialer: Dialer, domain: str, make: Make, route: Target | None) -> None:
        self._dialer = dialer
        self._domain = domain
        self._make = make
        self._targets: deque[Target] | None = None if route is None else deque([route])
        self._race: Race | None = None
        self._stopped = False
        self.trail: list[str] = [] if route is None else [f"the settings say that {domain} is at {route}"]
        self.lasting = True
        self.problem = ""
        self.found = False

    async def next(self) -> IProtocol | None:
        """Return the next protocol that is connected; None if there is no place left to try.

        A protocol that it has returned before is the caller's: whether its connection still exists doesn't matter.
        """
        if self._targets is None:
            await self._dialer.admit()
            try:
                self._targets = deque(await self._dialer.resolver.targets(self._domain, self.trail))
            except Unresolvable as error:
                self._targets = deque()
                self.lasting = error.lasting
                self.problem = str(error)
                self.trail.append(self.problem)
            finally:
                self._dialer.resolved()
        while not self._stopped:
            if self._race is None:
                if not self._targets:
                    return None
                target = self._targets.popleft()
                self.lasting = self.lasting and target.certain
                self._race = self._start(target)
            protocol = await self._race.next()
            if protocol is not None:
                self.found = True
                self.lasting = False
                return protocol
            self.lasting = self.lasting and not self._race.temporary
            self.problem = self._race.problem or self.problem
            self._race = None
        return None

    def _start(self, target: Target) -> Race:
        dialer, settings = self._dialer, self._dialer.settings
        return Race(
            dialer.reactor,
            dialer.connections,
            dialer.resolver,
            target,
            self._make,
            self.trail,
            settings.connect_seconds,
            settings.next_address_seconds,
        )

    def stop(self) -> None:
        """Connect to nothing more: :meth:`next` returns None."""
        self._stopped = True
        if self._race is not None:
            self._race.stop()
