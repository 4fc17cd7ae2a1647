"""OpenSSL contexts of the hosts: versions and ciphers, the certificate by SNI, ALPN, certificates of the other side.

RFC 6120 section 5 and RFC 7590 (TLS in XMPP), XEP-0368 (ALPN for direct TLS), XEP-0178 (certificates for EXTERNAL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL, crypto

from xmppd.core.options import SettingsError
from xmppd.core.settings import Tls
from xmppd.net.tls.certificates import CertificateError, Credentials, a_label, read_chain
from xmppd.net.tls.identity import Roots, xmpp_addresses
from xmppd.wire.jid import Jid

ALPN_CLIENT = b"xmpp-client"
ALPN_SERVER = b"xmpp-server"
ALPN_HTTP = b"http/1.1"
_VERSIONS = {"1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE


class WrongProtocol(SSL.Error):
    """The other side asked by ALPN for protocols, but not for the one that is spoken here."""


class HostContext(SSL.Context):
    """An OpenSSL context with the certificate of one host.

    :ivar end_point: channel binding data of the certificate; None if its signature names no hash.
    :ivar authorities: those of client certificates.
    :ivar roots: those of other servers' certificates, on connections between servers.
    :ivar initiating: is ours the side that connects?
    """

    end_point: bytes | None = None
    authorities: crypto.X509Store | None = None
    roots: Roots | None = None
    initiating = False


class Contexts:
    """The contexts of all hosts for one kind of port, which know each other for SNI (RFC 6066 section 3).

    :param alpn: for ports with TLS from the first octet: what ALPN (RFC 7301) has to offer if it is used, as XEP-0368
        section 4 says of XMPP.
    :param roots: for ports that other servers connect to: the authorities of their certificates.
    :raises SettingsError: the settings name ciphers or authorities that can't be used.
    """

    def __init__(
        self, settings: Tls, credentials: Mapping[str, Credentials], *, alpn: bytes | None = None,
        roots: Roots | None = None,
    ) -> None:  # fmt: skip
        # Browsers would ask their users which certificate to show, whoever they are.
        authorities = _authorities(settings) if roots is None and alpn != ALPN_HTTP else []
        self._contexts: dict[str, HostContext] = {}
        for host, found in credentials.items():
            context = make_context(settings, found)
            context.set_tlsext_servername_callback(self._choose)
            if roots is not None:
                _ask_servers(context, roots)
            elif authorities:
                _ask_clients(context, settings, authorities)
            if alpn is not None:
                context.set_alpn_select_callback(_selector(alpn))
            self._contexts[a_label(host)] = context
        self._default = next(iter(self._contexts.values()))

    def get(self, host: str | None) -> HostContext:
        """Return the context of `host`, or of the nearest domain above it; of the first host if there is none."""
        return (nearest(self._contexts, a_label(host)) if host else None) or self._default

    def _choose(self, connection: SSL.Connection) -> None:
        # The name is the client's: bytes that are not an A-label are simply no host of ours.
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower().rstrip(".")
        context = nearest(self._contexts, name)
        if context is not None and context is not connection.get_context():
            connection.set_context(context)


def nearest(contexts: Mapping[str, HostContext], name: str) -> HostContext | None:
    """Return the context of a domain (as A-labels), or else of the nearest one above it, whose certificate may well
    be for services beneath it too; None if there is none."""
    while name and name not in contexts:
        name = name.partition(".")[2]
    return contexts.get(name)


def _authorities(settings: Tls) -> list[x509.Certificate]:
    if settings.client_ca is None:
        return []
    try:
        return list(read_chain(settings.client_ca))
    except CertificateError as error:
        raise SettingsError([f"[tls]: client_ca: {error}"]) from None


def make_context(settings: Tls, credentials: Credentials, method: int = SSL.TLS_SERVER_METHOD) -> HostContext:
    """Return a context that shows this certificate and asks for none.

    :param method: pyOpenSSL's, for the side that accepts or the one that connects.
    :raises SettingsError: the settings name ciphers that OpenSSL doesn't have.
    """
    context = HostContext(method)
    context.set_min_proto_version(_VERSIONS[settings.minimum_version])
    context.set_options(_OPTIONS | (0 if settings.session_tickets else SSL.OP_NO_TICKET))
    # An idle connection keeps no 32 KiB of buffers, and the server no sessions: tickets are with the clients.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"xmppd")
    try:
        context.set_cipher_list(settings.ciphers.encode())
    except SSL.Error:
        raise SettingsError([f'[tls]: ciphers: OpenSSL knows none of "{settings.ciphers}"']) from None
    context.use_privatekey(credentials.key)
    context.use_certificate(credentials.leaf)
    for certificate in credentials.chain[1:]:
        context.add_extra_chain_cert(certificate)
    if method == SSL.TLS_SERVER_METHOD:
        context.end_point = end_point(credentials.leaf)
    return context


def _ask_clients(context: HostContext, settings: Tls, authorities: list[x509.Certificate]) -> None:
    """Ask clients for a certificate (XEP-0178 section 2). Whether it is to be believed is decided at the login."""
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.load_client_ca(str(settings.client_ca).encode())
    context.authorities = crypto.X509Store()
    for authority in authorities:
        context.authorities.add_cert(crypto.X509.from_cryptography(authority))


def _ask_servers(context: HostContext, roots: Roots) -> None:
    """Ask other servers for a certificate (XEP-0178 section 3). What it proves is looked at when they say who they are.

    No list of authorities is sent, which would be long. Sessions can't be resumed: a resumed one knows nothing of
    the intermediate certificates that came with the first.
    """
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.set_options(SSL.OP_NO_TICKET)
    context.roots = roots


def _selector(protocol: bytes) -> Callable[[SSL.Connection, list[bytes]], bytes]:
    def select(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
        if protocol in offered:
            return protocol
        raise WrongProtocol(f"ALPN asks for {offered!r}")  # pyOpenSSL answers with the alert no_application_protocol

    return select


def end_point(certificate: x509.Certificate) -> bytes | None:
    """Return the `tls-server-end-point` data of a certificate (RFC 5929 section 4.1).

    It is the certificate's hash by the hash function of its signature, but SHA-256 in place of MD5 and SHA-1;
    None for signatures without one (EdDSA), for which the type is undefined.
    """
    function = certificate.signature_hash_algorithm
    if function is None:
        return None
    return certificate.fingerprint(hashes.SHA256() if function.name in ("md5", "sha1") else function)


def peer_addresses(connection: SSL.Connection) -> tuple[Jid, ...]:
    """Return the XMPP addresses in the client's certificate; none if an authority of ours did not vouch for it."""
    context = connection.get_context()
    if not isinstance(context, HostContext) or context.authorities is None:
        return ()
    certificate = connection.get_peer_certificate()
    if certificate is None:
        return ()
    try:
        crypto.X509StoreContext(context.authorities, certificate, connection.get_peer_cert_chain()).verify_certificate()
    except crypto.X509StoreContextError:
        return ()
    return xmpp_addresses(certificate.to_cryptography())
