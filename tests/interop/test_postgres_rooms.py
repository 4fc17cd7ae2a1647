"""Rooms and their archives on a real PostgreSQL: what is tested on SQLite, where the statements are other ones."""

from __future__ import annotations

from sqlalchemy import text

from tests.interop import test_postgres
from tests.interop.test_postgres_archive import OnPostgres
from tests.plugins.muc import test_archive, test_archive_kept, test_discovery, test_owner, test_reading
from xmppd.plugins.muc.service.archive_tables import BY_AUTHOR

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule


class Storing(OnPostgres, test_archive.Storing):
    pass


class Queries(OnPostgres, test_archive.Queries):
    pass


class History(OnPostgres, test_archive.History):
    pass


class SameName(OnPostgres, test_archive.SameName):
    pass


class ByAge(OnPostgres, test_archive_kept.ByAge):
    pass


class ByCount(OnPostgres, test_archive_kept.ByCount):
    pass


class WithoutArchive(OnPostgres, test_archive_kept.WithoutArchive):
    pass


class Tombstones(OnPostgres, test_archive_kept.Tombstones):
    pass


class ByAuthor(OnPostgres, test_archive_kept.ByAuthor):
    def test_index_is_used(self) -> None:
        with self.server.engines.write.connect() as connection:
            connection.execute(text("SET enable_seqscan = off"))
            query = str(BY_AUTHOR.compile(connection, compile_kwargs={"literal_binds": False}))
            plan = connection.exec_driver_sql("EXPLAIN " + query, {"low": 0, "who": 0, "number_1": 0}).scalars()
            self.assertIn("muc_archive_messages_owner", " ".join(plan))


class Addresses(OnPostgres, test_reading.Addresses):
    pass


class Lists(OnPostgres, test_discovery.ListTests):
    pass


class Destroying(OnPostgres, test_owner.DestroyTests):
    pass


class Configured(OnPostgres, test_owner.OperatorTests):
    pass
