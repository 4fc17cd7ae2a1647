"""The accounts of all hosts: existence, passwords, locks. What is stored are the keys of SCRAM (RFC 5802 section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, gatherResults

from xmppd.api.accounts import Account, Imported
from xmppd.api.storage import IDatabase
from xmppd.core.accounts import store
from xmppd.core.accounts.password_cache import PasswordCache
from xmppd.core.lru import Lru
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import HASHES, Derive, PasswordError, ScramKeys, derive_keys, fake_keys, new_salt
from xmppd.wire.sasl.keys import RANDOM, is_random, prepare_password, random_keys, verify_random, verify_salted

T = TypeVar("T")

_CHECKED_HASH = "SHA-256"  # whose keys a password is checked against
_IMPORTED_AT_ONCE = 400  # accounts in one transaction of an import
_DERIVED_AT_ONCE = 20  # accounts whose keys one call in a thread derives


class RunInThread(Protocol):
    """Runs a slow function in another thread: `deferToThreadPool` with its first arguments given."""

    def __call__(self, fn: Callable[[], T], /) -> Deferred[T]: ...


class Accounts:
    """Implements `xmppd.api.accounts.IAccounts`, and what only log-in needs: `derive`, `fake_secret`, `iterations`.

    The cache holds up to `cached` accounts and, apart from them so that strangers can't push them out, as many names
    that are no account. It knows of changes made through this object only.
    """

    def __init__(
        self,
        database: IDatabase,
        run_in_thread: RunInThread,
        now: Callable[[], float],
        *,
        iterations: int = 10_000,
        cached: int = 20_000,
        passwords_cached: int = 10_000,
    ) -> None:
        """`now` tells the seconds since the epoch. `iterations`: of PBKDF2, for keys made from now on."""
        self.iterations = iterations
        self._database = database
        self._run_in_thread = run_in_thread
        self._now = now
        self._found: Lru[Jid, Account] = Lru(cached)
        self._missing: Lru[Jid, bool] = Lru(cached)
        self._passwords = PasswordCache(passwords_cached)
        # Grows with every change, before and after: what was read meanwhile may be out of date, and is not cached.
        self._changes = 0
        #: How many passwords are being checked in threads.
        self.deriving = 0

    def known(self, jid: Jid) -> bool | None:
        """See IAccounts.known."""
        if self._found.get(jid) is not None:
            return True
        return False if self._missing.get(jid) else None

    async def exists(self, jid: Jid) -> bool:
        """See IAccounts.exists."""
        known = self.known(jid)
        return await self.get(jid) is not None if known is None else known

    async def get(self, jid: Jid) -> Account | None:
        """See IAccounts.get."""
        account = self._found.get(_checked(jid))
        if account is not None or self._missing.get(jid):
            return account
        changes = self._changes
        account = await self._database.read(partial(store.find, jid=jid))
        if changes == self._changes:
            self._remember(jid, account)
        return account

    async def create(self, jid: Jid, password: str) -> None:
        """See IAccounts.create."""
        _checked(jid)
        keys = await self._new_keys(password)
        account = Account(jid, self._now())
        await self._change([jid], partial(store.add, account=account, keys=keys))
        self._remember(jid, account)

    async def delete(self, jid: Jid) -> bool:
        """See IAccounts.delete."""
        return await self._change([_checked(jid)], partial(store.remove, jid=jid))

    async def set_password(self, jid: Jid, password: str) -> None:
        """See IAccounts.set_password."""
        _checked(jid)
        keys = await self._new_keys(password)
        await self._change([jid], partial(store.replace_keys, jid=jid, keys=keys))

    async def check_password(self, jid: Jid, password: str) -> bool:
        """See IAccounts.check_password."""
        if is_random(password):
            quick = await self.keys(jid, RANDOM)
            if quick is not None:
                return verify_random(password, quick)
        keys = await self.keys(jid, _CHECKED_HASH)
        try:
            prepared = prepare_password(password)
        except PasswordError:
            return False
        wanted = keys or fake_keys(b"", jid, _CHECKED_HASH, self.iterations)
        salted = await self.derive(jid, keys, Derive(prepared, wanted.hash, wanted.salt, wanted.iterations))
        return verify_salted(salted, wanted) and keys is not None

    async def keys(self, jid: Jid, hash: str) -> ScramKeys | None:
        """See IAccounts.keys."""
        return await self._database.read(partial(store.find_keys, jid=_checked(jid), hash=hash))

    async def derive(self, jid: Jid, keys: ScramKeys | None, step: Derive) -> bytes:
        """Do what a `Derive` of SASL asks for, in a thread.

        `keys` is what `keys` found for the account. If the password was right for them before, it takes no time.
        """
        salted = self._passwords.recall(jid, step.password, keys)
        if salted is None:
            self.deriving += 1
            try:
                salted = await self._run_in_thread(step.run)
            finally:
                self.deriving -= 1
            if keys is not None and verify_salted(salted, keys):
                self._passwords.remember(jid, step.password, keys, salted)
        return salted

    async def fake_secret(self) -> bytes:
        """Return what `xmppd.wire.sasl.fake_keys` needs: a secret of this database, the same after a restart."""
        return await self._database.write(partial(store.secret, name="fake keys"))

    async def lock(self, jid: Jid, reason: str) -> None:
        """See IAccounts.lock."""
        await self._change([_checked(jid)], partial(store.set_locked, jid=jid, reason=reason))

    async def unlock(self, jid: Jid) -> None:
        """See IAccounts.unlock."""
        await self._change([_checked(jid)], partial(store.set_locked, jid=jid, reason=None))

    async def list(self, host: str, after: str = "", limit: int = 100) -> Sequence[Account]:
        """See IAccounts.list."""
        return await self._database.read(partial(store.page, host=host, after=after, limit=limit))

    async def count(self, host: str) -> int:
        """See IAccounts.count."""
        return await self._database.read(partial(store.count, host=host))

    async def import_many(self, users: Iterable[tuple[Jid, str]]) -> Imported:
        """See IAccounts.import_many."""
        wanted: dict[Jid, str] = {}
        for jid, password in users:
            _check_user(jid, password)
            wanted.setdefault(jid, password)
        created: dict[Jid, None] = {}
        rest = iter(wanted.items())
        while chunk := dict(islice(rest, _IMPORTED_AT_ONCE)):
            created.update(dict.fromkeys(await self._import(chunk)))
        return Imported(tuple(created), tuple(jid for jid in wanted if jid not in created))

    async def _import(self, users: dict[Jid, str]) -> Sequence[Jid]:
        """Make those of some hundred accounts that don't exist and return their names."""
        taken = await self._database.read(partial(store.existing, jids=tuple(users)))
        fresh = [(jid, password) for jid, password in users.items() if jid not in taken]
        parts = [fresh[start : start + _DERIVED_AT_ONCE] for start in range(0, len(fresh), _DERIVED_AT_ONCE)]
        derived = await gatherResults(
            [self._run_in_thread(partial(_keys_of_each, part, self.iterations)) for part in parts],
            consumeErrors=True,
        )
        now = self._now()
        accounts = {Account(jid, now): keys for part in derived for jid, keys in part}
        return await self._change(tuple(users), partial(store.add_all, accounts=accounts))

    def _new_keys(self, password: str) -> Deferred[Sequence[ScramKeys]]:
        prepare_password(password)
        return self._run_in_thread(partial(_keys_of, password, self.iterations))

    async def _change(self, jids: Sequence[Jid], fn: Callable[[Connection], T]) -> T:
        """Write, and let the caches forget these accounts."""
        self._changes += 1
        try:
            return await self._database.write(fn)
        finally:
            self._changes += 1
            for jid in jids:
                self._found.forget(jid)
                self._missing.forget(jid)
                self._passwords.forget(jid)

    def _remember(self, jid: Jid, account: Account | None) -> None:
        if account is None:
            self._missing.put(jid, True)
        else:
            self._found.put(jid, account)


def _checked(jid: Jid) -> Jid:
    if not jid.local or jid.resource:
        raise ValueError(f"{jid} can't be an account: that is an address of the form user@host")
    return jid


def _check_user(jid: Jid, password: str) -> None:
    _checked(jid)
    try:
        prepare_password(password)
    except PasswordError as error:
        raise PasswordError(f"{jid}: {error}") from None


def _keys_of(password: str, iterations: int) -> list[ScramKeys]:
    keys = [derive_keys(password, hash, new_salt(), iterations) for hash in HASHES]
    return [*keys, replace(random_keys(password, new_salt()), hash=RANDOM)] if is_random(password) else keys


def _keys_of_each(users: Iterable[tuple[Jid, str]], iterations: int) -> list[tuple[Jid, list[ScramKeys]]]:
    return [(jid, _keys_of(password, iterations)) for jid, password in users]
