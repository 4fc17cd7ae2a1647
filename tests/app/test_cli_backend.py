"""xmppctl without a running server."""

from __future__ import annotations

import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from xmppd.app.cli.backend import OfflineBackend
from xmppd.core import settings_file
from xmppd.core.settings import Settings


class OfflineBackendTests(SynchronousTestCase):
    def settings(self, data_dir: str) -> Settings:
        text = f"[server]\ndata_dir = '{data_dir}'\n[accounts]\nhash_iterations = 4096\n[hosts.'example.org']\n"
        return settings_file.parse(text, "a test", Path(self.mktemp()).absolute())

    def test_accounts_can_be_made_before_the_first_start(self) -> None:
        folder = Path(self.mktemp()).absolute() / "data"
        backend = OfflineBackend(self.settings(str(folder)))
        backend.run("user add", {"jid": "romeo@example.org", "password": "wherefore"}, None, lambda done, of: None)
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        users = backend.run("user list", {}, None, lambda done, of: None)
        self.assertEqual([user["account"] for user in users], ["romeo@example.org"])
