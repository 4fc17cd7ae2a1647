"""What all connections of external components share: settings, counters, TLS, and signs of life."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from xmppd.api.limits import Window
from xmppd.net.components.stream import ComponentStream
from xmppd.net.components.uplink import Dialers
from xmppd.net.peers import Networks, PeerCounter
from xmppd.net.streams import Streams, wire_limits
from xmppd.wire.framing import Limits as WireLimits
from xmppd.wire.framing import ScannerPool
from xmppd.wire.jid import Jid, JidError

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.components.external import External
    from xmppd.core.server import Server
    from xmppd.core.settings import Component
    from xmppd.net.tls.transport import ServerTls

__all__ = ["ComponentFactory", "ComponentListener"]


class ComponentListener:
    """State shared by the streams of all component ports.

    :param tls: certificates and contexts; None serves no TLS.
    :ivar dialers: connections of ours to other servers, whose components our services are.
    :ivar results: how many handshakes ended in success, or in which stream error.
    """

    def __init__(self, server: Server, tls: ServerTls | None = None) -> None:
        self.server = server
        self.tls = tls
        self.clock = server.clock
        self.streams: Streams[ComponentStream] = Streams(server.clock)
        self.parsers = ScannerPool()
        self.peers = PeerCounter()
        self.failures = Window(1, 0.0)
        self.results: Counter[str] = Counter()
        self.dialers = Dialers(server)
        self._next_sign: IDelayedCall | None = None
        server.components.port = self
        self.reconfigure()

    def reconfigure(self) -> None:
        """Take the limits from the server's settings as they are now; new streams get them."""
        limits = self.limits = self.server.settings.limits
        self.limits_before = wire_limits(self.limits, limits.stanza_octets_before_auth)
        self.exempt = Networks(limits.exempt_networks)
        self.peers.set_limits(limits.connections, limits.connections_per_address, self.exempt)
        self.failures.set_limits(limits.failed_logins_per_address, limits.failed_login_window_seconds)
        if self._next_sign is not None:
            self.dialers.reconfigure()

    def limits_of(self, settings: Component) -> WireLimits:
        """Return the limits of the stream of a component, from the handshake on."""
        return wire_limits(self.limits, settings.stanza_octets)

    def find(self, domain: str | None) -> External | None:
        """Return the component of that name."""
        try:
            return self.server.components.by_domain.get(Jid.parse(domain or ""))
        except JidError:
            return None

    def start(self) -> None:
        """Connect uplinks; begin to give signs of life."""
        self.dialers.reconfigure()
        self._wait_for_next()

    def _wait_for_next(self) -> None:
        self._next_sign = self.clock.callLater(self.limits.idle_ping_seconds, self._give_signs)

    def _give_signs(self) -> None:
        """Whitespace to those that are silent (RFC 6120 4.6.1): a connection that is dead is noticed by it.

        Nothing is asked of them: not every component answers a ping.
        """
        for stream in self.streams:
            if not stream.heard and stream.link is not None:
                stream.write(b" ")
            stream.heard = False
        for uplink in self.dialers.streams:
            if not uplink.heard and uplink.link is not None:
                uplink.write(b" ")
            uplink.heard = False
        self._wait_for_next()

    async def drain(self) -> None:
        """Close every stream and wait until all are gone, but no longer than the settings say."""
        if self._next_sign is not None and self._next_sign.active():
            self._next_sign.cancel()
        await self.dialers.drain()
        await self.streams.drain(self.server.settings.server.drain_seconds)

    def left(self, stream: ComponentStream) -> None:
        """A stream's connection is gone."""
        self.streams.discard(stream)


@implementer(IProtocolFactory)
class ComponentFactory:
    """Makes a stream for each connection to one port.

    :param direct_tls: TLS begins with the first octet.
    """

    noisy = False

    def __init__(self, listener: ComponentListener, direct_tls: bool = False) -> None:
        self._listener = listener
        self._direct_tls = direct_tls

    def buildProtocol(self, address: IAddress) -> Any:
        """See IProtocolFactory."""
        stream = ComponentStream(self._listener)
        tls = self._listener.tls
        return tls.wrap(stream) if self._direct_tls and tls is not None else stream

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""
