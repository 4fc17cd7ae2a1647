"""Storage on SQLite or PostgreSQL: opening, reading, group commit, migrations. Plugins see `xmppd.api.storage` only."""

from __future__ import annotations

from xmppd.core.storage.database import Database, DirectDatabase
from xmppd.core.storage.engine import DatabaseUrlError, Engines, open_engines
from xmppd.core.storage.migrations import SchemaError, migrate, owners, schema_differences
from xmppd.core.storage.writer import WriterCounters, WriterLimits

__all__ = [
    "Database",
    "DatabaseUrlError",
    "DirectDatabase",
    "Engines",
    "SchemaError",
    "WriterCounters",
    "WriterLimits",
    "migrate",
    "open_engines",
    "owners",
    "schema_differences",
]
