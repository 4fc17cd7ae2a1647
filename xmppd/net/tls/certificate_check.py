"""What is wrong with a host's certificate, in plain words, for ``xmppctl check``.

The names a client accepts are those of RFC 6120 section 13.7.1.2.1 and RFC 6125 section 6.4.
"""

from __future__ import annotations

import ssl
import stat
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xmppd.net.tls.certificates import SRV_NAME, CertificateError, CertificateFiles, a_label, der_text_value, read
from xmppd.net.tls.identity import xmpp_addresses


@dataclass(frozen=True)
class CertificateFinding:
    """One thing about a certificate that the operator should know.

    :ivar level: "hint" (fine, but), "warning" (some clients will complain) or "error" (it can't work).
    :ivar text: what was found.
    :ivar advice: what to do about it.
    """

    level: Literal["hint", "warning", "error"]
    text: str
    advice: str


def diagnose(
    files: CertificateFiles,
    host: str,
    now: datetime,
    soon_days: int = 14,
    roots: Collection[bytes] | None = None,
) -> list[CertificateFinding]:
    """Look at the certificate of `host` and its key.

    :param now: with a time zone.
    :param soon_days: from how many days before its end on to warn.
    :param roots: names (DER) of authorities that clients know; by default, those this system knows.
    :returns: what is wrong; nothing if all is well.
    """
    try:
        credentials = read(files)
    except CertificateError as error:
        return [CertificateFinding("error", str(error), "Correct the file, or name another one in the settings.")]
    leaf = credentials.leaf
    return [
        *_times(leaf, now, soon_days),
        *_names(leaf, host),
        *_chain(credentials.chain, system_roots() if roots is None else roots),
        *_strength(leaf),
        *_purpose(leaf),
        *_permissions(files.key),
    ]


def _times(leaf: x509.Certificate, now: datetime, soon_days: int) -> Iterator[CertificateFinding]:
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    renew = "Renew it, and let the server reload: systemctl reload xmppd, or SIGHUP."
    if now < start:
        yield CertificateFinding("error", f"it is not valid before {start:%Y-%m-%d %H:%M} UTC", "Check the clock.")
    elif now > end:
        yield CertificateFinding("error", f"it has expired on {end:%Y-%m-%d}", renew)
    elif now > end - timedelta(days=soon_days):
        yield CertificateFinding("warning", f"it expires on {end:%Y-%m-%d}, in {(end - now).days} days", renew)


def _names(leaf: x509.Certificate, host: str) -> Iterator[CertificateFinding]:
    domain = a_label(host)
    names = dns_names(leaf)
    if any(_covers(name, domain) for name in names):
        return
    if host in xmpp_addresses(leaf) or f"_xmpp-client.{domain}" in _service_names(leaf):
        yield CertificateFinding(
            "warning",
            f"it names {host} in a way that many clients don't look at (SRVName or xmppAddr)",
            f"Get one that has the DNS name {domain} among its subject alternative names.",
        )
        return
    advice = f"Get one for the XMPP domain {domain}, which is the part after the @, not the name of the machine."
    if not names and _common_name(leaf) == domain:
        yield CertificateFinding("error", "its only name is the common name, which clients no longer look at", advice)
    else:
        others = ", ".join(names) or "nothing"
        yield CertificateFinding("error", f"it is not for {domain}, but for {others}", advice)


def dns_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names (and IP addresses) among the subject alternative names."""
    names = _alternative_names(certificate)
    addresses = [str(name.value) for name in names if isinstance(name, x509.IPAddress)]
    return [name.value.lower() for name in names if isinstance(name, x509.DNSName)] + addresses


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, ValueError):
        return []


def _covers(name: str, domain: str) -> bool:
    """RFC 6125 section 6.4.3: a wildcard stands for the whole left-most label."""
    return name == domain.strip("[]") or (name.startswith("*.") and name[2:] == domain.partition(".")[2])


def _service_names(leaf: x509.Certificate) -> list[str | None]:
    others = [name for name in _alternative_names(leaf) if isinstance(name, x509.OtherName)]
    return [der_text_value(name.value) for name in others if name.type_id == SRV_NAME]


def _common_name(leaf: x509.Certificate) -> str:
    found = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value).lower() if found else ""


def _chain(chain: Sequence[x509.Certificate], roots: Collection[bytes]) -> Iterator[CertificateFinding]:
    leaf, last = chain[0], chain[-1]
    if leaf.issuer == leaf.subject:
        yield CertificateFinding(
            "warning",
            "the server signed it itself: clients will warn, and other servers may refuse it",
            "Get a certificate from an authority, for example with an ACME client; on your own machine, ignore this.",
        )
        return
    for lower, upper in pairwise(chain):
        if not _signed_by(lower, upper):
            yield CertificateFinding(
                "error",
                f"{_called(upper.subject)} stands behind {_called(lower.subject)}, but has not issued it",
                "Put the certificate first, then its issuer, then that one's issuer; nothing else.",
            )
            return
    if last.issuer != last.subject and roots and last.issuer.public_bytes() not in roots:
        yield CertificateFinding(
            "warning",
            f"an intermediate certificate is missing: that of {_called(last.issuer)}",
            "Append it to the file (ACME clients call the complete file fullchain.pem).",
        )


def _signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _called(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f'"{found[0].value!s}"' if found else f'"{name.rfc4514_string()}"'


@cache
def system_roots() -> frozenset[bytes]:
    """Return the names of the authorities this system knows; none if it can't be told."""
    roots = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at faults of authorities that nobody here can do anything about
        for octets in ssl.create_default_context().get_ca_certs(binary_form=True):
            with suppress(ValueError):
                roots.add(x509.load_der_x509_certificate(octets).subject.public_bytes())
    return frozenset(roots)


def _strength(leaf: x509.Certificate) -> Iterator[CertificateFinding]:
    key = leaf.public_key()
    advice = "Make a new key (ECDSA on P-256, or RSA of 2048 bits or more) and get a certificate for it."
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield CertificateFinding("error", f"its RSA key has only {key.key_size} bits", advice)
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 256:
        yield CertificateFinding("error", f"its elliptic curve has only {key.key_size} bits", advice)
    elif isinstance(key, dsa.DSAPublicKey):
        yield CertificateFinding("error", "its key is for DSA, which TLS no longer uses", advice)
    function = leaf.signature_hash_algorithm
    if function is not None and function.name in ("md5", "sha1"):
        yield CertificateFinding("error", f"its signature rests on {function.name.upper()}, which is broken", advice)


def _purpose(leaf: x509.Certificate) -> Iterator[CertificateFinding]:
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        yield CertificateFinding("error", "it is not meant for servers (extended key usage)", "Get one that is.")


def _permissions(path: Path) -> Iterator[CertificateFinding]:
    mode = path.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield CertificateFinding(
            "warning", f"everybody on this machine can read the private key {path}", f"chmod o-rw {path}"
        )
