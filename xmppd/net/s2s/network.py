"""All streams with other servers: what they share, which there are, and the regular look at who has gone quiet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.logger import Logger
from zope.interface import implementer

from xmppd.api.waiting import settled
from xmppd.core.federation.contract import LinkFailure, Pair, StreamFacts
from xmppd.core.federation.policy import Policy
from xmppd.core.settings import LOOPBACK
from xmppd.net.peers import Networks, PeerCounter
from xmppd.net.s2s.attempts import Attempts
from xmppd.net.s2s.connecting import Connecting, IDialer
from xmppd.net.s2s.facts import facts_of
from xmppd.net.s2s.initiating import Initiating
from xmppd.net.s2s.receiving import Receiving
from xmppd.net.s2s.resumption import Sessions
from xmppd.net.s2s.stream import ServerStream
from xmppd.net.streams import Streams, wire_limits
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.framing import ScannerPool
from xmppd.wire.stanza import Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.server import Server
    from xmppd.net.tls.identity import Proof
    from xmppd.net.tls.peer import PeerTls

__all__ = ["ServerFactory", "ServerNetwork"]

_log = Logger()
#: Seconds between two looks at all streams.
_LOOK = 5.0
#: How many of them are looked at before others get their turn.
_AT_ONCE = 200
#: Seconds that other servers get to acknowledge when the server stops.
_PATIENCE = 1.0
#: How often it is looked in that time whether they have.
_TIMES = 20


class ServerNetwork:
    """State shared by all streams with other servers. Implements :class:`xmppd.core.federation.contract.Connector`.

    :param dialer: finds other servers and connects to them.
    :param secret: of dialback: the same for all who answer for our domains, and kept across restarts (XEP-0185).
    :param tls: certificates and contexts; None: there is no TLS.
    :ivar streams: all there are, in both directions.
    :ivar negotiated: streams that we have opened, by the pair of their header.
    :ivar counts: what went wrong on streams, in a few words, and how often.
    """

    def __init__(self, server: Server, dialer: IDialer, secret: bytes, tls: PeerTls | None = None) -> None:
        self.server = server
        self.federation = server.federation
        self.clock = server.clock
        self.secret = secret
        self.tls = tls
        self.parsers = ScannerPool()
        self.peers = PeerCounter()
        self.loopback = Networks(LOOPBACK)
        self.streams: Streams[ServerStream] = Streams(server.clock)
        self.negotiated: dict[Pair, Initiating] = {}
        self.counts: Counter[str] = Counter()
        self._to: dict[str, set[ServerStream]] = {}  # streams that stanzas may be sent on, by domain
        self._connecting = Connecting(self, dialer)
        self._attempts = Attempts(self.clock, self._attempt)
        self._next_look: IDelayedCall | None = None
        self._to_look_at: list[ServerStream] = []
        self.draining = False
        self.sessions = Sessions(self)
        self.reconfigure()

    def reconfigure(self) -> None:
        """Take the settings as they are now; new streams get them. Streams for domains that are no longer ours end."""
        settings = self.server.settings
        s2s = self.settings = settings.s2s
        self._attempts.patience = s2s.queue_seconds
        self.limits_before = wire_limits(settings.limits, settings.limits.stanza_octets_before_auth)
        self.limits_after = wire_limits(settings.limits, s2s.stanza_octets)
        self.exempt = Networks(settings.limits.exempt_networks)
        self.peers.set_limits(s2s.connections, s2s.connections_per_address, self.exempt)
        for stream in self.streams:
            if stream.local and not self.federation.serves(stream.local):
                stream.close(StreamError(StreamCondition.HOST_GONE, f"{stream.local} is not served here any more"))
            elif stream.remote and self.policy(stream.remote).blocked:
                stream.close(StreamError(StreamCondition.POLICY_VIOLATION, f"{stream.remote} is not talked to here"))
            else:
                stream.withdraw()

    # What the settings say

    def policy(self, domain: str) -> Policy:
        """Return how a domain of another server is dealt with."""
        return self.federation.policy(domain)

    def owns(self, domain: str) -> bool:
        """Is the domain ours, open to other servers or not? Nobody else may speak for it."""
        return domain in self.server.router.owners

    def admits(self, pair: Pair) -> bool:
        """Is a pair one of a domain of ours that is open to others, and one of theirs that is talked to?"""
        local, remote = pair
        return self.federation.serves(local) and not self.owns(remote) and not self.policy(remote).blocked

    def plain_allowed(self, peer: str) -> bool:
        """May the connection with this network address do without TLS whatever the policy?"""
        return self.server.settings.server.plain_without_tls and peer in self.loopback

    def needs_tls(self, domain: str, peer: str) -> bool:
        """Must a stream with this domain be encrypted?"""
        return self.policy(domain).tls_required and not self.plain_allowed(peer)

    def any_domain(self) -> str:
        """Return a domain of ours, for headers in answer to those that name none."""
        host = self.server.host_for(None)
        return str(host.jid) if host else ""

    def host_of(self, domain: str) -> str:
        """Return the host whose certificate is shown for a domain of ours: its own, or the one it is a part of."""
        above = domain
        while above not in self.server.hosts and "." in above:
            above = above.partition(".")[2]
        return above if above in self.server.hosts else domain

    @property
    def full(self) -> bool:
        """Are there as many connections as there may be?"""
        return len(self.streams) >= self.settings.connections

    # Making streams

    def connect(self, pair: Pair) -> None:
        """See Connector."""
        self._attempts.begin(Pair(*pair))

    def _attempt(self, pair: Pair, late: bool) -> None:
        if late:
            self._attempts.ended()
            text = f"{pair.remote} was not tried: too many other servers had to be connected to"
            self.federation.failed(pair, LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, text))
        else:
            self.server.spawn(self._connect(pair), f"connecting {pair.local} to {pair.remote}")

    async def _connect(self, pair: Pair) -> None:
        try:
            await self._connect_now(pair)
        finally:
            self._attempts.ended()

    async def _connect_now(self, pair: Pair) -> None:
        try:
            stream = await self._connecting.connect(pair)
        except LinkFailure as failure:
            self.count(f"out: {failure.condition}")
            self.federation.failed(pair, failure)
        except Exception:
            _log.failure("connecting {local} to {remote} failed", local=pair.local, remote=pair.remote)
            text = "something went wrong here; see the log"
            self.federation.failed(pair, LinkFailure(Condition.INTERNAL_SERVER_ERROR, text))
        else:
            self.federation.up(pair, stream.conduit)

    async def verify(self, pair: Pair, stream_id: str, key: str, asking: ServerStream) -> bool:
        """See :meth:`.connecting.Connecting.verify`."""
        return await self._connecting.verify(pair, stream_id, key, asking)

    def begin_trail(self, pair: Pair) -> list[str]:
        """Return where the steps of a new attempt are written down: sentences without their full stops."""
        steps: list[str] = []
        self.federation.remote(pair.remote).trail = steps
        return steps

    def carrying(self, pair: Pair) -> ServerStream | None:
        """Return a stream on which stanzas of a pair can be sent, if there is one; others may have to go first."""
        streams = self._to.get(pair.remote, ())
        return next((s for s in streams if pair in s.sending and not s.closing and pair not in s.postponed), None)

    def putting_off(self, pair: Pair) -> ServerStream | None:
        """Return a stream on which stanzas of a pair can be sent soon, if there is one, and none where they can now."""
        streams = self._to.get(pair.remote, ())
        if self.carrying(pair) is not None:
            return None
        return next((s for s in streams if pair in s.sending and not s.closing and pair in s.postponed), None)

    def shareable(self, pair: Pair) -> ServerStream | None:
        """Return a stream with the other server on which one more domain of ours can be proven (XEP-0220 2.5)."""
        return next((stream for stream in self._to.get(pair.remote, ()) if stream.shareable), None)

    def opened_to(self, remote: str, asking: ServerStream) -> Initiating | None:
        """Return a stream that we have opened to a domain and that keys can be verified on, but not that one."""
        for stream in self._to.get(remote, ()):
            if isinstance(stream, Initiating) and stream is not asking and not stream.closing:
                return stream
        return None

    # What streams tell

    def entered(self, stream: ServerStream) -> None:
        """A stream has a connection."""
        self.streams.add(stream)

    def left(self, stream: ServerStream) -> None:
        """A stream's connection is gone."""
        self.streams.discard(stream)

    def carries(self, stream: ServerStream, pair: Pair) -> None:
        """Stanzas of a pair may be sent on a stream."""
        self._to.setdefault(pair.remote, set()).add(stream)

    def silenced(self, stream: ServerStream) -> None:
        """Nothing may be sent on a stream any more."""
        for _, remote in stream.sending:
            streams = self._to.get(remote)
            if streams is not None:
                streams.discard(stream)
                if not streams:
                    del self._to[remote]
        pair = Pair(stream.local, stream.remote)
        if self.negotiated.get(pair) is stream:
            del self.negotiated[pair]

    def proven(self, stream: ServerStream, remote: str, local: str, by: str) -> None:
        """A domain was proven on a stream."""
        self.count(f"in: {by}")
        _log.info(
            "{remote} ({peer}) may send to {local}: proven by {by}",
            remote=remote, peer=stream.peer, local=local, by=by,
        )  # fmt: skip
        self.federation.met(Pair(local, remote))

    def closed_with(self, stream: ServerStream, error: StreamError) -> None:
        """We close a stream with an error."""
        self.count(f"closed: {error.condition}")
        _log.info("closing the stream with {who} ({peer}): {error}", who=stream.who(), peer=stream.peer, error=error)

    def failed_with(self, stream: ServerStream, error: StreamError) -> None:
        """The other end has closed a stream with an error."""
        self.count(f"failed: {error.condition}")
        _log.info("{who} ({peer}) closes its stream: {error}", who=stream.who(), peer=stream.peer, error=error)

    def seen_certificate(self, stream: Initiating, proof: Proof) -> None:
        """A certificate was looked at."""
        stream.steps.append(f"TLS: {proof.reason}")

    def count(self, what: str) -> None:
        """Count an event."""
        self.counts[what] += 1

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        """Give a stanza back to its sender."""
        pending = self.server.router.bounce(stanza, error)
        if pending is not None:
            self.server.spawn(settled(pending), "returning an error")

    # Time

    def start(self) -> None:
        """Begin to look after the streams."""
        self._next_look = self.clock.callLater(_LOOK, self._look)

    def _look(self) -> None:
        """Close idle streams, probe the silent, give up the dead; some at a time, so that nobody waits for it."""
        if not self._to_look_at:
            self._to_look_at = list(self.streams)
        now = self.clock.seconds()
        for stream in self._to_look_at[-_AT_ONCE:]:
            if not stream.closing:
                self._look_at(stream, now)
        del self._to_look_at[-_AT_ONCE:]
        self._next_look = self.clock.callLater(0 if self._to_look_at else _LOOK, self._look)

    def _look_at(self, stream: ServerStream, now: float) -> None:
        s2s = self.settings
        if stream.acknowledging is not None:
            stream.acknowledging.look(now)
        if stream.acknowledged is not None and not stream.acknowledged.look(now):
            stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "nothing is acknowledged"))
            return
        if stream.active:
            stream.active = False
            stream.idle_since = now
        elif now - stream.idle_since >= stream.idle_seconds:
            stream.close()
            return
        if stream.heard:
            stream.heard, stream.idle = False, 0
            return
        stream.idle += 1
        ping_at = max(1, round(s2s.ping_seconds / _LOOK))
        if stream.idle % ping_at == 0:
            stream.probe()
        if stream.must_speak and stream.idle >= ping_at + max(1, round(s2s.answer_seconds / _LOOK)):
            stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "nothing was heard for too long"))

    def facts(self) -> list[StreamFacts]:
        """See Connector."""
        return [facts_of(stream) for stream in self.streams]

    # The end

    def close(self, domain: str) -> int:
        """See Connector. What is sent to the domain later makes new ones."""
        closed = 0
        for stream in self.streams:
            if stream.remote == domain or any(remote == domain for remote, _ in stream.proven):
                stream.close(StreamError(StreamCondition.RESET, "closed by the operator"))
                closed += 1
        return closed

    async def drain(self) -> None:
        """Close every stream with system-shutdown, acknowledged if possible; wait no longer than the settings say."""
        self.draining = True
        if self._next_look is not None and self._next_look.active():
            self._next_look.cancel()
        self._attempts.stop()
        self._connecting.stop()
        self.sessions.stop()
        owed = [stream for stream in self.streams if stream.acknowledged]
        for stream in owed:
            if stream.acknowledged is not None:
                stream.acknowledged.ask()
        for _ in range(_TIMES):
            if not any(stream.acknowledged for stream in owed):
                break
            await self._pause(_PATIENCE / _TIMES)
        await self.streams.drain(self.server.settings.server.drain_seconds)

    def _pause(self, seconds: float) -> Deferred[None]:
        over: Deferred[None] = Deferred()
        self.clock.callLater(seconds, over.callback, None)
        return over


@implementer(IProtocolFactory)
class ServerFactory:
    """Makes a stream for each connection to one port for other servers.

    :param direct_tls: TLS begins with the first octet (XEP-0368).
    """

    noisy = False

    def __init__(self, network: ServerNetwork, direct_tls: bool = False) -> None:
        self._network = network
        self._direct_tls = direct_tls

    def buildProtocol(self, address: IAddress) -> Any:
        """See IProtocolFactory."""
        stream = Receiving(self._network)
        tls = self._network.tls
        return tls.wrap_receiving(stream) if self._direct_tls and tls is not None else stream

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""
