"""The plugins of one host: found, checked, ordered, started, stopped; whatever they registered is undone here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from xmppd.api.plugin import Component, Dependency, Plugin
from xmppd.core.options import SettingsError, nearest, validate_options
from xmppd.core.plugins.components import ComponentOwner
from xmppd.core.plugins.dispatch import Conflict, Figures, Handler, compile_tables
from xmppd.core.plugins.missed import catch_up
from xmppd.core.plugins.sources import PluginError, Source
from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.core.hosts import Host

__all__ = ["PluginInfo", "Registry", "wanted_names"]

_log = Logger()
Migrate = Callable[[type[Plugin]], Awaitable[None]]


@dataclass(frozen=True)
class PluginInfo:
    """What `plugin list` tells of a plugin. `error`: why it could not be loaded last time, or None."""

    name: str
    source: str
    loaded: bool
    error: str | None


def wanted_names(changes: Iterable[str], sources: Iterable[Source]) -> list[str]:
    """Return the plugins a host starts with: the bundled defaults, changed as the settings say.

    :param changes: ``greet`` adds one, ``-offline`` takes one away, ``-*`` takes away all defaults.
    :raises PluginError: if a name is not known; a bundled plugin can't be imported.
    """
    sources = list(sources)
    known = {name for source in sources for name in source.names()}
    wanted = [n for s in sources if s.bundled for n in s.names() if s.load(n).default]
    for change in changes:
        name = change.removeprefix("-")
        if name != "*" and name not in known:
            raise PluginError(f"there is no plugin {name!r}" + _meant(name, known))
        if change == "-*":
            wanted = []
        elif change.startswith("-"):
            wanted = [n for n in wanted if n != name]
        elif name not in wanted:
            wanted.append(name)
    return wanted


class Registry:
    """Loads plugins on one host.

    :param options: the raw options tables of the host, by plugin name.
    :param migrate: brings a plugin's tables up to date.
    :ivar figures: what the handlers of running plugins have cost.
    """

    def __init__(
        self, host: Host, sources: Iterable[Source], options: Mapping[str, Mapping[str, Any]], migrate: Migrate
    ) -> None:
        self._host = host
        self._sources = list(sources)
        self._raw = {name: dict(table) for name, table in options.items()}
        self._migrate = migrate
        self._plugins: dict[str, Plugin] = {}  # in the order they were started
        self.figures: Figures = {}
        self._errors: dict[str, str] = {}
        self._owners: dict[str, str] = {}  # domain -> plugin
        self._changing = DeferredLock()  # one change at a time: each takes a while

    # Reading

    def loaded(self) -> Iterable[Plugin]:
        """The running plugins, in the order they were started."""
        return self._plugins.values()

    def get(self, name: str) -> Plugin | None:
        """The running plugin of that name."""
        return self._plugins.get(name)

    def infos(self) -> list[PluginInfo]:
        """Every plugin there is, running or not, by name."""
        found = {name: source.name for source in reversed(self._sources) for name in source.names()}
        return [PluginInfo(n, found[n], n in self._plugins, self._errors.get(n)) for n in sorted(found)]

    def handlers(self, name: str) -> list[Handler]:
        """The handlers of a running plugin, with what they have cost so far."""
        owners = [o for o in self._host.server.router.owners.values() if isinstance(o, ComponentOwner)]
        tables = [self._host.tables, *(owner.tables for owner in owners)]
        return [
            h for table in tables for h in table.handlers() if h.plugin.name == name and h.plugin.host is self._host
        ]

    def component_names(self) -> dict[Jid, str]:
        """Addresses of the host's component plugins, with the name of each (its identity's, or the plugin's)."""
        return {
            plugin.jid: plugin.identities[0][2] if plugin.identities else plugin.name
            for plugin in self.loaded()
            if isinstance(plugin, Component) and plugin.offered
        }

    def load_class(self, name: str) -> type[Plugin]:
        """Import a plugin. :raises PluginError: if there is none of that name or it can't be imported."""
        for source in self._sources:
            if name in source.names():
                return source.load(name)
        raise PluginError(f"there is no plugin {name!r}" + _meant(name, self._known()))

    # Changing

    async def start(self, names: Iterable[str]) -> None:
        """Start these plugins unless they run, those that others need first.

        :raises PluginError: if one can't be started; those started before it keep running, see :meth:`stop`.
        """
        classes = {name: self.load_class(name) for name in names}
        known = self._known()
        for name in self._raw:
            if name not in known:
                text = f"{self._host.jid} has options for {name!r}, but there is no such plugin"
                raise PluginError(text + _meant(name, known))
        async with _held(self._changing):
            for name in _by_need(classes):
                if name not in self._plugins:  # somebody may have enabled it while this waited
                    await self._start(name, classes[name])

    async def enable(self, name: str) -> None:
        """Start one plugin while the server runs.

        :raises PluginError: if it can't be, or runs already; nothing is left behind.
        """
        async with _held(self._changing):
            if name in self._plugins:
                raise PluginError(f"plugin {name} is enabled already")
            await self._start(name, self.load_class(name))

    async def disable(self, name: str) -> None:
        """Stop one plugin; its handlers, timers and domains are gone.

        :raises PluginError: if it isn't running, or another one needs it.
        """
        async with _held(self._changing):
            plugin = self._running(name)
            for other in self._needing(plugin):
                raise PluginError(f"plugin {name} can't be disabled: plugin {other.name} needs it")
            await self._stop(plugin)

    async def reload(self, name: str) -> None:
        """Stop a plugin and start it again from its source; those that need it stop before and start after it.

        :raises PluginError: if it isn't running, or one of them can't be started; that one, and what needs it, is off.
        """
        async with _held(self._changing):
            plugin = self._running(name)
            cls = self.load_class(name)
            stopped = [plugin]
            for other in self.loaded():  # in the order they were started, so those that need others come later
                if any(self._needs(other, one) for one in stopped):
                    stopped.append(other)
            for one in reversed(stopped):
                await self._stop(one)
            await self._start(name, cls)
            for one in stopped[1:]:
                await self._start(one.name, type(one))

    def _needing(self, plugin: Plugin) -> Iterable[Plugin]:
        return (other for other in self.loaded() if self._needs(other, plugin))

    def _needs(self, other: Plugin, plugin: Plugin) -> bool:
        return other is not plugin and any(
            dependency.required and other.provided.get(dependency.interface) is plugin
            for dependency in _dependencies(type(other))
        )

    def changed_options(self, tables: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Name the plugins whose options table differs from the one in force."""
        names = sorted({*tables, *self._raw})
        return [name for name in names if dict(tables.get(name, {})) != self._raw.get(name, {})]

    def set_options(self, name: str, table: Mapping[str, Any]) -> None:
        """Keep the options table of a plugin that isn't running for when it is started."""
        self._raw[name] = dict(table)

    async def reconfigure(self, name: str, table: Mapping[str, Any]) -> None:
        """Give a running plugin other options.

        :param table: its whole table, as in the settings.
        :raises PluginError: if they are not valid; then the old ones stay.
        """
        async with _held(self._changing):
            plugin = self._running(name)
            old = plugin._options
            plugin._options = self._options(name, type(plugin), table)
            if isinstance(plugin, Component):
                try:
                    self._rebuild()
                except Conflict as error:
                    plugin._options = old
                    self._rebuild()
                    raise PluginError(f"plugin {name}: {error}") from None
            self._raw[name] = dict(table)
            await plugin.reconfigured(plugin.options)

    async def stop(self) -> None:
        """Stop all plugins, in the opposite order of their start."""
        async with _held(self._changing):
            for plugin in reversed(list(self.loaded())):
                await self._stop(plugin)

    # How

    def _known(self) -> set[str]:
        return {name for source in self._sources for name in source.names()}

    def _running(self, name: str) -> Plugin:
        plugin = self._plugins.get(name)
        if plugin is None:
            raise PluginError(f"plugin {name} is not enabled on {self._host.jid}")
        return plugin

    def _options(self, name: str, cls: type[Plugin], table: Mapping[str, Any]) -> Any:
        try:
            return validate_options(cls.Options, table, f'[hosts."{self._host.jid}".{name}]')
        except SettingsError as error:
            raise PluginError(str(error)) from None

    async def _start(self, name: str, cls: type[Plugin]) -> None:
        plugin: Plugin | None = None
        started = False
        try:
            plugin = cls(self._host, self._options(name, cls, self._raw.get(name, {})))
            self._bind(plugin)
            await self._migrate(cls)
            await plugin.start()
            started = True
            await catch_up(plugin)
            self._plugins[name] = plugin
            self._rebuild()
            await catch_up(plugin)  # what came while it did so
        except Exception as error:
            self._plugins.pop(name, None)
            if plugin is not None:
                self._rebuild()
                plugin.cancel_timers()
                if started:
                    await self._let_stop(plugin)
            known = isinstance(error, PluginError | Conflict)
            self._errors[name] = str(error) if known else f"{type(error).__name__}: {error}"
            raise PluginError(f"plugin {name} could not be started: {self._errors[name]}") from error
        self._errors.pop(name, None)

    async def _stop(self, plugin: Plugin) -> None:
        del self._plugins[plugin.name]
        self._rebuild()
        plugin.cancel_timers()
        await self._let_stop(plugin)

    async def _let_stop(self, plugin: Plugin) -> None:
        try:
            await plugin.stop()
        except Exception:
            _log.failure("plugin {name} failed while it was stopped; it is stopped all the same", name=plugin.name)

    def _bind(self, plugin: Plugin) -> None:
        """Give a plugin the providers of what it needs and uses."""
        found: dict[type, Plugin] = {}
        for dependency in _dependencies(type(plugin)):
            provider = next((p for p in self.loaded() if dependency.interface in p.provides), None)
            if provider is not None:
                found[dependency.interface] = provider
            elif dependency.required:
                raise PluginError(
                    f"it needs a plugin that provides {dependency.interface.__name__}, and none is enabled"
                )
        plugin.provided = found

    def recompile(self) -> None:
        """Compile the host's tables anew: a plugin wants other filters than before."""
        self._host.tables = compile_tables(self.loaded(), self.figures)

    def _rebuild(self) -> None:
        """Compile the tables anew and put them in force at once; forget what stopped plugins have cost."""
        for key in [key for key in self.figures if key[0] is not self._plugins.get(key[0].name)]:
            del self.figures[key]
        host, router = self._host, self._host.server.router
        self.recompile()
        for plugin in self.loaded():
            self._bind(plugin)
        for domain in self._owners:
            router.owners.pop(domain, None)
        self._owners = {}
        for plugin in self.loaded():
            if isinstance(plugin, Component):
                domain = plugin.jid.domain
                if domain in router.owners:
                    raise Conflict(f"the domain {domain} is taken already")
                tables = compile_tables([plugin], self.figures, plugin)
                router.owners[domain] = ComponentOwner(host, plugin, tables)
                self._owners[domain] = plugin.name


def _meant(name: str, known: Collection[str]) -> str:
    """What to add to an error about a name that isn't known: the nearest that is."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def _dependencies(cls: type[Plugin]) -> tuple[Dependency[Any], ...]:
    return _find_dependencies(cls)  # type: ignore[arg-type]  # a class can be hashed


@lru_cache(maxsize=512)
def _find_dependencies(cls: type[Plugin]) -> tuple[Dependency[Any], ...]:
    return tuple(found for name in dir(cls) if isinstance(found := getattr(cls, name, None), Dependency))


def _by_need(classes: Mapping[str, type[Plugin]]) -> list[str]:
    """Order plugins so that providers come before those that need them, and if possible before those that use them.

    :raises PluginError: if plugins need each other in a circle.
    """
    providers = {interface: name for name, cls in classes.items() for interface in cls.provides}
    before: dict[str, set[str]] = {name: set() for name in sorted(classes)}
    wishes: list[tuple[str, str]] = []
    for name in before:
        for dependency in _dependencies(classes[name]):
            provider = providers.get(dependency.interface)
            if provider is None or provider == name:
                continue
            if dependency.required:
                before[name].add(provider)
            else:
                wishes.append((name, provider))
    try:
        list(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise PluginError(f"plugins need each other in a circle: {' -> '.join(reversed(error.args[1]))}") from None
    for name, provider in wishes:  # those that use each other start in some order, and then each has the other
        if not _comes_after(before, provider, name):
            before[name].add(provider)
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name not in ordered:
            for provider in sorted(before[name]):
                visit(provider)
            ordered.append(name)

    for name in before:
        visit(name)
    return ordered


def _comes_after(before: Mapping[str, set[str]], name: str, other: str) -> bool:
    """Does `other` have to be started before `name`?"""
    return other in before[name] or any(_comes_after(before, provider, other) for provider in before[name])


@asynccontextmanager
async def _held(lock: DeferredLock) -> AsyncIterator[None]:
    """Hold a lock that is taken in turn."""
    await lock.acquire()
    try:
        yield
    finally:
        lock.release()
