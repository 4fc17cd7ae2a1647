"""The first start: what it makes, what it leaves alone, what it says."""

from __future__ import annotations

import os
import stat
import tempfile
import unittest
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor

from xmppd.app import firststart
from xmppd.app.firststart import default_folder, default_settings_file, first_start
from xmppd.core.options import SettingsError
from xmppd.core.settings_file import load
from xmppd.net.tls.certificates import find, read

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class FirstStartTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "some/data"

    def test_makes_everything(self) -> None:
        path, words = first_start(self.folder, NOW)
        self.assertEqual(path, self.folder / "xmppd.toml")
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        settings = load(path)
        self.assertEqual(list(settings.hosts), ["localhost"])
        self.assertEqual(settings.server.data_dir, self.folder)
        self.assertEqual(settings.database.url, f"sqlite:///{self.folder}/xmppd.sqlite")
        files = find(settings, "localhost")
        assert files is not None
        self.assertEqual(stat.S_IMODE(files.key.stat().st_mode), 0o600)
        self.assertEqual(read(files).leaf.subject.rfc4514_string(), "CN=localhost")
        for text in (str(self.folder), f"xmppctl -c {path} user add you@localhost", "5222", "5223"):
            self.assertIn(text, words)

    def test_listens_on_this_machine_only(self) -> None:
        for has_ipv6, addresses in ((True, {"127.0.0.1", "::1"}), (False, {"127.0.0.1"})):
            with mock.patch.object(firststart, "_has_ipv6", return_value=has_ipv6):
                path, _ = first_start(self.folder / str(has_ipv6), NOW)
            listen = load(path).listen
            for endpoints, port in (
                (listen.c2s, 5222), (listen.c2s_tls, 5223), (listen.http, 5280), (listen.https, 5281),
            ):  # fmt: skip
                reactor = MemoryReactor()
                for endpoint in endpoints:
                    serverFromString(reactor, endpoint).listen(None)
                self.assertEqual(
                    {(server[3], server[0]) for server in reactor.tcpServers}, {(a, port) for a in addresses}
                )

    def test_the_second_start_changes_nothing(self) -> None:
        path, _ = first_start(self.folder, NOW)
        before = {file: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        again, words = first_start(self.folder, NOW)
        self.assertEqual(again, path)
        self.assertEqual(words, f"No settings file was named (-c FILE), so xmppd uses {path}\n")
        self.assertEqual({file: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}, before)

    def test_settings_of_the_operator_stay(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "xmppd.toml").write_text("not TOML")
        first_start(self.folder, NOW)
        self.assertEqual((self.folder / "xmppd.toml").read_text(), "not TOML")

    def test_a_folder_that_cannot_be_made(self) -> None:
        self.folder.parent.parent.joinpath("some").write_text("in the way")
        with self.assertRaises(SettingsError) as caught:
            first_start(self.folder, NOW)
        self.assertIn("can't be written: Not a directory", str(caught.exception))

    def test_the_default_folder_needs_no_option(self) -> None:
        with mock.patch.dict(os.environ, {"STATE_DIRECTORY": "", "XDG_DATA_HOME": str(self.folder)}):
            _, words = first_start(self.folder / "xmppd", NOW)
        self.assertIn("  xmppctl user add you@localhost\n", words)


class DefaultFolderTests(unittest.TestCase):
    def test_folders(self) -> None:
        home = Path.home() / ".local/share/xmppd"
        for environment, expected in (
            ({}, home),
            ({"XDG_DATA_HOME": "/data"}, Path("/data/xmppd")),
            ({"XDG_DATA_HOME": "relative"}, home),
            ({"XDG_DATA_HOME": "/data", "STATE_DIRECTORY": "/var/lib/xmppd"}, Path("/var/lib/xmppd")),
            ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, Path("/var/lib/a")),
        ):
            self.assertEqual(default_folder(environment), expected)

    def test_no_home(self) -> None:
        with mock.patch.object(Path, "home", side_effect=RuntimeError), self.assertRaises(SettingsError):
            default_folder({})

    def test_settings_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(default_settings_file({"STATE_DIRECTORY": folder}))
            path, _ = first_start(Path(folder), NOW)
            self.assertEqual(default_settings_file({"STATE_DIRECTORY": folder}), path)
