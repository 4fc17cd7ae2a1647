"""Handler tables: which functions of which plugins an event or an IQ goes to.

They are compiled anew whenever a plugin is loaded or unloaded and then only read. A lookup is one dict access; an event
object is made only if there is a handler for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from time import perf_counter
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.events.stanzas import FromClient, StanzaEvent, ToAccount, ToDevice, ToHost, Undeliverable
from xmppd.api.hooks import (
    BindFeatureMark,
    BoundMark,
    FilterMark,
    HttpMark,
    IqMark,
    Mark,
    NonzaMark,
    ObserveMark,
    Scope,
    StreamFeatureMark,
    marks,
)
from xmppd.api.plugin import Component, Plugin
from xmppd.api.storage import StorageUnavailable
from xmppd.api.verdicts import Bounce, Pass, Replace, Verdict
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.xml import SEPARATOR

__all__ = ["Conflict", "Figures", "Filters", "Handler", "Stats", "Tables", "compile_tables", "decide", "error_for"]

_log = Logger()
Filters = tuple["Handler", ...]
#: Marks of what one handler only can answer.
_CLAIMING = (IqMark, NonzaMark, BindFeatureMark, HttpMark)
_FILTERABLE: dict[type, str] = {
    FromClient: "from_client",
    ToAccount: "to_account",
    ToHost: "to_host",
    ToDevice: "to_device",
    Undeliverable: "undeliverable",
}


class Conflict(Exception):
    """Two plugins can't be loaded together, or in no order; the text names them."""


class Stats:
    """What a handler has cost: calls, failures, and seconds in it (up to its first await).

    :ivar last: why it failed last, and when: for comparing, in seconds of no particular beginning.
    """

    __slots__ = ("calls", "failures", "last", "seconds", "slowest")

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.seconds = 0.0
        self.slowest = 0.0
        self.last = (0.0, "")

    def failed(self, error: BaseException) -> None:
        """Count a failure."""
        self.failures += 1
        self.last = (perf_counter(), f"{type(error).__name__}: {error}")

    def add(self, seconds: float) -> None:
        """Count a call."""
        self.calls += 1
        self.seconds += seconds
        if seconds > self.slowest:
            self.slowest = seconds

    def merge(self, other: Stats) -> None:
        """Count what another handler has cost as well."""
        self.calls += other.calls
        self.failures += other.failures
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.last = max(self.last, other.last)


Figures = dict[tuple[Plugin, str], Stats]
"""What handlers have cost, by plugin and label: whether they are in the tables at the moment or not."""


class Handler:
    """A plugin's function in a table."""

    __slots__ = ("function", "label", "plugin", "stats")

    def __init__(self, plugin: Plugin, function: Callable[..., Any], label: str) -> None:
        self.plugin = plugin
        self.function = function
        self.label = label
        self.stats = Stats()

    def __call__(self, *args: Any) -> Any:
        """Call it, keeping count. What it raises is the caller's."""
        started = perf_counter()
        try:
            return self.function(*args)
        finally:
            self.stats.add(perf_counter() - started)


@dataclass
class Tables:
    """All tables of one host. Filters are by kind of stanza; IQ handlers by type + namespace + SEPARATOR + name.

    Nonzas and features of Bind 2 are by namespace + SEPARATOR + name, HTTP handlers by method and path.
    """

    from_client: dict[str, Filters] = field(default_factory=dict)
    to_account: dict[str, Filters] = field(default_factory=dict)
    to_host: dict[str, Filters] = field(default_factory=dict)
    to_device: dict[str, Filters] = field(default_factory=dict)
    undeliverable: dict[str, Filters] = field(default_factory=dict)
    observers: dict[type, Filters] = field(default_factory=dict)
    iq: dict[Scope, dict[str, Handler]] = field(default_factory=lambda: {scope: {} for scope in Scope})
    nonzas: dict[str, Handler] = field(default_factory=dict)
    stream_features: Filters = ()
    bind_features: dict[str, Handler] = field(default_factory=dict)
    bound_elements: Filters = ()
    http: dict[tuple[str, str], Handler] = field(default_factory=dict)

    def __post_init__(self) -> None:
        #: The same as ``iq[Scope.HOST]``: hashing an Enum is Python code.
        self.host_iq = self.iq[Scope.HOST]

    def handlers(self) -> Iterable[Handler]:
        """Every handler, once."""
        seen: dict[int, Handler] = {}
        groups: list[Iterable[Handler]] = [self.stream_features, self.nonzas.values(), *self.observers.values()]
        groups += [self.bind_features.values(), self.bound_elements, self.http.values()]
        groups += [table.values() for table in self.iq.values()]
        for slot in _FILTERABLE.values():
            groups += getattr(self, slot).values()
        for group in groups:
            seen.update((id(handler), handler) for handler in group)
        return seen.values()


def compile_tables(
    plugins: Iterable[Plugin], figures: Figures | None = None, component: Component | None = None
) -> Tables:
    """Make the tables for these plugins, in the order they were started.

    :param figures: what is counted so far; those of new handlers are entered.
    :param component: make the tables of this component's domain; of the host's if None.
    :raises Conflict: if two plugins answer the same IQ, nonza or feature of Bind 2, ask for a circular order, or filter
        what can't be.
    """
    tables = Tables()
    figures = {} if figures is None else figures
    filters: dict[tuple[str, str], list[tuple[FilterMark, Handler]]] = {}
    observers: dict[type, list[Handler]] = {}
    for plugin in plugins:
        for attribute, mark in _declared(type(plugin)):  # type: ignore[arg-type]  # a class can be hashed
            handler = Handler(plugin, getattr(plugin, attribute), f"{attribute} {_subject(mark)}")
            handler.stats = figures.setdefault((plugin, handler.label), handler.stats)
            if isinstance(mark, _CLAIMING):
                if isinstance(mark, IqMark) and isinstance(plugin, Component) and plugin is not component:
                    continue  # these answer in the component's own domain
                _claim(tables, handler, mark)
            elif isinstance(mark, ObserveMark):
                if mark.dormant and not plugin.awake:
                    continue
                observers.setdefault(mark.event, []).append(handler)
            elif isinstance(mark, StreamFeatureMark):
                tables.stream_features += (handler,)
            elif isinstance(mark, BoundMark):
                tables.bound_elements += (handler,)
            elif mark.event in _FILTERABLE:
                if mark.dormant and not plugin.awake:
                    continue
                for cls in mark.kinds:
                    filters.setdefault((_FILTERABLE[mark.event], cls.kind), []).append((mark, handler))
            else:
                raise Conflict(f"plugin {plugin.name}: {mark.event.__name__} can only be observed, not filtered")
    tables.observers = {event: tuple(handlers) for event, handlers in observers.items()}
    for (slot, kind), wanted in filters.items():
        getattr(tables, slot)[kind] = _in_order(wanted)
    return tables


@lru_cache(maxsize=512)
def _declared(cls: type[Plugin]) -> tuple[tuple[str, Mark], ...]:
    """What the methods of a class are marked for. Every change to what is loaded asks for it again."""
    return tuple((name, mark) for name in dir(cls) for mark in marks(getattr(cls, name, None)))


def _subject(mark: object) -> str:
    if isinstance(mark, IqMark):
        return f"iq-{mark.type} {mark.namespace} {mark.name} ({mark.scope.value})"
    if isinstance(mark, NonzaMark):
        return f"{mark.namespace} {mark.name}"
    if isinstance(mark, BindFeatureMark):
        return f"bind feature {mark.namespace} {mark.name}"
    if isinstance(mark, HttpMark):
        return f"{mark.method} {mark.path}"
    if isinstance(mark, FilterMark | ObserveMark):
        return mark.event.__name__
    return "bound element" if isinstance(mark, BoundMark) else "stream feature"


def _place(tables: Tables, mark: IqMark | NonzaMark | BindFeatureMark | HttpMark) -> tuple[dict[Any, Handler], object]:
    if isinstance(mark, IqMark):
        return tables.iq[mark.scope], f"{mark.type}{mark.namespace}{SEPARATOR}{mark.name}"
    if isinstance(mark, HttpMark):
        return tables.http, (mark.method, mark.path)
    table = tables.nonzas if isinstance(mark, NonzaMark) else tables.bind_features
    return table, f"{mark.namespace}{SEPARATOR}{mark.name}"


def _claim(tables: Tables, handler: Handler, mark: IqMark | NonzaMark | BindFeatureMark | HttpMark) -> None:
    """Enter a handler where there can be one only."""
    table, key = _place(tables, mark)
    other = table.get(key)
    if other is not None:
        raise Conflict(f"plugins {other.plugin.name} and {handler.plugin.name} both answer {_subject(mark)}")
    table[key] = handler


def _in_order(wanted: list[tuple[FilterMark, Handler]]) -> Filters:
    """Sort by phase, then by before/after, then by the plugin's name."""
    ordered: list[Handler] = []
    for phase in sorted({mark.phase for mark, _ in wanted}):
        members = sorted((p for p in wanted if p[0].phase == phase), key=lambda p: (p[1].plugin.name, p[1].label))
        by_plugin: dict[str, list[Handler]] = {}
        for _, handler in members:
            by_plugin.setdefault(handler.plugin.name, []).append(handler)
        graph: dict[str, set[str]] = {name: set() for name in by_plugin}
        for mark, handler in members:
            graph[handler.plugin.name].update(graph.keys() & mark.after)
            for later in graph.keys() & mark.before:
                graph[later].add(handler.plugin.name)
        for name in _sorted(graph):
            ordered += by_plugin[name]
    return tuple(ordered)


def _sorted(graph: dict[str, set[str]]) -> list[str]:
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        raise Conflict(f"plugins ask for a circular order: {' -> '.join(reversed(error.args[1]))}") from None
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        names += ready
        sorter.done(*ready)
    return names


def error_for(failure: BaseException, handler: Handler, stanza: object = None) -> StanzaError:
    """Return the error a sender gets for what a handler raised; log it if it was not meant for the sender."""
    if isinstance(failure, StanzaError):
        return failure
    handler.stats.failed(failure)
    if isinstance(failure, StorageUnavailable):
        _log.warn(
            "plugin {plugin} ({label}) could not handle {stanza!r}: {reason}",
            plugin=handler.plugin.name,
            label=handler.label,
            stanza=stanza,
            reason=str(failure),
        )
        return unavailable(failure)
    _log.failure(
        "plugin {plugin} failed in {label} on {stanza!r}; the stanza is refused, the session goes on",
        failure=Failure(failure, type(failure), failure.__traceback__),
        plugin=handler.plugin.name,
        label=handler.label,
        stanza=stanza,
    )
    return StanzaError(Condition.INTERNAL_SERVER_ERROR)


def unavailable(failure: StorageUnavailable) -> StanzaError:
    """Return the error a sender gets while the database can't work (RFC 6120 8.3.3.18)."""
    return StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait" if failure.wait else None)


def decide(filters: Filters, event: StanzaEvent) -> Verdict | Awaitable[Verdict | None] | None:
    """Run filters over an event until one stops it.

    A replaced stanza is in ``event.stanza`` afterwards, extra stanzas are in ``event.also``.

    :returns: None to go on, else the verdict that stopped it; an awaitable of that if a filter was asynchronous.
    """
    started = perf_counter()
    for index, handler in enumerate(filters):
        # Handler.__call__ and Stats.add written out: most stanzas pass several filters, and most have nothing to say.
        try:
            verdict = handler.function(event)
        except Exception as error:
            handler.stats.add(perf_counter() - started)
            return Bounce(error_for(error, handler, event.stanza))
        ended = perf_counter()
        seconds, stats = ended - started, handler.stats
        stats.calls += 1
        stats.seconds += seconds
        if seconds > stats.slowest:
            stats.slowest = seconds
        started = ended
        if verdict is not None:
            if not isinstance(verdict, Verdict):
                return _decide_async(filters, index, verdict, event)
            if _apply(verdict, event):
                return verdict
    return None


async def _decide_async(
    filters: Filters, index: int, pending: Awaitable[Verdict | None], event: StanzaEvent
) -> Verdict | None:
    try:
        verdict = await pending
    except Exception as error:
        return Bounce(error_for(error, filters[index], event.stanza))
    if verdict is not None and _apply(verdict, event):
        return verdict
    rest = decide(filters[index + 1 :], event)
    return rest if rest is None or isinstance(rest, Verdict) else await rest


def _apply(verdict: Verdict, event: StanzaEvent) -> bool:
    """Take in what a verdict brings; does it stop the stanza?"""
    if verdict.also:
        event.also = [*(event.also or ()), *verdict.also]
    if isinstance(verdict, Replace):
        event.stanza = verdict.stanza
        return False
    return not isinstance(verdict, Pass)
