"""xmppctl, with a server and without."""

from __future__ import annotations

import json
import os
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from xmppd.api.operations import Progress, operation
from xmppd.app.cli import xmppctl
from xmppd.core.operations.catalogue import OperationRegistry
from xmppd.net import admin
from xmppd.net.admin import AdminService, DataLock

SETTINGS = """
[server]
data_dir = "data"
[listen]
c2s = ["tcp:0:interface=127.0.0.1"]
[accounts]
hash_iterations = 4096
[hosts."example.org"]
[hosts."example.net"]
"""


def make_folder(case: unittest.TestCase) -> Path:
    """Return a folder with settings in `xmppd.toml`; its path is short enough for a socket."""
    folder = tempfile.TemporaryDirectory()
    case.addCleanup(folder.cleanup)
    path = Path(folder.name)
    (path / "data").mkdir(mode=0o700)
    (path / "xmppd.toml").write_text(SETTINGS)
    return path


def run_xmppctl(folder: Path, *arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(xmppctl, ["-c", str(folder / "xmppd.toml"), *arguments], input, prog_name="xmppctl")


class OfflineTests(unittest.TestCase):
    """No server runs: what needs only the database is done on it."""

    def setUp(self) -> None:
        self.folder = make_folder(self)

    def ctl(self, *arguments: str, input: str | None = None, code: int = 0) -> str:
        result = run_xmppctl(self.folder, *arguments, input=input)
        self.assertEqual(result.exit_code, code, result.output)
        return result.output

    def accounts(self) -> list[str]:
        return [row["account"] for row in json.loads(self.ctl("user", "list", "--json"))]

    def test_accounts(self) -> None:
        shown = json.loads(self.ctl("--json", "user", "add", "romeo@example.org"))
        self.assertRegex(shown["password"], r"\A(\w{4}-){3}\w{4}\Z")
        self.ctl("user", "add", "juliet@example.org", "--password", "-", input="capulet\n")
        self.assertEqual(self.accounts(), ["juliet@example.org", "romeo@example.org"])
        self.ctl("user", "lock", "juliet@example.org", "--reason", "grounded")
        self.assertIn("grounded", self.ctl("user", "list", "example.org", "--state", "locked"))
        self.ctl("user", "password", "juliet@example.org", "--password", "nurse")
        self.ctl("user", "delete", "romeo@example.org")
        self.assertEqual(self.accounts(), ["juliet@example.org"])

    def test_import(self) -> None:
        text = "".join(f"user{n}@example.org pw{n}\n" for n in range(30))
        self.assertEqual(
            json.loads(self.ctl("user", "import", "-", "--json", input=text)), {"created": 30, "existing": 0}
        )
        self.assertEqual(len(self.accounts()), 30)

    def test_plugins(self) -> None:
        rows = json.loads(self.ctl("plugin", "list", "--json", "--host", "example.org"))
        self.assertIn(("ping", "example.org", True), [(row["plugin"], row["host"], row["enabled"]) for row in rows])
        (self.folder / "mine").mkdir()
        (self.folder / "mine" / "oops.py").write_text("1 / 0\n")
        text = SETTINGS.replace("[server]", '[server]\nplugin_paths = ["mine"]')
        (self.folder / "xmppd.toml").write_text(
            text.replace('[hosts."example.org"]', '[hosts."example.org"]\nplugins = ["-ping"]')
        )
        rows = json.loads(self.ctl("plugin", "list", "--json", "--host", "example.org", "--all"))
        found = {row["plugin"]: row for row in rows}
        self.assertFalse(found["ping"]["enabled"])
        self.assertIn("ZeroDivisionError", found["oops"]["problem"])
        info = json.loads(self.ctl("plugin", "info", "disco", "--json"))
        self.assertEqual((info["enabled"], info["options"]), (True, {"server_name": "xmppd"}))
        self.assertIn('did you mean "disco"', self.ctl("plugin", "info", "disko", code=1))
        self.assertIn("not served", self.ctl("plugin", "list", "--host", "example.com", code=1))

    def test_what_cannot_be_done_is_one_sentence(self) -> None:
        self.ctl("user", "add", "romeo@example.org")
        for arguments, sentence in (
            (("user", "add", "romeo@example.org"), "romeo@example.org exists already"),
            (
                ("user", "add", "romeo@example.com"),
                "example.com is not served here; the hosts are example.org, example.net",
            ),
            (("user", "delete", "tybalt@example.org"), "there is no account tybalt@example.org"),
        ):
            self.assertEqual(self.ctl(*arguments, code=1), f"Error: {sentence}\n")

    def test_what_needs_a_server(self) -> None:
        socket = self.folder / "data" / "admin.sock"
        self.assertEqual(
            self.ctl("session", "list", code=3),
            f"Error: session list needs a running server, and none answers at {socket}; start it with: twistd xmppd -c"
            " CONFIG.toml\n",
        )
        self.assertIn("commands of its plugins are there when it does", self.ctl("roster", "list", code=2))

    def test_a_server_that_does_not_answer(self) -> None:
        """Nothing is done behind its back."""
        lock = DataLock(self.folder / "data")
        self.addCleanup(lock.release)
        self.assertIn("does not answer at", self.ctl("user", "add", "romeo@example.org", code=3))

    @unittest.skipIf(os.geteuid() == 0, "root may open everything")
    def test_somebody_elses_server(self) -> None:
        socket = self.folder / "data" / "admin.sock"
        socket.touch(0o000)
        self.assertIn("try sudo -u", self.ctl("user", "list", code=3))

    def test_settings_that_are_wrong(self) -> None:
        (self.folder / "xmppd.toml").write_text(SETTINGS.replace("data_dir", "data_dri"))
        self.assertIn('did you mean "data_dir"?', self.ctl("user", "list", code=1))

    def test_a_database_that_cannot_be_opened(self) -> None:
        (self.folder / "xmppd.toml").write_text(SETTINGS + '[database]\nurl = "mysql://x/y"\n')
        self.assertIn("the database can't be opened", self.ctl("user", "list", code=1))

    def test_wrong_usage(self) -> None:
        self.ctl("user", "add", code=2)
        self.ctl("user", "dance", code=2)

    def test_help_whatever_is_wrong(self) -> None:
        (self.folder / "xmppd.toml").unlink()
        for arguments in (("--help",), ("-h",)):
            text = self.ctl(*arguments)
            for part in ("Examples:", "Exit codes:", "session", "check"):
                self.assertIn(part, text)
        self.assertIn("xmppctl user add romeo@example.org", self.ctl("user", "add", "--help"))
        self.ctl("user", "list", code=1)

    def test_version(self) -> None:
        self.assertRegex(self.ctl("--version"), r"\Axmppctl, version \d")


class Kernel:
    """Stands in for the server's operations."""

    @operation("user add", examples=("",))
    async def add(self, jid: str, *, actor: str) -> dict[str, str]:
        """Pretend to make an account."""
        return {"made": jid}

    @operation("plugin thing")
    async def thing(self, *, progress: Progress) -> list[dict[str, Any]]:
        """Do what only the server knows."""
        progress(1, 2)
        return [{"a": 1}]


class OnlineTests(TestCase):
    """A server runs: it is asked what there is, and does it."""

    def setUp(self) -> None:
        self.folder = make_folder(self)
        self.service = AdminService(reactor, self.folder / "data" / "admin.sock", OperationRegistry([Kernel()]))
        self.service.startService()
        self.addCleanup(self.service.stopService)

    async def ctl(self, *arguments: str, code: int = 0) -> str:
        result: Result = await deferToThread(run_xmppctl, self.folder, *arguments)
        self.assertEqual(result.exit_code, code, result.output)
        return result.output

    async def test_the_server_does_it(self) -> None:
        self.assertEqual(re.sub(r"\s+", " ", await self.ctl("user", "add", "anybody")), "made anybody ")
        self.assertFalse((self.folder / "data" / "xmppd.sqlite").exists())

    async def test_it_has_commands_of_its_own(self) -> None:
        self.assertIn("thing", await self.ctl("plugin", "--help"))
        self.assertEqual(json.loads(await self.ctl("--json", "plugin", "thing")), [{"a": 1}])

    async def test_what_it_has_not(self) -> None:
        self.assertNotIn("running", await self.ctl("session", "list", code=2))

    async def test_it_leaves(self) -> None:
        def close(connection: Any, line: bytes) -> None:
            connection.transport.loseConnection()

        self.patch(admin._AdminConnection, "_line_received", close)
        self.assertIn("the server closed the connection before it answered", await self.ctl("user", "add", "x", code=3))
