"""A certificate authority of the tests, and what certificates say of an XMPP server (RFC 6120 section 13.7.1.2)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

XMPP_ADDR = ObjectIdentifier("1.3.6.1.5.5.7.8.5")  # RFC 6120 section 13.7.1.4
SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
UTF8_STRING, IA5_STRING = 0x0C, 0x16
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Credentials:
    """Where a certificate with its chain, its key, and both in one file are."""

    certificate: Path
    key: Path
    both: Path


def der_string(tag: int, text: str) -> bytes:
    """Return an ASN.1 string of fewer than 128 bytes."""
    data = text.encode()
    if len(data) > 127:
        raise ValueError("too long for a one-byte length")
    return bytes([tag, len(data)]) + data


def alternative_names(
    dns: Sequence[str], xmpp: Sequence[str] = (), srv: Sequence[str] = ()
) -> x509.SubjectAlternativeName:
    """Return the names as dNSName, XmppAddr and SRVName of `_xmpp-server`."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    names += [x509.OtherName(XMPP_ADDR, der_string(UTF8_STRING, name)) for name in xmpp]
    names += [x509.OtherName(SRV_NAME, der_string(IA5_STRING, f"_xmpp-server.{name}")) for name in srv]
    return x509.SubjectAlternativeName(names)


class Authority:
    """Issues certificates into `folder`; `certificate` there is what to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        label: str,
        dns: Sequence[str],
        *,
        xmpp: Sequence[str] = (),
        srv: Sequence[str] = (),
        days: tuple[int, int] = (-1, 20),
        self_signed: bool = False,
    ) -> Credentials:
        """Write LABEL.crt, LABEL.key and LABEL.pem, for servers and clients alike.

        `days` says from when to when it is valid, counted from now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(alternative_names(dns, xmpp, srv), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
        )
        made = builder.sign(key if self_signed else self._key, hashes.SHA256())
        return self._write(label, made, key)

    def _write(self, label: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credentials:
        paths = Credentials(*(self.folder / f"{label}.{suffix}" for suffix in ("crt", "key", "pem")))
        public = made.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        paths.certificate.write_bytes(public)
        paths.key.write_bytes(private)
        paths.both.write_bytes(private + public)
        for path in (paths.key, paths.both):
            path.chmod(0o600)
        return paths
