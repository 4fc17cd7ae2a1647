"""The other side of TLS, in memory, with OpenSSL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.x509 import Certificate
from OpenSSL import SSL

from xmppd.net.tls.certificates import PrivateKey

__all__ = ["ClientTls"]

_MOST = 65_536


class ClientTls:
    """TLS as a client, or as another server: octets of the network in, what they mean out, and the other way round.

    The server's certificate is not verified: it is one that the server made for itself.

    :param send: takes what goes over the network.
    :param server_name: what SNI asks for.
    :param key, certificates: what it shows if it is asked for a certificate: its own first, then those above it.
    :param accepting: is it the side that was connected to? Then it asks for a certificate as well.
    """

    def __init__(
        self, send: Callable[[bytes], None], server_name: str, key: PrivateKey | None = None,
        certificates: Sequence[Certificate] = (), accepting: bool = False,
    ) -> None:  # fmt: skip
        self._send = send
        context = SSL.Context(SSL.TLS_SERVER_METHOD if accepting else SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_PEER if accepting else SSL.VERIFY_NONE, lambda *_: True)
        if certificates and key is not None:
            context.use_privatekey(key)
            context.use_certificate(certificates[0])
            for certificate in certificates[1:]:
                context.add_extra_chain_cert(certificate)
        self._early = b""  # written before the handshake was complete
        self._ready = False
        self.connection = SSL.Connection(context, None)
        if accepting:
            self.connection.set_accept_state()
            return
        self.connection.set_tlsext_host_name(server_name.encode("idna"))
        self.connection.set_connect_state()

    def begin(self) -> None:
        """Say hello."""
        self._advance()

    def receive(self, data: bytes) -> bytes:
        """Take octets of the network; return what was in them."""
        self.connection.bio_write(data)
        if not self._ready:
            self._advance()
        plain = b""
        try:
            while self._ready:
                plain += self.connection.recv(_MOST)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        self._flush()
        return plain

    def write(self, data: bytes) -> None:
        """Send `data` encrypted; it waits for the handshake."""
        if not self._ready:
            self._early += data
            return
        for start in range(0, len(data), _MOST):
            self.connection.sendall(data[start : start + _MOST])
            self._flush()

    def _advance(self) -> None:
        try:
            self.connection.do_handshake()
            self._ready = True
        except SSL.WantReadError:
            pass
        self._flush()
        if self._ready and self._early:
            early, self._early = self._early, b""
            self.write(early)

    def _flush(self) -> None:
        out = b""
        try:
            while True:
                out += self.connection.bio_read(_MOST)
        except SSL.WantReadError:
            pass
        if out:
            self._send(out)
