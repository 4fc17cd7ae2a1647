"""Certificates in ``xmppctl check``."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from cryptography import x509

from tests.net.tls_peers import NOW, issue, make_settings
from xmppd.app.checks import Finding
from xmppd.app.checks_certificates import check_certificates
from xmppd.net.tls.certificates import CertificateFiles, Credentials, candidates, ensure, write


class CheckCertificateTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = make_settings(Path(folder.name), hosts=("example.org",))
        self.files = next(candidates(self.settings.tls.certificate_dir, "example.org"))
        self.settings.tls.certificate_dir.mkdir()

    def findings(self) -> list[Finding]:
        return list(check_certificates(self.settings, NOW))

    def test_none(self) -> None:
        (finding,) = self.findings()
        self.assertEqual((finding.level, finding.subject), ("warning", "certificate of example.org"))
        self.assertIn(f"{self.files.certificate}, and its key", finding.advice)
        self.assertIn('[hosts."example.org"]', finding.advice)
        self.assertFalse(self.files.certificate.exists())

    def test_self_signed(self) -> None:
        ensure(self.settings, "example.org", NOW)
        (finding,) = self.findings()
        self.assertEqual(finding.level, "warning")
        self.assertIn("signed it itself", finding.text)

    def test_good(self) -> None:
        root = issue("Root", authority=True)
        leaf = issue("example.org", [x509.DNSName("example.org")], root)
        write(self.files, Credentials(leaf.key, (*leaf.chain, root.leaf)))
        (finding,) = self.findings()
        self.assertEqual(finding.level, "ok")
        self.assertEqual(finding.text, f"{self.files.certificate}, good until 2090-03-01")

    def test_by_an_authority_of_ones_own(self) -> None:
        """It is known here: `[s2s] ca` names it."""
        root = issue("Root", authority=True)
        leaf = issue("example.org", [x509.DNSName("example.org")], root)
        write(self.files, leaf)
        (finding,) = self.findings()
        self.assertIn("an intermediate certificate is missing", finding.text)
        ca = self.settings.tls.certificate_dir / "root"
        write(CertificateFiles(ca, ca.with_suffix(".key")), root)
        s2s = self.settings.s2s.model_copy(update={"ca": ca})
        self.settings = self.settings.model_copy(update={"s2s": s2s})
        self.assertEqual([finding.level for finding in self.findings()], ["ok"])

    def test_broken(self) -> None:
        self.files.certificate.write_text("nonsense")
        self.assertEqual([finding.level for finding in self.findings()], ["error"])
