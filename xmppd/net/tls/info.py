"""What is known of a connection by its TLS: version, cipher, channel bindings, and who the other end is."""

from __future__ import annotations

from collections.abc import Mapping

from OpenSSL import SSL

from xmppd.net.tls.context import HostContext, peer_addresses
from xmppd.net.tls.identity import Proof, prove
from xmppd.wire.jid import Jid

__all__ = ["TlsInfo"]


class TlsInfo:
    """What the TLS of a connection tells about itself; asked of OpenSSL when needed, so that it takes no room."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    @property
    def version(self) -> str:
        """As ``TLSv1.3``."""
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the cipher suite."""
        return self._connection.get_cipher_name() or ""

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """Data of the types of channel binding there are (RFC 5056), the best type first."""
        bindings = {}
        if self.version == "TLSv1.3":
            # With TLS 1.2 it needs the extended master secret (RFC 9266 section 3); pyOpenSSL can't tell.
            bindings["tls-exporter"] = self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        context = self._connection.get_context()
        if isinstance(context, HostContext) and context.end_point:
            bindings["tls-server-end-point"] = context.end_point
        return bindings

    @property
    def addresses(self) -> tuple[Jid, ...]:
        """The XMPP addresses in the client's certificate, if an authority of ours vouched for it (XEP-0178)."""
        return peer_addresses(self._connection)

    def proof(self, domain: str) -> Proof:
        """Say whether the certificate of the server at the other end proves that it speaks for `domain`.

        :raises RuntimeError: this is no connection between servers.
        """
        context = self._connection.get_context()
        if not isinstance(context, HostContext) or context.roots is None:
            raise RuntimeError("certificates are looked at on connections between servers only")
        return prove(
            self._connection.get_peer_certificate(),
            self._connection.get_peer_cert_chain() or (),
            domain,
            context.roots,
            server=context.initiating,
        )
