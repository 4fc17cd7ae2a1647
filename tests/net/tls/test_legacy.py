"""TLS for old clients: what is weak stays on their ports."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xmppd.core.options import SettingsError
from xmppd.core.settings_file import from_table
from xmppd.net.tls.certificates import CertificateFiles, self_signed, write
from xmppd.net.tls.transport import ServerTls

NOW = datetime.now(UTC)


class LegacyTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def tls(self, legacy: Mapping[str, Any], listen: bool = True) -> ServerTls:
        """Return the TLS of a server with these settings."""
        ports = {"c2s_legacy_tls": ["tcp:5322"]} if listen else {"c2s": ["tcp:5222"]}
        table = {"hosts": {"example.org": {}}, "listen": ports, "legacy_tls": dict(legacy)}
        return ServerTls(from_table(table, "the settings of the test", self.folder), NOW)

    def test_own_certificate(self) -> None:
        """Old clients may be shown another certificate, such as one with RSA."""
        write(CertificateFiles(self.folder / "old.pem", self.folder / "old.pem"), self_signed("old.example.org", NOW))
        tls = self.tls({"certificate": "old.pem"})
        shown = [contexts.get("example.org").end_point for contexts in (tls._legacy, tls._starttls)]
        self.assertNotEqual(*shown)

    def test_certificate_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(SettingsError, r"\[legacy_tls\]: .*none\.pem"):
            self.tls({"certificate": "none.pem"})

    def test_unknown_ciphers(self) -> None:
        with self.assertRaisesRegex(SettingsError, r"\[legacy_tls\]: ciphers"):
            self.tls({"ciphers": "ROT13"})

    def test_key_alone(self) -> None:
        with self.assertRaisesRegex(SettingsError, r'\[legacy_tls\]: "key" is there, but not "certificate"'):
            self.tls({"key": "old.key"})

    def test_without_such_a_port(self) -> None:
        """There is nothing weak anywhere."""
        tls = self.tls({}, listen=False)
        self.assertIs(tls._legacy, tls._starttls)
