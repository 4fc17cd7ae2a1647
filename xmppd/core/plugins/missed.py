"""Deletions of accounts that plugins have missed, because they were not running on the account's host at that time.

What they keep for such an account is there until they are started again, maybe years later; by then the name may have
another owner, who must not get it. So for every plugin that has tables in the database, and doesn't run, a deletion is
noted, and the plugin is told when it is started, before it serves anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, insert, select

from xmppd.api.events.accounts import AccountDeleted
from xmppd.api.plugin import Plugin
from xmppd.api.storage import Migration
from xmppd.core.plugins.dispatch import compile_tables
from xmppd.core.storage import owners
from xmppd.wire.jid import Jid

__all__ = ["MIGRATIONS", "OWNER", "TABLES", "catch_up", "note"]

_MISSED = Table(
    "xmppd_missed_deletions",
    MetaData(),
    Column("plugin", Text, primary_key=True),
    Column("account", Text, primary_key=True),
)
OWNER = "missed_deletions"
TABLES = (_MISSED,)
MIGRATIONS: tuple[Migration, ...] = ()


def note(connection: Connection, account: Jid, informed: Collection[str]) -> None:
    """Note the deletion of an account for all owners of tables but those that are told now."""
    noted = connection.scalars(select(_MISSED.c.plugin).where(_MISSED.c.account == str(account)))
    missing = owners(connection).difference(informed, noted)
    if missing:
        connection.execute(insert(_MISSED), [{"plugin": name, "account": str(account)} for name in sorted(missing)])


async def catch_up(plugin: Plugin) -> None:
    """Tell a plugin of accounts of its host that were deleted when it did not run. Raises what it raises."""
    if not plugin.tables:
        return
    accounts = await plugin.db.write(lambda c: _missed(c, plugin))  # in turn with what is being noted
    if not accounts:
        return
    handlers = compile_tables([plugin]).observers.get(AccountDeleted, ())
    for account in accounts:
        for handler in handlers:
            outcome = handler(AccountDeleted(Jid.parse(account)))
            if outcome is not None:
                await outcome
    await plugin.db.write(lambda c: _strike(c, plugin, accounts))


def _missed(connection: Connection, plugin: Plugin) -> Sequence[str]:
    here = _MISSED.c.account.endswith(f"@{plugin.host.jid}", autoescape=True)
    query = select(_MISSED.c.account).where(_MISSED.c.plugin == plugin.name, here)
    return list(connection.scalars(query.order_by(_MISSED.c.account)))


def _strike(connection: Connection, plugin: Plugin, accounts: Sequence[str]) -> None:
    for account in accounts:
        connection.execute(delete(_MISSED).where(_MISSED.c.plugin == plugin.name, _MISSED.c.account == account))
