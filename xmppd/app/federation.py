"""Putting together what talks with other servers: name resolution, connections, TLS, streams."""

from __future__ import annotations

import hmac
from typing import Any

from xmppd.app.assembly import Assembly
from xmppd.core.settings import Settings
from xmppd.net.s2s.dialer import Dialer
from xmppd.net.s2s.inspection import inspect
from xmppd.net.s2s.network import ServerNetwork
from xmppd.net.s2s.resolver import Resolver
from xmppd.net.tls.peer import PeerTls
from xmppd.net.tls.transport import ServerTls
from xmppd.wire import dialback

__all__ = ["Servers"]


class Servers:
    """The parts of a server that talk with other servers.

    :ivar network: the streams.
    :ivar resolver: finds other servers.
    """

    def __init__(self, network: ServerNetwork, resolver: Resolver, dialer: Dialer, tls: PeerTls) -> None:
        self.network = network
        self.resolver = resolver
        self._dialer = dialer
        self._tls = tls

    @classmethod
    async def open(cls, assembly: Assembly, reactor: Any, tls: ServerTls) -> Servers | None:
        """Put them together, and have the server use them; None if the settings want no other servers.

        :raises SettingsError: a setting can't be used.
        """
        settings, server = assembly.settings, assembly.server
        if not settings.listen.s2s and not settings.listen.s2s_tls:
            return None
        peer_tls = PeerTls(settings, tls.credentials)
        resolver = Resolver(reactor, settings.s2s)
        dialer = Dialer(reactor, resolver, settings.s2s)
        secret = hmac.digest(await assembly.accounts.fake_secret(), b"dialback", "sha256")
        network = ServerNetwork(server, dialer, secret, peer_tls)
        server.federation.connector = network
        servers = cls(network, resolver, dialer, peer_tls)
        server.probing = servers.inspect
        return servers

    def reconfigure(self, settings: Settings, tls: ServerTls) -> None:
        """Use other settings, and the certificates as they are now. :raises SettingsError: they can't be used."""
        self._tls.reload(settings, tls.credentials)
        self._dialer.settings = settings.s2s
        self.resolver.reconfigure(settings.s2s)
        self.network.reconfigure()

    async def inspect(self, local: str, remote: str) -> dict[str, Any]:
        """See :func:`xmppd.net.s2s.inspection.inspect`."""

        def key(stream_id: str) -> str:
            return dialback.key(self.network.secret, remote, local, stream_id)

        return await inspect(self._dialer, self._tls, local, remote, self.network.policy(remote), key)

    def stop(self) -> None:
        """Ask no more nameservers."""
        self.resolver.stop()
