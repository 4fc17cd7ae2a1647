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

from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.internet.task import Clock

from xmppd.net.s2s.network import ServerFactory, ServerNetwork
from xmppd.net.tls.certificates import Credentials
from xmppd.net.tls.peer import PeerTls
from xmppd.testing.authority import certificate, roots, self_signed
from xmppd.testing.case import ServerTestCase
from xmppd.testing.internet import Internet, Place
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
        self.internet = Internet(self.make_clock()) if self.of is None else self.of.internet
        super().setUp()

    def make_clock(self) -> Clock:
        """See ServerTestCase: all servers have the same."""
        if self.of is not None:
            return self.of.clock
        if not hasattr(self, "internet"):
            return super().make_clock()
        return self.internet.clock

    def open_network(self) -> None:
        """See ServerTestCase."""
        server = self.server.server
        secret = self.wait(self.server.accounts.fake_secret())
        dialer = self.internet.dialer(self.address)
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
        if self.of is None:
            super()._end()
            return
        self._stop()
        self.server.engines.dispose()
        for failure in self._failures:
            failure.raiseException()

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
