"""Each thing that can be wrong is found, and the advice helps."""

from __future__ import annotations

import json
import os
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import text
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from tests.app.test_cli import make_folder, run_xmppctl
from xmppd.app.checks import Finding, check_data_dir, check_database, check_plugins, check_ports, check_settings
from xmppd.core.settings import Settings
from xmppd.core.settings_file import parse
from xmppd.core.storage import open_engines
from xmppd.net.admin import DataLock

BASE = '[server]\ndata_dir = "data"\n[hosts."example.org"]\n'


class CheckCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = make_folder(self)

    def settings(self, toml: str = BASE) -> Settings:
        return parse(toml, "xmppd.toml", self.folder)

    def levels(self, findings: Any) -> list[tuple[str, str]]:
        return [(finding.level, finding.text) for finding in findings]


class SettingsTests(CheckCase):
    def test_all_is_well(self) -> None:
        self.assertEqual(self.levels(check_settings(self.settings())), [("ok", "1 host: example.org")])

    def test_what_is_dubious(self) -> None:
        toml = (
            "[server]\nplain_without_tls = true\n[tls]\nrequired = false\n[listen]\nc2s = []\n"
            '[hosts."example.org"]\n[components."irc.example.org"]\nsecret = "s"\n'
        )
        self.assertEqual(
            self.levels(check_settings(self.settings(toml)))[1:],
            [
                ("warning", "plain_without_tls lets passwords go over loopback connections unencrypted"),
                ("warning", "clients may log in without TLS"),
                ("error", "no port for clients is configured"),
                ("warning", "there are components in the settings, but no port that they could connect to"),
            ],
        )

    def test_figures_for_everybody(self) -> None:
        toml = BASE + '[listen]\nc2s = ["tcp:5222"]\n{}[http]\noperator_networks = ["::1/128", "0.0.0.0/0"]\n'
        (level, words) = self.levels(check_settings(self.settings(toml.format('http = ["tcp:5280"]\n'))))[1]
        self.assertEqual((level, "tells everybody" in words), ("warning", True))
        self.assertEqual(len(self.levels(check_settings(self.settings(toml.format(""))))), 1)


class PluginTests(CheckCase):
    def test_all_is_well(self) -> None:
        [finding] = check_plugins(self.settings())
        self.assertRegex(finding.text, r"\Aexample.org: \d+ plugins, options are valid\Z")

    def test_names(self) -> None:
        toml = BASE + 'plugins = ["discoo"]\n'
        [finding] = check_plugins(self.settings(toml))
        self.assertEqual((finding.level, "did you mean 'disco'" in finding.text), ("error", True))

    def test_options(self) -> None:
        toml = BASE + '[hosts."example.org".disco]\nserver_nam = "x"\n'
        [finding] = check_plugins(self.settings(toml))
        self.assertEqual(finding.level, "error")
        self.assertIn('did you mean "server_name"', finding.text)
        self.assertEqual(finding.advice, 'Correct [hosts."example.org".disco].')

    def test_options_of_a_plugin_that_is_off(self) -> None:
        toml = BASE + 'plugins = ["-disco"]\n[hosts."example.org".disco]\nserver_name = "x"\n'
        self.assertEqual(
            self.levels(check_plugins(self.settings(toml)))[0],
            ("warning", "example.org has options for disco, which is not enabled there"),
        )

    def test_a_folder_that_is_not_there(self) -> None:
        toml = '[server]\nplugin_paths = ["none"]\n[hosts."example.org"]\n'
        [finding] = check_plugins(self.settings(toml))
        self.assertEqual((finding.level, finding.advice), ("error", "Correct plugin_paths under [server]."))

    def test_a_plugin_that_cannot_be_imported(self) -> None:
        (self.folder / "mine").mkdir()
        (self.folder / "mine" / "oops.py").write_text("1 / 0\n")
        toml = '[server]\nplugin_paths = ["mine"]\n[hosts."example.org"]\nplugins = ["oops"]\n'
        [finding] = check_plugins(self.settings(toml))
        self.assertEqual((finding.level, "ZeroDivisionError" in finding.text), ("error", True))


class DataDirTests(CheckCase):
    def levels_of(self, folder: str = "data") -> list[str]:
        return [finding.level for finding in check_data_dir(self.settings(BASE.replace("data", folder, 2)))]

    def check(self) -> list[Finding]:
        return list(check_data_dir(self.settings()))

    def test_all_is_well(self) -> None:
        self.assertEqual([finding.level for finding in self.check()], ["ok"])

    def test_not_there_yet(self) -> None:
        (self.folder / "data").rmdir()
        self.assertEqual([finding.level for finding in self.check()], ["hint"])

    def test_open_to_others(self) -> None:
        (self.folder / "data").chmod(0o755)
        [finding] = self.check()
        self.assertEqual((finding.level, finding.advice), ("warning", f"chmod 700 {self.folder / 'data'}"))

    def test_a_file(self) -> None:
        (self.folder / "data").rmdir()
        (self.folder / "data").touch()
        self.assertEqual([finding.level for finding in self.check()], ["error"])

    @unittest.skipIf(os.geteuid() == 0, "root may write everything")
    def test_somebody_elses(self) -> None:
        (self.folder / "data").chmod(0o500)
        self.assertEqual([finding.level for finding in self.check()], ["error"])

    def test_little_space(self) -> None:
        with mock.patch("shutil.disk_usage", return_value=mock.Mock(free=2**20)):
            levels = [finding.level for finding in self.check()]
        self.assertEqual(levels, ["ok", "warning"])


class DatabaseTests(CheckCase):
    def check(self, url: str = "") -> list[tuple[str, str]]:
        toml = BASE + (f'[database]\nurl = "{url}"\n' if url else "")
        return self.levels(check_database(self.settings(toml)))

    def make(self) -> None:
        self.assertEqual(run_xmppctl(self.folder, "user", "count").exit_code, 0)

    def execute(self, statement: str) -> None:
        engines = open_engines(self.settings().database.url)
        with engines.write.begin() as connection:
            connection.execute(text(statement))
        engines.dispose()

    def test_none_yet(self) -> None:
        self.assertEqual(self.check(), [("hint", "there is none yet")])
        self.assertFalse((self.folder / "data" / "xmppd.sqlite").exists())

    def test_empty(self) -> None:
        (self.folder / "data" / "xmppd.sqlite").touch()
        self.assertEqual(self.check(), [("hint", "sqlite: it is empty")])

    def test_plugins_without_tables(self) -> None:
        self.make()
        [(level, what)] = self.check()
        self.assertEqual(level, "hint")
        self.assertRegex(what, r"tables of .*roster.* are to be made")

    def test_up_to_date(self) -> None:
        self.make()
        toml = BASE + 'plugins = ["-*", "ping"]\n'
        findings = self.levels(check_database(self.settings(toml)))
        self.assertEqual(findings, [("ok", "sqlite: reachable, tables are up to date")])

    def test_newer_than_the_program(self) -> None:
        self.make()
        self.execute("UPDATE xmppd_schema SET version = 99 WHERE owner = 'accounts'")
        self.assertIn(("error", "the tables of accounts have version 99, this program knows 0"), self.check())

    def test_no_database(self) -> None:
        (self.folder / "data" / "xmppd.sqlite").write_text("this is no database, but long enough to look like one")
        [(level, what)] = self.check()
        self.assertEqual((level, what), ("error", "it can't be used: file is not a database"))

    def test_a_url_that_is_none(self) -> None:
        [(level, _)] = self.check("mysql://x/y")
        self.assertEqual(level, "error")

    def test_unreachable(self) -> None:
        [(level, what)] = self.check("postgresql://nobody:secret@127.0.0.1:1/none")
        self.assertEqual(level, "error")
        self.assertNotIn("secret", what)


class PortTests(TestCase):
    def setUp(self) -> None:
        self.folder = make_folder(self)

    async def check(self, *endpoints: str) -> list[Finding]:
        listen = ", ".join(f'"{endpoint}"' for endpoint in endpoints)
        toml = f'[server]\ndata_dir = "data"\n[listen]\nc2s = [{listen}]\n[hosts."example.org"]\n'
        return await check_ports(parse(toml, "xmppd.toml", self.folder), reactor)

    def taken(self) -> str:
        listen: Any = reactor.listenTCP
        port = listen(0, Factory(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"tcp:{port.getHost().port}:interface=127.0.0.1"

    async def test_free(self) -> None:
        [finding] = await self.check("tcp:0:interface=127.0.0.1")
        self.assertEqual((finding.level, finding.text), ("ok", "free"))

    async def test_taken_by_another(self) -> None:
        [finding] = await self.check(self.taken())
        self.assertEqual(finding.level, "error")
        self.assertIn("ss -ltnp", finding.advice)

    async def test_taken_by_the_server(self) -> None:
        lock = DataLock(self.folder / "data")
        self.addCleanup(lock.release)
        one, other = await self.check(self.taken(), "tcp:0:interface=127.0.0.1")
        self.assertEqual((one.level, one.text), ("ok", "taken, as it should be while the server runs"))
        self.assertEqual((other.level, other.text), ("error", "nobody listens there, though the server runs"))

    async def test_what_is_no_endpoint(self) -> None:
        for endpoint in ("5222", "udp:5222", "tcp:many", "tcp:port=1:colour=red"):
            [finding] = await self.check(endpoint)
            self.assertEqual((finding.level, finding.advice), ("error", "Correct c2s under [listen]."), endpoint)

    async def test_http(self) -> None:
        toml = '[server]\ndata_dir = "data"\n[listen]\nhttp = ["tcp:many"]\n[hosts."example.org"]\n'
        [finding] = await check_ports(parse(toml, "xmppd.toml", self.folder), reactor)
        self.assertEqual((finding.level, finding.advice), ("error", "Correct http under [listen]."))

    async def test_systemd(self) -> None:
        [finding] = await self.check("systemd:domain=INET6:name=xmppd-c2s")
        self.assertEqual(finding.level, "hint")


class CommandTests(CheckCase):
    """All of it, as the operator sees it."""

    def test_what_is_found(self) -> None:
        result = run_xmppctl(self.folder, "check")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("ok       settings: 2 hosts: example.org, example.net", result.output)
        self.assertIn("\n0 errors, ", result.output)

    def test_an_error_is_in_the_exit_code(self) -> None:
        path = self.folder / "xmppd.toml"
        path.write_text(path.read_text().replace("tcp:0", "tcp:many"))
        result = run_xmppctl(self.folder, "check", "--json")
        self.assertEqual(result.exit_code, 1)
        errors = [finding for finding in json.loads(result.output) if finding["level"] == "error"]
        self.assertEqual([error["advice"] for error in errors], ["Correct c2s under [listen]."])

    def test_settings_that_are_wrong(self) -> None:
        (self.folder / "xmppd.toml").write_text("[server]\ndata_dri = 1\n[hosts]\n")
        result = run_xmppctl(self.folder, "check")
        self.assertEqual(result.exit_code, 1)
        self.assertIn('did you mean "data_dir"?', result.output)
        self.assertIn("1 error, ", result.output)

    def test_nothing_is_changed(self) -> None:
        before = sorted(Path(self.folder).rglob("*"))
        run_xmppctl(self.folder, "check")
        self.assertEqual(sorted(Path(self.folder).rglob("*")), before)
