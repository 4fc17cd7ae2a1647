"""`xmppctl s2s test` without a server: by the settings alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.trial.unittest import TestCase

from tests.net.tls_peers import make_settings
from xmppd.api.operations import OperationError
from xmppd.app.looking import Looking

reactor: Any = _reactor


class LookingTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def looking(self, extra: str) -> Looking:
        return Looking(make_settings(self.folder, extra), reactor)

    async def test_a_route(self) -> None:
        extra = '[s2s.domains."example.com"]\naddress = "127.0.0.1:1"'
        found = await self.looking(extra).inspect("example.org", "example.com")
        self.assertEqual(found["result"], "example.com can't be reached: 127.0.0.1 port 1: connection refused")
        self.assertEqual(list(self.folder.iterdir()), [])

    async def test_settings_that_cannot_be_used(self) -> None:
        (self.folder / "certs").mkdir()
        (self.folder / "certs/example.org.pem").write_text("nothing")
        for host, extra in (
            ("example.org", ""),
            ("example.net", '[s2s]\nca = "missing.pem"'),
            ("example.net", '[s2s]\nnameservers = ["ns.example"]'),
        ):
            with self.subTest(extra), self.assertRaises(OperationError):
                await self.looking(extra).inspect(host, "example.com")
