"""What the documents say is true: links lead somewhere, code runs, commands and settings exist, so do names.

A block of code whose language is followed by a file name is that file: the files of a page are put into a folder, and
their tests are run there. Blocks of Python without a name are tests by themselves.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
import unittest
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
from twisted.scripts._twistd_unix import ServerOptions

from tests.markdown import ROOT, Block, Page, pages
from xmppd.api.operations import operations_of
from xmppd.api.plugin import Plugin
from xmppd.app.cli import xmppctl
from xmppd.app.cli.backend import declarations
from xmppd.app.cli.commands import command_tree
from xmppd.app.firststart import first_start
from xmppd.app.options import Options
from xmppd.core.operations.catalogue import Entry, describe
from xmppd.core.options import validate_options
from xmppd.core.plugins.sources import DirectorySource, PackageSource, Source
from xmppd.core.settings_file import parse

PATIENCE = 300.0  # seconds until a test gives up; nothing is measured by it
BIN = Path(sys.executable).parent
README, WRITING, TESTING, GATEWAYS, REST = (
    Page(ROOT / name)
    for name in ("README.md", "docs/writing-a-plugin.md", "docs/testing.md", "docs/gateways.md", "docs/rest.md")
)
#: Programs of others that the documents mention.
FOREIGN = {
    "cp", "createdb", "createuser", "curl", "df", "install", "journalctl", "npm", "openssl", "pip",
    "slidge-whatsapp", "sqlite3", "ss", "systemctl", "tar", "turnutils_uclient", "useradd",
}  # fmt: skip
NO_MAKE = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VENV")}


def folder_with(test: unittest.TestCase, files: Mapping[str, str]) -> Path:
    """Return a new folder with these files, which goes with the test."""
    made = tempfile.TemporaryDirectory()
    test.addCleanup(made.cleanup)
    folder = Path(made.name).resolve()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def plugin_folders(files: Mapping[str, str]) -> set[str]:
    """Return the folders of plugins among the files of a page."""
    parents = {str(Path(name).parent) for name in files if name.endswith(".py")}
    return {parent for parent in parents if parent.endswith("plugins") and not parent.startswith("twisted")}


class Text(unittest.TestCase):
    def test_links(self) -> None:
        for page in pages():
            for link in page.links():
                path, _, anchor = link.partition("#")
                if ":" in path:
                    self.assertRegex(path, r"\Ahttps://", page)
                    continue
                target = (page.path.parent / path).resolve() if path else page.path
                self.assertTrue(target.exists(), f"{page}: {link} leads nowhere")
                if anchor:
                    self.assertIn(anchor, Page(target).anchors(), f"{page}: {link}")

    def test_paths(self) -> None:
        for page in pages():
            own = set(page.files())
            for code in page.code():
                if re.fullmatch(r"(xmppd|plugins|tests|docs|contrib|bench)/[\w./-]+", code) and code not in own:
                    at = [ROOT / code, ROOT / "xmppd" / code, page.path.parent / code]
                    self.assertTrue(any(path.exists() for path in at), f"{page}: there is no {code}")

    def test_pages_that_sources_mention(self) -> None:
        files = [
            path for top in ("xmppd", "plugins", "tests", "bench", "contrib") for path in (ROOT / top).rglob("*.*")
        ]
        # What `make interop` has installed is not ours.
        ours = [path for path in files if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
        for path in {path.resolve() for path in ours if path.suffix in (".py", ".toml", ".service", ".socket")}:
            for name in re.findall(r"docs/[\w/.-]+\.md", path.read_text("utf-8")):
                self.assertTrue((ROOT / name).exists(), f"{path}: there is no {name}")

    def test_names(self) -> None:
        """Architecture names functions beside their files."""
        found = list(Page(ROOT / "docs/architecture.md").named())
        self.assertGreater(len(found), 30)
        for source, name in found:
            module = importlib.import_module(".".join(source.relative_to(ROOT).with_suffix("").parts))
            with self.subTest(name=name):
                attrgetter(name)(module)

    def test_the_readme_leads_to_every_page(self) -> None:
        """By links, over other pages if need be; the decisions are linked as a folder."""
        reached, left = set(), [README]
        while left:
            page = left.pop()
            if page not in reached:
                reached.add(page)
                targets = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links()}
                left += [Page(target) for target in targets if target.suffix == ".md" and target.exists()]
        missing = [str(page) for page in pages() if page not in reached and page.path.parent.name != "decisions"]
        self.assertEqual(missing, [])

    def test_decisions_are_numbered(self) -> None:
        numbers = [page.path.name[:4] for page in pages() if page.path.parent.name == "decisions"]
        self.assertEqual(len(numbers), len(set(numbers)), numbers)
        for page in pages():
            if page.path.parent.name == "decisions":
                self.assertEqual(page.tokens[1].content.partition(".")[0], str(int(page.path.name[:4])), page)
                self.assertLessEqual({"context", "choice", "price"}, page.anchors(), page)


class Code(unittest.TestCase):
    """Plugins and tests of a page, run as the page says."""

    def run_page(self, page: Page, least: int) -> None:
        files = dict(page.files())
        for number, block in enumerate(page.blocks("python")):
            if not block.file:
                files[f"tests/test_block_{number}.py"] = block.text
        scenarios = [block.text for block in page.blocks("") if "[plugins]" in block.text]
        if scenarios:
            files |= {f"tests/scenarios/{number}.txt": text for number, text in enumerate(scenarios)}
            files["tests/test_scenarios.py"] = (
                "from pathlib import Path\nfrom xmppd.testing import scenario_tests\n"
                "here = Path(__file__).resolve().parent\n"
                "Scenarios = scenario_tests(here / 'scenarios', __name__)\n"
            )
        files = {name: text for name, text in files.items() if not name.startswith("twisted/")}
        folder = folder_with(self, files)
        path = [str(folder / name) for name in sorted(plugin_folders(files))]
        tests = sorted(name for name in files if re.fullmatch(r"tests/test_\w+\.py", name))
        ended = subprocess.run(
            [sys.executable, "-m", "twisted.trial", *tests],
            cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join([*path, str(ROOT)])},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        )  # fmt: skip
        self.assertEqual(ended.returncode, 0, f"{page}\n{ended.stdout}")
        passed = re.search(r"^PASSED \(successes=(\d+)\)$", ended.stdout, re.M)
        assert passed is not None, ended.stdout
        self.assertGreaterEqual(int(passed[1]), least)

    def test_readme(self) -> None:
        self.run_page(README, 1)

    def test_writing_a_plugin(self) -> None:
        self.run_page(WRITING, 100)

    def test_testing(self) -> None:
        self.run_page(TESTING, 2)

    def test_gateways(self) -> None:
        self.run_page(GATEWAYS, 5)

    def test_rest(self) -> None:
        self.run_page(REST, 1)

    def test_all_python_is_run(self) -> None:
        run = {README.path, WRITING.path, TESTING.path, GATEWAYS.path, REST.path}
        for page in pages():
            if page.path not in run:
                self.assertEqual([str(block) for block in page.blocks("python")], [])

    def test_package(self) -> None:
        """A distribution as `Shipping it` has it: after pip install its plugins are found."""
        files = WRITING.files()
        shipped = {name: files[name] for name in ("pyproject.toml", "setup.cfg")}
        shipped |= {name: text for name, text in files.items() if name.startswith("twisted/")}
        shipped |= {"acme_xmppd/__init__.py": '"""Plugins."""\n', "acme_xmppd/knock.py": files["my-plugins/knock.py"]}
        shipped["acme_xmppd/notes/__init__.py"] = files["my-plugins/notes.py"]
        listed = next(block.text for block in WRITING.blocks("text") if "setup.cfg" in block.text)
        self.assertEqual(sorted(shipped), sorted(listed.split()))
        folder = folder_with(self, shipped)
        pip = "-m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation"
        self.run_here(folder, *pip.split(), "--target", "out", ".")
        look = (
            "from xmppd.core.plugins.sources import find_sources\n"
            "source = next(s for s in find_sources() if s.name == 'acme_xmppd')\n"
            "print(*source.names(), source.load('notes').__name__)"
        )
        self.assertEqual(self.run_here(folder, "-c", look).split(), ["knock", "notes", "Notes"])

    def run_here(self, folder: Path, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "out"), str(ROOT)])}
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout


class Settings(unittest.TestCase):
    """Settings in the documents are valid, down to the options of plugins."""

    def test_settings(self) -> None:
        checked = 0
        for page in pages():
            files = page.files()
            folder = folder_with(self, files)
            own = [DirectorySource(folder / name) for name in sorted(plugin_folders(files))]
            for block in page.blocks("toml"):
                if not block.file:
                    self.check(block, [PackageSource("xmppd.plugins"), *own])
                    checked += 1
        self.assertGreater(checked, 5)

    def check(self, block: Block, sources: Sequence[Source]) -> None:
        text = block.text if "[hosts." in block.text else f'{block.text}\n[hosts."example.org"]\n'
        settings = parse(text, str(block), Path("/nowhere"))
        known = {name: source for source in sources for name in source.names()}
        for host in settings.hosts.values():
            for name in host.plugins:
                self.assertIn(name.removeprefix("-"), [*known, "*"], block)
            for name, table in host.plugin_options.items():
                validate_options(known[name].load(name).Options, table, str(block))


class Commands(unittest.TestCase):
    """Commands in the documents exist, with the options they are given."""

    def setUp(self) -> None:
        tree = command_tree([*declarations(), *self.of_plugins()], lambda *_: None)
        self.xmppctl = click.Group("xmppctl", params=xmppctl.params, commands={**xmppctl.commands, **tree})
        self.targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

    def of_plugins(self) -> Iterator[dict[str, Any]]:
        folder = folder_with(self, WRITING.files())
        for source in (PackageSource("xmppd.plugins"), DirectorySource(folder / "my-plugins")):
            for name in source.names():
                plugin: Plugin = source.load(name)(Mock(jid="example.org"))
                for operation in operations_of(plugin):
                    yield describe(Entry(operation.name, operation))

    def test_commands(self) -> None:
        self.enter(folder_with(self, {"users.csv": ""}))  # a file that one of them reads
        count = 0
        for page in pages():
            for block in page.blocks("sh"):
                for line in block.text.splitlines():
                    if line.strip():
                        with self.subTest(page=str(page), line=line):
                            self.check(shlex.split(line), page)
                        count += 1
        self.assertGreater(count, 50)

    def enter(self, folder: Path) -> None:
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(folder)

    def test_commands_in_text(self) -> None:
        self.enter(folder_with(self, {"users.csv": ""}))
        for page in pages():
            for code in page.code():
                words = shlex.split(code) if re.match(r"(make|xmppctl) [a-z]", code) and "..." not in code else []
                if words:
                    with self.subTest(page=str(page), code=code):
                        self.check(words, page)

    def check(self, words: list[str], page: Page) -> None:
        while re.fullmatch(r"[A-Z]+=\S+", words[0]):
            words = words[1:]
        program, *arguments = words
        name = program.rpartition("/")[2]
        if name == "sudo":
            self.check(arguments[2:] if arguments[0] == "-u" else arguments, page)
        elif name == "make":
            self.assertIn(arguments[0], self.targets)
        elif name == "xmppctl":
            self.parse_xmppctl(self.xmppctl, arguments)
        elif name == "twistd":
            self.parse_twistd(arguments)
        elif name in ("python", "python3"):
            self.parse_python(arguments, page)
        elif program.startswith((".venv/bin/", "/opt/xmppd/bin/")):
            self.assertTrue((BIN / name).exists(), f"{name} is not installed by make dev")
        else:
            self.assertIn(name, FOREIGN)
        for argument in arguments:
            if argument.startswith("contrib/"):
                self.assertTrue((ROOT / argument).exists(), argument)

    def parse_xmppctl(self, command: click.Command, arguments: list[str]) -> None:
        with command.make_context("xmppctl", list(arguments)) as context:
            if isinstance(command, click.Group):
                rest = [*context._protected_args, *context.args]
                self.assertTrue(rest, "a command is missing")
                self.assertIn(rest[0], command.commands)
                self.parse_xmppctl(command.commands[rest[0]], rest[1:])

    def parse_twistd(self, arguments: list[str]) -> None:
        if "xmppd" in arguments:
            at = arguments.index("xmppd")
            self.options_exist(arguments[at + 1 :], Options().longOpt)
            arguments = arguments[:at]
        self.options_exist(arguments, ServerOptions().longOpt)

    def options_exist(self, arguments: list[str], known: Sequence[str]) -> None:
        for argument in arguments:
            if argument.startswith("-"):
                self.assertIn(argument.removeprefix("--").partition("=")[0], [name.rstrip("=") for name in known])

    def parse_python(self, arguments: list[str], page: Page) -> None:
        if arguments[0] == "-m":
            self.assertIsNotNone(importlib.util.find_spec(arguments[1]), arguments[1])
            if arguments[1] == "twisted.trial":
                for name in arguments[2:]:
                    self.assertTrue(name in page.files() or importlib.util.find_spec(name) is not None, name)
        elif arguments[0] != "-c":
            self.assertTrue((ROOT / arguments[0]).exists(), arguments[0])
        else:
            compile(arguments[1], str(page), "exec")

    def test_what_make_stands_for(self) -> None:
        for target, block in (("run", 1), ("test", 2)):
            lines = list(README.blocks("sh"))[block].text.splitlines()
            dry = subprocess.run(
                ["make", "--dry-run", "--always-make", target, "VENV=.venv"],
                cwd=ROOT, env=NO_MAKE, capture_output=True, text=True, timeout=PATIENCE, check=True,
            )  # fmt: skip
            done = " ".join(dry.stdout.split()).replace(" --quiet --disable-pip-version-check", "")
            for line in lines:
                self.assertIn(line, done, f"make {target}")


class FirstSteps(unittest.TestCase):
    """The README's commands, one after the other, with a real server."""

    def setUp(self) -> None:
        self.folder = folder_with(self, {name: text for name, text in README.files().items() if "data" in name})
        self.settings = self.folder / "xmppd-data/xmppd.toml"
        first_start(self.folder / "xmppd-data", datetime.now(UTC))

    def test_readme(self) -> None:
        text = re.sub(r"tcp6?:\d+:interface=[^\"']*", "X", self.settings.read_text("utf-8"))
        for kind in ("c2s", "c2s_tls", "http", "https"):
            line = f'{kind} = ["tcp:{free_port()}:interface=127.0.0.1"]'
            text = re.sub(rf"^{kind} = .*$", line, text, flags=re.M)
        self.settings.write_text(text, "utf-8")
        plugin, conversation = self.commands("A first plugin"), self.commands("A first conversation")
        self.assertEqual([len(conversation), len(plugin)], [4, 2])
        server = self.start()
        for command in conversation:
            self.run_one(command)
        self.end(server)
        wanted = tomllib.loads(next(README.blocks("toml")).text)
        for table, keys in (("[server]", wanted["server"]), ("[hosts.localhost]", wanted["hosts"]["localhost"])):
            new = "".join(f"{key} = {value!r}\n" for key, value in keys.items() if f"\n{key} = " not in text)
            text = text.replace(f"{table}\n", f"{table}\n{new}")
        self.settings.write_text(text, "utf-8")
        self.assertEqual(tomllib.loads(text)["server"], wanted["server"])
        server = self.start()
        reloaded, info = (self.run_one(command) for command in plugin)
        self.assertEqual(reloaded.strip(), "Reloaded hello on localhost.")
        self.assertIn("Answer messages to the server's own address.", info)
        self.end(server)

    def commands(self, section: str) -> list[str]:
        """Return the commands of a section of the README."""
        text = README.path.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]

    def start(self) -> subprocess.Popen[str]:
        command = next(line for line in list(README.blocks("sh"))[1].text.splitlines() if "twistd" in line)
        process = subprocess.Popen(
            self.words(command), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "ready: serving localhost" in line:
                return process
        self.fail("".join(seen))

    def end(self, server: subprocess.Popen[str]) -> None:
        server.send_signal(signal.SIGTERM)
        # twistd stops in good order and then ends by the signal, as if it had not been caught.
        self.assertIn(server.wait(PATIENCE), (0, -signal.SIGTERM))

    def words(self, command: str) -> list[str]:
        return shlex.split(command.replace(".venv/bin", str(BIN)))

    def run_one(self, command: str) -> str:
        ended = subprocess.run(
            self.words(command),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        self.assertEqual(ended.returncode, 0, f"{command}: {ended.stdout}{ended.stderr}")
        return ended.stdout


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
