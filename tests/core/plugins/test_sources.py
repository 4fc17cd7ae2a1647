"""Where plugins come from: packages, folders, what a module must hold, what happens to broken ones."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from xmppd.core.plugins.sources import DirectorySource, PackageSource, PluginError, find_sources

GOOD = """
from xmppd.api import Component, Plugin
from xmppd.api.disco import DiscoComponent

class Good(Plugin):
    '''Good, version {version}.'''
"""


class FolderTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()

    def write(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def refusal(self, source: DirectorySource | PackageSource, name: str) -> str:
        return str(self.assertRaises(PluginError, source.load, name))


class Folders(FolderTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(sys, "dont_write_bytecode", False)
        self.source = DirectorySource(self.folder)
        self.addCleanup(self.forget)

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.startswith("xmppd_dropin_")]:
            del sys.modules[name]

    def test_files_and_packages_are_listed_without_importing_them(self) -> None:
        self.write("b.py", "raise SystemExit")
        self.write("a/__init__.py", "raise SystemExit")
        self.write("_private.py")
        self.write("readme.txt")
        self.write("empty/text.txt")
        self.assertEqual(self.source.names(), ["a", "b"])

    def test_the_plugin_is_named_like_its_module(self) -> None:
        self.write("greet.py", GOOD)
        plugin = self.source.load("greet")
        self.assertEqual((plugin.__name__, plugin.name), ("Good", "greet"))

    def test_a_file_is_read_anew(self) -> None:
        self.write("greet.py", GOOD.format(version=1))
        first = self.source.load("greet")
        self.write("greet.py", GOOD.format(version=2))
        self.assertIn("version 1", first.__doc__ or "")
        self.assertIn("version 2", self.source.load("greet").__doc__ or "")

    def test_a_package_is_read_anew_with_its_modules(self) -> None:
        self.write("greet/__init__.py", GOOD + "\nfrom xmppd_dropin_greet.words import WORD\nGood.word = WORD\n")
        self.write("greet/words.py", "WORD = 'one'\n")
        self.assertEqual(self.source.load("greet").word, "one")  # type: ignore[attr-defined]
        self.write("greet/words.py", "WORD = 'two'\n")
        self.assertEqual(self.source.load("greet").word, "two")  # type: ignore[attr-defined]

    def test_what_cannot_be_imported_is_refused_by_name(self) -> None:
        self.write("broken.py", "import nothing_of_that_name")
        found = self.refusal(self.source, "broken")
        self.assertIn("plugin broken", found)
        self.assertIn(str(self.folder / "broken.py"), found)
        self.assertIn("nothing_of_that_name", found)
        self.assertNotIn("xmppd_dropin_broken", sys.modules)

    def test_exactly_one_plugin_class(self) -> None:
        self.write("none.py", "from xmppd.api import Plugin")
        self.write("two.py", GOOD + "\nclass Better(Good):\n    '''Better.'''\n")
        self.assertIn("no plugin class", self.refusal(self.source, "none"))
        self.assertIn("2 plugin classes (Good, Better)", self.refusal(self.source, "two"))


class Packages(FolderTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(sys, "path", [str(self.folder), *sys.path])
        self.addCleanup(self.forget)

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0].startswith("xmppd_test_")]:
            del sys.modules[name]

    def test_modules_are_plugins(self) -> None:
        self.write("xmppd_test_acme/__init__.py")
        self.write("xmppd_test_acme/greet.py", GOOD)
        self.write("xmppd_test_acme/broken.py", "1 / 0")
        source = PackageSource("xmppd_test_acme")
        self.assertEqual(source.names(), ["broken", "greet"])
        self.assertEqual(source.load("greet").name, "greet")
        self.assertIn("ZeroDivisionError", self.refusal(source, "broken"))

    def test_a_package_that_is_gone_or_broken_harms_nobody(self) -> None:
        self.write("xmppd_test_broken/__init__.py", "1 / 0")
        for name in ("xmppd_test_gone", "xmppd_test_broken"):
            source = PackageSource(name)
            self.assertEqual(source.names(), [])
            self.assertIn(f"plugin greet ({name}.greet) can't be imported", self.refusal(source, "greet"))


class Finding(FolderTestCase):
    def test_bundled_plugins_come_first_and_folders_last(self) -> None:
        sources = find_sources([self.folder])
        self.assertEqual((sources[0].name, sources[0].bundled), ("xmppd.plugins", True))
        self.assertEqual((sources[-1].name, sources[-1].bundled), (str(self.folder), False))
        self.assertIn("roster", sources[0].names())

    def test_a_folder_that_is_not_there(self) -> None:
        error = self.assertRaises(PluginError, find_sources, [self.folder / "nothing"])
        self.assertIn("nothing does not exist", str(error))
