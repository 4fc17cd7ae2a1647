"""XEP-0065 SOCKS5 Bytestreams: the proxy, for two clients that can't reach each other. TCP only; there is no UDP mode.

:mod:`.socks` is what clients say first, :mod:`.stream` a connection and two of them joined, :mod:`.relay` all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xmppd.api import (
    AccountDeleted,
    Condition,
    Iq,
    Jid,
    JidError,
    OperationError,
    StanzaError,
    iq_get,
    iq_set,
    observe,
    operation,
    settled,
    tag,
)
from xmppd.api.disco import DiscoComponent
from xmppd.api.figures import Figure
from xmppd.api.network import IPort, NoConnection
from xmppd.plugins.bytestreams.options import ProxyOptions
from xmppd.plugins.bytestreams.relay import Relay

NS = "http://jabber.org/protocol/bytestreams"


class Bytestreams(DiscoComponent):
    """Relay what two clients send each other, such as files, when neither can be reached by the other.

    It is off unless it is named: it needs a port that the firewall lets through, and clients that are told of a proxy
    which they can't reach lose time with it.
    """

    xep = (65, "1.8.2")
    default = False
    label = "proxy"
    features = (NS,)

    class Options(ProxyOptions):
        """Where the proxy is, who may use it, and how much of it."""

    async def start(self) -> None:
        """Open the ports."""
        self._ports: list[IPort] = []
        self._listening: tuple[str, ...] = ()
        self.relay = Relay(self.clock, self.options)
        self._describe()
        await self._open()

    def _describe(self) -> None:
        self.identities = (("proxy", "bytestreams", self.options.title),)

    async def _open(self) -> None:
        try:
            for endpoint in self.options.listen:
                self._ports.append(await self.host.network.accept(endpoint, self.relay.make))
        except NoConnection:
            await self._close()
            raise
        self._listening = self.options.listen

    async def _close(self) -> None:
        ports, self._ports, self._listening = self._ports, [], ()
        for port in ports:
            await settled(port.stopListening())

    async def stop(self) -> None:
        """Close the ports, and end all streams."""
        await self._close()
        await self.relay.close()

    async def reconfigured(self, options: Any) -> None:
        """Take other options; streams go on."""
        self._describe()
        self.relay.configure(options)
        if options.listen != self._listening:
            await self._close()
            await self._open()

    # Clients

    @iq_get(NS, "query")
    def tell_address(self, request: Iq) -> Iq:
        """Say where to connect to (section 4)."""
        self._admit(request)
        if not self._ports or self.relay.full:
            raise StanzaError(Condition.NOT_ALLOWED, text="No more connections are taken.")
        host = self.options.address or self.host.jid.domain
        port = self.options.port or self._ports[0].getHost().port
        return request.result(tag("query", tag("streamhost", host=host, jid=self.jid, port=str(port)), xmlns=NS))

    @iq_set(NS, "query")
    def activate(self, request: Iq) -> Iq:
        """Activate a stream (section 6.3.5): only its requester can, whose address the hash has in it."""
        requester = self._admit(request)
        query = request.request
        sid, child = query.getAttribute("sid", ""), next(query.elements(NS, "activate"), None)
        if not sid or child is None:
            raise StanzaError(Condition.BAD_REQUEST, text="There are to be a sid and <activate/>.")
        if query.getAttribute("mode", "tcp") != "tcp":
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text="Streams are TCP here.")
        try:
            target = Jid.parse(str(child).strip())
        except JidError:
            raise StanzaError(Condition.JID_MALFORMED) from None
        self.relay.activate(sid, requester, target, lambda: self._addresses(requester))
        return request.result()

    def _admit(self, request: Iq) -> Jid:
        """Return who asks. :raises StanzaError: they may not use the proxy (forbidden)."""
        who, users = request.from_, self.options.users
        assert who is not None
        if who.domain != self.host.jid.domain and not {"*", who.domain, str(who.bare)} & set(users):
            raise StanzaError(Condition.FORBIDDEN)
        return who

    def _addresses(self, who: Jid) -> list[Jid]:
        return [who.bare, *(session.jid for session in self.host.sessions(who.bare))]

    @observe(AccountDeleted)
    def forget(self, event: AccountDeleted) -> None:
        """Cut the streams of an account that is no more."""
        for stream in list(self.relay.streams.values()):
            if stream.requester.bare == event.account:
                stream.cut()

    # Operators

    def figures(self) -> Iterable[Figure]:
        """Return how much it is used."""
        relay = self.relay
        yield Figure("streams", "Streams that are active.", len(relay.streams))
        yield Figure("connections", "Connections to the proxy.", len(relay.connections))
        yield Figure("activated", "Streams that were activated.", relay.activated, grows=True)
        yield Figure("octets", "Octets that were relayed.", relay.octets, grows=True)
        yield Figure("refused", "Connections that were refused or were not for this.", relay.refused, grows=True)

    @operation("bytestreams list", safe=True, examples=("",))
    async def list_streams(self) -> list[dict[str, Any]]:
        """List the active streams of the SOCKS5 proxy."""
        now = self.clock.seconds()
        return [
            {
                "id": stream.id,
                "requester": str(stream.requester),
                "target": str(stream.target),
                "from": ", ".join(party.network for party in stream.parties),
                "octets": stream.octets,
                "seconds": round(now - stream.started_at),
            }
            for stream in self.relay.streams.values()
        ]

    @operation("bytestreams cut", examples=("0123abcd",))
    async def cut(self, id: str) -> str:
        """Cut an active stream of the SOCKS5 proxy.

        :param id: as `bytestreams list` shows it.
        """
        stream = self.relay.streams.get(id)
        if stream is None:
            raise OperationError(f"there is no stream {id}; `bytestreams list` shows those there are")
        octets = stream.octets
        stream.cut()
        return f"The stream from {stream.requester} to {stream.target} is cut after {octets} octets."
