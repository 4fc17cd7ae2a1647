"""Accounts on SQLite, and their caches."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.core.accounts_contract import JULIET, NURSE, ROMEO, AccountsContract
from xmppd.api.accounts import Account, IAccounts
from xmppd.api.storage import IDatabase, StorageUnavailable
from xmppd.core.accounts.accounts import Accounts
from xmppd.core.accounts.password_cache import PasswordCache
from xmppd.core.lru import Lru
from xmppd.core.storage import DirectDatabase, open_engines
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import MIN_ITERATIONS, Derive, derive_keys
from xmppd.wire.sasl.keys import salted_password


class OnSqlite(AccountsContract, TestCase):
    plan_option = "QUERY PLAN"

    def setUp(self) -> None:
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        self.make_tables(engines)
        self.database = DirectDatabase(engines)
        self.accounts = self.make_accounts()
        # For mypy: it is what it claims to be.
        self.interface: IAccounts = self.accounts


class Caches(AccountsContract, TestCase):
    """The contract again with caches that hold one entry, and what the caches save."""

    def setUp(self) -> None:
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        self.make_tables(engines)
        self.database = DirectDatabase(engines)
        self.accounts = self.make_accounts(cached=1, passwords_cached=1)

    plan_option = "QUERY PLAN"

    async def test_a_password_found_right_costs_no_second_derivation(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        self.derivations = 0
        for _ in range(3):
            self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        self.assertEqual(self.derivations, 1)

    async def test_every_wrong_password_costs_a_derivation(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        await self.accounts.check_password(ROMEO, "montague")
        self.derivations = 0
        for _ in range(3):
            self.assertFalse(await self.accounts.check_password(ROMEO, "capulet"))
            self.assertFalse(await self.accounts.check_password(JULIET, "capulet"))
        self.assertEqual(self.derivations, 6)

    async def test_unknown_accounts_cost_what_known_ones_do(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        work = []

        def measured(password: bytes, hash: str, salt: bytes, iterations: int) -> bytes:
            work.append((hash, len(salt), iterations))
            return salted_password(password, hash, salt, iterations)

        with mock.patch("xmppd.wire.sasl.outcome.salted_password", measured):
            for jid in (ROMEO, JULIET):
                self.assertFalse(await self.accounts.check_password(jid, "wrong"))
        self.assertEqual(work[0], work[1])

    async def test_log_in_shares_the_cache(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        keys = await self.accounts.keys(ROMEO, "SHA-512")
        assert keys is not None
        step = Derive(b"montague", keys.hash, keys.salt, keys.iterations)
        self.derivations = 0
        salted = [await self.accounts.derive(ROMEO, keys, step) for _ in range(3)]
        self.assertEqual(salted, [step.run()] * 3)
        self.assertEqual(self.derivations, 1)

    async def test_a_changed_account_leaves_nothing_behind(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        keys = await self.accounts.keys(ROMEO, "SHA-256")
        assert keys is not None
        step = Derive(b"montague", keys.hash, keys.salt, keys.iterations)
        await self.accounts.derive(ROMEO, keys, step)
        await self.accounts.delete(ROMEO)
        self.derivations = 0
        await self.accounts.derive(ROMEO, keys, step)
        self.assertEqual(self.derivations, 1)

    async def test_the_cache_of_passwords_is_bounded(self) -> None:
        for jid in (ROMEO, JULIET):
            await self.accounts.create(jid, "secret")
        self.derivations = 0
        for jid in (ROMEO, JULIET, ROMEO):
            self.assertTrue(await self.accounts.check_password(jid, "secret"))
        self.assertEqual(self.derivations, 3)

    async def test_the_cache_of_names_is_bounded_and_strangers_push_nobody_out(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        for number in range(5):
            self.assertFalse(await self.accounts.exists(Jid.parse(f"guess{number}@example.org")))
        self.assertIs(self.accounts.known(ROMEO), True)
        self.assertIs(self.accounts.known(Jid.parse("guess4@example.org")), False)
        self.assertIsNone(self.accounts.known(Jid.parse("guess3@example.org")))
        await self.accounts.create(JULIET, "capulet")
        self.assertIsNone(self.accounts.known(ROMEO))

    async def test_a_change_in_another_process_makes_a_cached_password_useless(self) -> None:
        await self.accounts.create(ROMEO, "montague")
        self.assertTrue(await self.accounts.check_password(ROMEO, "montague"))
        await self.make_accounts().set_password(ROMEO, "capulet")
        self.assertFalse(await self.accounts.check_password(ROMEO, "montague"))
        self.assertTrue(await self.accounts.check_password(ROMEO, "capulet"))


class SlowDatabase:
    """Answers when told to."""

    def __init__(self) -> None:
        self.reads: list[Deferred[Any]] = []
        self.writes: list[Deferred[Any]] = []

    def read(self, fn: Any) -> Deferred[Any]:
        self.reads.append(Deferred())
        return self.reads[-1]

    def write(self, fn: Any) -> Deferred[Any]:
        self.writes.append(Deferred())
        return self.writes[-1]

    def append(self, table: Any, rows: Any) -> Deferred[None]:
        return succeed(None)


class Races(SynchronousTestCase):
    """What is read while something changes is not kept."""

    def setUp(self) -> None:
        self.database = SlowDatabase()
        database: IDatabase = self.database
        self.accounts = Accounts(database, lambda fn: succeed(fn()), lambda: 5.0, iterations=MIN_ITERATIONS)

    def start(self, coroutine: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(coroutine)

    def test_a_read_that_began_before_the_change(self) -> None:
        reading = self.start(self.accounts.exists(ROMEO))
        creating = self.start(self.accounts.create(ROMEO, "montague"))
        self.database.writes[0].callback(None)
        self.successResultOf(creating)
        self.database.reads[0].callback(None)
        self.assertIs(self.successResultOf(reading), False)
        self.assertIs(self.accounts.known(ROMEO), True)

    def test_a_read_that_ended_before_the_change_did(self) -> None:
        creating = self.start(self.accounts.create(ROMEO, "montague"))
        reading = self.start(self.accounts.exists(ROMEO))
        self.database.reads[0].callback(None)
        self.assertIs(self.successResultOf(reading), False)
        self.database.writes[0].callback(None)
        self.successResultOf(creating)
        self.assertIs(self.accounts.known(ROMEO), True)

    def test_a_read_across_a_deletion(self) -> None:
        reading = self.start(self.accounts.get(ROMEO))
        deleting = self.start(self.accounts.delete(ROMEO))
        self.database.writes[0].callback(True)
        self.successResultOf(deleting)
        self.database.reads[0].callback(Account(ROMEO, 1.0))
        self.successResultOf(reading)
        self.assertIsNone(self.accounts.known(ROMEO))

    def test_a_change_that_failed_leaves_nothing_in_the_cache(self) -> None:
        reading = self.start(self.accounts.exists(ROMEO))
        self.database.reads[0].callback(None)
        self.successResultOf(reading)
        creating = self.start(self.accounts.create(ROMEO, "montague"))
        self.database.writes[0].errback(StorageUnavailable("the connection is lost"))
        self.failureResultOf(creating, StorageUnavailable)
        self.assertIsNone(self.accounts.known(ROMEO))


class LruTests(SynchronousTestCase):
    def test_what_was_used_longest_ago_is_forgotten(self) -> None:
        cache: Lru[str, int] = Lru(2)
        cache.put("a", 1)
        cache.put("b", 2)
        self.assertEqual(cache.get("a"), 1)
        cache.put("c", 3)
        self.assertEqual([cache.get(key) for key in "abc"], [1, None, 3])
        cache.put("a", 4)
        cache.forget("c")
        cache.forget("c")
        self.assertEqual((cache.get("a"), cache.get("c"), len(cache)), (4, None, 1))

    def test_no_room_is_no_cache(self) -> None:
        self.assertRaises(ValueError, Lru, 0)


class PasswordCacheTests(SynchronousTestCase):
    def test_an_entry_is_for_one_account_one_password_and_one_set_of_keys(self) -> None:
        cache = PasswordCache(5)
        for hash in ("SHA-1", "SHA-512"):
            keys = derive_keys("secret", hash, b"salt", MIN_ITERATIONS)
            salted = salted_password(b"secret", hash, b"salt", MIN_ITERATIONS)
            cache.remember(ROMEO, b"secret", keys, salted)
            self.assertEqual(cache.recall(ROMEO, b"secret", keys), salted)
            self.assertIsNone(cache.recall(ROMEO, b"Secret", keys))
            self.assertIsNone(cache.recall(NURSE, b"secret", keys))
            self.assertIsNone(cache.recall(ROMEO, b"secret", None))
            other = derive_keys("secret", hash, b"pepper", MIN_ITERATIONS)
            self.assertIsNone(cache.recall(ROMEO, b"secret", other))
        cache.forget(ROMEO)
        self.assertIsNone(cache.recall(ROMEO, b"secret", keys))

    def test_neither_the_password_nor_what_derives_from_it_is_kept_in_the_clear(self) -> None:
        cache = PasswordCache(5)
        keys = derive_keys("secret", "SHA-1", b"salt", MIN_ITERATIONS)
        salted = salted_password(b"secret", "SHA-1", b"salt", MIN_ITERATIONS)
        cache.remember(ROMEO, b"secret", keys, salted)
        entry = cache._entries.get(ROMEO)
        assert entry is not None
        for held in (entry.tag, entry.masked):
            self.assertFalse(b"secret" in held or salted in held)
