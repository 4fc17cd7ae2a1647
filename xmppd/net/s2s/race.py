"""Connecting to one machine that has several addresses: the first that answers wins (RFC 8305).

Addresses of IPv6 and IPv4 take turns, IPv6 first; if one has not answered after a short while, the next is tried as
well. Nobody waits for a family's addresses while those of the other are there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, TimeoutError, UserError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import ClientFactory
from twisted.names import dns
from twisted.python.failure import Failure

from xmppd.net.eager import EagerConnections
from xmppd.net.s2s.asking import LookupFailed
from xmppd.net.s2s.resolver import Resolver
from xmppd.net.s2s.targets import Target, ip_literal

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall

__all__ = ["Race", "connection_problem"]

_WAIT_FOR_IPV6 = 0.05  # seconds after IPv4's addresses are there (RFC 8305 section 3)
_ADDRESSES = 8  # of one machine; who has more is known by these
_FAMILIES = ((dns.AAAA, "IPv6"), (dns.A, "IPv4"))


class _Attempt(ClientFactory):
    """One address that is being connected to."""

    noisy = False

    def __init__(self, race: Race, address: str) -> None:
        self.race = race
        self.address = address
        self.connector: Any = None

    def buildProtocol(self, address: Any) -> Any:
        return self.race.connected(self)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.race.failed(self, reason)


class Race:
    """The connections to one target. One winner at a time: after it, the next may be asked for.

    :param trail: what happens is appended here, in plain words.
    :param seconds: how long one address may take to accept.
    :param stagger: seconds after which the next address is tried as well.
    :ivar temporary: was there a failure that may be over soon?
    :ivar problem: what it failed for, in plain words: not always what was heard last; "" while nothing has failed.
    """

    def __init__(
        self,
        reactor: Any,
        connections: EagerConnections,
        resolver: Resolver,
        target: Target,
        make: Callable[[Target], IProtocol],
        trail: list[str],
        seconds: float,
        stagger: float,
    ) -> None:
        self._reactor = reactor
        self._connections = connections
        self._target = target
        self._make = make
        self._trail = trail
        self._seconds, self._stagger = seconds, stagger
        self._untried: dict[int, deque[str]] = {kind: deque() for kind, _ in _FAMILIES}
        self._next_family = dns.AAAA
        self._looking = 0
        self._tries = 0
        self._attempts: list[_Attempt] = []
        self._timer: IDelayedCall | None = None
        self._winner: Deferred[IProtocol | None] | None = None
        self.temporary = False
        self.problem = ""
        self._look_up(resolver)

    def _look_up(self, resolver: Resolver) -> None:
        literal = ip_literal(self._target.host)
        addresses = self._target.addresses or ((literal,) if literal else ())
        for address in addresses:
            self._untried[dns.AAAA if ":" in address else dns.A].append(address)
        if not addresses:
            self._looking = len(_FAMILIES)
            self._lookups = [
                Deferred.fromCoroutine(resolver.addresses(self._target.host, kind)) for kind, _ in _FAMILIES
            ]
            for (kind, name), lookup in zip(_FAMILIES, self._lookups, strict=True):
                lookup.addBoth(self._looked_up, kind, name)

    def _looked_up(self, outcome: Any, kind: int, name: str) -> None:
        self._looking -= 1
        if isinstance(outcome, Failure):
            outcome.trap(LookupFailed)
            self.temporary = True
            self._trail.append(f"{name} address of {self._target.host}: {outcome.value}")
            if not self._tries:
                self.problem = self._trail[-1]
        else:
            self._untried[kind].extend(outcome)
            self._trail.append(f"{name} address of {self._target.host}: {', '.join(outcome) or 'none'}")
        if self._winner is None or (self._attempts and self._timer is not None):
            return  # nobody waits; or the next address has its time
        if kind == dns.A and self._looking and self._untried[dns.A]:
            self._wait(_WAIT_FOR_IPV6)
        else:
            self._go_on()

    def next(self) -> Deferred[IProtocol | None]:
        """Return the next protocol that is connected, or None if no address is left."""
        winner: Deferred[IProtocol | None] = Deferred(lambda _: self._cancelled())
        self._winner = winner
        if self._attempts or any(self._untried.values()) or not self._looking:
            self._go_on()
        return winner

    def _wait(self, seconds: float) -> None:
        self._wait_no_longer()
        self._timer = self._reactor.callLater(seconds, self._go_on)

    def _wait_no_longer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _go_on(self) -> None:
        """Try the next address, or find that there is none."""
        self._wait_no_longer()
        address = self._take()
        if address is not None:
            attempt = _Attempt(self, address)
            self._attempts.append(attempt)
            self._wait(self._stagger)
            attempt.connector = self._connections.connect(address, self._target.port, attempt, self._seconds)
        elif not self._attempts and not self._looking:
            if not self._tries and not self.temporary:
                self.problem = f"{self._target.host} has no address"
                self._trail.append(self.problem)
            self._decide(None)

    def _take(self) -> str | None:
        if self._tries >= _ADDRESSES:
            return None
        for kind in (self._next_family, dns.A if self._next_family == dns.AAAA else dns.AAAA):
            if self._untried[kind]:
                self._tries += 1
                self._next_family = dns.A if kind == dns.AAAA else dns.AAAA
                return self._untried[kind].popleft()
        return None

    def connected(self, attempt: _Attempt) -> IProtocol | None:
        """An address has accepted: the others' attempts end, to be made again if this one turns out to be no good."""
        if attempt not in self._attempts or self._winner is None:
            return None
        self._attempts.remove(attempt)
        for other in self._give_up():
            self._untried[dns.AAAA if ":" in other.address else dns.A].appendleft(other.address)
            self._tries -= 1
        self._trail.append(f"{attempt.address} port {self._target.port}: connected")
        protocol = self._make(self._target)
        winner, self._winner = self._winner, None
        # The protocol has its connection when this turn is over.
        self._reactor.callLater(0, _tell, winner, protocol)
        return protocol

    def failed(self, attempt: _Attempt, reason: Failure) -> None:
        """An address has not accepted."""
        if attempt not in self._attempts:
            return
        self._attempts.remove(attempt)
        self.temporary = True
        assert reason.value is not None
        problem = connection_problem(reason.value, self._seconds)
        self.problem = f"{attempt.address} port {self._target.port}: {problem}"
        self._trail.append(self.problem)
        if self._winner is not None:
            self._go_on()

    def stop(self) -> None:
        """Connect to nothing more; who waits is told that no address is left."""
        self._give_up()
        self._decide(None)

    def _cancelled(self) -> None:
        self._winner = None
        self._give_up()

    def _give_up(self) -> list[_Attempt]:
        self._wait_no_longer()
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            if attempt.connector is not None:
                attempt.connector.disconnect()
        return attempts

    def _decide(self, protocol: IProtocol | None) -> None:
        winner, self._winner = self._winner, None
        if winner is not None:
            winner.callback(protocol)


def _tell(winner: Deferred[IProtocol | None], protocol: IProtocol) -> None:
    if not winner.called:
        winner.callback(protocol)


def connection_problem(error: BaseException, seconds: float) -> str:
    """Say in plain words why a connection could not be made.

    :param seconds: how long it was tried.
    """
    if isinstance(error, TimeoutError | UserError):
        return f"no answer within {seconds:g} seconds"
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        text = os.strerror(error.osError)
        return text[0].lower() + text[1:]
    return str(error) or type(error).__name__
