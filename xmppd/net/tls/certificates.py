"""Certificates of the hosts: finding their files, reading them, making self-signed ones.

Names in a certificate follow RFC 6120 section 13.7.1.2: DNS-ID, SRV-ID (RFC 4985) and, for older clients,
`id-on-xmppAddr`.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xmppd.core.settings import Settings

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # RFC 6120 section 13.7.1.4
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
SELF_SIGNED_DAYS = 3650

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | dsa.DSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


class CertificateError(ValueError):
    """A certificate or key can't be used; the message says which file, and why."""


@dataclass(frozen=True)
class CertificateFiles:
    """Where a certificate (with its intermediates) and its private key are; both may be the same file."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Credentials:
    """A private key and its certificate, followed by the intermediates."""

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain[0]


def a_label(domain: str) -> str:
    """Return `domain` as it stands in DNS, SNI and certificates (RFC 5890), or unchanged if it is an IP address."""
    if domain.isascii():
        return domain.lower().rstrip(".")
    return idna.encode(domain).decode("ascii")


def find(settings: Settings, host: str) -> CertificateFiles | None:
    """Return the files for `host`, a served domain: those it names, those in the folder, or those for every host."""
    own = settings.hosts.get(host)
    if own is not None and own.certificate:
        return CertificateFiles(own.certificate, own.key or own.certificate)
    for files in candidates(settings.tls.certificate_dir, host):
        if files.certificate.exists():
            return files
    if settings.tls.certificate:
        return CertificateFiles(settings.tls.certificate, settings.tls.key or settings.tls.certificate)
    return None


def services(settings: Settings) -> Iterator[str]:
    """Yield the domains beneath hosts, and those of components, that have a certificate of their own in the folder."""
    folder = settings.tls.certificate_dir
    names = {path.name if path.is_dir() else path.stem for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(names - set(settings.hosts)):
        beneath = any(name.endswith(f".{form}") for host in settings.hosts for form in (host, a_label(host)))
        if (beneath or name in settings.components) and any(f.certificate.exists() for f in candidates(folder, name)):
            yield name


def candidates(folder: Path, host: str) -> Iterator[CertificateFiles]:
    """Yield where a certificate of `host` may be in `folder`, best first."""
    for name in dict.fromkeys((host, a_label(host))):
        yield CertificateFiles(folder / f"{name}.crt", folder / f"{name}.key")
        yield CertificateFiles(folder / f"{name}.pem", folder / f"{name}.pem")
        yield CertificateFiles(folder / name / "fullchain.pem", folder / name / "privkey.pem")


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates in a PEM file. Raises CertificateError."""
    try:
        return tuple(x509.load_pem_x509_certificates(_read(path)))
    except ValueError as error:
        raise CertificateError(f"{path}: there is no certificate in PEM form in it ({error})") from None


def read_key(path: Path) -> PrivateKey:
    """Read the private key in a PEM file. Raises CertificateError."""
    data = _read(path)
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise CertificateError(f"{path}: the private key is protected by a passphrase; take it off") from None
    except ValueError:
        raise CertificateError(f"{path}: there is no private key in PEM form in it") from None
    if not isinstance(key, PrivateKey):
        raise CertificateError(f"{path}: a key of this kind can't sign")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: can't be read: {error.strerror}") from None


def public_octets(key: PrivateKey | x509.Certificate) -> bytes:
    """Return the public key in a form that can be compared."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read(files: CertificateFiles) -> Credentials:
    """Read a certificate, its intermediates and its key. Raises CertificateError."""
    chain = read_chain(files.certificate)
    key = read_key(files.key)
    if public_octets(key) != public_octets(chain[0]):
        raise CertificateError(f"{files.key}: this is not the key of the certificate in {files.certificate}")
    return Credentials(key, chain)


def ensure(settings: Settings, host: str, now: datetime) -> tuple[CertificateFiles, bool]:
    """Return the files for `host`; if there are none, make a self-signed certificate in the folder first.

    :param now: with a time zone.
    :returns: the files, and whether they were made just now.
    :raises CertificateError: they can't be written.
    """
    files = find(settings, host)
    if files:
        return files, False
    files = next(candidates(settings.tls.certificate_dir, host))
    try:
        settings.tls.certificate_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(files, self_signed(host, now))
    except OSError as error:
        raise CertificateError(f"{files.certificate}: can't be written: {error.strerror}") from None
    return files, True


def self_signed(host: str, now: datetime) -> Credentials:
    """Make a key (ECDSA on P-256) and a certificate for `host` that is signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, a_label(host)[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(list(_names(host))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Credentials(key, (certificate,))


def _names(host: str) -> Iterator[x509.GeneralName]:
    try:
        yield x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
        return
    except ValueError:
        yield x509.DNSName(a_label(host))
    for service in ("_xmpp-client", "_xmpp-server"):
        yield x509.OtherName(SRV_NAME, der_text(0x16, f"{service}.{a_label(host)}"))
    yield x509.OtherName(XMPP_ADDR, der_text(0x0C, host))


def der_text(tag: int, text: str) -> bytes:
    """Encode `text` in DER as UTF8String (tag 0x0C) or IA5String (0x16)."""
    octets = text.encode()
    size = len(octets)
    if size < 0x80:
        return bytes((tag, size)) + octets
    width = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + size.to_bytes(width, "big") + octets


def der_text_value(value: bytes) -> str | None:
    """Decode what :func:`der_text` encodes; None if it is anything else."""
    if len(value) < 2 or value[0] not in (0x0C, 0x16):
        return None
    start = 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)
    size = int.from_bytes(value[2:start], "big") if value[1] & 0x80 else value[1]
    if len(value) != start + size:
        return None
    try:
        return value[start:].decode()
    except UnicodeDecodeError:
        return None


def write(files: CertificateFiles, credentials: Credentials) -> None:
    """Write a key (readable by its owner alone) and a certificate. Raises OSError, also when one is there already."""
    key = credentials.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in credentials.chain)
    parts = [(files.key, key, 0o600), (files.certificate, chain, 0o644)]
    if files.key == files.certificate:
        parts = [(files.key, key + chain, 0o600)]
    for path, octets, mode in parts:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(octets)
