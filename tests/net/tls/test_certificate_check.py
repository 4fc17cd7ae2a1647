"""What `diagnose` finds, one planted fault after the other."""

from __future__ import annotations

import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.net.tls_peers import NOW, issue, xmpp_name
from xmppd.net.tls.certificate_check import CertificateFinding, _strength, diagnose, dns_names
from xmppd.net.tls.certificates import SRV_NAME, CertificateFiles, Credentials, der_text, self_signed, write

SAN = [x509.DNSName("example.org")]
# Libraries of today don't sign with SHA-1 any more; this was made with the openssl command.
SHA1 = b"""
-----BEGIN CERTIFICATE-----
MIIBmjCCAUCgAwIBAgIUT0TJrbT0PmdwhBP5EwDueeLGljMwCQYHKoZIzj0EATAW
MRQwEgYDVQQDDAtleGFtcGxlLm9yZzAgFw0yNjExMjMwNDE0NTJaGA8yMDgxMDgy
NjA0MTQ1MlowFjEUMBIGA1UEAwwLZXhhbXBsZS5vcmcwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAASU/NFBAELwoVAJo/6ADPZO1cYzHU4LLvwKzYEDpDRrZS1QO8+p
IyjBznM/YYsDaGXRv3zpRmIRshARzuP/lt0po2swaTAdBgNVHQ4EFgQULJVgAWPX
GNnSF77MTZwMEqHCEdAwHwYDVR0jBBgwFoAULJVgAWPXGNnSF77MTZwMEqHCEdAw
DwYDVR0TAQH/BAUwAwEB/zAWBgNVHREEDzANggtleGFtcGxlLm9yZzAJBgcqhkjO
PQQBA0kAMEYCIQCWiMj+MK+423yNEhsMmbhqj4+u+AqWGoblqMvMOr8z9gIhALVF
q5D+uRDffhp9s9bXhuMDJNSSTPoVPgP+9ct/qp7M
-----END CERTIFICATE-----
"""


class DiagnoseTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.files = CertificateFiles(Path(folder.name) / "c.pem", Path(folder.name) / "k.pem")
        self.root = issue("Root", authority=True)
        self.middle = issue("Middle", issuer=self.root, authority=True)
        self.roots = {self.root.leaf.subject.public_bytes()}

    def findings(self, credentials: Credentials | None = None, host: str = "example.org") -> list[CertificateFinding]:
        if credentials:
            write(self.files, credentials)
        return diagnose(self.files, host, NOW, roots=self.roots)

    def assertFound(
        self, credentials: Credentials | None, *expected: tuple[str, str], host: str = "example.org"
    ) -> None:
        found = self.findings(credentials, host)
        self.assertEqual([(finding.level, finding.text) for finding in found], list(expected))
        self.assertTrue(all(finding.advice for finding in found))

    def test_nothing(self) -> None:
        self.assertFound(issue("example.org", SAN, self.middle))

    def test_a_root_at_the_end_does_no_harm(self) -> None:
        leaf = issue("example.org", SAN, self.middle)
        self.assertFound(Credentials(leaf.key, (*leaf.chain, self.root.leaf)))

    def test_self_signed(self) -> None:
        self.assertFound(
            self_signed("example.org", NOW),
            ("warning", "the server signed it itself: clients will warn, and other servers may refuse it"),
        )

    def test_expired(self) -> None:
        end = NOW - timedelta(days=1)
        self.assertFound(issue("x", SAN, self.middle, end=end), ("error", f"it has expired on {end:%Y-%m-%d}"))

    def test_expires_soon(self) -> None:
        end = NOW + timedelta(days=13, hours=1)
        self.assertFound(
            issue("x", SAN, self.middle, end=end), ("warning", f"it expires on {end:%Y-%m-%d}, in 13 days")
        )

    def test_not_yet_valid(self) -> None:
        self.assertFound(
            issue("x", SAN, self.middle, start=NOW + timedelta(hours=1)),
            ("error", "it is not valid before 2026-03-01 01:00 UTC"),
        )

    def test_wrong_names(self) -> None:
        names = [x509.DNSName("mail.example.org"), x509.DNSName("www.example.org")]
        self.assertFound(
            issue("example.org", names, self.middle),
            ("error", "it is not for example.org, but for mail.example.org, www.example.org"),
        )

    def test_common_name_only(self) -> None:
        self.assertFound(
            issue("example.org", None, self.middle),
            ("error", "its only name is the common name, which clients no longer look at"),
        )

    def test_no_name(self) -> None:
        self.assertFound(issue("other", None, self.middle), ("error", "it is not for example.org, but for nothing"))

    def test_unusual_names(self) -> None:
        words = "it names example.org in a way that many clients don't look at (SRVName or xmppAddr)"
        for name in (xmpp_name("example.org"), x509.OtherName(SRV_NAME, der_text(0x16, "_xmpp-client.example.org"))):
            for names in ([name], [x509.DNSName("other.example"), name]):
                self.setUp()
                self.assertFound(issue("x", names, self.middle), ("warning", words))

    def test_wildcard(self) -> None:
        credentials = issue("x", [x509.DNSName("*.example.org")], self.middle)
        self.assertFound(credentials, host="chat.example.org")
        wrong = ("error", "it is not for example.org, but for *.example.org")
        self.assertFound(None, wrong)
        self.assertEqual(self.findings(host="a.b.example.org")[0].level, "error")

    def test_internationalized(self) -> None:
        self.assertFound(issue("x", [x509.DNSName("xn--bcher-kva.example")], self.middle), host="bücher.example")

    def test_missing_intermediate(self) -> None:
        leaf = issue("example.org", SAN, self.middle)
        self.assertFound(
            Credentials(leaf.key, leaf.chain[:1]),
            ("warning", 'an intermediate certificate is missing: that of "Middle"'),
        )

    def test_wrong_order(self) -> None:
        leaf = issue("example.org", SAN, self.middle)
        chain = (leaf.leaf, self.root.leaf, self.middle.leaf)
        self.assertFound(
            Credentials(leaf.key, chain), ("error", '"Root" stands behind "example.org", but has not issued it')
        )

    def test_impostor_in_the_chain(self) -> None:
        leaf = issue("example.org", SAN, self.middle)
        other = issue("Middle", issuer=self.root, authority=True)
        self.assertFound(
            Credentials(leaf.key, (leaf.leaf, other.leaf)),
            ("error", '"Middle" stands behind "example.org", but has not issued it'),
        )

    def test_key_of_another(self) -> None:
        credentials = issue("example.org", SAN, self.middle)
        found = self.findings(Credentials(issue("x").key, credentials.chain))
        self.assertEqual(found[0].level, "error")
        self.assertIn("this is not the key of the certificate", found[0].text)

    def test_key_with_a_passphrase(self) -> None:
        credentials = issue("example.org", SAN, self.middle)
        write(self.files, credentials)
        self.files.key.write_bytes(
            credentials.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        )
        self.assertIn("protected by a passphrase", self.findings()[0].text)

    def test_no_key_in_the_file(self) -> None:
        write(self.files, issue("example.org", SAN, self.middle))
        self.files.key.write_bytes(self.files.certificate.read_bytes())
        self.assertIn("there is no private key in PEM form", self.findings()[0].text)

    def test_unreadable(self) -> None:
        self.assertIn("can't be read: No such file or directory", self.findings()[0].text)

    def test_short_rsa_key(self) -> None:
        key = rsa.generate_private_key(65537, 1024)
        self.assertFound(issue("x", SAN, self.middle, key=key), ("error", "its RSA key has only 1024 bits"))

    def test_sha1(self) -> None:
        texts = [finding.text for finding in _strength(x509.load_pem_x509_certificate(SHA1))]
        self.assertEqual(texts, ["its signature rests on SHA1, which is broken"])

    def test_permissions(self) -> None:
        write(self.files, issue("example.org", SAN, self.middle))
        self.files.key.chmod(0o640)
        self.assertFound(None)
        self.files.key.chmod(0o644)
        self.assertFound(None, ("warning", f"everybody on this machine can read the private key {self.files.key}"))

    def test_client_certificate(self) -> None:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        self.assertFound(
            issue("x", SAN, self.middle, purposes=purposes),
            ("error", "it is not meant for servers (extended key usage)"),
        )

    def test_system_roots(self) -> None:
        """Whatever they are here, asking for them works."""
        write(self.files, self_signed("example.org", NOW))
        self.assertEqual(len(diagnose(self.files, "example.org", NOW)), 1)

    def test_dns_names(self) -> None:
        self.assertEqual(dns_names(self_signed("127.0.0.1", NOW).leaf), ["127.0.0.1"])
        self.assertEqual(dns_names(issue("x").leaf), [])
