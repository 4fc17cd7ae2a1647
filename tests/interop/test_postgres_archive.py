"""Archives on a real PostgreSQL: what is tested on SQLite, once more, where its statements are other ones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from tests.interop import test_postgres
from tests.plugins import test_archive, test_archive_retention, test_archive_search
from xmppd.app.assembly import assemble_on
from xmppd.testing import case

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule


class OnPostgres(test_postgres.OnPostgres):
    """Has the server of a test case use PostgreSQL."""

    patch: Any

    def setUp(self) -> None:
        engines = self.open()

        def assemble(
            settings: Any, clock: Any, sources: Any, known: Any = None, database: Any = None, network: Any = None
        ) -> Any:
            return assemble_on(settings, clock, sources, known or engines, database, network)

        self.patch(case, "assemble_on", assemble)
        super().setUp()  # type: ignore[misc]


class Storing(OnPostgres, test_archive.Storing):
    pass


class Pages(OnPostgres, test_archive.Pages):
    pass


class Operations(OnPostgres, test_archive.Operations):
    pass


class Searching(OnPostgres, test_archive_search.Searching):
    def test_accents_and_languages(self) -> None:
        """No configuration of PostgreSQL's has a say: words are the same everywhere."""
        self.say("Die Häuser stehen", "running houses")
        self.assertEqual(self.find("hauser"), ["Die Häuser stehen"])
        self.assertEqual(self.find("die"), ["Die Häuser stehen"])  # no stop words
        self.assertEqual(self.find("run"), [])  # no stems

    def test_the_index_is_used(self) -> None:
        self.say("one")
        self.find("one")
        with self.server.engines.write.connect() as connection:
            connection.execute(text("SET enable_seqscan = off"))
            query = "EXPLAIN SELECT position FROM archive_search WHERE words @@ CAST(:words AS tsquery)"
            plan = " ".join(connection.execute(text(query), {"words": "'§1' & 'one'"}).scalars())
        self.assertIn("archive_search_words", plan)


class Lazy(OnPostgres, test_archive_search.Lazy):
    pass


class SwitchedOff(OnPostgres, test_archive_search.SwitchedOff):
    pass


class ByAge(OnPostgres, test_archive_retention.ByAge):
    pass


class ByCount(OnPostgres, test_archive_retention.ByCount):
    pass


class WithTheAccount(OnPostgres, test_archive_retention.WithTheAccount):
    pass


class Tombstones(OnPostgres, test_archive_retention.Tombstones):
    pass
