"""Operations on sessions, hosts, plugins and the server."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, SecretStr

from tests.core.operating import JULIET, ROMEO, SETTINGS, OperatingTestCase, migrate_nothing
from xmppd.api import Iq, Plugin, iq_get
from xmppd.core.operations.plugins import declared
from xmppd.core.options import SettingsError
from xmppd.core.server import Server
from xmppd.testing import ClassSource
from xmppd.wire.errors import Condition, StreamCondition
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence


class SessionTests(OperatingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone, self.phone_stream = self.log_in("romeo@example.org/phone")
        self.laptop, self.laptop_stream = self.log_in("romeo@example.org/laptop")
        self.log_in("nurse@example.net/home")

    def test_list(self) -> None:
        self.phone.receive(Presence(from_=self.phone.jid, payload=b"<show>away</show><priority>5</priority>"))
        self.clock.advance(90)
        self.assertEqual(
            self.run_operation("session list", host="example.org"),
            [
                {
                    "session": "romeo@example.org/laptop", "client": "", "address": "192.0.2.7",
                    "over": "TCP", "encrypted": True, "presence": "unavailable",
                    "since": "2023-11-14T22:13:20Z", "idle": "1 min 30 s", "received": 0,
                    "sent": 0,
                },
                {
                    "session": "romeo@example.org/phone", "client": "", "address": "192.0.2.7",
                    "over": "TCP", "encrypted": True, "presence": "away (5)",
                    "since": "2023-11-14T22:13:20Z", "idle": "1 min 30 s", "received": 1,
                    "sent": 0,
                },
            ],
        )  # fmt: skip

    def sessions(self, **arguments: Any) -> list[str]:
        return [row["session"] for row in self.run_operation("session list", **arguments)]

    def test_whose(self) -> None:
        self.assertEqual(len(self.sessions()), 3)
        self.assertEqual(self.sessions(account="nurse@example.net"), ["nurse@example.net/home"])
        self.assertEqual(self.sessions(account=JULIET), [])
        self.assertIn("not served", str(self.refused("session list", host="example.com")))

    def test_pages(self) -> None:
        first = self.sessions(limit=2)
        self.assertEqual(first, ["nurse@example.net/home", "romeo@example.org/laptop"])
        self.assertEqual(self.sessions(limit=2, after=first[-1]), ["romeo@example.org/phone"])

    def test_kick_one(self) -> None:
        result = self.run_operation("session kick", jid="romeo@example.org/phone", reason="too loud")
        self.assertEqual(result, "Ended 1 session of romeo@example.org/phone.")
        error = self.phone_stream.closed
        assert error is not None
        self.assertEqual((error.condition, error.text), (StreamCondition.POLICY_VIOLATION, "too loud"))
        self.assertIsNone(self.laptop_stream.closed)
        self.assertEqual(self.sessions(account=ROMEO), ["romeo@example.org/laptop"])

    def test_kick_all(self) -> None:
        self.assertEqual(self.run_operation("session kick", jid=ROMEO), "Ended 2 sessions of romeo@example.org.")
        self.assertEqual(self.sessions(account=ROMEO), [])

    def test_kick_nobody(self) -> None:
        for jid in ("romeo@example.org/balcony", "juliet@example.org"):
            error = self.refused("session kick", jid=jid)
            self.assertEqual((str(error), error.condition), (f"{jid} has no session", Condition.ITEM_NOT_FOUND))

    def test_message(self) -> None:
        result = self.run_operation("session message", jid=ROMEO, text="a < b", subject="News")
        self.assertEqual(result, "Sent to 2 sessions.")
        self.assertEqual(
            self.phone_stream.written,
            [
                "<message from='example.org' to='romeo@example.org/phone'><subject>News</subject>"
                "<body>a &lt; b</body></message>"
            ],
        )

    def test_message_to_a_host(self) -> None:
        result = self.run_operation("session message", jid="example.net", text="hi")
        self.assertEqual((result, self.phone_stream.written), ("Sent to 1 session.", []))
        self.assertIs(
            self.refused("session message", jid="juliet@example.org", text="hi").condition, Condition.ITEM_NOT_FOUND
        )
        self.assertIn("not served", str(self.refused("session message", jid="example.com", text="hi")))

    def test_hosts(self) -> None:
        self.run_operation("user add", jid=JULIET, password="secret")
        self.assertEqual(
            self.run_operation("host list"),
            [
                {"host": "example.org", "accounts": 1, "sessions": 2, "plugins": 0, "admins": ["romeo@example.org"]},
                {"host": "example.net", "accounts": 0, "sessions": 1, "plugins": 0, "admins": []},
            ],
        )


class Greet(Plugin):
    """Say hello. And more."""

    name = "greet"
    xep = ((1, "2.3"), (4, "5.6"))
    features = ("urn:example:greet",)

    @iq_get("urn:example:greet", "hello")
    def hello(self, request: Iq) -> Iq:
        return request.result()


class Broken(Plugin):
    """Fail to start."""

    name = "broken"

    async def start(self) -> None:
        raise ValueError("no luck")


class PluginTests(OperatingTestCase):
    def make_server(self) -> Server:
        return Server(SETTINGS, self.clock, self.db, self.accounts, [ClassSource(Greet, Broken)], migrate_nothing)

    def plugins(self, **arguments: Any) -> list[tuple[Any, ...]]:
        rows = self.run_operation("plugin list", **arguments)
        return [(row["plugin"], row["host"], row["enabled"], row["problem"]) for row in rows]

    def test_enable_and_disable(self) -> None:
        self.assertEqual(self.plugins(), [])
        result = self.run_operation("plugin enable", name="greet", host="example.org")
        self.assertEqual(
            result,
            'Enabled greet on example.org. That lasts until the server is started again; to keep it, put "greet" into'
            ' "plugins" of [hosts."example.org"]: this server has no settings file that could be changed.',
        )
        self.assertEqual(self.plugins(), [("greet", "example.org", True, "")])
        self.assertEqual(
            self.run_operation("plugin reload", name="greet", host="example.org"), "Reloaded greet on example.org."
        )
        self.assertEqual(
            self.run_operation("plugin disable", name="greet", host="example.org"), "Disabled greet on example.org."
        )
        self.assertEqual(self.plugins(), [])

    def test_all(self) -> None:
        self.assertEqual(
            self.plugins(all=True, host="example.net"),
            [("broken", "example.net", False, ""), ("greet", "example.net", False, "")],
        )

    def test_problems_are_kept_to_be_looked_at(self) -> None:
        error = self.refused("plugin enable", name="broken", host="example.org")
        self.assertEqual(str(error), "plugin broken could not be started: ValueError: no luck")
        self.assertEqual(self.plugins(), [("broken", "example.org", False, "ValueError: no luck")])

    def test_which_host(self) -> None:
        for name in ("plugin enable", "plugin disable", "plugin reload"):
            self.assertEqual(
                str(self.refused(name, name="greet")), "name the host with --host: example.org, example.net"
            )

    def test_unknown_plugins(self) -> None:
        self.assertIn("did you mean 'greet'?", str(self.refused("plugin enable", name="great", host="example.org")))
        self.assertIn("did you mean 'greet'?", str(self.refused("plugin info", name="great")))
        self.assertIn("not enabled", str(self.refused("plugin disable", name="greet", host="example.org")))

    def test_info(self) -> None:
        shown = self.run_operation("plugin info", name="greet")
        self.assertEqual(
            shown,
            {
                "plugin": "greet", "host": "example.org", "enabled": False, "summary": "Say hello. And more.",
                "implements": ["XEP-0001 version 2.3", "XEP-0004 version 5.6"], "features": ["urn:example:greet"],
                "default": True,
            },
        )  # fmt: skip
        self.run_operation("plugin enable", name="greet", host="example.org")
        session, _ = self.log_in("romeo@example.org/phone")
        request = Iq(Jid.parse("example.org"), session.jid, "1", "get", None, b"<hello xmlns='urn:example:greet'/>")
        session.receive(request)
        shown = self.run_operation("plugin info", name="greet", host="example.org")
        [handler] = shown["handlers"]
        self.assertEqual((handler["calls"], handler["failures"]), (1, 0))
        self.assertEqual((shown["options"], shown["operations"]), ({}, []))

    def test_info_shows_no_secrets(self) -> None:
        class Inner(BaseModel):
            key: str = Field("", repr=False)

        class Options(Plugin.Options):
            word: str = Field("", repr=False)
            other: SecretStr = SecretStr("")
            inner: tuple[Inner, ...] = ()
            plain: float = 1.5

        given = Options(word="swordfish", other=SecretStr("swordfish"), inner=(Inner(key="swordfish"), Inner()))
        self.run_operation("plugin enable", name="greet", host="example.org")
        plugin = self.server.hosts["example.org"].registry.get("greet")
        self.patch(type(plugin), "options", given)
        shown = self.run_operation("plugin info", name="greet", host="example.org")
        hidden = {"word": "***", "other": "***", "inner": [{"key": "***"}, {"key": ""}], "plain": 1.5}
        self.assertEqual(shown["options"], hidden)

    def test_one_xep(self) -> None:
        cls = type("One", (Plugin,), {"__doc__": None, "xep": (199, "2.0.1")})
        self.assertEqual((declared(cls)["implements"], declared(cls)["summary"]), (["XEP-0199 version 2.0.1"], ""))


class ServerTests(OperatingTestCase):
    def test_status(self) -> None:
        session, _ = self.log_in("romeo@example.org/phone")
        session.receive(Presence(from_=session.jid))
        self.do(self.server.unbind(session))
        self.log_in("romeo@example.org/laptop")
        self.clock.advance(93_784)
        status = self.run_operation("server status")
        self.assertEqual(
            [status[key] for key in ("uptime", "sessions", "accounts online", "stanzas received", "stanzas sent")],
            ["1 d 2 h", 1, 1, 1, 0],
        )
        self.assertEqual(status["hosts"], ["example.org", "example.net"])

    def test_stop(self) -> None:
        self.assertIn("can't be stopped", str(self.refused("server stop")))
        stopped: list[bool] = []
        self.server.begin_stop = lambda: stopped.append(True)
        self.assertEqual(self.run_operation("server stop"), "The server stops now.")
        self.assertEqual(stopped, [], "whoever asked has to be answered first")
        self.clock.advance(0.1)
        self.assertEqual(stopped, [True])

    def test_stop_later(self) -> None:
        stopped: list[bool] = []
        self.server.begin_stop = lambda: stopped.append(True)
        _, stream = self.log_in("romeo@example.org/phone")
        self.assertEqual(
            self.run_operation("server stop", delay=120, message="Back soon."), "The server stops in 2 min."
        )
        self.assertIn("<body>Back soon.</body>", stream.written[0])
        self.clock.advance(119.9)
        self.assertEqual(stopped, [])
        self.clock.advance(0.1)
        self.assertEqual(stopped, [True])
        for delay in (-1, 86_401, "nan"):
            self.assertIn("between 0 and 86400", str(self.refused("server stop", delay=delay)))

    def test_reload(self) -> None:
        self.assertIn("no settings file", str(self.refused("server reload")))

        async def reload() -> list[str]:
            return ["[listen] c2s needs a restart"]

        self.server.reload = reload
        self.assertEqual(
            self.run_operation("server reload"),
            "Settings and certificates are reloaded.\n[listen] c2s needs a restart",
        )

    def test_reload_with_bad_settings(self) -> None:
        async def reload() -> list[str]:
            raise SettingsError(["x.toml: this is not TOML"])

        self.server.reload = reload
        self.assertEqual(
            str(self.refused("server reload")),
            "nothing is changed, because the settings have problems: x.toml: this is not TOML",
        )
