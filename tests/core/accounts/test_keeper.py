"""Plugins learn of accounts that come and go, also of those that went while there was no plugin."""

from __future__ import annotations

from sqlalchemy import func, select

from tests.core.operating import JULIET, ROMEO, SETTINGS, Observer, OperatingTestCase
from xmppd.api.events.accounts import AccountCreated, AccountDeleted
from xmppd.core.accounts import keeper as account_keeper
from xmppd.core.accounts.keeper import AccountKeeper
from xmppd.core.operations.kernel import declared_operations, offline_operations
from xmppd.core.storage import schema_differences


class Killed(BaseException):
    """What happens to a server that is killed."""


class KeeperTests(OperatingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.offline = AccountKeeper(self.db, self.accounts)
        self.observer = Observer(self.server)

    def told_at_start(self) -> list[object]:
        self.observer.seen.clear()
        self.do(self.server.start())
        return [event for _, event in self.observer.seen]

    def notes(self) -> int:
        with self.engines.read.connect() as connection:
            return connection.scalar(select(func.count()).select_from(account_keeper.TABLES[0])) or 0

    def test_the_tables_are_as_declared(self) -> None:
        with self.engines.write.connect() as connection:
            self.assertEqual(schema_differences(connection, account_keeper.TABLES), [])

    def test_running_nothing_is_left_to_tell(self) -> None:
        self.do(self.server.keeper.create(ROMEO, "montague"))
        self.assertTrue(self.do(self.server.keeper.delete(ROMEO)))
        self.assertEqual([event for _, event in self.observer.seen], [AccountCreated(ROMEO), AccountDeleted(ROMEO)])
        self.assertEqual(self.notes(), 0)
        self.assertEqual(self.told_at_start(), [])

    def test_made_and_deleted_while_stopped(self) -> None:
        self.do(self.offline.create(ROMEO, "montague"))
        self.do(self.offline.import_many([(ROMEO, "x"), (JULIET, "y")]))
        self.do(self.offline.delete(ROMEO))
        self.assertEqual(self.observer.seen, [])
        self.assertEqual(self.told_at_start(), [AccountCreated(ROMEO), AccountCreated(JULIET), AccountDeleted(ROMEO)])
        self.assertEqual(self.told_at_start(), [])

    def test_deleted_and_made_again(self) -> None:
        self.do(self.server.keeper.create(ROMEO, "montague"))
        self.do(self.offline.delete(ROMEO))
        self.do(self.offline.create(ROMEO, "montague"))
        self.assertEqual(self.told_at_start(), [AccountDeleted(ROMEO), AccountCreated(ROMEO)])
        self.assertTrue(self.do(self.accounts.exists(ROMEO)))

    def test_killed_before_the_account_was_gone(self) -> None:
        self.do(self.server.keeper.create(ROMEO, "montague"))

        async def killed(jid: object) -> bool:
            raise Killed

        self.patch(self.accounts, "delete", killed)
        with self.assertRaises(Killed):
            self.server.keeper.delete(ROMEO).send(None)
        self.assertEqual(self.told_at_start(), [])
        self.assertEqual(self.notes(), 0)

    def test_killed_before_the_plugins_were_done(self) -> None:
        self.do(self.server.keeper.create(ROMEO, "montague"))

        def killed() -> None:
            raise Killed

        with self.assertRaises(Killed):
            self.server.keeper.delete(ROMEO, before_closing=killed).send(None)
        self.assertEqual(self.told_at_start(), [AccountDeleted(ROMEO)])
        self.assertEqual(self.notes(), 0)

    def test_no_such_account(self) -> None:
        self.assertFalse(self.do(self.server.keeper.delete(ROMEO)))
        self.assertEqual((self.observer.seen, self.notes()), ([], 0))

    def test_before_closing_comes_before(self) -> None:
        self.do(self.server.keeper.create(ROMEO, "montague"))
        _, stream = self.log_in("romeo@example.org/orchard")
        seen: list[object] = []
        self.do(self.server.keeper.delete(ROMEO, lambda: seen.append(stream.closed)))
        self.assertEqual(seen, [None])
        self.assertIsNotNone(stream.closed)

    def test_offline_operations(self) -> None:
        registry = offline_operations(self.db, self.accounts, SETTINGS)
        self.do(registry.run("user add", {"jid": "romeo@example.org", "password": "montague"}))
        self.assertEqual(self.told_at_start(), [AccountCreated(ROMEO)])
        declared = declared_operations().entries()
        offline = [name for name, entry in declared.items() if entry.sample.offline]
        self.assertEqual(list(registry.entries()), offline)
        for name, entry in registry.entries().items():
            names = [parameter.name for parameter in entry.sample.parameters]
            self.assertEqual(names, [parameter.name for parameter in declared[name].sample.parameters])
