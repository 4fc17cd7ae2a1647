"""Figures: what is told of sessions, stanzas, log-ins, plugins, the database; and in which form."""

from __future__ import annotations

import re
from typing import Any

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.core.storage_contract import ROOMS, TABLES, add, hold, row
from tests.net.c2s.test_management import Managed
from tests.net.fetching import fetch
from xmppd import __version__
from xmppd.api import FromClient, Message, Plugin, filter
from xmppd.app.web import WebServer
from xmppd.core.storage import Database, migrate, open_engines
from xmppd.core.turns import Turns
from xmppd.net.figures.metrics import database_figures, registry_of
from xmppd.net.s2s.network import ServerNetwork
from xmppd.net.s2s.resolver import Resolver
from xmppd.testing import ServerTestCase

EVERYTHING = {
    "xmppd_accounts",
    "xmppd_accounts_online",
    "xmppd_build_info",
    "xmppd_certificate_expiry_timestamp_seconds",
    "xmppd_component_connections",
    "xmppd_component_handshakes_total",
    "xmppd_component_queued_stanzas",
    "xmppd_component_stanzas_received_total",
    "xmppd_component_stanzas_refused_total",
    "xmppd_component_stanzas_sent_total",
    "xmppd_connections",
    "xmppd_connections_accepted_total",
    "xmppd_connections_refused_total",
    "xmppd_database_batch_seconds",
    "xmppd_database_batches_total",
    "xmppd_database_failed_batches_total",
    "xmppd_database_refused_writes_total",
    "xmppd_database_rows_total",
    "xmppd_database_waiting_reads",
    "xmppd_database_waiting_writes",
    "xmppd_database_writable",
    "xmppd_database_writes_total",
    "xmppd_dns_queries_total",
    "xmppd_dns_query_seconds",
    "xmppd_http_request_seconds",
    "xmppd_http_requests_total",
    "xmppd_ledger_bytes_total",
    "xmppd_ledger_commit_seconds",
    "xmppd_ledger_failures_total",
    "xmppd_ledger_paused_connections",
    "xmppd_ledger_units_total",
    "xmppd_ledger_waiting_seconds",
    "xmppd_logins_total",
    "xmppd_plugin_calls_total",
    "xmppd_plugin_failures_total",
    "xmppd_plugin_seconds_total",
    "xmppd_plugin_slowest_call_seconds",
    "xmppd_reactor_delay_seconds",
    "xmppd_s2s_attempts_total",
    "xmppd_s2s_authentications_total",
    "xmppd_s2s_certificates_total",
    "xmppd_s2s_dialback_refused_total",
    "xmppd_s2s_domains",
    "xmppd_s2s_messages_stored",
    "xmppd_s2s_stanzas_received_total",
    "xmppd_s2s_stanzas_returned_total",
    "xmppd_s2s_stanzas_sent_total",
    "xmppd_s2s_stream_errors_total",
    "xmppd_s2s_streams",
    "xmppd_s2s_streams_encryption",
    "xmppd_s2s_unacknowledged_stanzas",
    "xmppd_s2s_waiting_bytes",
    "xmppd_s2s_waiting_seconds",
    "xmppd_s2s_waiting_stanzas",
    "xmppd_session_journal_bytes",
    "xmppd_sessions",
    "xmppd_stanzas_received_total",
    "xmppd_stanzas_sent_total",
    "xmppd_start_time_seconds",
}
"""Names of figures; docs/operations.md may name no others."""


class Clumsy(Plugin):
    """Fail on some messages."""

    @filter(FromClient, kinds=(Message,))
    def look(self, event: FromClient) -> None:
        if event.stanza.text("body") == "oops":
            raise ZeroDivisionError


class FiguresTests(ServerTestCase):
    plugins = (Clumsy,)
    tls = True
    hosts = ("example.org", "example.net")
    components = {"irc.example.org": {}}

    def setUp(self) -> None:
        super().setUp()
        self.figures = self.web.figures
        self.figures.clients = self._listener
        assert self._listener is not None
        self.figures.tls = self._listener.tls
        nobody: Any = None
        self.figures.servers = ServerNetwork(self.server.server, nobody, b"secret")
        self.figures.resolver = Resolver(self.clock, self.server.server.settings.s2s)

    def value(self, name: str, **labels: str) -> float | None:
        return registry_of(self.figures).get_sample_value(name, labels)

    def test_names(self) -> None:
        self.value("xmppd_accounts")
        found = {family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else "")
                 for family in self.figures.collect()}  # fmt: skip
        of_database = {name for name in EVERYTHING if name.startswith("xmppd_database_")}
        self.assertEqual(found, EVERYTHING - of_database)

    def test_sessions(self) -> None:
        self.login("romeo@example.org/orchard")
        self.login("romeo@example.org/phone")
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.value("xmppd_sessions", host="example.org", state="connected"), 3)
        self.assertEqual(self.value("xmppd_sessions", host="example.net", state="connected"), 0)
        self.assertEqual(self.value("xmppd_accounts_online", host="example.org"), 2)
        juliet.disconnect()
        self.assertEqual(self.value("xmppd_sessions", host="example.org", state="connected"), 2)
        self.assertEqual(self.value("xmppd_accounts_online", host="example.org"), 1)

    def test_accounts(self) -> None:
        """They are counted when somebody asks, once a minute."""
        self.account("romeo@example.org")
        self.assertEqual(self.value("xmppd_accounts", host="example.org"), 1)
        self.account("juliet@example.org")
        self.assertEqual(self.value("xmppd_accounts", host="example.org"), 1)
        self.pump(60)
        self.assertEqual(self.value("xmppd_accounts", host="example.org"), 2)
        self.assertEqual(self.value("xmppd_accounts", host="example.net"), 0)
        self.wait(self.server.server.remove_host("example.net"))
        self.assertIsNone(self.value("xmppd_accounts", host="example.net"))
        self.assertIsNone(self.value("xmppd_sessions", host="example.net", state="connected"))

    def test_components(self) -> None:
        irc = self.component("irc.example.org")
        self.figures.components = self._component_listener
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<message to='irc.example.org'/>")
        irc.send("<message from='irc.example.org' to='{juliet}'/>")
        wrong = self.component("irc.example.org", "wrong", enter=False)
        wrong.open()
        wrong.shake_hands()
        self.pump(1)
        at = {"component": "irc.example.org"}
        self.assertEqual(self.value("xmppd_component_connections", **at), 1)
        self.assertEqual(self.value("xmppd_component_stanzas_received_total", **at), 1)
        self.assertEqual(self.value("xmppd_component_stanzas_sent_total", **at), 1)
        self.assertEqual(self.value("xmppd_component_handshakes_total", result="success"), 1)
        self.assertEqual(self.value("xmppd_component_handshakes_total", result="not-authorized"), 1)
        self.assertEqual(self.value("xmppd_connections", kind="component"), 1)
        irc.disconnect()
        juliet.send("<message to='irc.example.org'/>")
        self.assertEqual(self.value("xmppd_component_queued_stanzas", **at), 1)
        self.pump(30)
        self.assertEqual(self.value("xmppd_component_stanzas_refused_total", **at), 1)

    def test_stanzas(self) -> None:
        romeo, juliet = self.login("romeo@example.org/orchard"), self.login("juliet@example.org/balcony")
        received, sent = self.value("xmppd_stanzas_received_total"), self.value("xmppd_stanzas_sent_total")
        assert received is not None and sent is not None
        romeo.send("<message to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message><body>hi</body></message>")
        romeo.disconnect()
        juliet.disconnect()
        self.assertEqual(self.value("xmppd_stanzas_received_total"), received + 1)
        self.assertEqual(self.value("xmppd_stanzas_sent_total"), sent + 1)

    def test_connections(self) -> None:
        self.connect()
        gone = self.connect()
        gone.disconnect()
        self.assertEqual(self.value("xmppd_connections", kind="client"), 1)
        self.assertEqual(self.value("xmppd_connections_accepted_total", kind="client"), 2)
        self.assertEqual(self.value("xmppd_connections_refused_total", kind="client"), 0)
        self.assertEqual(self.value("xmppd_connections_accepted_total", kind="http"), 0)
        fetch(self.web.site, "/health")
        self.assertEqual(self.value("xmppd_connections_accepted_total", kind="http"), 1)
        self.assertEqual(self.value("xmppd_connections", kind="http"), 0)

    def test_logins(self) -> None:
        self.login("romeo@example.org/orchard", password="secret")
        self.assertEqual(self.value("xmppd_logins_total", result="success"), 1)
        self.assertEqual(self.value("xmppd_logins_total", result="not-authorized"), 0)
        for _ in range(2):
            client = self.connect()
            client.open("example.org")
            client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHdyb25n</auth>")
            self.pump(1)
        self.assertEqual(self.value("xmppd_logins_total", result="not-authorized"), 2)
        self.assertEqual(self.value("xmppd_logins_total", result="success"), 1)

    def test_plugins(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for body in ("a", "oops", "b"):
            romeo.send(f"<message to='{{romeo}}'><body>{body}</body></message>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        labels = {"host": "example.org", "plugin": "clumsy"}
        self.assertEqual(self.value("xmppd_plugin_calls_total", **labels), 3)
        self.assertEqual(self.value("xmppd_plugin_failures_total", **labels), 1)
        seconds = self.value("xmppd_plugin_seconds_total", **labels)
        slowest = self.value("xmppd_plugin_slowest_call_seconds", **labels)
        assert seconds is not None and slowest is not None
        self.assertTrue(0 < slowest <= seconds)
        self.assertEqual(self.value("xmppd_plugin_calls_total", host="example.net", plugin="clumsy"), 0)
        self.wait(self.host.registry.disable("clumsy"))
        self.assertIsNone(self.value("xmppd_plugin_calls_total", **labels))

    def test_about(self) -> None:
        (build,) = [family for family in self.figures.collect() if family.name == "xmppd_build"]
        self.assertEqual(build.samples[0].labels["version"], __version__)
        self.assertEqual(self.value("xmppd_start_time_seconds"), self.server.server.started_at)
        end = self.value("xmppd_certificate_expiry_timestamp_seconds", host="example.org")
        assert end is not None
        self.assertAlmostEqual((end - self.clock.seconds()) / 86400, 3650, delta=2)
        self.assertGreater(self.value("process_resident_memory_bytes") or 0, 1e6)

    def test_before_the_server_has_started(self) -> None:
        self.figures.clients = self.figures.tls = None
        self.assertIsNone(self.value("xmppd_logins_total", result="success"))
        self.assertEqual(self.value("xmppd_connections", kind="http"), 0)

    def test_forms(self) -> None:
        """As each client wants it; both can be read by what Prometheus itself would refuse them by."""
        self.login("romeo@example.org/orchard")
        plain = fetch(self.web.site, "/metrics", accept="text/plain")
        self.assertEqual(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn('xmppd_sessions{host="example.org",state="connected"} 1.0\n', plain.body)
        self.assertGreater(len(list(text_string_to_metric_families(plain.body))), 20)
        newer = fetch(self.web.site, "/metrics", accept="application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
        self.assertIn("application/openmetrics-text; version=1.0.0", newer.headers["content-type"])
        self.assertGreater(len(list(openmetrics(newer.body))), 20)
        self.assertTrue(newer.body.endswith("# EOF\n"))

    def test_every_figure_is_explained(self) -> None:
        for family in self.figures.collect():
            self.assertRegex(family.documentation, r"\A[A-Z1].*\.\Z", family.name)
            self.assertRegex(family.name, r"\Axmppd_[a-z0-9_]+\Z")

    def test_nothing_is_global(self) -> None:
        self.assertNotIn(b"xmppd_", generate_latest(REGISTRY))
        other = WebServer(self.server.server, self.clock)
        fetch(self.web.site, "/health")
        self.assertEqual(registry_of(other.figures).get_sample_value("xmppd_connections_accepted_total",
                                                                     {"kind": "http"}), 0)  # fmt: skip


class DurableTests(Managed):
    """Sessions that wait to be resumed, and what waits for the disk."""

    def setUp(self) -> None:
        super().setUp()
        self.registry = registry_of(WebServer(self.server.server, self.clock).figures)

    def value(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(name, labels)
        assert found is not None, name
        return found

    def test_hibernation(self) -> None:
        romeo, _ = self.enabled("romeo@example.org/orchard")
        self.login("juliet@example.org/balcony")
        romeo.disconnect()
        self.assertEqual(self.value("xmppd_sessions", host="example.org", state="hibernating"), 1)
        self.assertEqual(self.value("xmppd_sessions", host="example.org", state="connected"), 1)
        self.assertGreater(self.value("xmppd_session_journal_bytes"), 0)

    def test_a_disk_that_stops(self) -> None:
        self.enabled("juliet@example.org/balcony")
        romeo, _ = self.enabled("romeo@example.org/orchard")
        self.pump(1)
        units, octets = self.value("xmppd_ledger_units_total"), self.value("xmppd_ledger_bytes_total")
        seconds = self.value("xmppd_ledger_commit_seconds_sum")
        self.assertEqual(self.value("xmppd_ledger_waiting_seconds"), 0)
        self.disk.stopped = True
        romeo.send("<message to='{juliet}' type='chat'><body>hi</body></message>")
        self.pump(3)
        self.assertEqual(self.value("xmppd_ledger_waiting_seconds"), 3)
        self.disk.go_on()
        self.assertEqual(self.value("xmppd_ledger_waiting_seconds"), 0)
        self.assertGreater(self.value("xmppd_ledger_bytes_total"), octets)
        self.assertGreaterEqual(self.value("xmppd_ledger_units_total"), units)
        self.assertGreaterEqual(self.value("xmppd_ledger_commit_seconds_sum"), seconds + 3)
        self.assertEqual(self.value("xmppd_ledger_paused_connections"), 0)
        self.assertEqual(self.value("xmppd_ledger_failures_total"), 0)

    def test_a_disk_that_is_full(self) -> None:
        romeo, _ = self.enabled("romeo@example.org/orchard")
        self.pump(1)
        self.disk.broken = "database or disk is full"
        romeo.send("<message to='{romeo}' type='chat'><body>hi</body></message>")
        self.pump(10)
        failures = self.value("xmppd_ledger_failures_total")
        self.assertGreater(failures, 1)
        self.assertEqual(self.value("xmppd_ledger_waiting_seconds"), 10)
        self.disk.broken = None
        self.pump(10)
        self.assertEqual(self.value("xmppd_ledger_failures_total"), failures)
        self.assertEqual(self.value("xmppd_ledger_waiting_seconds"), 0)


class DatabaseTests(TestCase):
    """Those of the database need its threads."""

    def setUp(self) -> None:
        engines = open_engines(f"sqlite:///{self.mktemp()}")
        migrate(engines.write, "test", TABLES)
        self.database = Database(engines, reactor.callFromThread, Turns(reactor.callLater))
        self.database.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.database.stop()))

    def values(self) -> dict[str, Any]:
        return {
            sample.name + "".join(sample.labels.values()): sample.value
            for family in database_figures(self.database)
            for sample in family.samples
        }

    async def test_figures(self) -> None:
        await self.database.append(ROOMS, [row("a"), row("b")])
        values = self.values()
        names = {re.sub(r"_(bucket|count|sum).*", "", name) for name in values}
        self.assertEqual(names, {name for name in EVERYTHING if name.startswith("xmppd_database_")})
        for name, value in (
            ("batches_total", 1), ("writes_total", 1), ("rows_total", 2), ("failed_batches_total", 0),
            ("refused_writes_total", 0), ("writable", 1), ("waiting_writes", 0), ("waiting_reads", 0),
            ("batch_seconds_count", 1), ("batch_seconds_bucket+Inf", 1),
        ):  # fmt: skip
            self.assertEqual(values[f"xmppd_database_{name}"], value, name)
        self.assertGreater(values["xmppd_database_batch_seconds_sum"], 0)

    async def test_what_waits(self) -> None:
        waiting, release = hold(self.database)
        self.addCleanup(release.set)
        second = self.database.write(add("b"))
        third = self.database.read(lambda connection: release.wait(60))
        values = self.values()
        self.assertEqual(values["xmppd_database_waiting_writes"], 1)
        self.assertEqual(values["xmppd_database_waiting_reads"], 1)
        release.set()
        for one in (waiting, second, third):
            await one
