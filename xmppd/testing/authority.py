"""A certificate authority for tests, and certificates of servers from it (RFC 6120 section 13.7.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from xmppd.net.tls.certificates import Credentials
from xmppd.net.tls.identity import Roots

__all__ = ["authority_pem", "certificate", "roots", "self_signed"]

# OpenSSL looks at the real time, whatever the clock of the test says.
_LONG_AGO, _FAR_OFF = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@cache
def _authority() -> Credentials:
    return _issue("Authority of the tests", (), None, _FAR_OFF)


def authority_pem() -> bytes:
    """Return the certificate of the authority itself, in PEM, for what is to believe it."""
    return _authority().leaf.public_bytes(Encoding.PEM)


@cache
def certificate(*domains: str, expired: bool = False) -> Credentials:
    """Return a certificate for these domains, issued by the authority of the tests, and its key."""
    return _issue(domains[0], domains, _authority(), datetime(2021, 1, 1, tzinfo=UTC) if expired else _FAR_OFF)


@cache
def self_signed(*domains: str) -> Credentials:
    """Return a certificate for these domains that nobody has vouched for, and its key."""
    return _issue(domains[0], domains, None, _FAR_OFF)


@cache
def roots() -> Roots:
    """Return what believes the authority of the tests, and nobody else."""
    found = Roots()
    found.store = crypto.X509Store()
    found.store.add_cert(crypto.X509.from_cryptography(_authority().leaf))
    return found


def _issue(name: str, domains: tuple[str, ...], issuer: Credentials | None, end: datetime) -> Credentials:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.leaf.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_LONG_AGO)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=not domains, path_length=None), critical=True)
    )
    if domains:
        names = x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
        builder = builder.add_extension(names, critical=False)
    signer = issuer.key if issuer else key
    made = builder.sign(signer, hashes.SHA256())
    return Credentials(key, (made,))
