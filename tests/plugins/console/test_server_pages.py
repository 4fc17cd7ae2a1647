"""Audit, log, settings and plugins in the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from twisted.logger import LogLevel

from tests.plugins.console.kit import ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.core.settings_file import load
from xmppd.core.settings_writer import SettingsFile

FILE = """\
# Ours.
[limits]
connections = 500  # for the old machine

[database]
url = "sqlite:///secret.sqlite"

[hosts."example.org"]
plugins = ["-*", "console", "roster", "offline", "contact"]

[hosts."example.org".contact]
abuse = ["mailto:reports@example.org"]
"""


class ServerPages(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "offline", "contact")

    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")

    def with_file(self) -> Path:
        """Give the server a settings file."""
        path = Path(self.mktemp()).absolute()
        path.write_text(FILE, "utf-8")
        server = self.server.server

        async def reload() -> list[str]:
            server.settings = load(path)
            return ["The moon needs a restart."]

        server.settings_file, server.reload = SettingsFile(path), reload
        return path

    def log(self, level: LogLevel, message: str) -> None:
        self.server.server.log({"log_level": level, "log_format": "{m}", "m": message, "log_namespace": "x"})


class Audit(ServerPages):
    def setUp(self) -> None:
        super().setUp()
        for number in range(3):
            self.operator.submit("users/new", "users/new", jid=f"u{number}", password="", again="")
        self.operator.submit("users/new", "users/new", jid="u1", password="", again="")

    def test_list(self) -> None:
        page = text_of(self.operator.get("audit"))
        self.assertIn("juliet@example.org (console) user add jid u2@example.org done", page)
        self.assertIn("failed u1@example.org exists already", page)

    def test_filters(self) -> None:
        self.assertNotIn("u2@example.org", self.operator.see("audit?failed=yes"))
        self.assertIn("Nothing fits", self.operator.see("audit?by=nobody"))
        self.assertIn("u2@example.org", self.operator.see("audit?operation=user&since=1h"))
        self.assertIn("u2@example.org", self.operator.see("audit?since=nonsense"))
        self.assertIn("id of a row is expected", self.operator.see("audit?after=x"))

    def test_a_part(self) -> None:
        part = self.operator.get("audit", hx_request="true", hx_target="rows").body.decode()
        self.assertTrue(part.lstrip().startswith('<div id="rows">'), part[:80])

    def test_pages(self) -> None:
        for number in range(60):
            self.wait(self.server.server.operations.run("user add", {"jid": f"v{number}@example.org"}))
        page = self.operator.see("audit")
        self.assertNotIn("v5@example.org", page)
        more = page.rpartition('class="more"')[2].partition('href="/console/')[2].partition('"')[0]
        self.assertIn("v5@example.org", self.operator.see(more.replace("&amp;", "&")))

    def test_looking_is_not_kept(self) -> None:
        self.operator.see("audit")
        self.operator.see("plugins")
        self.assertNotIn("audit list", text_of(self.operator.get("audit")))

    def test_a_viewer_looks_at_their_host(self) -> None:
        page = text_of(self.browser("bard", "viewer").get("audit"))
        self.assertIn("u2@example.org", page)


class Log(ServerPages):
    def test_lines(self) -> None:
        self.log(LogLevel.info, "all is <well>")
        self.log(LogLevel.error, "nothing is well")
        page = self.operator.see("log")
        self.assertLess(page.index("nothing is well"), page.index("all is &lt;well&gt;"), "the latest first")
        self.assertIn('hx-trigger="every 3s"', page)
        self.assertNotIn('hx-trigger="every', self.operator.see("log?hold=yes"))
        self.assertNotIn("all is", self.operator.see("log?level=error"))
        self.assertNotIn("nothing", self.operator.see("log?contains=%3Cwell").partition('id="lines"')[2])

    def test_nothing(self) -> None:
        self.assertIn("Nothing was logged yet", self.operator.see("log"))
        self.assertIn("No line fits", self.operator.see("log?contains=x"))

    def test_it_is_for_operators(self) -> None:
        admin = self.browser("bard")
        self.assertEqual(admin.get("log").code, 404)
        self.assertNotIn('/console/log"', admin.see())


class Settings(ServerPages):
    def change(self, section: str, **fields: str) -> Any:
        return self.operator.submit(f"settings/{section}", f"settings/{section}", **fields)

    def test_shown(self) -> None:
        self.with_file()
        page = text_of(self.operator.get("settings"))
        self.assertIn("limits.connections", page)
        self.assertNotIn("secret.sqlite", self.operator.see("settings/database"))
        self.assertIn("Client connections in total", self.operator.see("settings/limits"))
        self.assertIn("needs a restart", self.operator.see("settings/listen"))
        self.assertEqual(self.operator.get("settings/nonsense").code, 404)

    def test_changed(self) -> None:
        path = self.with_file()
        self.operator.see("settings/limits")
        answer = self.change("limits", **{"o-limits.connections": "900", "o-limits.element_depth": "32"})
        self.assertEqual(field(answer, "Location"), "/console/settings/limits")
        self.assertIn("connections = 900  # for the old machine\nelement_depth = 32\n", path.read_text("utf-8"))
        page = text_of(self.operator.get("settings/limits"))
        self.assertIn("Changed: limits.element_depth, limits.connections. The moon needs a restart.", page)

    def test_nothing_changed(self) -> None:
        path = self.with_file()
        self.change("limits")
        self.assertEqual(path.read_text("utf-8"), FILE)
        self.assertIn("Nothing was changed.", self.operator.see("settings/limits"))

    def test_back_to_the_default(self) -> None:
        path = self.with_file()
        self.server.server.settings = load(path)
        self.change("limits", reset="limits.connections")
        self.assertNotIn("connections", path.read_text("utf-8"))

    def test_switches_and_lists(self) -> None:
        path = self.with_file()
        self.change("tls", **{"o-tls.session_tickets": "no"})
        self.change("limits", **{"o-limits.exempt_networks": "192.0.2.0/24\r\n10.0.0.0/8"})
        settings = load(path)
        self.assertFalse(settings.tls.session_tickets)
        self.assertEqual(settings.limits.exempt_networks, ("192.0.2.0/24", "10.0.0.0/8"))

    def test_what_can_t_be(self) -> None:
        path = self.with_file()
        answer = self.change("limits", **{"o-limits.connections": "many"})
        self.assertEqual(answer.code, 422)
        self.assertIn("a whole number is expected", text_of(answer))
        self.assertIn('value="many"', answer.body.decode())
        self.assertEqual(path.read_text("utf-8"), FILE)

    def test_without_a_file(self) -> None:
        answer = self.change("limits", **{"o-limits.connections": "900"})
        self.assertIn("this server has no settings file that could be changed", text_of(answer))

    def test_it_is_for_operators(self) -> None:
        for path in ("settings", "settings/limits"):
            self.assertEqual(self.browser("bard").get(path).code, 404)


class Plugins(ServerPages):
    PATH = "plugins/example.org/contact"

    def test_list(self) -> None:
        page = text_of(self.operator.get("plugins"))
        self.assertIn("Tell whom to write to about this server", page)
        self.assertIn("4 enabled", page)
        self.assertNotIn("vcard", self.operator.see("plugins?which=on").partition('id="rows"')[2])
        self.assertIn("vcard", self.operator.see("plugins?which=off"))
        self.assertIn("No plugin fits", self.operator.see("plugins?search=nothing-like-that"))

    def test_disable_and_enable(self) -> None:
        self.operator.submit(self.PATH, f"{self.PATH}/disable")
        self.assertIsNone(self.host.registry.get("contact"))
        self.assertIn("Disabled contact", self.operator.see(self.PATH))
        self.operator.submit(self.PATH, f"{self.PATH}/enable")
        self.assertIsNotNone(self.host.registry.get("contact"))
        self.operator.submit(self.PATH, f"{self.PATH}/reload")
        self.assertIn("Reloaded contact", self.operator.see(self.PATH))

    def test_one_that_others_need(self) -> None:
        self.host.registry._errors["vcard"] = "it has no luck"  # as if it could not be started
        self.assertIn("It could not be started:", self.operator.see("plugins/example.org/vcard"))
        self.assertIn("1 with a problem", self.operator.see("plugins"))

    def test_options(self) -> None:
        path = self.with_file()
        page = self.operator.see(self.PATH)
        self.assertIn("abuse", page)
        self.operator.submit(self.PATH, self.PATH, **{"o-abuse": "mailto:a@example.org\nmailto:b@example.org"})
        options = load(path).hosts["example.org"].plugin_options["contact"]
        self.assertEqual(options["abuse"], ["mailto:a@example.org", "mailto:b@example.org"])
        answer = self.operator.submit(self.PATH, self.PATH, **{"o-abuse": "nonsense"})
        self.assertEqual(answer.code, 422)
        self.assertIn("nonsense", answer.body.decode())

    def test_an_administrator_looks_at_options(self) -> None:
        page = self.browser("bard").see(self.PATH)
        self.assertIn("abuse", page)
        self.assertNotIn("Save", page)
        self.assertEqual(self.browser("bard").get("plugins/example.net/contact").code, 403)

    def test_no_such(self) -> None:
        self.assertEqual(self.operator.get("plugins/example.org/nonsense").code, 404)
