"""Who is connected to the proxy, who waits for whom, and what each may have."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import Condition, IClock, Jid, StanzaError
from xmppd.api.limits import TokenBucket, Window, network_of
from xmppd.plugins.bytestreams.options import ProxyOptions
from xmppd.plugins.bytestreams.socks import digest_of
from xmppd.plugins.bytestreams.stream import Connection, Stream

__all__ = ["Relay"]

_log = Logger(namespace="xmppd.plugins.bytestreams")
_MINUTE = 60.0
_ID_OCTETS = 4


class Relay:
    """All connections and streams of one proxy.

    :ivar connections: those that there are.
    :ivar streams: the active ones, by their ids.
    :ivar activated: how many streams there were. `refused`: connections and requests that were not for this.
    """

    def __init__(self, clock: IClock, options: ProxyOptions) -> None:
        self.clock = clock
        self.connections: set[Connection] = set()
        self.streams: dict[str, Stream] = {}
        self.activated = 0
        self.refused = 0
        self._octets = 0
        self._by_network: Counter[str] = Counter()
        self._waiting: dict[str, list[Connection]] = {}
        self._active: dict[str, Stream] = {}
        self._failures = Window(options.failures_per_minute, _MINUTE)
        self._told_full = False
        self._emptied: Deferred[None] | None = None
        self.configure(options)

    def configure(self, options: ProxyOptions) -> None:
        """Take other options; streams go on."""
        self.options = options
        self._failures.set_limits(options.failures_per_minute, _MINUTE)
        self._total = self._bucket(options.total_octets_per_second)
        for stream in self.streams.values():
            stream.buckets = self._buckets()

    def _bucket(self, rate: int) -> tuple[TokenBucket, ...]:
        return (TokenBucket(rate, rate, self.clock.seconds),) if rate else ()

    def _buckets(self) -> tuple[TokenBucket, ...]:
        """Return the limits of one stream."""
        return self._bucket(self.options.octets_per_second) + self._total

    @property
    def octets(self) -> int:
        """How many were relayed, since the start."""
        return self._octets + sum(stream.octets for stream in self.streams.values())

    @property
    def full(self) -> bool:
        """Are there as many connections as there may be?"""
        return len(self.connections) >= self.options.connections

    # Connections

    def make(self, address: str) -> Connection | None:
        """Take a connection from an address, or None."""
        network = network_of(address)
        if self.full and not self._told_full:
            self._told_full = True
            _log.warn("no more connections are taken: there are {count}", count=len(self.connections))
        if (
            self.full
            or self._by_network[network] >= self.options.connections_per_address
            or self._failures.full(network, self.clock.seconds())
        ):
            self.refused += 1
            return None
        connection = Connection(self, network)
        self.connections.add(connection)
        self._by_network[network] += 1
        return connection

    def enter(self, connection: Connection, digest: str) -> bool:
        """Let a connection wait under a hash. Is there room for it? A stream has two sides (section 10.1)."""
        if digest in self._active or len(self._waiting.get(digest, ())) >= 2:
            return False
        connection.digest = digest
        self._waiting.setdefault(digest, []).append(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """A connection waits no more."""
        waiting = self._waiting.get(connection.digest, [])
        if connection in waiting:
            waiting.remove(connection)
            if not waiting:
                del self._waiting[connection.digest]

    def failed(self, connection: Connection) -> None:
        """A connection was not for this. Who makes many of that kind has to wait."""
        self.refused += 1
        self._failures.add(connection.network, self.clock.seconds())

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        self.leave(connection)
        self.connections.discard(connection)
        self._by_network[connection.network] -= 1
        if not self._by_network[connection.network]:
            del self._by_network[connection.network]
        self._told_full = self._told_full and self.full
        if self._emptied is not None and not self.connections:
            self._emptied.callback(None)

    # Streams

    def activate(self, sid: str, requester: Jid, target: Jid, others: Callable[[], Sequence[Jid]]) -> None:
        """Activate a stream (section 6.3.5). Who asks once more for the same has it.

        :param others: returns the other addresses of the requester.
        :raises StanzaError: not-allowed if one side only is connected; item-not-found if both are, but for another
            address of the requester; not-authorized if nobody is; resource-constraint if the requester has enough.
        """
        digest = digest_of(sid, requester, target)
        if digest in self._active:
            return
        parties = self._waiting.get(digest, [])
        if len(parties) == 1:
            raise StanzaError(Condition.NOT_ALLOWED, text="Only one party is connected.")
        if not parties:
            if any(digest_of(sid, other, target) in self._waiting for other in others()):
                raise StanzaError(Condition.ITEM_NOT_FOUND, text="The stream is another address's.")
            raise StanzaError(Condition.NOT_AUTHORIZED, text="Nobody is connected for this stream.")
        mine = sum(1 for stream in self.streams.values() if stream.requester.bare == requester.bare)
        if mine >= self.options.streams_per_account:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="You have too many streams.")
        del self._waiting[digest]
        self._begin(digest, requester, target, (parties[0], parties[1]))

    def _begin(self, digest: str, requester: Jid, target: Jid, parties: tuple[Connection, Connection]) -> None:
        id = secrets.token_hex(_ID_OCTETS)
        stream = Stream(
            id, requester, target, parties, self.clock, self.options.idle_seconds, self._buckets(),
            lambda stream: self._over(digest, stream),
        )  # fmt: skip
        self.streams[id] = self._active[digest] = stream
        self.activated += 1
        _log.debug("stream {id} from {requester} to {target} begins", id=id, requester=requester, target=target)

    def _over(self, digest: str, stream: Stream) -> None:
        del self.streams[stream.id], self._active[digest]
        self._octets += stream.octets
        _log.info(
            "stream {id} from {requester} to {target} is over: {octets} octets in {seconds:.0f} s",
            id=stream.id,
            requester=stream.requester,
            target=stream.target,
            octets=stream.octets,
            seconds=self.clock.seconds() - stream.started_at,
        )

    async def close(self) -> None:
        """End all connections at once."""
        if self.connections:
            self._emptied = Deferred()
            for connection in list(self.connections):
                connection.abort()
            await self._emptied
