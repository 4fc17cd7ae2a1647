"""xmppd installed from a wheel, an sdist, and in editable mode: the command, the drop-ins and the plugins are there.

Each is installed into an empty virtual environment that borrows the dependencies of the running one.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0  # seconds until a test gives up; nothing is measured by it
TWISTD = ["-c", "from twisted.scripts.twistd import run; run()"]
LEFT_OUT = (".git", ".venv", "__pycache__", "*.egg-info", "build", "dist", ".*_cache", "_trial_temp*", ".hypothesis",
            "dropin.cache", "xmppd-data")  # fmt: skip
LOOK = """
import json, pathlib, sys
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
import xmppd, xmppd.plugins, xmppd.plugins.ping
from xmppd.core.plugins.sources import IPluginSource
sources = list(getPlugins(IPluginSource))
print(json.dumps({
    "file": xmppd.__file__,
    "plugins": xmppd.plugins.__file__,
    "commands": [maker.tapname for maker in getPlugins(IServiceMaker)],
    "sources": [source.name for source in sources],
    "names": sorted(name for source in sources for name in source.names()),
    "typed": pathlib.Path(xmppd.__file__).with_name("py.typed").exists(),
    "files": sorted(
        path.relative_to(folder).as_posix()
        for folder in [pathlib.Path(xmppd.plugins.__file__).parent]
        for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    ),
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it printed; fail with all of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if ended.returncode:
        raise AssertionError(f"{command} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


def files_of(folder: Path) -> list[str]:
    """Return what plugins have besides modules: templates, texts, what pages refer to."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".cache"))
    return sorted(path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts)


class Distributions:
    """An sdist and a wheel, made from a copy of the tree."""

    def __init__(self) -> None:
        # Goes away with the object, at the latest when the process ends.
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.tree = self.folder / "tree"
        shutil.copytree(ROOT, self.tree, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        # Without --wheel, build makes the wheel from the sdist, which so has to be complete.
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", self.folder, self.tree, cwd=self.folder)
        (self.sdist,) = self.folder.glob("*.tar.gz")
        (self.wheel,) = self.folder.glob("*.whl")


made = functools.cache(Distributions)


@unittest.skipUnless(importlib.util.find_spec("build"), "the package `build` is not installed")
class InstallTests(unittest.TestCase):
    def setUp(self) -> None:
        self.made = made()
        self.folder = self.made.folder

    def install(self, name: str, *what: str | Path) -> Path:
        """Return the Python of a new environment in which `what` has been installed."""
        folder = self.folder / name
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin/python"
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
        run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", *what, cwd=self.folder)
        return python

    def look(self, python: Path) -> Any:
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return json.loads(run(python, "-c", LOOK, cwd=elsewhere))

    def assertComplete(self, python: Path, place: Path) -> None:
        """Everything works, with the code from `place`."""
        found = self.look(python)
        self.assertTrue(Path(found["file"]).is_relative_to(place), found["file"])
        self.assertTrue(Path(found["plugins"]).is_relative_to(place), found["plugins"])
        self.assertEqual(found["commands"].count("xmppd"), 1)
        self.assertEqual(found["sources"], ["xmppd.plugins"])
        here = {path.stem for path in (ROOT / "plugins").iterdir() if path.name[0] not in "_."}
        self.assertEqual(set(found["names"]), here)
        self.assertTrue(found["typed"])
        self.assertEqual(found["files"], files_of(ROOT / "plugins"))
        for command in (TWISTD, ["-m", "twisted"]):
            self.assertRegex(run(python, *command, "--help", cwd=self.folder), r"(?m)^\s+xmppd\s+An XMPP server")
        self.assertIn("Usage: ", run(python.with_name("xmppctl"), "--help", cwd=self.folder))
        self.assertServes(python)

    def assertServes(self, python: Path) -> None:
        """The server starts, and ends when it is told to."""
        folder = python.parent.parent
        settings = folder / "xmppd.toml"
        settings.write_text('[listen]\nc2s = ["tcp:0:interface=127.0.0.1"]\n[hosts.localhost]\n')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(folder / "n"))
            manager.settimeout(PATIENCE)
            environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "n")}
            environment.pop("PYTHONPATH", None)
            command = [str(python), *TWISTD, "-n", "--pidfile=", "--logfile=log", "xmppd", "-c", str(settings)]
            with subprocess.Popen(command, cwd=folder, env=environment) as server:
                try:
                    said = manager.recv(4096)
                finally:
                    server.send_signal(signal.SIGTERM)
            self.assertEqual(said, b"READY=1", (folder / "log").read_text())

    def test_wheel(self) -> None:
        python = self.install("from-wheel", self.made.wheel)
        self.assertComplete(python, self.folder / "from-wheel")

    def test_sdist(self) -> None:
        python = self.install("from-sdist", self.made.sdist)
        self.assertComplete(python, self.folder / "from-sdist")

    def test_editable(self) -> None:
        python = self.install("editable", "--editable", self.made.tree)
        self.assertComplete(python, self.made.tree)
        # A plugin that is added is there without installing again.
        (self.made.tree / "plugins/greet.py").write_text('"""Greets."""\n')
        self.addCleanup((self.made.tree / "plugins/greet.py").unlink)
        self.assertIn("greet", self.look(python)["names"])

    def test_nothing_else_is_installed(self) -> None:
        """No top-level package but ours, and no file of Twisted's."""
        listed = run(sys.executable, "-m", "zipfile", "-l", self.made.wheel, cwd=self.folder).splitlines()[1:]
        names = {line.split()[0] for line in listed}
        self.assertEqual({name.split("/")[0].partition("-")[0] for name in names}, {"xmppd", "twisted"})
        self.assertEqual(
            {name for name in names if name.startswith("twisted/")},
            {"twisted/plugins/xmppd_bundled.py", "twisted/plugins/xmppd_tap.py"},
        )
