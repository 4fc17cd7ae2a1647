"""Puts the operations of the kernel together with the plugins': for a server, and for tools without one."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xmppd.api.accounts import IAccounts
from xmppd.api.plugin import Plugin
from xmppd.api.storage import IDatabase
from xmppd.api.waiting import settled
from xmppd.core.accounts.keeper import AccountKeeper
from xmppd.core.audit import AuditTrail
from xmppd.core.kernel_tables import OWNERS
from xmppd.core.operations.catalogue import OperationRegistry
from xmppd.core.operations.certificates import CertificateOperations
from xmppd.core.operations.components import ComponentOperations
from xmppd.core.operations.links import LinkTest, Probing
from xmppd.core.operations.looking import AuditOperations, HistoryOperations, LogOperations
from xmppd.core.operations.plugin_options import PluginOptionOperations
from xmppd.core.operations.plugins import PluginOperations
from xmppd.core.operations.plugins_offline import OfflinePluginOperations
from xmppd.core.operations.s2s import LinkOperations
from xmppd.core.operations.server import ServerOperations
from xmppd.core.operations.sessions import SessionOperations, end_sessions
from xmppd.core.operations.settings import SettingOperations
from xmppd.core.operations.users import UserOperations
from xmppd.core.settings import Settings
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session

__all__ = ["account_keeper", "declared_operations", "offline_operations", "server_operations"]


def account_keeper(server: Server) -> AccountKeeper:
    """Return what makes and deletes accounts while `server` runs."""

    async def notify(domain: str, event: object) -> bool:
        host = server.hosts.get(domain)
        if host is None:
            return False
        figures = [observer.stats for observer in host.tables.observers.get(type(event), ())]
        failures = sum(stats.failures for stats in figures)
        await settled(host.notify(event))
        return sum(stats.failures for stats in figures) == failures

    async def close(jid: Jid) -> int:
        error = StreamError(StreamCondition.NOT_AUTHORIZED, text="The account was deleted.")
        count = await end_sessions(server, [*server.directory.of(jid).values(), *server.ending(jid)], error)
        await server.messages_handled()
        return count

    def informed(domain: str) -> Collection[str]:
        host = server.hosts.get(domain)
        running = () if host is None else (plugin.name for plugin in host.registry.loaded())
        return {*running, *(owner.OWNER for owner in OWNERS)}

    return AccountKeeper(server.db, server.accounts, notify, close, informed)


def server_operations(server: Server, keeper: AccountKeeper) -> OperationRegistry:
    """Return the operations of a running server."""

    async def close(jid: Jid) -> int:
        error = StreamError(StreamCondition.NOT_AUTHORIZED, text="The account is locked.")
        return await end_sessions(server, server.directory.of(jid).values(), error)

    def sessions(jid: Jid) -> Sequence[Session]:
        return list(server.directory.of(jid).values())

    def loaded() -> Iterable[tuple[str, Plugin]]:
        return [(domain, plugin) for domain, host in server.hosts.items() for plugin in host.registry.loaded()]

    kernel = (
        UserOperations(server.accounts, keeper, server.hosts.keys(), sessions, close),
        SessionOperations(server),
        PluginOperations(server),
        ServerOperations(server),
        LinkTest(server.hosts.keys, lambda: server.probing),
        LinkOperations(server),
        CertificateOperations(lambda: server.certificates, server.clock.seconds),
        ComponentOperations(server),
        PluginOptionOperations(server),
        SettingOperations(server),
        AuditOperations(server.audit, server.clock.seconds),
        LogOperations(server.log),
        HistoryOperations(server.history, server.clock.seconds),
    )
    return OperationRegistry(kernel, loaded, server.audit.note)


def declared_operations() -> OperationRegistry:
    """Return the operations every server has, to be looked at: none of them can be run."""
    nothing: Any = None
    return OperationRegistry(
        (
            UserOperations(nothing, nothing, ()),
            SessionOperations(nothing),
            PluginOperations(nothing),
            ServerOperations(nothing),
            LinkTest(nothing, nothing),
            LinkOperations(nothing),
            CertificateOperations(nothing, nothing),
            ComponentOperations(nothing),
            PluginOptionOperations(nothing),
            SettingOperations(nothing),
            AuditOperations(nothing, nothing),
            LogOperations(nothing),
            HistoryOperations(nothing, nothing),
        )
    )


def offline_operations(
    db: IDatabase, accounts: IAccounts, settings: Settings, probing: Probing | None = None
) -> OperationRegistry:
    """Return the operations that need only the settings and the database, for a server that isn't running.

    :param probing: looks at other servers.
    """
    users = UserOperations(accounts, AccountKeeper(db, accounts), settings.hosts)
    links = LinkTest(settings.hosts.keys, lambda: probing)
    trail = AuditTrail(db, time.time, lambda: settings.server.audit_days)
    kernel = (users, OfflinePluginOperations(settings), links, AuditOperations(trail, time.time))
    return OperationRegistry(kernel, trail=trail.note)
