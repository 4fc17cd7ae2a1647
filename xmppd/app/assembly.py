"""All wiring in one place: settings, database, accounts, server, listener. The rest is given its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool

from xmppd.api.interfaces import IClock
from xmppd.api.network import INetwork
from xmppd.api.plugin import Plugin
from xmppd.core.accounts.accounts import Accounts, RunInThread
from xmppd.core.kernel_tables import migrate_kernel
from xmppd.core.plugins.sources import Source, find_sources
from xmppd.core.server import Server
from xmppd.core.settings import Settings
from xmppd.core.storage import Database, DirectDatabase, Engines, WriterLimits, migrate, open_engines
from xmppd.core.turns import Turns
from xmppd.net.c2s.listener import ClientListener
from xmppd.net.network import Network

__all__ = ["Assembly", "assemble_live", "assemble_on"]


@dataclass
class Assembly:
    """A server with everything it stands on."""

    settings: Settings
    engines: Engines
    db: Database | DirectDatabase
    accounts: Accounts
    server: Server
    network: Network | None = None

    async def start(self) -> ClientListener:
        """Bring the tables up to date, start the plugins, and return what client ports are made with.

        :raises SchemaError: if the database is newer than the code. :raises PluginError: if a plugin can't start.
        """
        migrate_kernel(self.engines.write)
        await self.server.start()
        return ClientListener(self.server, self.accounts, await self.accounts.fake_secret())

    def logins_waiting(self) -> int:
        """How many clients, roughly, wait for threads to look up or check something: nearly all of them log in."""
        return self.db.reads_waiting + self.accounts.deriving

    async def stop(self) -> None:
        """Stop the plugins and the database; everything that was accepted is on disk afterwards."""
        await self.server.stop()
        if self.network is not None:
            await self.network.close()
        await self.db.stop()
        self.engines.dispose()


def assemble_live(settings: Settings, reactor: Any) -> Assembly:
    """Put a server together that works with threads and the reactor's time.

    :param reactor: the running reactor.
    """
    engines = open_engines(settings.database.url)
    turns = Turns(reactor.callLater)
    limits = WriterLimits(gather=settings.database.gather_seconds)
    db = Database(engines, reactor.callFromThread, turns, limits=limits)
    db.start()

    def run_in_thread(fn: Any) -> Deferred[Any]:
        return turns.during(deferToThreadPool(reactor, reactor.getThreadPool(), fn))

    sources = find_sources(settings.server.plugin_paths)
    network = Network(reactor)
    assembly = _assemble(settings, reactor, engines, db, run_in_thread, sources, network)
    assembly.network = network
    return assembly


def assemble_on(
    settings: Settings,
    clock: IClock,
    sources: Iterable[Source],
    engines: Engines | None = None,
    database: Callable[[Engines], DirectDatabase] = DirectDatabase,
    network: INetwork | None = None,
) -> Assembly:
    """Put a server together that does everything at once, in memory, on the given clock; for tests.

    :param engines: the database of an earlier one, to go on with.
    :param database: makes the database on them.
    :param network: what plugins can connect to; nothing, unless given.
    """
    engines = engines or open_engines("sqlite://")

    def run_here(fn: Any) -> Deferred[Any]:
        return succeed(fn())

    return _assemble(settings, clock, engines, database(engines), run_here, sources, network)


def _assemble(
    settings: Settings,
    clock: IClock,
    engines: Engines,
    db: Database | DirectDatabase,
    run_in_thread: RunInThread,
    sources: Iterable[Source],
    network: INetwork | None,
) -> Assembly:
    accounts = Accounts(db, run_in_thread, clock.seconds, iterations=settings.accounts.hash_iterations)

    async def migrate_plugin(plugin: type[Plugin]) -> None:
        if plugin.tables:
            migrate(engines.write, plugin.name, plugin.tables, plugin.migrations)

    server = Server(settings, clock, db, accounts, sources, migrate_plugin, network, run_in_thread)
    return Assembly(settings, engines, db, accounts, server)
