"""Connections of clients that are older than RFC 6120, on the ports of `c2s_legacy_tls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.net.c2s.stream import ClientStream

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.tls.transport import ServerTls

__all__ = ["LegacyStream"]


class LegacyStream(ClientStream):
    """One connection of an old client: it may name any domain, and is not told that TLS is required."""

    __slots__ = ()

    says_required = False

    def __init__(self, listener: ClientListener) -> None:
        super().__init__(listener)
        self.abrupt = True

    @property
    def needs_tls(self) -> bool:
        """See ClientStream."""
        required = self.listener.server.settings.legacy_tls.required
        return not self.secured and required and self.listener.needs_tls(self.peer)

    @property
    def confidential(self) -> bool:
        """See ClientStream. Without TLS passwords may be sent if the settings let clients log in like that."""
        return self.secured or not self.needs_tls

    def host_named(self, domain: str | None) -> Host | None:
        """See ClientStream. Old clients name the address they connect to, or anything else."""
        server = self.listener.server
        return server.host_for(domain) or server.host_for(None)

    def begin_tls(self, tls: ServerTls, host: Host) -> None:
        """See ClientStream."""
        tls.start_legacy(self, host.jid.domain)
