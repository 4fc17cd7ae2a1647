"""External components (XEP-0114): the owners of their domains, as the settings name them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api.components import ComponentChanged, ComponentConnected, ComponentGone
from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.api.waiting import settled
from xmppd.core.components.line import Line, Link, Wire
from xmppd.core.durable.turn import send_to
from xmppd.core.settings.components import Component, Delegation, Privileges
from xmppd.wire.errors import StanzaError, StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Stanza

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.server import Server

__all__ = ["Components", "External"]

_log = Logger()


class External(Line):
    """The owner of one component's domain. Implements :class:`xmppd.api.components.IExternal`."""

    settings: Component

    def __init__(self, server: Server, jid: Jid, settings: Component) -> None:
        super().__init__(server, jid, settings, "the component")

    @property
    def privileges(self) -> Privileges:
        """See :class:`xmppd.api.components.IExternal`."""
        return self.settings.privileges

    @property
    def delegations(self) -> Sequence[Delegation]:
        """See :class:`xmppd.api.components.IExternal`."""
        return self.settings.delegations

    @property
    def federates(self) -> bool:
        """See :class:`xmppd.core.routing.Owner`."""
        return self.settings.federate

    @property
    def name(self) -> str:
        """What lists of services call it."""
        return self.settings.name or str(self.jid)

    @property
    def hosts(self) -> list[Host]:
        """The hosts it belongs to: those that the settings name, or the one it is beneath, or all."""
        hosts = self.server.hosts
        if self.settings.hosts:
            return [hosts[name] for name in self.settings.hosts if name in hosts]
        above = [name for name in hosts if self.jid.domain.endswith("." + name)]
        return [hosts[max(above, key=len)]] if above else list(hosts.values())

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.core.routing.Owner`."""
        send_to(self, stanza)
        return None

    # Connections

    @property
    def full(self) -> bool:
        """Must it have no more connections?"""
        return self.settings.when_full == "refuse" and len(self.links) >= self.settings.connections

    def enter(self, stream: Wire) -> Link:
        """A connection has proven that it is the component's, which is not :attr:`full`."""
        while len(self.links) >= self.settings.connections:
            self.links[0].stream.close(StreamError(StreamCondition.CONFLICT, "another connection has taken its place"))
        _log.info("component {name} has connected from {peer}", name=self.jid, peer=stream.peer)
        return self.attach(stream, self._announce)

    def _announce(self, link: Link, first: bool) -> None:
        self._tell(ComponentConnected(self, link.send, first), self.hosts)

    def leave(self, link: Link) -> None:
        """A connection has ended."""
        if link in self.links:
            _log.info("component {name} has lost its connection from {peer}", name=self.jid, peer=link.stream.peer)
            self.detach(link)
            if not self.links:
                self._tell(ComponentGone(self), self.hosts)

    def reachable(self) -> None:
        """See Line."""
        self._tell(ServerReachable(self.jid), self.server.hosts.values())

    def unreachable(self, error: StanzaError) -> None:
        """See Line."""
        _log.warn("component {name} is not connected: its users are taken for unavailable", name=self.jid)
        self._tell(ServerUnreachable(self.jid, error), self.server.hosts.values())

    def changed(self, settings: Component) -> None:
        """Go by other settings from now on; connections stay."""
        self.settings = settings
        self._tell(ComponentChanged(self), self.server.hosts.values())

    def close(self, error: StreamError) -> int:
        """Close all connections. Return how many there were."""
        links = list(self.links)
        for link in links:
            link.stream.close(error)
        return len(links)

    def _tell(self, event: object, hosts: Iterable[Host]) -> None:
        for host in list(hosts):
            pending = host.notify(event)
            if pending is not None:
                self.server.spawn(settled(pending), f"telling plugins of {self.jid}")


class Port(Protocol):
    """What holds the streams of components."""

    async def drain(self) -> None:
        """Close them all, and wait until they are gone."""


class Components:
    """All external components.

    :ivar by_domain: in the order of the settings.
    :ivar port: where they connect; it drains uplinks as well.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started = False
        self.by_domain: dict[str, External] = {}
        self.port: Port | None = None

    def configure(self, wanted: Mapping[str, Component]) -> list[str]:
        """Own the domains that the settings name, and no others any more.

        :returns: what could not be done, in plain words.
        """
        problems = []
        for domain in [domain for domain in self.by_domain if domain not in wanted]:
            self._remove(domain)
        for domain, settings in wanted.items():
            known = self.by_domain.get(domain)
            if known is None:
                if domain in self._server.router.owners:
                    problems.append(f'[components."{domain}"]: the domain is taken by a plugin or a host')
                else:
                    self._add(domain, settings)
            elif known.settings != settings:
                known.changed(settings)
        return problems

    def _add(self, domain: str, settings: Component) -> None:
        external = External(self._server, Jid.parse(domain), settings)
        self.by_domain[domain] = self._server.router.owners[domain] = external
        if self._started:
            external.wait()

    def _remove(self, domain: str) -> None:
        external = self.by_domain.pop(domain)
        del self._server.router.owners[domain]
        external.changed(Component(secret="gone", queue_seconds=0))
        external.close(StreamError(StreamCondition.HOST_GONE))
        external.abandon()
        external.stop()
        external.unreachable(external.absence())

    def start(self) -> None:
        """Give components time to connect: what is for them waits."""
        self._started = True
        for external in self.by_domain.values():
            if not external.links:
                external.wait()

    async def stop(self) -> list[Deferred[None]]:
        """End every connection.

        :returns: Deferreds, that fire when what has come over each of them is handled.
        """
        handled = [link.handled() for external in self.by_domain.values() for link in external.links]
        if self.port is not None:
            await self.port.drain()
        for external in self.by_domain.values():
            external.stop()
        return handled

    def of(self, host: Host) -> list[External]:
        """Return those that belong to a host."""
        return [external for external in self.by_domain.values() if host in external.hosts]
