"""The HTTP server of one process: which pages there are, where it listens, when it begins and ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString

from xmppd.api.interfaces import IClock
from xmppd.core.lateness import Lateness
from xmppd.core.readiness import Readiness
from xmppd.core.server import Server
from xmppd.core.settings import Http
from xmppd.net.bosh.door import BoshDoor
from xmppd.net.c2s.listener import ClientListener
from xmppd.net.eager import make_eager
from xmppd.net.figures.metrics import Figures, registry_of
from xmppd.net.http.cors import Origins
from xmppd.net.http.exchange import Door
from xmppd.net.http.operator_pages import operator_pages
from xmppd.net.http.plugin_pages import PluginPages
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer, Secure
from xmppd.net.peers import Networks
from xmppd.net.tls.transport import ServerTls
from xmppd.net.websocket.door import WebSocketDoor

__all__ = ["WebServer"]


class WebServer:
    """HTTP beside XMPP, from before the server is ready until after it has stopped, so that it can tell of both.

    :param server: whose figures are shown, and whose settings count.
    :param clock: the time; the reactor, or a fake one in tests.
    :ivar routes: who answers; what has a door to offer puts it here.
    :ivar site: what ports are made with.
    """

    def __init__(self, server: Server, clock: IClock) -> None:
        self._server = server
        self._lateness = Lateness(clock)
        self._ports: list[Any] = []
        self._clients: ClientListener | None = None
        self._bosh = BoshDoor(lambda: self._clients, lambda: server.settings.bosh.body_octets, self._origins)
        self._doors: dict[str, Door] = {}  # of clients
        limits = server.settings.http
        self.readiness = Readiness(server.db, clock, lambda: server.settings.http.database_seconds)
        pages = PluginPages(lambda: server.hosts, lambda: server.settings, self._origins, lambda: self.readiness.phase)
        self.routes = Routes(self._most, self._origins, pages)
        self.site = HttpServer(self.routes, clock, limits, server.settings.limits.exempt_networks)
        self.figures = Figures(server, self._lateness, self.site)
        registry = registry_of(self.figures)
        self.routes.doors |= operator_pages(registry, self.readiness, lambda: self._operators, self._most)
        self.reconfigure()

    def _most(self) -> int:
        """Octets that a body may have, if nobody says otherwise."""
        return self._server.settings.http.body_octets

    def _origins(self) -> Origins:
        """The origins whose pages may ask from within browsers."""
        return self.site.origins

    def reconfigure(self) -> None:
        """Take the limits from the server's settings as they are now."""
        settings = self._server.settings
        self._operators = Networks(settings.http.operator_networks)
        self.site.reconfigure(settings.http, settings.limits.exempt_networks)
        for path in self._doors:
            del self.routes.doors[path]
        self._doors = self._doors_of_clients(settings.http)
        self.routes.doors |= self._doors

    def _doors_of_clients(self, settings: Http) -> dict[str, Door]:
        doors: dict[str, Door] = {}
        if settings.websocket:
            doors[settings.websocket] = WebSocketDoor(lambda: self._clients, self._origins)
        if settings.bosh:
            doors[settings.bosh] = self._bosh
        return doors

    def serve_clients(self, listener: ClientListener | None) -> None:
        """Let clients in.

        :param listener: what their streams share; None: nobody is let in any more.
        """
        self._clients = listener
        if listener is not None:
            self.figures.clients = listener

    async def listen(self, reactor: Any, endpoints: Iterable[str], tls: ServerTls | None = None) -> list[Any]:
        """Open ports; return their addresses. Raises CannotListenError.

        :param endpoints: as Twisted's `serverFromString` takes them. Without any, nothing is measured either.
        :param tls: for ports of HTTPS.
        """
        factory = self.site if tls is None else Secure(self.site, tls.wrap_http)
        opened = []
        for description in endpoints:
            port = await serverFromString(reactor, description).listen(factory)
            make_eager(port, reactor)
            opened.append(port)
        self._ports += opened
        if self._ports:
            self._lateness.start()
        return [port.getHost() for port in opened]

    async def stop(self) -> None:
        """Close the ports."""
        self._lateness.stop()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self.site.access_log.close()
