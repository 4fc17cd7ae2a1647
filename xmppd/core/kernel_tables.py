"""The tables of the kernel itself; those of plugins are brought up to date as plugins are started."""

from __future__ import annotations

from sqlalchemy import Engine

from xmppd.core import audit, readiness
from xmppd.core.accounts import keeper as account_keeper
from xmppd.core.accounts import store as account_store
from xmppd.core.durable import tables as sessions
from xmppd.core.federation import store as federation
from xmppd.core.plugins import missed
from xmppd.core.storage import migrate

__all__ = ["OWNERS", "migrate_kernel"]

OWNERS = (account_store, account_keeper, missed, readiness, sessions, federation, audit)
"""The modules that have tables."""


def migrate_kernel(engine: Engine) -> None:
    """Create the kernel's tables or bring them up to date. Blocks. Raises what `migrate` raises."""
    for owner in OWNERS:
        migrate(engine, owner.OWNER, owner.TABLES, owner.MIGRATIONS)
