"""Figures of plugins' own."""

from __future__ import annotations

from collections.abc import Iterable

from xmppd.api import Plugin
from xmppd.api.figures import Figure
from xmppd.net.figures.plugins import plugin_figures
from xmppd.testing import ServerTestCase

OF_PLUGINS = {
    "xmppd_bytestreams_activated_total",
    "xmppd_bytestreams_connections",
    "xmppd_bytestreams_octets_total",
    "xmppd_bytestreams_refused_total",
    "xmppd_bytestreams_streams",
    "xmppd_muc_deliveries_total",
    "xmppd_muc_devices",
    "xmppd_muc_loaded_rooms",
    "xmppd_muc_messages_total",
    "xmppd_muc_occupants",
    "xmppd_muc_rooms",
    "xmppd_push_accepted_total",
    "xmppd_push_disabled",
    "xmppd_push_failed_total",
    "xmppd_push_gathered_total",
    "xmppd_push_published_total",
    "xmppd_push_registrations",
    "xmppd_push_repeated_total",
    "xmppd_push_service_accepted_total",
    "xmppd_push_service_failed_total",
    "xmppd_push_service_gone_total",
    "xmppd_push_service_published_total",
    "xmppd_push_service_refused_credentials",
    "xmppd_push_service_refused_total",
    "xmppd_push_service_resting",
    "xmppd_push_service_retried_total",
    "xmppd_push_service_superseded_total",
    "xmppd_push_service_waiting",
    "xmppd_push_waiting",
    "xmppd_webhooks_disabled",
    "xmppd_webhooks_waiting",
}
"""Names of the figures of bundled plugins."""


class Chess(Plugin):
    games = 2

    def figures(self) -> Iterable[Figure]:
        yield Figure("games", "Games that are played now.", self.games)
        yield Figure("moves", "Moves that were made.", 40, grows=True)


class Clumsy(Plugin):
    def figures(self) -> Iterable[Figure]:
        yield Figure("half", "Half of it.", 1)
        raise ZeroDivisionError


class PluginFigures(ServerTestCase):
    plugins = (Chess, Clumsy, "adhoc", "bytestreams", "muc", "push", "push_service", "webhooks")
    hosts = {"example.org": {}, "example.net": {"bytestreams": {"listen": ["tcp:7778"]}}}

    def told(self) -> dict[tuple[str, str], float]:
        families = plugin_figures(self.server.server)
        found = {(one.name, one.labels["host"]): one.value for family in families for one in family.samples}
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        return found

    def test_of_each_host(self) -> None:
        self.plugin("chess").games = 3
        told = self.told()
        self.assertEqual(told["xmppd_chess_games", "example.org"], 3)
        self.assertEqual(told["xmppd_chess_games", "example.net"], 2)
        self.assertEqual(told["xmppd_chess_moves_total", "example.net"], 40)

    def test_who_fails_tells_nothing(self) -> None:
        self.assertEqual([name for name, _ in self.told() if "clumsy" in name], [])

    def test_names(self) -> None:
        self.assertEqual({name for name, _ in self.told() if "chess" not in name}, OF_PLUGINS)

    def test_rooms(self) -> None:
        romeo, juliet = (self.login(f"{name}@example.org/x") for name in ("romeo", "juliet"))
        room = "garden@conference.example.org"
        for client, nick in ((romeo, "Romeo"), (juliet, "Juliet")):
            client.send(f"<presence to='{room}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            form = "<x xmlns='jabber:x:data' type='submit'/>"
            query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>"
            romeo.send(f"<iq type='set' id='o' to='{room}'>{query}</iq>")
        romeo.send(f"<message to='{room}' type='groupchat'><body>hi</body></message>")
        told = {name: value for (name, host), value in self.told().items() if host == "example.org"}
        names = ("rooms", "loaded_rooms", "occupants", "devices", "messages_total", "deliveries_total")
        self.assertEqual([told[f"xmppd_muc_{name}"] for name in names], [1, 1, 2, 2, 1, 2])
        others = {name: value for (name, host), value in self.told().items() if host == "example.net"}
        self.assertEqual([others[f"xmppd_muc_{name}"] for name in names], 6 * [0])
