"""Figures of the links with other servers. None is told by domain: there are too many, and anybody can make up more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric

from xmppd.net.families import counter, counters, gauge, gauges, histogram
from xmppd.wire.errors import Condition

if TYPE_CHECKING:
    from xmppd.core.federation.federation import Federation
    from xmppd.net.s2s.network import ServerNetwork
    from xmppd.net.s2s.resolver import Resolver
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["link_figures"]

_DIRECTIONS = ("in", "out")
_STATES = ("negotiating", "open", "closing")
_METHODS = ("certificate", "dialback")
_CERTIFICATES = ("proven", "refused", "none")
_KINDS = ("message", "presence", "iq")
#: How attempts end, and why stanzas come back; others are told of once they have happened.
_FAILURES = (Condition.REMOTE_SERVER_NOT_FOUND, Condition.REMOTE_SERVER_TIMEOUT, Condition.NOT_ALLOWED)


def link_figures(federation: Federation, network: ServerNetwork | None, resolver: Resolver | None) -> Iterator[Metric]:
    """Yield what there is to tell of other servers."""
    yield from _stanzas(federation)
    yield from _routes(federation)
    if network is not None:
        yield from _streams(network)
    if resolver is not None:
        text = "Questions to nameservers, by how they ended; what is remembered is not asked."
        yield counters("xmppd_dns_queries", text, ("result",), _keyed(resolver.results))
        yield histogram("xmppd_dns_query_seconds", "Time such a question took.", resolver.seconds)


def _stanzas(federation: Federation) -> Iterator[Metric]:
    for name, text, counted in (
        ("received", "Stanzas that other servers have sent.", federation.received),
        ("sent", "Stanzas that were sent to other servers.", federation.sent),
    ):
        found = {(kind,): counted[kind] for kind in _KINDS}
        yield counters(f"xmppd_s2s_stanzas_{name}", text, ("kind",), found)
    text = "Stanzas that could not be sent to another server, by the error their senders get, if they get one."
    yield counters("xmppd_s2s_stanzas_returned", text, ("condition",), _with(federation.bounced))
    text = "Attempts to get a stream to another server, by how they ended: connected, or the error."
    yield counters("xmppd_s2s_attempts", text, ("result",), {("connected",): 0, **_with(federation.attempts)})
    text = "Messages for other servers that are stored until they are delivered."
    yield gauge("xmppd_s2s_messages_stored", text, len(federation.store))


def _routes(federation: Federation) -> Iterator[Metric]:
    now = federation.now()
    states = Counter({"connected": 0, "sought": 0, "unreachable": 0})
    waiting, oldest = 0, now
    for remote in list(federation.remotes.values()):
        routes = list(remote.routes.values())
        waiting += sum(len(route.queue) for route in routes)
        oldest = min([oldest, *(route.queue[0].since for route in routes if route.queue)])
        if remote.connected:
            states["connected"] += 1
        elif any(route.connecting or route.again is not None for route in routes):
            states["sought"] += 1
        elif any(route.refused_until > now for route in routes):
            states["unreachable"] += 1
    text = "Domains of other servers that are connected, are sought, or were given up for a while."
    yield gauges("xmppd_s2s_domains", text, ("state",), _keyed(states))
    yield gauge("xmppd_s2s_waiting_stanzas", "Stanzas that wait for a stream to another server.", waiting)
    yield gauge("xmppd_s2s_waiting_bytes", "Their size, roughly.", federation.waiting_octets)
    yield gauge("xmppd_s2s_waiting_seconds", "How long the oldest of them has waited.", max(0.0, now - oldest))


def _streams(network: ServerNetwork) -> Iterator[Metric]:
    states = Counter({(direction, state): 0 for direction in _DIRECTIONS for state in _STATES})
    encryption = Counter({(version,): 0 for version in ("none", "TLSv1.2", "TLSv1.3")})
    unacknowledged = 0
    for stream in network.streams:
        states["in" if stream.incoming else "out", _state(stream)] += 1
        encryption[(stream.tls.version if stream.tls is not None else "none",)] += 1
        unacknowledged += 0 if stream.acknowledged is None else len(stream.acknowledged)
    yield gauges("xmppd_s2s_streams", "Streams with other servers.", ("direction", "state"), states)
    yield gauges("xmppd_s2s_streams_encryption", "The same, by how they are encrypted.", ("version",), encryption)
    text = "Stanzas that were sent to other servers and are not acknowledged."
    yield gauge("xmppd_s2s_unacknowledged_stanzas", text, unacknowledged)
    yield from _events(network)


def _state(stream: ServerStream) -> str:
    if stream.closing:
        return "closing"
    return "open" if stream.proven or stream.sending else "negotiating"


def _events(network: ServerNetwork) -> Iterator[Metric]:
    counts = network.counts
    text = "Domains that were proven: theirs to us (in), ours to them (out)."
    found = {(way, method): counts[f"{way}: {method}"] for way in _DIRECTIONS for method in _METHODS}
    yield counters("xmppd_s2s_authentications", text, ("direction", "method"), found)
    text = "Certificates of other servers: whether they prove their domain, or none was shown."
    found_certificates = {(verdict,): counts[f"certificate: {verdict}"] for verdict in _CERTIFICATES}
    yield counters("xmppd_s2s_certificates", text, ("result",), found_certificates)
    text = "Keys of dialback that were not valid, or that nobody had asked for."
    yield counter("xmppd_s2s_dialback_refused", text, counts["invalid dialback key"] + counts["unsolicited dialback"])
    text = "Streams that ended with an error: ours to them (sent), theirs to us (received)."
    errors = {(way, what): n for way, name in _ERRORS for what, n in _beneath(counts, name).items()}
    yield counters("xmppd_s2s_stream_errors", text, ("way", "condition"), errors)


_ERRORS = (("sent", "closed: "), ("received", "failed: "))


def _beneath(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {what.removeprefix(prefix): count for what, count in counts.items() if what.startswith(prefix)}


def _with(counted: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(str(condition),): 0 for condition in _FAILURES} | _keyed(counted)


def _keyed(counted: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(str(name),): count for name, count in counted.items()}
