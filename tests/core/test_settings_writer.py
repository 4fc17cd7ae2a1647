"""Changing one option in a settings file, and nothing else."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
import unittest
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.core.settings_writer import UNSET, SettingsFile, UnwritableError, edited

FILE = """\
# Our server.
[limits]
connections = 500   # for the old machine

[server]
data_dir = "/var/lib/xmppd"

[hosts."example.org"]  # the first
admins = [
    "you@example.org",  # Alice
]

[hosts."example.org".muc]
archive_days = 90
"""
HOST = ("hosts", "example.org")


class EditedTests(unittest.TestCase):
    def test_only_the_value_changes(self) -> None:
        self.assertEqual(
            edited(FILE, (("limits", "connections"), 900)),
            FILE.replace("connections = 500   # for", "connections = 900   # for"),
        )

    def test_new_options(self) -> None:
        text = edited(FILE, ((*HOST, "muc", "archive_search"), False))
        self.assertIn("archive_days = 90\narchive_search = false\n", text)
        text = edited(FILE, ((*HOST, "plugins"), ["-muc"]))
        self.assertLess(text.index('plugins = ["-muc"]'), text.index('[hosts."example.org".muc]'))

    def test_new_tables(self) -> None:
        text = edited(FILE, ((*HOST, "archive", "days"), 7))
        self.assertIn('[hosts."example.org".archive]\ndays = 7\n', text)
        text = edited(FILE, (("s2s", "domains", "example.net", "policy"), "dialback"))
        self.assertEqual(tomllib.loads(text)["s2s"]["domains"]["example.net"], {"policy": "dialback"})

    def test_taken_out(self) -> None:
        self.assertEqual(edited(FILE, ((*HOST, "muc", "archive_days"), UNSET)), FILE.replace("archive_days = 90\n", ""))
        self.assertEqual(edited(FILE, (("s2s", "policy"), UNSET)), FILE, "it isn't there")

    def test_ways_to_write_a_table(self) -> None:
        for text in (
            "limits = { connections = 500 }\n",
            "limits.connections = 500\n",
            "[hosts.a]\n[limits]\nconnections = 500\n[hosts.b]\n",
            "[hosts.a.muc]\nx = 1\n[limits]\nconnections = 500\n[hosts.a]\nadmins = []\n",
        ):
            with self.subTest(text=text):
                new = tomllib.loads(edited(text, (("limits", "connections"), 7)))
                self.assertEqual(new["limits"], {"connections": 7})
                new = tomllib.loads(edited(text, (("hosts", "a", "federate"), False)))
                self.assertIs(new["hosts"]["a"]["federate"], False)

    def test_what_can_t_be_changed(self) -> None:
        with self.assertRaisesRegex(UnwritableError, r"x.toml: \[limits\] connections can't be changed here"):
            edited("limits = 5\n", (("limits", "connections"), 7), "x.toml")
        with self.assertRaisesRegex(SettingsError, "not TOML"):
            edited("limits = \n", (("limits", "connections"), 7))

    @given(
        st.sampled_from([("limits", "connections"), ("a b", "c"), (*HOST, "muc", "x"), ("server", "data_dir")]),
        st.recursive(
            st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(st.characters(exclude_categories=["Cs"])),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab c", min_size=1), inner, max_size=3),
        ),
    )
    def test_it_says_what_was_asked_for(self, path: tuple[str, ...], value: Any) -> None:
        try:
            found: Any = tomllib.loads(edited(FILE, (path, value)))
        except UnwritableError:
            return  # better no change than a wrong one
        for name in path:
            found = found[name]
        self.assertEqual(found, value)


class FileTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "xmppd.toml"
        self.path.write_text(FILE, "utf-8")
        self.path.chmod(0o640)
        self.file = SettingsFile(self.path)

    def test_change(self) -> None:
        settings = self.file.change((("limits", "connections"), 900))
        self.assertEqual(settings.limits.connections, 900)
        self.assertEqual(self.path.read_text("utf-8"), FILE.replace("500", "900"))
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o640)
        self.assertEqual(os.listdir(self.folder), ["xmppd.toml"])
        self.assertEqual(self.file.table()["limits"], {"connections": 900})

    def test_a_link_stays_one(self) -> None:
        link = self.folder / "link.toml"
        link.symlink_to(self.path)
        SettingsFile(link).change((("limits", "connections"), 900))
        self.assertTrue(link.is_symlink())
        self.assertIn("900", self.path.read_text("utf-8"))

    def test_wrong_values_are_not_written(self) -> None:
        for path, value, words in (
            (("limits", "connections"), 0, "connections must be at least 1, not 0"),
            (("limits", "conections"), 1, 'did you mean "connections"?'),
            ((*HOST, "admins"), ["nobody"], "is not of the form user@domain"),
        ):
            with self.subTest(words=words), self.assertRaises(SettingsError) as caught:
                self.file.change((path, value))
            self.assertIn(words, str(caught.exception))
        self.assertEqual(self.path.read_text("utf-8"), FILE)

    def test_who_else_has_a_say(self) -> None:
        def check(settings: Settings) -> None:
            raise SettingsError([f"not {settings.limits.connections}"])

        with self.assertRaisesRegex(SettingsError, "not 7"):
            self.file.change((("limits", "connections"), 7), check)
        self.assertEqual(self.path.read_text("utf-8"), FILE)

    def test_a_file_that_is_not_there(self) -> None:
        self.path.unlink()
        with self.assertRaisesRegex(UnwritableError, "can't be read: No such file"):
            self.file.change((("limits", "connections"), 7))

    def test_a_file_that_may_not_be_written(self) -> None:
        for path in (self.path, self.folder):
            mode = path.stat().st_mode
            path.chmod(mode & ~0o222)
            try:
                if os.access(path, os.W_OK):
                    raise unittest.SkipTest("nothing is forbidden to this user")
                with self.assertRaisesRegex(UnwritableError, "can't be written: .*ermission denied"):
                    self.file.change((("limits", "connections"), 7))
            finally:
                path.chmod(mode)
        self.assertEqual(self.path.read_text("utf-8"), FILE)

    def test_what_was_left_behind(self) -> None:
        """A server that was killed while it wrote leaves a file beside, which is in nobody's way for ever."""
        (self.folder / f".xmppd.toml.{os.getpid()}.new").write_text("half", "utf-8")
        self.file.change((("limits", "connections"), 900))
        self.assertEqual(os.listdir(self.folder), ["xmppd.toml"])
