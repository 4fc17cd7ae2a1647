"""Messages that wait on a real PostgreSQL: what is tested on SQLite, once more, where it could be another thing."""

from __future__ import annotations

import unittest
from pathlib import Path

from sqlalchemy import text

from tests.interop import test_postgres, test_postgres_archive
from tests.plugins import test_flexible_offline, test_offline, test_offline_archive, test_offline_kills
from xmppd.core.storage import migrate, schema_differences
from xmppd.plugins.offline import Offline, store

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule

OnPostgres = test_postgres_archive.OnPostgres
_FIRST = Path(test_offline.__file__).parent / "first_schemas" / "offline.sql"


class Delivery(OnPostgres, test_offline.Delivery):
    pass


class Limits(OnPostgres, test_offline.Limits):
    pass


class Faults(OnPostgres, test_offline.Faults):
    pass


class Fetching(OnPostgres, test_flexible_offline.Requests):
    pass


class ArchiveFirst(OnPostgres, test_offline_archive.ArchiveFirst):
    pass


class Kills(OnPostgres, test_offline_kills.Managed):
    pass


class Migration(test_postgres.OnPostgres, unittest.TestCase):
    def test_place(self) -> None:
        """Messages of the first version wait where they waited."""
        engines = self.open()
        migrate(engines.write, "offline", ())
        with engines.write.begin() as connection:
            for statement in _FIRST.read_text("utf-8").replace("BLOB", "BYTEA").split(";"):
                if statement.strip():
                    connection.execute(text(statement))
            connection.execute(text("INSERT INTO offline_messages VALUES ('a@b', 7, 1.5, 3, '[]', 'x')"))
            connection.execute(text("UPDATE xmppd_schema SET version = 0"))
        migrate(engines.write, "offline", Offline.tables, Offline.migrations)
        with engines.write.connect() as connection:
            self.assertEqual(schema_differences(connection, Offline.tables), [])
            self.assertEqual(connection.scalar(text("SELECT place FROM offline_messages")), 7)
            self.assertEqual(store.last_position(connection), 7)
