"""Does a certificate prove that the server at the other end of a connection speaks for a domain?

RFC 6120 section 13.7.2, with the names of RFC 6125: DNS-ID with wildcards, SRV-ID (`_xmpp-server`), and
`id-on-xmppAddr`. What is wrong is told in plain words, because an operator reads it when a link fails.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto
from service_identity import CertificateError as NamesError
from service_identity import VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, SRV_ID, IPAddress_ID, ServiceID, verify_service_identity

from xmppd.core.options import SettingsError
from xmppd.net.tls.certificates import SRV_NAME, XMPP_ADDR, CertificateError, a_label, der_text_value, read_chain
from xmppd.wire.jid import Jid, JidError

__all__ = ["CertificateSummary", "Proof", "Roots", "prove", "summarize", "xmpp_addresses"]

_INTERMEDIATES = 8  # that are looked at; who needs more doesn't want to be understood
_NAMES_SHOWN = 6
_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


class Roots:
    """The authorities whose certificates of servers are believed.

    :param file: PEM file with their certificates; None stands for those that the system knows (OpenSSL's paths).
    :raises SettingsError: the file can't be used.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            # Only a context can load them. The store is a part of it, and lives no longer.
            self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            self._context.set_default_verify_paths()
            store = self._context.get_cert_store()
            self.store: crypto.X509Store = crypto.X509Store() if store is None else store
            return
        self.store = crypto.X509Store()
        # What the operator has named is believed even if it is itself signed by another one.
        self.store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        try:
            for certificate in read_chain(file):
                self.store.add_cert(crypto.X509.from_cryptography(certificate))
        except CertificateError as error:
            raise SettingsError([f"[s2s]: ca: {error}"]) from None


@dataclass(frozen=True)
class CertificateSummary:
    """What people want to know of a certificate.

    :ivar subject: its common name, or else its whole subject.
    :ivar names: the names it is for, as DNS names, addresses, `_service.domain` and XMPP addresses.
    :ivar issuer: as subject.
    :ivar start: when it begins to be valid, with a time zone.
    :ivar end: when it ends.
    :ivar fingerprint: SHA-256 of the certificate, in hexadecimal.
    """

    subject: str
    names: tuple[str, ...]
    issuer: str
    start: datetime
    end: datetime
    fingerprint: str


@dataclass(frozen=True)
class Proof:
    """What a certificate proves.

    :ivar proven: does it prove that its owner speaks for the domain?
    :ivar reason: in plain words, why it does or does not: a sentence without its full stop.
    :ivar certificate: None if there was none, or if it can't be read.
    """

    proven: bool
    reason: str
    certificate: CertificateSummary | None = None


def prove(
    certificate: crypto.X509 | None, sent: Sequence[crypto.X509], domain: str, roots: Roots, *, server: bool
) -> Proof:
    """Say whether a certificate, shown in a handshake in which its private key was proven, is good for `domain`.

    :param sent: what came with it; used to find the way to a root, and not believed for itself.
    :param domain: as in XMPP addresses.
    :param server: has its owner accepted the connection? Else it is the side that has connected.
    """
    if certificate is None:
        return Proof(False, "it showed no certificate")
    try:
        leaf = certificate.to_cryptography()
        summary = summarize(leaf)
        problems = [
            *_chain_problems(certificate, sent, roots),
            *_purpose_problems(leaf, server),
            *_name_problems(leaf, domain, summary),
        ]
    except _UNREADABLE as error:
        return Proof(False, f"its certificate can't be read: {error}")
    if problems:
        return Proof(False, ", and ".join(problems), summary)
    return Proof(True, f"its certificate for {domain} was issued by {summary.issuer}", summary)


# The chain

#: OpenSSL's errors (X509_V_ERR_*) in our words; {name} is the certificate at fault, {issuer} who signed it.
_WORDS = {
    2: "the certificate of {issuer}, which issued {name}, did not come with it",
    7: "the signature of {name} is wrong",
    9: "{name} is not valid before {start}",
    10: "{name} expired on {end}",
    18: "{name} is signed by itself, not by an authority",
    19: "it is signed by {name}, an authority that is not known here",
    20: "{name} was issued by {issuer}, which is no authority known here and did not come along",
    21: "{name} was issued by {issuer}, which is not known here as an authority",
    22: "there are too many certificates between it and an authority",
    24: "{issuer} issued it without being an authority",
    79: "{name} issued a certificate without being an authority",
}  # fmt: skip


def _chain_problems(certificate: crypto.X509, sent: Sequence[crypto.X509], roots: Roots) -> Iterator[str]:
    context = crypto.X509StoreContext(roots.store, certificate, list(sent[: _INTERMEDIATES + 1]))
    try:
        context.verify_certificate()
    except crypto.X509StoreContextError as error:
        code, depth, text = error.errors
        at_fault = error.certificate.to_cryptography()
        name = "its certificate" if depth == 0 else f"the certificate of {_called(at_fault.subject)}"
        if code == 19:  # a root: its own name is enough
            name = _called(at_fault.subject)
        yield _WORDS.get(code, f"{{name}} can't be relied on: {text}").format(
            name=name,
            issuer=_called(at_fault.issuer),
            start=f"{at_fault.not_valid_before_utc:%Y-%m-%d}",
            end=f"{at_fault.not_valid_after_utc:%Y-%m-%d}",
        )


def _purpose_problems(leaf: x509.Certificate, server: bool) -> Iterator[str]:
    """Extended key usage (RFC 5280 section 4.2.1.12).

    Public authorities no longer issue certificates for clients, so one for servers is good enough for the side that
    connects as well.
    """
    try:
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return
    good = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if not server:
        good.add(ExtendedKeyUsageOID.CLIENT_AUTH)
    if not good & purposes:
        yield "its certificate is not meant for servers (extended key usage)"


# The names


def _name_problems(leaf: x509.Certificate, domain: str, summary: CertificateSummary) -> Iterator[str]:
    try:
        patterns = extract_patterns(leaf)
    except NamesError as error:
        yield f"a name in its certificate is not valid: {error}"
        return
    for wanted in _wanted(domain):
        with suppress(VerificationError, NamesError):
            verify_service_identity(patterns, [wanted], [])
            return
    if domain in xmpp_addresses(leaf):
        return
    shown = ", ".join(summary.names[:_NAMES_SHOWN]) + (", ..." if len(summary.names) > _NAMES_SHOWN else "")
    yield f"its certificate is for {shown or 'no domain at all'}, not for {domain}"


def _wanted(domain: str) -> Iterator[ServiceID]:
    """Yield the reference identifiers of a domain, any of which is enough."""
    try:
        yield IPAddress_ID(ipaddress.ip_address(domain.strip("[]")))
        return
    except ValueError:
        pass
    makers: tuple[Callable[[str], ServiceID], ...] = (DNS_ID, lambda name: SRV_ID(f"_xmpp-server.{name}"))
    for make in makers:
        with suppress(ValueError):  # some domains of XMPP can't be names in the DNS
            yield make(a_label(domain))


def xmpp_addresses(certificate: x509.Certificate) -> tuple[Jid, ...]:
    """Return the `id-on-xmppAddr` names of a certificate that are addresses (RFC 6120 section 13.7.1.4)."""
    found = []
    for name in _alternative_names(certificate):
        if isinstance(name, x509.OtherName) and name.type_id == XMPP_ADDR:
            text = der_text_value(name.value)
            if text is not None:
                with suppress(JidError):
                    found.append(Jid.parse(text))
    return tuple(found)


# Telling people


def summarize(certificate: x509.Certificate) -> CertificateSummary:
    """Return what people want to know. Raises ValueError if it can't be read."""
    return CertificateSummary(
        subject=_called(certificate.subject),
        names=tuple(dict.fromkeys(_shown_names(certificate))),
        issuer=_called(certificate.issuer),
        start=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _shown_names(certificate: x509.Certificate) -> Iterator[str]:
    for name in _alternative_names(certificate):
        if isinstance(name, x509.DNSName):
            yield name.value.lower()
        elif isinstance(name, x509.IPAddress):
            yield str(name.value)
        elif isinstance(name, x509.OtherName) and name.type_id in (SRV_NAME, XMPP_ADDR):
            text = der_text_value(name.value)
            if text is not None:
                yield text


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return []


def _called(name: x509.Name) -> str:
    """Return the common name (with the organisation, which says more), or the whole name."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    organization = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not common:
        return name.rfc4514_string() or "nobody"
    text = str(common[0].value)
    return f"{text} ({organization[0].value!s})" if organization else text
