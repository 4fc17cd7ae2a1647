"""What a certificate proves: names of every kind, chains, dates, purposes, and the words for what is wrong."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from tests.net.tls_peers import issue, xmpp_name
from xmppd.core.options import SettingsError
from xmppd.net.tls.certificates import SRV_NAME, Credentials, der_text
from xmppd.net.tls.identity import Proof, Roots, prove, summarize

ROOT = issue("Test Root", authority=True)
MIDDLE = issue("Test Middle", issuer=ROOT, authority=True)
STRANGER = issue("Nobody's Root", authority=True)
YESTERDAY, TOMORROW = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(name) for name in names]


def srv(service: str) -> x509.OtherName:
    return x509.OtherName(SRV_NAME, der_text(0x16, service))


def purposes(*found: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(found)


class IdentityTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.roots = self.make_roots(ROOT)

    def make_roots(self, *authorities: Credentials) -> Roots:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "roots.pem"
            file.write_bytes(b"".join(found.leaf.public_bytes(Encoding.PEM) for found in authorities))
            return Roots(file)

    def prove(
        self,
        shown: Credentials,
        domain: str = "example.org",
        sent: Sequence[Credentials] | None = None,
        server: bool = True,
    ) -> Proof:
        along = shown.chain[1:] if sent is None else [found.leaf for found in sent]
        chain = [crypto.X509.from_cryptography(found) for found in (shown.leaf, *along)]
        return prove(chain[0], chain, domain, self.roots, server=server)

    def assertProven(self, shown: Credentials, domain: str = "example.org", server: bool = True) -> None:
        proof = self.prove(shown, domain, server=server)
        self.assertTrue(proof.proven, proof.reason)

    def assertRefused(self, reason: str, shown: Credentials, domain: str = "example.org", server: bool = True) -> None:
        proof = self.prove(shown, domain, server=server)
        self.assertEqual((proof.proven, proof.reason), (False, reason))


class NameTests(IdentityTestCase):
    def test_good_ones(self) -> None:
        cases: list[tuple[str, list[x509.GeneralName]]] = [
            ("example.org", dns("example.org")),
            ("example.org", dns("other.example", "EXAMPLE.org")),
            ("chat.example.org", dns("*.example.org")),
            ("example.org", [srv("_xmpp-server.example.org")]),
            ("example.org", [srv("_XMPP-Server.Example.ORG")]),
            ("example.org", [xmpp_name("example.org")]),
            ("bücher.example", dns("xn--bcher-kva.example")),
            ("bücher.example", [srv("_xmpp-server.xn--bcher-kva.example")]),
            ("bücher.example", [xmpp_name("bücher.example")]),
            ("192.0.2.1", [x509.IPAddress(ip_address("192.0.2.1"))]),
            ("[2001:db8::1]", [x509.IPAddress(ip_address("2001:db8::1"))]),
        ]
        for domain, names in cases:
            with self.subTest(names):
                self.assertProven(issue("x", names, ROOT), domain)

    def test_bad_ones(self) -> None:
        cases: list[tuple[str, str, list[x509.GeneralName]]] = [
            ("example.org", "example.net", dns("example.net")),
            ("example.org", "*.example.org", dns("*.example.org")),
            ("a.b.example.org", "*.example.org", dns("*.example.org")),
            ("xn--bcher-kva.example.org", "*.example.org", dns("*.example.org")),
            ("example.org", "_xmpp-client.example.org", [srv("_xmpp-client.example.org")]),
            ("example.org", "_xmpp-server.example.net", [srv("_xmpp-server.example.net")]),
            ("example.org", "juliet@example.org", [xmpp_name("juliet@example.org")]),
            ("example.org", "192.0.2.1", [x509.IPAddress(ip_address("192.0.2.1"))]),
            ("192.0.2.1", "192.0.2.2", [x509.IPAddress(ip_address("192.0.2.2"))]),
            ("a_b c.example", "example.org", dns("example.org")),
            ("example.org", "a.x, b.x, c.x, d.x, e.x, f.x, ...", dns(*(f"{c}.x" for c in "abcdefgh"))),
        ]
        for domain, shown, names in cases:
            with self.subTest(names):
                reason = f"its certificate is for {shown}, not for {domain}"
                self.assertRefused(reason, issue("x", names, ROOT), domain)

    def test_the_common_name_is_no_name(self) -> None:
        self.assertRefused(
            "its certificate is for no domain at all, not for example.org", issue("example.org", issuer=ROOT)
        )

    def test_names_that_are_not_valid(self) -> None:
        for name in (x509.DNSName("*.*.example.org"), x509.DNSName("192.0.2.1"), x509.OtherName(SRV_NAME, b"\x05\x00")):
            with self.subTest(name):
                proof = self.prove(issue("x", [*dns("example.org"), name], ROOT))
                self.assertFalse(proof.proven)
                self.assertIn("a name in its certificate is not valid", proof.reason)


class ChainTests(IdentityTestCase):
    def test_with_an_intermediate(self) -> None:
        self.assertProven(issue("x", dns("example.org"), MIDDLE))

    def test_an_intermediate_is_missing(self) -> None:
        proof = self.prove(issue("x", dns("example.org"), MIDDLE), sent=())
        self.assertEqual(
            proof.reason,
            "its certificate was issued by Test Middle, which is no authority known here and did not come along",
        )

    def test_certificates_that_came_along_are_not_believed_for_themselves(self) -> None:
        proof = self.prove(issue("x", dns("example.org"), STRANGER), sent=[STRANGER])
        self.assertEqual(proof.reason, "it is signed by Nobody's Root, an authority that is not known here")

    def test_an_unknown_authority(self) -> None:
        self.assertRefused(
            "its certificate was issued by Nobody's Root, which is no authority known here and did not come along",
            issue("x", dns("example.org"), STRANGER),
        )

    def test_signed_by_itself(self) -> None:
        alone = issue("x", dns("example.org"))
        self.assertRefused("its certificate is signed by itself, not by an authority", alone)
        self.roots = self.make_roots(alone)
        self.assertProven(alone)

    def test_an_intermediate_may_be_named_as_an_authority(self) -> None:
        self.roots = self.make_roots(MIDDLE)
        self.assertProven(issue("x", dns("example.org"), MIDDLE))

    def test_dates(self) -> None:
        ended = issue("x", dns("example.org"), ROOT, end=YESTERDAY)
        self.assertRefused(f"its certificate expired on {YESTERDAY:%Y-%m-%d}", ended)
        early = issue("x", dns("example.org"), ROOT, start=TOMORROW)
        self.assertRefused(f"its certificate is not valid before {TOMORROW:%Y-%m-%d}", early)
        middle = issue("Old Middle", issuer=ROOT, authority=True, end=YESTERDAY)
        self.assertRefused(
            f"the certificate of Old Middle expired on {YESTERDAY:%Y-%m-%d}", issue("x", dns("example.org"), middle)
        )

    def test_issued_by_who_may_not(self) -> None:
        server = issue("server.example", dns("server.example"), ROOT)
        proof = self.prove(issue("x", dns("example.org"), server), sent=[server])
        self.assertFalse(proof.proven)
        self.assertIn("without being an authority", proof.reason)

    def test_a_wrong_signature(self) -> None:
        pretender = issue("Test Root", authority=True)
        proof = self.prove(issue("x", dns("example.org"), pretender), sent=())
        self.assertFalse(proof.proven)
        self.assertIn("the signature of its certificate is wrong", proof.reason)

    def test_everything_that_is_wrong_is_told(self) -> None:
        self.assertRefused(
            f"its certificate expired on {YESTERDAY:%Y-%m-%d}, "
            "and its certificate is for example.net, not for example.org",
            issue("x", dns("example.net"), ROOT, end=YESTERDAY),
        )

    def test_a_long_tail_is_not_looked_at(self) -> None:
        tail = [STRANGER] * 50
        shown = issue("x", dns("example.org"), MIDDLE)
        self.assertTrue(self.prove(shown, sent=[MIDDLE, *tail]).proven)
        self.assertFalse(self.prove(shown, sent=[*tail, MIDDLE]).proven)

    def test_the_authorities_of_the_system(self) -> None:
        self.roots = Roots()
        self.assertFalse(self.prove(issue("x", dns("example.org"), ROOT)).proven)

    def test_no_file(self) -> None:
        with self.assertRaises(SettingsError):
            Roots(Path("/nowhere/roots.pem"))


class PurposeTests(IdentityTestCase):
    def test_either_will_do_for_who_connects(self) -> None:
        for found, server, client in (
            (purposes(ExtendedKeyUsageOID.SERVER_AUTH), True, True),
            (purposes(ExtendedKeyUsageOID.CLIENT_AUTH), False, True),
            (purposes(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH), True, True),
            (purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), True, True),
            (purposes(ExtendedKeyUsageOID.CODE_SIGNING), False, False),
        ):
            shown = issue("x", dns("example.org"), ROOT, purposes=found)
            for side, good in ((True, server), (False, client)):
                with self.subTest(found=found, server=side):
                    proof = self.prove(shown, server=side)
                    self.assertEqual(proof.proven, good)
                    if not good:
                        self.assertIn("not meant for servers", proof.reason)


class TellingTests(IdentityTestCase):
    def test_none_shown(self) -> None:
        self.assertEqual(
            prove(None, (), "example.org", self.roots, server=True), Proof(False, "it showed no certificate")
        )

    def test_proven(self) -> None:
        proof = self.prove(issue("x", dns("example.org"), MIDDLE))
        self.assertEqual(proof.reason, "its certificate for example.org was issued by Test Middle")

    def test_summary(self) -> None:
        names = [*dns("Example.org", "*.example.org"), srv("_xmpp-server.example.org"), xmpp_name("example.org")]
        shown = issue("x.example", [*names, x509.IPAddress(ip_address("192.0.2.1"))], ROOT)
        proof = self.prove(shown)
        summary = proof.certificate
        assert summary is not None
        self.assertEqual((summary.subject, summary.issuer), ("x.example", "Test Root"))
        self.assertEqual(summary.names, ("example.org", "*.example.org", "_xmpp-server.example.org", "192.0.2.1"))
        self.assertEqual(summary.end, shown.leaf.not_valid_after_utc)
        self.assertEqual(summary.fingerprint, shown.leaf.fingerprint(hashes.SHA256()).hex())

    def test_how_authorities_are_called(self) -> None:
        def called(*attributes: x509.NameAttribute) -> str:
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name(attributes)
            now = datetime.now(UTC)
            builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
            return summarize(builder.sign(key, hashes.SHA256())).issuer

        common = x509.NameAttribute(NameOID.COMMON_NAME, "R11")
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Let's Encrypt")
        self.assertEqual(called(common, organization), "R11 (Let's Encrypt)")
        self.assertEqual(called(organization), "O=Let's Encrypt")
        self.assertEqual(called(), "nobody")
