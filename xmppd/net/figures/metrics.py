"""Figures of a running server for Prometheus: read from the live objects when somebody asks, and counted nowhere else.

Names follow Prometheus' conventions: a unit at the end, ``_total`` for what only grows. docs/operations.md tells what
to watch.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import twisted
from xmppd import __version__
from xmppd.api.storage import StorageUnavailable
from xmppd.core.durable.ledger import Ledger
from xmppd.core.lateness import Lateness
from xmppd.core.plugins.dispatch import Stats
from xmppd.core.storage import Database
from xmppd.net.families import counter, counters, gauge, gauges, histogram
from xmppd.net.figures.links import link_figures
from xmppd.net.figures.plugins import plugin_figures
from xmppd.wire.sasl import SaslCondition

if TYPE_CHECKING:
    from xmppd.core.components.line import Line
    from xmppd.core.server import Server
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.components.listener import ComponentListener
    from xmppd.net.http.server import HttpServer
    from xmppd.net.peers import PeerCounter
    from xmppd.net.s2s.network import ServerNetwork
    from xmppd.net.s2s.resolver import Resolver
    from xmppd.net.tls.transport import ServerTls

__all__ = ["Figures", "database_figures", "registry_of"]

#: Seconds for which a count of accounts is good enough: it takes the database some work.
_RECOUNT = 60.0


class Figures(Collector):
    """What one server has to tell. Parts that are not there yet tell nothing.

    :param lateness: how late timers are.
    :param http: the HTTP server.
    :ivar clients: what client ports share.
    :ivar components: what component ports share.
    :ivar servers: the streams with other servers.
    :ivar resolver: finds them.
    :ivar tls: the certificates.
    """

    def __init__(self, server: Server, lateness: Lateness, http: HttpServer) -> None:
        self._server = server
        self._lateness = lateness
        self._http = http
        self._accounts: dict[str, int] = {}
        self._counted_at: float | None = None
        self.clients: ClientListener | None = None
        self.components: ComponentListener | None = None
        self.servers: ServerNetwork | None = None
        self.resolver: Resolver | None = None
        self.tls: ServerTls | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        server = self._server
        yield from self._about()
        yield from self._sessions()
        received, sent = server.directory.stanzas()
        yield counter("xmppd_stanzas_received", "Stanzas that clients have sent.", received)
        yield counter("xmppd_stanzas_sent", "Stanzas that were sent to clients.", sent)
        yield from self._connections()
        yield from self._logins()
        yield from self._components()
        yield from link_figures(server.federation, self.servers, self.resolver)
        yield from _ledger(server.ledger)
        if isinstance(server.db, Database):
            yield from database_figures(server.db)
        yield from self._http.counts.figures()
        yield from self._plugins()
        yield from plugin_figures(self._server)
        yield histogram(
            "xmppd_reactor_delay_seconds", "By how much a timer was late, measured once a second.",
            self._lateness.seconds,
        )  # fmt: skip

    def _about(self) -> Iterator[Metric]:
        about = {"version": __version__, "python": platform.python_version(), "twisted": twisted.__version__}
        if isinstance(self._server.db, Database):
            about["database"] = self._server.db.engines.write.dialect.name
        yield InfoMetricFamily("xmppd_build", "The program, and what it stands on.", about)
        started = self._server.started_at
        yield gauge("xmppd_start_time_seconds", "When the server was started, since the epoch.", started)
        if self.tls is not None:
            ends = {(host,): end for host, end in self.tls.ends.items()}
            yield gauges(
                "xmppd_certificate_expiry_timestamp_seconds", "When a host's certificate ends, since the epoch.",
                ("host",), ends,
            )  # fmt: skip

    def _sessions(self) -> Iterator[Metric]:
        directory, hosts = self._server.directory, self._server.hosts
        sessions: Counter[tuple[str, str]] = Counter()
        for session in directory.by_jid.values():
            sessions[session.host.jid.domain, "hibernating" if session.hibernating else "connected"] += 1
        online = Counter(account.domain for account in directory.by_account)
        found = {(host, state): sessions[host, state] for host in hosts for state in ("connected", "hibernating")}
        text = "Sessions of users; those that hibernate have lost their connection and wait to be resumed."
        yield gauges("xmppd_sessions", text, ("host", "state"), found)
        found_online = {(host,): online[host] for host in hosts}
        yield gauges("xmppd_accounts_online", "Accounts that have a session.", ("host",), found_online)
        self._count_accounts()
        accounts = {(host,): count for host, count in self._accounts.items() if host in hosts}
        yield gauges("xmppd_accounts", "Accounts there are; counted once a minute.", ("host",), accounts)

    def _count_accounts(self) -> None:
        """Have the accounts counted, for the next who asks, unless it was done lately."""
        now = self._server.clock.seconds()
        if self._counted_at is None or not 0 <= now - self._counted_at < _RECOUNT:
            self._counted_at = now
            self._server.spawn(self._counted(), "counting accounts")

    async def _counted(self) -> None:
        try:
            for host in list(self._server.hosts):
                self._accounts[host] = await self._server.accounts.count(host)
        except StorageUnavailable:
            self._counted_at = None  # other figures tell of it

    def _connections(self) -> Iterator[Metric]:
        peers: dict[tuple[str], PeerCounter] = {("http",): self._http.peers}
        if self.clients is not None:
            peers["client",] = self.clients.peers
        if self.components is not None:
            peers["component",] = self.components.peers
        if self.servers is not None:
            peers["server",] = self.servers.peers
        kind = ("kind",)
        found = {key: one.open for key, one in peers.items()}
        yield gauges("xmppd_connections", "Open connections.", kind, found)
        accepted = {key: one.accepted for key, one in peers.items()}
        yield counters("xmppd_connections_accepted", "Connections that were let in.", kind, accepted)
        refused = {key: one.refused for key, one in peers.items()}
        yield counters("xmppd_connections_refused", "Connections refused: there were too many.", kind, refused)

    def _logins(self) -> Iterator[Metric]:
        if self.clients is not None:
            counted = self.clients.login_results
            found = {(name,): counted[name] for name in ("success", *(str(condition) for condition in SaslCondition))}
            text = "Attempts to log in, by how they ended: success, or the error of SASL."
            yield counters("xmppd_logins", text, ("result",), found)

    def _components(self) -> Iterator[Metric]:
        label = ("component",)
        lines: dict[tuple[str], Line] = {(domain,): line for domain, line in self._server.components.by_domain.items()}
        lines |= {(domain,): line for domain, line in self._server.uplinks.by_domain.items()}
        text = "Connections of an external component, or of an uplink."
        yield gauges("xmppd_component_connections", text, label, {key: len(line.links) for key, line in lines.items()})
        text = "Stanzas that wait for a component to connect."
        yield gauges("xmppd_component_queued_stanzas", text, label, {key: line.queued for key, line in lines.items()})
        for name, text, count in (
            ("received", "Stanzas from a component.", lambda line: sum(line.received.values())),
            ("sent", "Stanzas sent to a component.", lambda line: sum(line.sent.values())),
            ("refused", "Stanzas for a component that came back: it was not connected.", lambda line: line.refused),
        ):
            found = {key: count(line) for key, line in lines.items()}
            yield counters(f"xmppd_component_stanzas_{name}", text, label, found)
        results = self.components.results if self.components is not None else {}
        text = "Handshakes of components, by how they ended: success, or the stream error."
        found = {("success",): 0, ("not-authorized",): 0} | {(name,): count for name, count in results.items()}
        yield counters("xmppd_component_handshakes", text, ("result",), found)

    def _plugins(self) -> Iterator[Metric]:
        by_plugin: dict[tuple[str, ...], Stats] = {}
        for domain, host in self._server.hosts.items():
            for (plugin, _), stats in host.registry.figures.items():
                by_plugin.setdefault((domain, plugin.name), Stats()).merge(stats)
        for name, text, attribute in (
            ("calls", "Calls of a plugin's handlers.", "calls"),
            ("failures", "Calls that failed: the stanza was refused, the log says why.", "failures"),
            ("seconds", "Time spent in a plugin's handlers, each up to where it waits for something.", "seconds"),
        ):
            found = {key: getattr(stats, attribute) for key, stats in by_plugin.items()}
            yield counters(f"xmppd_plugin_{name}", text, ("host", "plugin"), found)
        slowest = {key: stats.slowest for key, stats in by_plugin.items()}
        text = "The longest call of any of a plugin's handlers since it was started."
        yield gauges("xmppd_plugin_slowest_call_seconds", text, ("host", "plugin"), slowest)


def registry_of(figures: Figures) -> CollectorRegistry:
    """Return a registry of its own for a server's figures and those of its process."""
    registry = CollectorRegistry()
    registry.register(figures)
    ProcessCollector(registry=registry)
    return registry


def database_figures(db: Database) -> Iterator[Metric]:
    """Yield what a database has to tell."""
    counts = db.counters
    yield gauge("xmppd_database_writable", "1 if the last transaction could be written.", int(db.writable))
    yield gauge("xmppd_database_waiting_writes", "Writes that wait for a transaction.", db.queue_length)
    yield gauge("xmppd_database_waiting_reads", "Reads that wait, or are under way.", db.reads_waiting)
    yield counter("xmppd_database_batches", "Transactions, each with what came together.", counts.batches)
    yield counter("xmppd_database_failed_batches", "Transactions that failed: disk, connection.",
                   counts.failed_batches)  # fmt: skip
    yield counter("xmppd_database_writes", "Writes in these transactions.", counts.jobs)
    yield counter("xmppd_database_rows", "Rows stored by writes that do nothing else.", counts.rows)
    yield counter("xmppd_database_refused_writes", "Writes refused: too many were waiting.", counts.refused)
    text = "Time a transaction took, from its first statement to the end of COMMIT."
    yield histogram("xmppd_database_batch_seconds", text, counts.seconds)


def _ledger(ledger: Ledger) -> Iterator[Metric]:
    counts = ledger.counters
    text = "Time from when something had to be stored until it was: acks and messages wait for it."
    yield histogram("xmppd_ledger_commit_seconds", text, counts.seconds)
    yield gauge("xmppd_ledger_waiting_seconds", "How long the oldest of what waits has waited.", ledger.waiting_seconds)
    yield gauge("xmppd_ledger_paused_connections", "Connections not read: too much waits to be stored.", ledger.paused)
    yield counter("xmppd_ledger_units", "Stanzas that left something to be stored.", counts.units)
    yield counter("xmppd_ledger_bytes", "What they left, roughly.", counts.octets)
    yield counter("xmppd_ledger_failures", "Attempts to store that failed and were made again.", counts.failures)
    yield gauge("xmppd_session_journal_bytes", "Length of the journal of resumable sessions.", ledger.journal_octets)
