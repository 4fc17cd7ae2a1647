"""One connection to the proxy, and the stream that two of them are joined to.

What comes on one goes out on the other at once. If the other doesn't take it, the first is not read any more
until it has: so a stream never holds more than its transports' buffers, whatever the clients do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xmppd.api import IClock, IDelayedCall, Jid
from xmppd.api.limits import TokenBucket
from xmppd.plugins.bytestreams.socks import Negotiation, Reply

if TYPE_CHECKING:
    from xmppd.plugins.bytestreams.relay import Relay

__all__ = ["Connection", "Stream"]


class Connection:
    """A client's connection: it negotiates, then waits under its hash for its stream to be activated, then relays.

    :ivar network: where it is from, as limits count it.
    :ivar digest: the hash that it has asked for; "" before.
    :ivar stream: what it belongs to, from activation on.
    :ivar sent: octets that have come on it since then.
    :ivar ended: has the client sent all that it will?
    """

    transport: Any

    def __init__(self, relay: Relay, network: str) -> None:
        self._relay = relay
        self._negotiation: Negotiation | None = Negotiation()
        self._early = 0
        self._timer: IDelayedCall | None = None
        self._held: IDelayedCall | None = None
        self._blocked = False
        self.network = network
        self.digest = ""
        self.stream: Stream | None = None
        self.other: Connection = self
        self.sent = 0
        self.ended = False

    def makeConnection(self, transport: Any) -> None:
        """See Twisted's IProtocol."""
        self.transport = transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        self._wait(self._relay.options.handshake_seconds)

    def dataReceived(self, data: bytes) -> None:
        """Relay what came; before activation it is about the stream itself, or nothing."""
        stream = self.stream
        if stream is None:
            self._before(data)
            return
        size = len(data)
        self.sent += size
        self.other.transport.write(data)
        wait = stream.passed(size)
        if wait > 0:
            self._hold(wait)

    def readConnectionLost(self) -> None:
        """The client has sent all that it will. Who hangs up before activation will not use the stream."""
        self.ended = True
        if self.stream is not None:
            self.stream.ended(self)
        else:
            self.transport.loseConnection()
            self._relay.leave(self)

    def connectionLost(self, reason: object) -> None:
        """See Twisted's IProtocol."""
        self.ended = True
        self._stop_waiting()
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._relay.lost(self)
        if self.stream is not None:
            self.stream.lost(self)

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    # Before activation

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self._relay.clock.callLater(seconds, self._late)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _late(self) -> None:
        if not self.digest:
            self._relay.failed(self)
        self._relay.leave(self)
        self.abort()

    def _before(self, data: bytes) -> None:
        if self._negotiation is None:
            self._ignore(len(data))
            return
        step = self._negotiation.feed(data)
        answer = step.answer
        if step.digest:
            welcome = self._relay.enter(self, step.digest)
            answer += self._negotiation.reply(Reply.SUCCEEDED if welcome else Reply.NOT_ALLOWED)
            step = step._replace(failed=not welcome)
            self._wait(self._relay.options.activation_seconds)
        if answer:
            self.transport.write(answer)
        if step.failed:
            self._refuse()
        elif step.digest:
            self._negotiation = None
            self._ignore(step.rest)

    def _refuse(self) -> None:
        """Let the answer go out, and nothing come any more."""
        self._relay.failed(self)
        self._stop_waiting()
        self._negotiation = None
        self.transport.loseConnection()
        self._timer = self._relay.clock.callLater(self._relay.options.handshake_seconds, self.abort)

    def _ignore(self, octets: int) -> None:
        """Section 10.1: bytes that come before activation are ignored."""
        self._early += octets
        if self._early > self._relay.options.early_octets:
            self._relay.leave(self)
            self.abort()

    # In a stream

    def join(self, stream: Stream, other: Connection) -> None:
        """Begin to relay."""
        self._stop_waiting()
        self.stream, self.other = stream, other
        self.transport.registerProducer(other, True)

    def finish(self, both: bool) -> None:
        """Send the client what is left for it, and say that it was all; if `both` sides have, end the connection."""
        self.transport.unregisterProducer()
        if both:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def _hold(self, seconds: float) -> None:
        """Don't read for a time, to keep to a limit."""
        if self._held is None:
            self._held = self._relay.clock.callLater(seconds, self._release)
            self.transport.pauseProducing()

    def _release(self) -> None:
        self._held = None
        if not self._blocked and not self.ended:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """See Twisted's IPushProducer: the other side has enough for now."""
        self._blocked = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """See Twisted's IPushProducer."""
        self._blocked = False
        if self._held is None and not self.ended:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """See Twisted's IPushProducer: the other side is gone, which it says itself."""


class Stream:
    """An active stream between two parties.

    :ivar buckets: the limits it keeps to.
    :param over: called when both connections have ended.
    :ivar id: its name, for operators.
    :ivar started_at: when it was activated, in seconds since the epoch.
    """

    def __init__(
        self, id: str, requester: Jid, target: Jid, parties: tuple[Connection, Connection],
        clock: IClock, idle_seconds: float, buckets: tuple[TokenBucket, ...], over: Callable[[Stream], object],
    ) -> None:  # fmt: skip
        self.id = id
        self.requester = requester
        self.target = target
        self.parties = parties
        self.started_at = clock.seconds()
        self._clock = clock
        self._seconds = clock.seconds
        self._active_at = self.started_at
        self._idle_seconds = idle_seconds
        self.buckets = buckets
        self._over = over
        self._left = 2
        self._timer = clock.callLater(idle_seconds, self._look)
        one, other = parties
        one.join(self, other)
        other.join(self, one)

    @property
    def octets(self) -> int:
        """How many it has relayed, in both directions."""
        return sum(party.sent for party in self.parties)

    def passed(self, octets: int) -> float:
        """Note that so many were relayed; return the seconds to wait before there are more."""
        wait = max(bucket.take(octets) for bucket in self.buckets) if self.buckets else 0.0
        self._active_at = self._seconds() + wait  # who is made to wait isn't idle
        return wait

    def ended(self, party: Connection) -> None:
        """One side has sent all that it will: the other is told, as TCP does, and may still send."""
        if party.other.ended:
            party.finish(both=True)
            party.other.finish(both=True)
        else:
            party.other.finish(both=False)

    def lost(self, party: Connection) -> None:
        """A connection has ended. The other gets what is left for it, if it takes it in time, and ends as well."""
        self._left -= 1
        if self._left:
            party.other.ended = True
            party.other.finish(both=True)
        else:
            self._timer.cancel()
            self._over(self)

    def cut(self) -> None:
        """End it at once."""
        for party in self.parties:
            party.abort()

    def _look(self) -> None:
        idle = self._seconds() - self._active_at
        if idle >= self._idle_seconds:
            self._timer = self._clock.callLater(self._idle_seconds, self._look)
            self.cut()
        else:
            self._timer = self._clock.callLater(self._idle_seconds - idle, self._look)
