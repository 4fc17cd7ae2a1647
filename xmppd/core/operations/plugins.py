"""Operations on plugins: ``plugin list``, ``info``, ``enable``, ``disable``, ``reload``.

What is enabled or disabled stays so when the server is started again: it is written into the settings file, if there is
one that can be written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xmppd.api.operations import OperationError, operation, operations_of
from xmppd.core.operations.plugins_kept import keep
from xmppd.core.operations.sessions import hosts_named
from xmppd.core.option_fields import plain
from xmppd.core.plugins.sources import PluginError
from xmppd.wire.errors import Condition

if TYPE_CHECKING:
    from xmppd.api.plugin import Plugin
    from xmppd.core.hosts import Host
    from xmppd.core.plugins.dispatch import Handler
    from xmppd.core.server import Server

__all__ = ["PluginOperations", "declared"]

_BUNDLED = "xmppd.plugins"


class PluginOperations:
    """Plugins of the hosts."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("plugin list", safe=True, offline=True, examples=("", "--host example.org", "--all"))
    async def list_plugins(self, *, host: str | None = None, all: bool = False) -> list[dict[str, Any]]:
        """List the plugins that are enabled, with the last problem of each.

        That is why it could not be started; of one that runs, why one of its handlers failed last.

        :param host: the domain; every host if none is given.
        :param all: those that are not enabled as well.
        """
        return [
            {
                "plugin": info.name,
                "host": str(served.jid),
                "enabled": info.loaded,
                "source": info.source,
                "failures": sum(handler.stats.failures for handler in served.registry.handlers(info.name)),
                "problem": info.error or _last_failure(served, info.name),
                "summary": _summary(served, info.name),
            }
            for served in hosts_named(self._server, host)
            for info in served.registry.infos()
            if info.loaded or info.error or all
        ]

    @operation("plugin info", safe=True, offline=True, examples=("muc", "roster --host example.org"))
    async def info(self, name: str, *, host: str | None = None) -> dict[str, Any]:
        """Show what a plugin is for, what it answers, its options, and what its handlers have cost.

        :param name: the plugin.
        :param host: the domain; the first host if none is given.
        """
        served = self._one(host)
        plugin = served.registry.get(name)
        try:
            cls = type(plugin) if plugin else served.registry.load_class(name)
        except PluginError as error:
            raise OperationError(str(error), Condition.ITEM_NOT_FOUND) from None
        shown = {"plugin": name, "host": str(served.jid), "enabled": plugin is not None, **declared(cls)}
        if plugin is not None:
            shown["options"] = plain(plugin.options)
            shown["operations"] = [found.name for found in operations_of(plugin)]
            shown["handlers"] = [_cost(handler) for handler in served.registry.handlers(name)]
        return shown

    @operation("plugin enable", examples=("greet --host example.org", "greet --until-restart"))
    async def enable(self, name: str, *, host: str | None = None, until_restart: bool = False) -> str:
        """Start a plugin while the server runs, and whenever it is started from now on.

        :param name: the plugin.
        :param host: the domain; it may be left out if there is one host.
        :param until_restart: leave the settings file as it is.
        """
        served = self._single(host)
        await self._try(served.registry.enable(name))
        return f"Enabled {name} on {served.jid}.{await keep(served, name, True, until_restart)}"

    @operation("plugin disable", examples=("greet --host example.org", "greet --until-restart"))
    async def disable(self, name: str, *, host: str | None = None, until_restart: bool = False) -> str:
        """Stop a plugin while the server runs, and don't start it with the server from now on.

        :param name: the plugin.
        :param host: the domain; it may be left out if there is one host.
        :param until_restart: leave the settings file as it is.
        """
        served = self._single(host)
        await self._try(served.registry.disable(name))
        return f"Disabled {name} on {served.jid}.{await keep(served, name, False, until_restart)}"

    @operation("plugin reload", examples=("greet --host example.org",))
    async def reload(self, name: str, *, host: str | None = None) -> str:
        """Stop a plugin and start it again. One from a plugin folder is read anew from its file.

        :param name: the plugin.
        :param host: the domain; it may be left out if there is one host.
        """
        served = self._single(host)
        await self._try(served.registry.reload(name))
        return f"Reloaded {name} on {served.jid}."

    async def _try(self, change: Any) -> None:
        try:
            await change
        except PluginError as error:
            raise OperationError(str(error), Condition.NOT_ACCEPTABLE) from error

    def _one(self, host: str | None) -> Host:
        return hosts_named(self._server, host)[0]

    def _single(self, host: str | None) -> Host:
        found: Sequence[Host] = hosts_named(self._server, host)
        if len(found) != 1:
            raise OperationError(f"name the host with --host: {', '.join(str(h.jid) for h in found)}")
        return found[0]


def declared(cls: type[Plugin]) -> dict[str, Any]:
    """Return what a plugin's class says of it."""
    implemented = (cls.xep,) if cls.xep and isinstance(cls.xep[0], int) else cls.xep
    return {
        "summary": _first_line(cls.__doc__),
        "implements": [f"XEP-{number:04d} version {version}" for number, version in implemented],
        "features": [*cls.features, *cls.account_features],
        "default": cls.default,
    }


def _summary(host: Host, name: str) -> str:
    plugin = host.registry.get(name)
    try:
        cls = type(plugin) if plugin else host.registry.load_class(name)
    except PluginError:
        return ""  # its problem says why
    return _first_line(cls.__doc__)


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0]


def _cost(handler: Handler) -> dict[str, Any]:
    stats = handler.stats
    mean = stats.seconds / stats.calls if stats.calls else 0.0
    return {
        "handler": handler.label,
        "calls": stats.calls,
        "failures": stats.failures,
        "last_failure": stats.last[1],
        "mean_us": round(mean * 1e6, 1),
        "slowest_us": round(stats.slowest * 1e6, 1),
    }


def _last_failure(host: Host, name: str) -> str:
    return max((handler.stats.last for handler in host.registry.handlers(name)), default=(0.0, ""))[1]
