"""TLS on connections between servers, in both directions (RFC 6120 sections 5 and 13.7, XEP-0178, XEP-0368).

Both sides show a certificate, and a handshake never fails for what the other side's one says: :meth:`TlsInfo.proof`
tells what it proves, and the stream decides whether that is enough, or dialback will do.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from OpenSSL import SSL

from xmppd.core.settings import Settings
from xmppd.net.tls.certificates import Credentials, a_label
from xmppd.net.tls.context import ALPN_SERVER, Contexts, HostContext, make_context, nearest
from xmppd.net.tls.identity import Roots
from xmppd.net.tls.transport import Securable, TlsTransport

__all__ = ["Initiator", "PeerTls", "handshake_problem"]


class Initiator(Securable, Protocol):
    """A protocol on the side that connects, which has to speak first once TLS is there."""

    def secured(self) -> None:
        """The handshake is complete, and `tls` is set: a new stream can begin."""


class InitiatingTransport(TlsTransport):
    """TLS on the side that connects: ours is the first word of the handshake.

    With direct TLS, the protocol's `makeConnection` is called when TCP is connected; what it writes before
    `secured` is thrown away.

    :param server_name: for SNI (RFC 6066 section 3); None if the other side is known by an IP address.
    :param alpn: the protocol to ask for, with direct TLS.
    """

    __slots__ = ()
    protocol: Initiator

    def __init__(
        self, protocol: Initiator, context: HostContext, server_name: bytes | None, alpn: bytes | None = None
    ) -> None:
        super().__init__(protocol, context)
        connection = self._connection
        assert connection is not None
        connection.set_connect_state()
        if server_name is not None:
            connection.set_tlsext_host_name(server_name)
        if alpn is not None:
            connection.set_alpn_protos([alpn])

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol: direct TLS."""
        super().makeConnection(transport)
        self._begin()

    def take_over(self, transport: Any) -> None:
        """Begin TLS on a connection that the protocol has talked on before: STARTTLS."""
        super().take_over(transport)
        self._begin()

    def _begin(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(SSL.WantReadError):
                connection.do_handshake()
            self._flush(connection)

    def established(self) -> None:
        """The handshake is complete: the protocol may speak."""
        self.protocol.secured()


class PeerTls:
    """TLS with other servers, by the certificates of our hosts; they can be replaced while it is in use.

    :param credentials: by host, as :func:`xmppd.net.tls.transport.load_credentials` reads them. A domain
        without one shows that of the nearest domain above it, or else the first.
    :raises SettingsError: a setting can't be used.
    """

    def __init__(self, settings: Settings, credentials: Mapping[str, Credentials], roots: Roots | None = None) -> None:
        self.reload(settings, credentials, roots)

    def reload(self, settings: Settings, credentials: Mapping[str, Credentials], roots: Roots | None = None) -> None:
        """Use these from now on. Connections keep theirs; a failure changes nothing.

        :param roots: the authorities to believe; by default, those in `[s2s] ca` of the settings.
        :raises SettingsError: see above.
        """
        roots = roots or Roots(settings.s2s.ca)
        starttls = Contexts(settings.tls, credentials, roots=roots)
        direct = Contexts(settings.tls, credentials, alpn=ALPN_SERVER, roots=roots)
        self._initiating = {a_label(host): _initiating(settings, found, roots) for host, found in credentials.items()}
        self._starttls, self._direct = starttls, direct

    def start_initiating(self, protocol: Initiator, local: str, remote: str) -> None:
        """Begin TLS (after STARTTLS) on the connection of `protocol`, which we opened.

        :param local: our domain, whose certificate is shown.
        :param remote: the domain that is asked for by SNI.
        """
        InitiatingTransport(protocol, self._context(local), server_name(remote)).take_over(protocol.transport)

    def wrap_initiating(self, protocol: Initiator, local: str, remote: str) -> InitiatingTransport:
        """Return what to connect in place of `protocol` for direct TLS; parameters as of :meth:`start_initiating`."""
        return InitiatingTransport(protocol, self._context(local), server_name(remote), ALPN_SERVER)

    def start_receiving(self, protocol: Securable, host: str | None) -> None:
        """Begin TLS (after STARTTLS) on a connection that another server opened, with a stream to `host`."""
        TlsTransport(protocol, self._starttls.get(host)).take_over(protocol.transport)

    def wrap_receiving(self, protocol: Securable) -> TlsTransport:
        """Return what a factory builds in place of `protocol` for a port of direct TLS."""
        return TlsTransport(protocol, self._direct.get(None))

    def _context(self, local: str) -> HostContext:
        return nearest(self._initiating, a_label(local)) or next(iter(self._initiating.values()))


def _initiating(settings: Settings, credentials: Credentials, roots: Roots) -> HostContext:
    context = make_context(settings.tls, credentials, SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)  # looked at afterwards, see above
    context.roots = roots
    context.initiating = True
    return context


def server_name(domain: str) -> bytes | None:
    """Return a domain as SNI takes it: as A-labels; None for an IP address."""
    with suppress(ValueError):
        ipaddress.ip_address(domain.strip("[]"))
        return None
    return a_label(domain).encode("ascii")


#: What OpenSSL calls the reasons why a handshake failed, and what that means.
_PROBLEMS = (
    ("wrong version number", "what answers there does not speak TLS"),
    ("packet length too long", "what answers there does not speak TLS"),
    ("http request", "what answers there does not speak TLS"),
    ("unsupported protocol", "the two sides have no version of TLS in common"),
    ("protocol version", "the two sides have no version of TLS in common"),
    ("no shared cipher", "the two sides have no cipher in common"),
    ("no application protocol", "it does not serve other servers on that port (ALPN)"),
    ("unrecognized name", "it has no certificate for that domain (SNI)"),
    ("unknown ca", "it does not know the authority that issued our certificate"),
    ("bad certificate", "it does not accept our certificate"),
    ("unsupported certificate", "it does not accept our certificate"),
    ("certificate expired", "our certificate has expired, it says"),
    ("certificate required", "it wants a certificate of ours"),
    ("certificate unknown", "it does not accept our certificate"),
    ("unexpected eof", "it hung up in the middle of the handshake"),
    ("handshake failure", "it refused the handshake: nothing it offers and we accept fits"),
)


def handshake_problem(error: BaseException) -> str | None:
    """Say in plain words why TLS failed; None if the error has nothing to do with TLS.

    :param error: what `connectionLost` was told.
    """
    if not isinstance(error, SSL.Error):
        return None
    reasons = [str(entry[-1]) for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    for reason in reasons:
        for part, words in _PROBLEMS:
            if part in reason:
                return f"TLS failed: {words}"
    return f"TLS failed: {', '.join(reasons) or str(error) or type(error).__name__}"
