"""Figures of plugins' own (:meth:`xmppd.api.Plugin.figures`), for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric
from twisted.logger import Logger

from xmppd.api.figures import Figure
from xmppd.api.plugin import Plugin
from xmppd.net.families import counters, gauges

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["plugin_figures"]

_log = Logger()


def plugin_figures(server: Server) -> Iterator[Metric]:
    """Yield what the plugins of all hosts tell. One that fails tells nothing, and the others do."""
    found: dict[str, tuple[Figure, dict[tuple[str], float]]] = {}
    for domain, host in server.hosts.items():
        for plugin in host.registry.loaded():
            for figure in _of(plugin):
                name = f"xmppd_{plugin.name}_{figure.name}"
                found.setdefault(name, (figure, {}))[1][domain,] = figure.value
    for name, (figure, values) in found.items():
        yield (counters if figure.grows else gauges)(name, figure.text, ("host",), values)


def _of(plugin: Plugin) -> list[Figure]:
    try:
        return list(plugin.figures())
    except Exception:
        _log.failure("the figures of the plugin {plugin} can't be told", plugin=plugin.name)
        return []
