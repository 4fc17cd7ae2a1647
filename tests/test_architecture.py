"""The rules of the architecture, by reading the sources: what may import what, and how long files and functions may be.

Arrows point down only: wire <- api <- core <- net <- app. A plugin sees api, wire and itself. Each rule is also tried
on planted offences, so that it is known to find them.
"""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 400, 600, 40
_LEFTOVER = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X])\b")
#: A name with one underscore before it; `_replace` of named tuples is public whatever it looks like.
_PRIVATE = re.compile(r"_(?!_|replace$)")


@dataclass(frozen=True)
class Layer:
    """What the modules of a layer may not import: prefixes of dotted names; `but` are exceptions."""

    forbidden: tuple[str, ...]
    but: tuple[str, ...] = ()


_NO_NETWORK = ("twisted.internet", "socket", "asyncio", "selectors", "threading", "OpenSSL")
_VERSION = "xmppd.__version__"
_NO_TIME = ("time", "logging", "twisted.logger", "twisted.python.log")
LAYERS = {
    "xmppd.wire": Layer(("xmppd", "twisted", "zope", "sqlalchemy", "pydantic", *_NO_NETWORK, *_NO_TIME),
                        ("xmppd.wire", "twisted.words.xish")),
    "xmppd.api": Layer(("xmppd", *_NO_NETWORK),
                       ("xmppd.api", "xmppd.wire", "twisted.internet.defer", "twisted.internet.error")),
    "xmppd.core": Layer(("xmppd", *_NO_NETWORK),
                        ("xmppd.core", "xmppd.api", "xmppd.wire", "twisted.internet.defer", "threading")),
    "xmppd.net": Layer(("xmppd.app", "xmppd.plugins", "xmppd.testing", "twisted.internet.reactor")),
    "xmppd.app": Layer(("xmppd.plugins", "xmppd.testing")),
    "xmppd.testing": Layer(("xmppd.plugins", "twisted.internet.reactor")),
    "xmppd.plugins": Layer(("xmppd", *_NO_NETWORK), ("xmppd.api", "xmppd.wire", "twisted.internet.defer")),
}  # fmt: skip


def _is_in(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything a module imports, wherever it stands.

    :param package: the package the module is in, for relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def layer_offences(module: str, is_package: bool, source: str) -> list[str]:
    """Say which imports of a module its layer forbids, as ``line: text``."""
    layer = ".".join(module.split(".")[:2])
    rule = LAYERS.get(layer)
    if rule is None:
        return []
    own = ".".join(module.split(".")[:3]) if layer == "xmppd.plugins" else layer
    package = module if is_package else module.rpartition(".")[0]
    return [
        f"{line}: {module} may not import {name}"
        for line, name in imports(ast.parse(source), package)
        if _is_in(name, rule.forbidden) and not _is_in(name, (*rule.but, own, _VERSION))
    ]


def length_offences(path: str, source: str, limit: int) -> list[str]:
    """Say whether a file or one of its functions is too long; a docstring doesn't count for a function."""
    lines = len(source.splitlines())
    found = [f"{limit}: {path} has {lines} lines, {limit} are allowed"] if lines > limit else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > FUNCTION_LINES:
            found.append(f"{node.lineno}: {node.name} has {_length(node)} lines, {FUNCTION_LINES} are allowed")
    return found


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    start = first.lineno - 1 if ast.get_docstring(node) is None else first.end_lineno
    return (node.end_lineno or 0) - (start or 0)


def habit_offences(source: str, is_package: bool = False) -> list[str]:
    """Say what every module of ours begins with, and this one does not. A package may hold imports alone."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["1: there is no docstring"]
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    if len(tree.body) > 1 and not futures and not is_package:
        found.append("1: there is no `from __future__ import annotations`")
    return found


def leftover_offences(source: str) -> list[str]:
    """Say which comments were to be dealt with later: notes to oneself have no place here."""
    return [f"{n}: {m[0]}" for n, line in enumerate(source.splitlines(), 1) if (m := _LEFTOVER.search(line))]


def plugin_offences(source: str) -> list[str]:
    """Say where a plugin works around the API: others' private attributes, ignored types, asserted classes."""
    found = [f"{n}: ignores types" for n, line in enumerate(source.splitlines(), 1) if "# type: ignore" in line]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _PRIVATE.match(node.attr) and _owner(node) not in ("self", "cls"):
            found.append(f"{node.lineno}: {ast.unparse(node)} is private")
        if isinstance(node, ast.Assert) and "isinstance(" in ast.unparse(node.test):
            found.append(f"{node.lineno}: asserts a class")
    return found


def _owner(node: ast.Attribute) -> str:
    return node.value.id if isinstance(node.value, ast.Name) else ""


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            # xmppd/plugins is plugins/ once more; what is hidden is others', such as an environment for a test.
            if not path.is_relative_to(ROOT / "xmppd/plugins") and "/." not in str(path.relative_to(ROOT)):
                yield path.relative_to(ROOT)


def _module(path: Path) -> tuple[str, bool]:
    parts = path.with_suffix("").parts
    if parts[0] == "plugins":
        parts = ("xmppd", *parts)
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package


class ArchitectureTests(unittest.TestCase):
    def assertNone(self, offences: Iterable[str]) -> None:
        found = "\n".join(offences)
        self.assertFalse(found, "\n" + found)

    def test_layers(self) -> None:
        self.assertNone(
            f"{path}:{offence}"
            for path in _sources("xmppd", "plugins")
            for offence in layer_offences(*_module(path), (ROOT / path).read_text("utf-8"))
        )

    def test_lengths(self) -> None:
        self.assertNone(
            f"{path}:{offence}"
            for path in _sources(".ci", "xmppd", "plugins", "twisted", "tests", "bench")
            for offence in length_offences(
                str(path), (ROOT / path).read_text("utf-8"), TEST_FILE_LINES if path.parts[0] == "tests" else FILE_LINES
            )
        )

    def test_habits(self) -> None:
        self.assertNone(
            f"{path}:{offence}"
            for path in _sources("xmppd", "plugins")
            for offence in habit_offences((ROOT / path).read_text("utf-8"), _module(path)[1])
        )

    def test_nothing_is_left_over(self) -> None:
        self.assertNone(
            f"{path}:{offence}"
            for path in _sources(".ci", "xmppd", "plugins", "twisted", "tests", "bench")
            for offence in leftover_offences((ROOT / path).read_text("utf-8"))
        )

    def test_plugins_keep_to_the_api(self) -> None:
        self.assertNone(
            f"{path}:{offence}"
            for path in _sources("plugins")
            for offence in plugin_offences((ROOT / path).read_text("utf-8"))
        )

    def test_something_is_looked_at(self) -> None:
        modules = {_module(path)[0] for path in _sources("xmppd", "plugins")}
        self.assertLessEqual({"xmppd.wire.jid", "xmppd.core.options", "xmppd.plugins.ping"}, modules)
        self.assertEqual({".".join(name.split(".")[:2]) for name in modules} - set(LAYERS), {"xmppd"})


class PlantedTests(unittest.TestCase):
    """Offences are found, and named by line and name."""

    def test_layers(self) -> None:
        for module, source, expected in (
            ("xmppd.wire.x", "import re\nimport xmppd.api", ["2: xmppd.wire.x may not import xmppd.api"]),
            ("xmppd.wire.x", "from twisted.words.xish import domish\nfrom xmppd.wire import ns", []),
            ("xmppd.wire.x", "def f():\n    from time import time", ["2: xmppd.wire.x may not import time.time"]),
            ("xmppd.wire.x", "from .. import core", ["1: xmppd.wire.x may not import xmppd.core"]),
            ("xmppd.api.x", "from xmppd.core.y import z", ["1: xmppd.api.x may not import xmppd.core.y.z"]),
            ("xmppd.core.x", "from twisted.internet import defer, reactor",
             ["1: xmppd.core.x may not import twisted.internet.reactor"]),
            ("xmppd.core.x", "from twisted.internet.defer import Deferred\nimport xmppd.wire.jid", []),
            ("xmppd.core.x", "from xmppd import net", ["1: xmppd.core.x may not import xmppd.net"]),
            ("xmppd.net.x", "import xmppd.plugins.ping", ["1: xmppd.net.x may not import xmppd.plugins.ping"]),
            ("xmppd.net.x", "import xmppd.core.y\nfrom twisted.internet import ssl", []),
            ("xmppd.plugins.x", "from xmppd.api import Plugin\nfrom xmppd.wire.jid import Jid", []),
            ("xmppd.plugins.x", "from xmppd import __version__", []),
            ("xmppd.plugins.x", "import xmppd.core", ["1: xmppd.plugins.x may not import xmppd.core"]),
            ("xmppd.plugins.x.y", "from xmppd.plugins.x import z\nfrom . import rules", []),
            ("xmppd.plugins.x.y", "from xmppd.plugins import roster",
             ["1: xmppd.plugins.x.y may not import xmppd.plugins.roster"]),
            ("xmppd.plugins.x", "from twisted.internet import task",
             ["1: xmppd.plugins.x may not import twisted.internet.task"]),
        ):  # fmt: skip
            self.assertEqual(layer_offences(module, False, source), expected, source)

    def test_relative_imports_of_a_package(self) -> None:
        self.assertEqual(layer_offences("xmppd.plugins.x", True, "from . import rules"), [])
        self.assertEqual(
            layer_offences("xmppd.plugins.x", True, "from ..y import rules"),
            ["1: xmppd.plugins.x may not import xmppd.plugins.y.rules"],
        )

    def test_lengths(self) -> None:
        self.assertEqual(length_offences("x", "a = 1\n" * 400, 400), [])
        self.assertEqual(length_offences("x", "a = 1\n" * 401, 400), ["400: x has 401 lines, 400 are allowed"])
        body = '    """Doc.\n\n    More.\n    """\n' + "    a = 1\n" * 40
        self.assertEqual(length_offences("x", "def f():\n" + body, 400), [])
        self.assertEqual(
            length_offences("x", "\ndef f():\n" + body + "    b = 2\n", 400),
            ["2: f has 41 lines, 40 are allowed"],
        )

    def test_leftovers(self) -> None:
        self.assertEqual(leftover_offences("a = 1\n# TOD" + "O: more"), ["2: TOD" + "O"])
        self.assertEqual(leftover_offences("mastodon = 'to do'"), [])

    def test_plugins(self) -> None:
        self.assertEqual(plugin_offences("self._x = cls._y = item._replace(a=1)"), [])
        self.assertEqual(plugin_offences("\nself.host._router"), ["2: self.host._router is private"])
        self.assertEqual(plugin_offences("assert isinstance(a, B)"), ["1: asserts a class"])
        self.assertEqual(plugin_offences("a = b  # type: ignore[misc]"), ["1: ignores types"])

    def test_habits(self) -> None:
        self.assertEqual(habit_offences('"""Doc."""'), [])
        self.assertEqual(habit_offences("import re"), ["1: there is no docstring"])
        self.assertEqual(
            habit_offences('"""Doc."""\nimport re'), ["1: there is no `from __future__ import annotations`"]
        )
