"""The base class of plugins, and how they get what others provide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from sqlalchemy import Table
from twisted.logger import Logger

from xmppd.api.figures import Figure
from xmppd.api.options import Field, Options
from xmppd.api.storage import IDatabase, Migration, StorageUnavailable
from xmppd.api.waiting import settled
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Presence

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall, IHost

__all__ = ["Component", "Plugin", "need", "use"]

T = TypeVar("T")


class Dependency(Generic[T]):
    """A class attribute that stands for what another plugin provides; see :func:`need` and :func:`use`."""

    def __init__(self, interface: type[T], required: bool) -> None:
        self.interface = interface
        self.required = required

    @overload
    def __get__(self, plugin: None, owner: type) -> Dependency[T]: ...
    @overload
    def __get__(self, plugin: Plugin, owner: type) -> T: ...
    def __get__(self, plugin: Plugin | None, owner: type) -> Any:
        if plugin is None:
            return self
        return plugin.provided.get(self.interface)


def need(interface: type[T]) -> T:
    """Declare that a plugin can't work without a provider of `interface`; the attribute is the provider."""
    return Dependency(interface, True)  # type: ignore[return-value]


def use(interface: type[T]) -> T | None:
    """Declare that a plugin makes use of a provider of `interface` if one is loaded; else the attribute is None."""
    return Dependency(interface, False)  # type: ignore[return-value]


class Plugin:
    """A feature of one virtual host. One instance a host; everything it registers is declared on the class.

    The name of a plugin is that of its module. Its handlers are methods marked by :mod:`xmppd.api.hooks`, its
    operations methods marked by :func:`xmppd.api.operation`. Options are given by a nested class ``Options``.

    :cvar xep: number and version of what it implements, as ``(199, "2.0.1")``, or several; empty if it is no XEP.
    :cvar features: disco#info features of the host.
    :cvar account_features: disco#info features of every account (XEP-0030 3, 6.2).
    :cvar identities: disco#info identities of the host, (category, type, name). If they depend on options, `start` and
        `reconfigured` set them.
    :cvar provides: interfaces it provides to other plugins.
    :cvar tables: its SQLAlchemy tables, in a MetaData of its own.
    :cvar migrations: steps from older versions of the tables, see :data:`xmppd.api.storage.Migration`.
    :cvar default: is it loaded on a host whose configuration doesn't mention it? Counts for bundled plugins only.
    """

    xep: ClassVar[tuple[int, str] | tuple[tuple[int, str], ...]] = ()
    features: ClassVar[tuple[str, ...]] = ()
    account_features: ClassVar[tuple[str, ...]] = ()
    identities: tuple[tuple[str, str, str], ...] = ()
    provides: ClassVar[tuple[type, ...]] = ()
    tables: ClassVar[tuple[Table, ...]] = ()
    migrations: ClassVar[tuple[Migration, ...]] = ()
    default: ClassVar[bool] = True

    class Options(Options):
        """No options."""

    #: Set from the module's name by the registry.
    name: ClassVar[str] = ""

    def __init__(self, host: IHost, options: Options | None = None) -> None:
        self.host = host
        self.provided: Mapping[type, Any] = {}
        self.log = Logger(namespace=f"xmppd.plugins.{self.name}")
        self._timers: set[_Timer] = set()
        self.awake = False  # are its dormant filters in force?
        self._options = options if options is not None else self.Options()

    @property
    def options(self) -> Any:
        """The checked options, an instance of this class's ``Options``."""
        return self._options

    @property
    def db(self) -> IDatabase:
        """The database; a plugin touches its own tables only."""
        return self.host.db

    @property
    def clock(self) -> IClock:
        """The time."""
        return self.host.clock

    # Life

    async def start(self) -> None:
        """Get ready to serve. What it needs has been started. An exception stops the start-up of the server."""

    async def stop(self) -> None:
        """Let go of what :meth:`start` took. Handlers and timers are already gone."""

    async def reconfigured(self, options: Any) -> None:
        """Take other options while running. They are set before this is called; override if some need work."""

    def wake(self) -> None:
        """Put the filters and observers declared ``dormant`` in force, from now until the plugin is stopped."""
        if not self.awake:
            self.awake = True
            self.host.filters_changed()

    # What it tells

    def figures(self) -> Iterable[Figure]:
        """Return what it measures. It is asked for again and again, so counting has to be done already."""
        return ()

    # Time

    def later(self, seconds: float, function: Callable[[], Awaitable[Any] | None]) -> IDelayedCall:
        """Call `function` once, after `seconds`, unless the plugin is stopped before."""
        return _Timer(self, seconds, function, again=False)

    def every(self, seconds: float, function: Callable[[], Awaitable[Any] | None]) -> IDelayedCall:
        """Call `function` every `seconds` until the plugin is stopped. A failure is logged and does not end it.

        While the database can't be used that is not said again and again for each of them.
        """
        return _Timer(self, seconds, function, again=True)

    def cancel_timers(self) -> None:
        """Cancel all; the registry calls it when the plugin is stopped."""
        for timer in list(self._timers):
            timer.cancel()


class _Timer:
    def __init__(self, plugin: Plugin, seconds: float, function: Callable[[], Any], again: bool) -> None:
        self._plugin, self._seconds, self._function, self._again = plugin, seconds, function, again
        self._call: IDelayedCall | None = None
        plugin._timers.add(self)
        self._schedule()

    def _schedule(self) -> None:
        self._call = self._plugin.clock.callLater(self._seconds, self._fire)

    def _fire(self) -> None:
        self._call = None
        if not self._again:
            self._plugin._timers.discard(self)
        self._plugin.host.spawn(self._run(), f"timer {self._function.__qualname__} of plugin {self._plugin.name}")

    async def _run(self) -> None:
        try:
            await settled(self._function())
        except StorageUnavailable as error:
            if not self._again:
                raise
            # The log has said so once, and of those who come round it would say it each time.
            self._plugin.log.debug("{what}: {reason}", what=self._function.__qualname__, reason=error.reason)
        finally:
            if self._again and self in self._plugin._timers:
                self._schedule()

    def cancel(self) -> None:
        self._plugin._timers.discard(self)
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def active(self) -> bool:
        return self._call is not None


class Component(Plugin):
    """A plugin that owns a domain beneath the host, as a MUC service does.

    Its IQ handlers with :attr:`~xmppd.api.Scope.HOST` answer at the component's own domain, and those with
    :attr:`~xmppd.api.Scope.ACCOUNT` at every address ``local@domain`` of it; all else comes to the three methods.
    Its `features` and `identities` describe the component, not the host: :class:`xmppd.api.disco.DiscoComponent`
    tells them to those who ask.
    """

    #: The domain's first label, prefixed to the host's name; the option ``domain`` replaces the whole.
    label: ClassVar[str] = ""

    class Options(Options):
        """Where the service is."""

        domain: str = Field("", description="Domain of the service; empty: a label before the host's name.")

    @property
    def jid(self) -> Jid:
        """The component's address."""
        return Jid.parse(self.options.domain or f"{self.label or self.name}.{self.host.jid}")

    @property
    def offered(self) -> bool:
        """Is there anything for clients? If not, lists of services leave it out. Looked at each time."""
        return True

    def message(self, message: Message) -> Awaitable[None] | None:
        """Take a message to the domain or any address in it. Unless overridden, refused."""
        raise _unavailable()

    def presence(self, presence: Presence) -> Awaitable[None] | None:
        """Take a presence to the domain or any address in it. Unless overridden, ignored."""
        return None

    def iq(self, iq: Iq) -> Awaitable[None] | None:
        """Take an IQ that no declared handler answers, results and errors included. Unless overridden, refused."""
        raise _unavailable()


def _unavailable() -> StanzaError:
    return StanzaError(Condition.SERVICE_UNAVAILABLE)
