"""Servers that talk with each other in a test, in memory on one fake clock; and scripted ones that say what they like.

>>> class Greetings(FederatedTestCase):
...     def test_message(self) -> None:
...         verona = self.neighbour("verona.example")
...         romeo = self.login("romeo@example.org/orchard")
...         juliet = verona.login("juliet@verona.example/balcony")
...         romeo.send("<message to='{juliet}'><body>hi</body></message>")
...         juliet.expect("<message from='{romeo}'><body>hi</body></message>")
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.internet.task import Clock

from xmppd.app.assembly import assemble_on
from xmppd.net.s2s.network import ServerFactory, ServerNetwork
from xmppd.net.tls.certificates import Credentials
from xmppd.net.tls.peer import PeerTls
from xmppd.testing.authority import certificate, roots, self_signed
from xmppd.testing.case import ServerTestCase
from xmppd.testing.disk import Disk
from xmppd.testing.internet import Internet, Place
from xmppd.testing.life import Life
from xmppd.testing.peer import ScriptedPeer, ScriptedServer

__all__ = ["FederatedTestCase"]


class FederatedTestCase(ServerTestCase):
    """A server that other servers can reach, and that reaches them.

    :cvar trusted: has it certificates of an authority that the others know? Else they are self-signed.
    :cvar encrypted: is there TLS between servers?
    :cvar address: of its network.
    :ivar internet: where other servers are found.
    :ivar servers: its streams with other servers.
    """

    trusted: ClassVar[bool] = True
    encrypted: ClassVar[bool] = True
    address: ClassVar[str] = "192.0.2.1"
    of: FederatedTestCase | None = None
    internet: Internet

    def setUp(self) -> None:
        """Start the server."""
        self._neighbours: list[FederatedTestCase] = []
        self._dead: list[object] = []  # what is left of servers that were killed; to be thrown away says something
        self.internet = Internet(self.make_clock()) if self.of is None else self.of.internet
        super().setUp()

    def make_clock(self) -> Clock:
        """See ServerTestCase: all servers have the same time, but each may end."""
        if not hasattr(self, "internet"):
            return super().make_clock()
        return Life(self.internet.clock)

    def open_network(self) -> None:
        """See ServerTestCase."""
        server = self.server.server
        secret = self.wait(self.server.accounts.fake_secret())
        dialer = self.internet.dialer(self.address, self.clock)
        self.servers = ServerNetwork(server, dialer, secret, self.peer_tls() if self.encrypted else None)
        self.servers.start()
        server.federation.connector = self.servers
        for domain in server.router.owners:
            if server.federation.serves(domain):
                self.internet.places[domain] = [Place(self.address, self.accept)]

    def peer_tls(self) -> PeerTls:
        """Return the TLS of streams with other servers."""
        return PeerTls(self._settings, self.credentials(), roots())

    def credentials(self) -> Mapping[str, Credentials]:
        """Return the certificates of the hosts; to be overridden."""
        make = certificate if self.trusted else self_signed
        return {host: make(host, f"*.{host}") for host in self._settings.hosts}

    def accept(self, direct_tls: bool = False) -> Any:
        """Return what a connection of another server meets."""
        return ServerFactory(self.servers, direct_tls).buildProtocol(None)  # type: ignore[arg-type]

    def _end(self) -> None:
        if self._dead:
            self._bury()
        if self.of is None:
            super()._end()
            return
        self._stop()
        self.server.engines.dispose()
        for failure in self._failures:
            failure.raiseException()

    # Its end

    def die(self) -> None:
        """End the server as SIGKILL does. Nobody is there until :meth:`revive`."""
        life = self.clock
        assert isinstance(life, Life)
        life.end()
        (self.of or self)._dead.append((life, self.server, self._listener))
        self.disk.stopped = True  # whatever still comes of it
        self._listener = self._web = None
        for client in self._clients:
            client.transport.vanish()
        for cable in self.internet.cables:
            end = cable.end_of(self.address)
            if end is not None:
                end.vanish()
        for domain in self._settings.hosts:
            self.internet.places[domain] = [Place(self.address, None)]

    def revive(self) -> None:
        """Start the server anew on the same database, after :meth:`die`."""
        self.clock = Life(self.internet.clock)
        self.server = assemble_on(self._settings, self.clock, self._sources, self.server.engines, Disk, self.network)
        self._start()

    def kill(self) -> None:
        """See ServerTestCase; other servers live on."""
        self.die()
        self.revive()

    def _bury(self) -> None:
        """Throw away what is left of servers that were killed. What waits in them for ever complains of it."""
        self._dead.clear()
        gc.collect()
        self.flushLoggedErrors(GeneratorExit, RuntimeError)

    def neighbour(
        self,
        *domains: str,
        plugins: tuple[Any, ...] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        trusted: bool = True,
        encrypted: bool = True,
        address: str = "",
    ) -> FederatedTestCase:
        """Return another server of ours, which is as this one but for what is given; it ends with the test."""
        members = {
            "hosts": domains,
            "plugins": self.plugins if plugins is None else plugins,
            "config": self.config if config is None else config,
            "trusted": trusted,
            "encrypted": encrypted,
            "address": address or f"192.0.2.{len(self._neighbours) + 2}",
            "of": self,
            "runTest": lambda self: None,
        }
        other: FederatedTestCase = type("Neighbour", (FederatedTestCase,), members)("runTest")
        other.setUp()
        other.names = self.names
        self._neighbours.append(other)
        self.addCleanup(other._end)
        return other

    # Servers that are played by the test

    def scripted(self, domain: str, address: str = "192.0.2.99", direct_tls: bool = False) -> ScriptedServer:
        """Return a server that the test plays; it is found under that domain."""
        server = ScriptedServer(self, domain, address, direct_tls)
        self.internet.places[domain] = [Place(address, server.accept, direct_tls)]
        return server

    def peer(
        self, domain: str = "montague.example", address: str = "192.0.2.99", direct_tls: bool = False
    ) -> ScriptedPeer:
        """Return the end of a connection to this server, as a server that the test plays has opened it."""
        return ScriptedPeer.connected(self, domain, self.accept(direct_tls), address)
