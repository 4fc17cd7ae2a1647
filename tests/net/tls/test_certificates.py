"""Finding, reading, making and writing certificates."""

from __future__ import annotations

import stat
import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.net.tls_peers import NOW, issue, make_settings
from xmppd.core.settings import Settings
from xmppd.net.tls.certificate_check import dns_names
from xmppd.net.tls.certificates import (
    SELF_SIGNED_DAYS,
    SRV_NAME,
    CertificateError,
    CertificateFiles,
    a_label,
    der_text,
    der_text_value,
    ensure,
    find,
    read,
    read_key,
    self_signed,
    services,
    write,
)
from xmppd.net.tls.identity import xmpp_addresses

HOST = "example.org"


class FolderTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.certs = self.folder / "certs"

    def settings(self, extra: str = "", hosts: tuple[str, ...] = (HOST,)) -> Settings:
        return make_settings(self.folder, extra, hosts)

    def touch(self, name: str) -> Path:
        path = self.certs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path


class FindTests(FolderTestCase):
    def test_none(self) -> None:
        self.assertIsNone(find(self.settings(), HOST))

    def test_in_the_folder_best_first(self) -> None:
        for certificate, key in (
            ("example.org/fullchain.pem", "example.org/privkey.pem"),
            ("example.org.pem", "example.org.pem"),
            ("example.org.crt", "example.org.key"),
        ):
            self.touch(certificate)
            self.assertEqual(find(self.settings(), HOST), CertificateFiles(self.certs / certificate, self.certs / key))

    def test_internationalized(self) -> None:
        path = self.touch("xn--bcher-kva.example.pem")
        self.assertEqual(find(self.settings(hosts=("bücher.example",)), "bücher.example"), CertificateFiles(path, path))

    def test_one_for_every_host(self) -> None:
        settings = self.settings('[tls]\ncertificate = "all.pem"')
        everywhere = CertificateFiles(self.folder / "all.pem", self.folder / "all.pem")
        self.assertEqual(find(settings, HOST), everywhere)
        own = self.touch("example.org.pem")
        self.assertEqual(find(settings, HOST), CertificateFiles(own, own))

    def test_named_by_the_host(self) -> None:
        self.touch("example.org.pem")
        extra = '[hosts."example.net"]\ncertificate = "c"\nkey = "k"\n[hosts."example.com"]\ncertificate = "c"'
        settings = self.settings(extra)
        self.assertEqual(find(settings, "example.net"), CertificateFiles(self.folder / "c", self.folder / "k"))
        self.assertEqual(find(settings, "example.com"), CertificateFiles(self.folder / "c", self.folder / "c"))


class ServiceTests(FolderTestCase):
    def test_beneath_hosts_and_of_components(self) -> None:
        settings = self.settings('[components."sms.example"]\nsecret = "x"', hosts=(HOST, "bücher.example"))
        self.assertEqual(list(services(settings)), [])
        for name in (
            "example.org.crt", "conference.example.org.crt", "conference.example.org.key",
            "irc.example.org/fullchain.pem",
            "empty.example.org/README", "a.xn--bcher-kva.example.pem", "sms.example.pem", "xmpp.example.com.pem",
            "notexample.org.pem", "README",
        ):  # fmt: skip
            self.touch(name)
        self.assertEqual(
            list(services(settings)),
            ["a.xn--bcher-kva.example", "conference.example.org", "irc.example.org", "sms.example"],
        )


class EnsureTests(FolderTestCase):
    def test_made_once(self) -> None:
        settings = self.settings()
        files, made = ensure(settings, HOST, NOW)
        self.assertTrue(made)
        octets = files.certificate.read_bytes()
        self.assertEqual(ensure(settings, HOST, NOW), (files, False))
        self.assertEqual(files.certificate.read_bytes(), octets)
        self.assertEqual(read(files).leaf.subject.rfc4514_string(), "CN=example.org")

    def test_permissions(self) -> None:
        files, _ = ensure(self.settings(), HOST, NOW)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (files.key, files.certificate, self.certs)]
        self.assertEqual(modes, [0o600, 0o644, 0o700])

    def test_a_key_is_never_overwritten(self) -> None:
        self.touch("example.org.key").write_text("precious")
        with self.assertRaises(CertificateError):
            ensure(self.settings(), HOST, NOW)
        self.assertEqual((self.certs / "example.org.key").read_text(), "precious")

    def test_a_folder_that_cannot_be_made(self) -> None:
        self.certs.write_text("in the way")
        with self.assertRaises(CertificateError) as caught:
            ensure(self.settings(), HOST, NOW)
        self.assertIn("can't be written", str(caught.exception))


class SelfSignedTests(unittest.TestCase):
    def test_names(self) -> None:
        leaf = self_signed("bücher.example", NOW).leaf
        self.assertEqual(dns_names(leaf), ["xn--bcher-kva.example"])
        self.assertEqual(xmpp_addresses(leaf), ("bücher.example",))
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        services = [name.value for name in names.get_values_for_type(x509.OtherName) if name.type_id == SRV_NAME]
        self.assertEqual(
            [der_text_value(value) for value in services],
            ["_xmpp-client.xn--bcher-kva.example", "_xmpp-server.xn--bcher-kva.example"],
        )

    def test_of_an_address(self) -> None:
        self.assertEqual(dns_names(self_signed("[2001:db8::1]", NOW).leaf), ["2001:db8::1"])

    def test_validity(self) -> None:
        leaf = self_signed(HOST, NOW).leaf
        self.assertLess(leaf.not_valid_before_utc, NOW)
        self.assertEqual(leaf.not_valid_after_utc, NOW + timedelta(days=SELF_SIGNED_DAYS))

    def test_it_signs_itself(self) -> None:
        leaf = self_signed(HOST, NOW).leaf
        leaf.verify_directly_issued_by(leaf)

    def test_a_long_name(self) -> None:
        host = ".".join(["a" * 60] * 4)
        self.assertEqual(dns_names(self_signed(host, NOW).leaf), [host])


class ReadTests(FolderTestCase):
    def test_both_in_one_file(self) -> None:
        files = CertificateFiles(self.folder / "x.pem", self.folder / "x.pem")
        credentials = issue(HOST)
        write(files, credentials)
        self.assertEqual(read(files).chain, credentials.chain)
        self.assertEqual(stat.S_IMODE(files.key.stat().st_mode), 0o600)

    def test_a_directory(self) -> None:
        with self.assertRaises(CertificateError) as caught:
            read_key(self.folder)
        self.assertEqual(str(caught.exception), f"{self.folder}: can't be read: Is a directory")

    def test_a_key_that_cannot_sign(self) -> None:
        path = self.folder / "k"
        key = X25519PrivateKey.generate()
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with self.assertRaises(CertificateError) as caught:
            read_key(path)
        self.assertIn("can't sign", str(caught.exception))


class NameTests(unittest.TestCase):
    def test_a_label(self) -> None:
        for domain, expected in (
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[::1]", "[::1]"),
        ):
            self.assertEqual(a_label(domain), expected)

    @given(st.text(max_size=400))
    def test_der_round_trip(self, text: str) -> None:
        self.assertEqual(der_text_value(der_text(0x0C, text)), text)

    @given(st.binary(max_size=40))
    def test_der_of_strangers(self, value: bytes) -> None:
        der_text_value(value)
