"""Imports go down only: wire <- api <- core <- net <- app, and plugins see api and wire."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from unittest import TestCase

ROOT = Path(__file__).resolve().parent.parent

#: What each layer may import of xmppd (besides itself) and of Twisted; None: all of Twisted.
LAYERS: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {
    "wire": ((), ("twisted.words.xish",)),
    "api": (
        ("xmppd.wire",),
        ("twisted.internet.defer", "twisted.internet.error", "twisted.logger", "twisted.python", "twisted.words"),
    ),
    "core": (
        ("xmppd.wire", "xmppd.api"),
        ("twisted.internet.defer", "twisted.logger", "twisted.plugin", "twisted.python"),
    ),
    "net": (("xmppd.wire", "xmppd.api", "xmppd.core"), None),
    "app": (("xmppd.wire", "xmppd.api", "xmppd.core", "xmppd.net"), None),
}
PLUGINS = (("xmppd.wire", "xmppd.api"), ("twisted.internet.defer", "twisted.words.xish"))
#: The release of xmppd is no layer.
VERSION = "xmppd.__version__"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module or module.name) for every import, also those for type checking only."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Is that name one of the packages, or in one?"""
    return any(name == package or name.startswith(package + ".") for package in packages)


def offences(path: Path, own: str, xmppd: tuple[str, ...], twisted: tuple[str, ...] | None) -> Iterator[str]:
    """Yield file and line of what a file may not import."""
    for line, name in imports(path):
        place = f"{path.relative_to(ROOT)}:{line}"
        ours = within(name, ("xmppd",)) and name not in (VERSION, "xmppd")
        foreign = twisted is not None and within(name, ("twisted",)) and not within(name, twisted)
        if name == "twisted.internet.reactor" and own != "xmppd.app":
            yield f"{place}: the reactor is passed in, not imported"
        elif foreign or (ours and not within(name, (own, *xmppd))):
            yield f"{place}: {own} may not import {name}"


class Imports(TestCase):
    maxDiff = None

    def check(self, folder: Path, own: str, xmppd: tuple[str, ...], twisted: tuple[str, ...] | None) -> None:
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]
        self.assertTrue(files)
        self.assertEqual([offence for file in files for offence in offences(file, own, xmppd, twisted)], [])

    def test_layers(self) -> None:
        for layer, (xmppd, twisted) in LAYERS.items():
            with self.subTest(layer=layer):
                self.check(ROOT / "xmppd" / layer, f"xmppd.{layer}", xmppd, twisted)

    def test_plugins(self) -> None:
        for path in sorted((ROOT / "plugins").iterdir()):
            if path.suffix == ".py" or (path / "__init__.py").exists():
                with self.subTest(plugin=path.stem):
                    self.check(path, f"xmppd.plugins.{path.stem}", *PLUGINS)

    def test_nobody_imports_the_tests_tools(self) -> None:
        for layer in LAYERS:
            for path in sorted((ROOT / "xmppd" / layer).rglob("*.py")):
                self.assertFalse([n for _, n in imports(path) if within(n, ("xmppd.testing", "tests"))], path)

    def test_an_offence_is_named(self) -> None:
        found = list(offences(ROOT / "xmppd/core/hosts.py", "xmppd.wire", (), ("twisted.words.xish",)))
        self.assertIn("xmppd.core.", found[-1] + found[0])
        self.assertRegex(found[0], r"\Axmppd/core/hosts\.py:\d+: xmppd\.wire may not import xmppd\.")
