"""What all client connections share: settings, counters, TLS, and the regular look at who has gone quiet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from zope.interface import implementer

from xmppd.core.limits import FailureWindow
from xmppd.core.settings import LOOPBACK
from xmppd.net.c2s import ClientStream
from xmppd.net.peers import Networks, PeerCounter
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Limits as WireLimits

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.accounts import Accounts
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session

__all__ = ["ClientFactory", "ClientListener"]

#: Seconds between two looks at the streams. A stream that was silent for so long gives its parser back.
_LOOK = 2.0


class ClientListener:
    """State shared by the streams of all client ports.

    :param secret: makes the keys of unknown accounts up; at least 32 octets, kept across restarts.
    :param start_tls: begins TLS on a stream's connection; None if there is no TLS.
    """

    def __init__(
        self,
        server: Server,
        accounts: Accounts,
        secret: bytes,
        tls: Any = None,
    ) -> None:
        limits = server.settings.limits
        seconds = server.clock.seconds
        self.server = server
        self.accounts = accounts
        self.secret = secret
        self.tls = tls
        self.clock = server.clock
        self.limits = limits
        self.limits_before = _wire_limits(limits, limits.stanza_octets_before_auth)
        self.limits_after = _wire_limits(limits, limits.stanza_octets)
        self.exempt = Networks(limits.exempt_networks)
        self.loopback = Networks(LOOPBACK)
        self.peers = PeerCounter(limits.connections, limits.connections_per_address, self.exempt)
        window = limits.failed_login_window_seconds
        self.address_failures = FailureWindow(limits.failed_logins_per_address, window, seconds)
        self.account_failures = FailureWindow(limits.failed_logins_per_account, window, seconds)
        self.streams: set[ClientStream] = set()
        self._next_look: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look after the streams."""
        self._next_look = self.clock.callLater(_LOOK, self._look)

    def stop(self) -> None:
        """Close every stream with system-shutdown."""
        if self._next_look is not None and self._next_look.active():
            self._next_look.cancel()
        for stream in list(self.streams):
            stream.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))

    def unbind(self, session: Session) -> None:
        """End a session whose stream has ended."""
        session.host.spawn(self.server.unbind(session), f"ending the session {session.jid}")

    def _look(self) -> None:
        """Give back parsers, ping the silent, close the dead (RFC 6120 4.6)."""
        ping_at = max(1, round(self.limits.idle_ping_seconds / _LOOK))
        dead_at = ping_at + max(1, round(self.limits.idle_timeout_seconds / _LOOK))
        now = self.clock.seconds()
        for stream in list(self.streams):
            if stream.active:
                stream.active = False
                stream.idle = 0
                if stream.session is not None:
                    stream.session.active_at = now
                continue
            stream.idle += 1
            if stream.idle == 1:
                stream.framer.hibernate()
            elif stream.idle == ping_at:
                stream.ping()
            elif stream.idle >= dead_at:
                stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT))
        self._next_look = self.clock.callLater(_LOOK, self._look)


@implementer(IProtocolFactory)
class ClientFactory:
    """Makes a stream for each connection to one port.

    :param wrap: puts TLS around the stream for a port of direct TLS (XEP-0368).
    """

    noisy = False

    def __init__(self, listener: ClientListener, wrap: Callable[[ClientStream], Any] | None = None) -> None:
        self._listener = listener
        self._wrap = wrap

    def buildProtocol(self, address: IAddress) -> Any:
        """See IProtocolFactory."""
        stream = ClientStream(self._listener)
        return stream if self._wrap is None else self._wrap(stream)

    def doStart(self) -> None:
        """See IProtocolFactory."""

    def doStop(self) -> None:
        """See IProtocolFactory."""


def _wire_limits(limits: Any, stanza: int) -> WireLimits:
    return WireLimits(
        stanza=stanza,
        header=limits.stream_header_octets,
        depth=limits.element_depth,
        attributes=limits.element_attributes,
        children=limits.stanza_children,
    )
