"""Tables of many owners in one database, each with a schema version of its own.

An owner is the kernel's accounts or a plugin. Its schema 0 is what it declared when first published, and
migration n brings schema n to n + 1, so the newest version is the number of its migrations. A database that
is new to the owner gets the declared tables and is stamped with the newest version at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    text,
    update,
)

from xmppd.api.storage import Migration
from xmppd.core.storage.batch import commit
from xmppd.core.storage.failures import as_unavailable

_SCHEMA = Table(
    "xmppd_schema",
    MetaData(),
    Column("owner", String, primary_key=True),
    Column("version", Integer, nullable=False),
)
_LOCK = 0x786D707064  # "xmppd": the number of our advisory lock in PostgreSQL


class SchemaError(Exception):
    """The tables in the database can't be used by this code; the message tells the operator why."""


def migrate(engine: Engine, owner: str, tables: Sequence[Table], migrations: Sequence[Migration] = ()) -> int:
    """Create or bring up to date the tables of `owner`, in one transaction, and return the version found (-1: none).

    Blocks. Raises SchemaError for a database that is newer than the code, a table that belongs to somebody
    else, or rows that break a foreign key after the migrations; StorageUnavailable; and whatever a migration
    raises. The database is then as before.
    """
    try:
        with engine.connect() as connection, _foreign_keys_unenforced(connection):
            with connection.begin() as root:
                version = _migrate(connection, owner, tables, migrations)
                commit(connection, root)
            return version
    except Exception as error:
        unavailable = as_unavailable(error)
        if unavailable is not None:
            raise unavailable from error
        raise


def owners(connection: Connection) -> frozenset[str]:
    """Return all who have ever had tables in the database."""
    return frozenset(connection.scalars(select(_SCHEMA.c.owner)))


def _migrate(connection: Connection, owner: str, tables: Sequence[Table], migrations: Sequence[Migration]) -> int:
    newest = len(migrations)
    if connection.dialect.name == "postgresql":
        # Several processes may start at once; SQLite's transaction has locked the file already.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _SCHEMA.create(connection, checkfirst=True)
    version = connection.scalar(select(_SCHEMA.c.version).where(_SCHEMA.c.owner == owner))
    if version is None:
        _create(connection, owner, tables)
        connection.execute(insert(_SCHEMA).values(owner=owner, version=newest))
        return -1
    if version > newest:
        raise SchemaError(
            f"the tables of {owner} have version {version}, but this program knows them up to version {newest}:"
            " the database was used by a newer one"
        )
    if version < newest:
        operations = Operations(MigrationContext.configure(connection))
        for migration in migrations[version:]:
            migration(operations)
        _check_foreign_keys(connection, owner)
        connection.execute(update(_SCHEMA).where(_SCHEMA.c.owner == owner).values(version=newest))
    return version


def _create(connection: Connection, owner: str, tables: Sequence[Table]) -> None:
    taken = {table.name for table in tables} & set(inspect(connection).get_table_names())
    if taken:
        raise SchemaError(f"{owner} can't have a table {min(taken)!r}: the database has one that is not its own")
    for metadata in {table.metadata: None for table in tables}:
        metadata.create_all(connection, [table for table in tables if table.metadata is metadata], checkfirst=False)


@contextmanager
def _foreign_keys_unenforced(connection: Connection) -> Iterator[None]:
    """Let SQLite replace a table that others refer to (sqlite.org/lang_altertable.html section 7).

    With its foreign keys enforced, dropping the old one would delete or refuse the rows that refer to it.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")  # without effect inside a transaction, so it is done before
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _check_foreign_keys(connection: Connection, owner: str) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise SchemaError(
                f"migrating {owner} left rows in {broken[0]!r} that refer to missing ones in {broken[2]!r}"
            )


def schema_differences(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """Say in which ways the database's tables differ from `tables`; other tables in it are left out of account.

    For tests: after the migrations there must be no difference to what is declared, which is what a new
    database gets.
    """
    declared = {table.name: table for table in tables}

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return name in declared if kind == "table" else True

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_name": ours}
    )
    everything = MetaData()
    for table in declared.values():
        table.to_metadata(everything)
    differences = [str(difference) for difference in compare_metadata(context, everything)]
    inspector = inspect(connection)
    for name, table in declared.items():
        if inspector.has_table(name):
            found = inspector.get_pk_constraint(name)["constrained_columns"]
            wanted = [column.name for column in table.primary_key]
            if found != wanted:
                differences.append(f"primary key of {name}: {found} instead of {wanted}")
    return differences
