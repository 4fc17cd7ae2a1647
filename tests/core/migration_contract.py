"""What migrations do, whichever engine the database is on. Mixed into a TestCase for each."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
    text,
)

from xmppd.core.storage import Engines, SchemaError, migrate, schema_differences


def first_schema() -> tuple[Table, ...]:
    """Return the tables as they were when first published."""
    metadata = MetaData()
    notes = Table("notes", metadata, Column("id", Integer, primary_key=True), Column("body", Text))
    tags = Table(
        "tags",
        metadata,
        Column("note", ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True),
        Column("tag", String, primary_key=True),
    )
    return notes, tags


def newest_schema() -> tuple[Table, ...]:
    """Return the tables as they are declared now."""
    metadata = MetaData()
    notes = Table(
        "notes",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("body", Text, nullable=False),
        Column("colour", String, server_default="white", nullable=False),
        Index("notes_by_colour", "colour"),
    )
    tags = Table(
        "tags",
        metadata,
        Column("note", ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True),
        Column("tag", String, primary_key=True),
    )
    return notes, tags, Table("authors", metadata, Column("name", String, primary_key=True))


def add_colour(op: Operations) -> None:
    op.add_column("notes", Column("colour", String, server_default="white", nullable=False))
    op.create_index("notes_by_colour", "notes", ["colour"])


def require_a_body(op: Operations) -> None:
    # SQLite can only do this by copying the table, to which `tags` refers.
    op.execute(text("UPDATE notes SET body = '' WHERE body IS NULL"))
    with op.batch_alter_table("notes") as batch:
        batch.alter_column("body", existing_type=Text(), nullable=False)


def add_authors(op: Operations) -> None:
    op.create_table("authors", Column("name", String, primary_key=True))


MIGRATIONS = (add_colour, require_a_body, add_authors)


def fail_half_way(op: Operations) -> None:
    op.create_table("half", Column("id", Integer, primary_key=True))
    op.execute(text("DELETE FROM notes"))
    raise KeyError("on purpose")


class MigrationContract:
    """Needs `self.engines` on an empty database."""

    engines: Engines
    # From TestCase:
    assertEqual: Any
    assertIn: Any
    assertNotEqual: Any
    assertRaises: Any

    def differences(self, tables: tuple[Table, ...]) -> list[str]:
        with self.engines.write.connect() as connection:
            return schema_differences(connection, tables)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.engines.read.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def old_database(self) -> None:
        notes, tags = tables = first_schema()
        migrate(self.engines.write, "notes", tables)
        with self.engines.write.begin() as connection:
            connection.execute(insert(notes), [{"id": 1, "body": "one"}, {"id": 2, "body": None}])
            connection.execute(insert(tags), [{"note": 1, "tag": "red"}, {"note": 2, "tag": "blue"}])

    def test_a_new_database_gets_the_declared_tables_and_the_newest_version(self) -> None:
        self.assertEqual(migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS), -1)
        self.assertEqual(self.differences(newest_schema()), [])
        self.assertEqual(self.query("SELECT owner, version FROM xmppd_schema"), [("notes", 3)])

    def test_an_old_database_ends_up_as_a_new_one_and_keeps_its_rows(self) -> None:
        self.old_database()
        self.assertNotEqual(self.differences(newest_schema()), [])
        self.assertEqual(migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS), 0)
        self.assertEqual(self.differences(newest_schema()), [])
        self.assertEqual(
            self.query("SELECT id, body, colour FROM notes ORDER BY id"), [(1, "one", "white"), (2, "", "white")]
        )
        self.assertEqual(self.query("SELECT note, tag FROM tags ORDER BY note"), [(1, "red"), (2, "blue")])

    def test_only_the_missing_steps_are_taken(self) -> None:
        self.old_database()
        migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS[:1])
        self.assertEqual(migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS), 1)
        self.assertEqual(migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS), 3)
        self.assertEqual(self.differences(newest_schema()), [])

    def test_foreign_keys_are_enforced_again_afterwards(self) -> None:
        self.old_database()
        migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS)
        with self.engines.write.begin() as connection:
            connection.execute(text("DELETE FROM notes WHERE id = 1"))
        self.assertEqual(self.query("SELECT note, tag FROM tags"), [(2, "blue")])

    def test_a_failing_step_leaves_everything_as_it_was(self) -> None:
        self.old_database()
        steps = (add_colour, fail_half_way)
        self.assertRaises(KeyError, migrate, self.engines.write, "notes", newest_schema(), steps)
        self.assertEqual(self.differences(first_schema()), [])
        self.assertEqual(self.query("SELECT version FROM xmppd_schema"), [(0,)])
        self.assertEqual(len(self.query("SELECT * FROM notes")), 2)
        self.assertNotEqual(self.differences((Table("half", MetaData(), Column("id", Integer, primary_key=True)),)), [])

    def test_a_newer_database_is_refused_in_plain_words(self) -> None:
        migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS)
        with self.assertRaises(SchemaError) as caught:
            migrate(self.engines.write, "notes", first_schema(), MIGRATIONS[:1])
        self.assertIn("notes have version 3", str(caught.exception))
        self.assertIn("up to version 1", str(caught.exception))

    def test_owners_have_versions_of_their_own(self) -> None:
        migrate(self.engines.write, "notes", newest_schema(), MIGRATIONS)
        other = (Table("others", MetaData(), Column("id", Integer, primary_key=True)),)
        self.assertEqual(migrate(self.engines.write, "others", other), -1)
        self.assertEqual(
            self.query("SELECT owner, version FROM xmppd_schema ORDER BY owner"), [("notes", 3), ("others", 0)]
        )

    def test_a_table_of_somebody_else_is_not_taken_over(self) -> None:
        migrate(self.engines.write, "notes", first_schema())
        with self.assertRaises(SchemaError) as caught:
            migrate(self.engines.write, "scribbles", first_schema()[:1])
        self.assertIn("'notes'", str(caught.exception))
        self.assertEqual(self.query("SELECT owner FROM xmppd_schema"), [("notes",)])

    def test_every_kind_of_difference_is_found(self) -> None:
        migrate(self.engines.write, "notes", first_schema())
        primary = Table("notes", MetaData(), Column("id", Integer), Column("body", Text, primary_key=True))
        kind = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("body", Integer))
        missing = Table("gone", MetaData(), Column("id", Integer, primary_key=True))
        for table in (primary, kind, missing):
            self.assertNotEqual(self.differences((table,)), [], table)

    def test_rows_written_by_a_migration_are_seen(self) -> None:
        self.old_database()

        def fill(op: Operations) -> None:
            connection: Connection = op.get_bind()
            notes = first_schema()[0]
            for (number,) in connection.execute(select(notes.c.id)).all():
                connection.execute(notes.update().where(notes.c.id == number).values(body=f"note {number}"))

        migrate(self.engines.write, "notes", first_schema(), (fill,))
        self.assertEqual(self.query("SELECT body FROM notes ORDER BY id"), [("note 1",), ("note 2",)])
