"""TLS with servers of other protocols: what their certificates have to say (RFC 9525, RFC 9110 section 4.3.4).

It is what Twisted does, but for one thing: to Twisted, a certificate with names that can't be read, or with none at
all, is as good as one with the right name, as long as a known authority has issued it. (It is written to the log, and
that is all; seen in Twisted 26.10 with service_identity 26.1.)
"""

from __future__ import annotations

import ipaddress
from typing import Any

from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import optionsForClientTLS
from zope.interface import implementer

__all__ = ["WebTls", "is_for"]


@implementer(IOpenSSLClientConnectionCreator)
class WebTls:
    """Makes the TLS of connections to one server.

    :param host: its name, in ASCII, or its address.
    :param roots: the authorities whose certificates it may show, as :mod:`twisted.internet.ssl` has them.
    :param protocols: what is offered by ALPN (RFC 7301).
    """

    def __init__(self, host: str, roots: Any, protocols: list[bytes] | None = None) -> None:
        self._usual: Any = optionsForClientTLS(host, roots, acceptableProtocols=protocols)
        self._host = host

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """See IOpenSSLClientConnectionCreator."""
        connection: SSL.Connection = self._usual.clientConnectionForTLS(protocol)
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._believed)
        return connection

    def _believed(self, _: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int) -> bool:
        """Is a certificate of the chain as it should be? The first one has to have the server's name."""
        return bool(good) and (depth > 0 or is_for(certificate, self._host))


def is_for(certificate: crypto.X509, host: str) -> bool:
    """Does a certificate have the name of a server, or its address?"""
    try:
        verify_service_identity(extract_patterns(certificate.to_cryptography()), [_identity(host)], [])
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _identity(host: str) -> ServiceID:
    try:
        return IPAddress_ID(ipaddress.ip_address(host))
    except ValueError:
        return DNS_ID(host)
