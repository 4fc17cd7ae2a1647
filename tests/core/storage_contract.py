"""What every database behind IDatabase does, whichever engine it is on. Mixed into a TestCase for each."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from twisted.internet.defer import Deferred, DeferredList, gatherResults

from xmppd.core.storage import Database, DirectDatabase, Engines, migrate
from xmppd.core.storage.batch import TransactionEnded
from xmppd.wire.jid import Jid

METADATA = MetaData()
ROOMS = Table("rooms", METADATA, Column("name", String, primary_key=True), Column("topic", Text))
OCCUPANTS = Table(
    "occupants",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("room", ForeignKey("rooms.name", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("nick", Text),
    Column("since", Float),
    Column("muted", Boolean),
    Column("avatar", LargeBinary),
)
TABLES = (ROOMS, OCCUPANTS)


def add(name: str, topic: str = "") -> Any:
    """Return a function that inserts a room and returns how many there are then."""

    def fn(connection: Connection) -> int:
        connection.execute(insert(ROOMS), {"name": name, "topic": topic})
        return count(connection)

    return fn


def count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(ROOMS)) or 0


def names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(ROOMS.c.name).order_by(ROOMS.c.name)))


def row(name: str, topic: str = "") -> dict[str, str]:
    return {"name": name, "topic": topic}


def add_then_fail(connection: Connection) -> None:
    connection.execute(insert(ROOMS), row("half"))
    raise KeyError("on purpose")


def hold(database: Database) -> tuple[Deferred[Any], threading.Event]:
    """Keep the writer busy until the event is set: what is queued meanwhile will share a transaction."""
    begun, release = threading.Event(), threading.Event()

    def wait(connection: Connection) -> None:
        begun.set()
        release.wait(60)

    waiting = database.write(wait)
    begun.wait(60)
    return waiting, release


async def outcomes(waiting: list[Deferred[Any]]) -> list[Any]:
    """Wait for all and return results, or exceptions in their place."""
    results = await DeferredList(waiting, consumeErrors=True)
    return [result if succeeded else result.value for succeeded, result in results]


class DatabaseContract:
    """Needs `self.database`, started, on an empty database; `make_tables` is called in setUp."""

    database: Database | DirectDatabase
    # From TestCase:
    assertEqual: Any
    assertIsInstance: Any
    assertRaises: Any

    def make_tables(self, engines: Engines) -> None:
        migrate(engines.write, "test", TABLES)

    async def fails(self, kind: type[BaseException], waiting: Deferred[Any]) -> BaseException:
        try:
            value = await waiting
        except kind as error:
            return error
        raise AssertionError(f"{kind.__name__} expected, got {value!r}")

    async def test_a_write_returns_its_result_and_is_seen_by_reads(self) -> None:
        self.assertEqual(await self.database.write(add("garden")), 1)
        self.assertEqual(await self.database.read(names), ["garden"])

    async def test_work_is_queued_by_the_call_in_its_order(self) -> None:
        waiting = [self.database.write(add(name)) for name in "abc"]
        self.assertEqual(await gatherResults(waiting), [1, 2, 3])

    async def test_a_failing_write_is_undone_and_fails_alone(self) -> None:
        database = self.database
        waiting: list[Deferred[Any]] = [
            database.write(add("a")),
            database.write(add_then_fail),
            database.write(add("a")),
            database.write(add("b")),
        ]
        first, second, third, fourth = await outcomes(waiting)
        self.assertEqual((first, fourth), (1, 2))
        self.assertIsInstance(second, KeyError)
        self.assertIsInstance(third, IntegrityError)
        self.assertEqual(await database.read(names), ["a", "b"])

    async def test_a_write_that_fails_alone_in_its_transaction_is_undone(self) -> None:
        await self.fails(KeyError, self.database.write(add_then_fail))
        self.assertEqual(await self.database.read(names), [])
        self.assertEqual(await self.database.write(add("next")), 1)

    async def test_a_wrong_statement_is_the_fault_of_its_function(self) -> None:
        def wrong(connection: Connection) -> None:
            connection.execute(text("SELECT nothing FROM nowhere"))

        waiting: list[Deferred[Any]] = [self.database.write(wrong), self.database.write(add("a"))]
        first, second = await outcomes(waiting)
        self.assertIsInstance(first, SQLAlchemyError)
        self.assertEqual(second, 1)
        await self.fails(SQLAlchemyError, self.database.read(wrong))

    async def test_a_constraint_checked_by_commit_fails_its_function_alone(self) -> None:
        def orphan(connection: Connection) -> None:
            connection.execute(insert(OCCUPANTS), {"id": 1, "room": "nowhere"})

        waiting: list[Deferred[Any]] = [self.database.write(orphan), self.database.write(add("a"))]
        first, second = await outcomes(waiting)
        self.assertIsInstance(first, IntegrityError)
        self.assertEqual(second, 1)
        self.assertEqual(await self.database.read(names), ["a"])

    async def test_a_read_can_not_write(self) -> None:
        error = await self.fails(SQLAlchemyError, self.database.read(add("a")))
        self.assertIsInstance(error, (OperationalError, SQLAlchemyError))
        self.assertEqual(await self.database.write(count), 0)
        self.assertEqual(await self.database.write(add("a")), 1)

    async def test_an_exception_of_a_read_reaches_the_reader(self) -> None:
        def broken(connection: Connection) -> None:
            raise KeyError("on purpose")

        await self.fails(KeyError, self.database.read(broken))

    async def test_a_lazy_result_is_refused(self) -> None:
        await self.fails(TypeError, self.database.read(lambda connection: connection.execute(select(ROOMS))))
        await self.fails(TypeError, self.database.write(lambda connection: connection.execute(select(ROOMS))))

    async def test_functions_may_have_savepoints_of_their_own(self) -> None:
        def careful(connection: Connection) -> list[str]:
            connection.execute(insert(ROOMS), row("kept"))
            try:
                with connection.begin_nested():
                    connection.execute(insert(ROOMS), row("undone"))
                    connection.execute(insert(ROOMS), row("kept"))
            except IntegrityError:
                connection.execute(insert(ROOMS), row("instead"))
            return names(connection)

        self.database.write(add("other"))
        self.assertEqual(await self.database.write(careful), ["instead", "kept", "other"])

    async def test_the_transaction_is_not_the_functions_to_end(self) -> None:
        waiting: list[Deferred[Any]] = [
            self.database.write(lambda connection: connection.commit()),
            self.database.write(lambda connection: connection.rollback()),
        ]
        for error in await outcomes(waiting):
            self.assertIsInstance(error, TransactionEnded)
        self.assertEqual(await self.database.write(add("next")), 1)

    async def test_values_of_all_kinds_come_back_as_they_were(self) -> None:
        await self.database.write(add("café \N{GRINNING FACE}", "a\n'\"\\%s ?:x"))
        values = (7, "café \N{GRINNING FACE}", None, 1_700_000_000.25, True, bytes(range(256)))
        await self.database.write(lambda connection: connection.execute(insert(OCCUPANTS).values(values)) and None)
        found = await self.database.read(lambda connection: connection.execute(select(OCCUPANTS)).one())
        self.assertEqual(tuple(found), values)
        topic = await self.database.read(lambda connection: connection.scalar(select(ROOMS.c.topic)))
        self.assertEqual(topic, "a\n'\"\\%s ?:x")

    async def test_an_address_is_stored_as_its_text(self) -> None:
        jid = Jid.parse("Romeo@Example.org")
        await self.database.write(lambda connection: connection.execute(insert(ROOMS).values(name=jid)) and None)
        await self.database.append(ROOMS, [{"name": Jid.parse("juliet@example.org")}])
        found = await self.database.read(
            lambda connection: connection.scalar(select(ROOMS.c.name).where(ROOMS.c.name == jid))
        )
        self.assertEqual(found, "romeo@example.org")
        self.assertEqual(await self.database.read(names), ["juliet@example.org", "romeo@example.org"])

    async def test_updates_and_deletes_tell_how_many_rows(self) -> None:
        await self.database.append(ROOMS, [row(name) for name in "abc"])

        def change(connection: Connection) -> tuple[int, int]:
            changed = connection.execute(update(ROOMS).where(ROOMS.c.name != "a").values(topic="x")).rowcount
            gone = connection.execute(delete(ROOMS).where(ROOMS.c.topic == "x")).rowcount
            return changed, gone

        self.assertEqual(await self.database.write(change), (2, 2))

    async def test_appended_rows_are_stored(self) -> None:
        database = self.database
        waiting: list[Deferred[Any]] = [
            database.append(ROOMS, [row("a"), row("b")]),
            database.append(OCCUPANTS, [{"id": 1, "room": "a"}]),
            database.append(ROOMS, [row("c")]),
            database.append(ROOMS, [{"name": "d"}]),
            database.append(ROOMS, []),
        ]
        self.assertEqual(await gatherResults(waiting), [None] * 5)
        self.assertEqual(await database.read(names), ["a", "b", "c", "d"])
        self.assertEqual(await database.read(lambda connection: connection.scalar(select(OCCUPANTS.c.room))), "a")

    async def test_a_failing_append_stores_none_of_its_rows_and_fails_alone(self) -> None:
        database = self.database
        waiting: list[Deferred[Any]] = [
            database.append(ROOMS, [row("a")]),
            database.append(ROOMS, [row("b"), row("a")]),
            database.append(ROOMS, [row("c")]),
        ]
        first, second, third = await outcomes(waiting)
        self.assertEqual((first, third), (None, None))
        self.assertIsInstance(second, IntegrityError)
        self.assertEqual(await database.read(names), ["a", "c"])

    async def test_errors_do_not_show_values(self) -> None:
        """They end in the log, and values are what people write to each other, or keys."""
        (error,) = await outcomes([self.database.append(ROOMS, [row("a", "private"), row("a", "private")])])
        self.assertIsInstance(error, IntegrityError)
        self.assertEqual(str(error).count("private"), 0)

    async def test_appends_take_their_turn_among_writes(self) -> None:
        database = self.database
        waiting: list[Deferred[Any]] = [
            database.append(ROOMS, [row("a")]),
            database.write(count),
            database.append(ROOMS, [row("b")]),
            database.append(ROOMS, [row("c")]),
            database.write(count),
        ]
        self.assertEqual(await gatherResults(waiting), [None, 1, None, None, 3])

    async def test_rows_of_an_append_must_name_the_same_columns(self) -> None:
        rows = [{"name": "a"}, {"name": "b", "topic": "lost otherwise"}]
        self.assertRaises(ValueError, self.database.append, ROOMS, rows)
        self.assertEqual(await self.database.read(names), [])
