"""Other servers in a test: who is found under which domain, and connections between them in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock

from xmppd.net.s2s.targets import Target
from xmppd.testing.transport import MemoryTransport, Peer

__all__ = ["Cable", "End", "Internet", "Place"]


class End(MemoryTransport):
    """One end of a connection between two protocols; what is written arrives with the next turn of the clock.

    :ivar cable: the connection.
    """

    cable: Cable

    def _lost(self, reason: Exception) -> None:
        already = self.closed
        super()._lost(reason)
        if not already:
            self._tell_other(reason)

    def vanish(self) -> None:
        """See MemoryTransport. The system of who was killed resets the connection."""
        if not self.closed:
            super().vanish()
            self._tell_other(ConnectionLost())

    def _tell_other(self, reason: Exception) -> None:
        if not self.cable.frozen:
            self._clock.callLater(0, self.cable.other(self)._gone, reason)

    def _gone(self, reason: Exception) -> None:
        """The other end is closed."""
        if not self.closed:
            super()._lost(reason)


class Cable:
    """A connection between two protocols.

    :ivar ours: the end of who has connected. :ivar theirs: the other one.
    :ivar octets: everything that went over it, by direction: ours, theirs.
    :ivar frozen: does nothing arrive any more, not even that an end is closed?
    :ivar left: octets that arrive before the connection is lost, or None.
    """

    def __init__(self, clock: Clock, from_: str, to: str) -> None:
        self._clock = clock
        self.octets = (bytearray(), bytearray())
        self.ours = End(clock, Peer(to, 5269), lambda data: self._carry(0, data))
        self.theirs = End(clock, Peer(from_), lambda data: self._carry(1, data))
        self.ours.cable = self.theirs.cable = self
        self.addresses = (from_, to)
        self.frozen = False
        self.left: int | None = None

    def end_of(self, address: str) -> End | None:
        """Return the end at a network address, if it has one there."""
        return dict(zip(self.addresses, (self.ours, self.theirs), strict=True)).get(address)

    def other(self, end: End) -> End:
        """Return the other end."""
        return self.theirs if end is self.ours else self.ours

    def _carry(self, direction: int, data: bytes) -> None:
        self.octets[direction].extend(data)
        if self.frozen:
            return
        end = self.theirs if direction == 0 else self.ours
        if self.left is not None:
            data, self.left = data[: self.left], max(0, self.left - len(data))
            if not self.left:
                self._clock.callLater(0, end.receive, data)
                self._clock.callLater(0, self.lose)
                self.frozen = True
                return
        self._clock.callLater(0, end.receive, data)

    def lose(self) -> None:
        """Both ends lose the connection, and all that is on its way."""
        for end in (self.ours, self.theirs):
            if not end.closed:
                end.cut()


@dataclass(frozen=True)
class Place:
    """Where a server is.

    :ivar address: of its network.
    :ivar accept: makes the protocol for a connection; None: it is refused.
    :ivar direct_tls: does TLS come first there?
    """

    address: str
    accept: Callable[[], IProtocol] | None
    direct_tls: bool = False


class Internet:
    """Places by domain.

    :ivar places: where the servers of a domain are. Domains that are not there can't be found.
    :ivar cables: all connections that were made, in order.
    :ivar asked: the domains that were looked for, in order.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.places: dict[str, list[Place]] = {}
        self.cables: list[Cable] = []
        self.asked: list[str] = []

    def dialer(self, address: str, clock: Clock | None = None) -> Dialer:
        """Return what a server with that network address, and that time, connects with."""
        return Dialer(self, address, clock or self.clock)


class Dialer:
    """Implements :class:`xmppd.net.s2s.connecting.IDialer`."""

    def __init__(self, internet: Internet, address: str, clock: Clock) -> None:
        self._internet = internet
        self._address = address
        self._clock = clock

    def search(self, domain: str, make: Callable[[Target], Any], route: Target | None = None) -> Search:
        """See IDialer. A route leads to the place of the domain that its host names."""
        self._internet.asked.append(domain)
        return Search(self._internet, self._address, self._clock, domain if route is None else route.host, make)


class Search:
    """Implements :class:`xmppd.net.s2s.connecting.ISearch`."""

    def __init__(
        self, internet: Internet, address: str, clock: Clock, name: str, make: Callable[[Target], Any]
    ) -> None:
        self._internet = internet
        self._address = address
        self._clock = clock
        self._make = make
        self._left = list(internet.places.get(name, ()))
        self.lasting = not self._left
        self.trail = [] if self._left else [f"there is no {name}"]

    @property
    def problem(self) -> str:
        """See ISearch."""
        return self.trail[-1] if self.trail else ""

    async def next(self) -> IProtocol | None:
        """See ISearch."""
        turn: Deferred[None] = Deferred()
        self._clock.callLater(0, turn.callback, None)
        await turn
        while self._left:
            place = self._left.pop(0)
            if place.accept is None:
                self.trail.append(f"{place.address}: connection refused")
                continue
            self.trail.append(f"{place.address}: connected")
            return self._connect(place, place.accept())
        return None

    def _connect(self, place: Place, theirs: Any) -> IProtocol:
        cable = Cable(self._internet.clock, self._address, place.address)
        self._internet.cables.append(cable)
        ours: Any = self._make(Target(place.address, 5269, place.direct_tls))
        cable.theirs.connect(theirs)
        cable.ours.connect(ours)
        protocol: IProtocol = ours
        return protocol

    def stop(self) -> None:
        """See ISearch."""
        self._left.clear()
