"""Our side of the component protocol: services of ours connect to other servers (XEP-0114 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.network import NoConnection
from xmppd.net.stream import XmlStream
from xmppd.net.streams import Streams
from xmppd.wire import component, ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, ScannerPool, StreamHeader
from xmppd.wire.framing import Limits as WireLimits
from xmppd.wire.rules import fault
from xmppd.wire.stanza import Nonza, Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.components.line import Link
    from xmppd.core.components.uplinks import Uplink
    from xmppd.core.server import Server

__all__ = ["Dialers", "UplinkStream"]

_log = Logger()


class UplinkStream(XmlStream):
    """One connection of ours to another server. Implements :class:`xmppd.core.components.line.Wire`."""

    __slots__ = ("_dialer", "_timeout", "link")

    def __init__(self, dialer: _Dialer) -> None:
        settings = dialer.uplink.settings
        limits = WireLimits(stanza=settings.stanza_octets)
        super().__init__(dialer.clock, Framer(limits, dialer.parsers), settings.output_queue_octets)
        self._dialer = dialer
        self._timeout: IDelayedCall | None = None
        self.link: Link | None = None

    @property
    def secured(self) -> bool:
        """Is the connection encrypted?"""
        return self._dialer.uplink.settings.tls

    def begun(self) -> None:
        """See XmlStream."""
        self._dialer.streams.add(self)
        self._timeout = self.clock.callLater(self._dialer.patience, self._too_slow)
        self.write(component.opening(self._dialer.uplink.jid))
        self.opened = True

    def _too_slow(self) -> None:
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "the handshake took too long"))

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        link, self.link = self.link, None
        if link is not None:
            self._dialer.uplink.detach(link)

    def ended(self) -> None:
        """See XmlStream."""
        self._dialer.streams.discard(self)
        self._dialer.lost()

    def header(self) -> bytes:
        """See XmlStream; our header is sent first of all."""
        return b""

    def who(self) -> str:
        """See XmlStream."""
        return f"the server that has {self._dialer.uplink.jid} as a component"

    def peer_failed(self, error: StreamError) -> None:
        """See XmlStream."""
        _log.warn("{who} ({peer}) closes the stream: {error}", who=self.who(), peer=self.peer, error=error)
        self.close()

    def take(self, frame: Frame) -> None:
        """See XmlStream."""
        uplink = self._dialer.uplink
        if isinstance(frame, StreamHeader):
            if frame.content != ns.COMPONENT or not frame.id:
                self.close(StreamError(StreamCondition.INVALID_NAMESPACE, "this is no port for components"))
                return
            self.write(component.handshake(frame.id, uplink.settings.secret))
        elif isinstance(frame, Stanza) and self.link is not None:
            self._take_stanza(frame, self.link)
        elif isinstance(frame, Nonza) and self.link is None:
            if component.is_handshake(frame):
                self._accepted()
        elif not isinstance(frame, Nonza) and self.link is not None:
            return  # its addresses are none: nobody could be answered
        else:
            self.close(StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "nothing of that kind is expected here"))

    def _accepted(self) -> None:
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        self._dialer.succeeded(self.peer)
        self.link = self._dialer.uplink.attach(self)

    def _take_stanza(self, stanza: Stanza, link: Link) -> None:
        wrong = self._dialer.uplink.wrong(stanza)
        if wrong is not None:
            self.close(wrong)
            return
        refusal = fault(stanza)
        if refusal is None:
            link.receive(stanza)
        elif stanza.answerable:
            link.send(stanza.error(refusal))


class _Dialer:
    """Keeps one uplink connected: tries again after a failure, after longer and longer times."""

    def __init__(self, server: Server, uplink: Uplink, parsers: ScannerPool, streams: Streams[UplinkStream]) -> None:
        self._server = server
        self.uplink = uplink
        self.parsers = parsers
        self.streams = streams
        self.clock = server.clock
        self.patience = server.settings.limits.negotiation_seconds
        self._delay = uplink.settings.retry_seconds
        self._next: IDelayedCall | None = None
        self._stopped = False

    def start(self) -> None:
        """Connect."""
        self._next = None
        self._server.spawn(self._connect(), f"connecting {self.uplink.jid}")

    async def _connect(self) -> None:
        try:
            await self._server.network.connect(self.uplink.settings.endpoint, UplinkStream(self), self.patience)
        except NoConnection as error:
            _log.info("{domain} is not connected: {reason}", domain=self.uplink.jid, reason=str(error))
            self.lost()

    def succeeded(self, peer: str) -> None:
        """The other server has taken the handshake."""
        _log.info("{domain} is connected to {peer} as a component", domain=self.uplink.jid, peer=peer)
        self._delay = self.uplink.settings.retry_seconds

    def lost(self) -> None:
        """There is no connection, or none any more: try again in a while."""
        if not self._stopped and self._next is None:
            delay, most = self._delay, self.uplink.settings.retry_at_most_seconds
            self._delay = min(2 * delay, most)
            self._next = self.clock.callLater(delay, self.start)

    def stop(self) -> None:
        """Try no more."""
        self._stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()


class Dialers:
    """What keeps all uplinks connected."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parsers = ScannerPool()
        self._dialers: dict[Uplink, _Dialer] = {}
        self.streams: Streams[UplinkStream] = Streams(server.clock)

    def reconfigure(self) -> None:
        """Connect the uplinks that there are now; let go of others."""
        wanted = set(self._server.uplinks.by_domain.values())
        for uplink in [uplink for uplink in self._dialers if uplink not in wanted]:
            self._dialers.pop(uplink).stop()
        for uplink in wanted - self._dialers.keys():
            dialer = self._dialers[uplink] = _Dialer(self._server, uplink, self._parsers, self.streams)
            dialer.start()

    async def drain(self) -> None:
        """Connect no more, and close every stream."""
        for dialer in self._dialers.values():
            dialer.stop()
        await self.streams.drain(self._server.settings.server.drain_seconds)
