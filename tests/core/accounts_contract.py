"""What accounts do, whichever engine the database is on. Mixed into a TestCase for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import func, insert, select, text
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from tests.core.storage_contract import outcomes
from xmppd.api.accounts import Account, AccountExists, NoSuchAccount
from xmppd.api.storage import IDatabase
from xmppd.core.accounts import store as account_store
from xmppd.core.accounts.accounts import Accounts
from xmppd.core.storage import Engines, migrate, schema_differences
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import HASHES, MIN_ITERATIONS, PasswordError, fake_keys, verify_password

T = TypeVar("T")
ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.org")
NURSE = Jid.parse("nurse@example.com")


class AccountsContract:
    """Needs `self.database`, started, whose tables `make_tables` made, and `self.accounts` from `make_accounts`."""

    database: IDatabase
    accounts: Accounts
    engines: Engines
    # From TestCase:
    assertEqual: Any
    assertFalse: Any
    assertIs: Any
    assertIsNone: Any
    assertNotEqual: Any
    assertTrue: Any

    def make_tables(self, engines: Engines) -> None:
        self.engines = engines
        migrate(engines.write, account_store.OWNER, account_store.TABLES, account_store.MIGRATIONS)

    def make_accounts(self, **options: Any) -> Accounts:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.derivations = 0
        return Accounts(self.database, self.run_here, self.clock.seconds, **{"iterations": MIN_ITERATIONS, **options})

    def run_here(self, fn: Callable[[], T], /) -> Deferred[T]:
        self.derivations += 1
        return maybeDeferred(fn)

    async def fails(self, kind: type[BaseException], awaitable: Any) -> str:
        try:
            value = await awaitable
        except kind as error:
            return str(error)
        raise AssertionError(f"{kind.__name__} expected, got {value!r}")

    def test_the_tables_are_as_declared(self) -> None:
        with self.engines.write.connect() as connection:
            self.assertEqual(schema_differences(connection, account_store.TABLES), [])

    async def test_a_new_account_is_there(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        self.assertIs(self.accounts.known(ROMEO), True)
        self.assertTrue(await self.accounts.exists(ROMEO))
        self.assertEqual(await self.accounts.get(ROMEO), Account(ROMEO, 1_700_000_000.0, None))
        # Another process, with nothing in its cache.
        other = self.make_accounts()
        self.assertIsNone(other.known(ROMEO))
        self.assertEqual(await other.get(ROMEO), Account(ROMEO, 1_700_000_000.0, None))
        self.assertIs(other.known(ROMEO), True)

    async def test_what_is_not_there_is_cached_too(self) -> None:
        self.assertIsNone(self.accounts.known(ROMEO))
        self.assertFalse(await self.accounts.exists(ROMEO))
        self.assertIs(self.accounts.known(ROMEO), False)
        self.assertIsNone(await self.accounts.get(ROMEO))
        await self.accounts.create(ROMEO, "montague")
        self.assertIs(self.accounts.known(ROMEO), True)

    async def test_a_name_can_be_taken_once(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        await self.fails(AccountExists, self.accounts.create(ROMEO, "capulet"))
        self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        self.assertFalse(await self.accounts.check_password(ROMEO, "capulet"))

    async def test_of_two_at_once_one_gets_the_name(self) -> None:
        attempts = [Deferred.fromCoroutine(self.accounts.create(JULIET, password)) for password in ("a", "b")]
        results = await outcomes(attempts)
        self.assertEqual({type(result) for result in results}, {type(None), AccountExists})

    async def test_only_a_user_at_a_host_can_be_an_account(self) -> None:
        for name in ("example.org", "romeo@example.org/orchard"):
            jid = Jid.parse(name)
            for attempt in (
                self.accounts.create(jid, "montague"),
                self.accounts.get(jid),
                self.accounts.delete(jid),
                self.accounts.set_password(jid, "montague"),
                self.accounts.check_password(jid, "montague"),
                self.accounts.lock(jid, "no"),
                self.accounts.import_many([(jid, "montague")]),
            ):
                self.assertTrue(name in await self.fails(ValueError, attempt))

    async def test_what_can_not_be_a_password_is_refused(self) -> None:
        await self.accounts.create(JULIET, "capulet")
        for password in ("", "a\0b", "x" * 2000):
            await self.fails(PasswordError, self.accounts.create(ROMEO, password))
            await self.fails(PasswordError, self.accounts.set_password(JULIET, password))
            self.assertFalse(await self.accounts.check_password(JULIET, password))
        self.assertFalse(await self.accounts.exists(ROMEO))
        self.assertTrue(await self.accounts.check_password(JULIET, "capulet"))

    async def test_keys_for_every_hash_and_no_password_are_stored(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        salts = set()
        for hash in HASHES:
            keys = await self.accounts.keys(ROMEO, hash)
            assert keys is not None
            self.assertEqual((keys.hash, keys.iterations), (hash, MIN_ITERATIONS))
            self.assertTrue(verify_password("montague", keys))
            salts.add(keys.salt)
        self.assertEqual(len(salts), len(HASHES))
        self.assertIsNone(await self.accounts.keys(ROMEO, "SHA3-512"))
        self.assertIsNone(await self.accounts.keys(JULIET, "SHA-256"))
        with self.engines.read.connect() as connection:
            for table in account_store.TABLES:
                self.assertFalse("montague" in str(connection.execute(select(table)).all()))

    async def test_a_deleted_account_is_gone_with_its_keys(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        self.assertTrue(await self.accounts.delete(ROMEO))
        self.assertFalse(await self.accounts.exists(ROMEO))
        self.assertFalse(await self.accounts.check_password(ROMEO, "montague"))
        self.assertFalse(await self.accounts.delete(ROMEO))
        with self.engines.read.connect() as connection:
            self.assertEqual(connection.scalar(select(func.count()).select_from(account_store.SCRAM_KEYS)), 0)
        await self.accounts.create(ROMEO, "again")
        self.assertFalse(await self.accounts.check_password(ROMEO, "montague"))

    async def test_a_new_password_replaces_the_old_one(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        await self.accounts.set_password(ROMEO, "capulet")
        self.assertFalse(await self.accounts.check_password(ROMEO, "montague"))
        self.assertTrue(await self.accounts.check_password(ROMEO, "capulet"))
        await self.fails(NoSuchAccount, self.accounts.set_password(JULIET, "capulet"))

    async def test_random_passwords_take_no_time(self) -> None:
        """Those that programs make need no PBKDF2: nobody could guess them. SCRAM has its keys all the same."""
        password, other = "0d5c1e3fa2b84c47a3e1f6d2b8c90e9a", "5f0c2a7be1d94a6c8e7b3d1f0a2c4e6d"
        await self.accounts.create(ROMEO, password)
        self.derivations = 0
        self.assertTrue(await self.accounts.check_password(ROMEO, password))
        self.assertFalse(await self.accounts.check_password(ROMEO, other))
        self.assertEqual(self.derivations, 0)
        keys = await self.accounts.keys(ROMEO, "SHA-256")
        assert keys is not None
        self.assertTrue(verify_password(password, keys))
        await self.accounts.set_password(ROMEO, other)
        self.assertFalse(await self.accounts.check_password(ROMEO, password))
        await self.accounts.set_password(ROMEO, "not random")
        self.assertFalse(await self.accounts.check_password(ROMEO, other))
        self.assertTrue(await self.accounts.check_password(ROMEO, "not random"))

    async def test_a_lock_is_remembered_with_its_reason(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        await self.accounts.lock(ROMEO, "banished")
        for accounts in (self.accounts, self.make_accounts()):
            account = await accounts.get(ROMEO)
            assert account is not None
            self.assertEqual(account.locked, "banished")
        self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        await self.accounts.unlock(ROMEO)
        self.assertEqual(await self.accounts.get(ROMEO), Account(ROMEO, 1_700_000_000.0, None))
        await self.fails(NoSuchAccount, self.accounts.lock(JULIET, "never was"))
        await self.fails(NoSuchAccount, self.accounts.unlock(JULIET))

    async def test_accounts_are_listed_by_host_in_pages(self) -> None:
        # Neither "_" before letters nor "é" among them is what a language's collation would do.
        names = ["b_d", "ba", "bé", "bz", "c"]
        jids = [Jid.of(name, "example.org") for name in names]
        await self.accounts.import_many([(jid, "secret") for jid in [*reversed(jids), NURSE]])
        ordered = sorted(jids)
        first = await self.accounts.list("example.org", limit=3)
        self.assertEqual([account.jid for account in first], ordered[:3])
        second = await self.accounts.list("example.org", after=first[-1].jid, limit=3)
        self.assertEqual([account.jid for account in second], ordered[3:])
        self.assertEqual(await self.accounts.list("example.org", after=second[-1].jid), [])
        self.assertEqual(await self.accounts.list("nowhere.example"), [])
        self.assertEqual([await self.accounts.count(host) for host in ("example.org", "example.com", "x")], [5, 1, 0])

    async def test_many_are_imported(self) -> None:
        users = [(Jid.parse(f"user{number:04}@example.org"), f"secret {number}") for number in range(30)]
        await self.accounts.create(users[3][0], "kept")
        result = await self.accounts.import_many(iter([*users, (users[7][0], "second mention")]))
        self.assertEqual(list(result.existing), [users[3][0]])
        self.assertEqual(list(result.created), [jid for jid, _ in users if jid != users[3][0]])
        self.assertEqual(await self.accounts.count("example.org"), 30)
        self.assertTrue(await self.accounts.check_password(users[7][0], "secret 7"))
        self.assertTrue(await self.accounts.check_password(users[3][0], "kept"))
        for hash in HASHES:
            keys = await self.accounts.keys(users[29][0], hash)
            assert keys is not None
            self.assertTrue(verify_password("secret 29", keys))
        again = await self.accounts.import_many(users)
        self.assertEqual((len(again.created), len(again.existing)), (0, 30))

    async def test_an_import_with_a_mistake_makes_nothing(self) -> None:
        words = await self.fails(PasswordError, self.accounts.import_many([(ROMEO, "montague"), (JULIET, "")]))
        self.assertTrue(words.startswith("juliet@example.org: "))
        self.assertEqual(await self.accounts.count("example.org"), 0)

    async def test_the_secret_of_fake_keys_outlives_the_process(self) -> None:
        secret = await self.accounts.fake_secret()
        self.assertEqual(await self.make_accounts().fake_secret(), secret)
        self.assertTrue(len(secret) >= 32)
        self.assertNotEqual(fake_keys(secret, ROMEO, "SHA-1", 4096), fake_keys(secret, JULIET, "SHA-1", 4096))

    async def test_a_million_names_would_be_found_by_index(self) -> None:
        with self.engines.write.begin() as connection:
            rows = [
                {"jid": f"user{number}@example.org", "host": "example.org", "created": 0.0} for number in range(1000)
            ]
            connection.execute(insert(account_store.ACCOUNTS), rows)
            connection.execute(text("ANALYZE"))
            wanted = "SELECT jid FROM accounts WHERE host = 'example.org' AND jid > 'user99' ORDER BY jid LIMIT 2"
            plan = str(connection.execute(text(f"EXPLAIN {self.plan_option} {wanted}")).all())
        self.assertTrue("accounts_by_host" in plan or "accounts_pkey" in plan, plan)

    plan_option = ""
