"""What all client connections share: settings, counters, TLS, and the regular look at who has gone quiet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from xmppd.core.settings import LOOPBACK
from xmppd.net.c2s.legacy import LegacyStream
from xmppd.net.c2s.stream import ClientStream
from xmppd.net.peers import Networks, PeerCounter
from xmppd.net.streams import Streams, wire_limits
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import ScannerPool

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.accounts.accounts import Accounts
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session
    from xmppd.net.admission import Admission
    from xmppd.net.tls.transport import ServerTls

__all__ = ["ClientFactory", "ClientListener"]

#: Seconds between two looks at all streams for those that have died.
_LOOK = 5.0
#: How many of them are looked at before others get their turn.
_AT_ONCE = 200


class ClientListener:
    """State shared by the streams of all client ports.

    :param secret: makes the keys of unknown accounts up; at least 32 octets, kept across restarts.
    :param tls: certificates and contexts; None serves no TLS.
    :ivar admission: says when connections may be accepted; None: always.
    :ivar draining: is the server about to stop? Then there are no new streams.
    """

    def __init__(self, server: Server, accounts: Accounts, secret: bytes, tls: ServerTls | None = None) -> None:
        self.server = server
        self.accounts = accounts
        self.secret = secret
        self.tls = tls
        self.clock = server.clock
        self.admission: Admission | None = None
        self.loopback = Networks(LOOPBACK)
        self.streams: Streams[ClientStream] = Streams(server.clock)
        self.parsers = ScannerPool()
        self.peers = PeerCounter()
        #: How many attempts to log in ended in success, or in which error.
        self.login_results: Counter[str] = Counter()
        self.draining = False
        self._next_look: IDelayedCall | None = None
        self._to_look_at: list[ClientStream] = []
        self.reconfigure()

    def reconfigure(self) -> None:
        """Take the limits from the server's settings as they are now; new streams get them.

        Streams to a host that is served no more end (RFC 6120 4.9.3.5), those without a session as well.
        """
        limits = self.limits = self.server.settings.limits
        self.limits_before = wire_limits(limits, limits.stanza_octets_before_auth)
        self.limits_after = wire_limits(limits, limits.stanza_octets)
        self.exempt = Networks(limits.exempt_networks)
        self.peers.set_limits(limits.connections, limits.connections_per_address, self.exempt)
        self.server.guesses.set_limits(limits)
        if self.admission is not None:
            self.admission.most = limits.logins_at_once
        for stream in self.streams:
            if stream.host is not None and stream.host not in self.server.hosts.values():
                stream.close(StreamError(StreamCondition.HOST_GONE))

    def needs_tls(self, peer: str) -> bool:
        """Must a connection from this network address be encrypted before somebody logs in over it?"""
        settings = self.server.settings
        return settings.tls.required and not (settings.server.plain_without_tls and peer in self.loopback)

    def start(self) -> None:
        """Begin to look after the streams."""
        self._next_look = self.clock.callLater(_LOOK, self._look)

    async def drain(self) -> None:
        """Close every stream with system-shutdown and wait until all are gone, but no longer than the settings say."""
        self.draining = True
        if self._next_look is not None and self._next_look.active():
            self._next_look.cancel()
        await self.streams.drain(self.server.settings.server.drain_seconds)

    def left(self, stream: ClientStream) -> None:
        """A stream's connection is gone."""
        self.streams.discard(stream)

    def unbind(self, session: Session) -> None:
        """End a session whose stream has ended."""
        session.host.spawn(self.server.unbind(session), f"ending the session {session.jid}")

    def _look(self) -> None:
        """Ping the silent, close the dead (RFC 6120 4.6); some at a time, so that nobody waits for it."""
        if not self._to_look_at:
            self._to_look_at = list(self.streams)
        now = self.clock.seconds()
        ping_at = max(1, round(self.limits.idle_ping_seconds / _LOOK))
        dead_at = ping_at + max(1, round(self.limits.idle_timeout_seconds / _LOOK))
        for stream in self._to_look_at[-_AT_ONCE:]:
            if stream.heard:
                stream.heard = False
                stream.idle = 0
                if stream.session is not None:
                    stream.session.active_at = now
                continue
            stream.idle += 1
            if stream.idle == ping_at:
                stream.ping()
            elif stream.idle >= dead_at:
                stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT))
        del self._to_look_at[-_AT_ONCE:]
        self._next_look = self.clock.callLater(0 if self._to_look_at else _LOOK, self._look)


@implementer(IProtocolFactory)
class ClientFactory:
    """Makes a stream for each connection to one port.

    :param direct_tls: TLS begins with the first octet (XEP-0368).
    :param legacy: it is for old clients.
    """

    noisy = False

    def __init__(self, listener: ClientListener, direct_tls: bool = False, legacy: bool = False) -> None:
        self._listener = listener
        self._direct_tls = direct_tls
        self._kind = LegacyStream if legacy else ClientStream

    def buildProtocol(self, address: IAddress) -> Any:
        """See IProtocolFactory."""
        stream = self._kind(self._listener)
        tls = self._listener.tls
        return tls.wrap(stream) if self._direct_tls and tls is not None else stream

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""
