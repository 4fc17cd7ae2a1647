"""Operations that change the settings file: of the server, of plugins, and which plugins there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from twisted.logger import LogEvent, globalLogPublisher

from tests.core.operating import OperatingTestCase, migrate_nothing
from xmppd.api import Field, Options, Plugin
from xmppd.core import reload
from xmppd.core.operations.plugins_kept import changed_entries
from xmppd.core.server import Server
from xmppd.core.settings import needs_restart
from xmppd.core.settings_file import load
from xmppd.core.settings_writer import SettingsFile
from xmppd.testing import ClassSource

FILE = """\
[limits]
connections = 500  # for the old machine

[hosts."Example.ORG"]
admins = ["romeo@example.org"]

[hosts."Example.ORG".greet]
words = "hi"

[hosts."example.net"]

[components."irc.example.org"]
secret = "hush"
"""


class Greet(Plugin):
    """Say hello."""

    name = "greet"
    default = False

    class Options(Options):
        """What is said."""

        words: str = Field("hello", description="The words.")
        times: int = Field(1, ge=1, le=9, description="How often.")
        key: SecretStr = Field(SecretStr(""), max_length=12, description="What it is signed with.")


class FileTestCase(OperatingTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir()
        self.path /= "xmppd.toml"
        self.path.write_text(FILE, "utf-8")
        super().setUp()
        self.logged: list[str] = []
        observer: Any = self._observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _observe(self, event: LogEvent) -> None:
        self.logged.append(repr({name: str(value) for name, value in event.items()}))

    def make_server(self) -> Server:
        source = ClassSource(Greet)
        server = Server(load(self.path), self.clock, self.db, self.accounts, (source,), migrate_nothing)

        async def reload_file() -> list[str]:
            new = load(self.path)
            problems = [f"{name} needs a restart" for name in needs_restart(server.settings, new)]
            return problems + await reload.apply(server, new)

        server.settings_file, server.reload = SettingsFile(self.path), reload_file
        return server

    def row(self, name: str) -> Any:
        return self.run_operation("setting show", name=name)

    def text(self) -> str:
        return self.path.read_text("utf-8")


class SettingTests(FileTestCase):
    def test_list(self) -> None:
        rows = {row["setting"]: row for row in self.run_operation("setting list")}
        self.assertEqual((rows["limits.connections"]["value"], rows["limits.connections"]["set"]), (500, True))
        self.assertEqual((rows["tls.required"]["value"], rows["tls.required"]["set"]), (True, False))
        self.assertEqual(rows['hosts."example.org".admins']["value"], ["romeo@example.org"])
        self.assertTrue(rows['hosts."example.org".admins']["set"], "whatever way its name is written")
        self.assertTrue(rows["listen.c2s"]["restart"])
        self.assertFalse(rows["limits.connections"]["restart"])
        changed = [row["setting"] for row in self.run_operation("setting list", changed=True)]
        self.assertEqual(
            changed, ["limits.connections", 'hosts."example.org".admins', 'components."irc.example.org".secret']
        )
        self.assertEqual(
            {row["setting"].partition(".")[0] for row in self.run_operation("setting list", section="limits")},
            {"limits"},
        )
        self.assertIn('did you mean "limits"?', str(self.refused("setting list", section="limit")))

    def test_show(self) -> None:
        row = self.row("limits.connections")
        self.assertEqual((row["type"], row["least"], row["default"]), ("whole number", 1, 50_000))
        self.assertIn("Client connections in total", row["description"])
        self.assertIn('did you mean "connections"?', str(self.refused("setting show", name="limits.conections")))
        self.assertIn("no name of a setting", str(self.refused("setting show", name="limits")))
        self.assertIn("no name of a setting", str(self.refused("setting show", name="a = 1\nb")))
        self.assertIn("plugin configure greet words", str(self.refused("setting show", name="hosts.a.greet.words")))

    def test_set(self) -> None:
        said = self.run_operation("setting set", name="limits.connections", value="900")
        self.assertEqual(said, "limits.connections is 900 now.")
        self.assertEqual(self.text(), FILE.replace("500", "900"))
        self.assertEqual(self.server.settings.limits.connections, 900, "it is in force")
        said = self.run_operation("setting set", name="limits.connections", reset=True)
        self.assertEqual(said, "limits.connections is not in the settings file any more.")
        self.assertEqual(self.server.settings.limits.connections, 50_000)

    def test_of_a_host(self) -> None:
        self.run_operation("setting set", name='hosts."example.org".admins', value="a@example.org, b@example.org")
        self.assertIn('[hosts."Example.ORG"]\nadmins = ["a@example.org", "b@example.org"]', self.text())
        self.assertEqual(self.row('hosts."example.org".admins')["value"], ["a@example.org", "b@example.org"])

    def test_a_restart_is_needed(self) -> None:
        said = self.run_operation("setting set", name="listen.c2s", value="tcp:5222, tcp:5322")
        self.assertEqual(said, 'listen.c2s is ["tcp:5222", "tcp:5322"] now.\n[listen] c2s needs a restart')
        self.assertEqual(load(self.path).listen.https, ("tcp:5281",), "the other ports are what they were")

    def test_what_is_refused(self) -> None:
        for arguments, words in (
            ({"value": "many"}, "limits.connections: a whole number is expected"),
            ({"value": "0"}, "must be at least 1"),
            ({}, "either a value is needed, or --reset"),
            ({"value": "1", "reset": True}, "either a value is needed, or --reset"),
        ):
            with self.subTest(words=words):
                self.assertIn(words, str(self.refused("setting set", name="limits.connections", **arguments)))
        self.assertEqual(self.text(), FILE)

    def test_secrets(self) -> None:
        name = 'components."irc.example.org".secret'
        self.assertEqual((self.row(name)["value"], self.row(name)["secret"]), ("***", True))
        self.assertEqual(self.row("database.url")["value"], "***")
        said = self.run_operation("setting set", name=name, value="xyzzy")
        self.assertEqual(said, f"{name} is *** now.")
        self.assertIn('secret = "xyzzy"', self.text())
        self.refused("setting set", name='components."irc.example.org".secrte', value="xyzzy")
        for row in self.run_operation("audit list"):
            self.assertEqual(row["arguments"]["value"], "***")
        self.assertNotIn("xyzzy", "\n".join(self.logged))
        self.assertNotIn("xyzzy", str(self.run_operation("setting list")))

    def test_what_is_no_secret_is_in_the_audit(self) -> None:
        self.run_operation("setting set", name="limits.connections", value="900")
        (row,) = self.run_operation("audit list")
        self.assertEqual(row["arguments"], {"name": "limits.connections", "value": "900"})

    def test_no_file(self) -> None:
        self.server.settings_file = None
        for call in (
            lambda: self.refused("setting set", name="limits.connections", value="900"),
            lambda: self.refused("plugin configure", name="greet", key="words", value="x", host="example.org"),
        ):
            self.assertEqual(str(call()), "this server has no settings file that could be changed")

    def test_a_file_that_has_gone(self) -> None:
        os.unlink(self.path)
        self.assertIn("can't be read", str(self.refused("setting set", name="limits.connections", value="900")))
        self.assertEqual(self.row("limits.connections")["value"], 500, "what is in force is known all the same")

    def test_a_file_that_was_broken_meanwhile(self) -> None:
        self.path.write_text("[", "utf-8")
        self.assertIn("not TOML", str(self.refused("setting set", name="limits.connections", value="900")))
        self.assertEqual(self.text(), "[")


class PluginOptionTests(FileTestCase):
    def configure(self, key: str, value: str | None = None, **more: Any) -> Any:
        return self.run_operation("plugin configure", name="greet", key=key, value=value, host="example.org", **more)

    def refusal(self, key: str, value: str) -> str:
        return str(self.refused("plugin configure", name="greet", key=key, value=value, host="example.org"))

    def test_options(self) -> None:
        words, times, key = self.run_operation("plugin options", name="greet", host="example.org")
        self.assertEqual((words["option"], words["value"], words["set"]), ("words", "hi", True))
        self.assertEqual((times["value"], times["least"], times["most"], times["set"]), (1, 1, 9, False))
        self.assertEqual((key["value"], key["secret"]), ("", True))
        self.assertIn("did you mean 'greet'?", str(self.refused("plugin options", name="great")))

    def test_configure(self) -> None:
        self.run_operation("plugin enable", name="greet", host="example.org")
        self.assertEqual(self.configure("times", "3"), "greet times on example.org is 3 now.")
        plugin: Any = self.server.hosts["example.org"].registry.get("greet")
        self.assertEqual((plugin.options.times, plugin.options.words), (3, "hi"))
        self.assertIn('words = "hi"\ntimes = 3\n', self.text())
        self.configure("words", reset=True)
        self.assertEqual(plugin.options.words, "hello")

    def test_of_one_that_does_not_run(self) -> None:
        self.configure("times", "3")
        self.assertEqual(self.run_operation("plugin options", name="greet")[1]["value"], 3)

    def test_what_is_refused(self) -> None:
        self.assertIn("times must be at most 9, not 10", self.refusal("times", "10"))
        self.assertIn("a whole number is expected", self.refusal("times", "often"))
        self.assertIn('did you mean "times"?', self.refusal("time", "3"))
        error = self.refused("plugin configure", name="greet", key="times", value="3")
        self.assertIn("name the host with --host", str(error))
        self.assertEqual(self.text(), FILE)

    def test_secrets(self) -> None:
        self.assertEqual(self.configure("key", "xyzzy"), "greet key on example.org is *** now.")
        self.assertEqual(self.refusal("key", "xyzzy xyzzy xyzzy"), "that is no value for it")
        self.refusal("kye", "xyzzy")
        self.assertEqual(self.run_operation("plugin options", name="greet")[2]["value"], "***")
        self.assertEqual({row["arguments"]["value"] for row in self.run_operation("audit list")}, {"***"})
        self.assertNotIn("xyzzy", "\n".join(self.logged))


class KeptTests(FileTestCase):
    def test_enabled_for_good(self) -> None:
        said = self.run_operation("plugin enable", name="greet", host="example.org")
        self.assertEqual(said, "Enabled greet on example.org.")
        self.assertIn('admins = ["romeo@example.org"]\nplugins = ["greet"]\n', self.text())
        self.assertEqual(self.server.settings.hosts["example.org"].plugins, ("greet",))
        self.run_operation("server reload")
        self.assertIsNotNone(self.server.hosts["example.org"].registry.get("greet"))
        self.run_operation("plugin disable", name="greet", host="example.org")
        self.assertIn("plugins = []", self.text())

    def test_until_restart(self) -> None:
        said = self.run_operation("plugin enable", name="greet", host="example.org", until_restart=True)
        self.assertEqual(said, "Enabled greet on example.org. That lasts until the server is started again.")
        self.assertEqual(self.text(), FILE)

    def test_a_file_that_can_t_be_written(self) -> None:
        self.server.settings_file = None
        said = self.run_operation("plugin enable", name="greet", host="example.org")
        self.assertEqual(
            said,
            'Enabled greet on example.org. That lasts until the server is started again; to keep it, put "greet" into'
            ' "plugins" of [hosts."example.org"]: this server has no settings file that could be changed.',
        )

    def test_one_that_can_t_be_started_is_not_written(self) -> None:
        self.refused("plugin enable", name="great", host="example.org")
        self.assertEqual(self.text(), FILE)

    def test_entries(self) -> None:
        for entries, enabled, by_default, new in (
            ([], True, False, ["greet"]),
            ([], False, False, []),
            ([], True, True, []),
            ([], False, True, ["-greet"]),
            (["-greet", "muc"], True, True, ["muc"]),
            (["-*", "muc"], True, True, ["-*", "muc", "greet"]),
            (["-*", "greet"], False, True, ["-*"]),
            (["greet"], True, False, ["greet"]),
            (["greet", "muc"], False, False, ["muc"]),
        ):
            with self.subTest(entries=entries, enabled=enabled, by_default=by_default):
                self.assertEqual(list(changed_entries(entries, "greet", enabled, by_default)), new)
