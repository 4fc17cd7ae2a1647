"""``plugin list`` and ``plugin info`` while no server runs: what the settings will have it load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xmppd.api.operations import OperationError, operation
from xmppd.core.operations.plugins import declared
from xmppd.core.options import SettingsError, table_name, unknown_name, validate_options
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError, Source, find_sources
from xmppd.core.settings import Settings
from xmppd.wire.errors import Condition

__all__ = ["OfflinePluginOperations"]


class OfflinePluginOperations:
    """Plugins by the settings; nothing is started."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @operation("plugin list", safe=True, offline=True)
    async def list_plugins(self, *, host: str | None = None, all: bool = False) -> list[dict[str, Any]]:
        """See PluginOperations."""
        sources = self._sources()
        rows = []
        for domain in self._hosts(host):
            wanted = self._wanted(domain, sources)
            for name in sorted({name for source in sources for name in source.names()}):
                if all or name in wanted:
                    rows.append(self._row(domain, name, name in wanted, sources))
        return rows

    @operation("plugin info", safe=True, offline=True)
    async def info(self, name: str, *, host: str | None = None) -> dict[str, Any]:
        """See PluginOperations."""
        sources, domain = self._sources(), self._hosts(host)[0]
        names = sorted({known for source in sources for known in source.names()})
        if name not in names:
            raise OperationError(unknown_name(name, names, "plugins"), Condition.ITEM_NOT_FOUND)
        try:
            cls = _source_of(name, sources).load(name)
            table = self._settings.hosts[domain].plugin_options.get(name, {})
            options = validate_options(cls.Options, table, table_name(["hosts", domain, name]))
        except (PluginError, SettingsError) as error:
            raise OperationError(str(error)) from None
        enabled = name in self._wanted(domain, sources)
        shown = {"plugin": name, "host": domain, "enabled": enabled, **declared(cls)}
        return {**shown, "options": options.model_dump(mode="json")}

    def _row(self, domain: str, name: str, enabled: bool, sources: Sequence[Source]) -> dict[str, Any]:
        source = _source_of(name, sources)
        try:
            summary, problem = declared(source.load(name))["summary"], ""
        except PluginError as error:
            summary, problem = "", str(error)
        return {
            "plugin": name,
            "host": domain,
            "enabled": enabled,
            "source": source.name,
            "failures": 0,
            "problem": problem,
            "summary": summary,
        }

    def _sources(self) -> Sequence[Source]:
        try:
            return find_sources(self._settings.server.plugin_paths)
        except PluginError as error:
            raise OperationError(str(error)) from None

    def _wanted(self, domain: str, sources: Sequence[Source]) -> Sequence[str]:
        try:
            return wanted_names(self._settings.hosts[domain].plugins, sources)
        except PluginError as error:
            raise OperationError(f"{domain}: {error}") from None

    def _hosts(self, host: str | None) -> Sequence[str]:
        if host is not None and host not in self._settings.hosts:
            known = ", ".join(self._settings.hosts)
            raise OperationError(f"{host} is not served here; the hosts are {known}", Condition.ITEM_NOT_FOUND)
        return [host] if host is not None else list(self._settings.hosts)


def _source_of(name: str, sources: Sequence[Source]) -> Source:
    return next(source for source in sources if name in source.names())
