"""The command line of twistd."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from twisted.python.usage import UsageError

from xmppd import __version__
from xmppd.app.options import Options
from xmppd.core.options import SettingsError

HOST = '[hosts."example.org"]\n'


class OptionsTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "xmppd.toml"
        self.path.write_text(HOST)

    def parse(self, *arguments: str) -> tuple[Options, str]:
        options = Options()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            options.parseOptions(arguments)
        return options, out.getvalue()

    def test_config(self) -> None:
        options, said = self.parse("-c", str(self.path))
        self.assertEqual(said, "")
        self.assertEqual(list(options.load().hosts), ["example.org"])

    def test_loaded_anew_each_time(self) -> None:
        options, _ = self.parse("--config", str(self.path))
        options.load()
        self.path.write_text('[hosts."example.net"]')
        self.assertEqual(list(options.load().hosts), ["example.net"])
        self.path.write_text("")
        with self.assertRaises(SettingsError):
            options.load()

    def test_a_relative_path_outlives_the_working_directory(self) -> None:
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        options, _ = self.parse("-c", "xmppd.toml")
        os.chdir("/")
        options.load()
        self.assertEqual(options.load().server.data_dir, self.folder / "xmppd-data")

    def test_wrong_settings_end_the_program(self) -> None:
        self.path.write_text(HOST + "[limit]")
        with self.assertRaises(SystemExit) as caught:
            self.parse("-c", str(self.path))
        self.assertEqual(
            caught.exception.code,
            f"xmppd can't start:\n{self.path}: there is no table [limit]; did you mean [limits]?",
        )

    def test_data_dir(self) -> None:
        options, said = self.parse("--data-dir", str(self.folder / "data"))
        self.assertIn("user add you@localhost", said)
        self.assertEqual(options.load().server.data_dir, self.folder / "data")

    def test_nothing(self) -> None:
        with mock.patch.dict(os.environ, {"STATE_DIRECTORY": str(self.folder / "state")}):
            options, _ = self.parse()
        self.assertEqual(options.load().server.data_dir, self.folder / "state")

    def test_both(self) -> None:
        with self.assertRaises(UsageError):
            self.parse("-c", str(self.path), "-d", "x")

    def test_version(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out, self.assertRaises(SystemExit):
            Options().parseOptions(["--version"])
        self.assertEqual(out.getvalue(), f"xmppd {__version__}\n")

    def test_help(self) -> None:
        text = Options().getUsage()
        self.assertIn("--config=", text)
        self.assertIn("--data-dir=", text)
