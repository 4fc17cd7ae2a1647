"""The tables of accounts, and what is done with them: functions of a connection, for IDatabase to run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from xmppd.api.accounts import Account, AccountExists, NoSuchAccount
from xmppd.api.storage import Migration
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import ScramKeys

OWNER = "accounts"
"""The owner of these tables, for `migrate`."""

_METADATA = MetaData()
# In the order of their code points on every database, so that a page of names begins where the last one ended.
_NAME = Text().with_variant(Text(collation="C"), "postgresql")

ACCOUNTS = Table(
    "accounts",
    _METADATA,
    Column("jid", _NAME, primary_key=True),
    Column("host", _NAME, nullable=False),
    Column("created", Float, nullable=False),
    Column("locked", Text),
    Index("accounts_by_host", "host", "jid"),
)
SCRAM_KEYS = Table(
    "scram_keys",
    _METADATA,
    Column("account", _NAME, ForeignKey("accounts.jid", ondelete="CASCADE"), primary_key=True),
    Column("hash", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("stored_key", LargeBinary, nullable=False),
    Column("server_key", LargeBinary, nullable=False),
)
SECRETS = Table(
    "account_secrets",
    _METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

TABLES = (ACCOUNTS, SCRAM_KEYS, SECRETS)
MIGRATIONS: tuple[Migration, ...] = ()

# Built once: building a statement takes longer than executing it.
_FIND = select(ACCOUNTS.c.created, ACCOUNTS.c.locked).where(ACCOUNTS.c.jid == bindparam("jid"))
_FIND_KEYS = select(SCRAM_KEYS.c.salt, SCRAM_KEYS.c.iterations, SCRAM_KEYS.c.stored_key, SCRAM_KEYS.c.server_key).where(
    SCRAM_KEYS.c.account == bindparam("jid"), SCRAM_KEYS.c.hash == bindparam("hash")
)


def find(connection: Connection, jid: Jid) -> Account | None:
    """Return the account."""
    row = connection.execute(_FIND, {"jid": jid}).first()
    return None if row is None else Account(jid, row.created, row.locked)


def find_keys(connection: Connection, jid: Jid, hash: str) -> ScramKeys | None:
    """Return the account's keys for one hash."""
    row = connection.execute(_FIND_KEYS, {"jid": jid, "hash": hash}).first()
    return None if row is None else ScramKeys(hash, row.salt, row.iterations, row.stored_key, row.server_key)


def add(connection: Connection, account: Account, keys: Iterable[ScramKeys]) -> None:
    """Store a new account. Raises AccountExists."""
    if find(connection, account.jid) is not None:
        raise AccountExists(account.jid)
    add_all(connection, {account: keys})


def add_all(connection: Connection, accounts: Mapping[Account, Iterable[ScramKeys]]) -> list[Jid]:
    """Store those of the accounts that are new, and return their names."""
    taken = existing(connection, [account.jid for account in accounts])
    fresh = {account: keys for account, keys in accounts.items() if account.jid not in taken}
    if fresh:
        connection.execute(insert(ACCOUNTS), [_account_row(account) for account in fresh])
        rows = [_key_row(account.jid, key) for account, keys in fresh.items() for key in keys]
        connection.execute(insert(SCRAM_KEYS), rows)
    return [account.jid for account in fresh]


def existing(connection: Connection, jids: Sequence[Jid]) -> set[str]:
    """Return those of some hundred names that are accounts."""
    return set(connection.scalars(select(ACCOUNTS.c.jid).where(ACCOUNTS.c.jid.in_(jids))))


def remove(connection: Connection, jid: Jid) -> bool:
    """Delete the account with its keys; false if there is none."""
    return connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.jid == jid)).rowcount > 0


def replace_keys(connection: Connection, jid: Jid, keys: Iterable[ScramKeys]) -> None:
    """Store the keys of a new password. Raises NoSuchAccount."""
    if find(connection, jid) is None:
        raise NoSuchAccount(jid)
    connection.execute(delete(SCRAM_KEYS).where(SCRAM_KEYS.c.account == jid))
    connection.execute(insert(SCRAM_KEYS), [_key_row(jid, key) for key in keys])


def set_locked(connection: Connection, jid: Jid, reason: str | None) -> None:
    """Lock for a reason, or unlock (None). Raises NoSuchAccount."""
    if not connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.jid == jid).values(locked=reason)).rowcount:
        raise NoSuchAccount(jid)


def page(connection: Connection, host: str, after: str, limit: int) -> list[Account]:
    """Return accounts of a host in order, from behind a name."""
    wanted = select(ACCOUNTS).where(ACCOUNTS.c.host == host, ACCOUNTS.c.jid > after)
    rows = connection.execute(wanted.order_by(ACCOUNTS.c.jid).limit(limit))
    return [Account(Jid.parse(row.jid), row.created, row.locked) for row in rows]


def count(connection: Connection, host: str) -> int:
    """Return how many accounts a host has."""
    return connection.scalar(select(func.count()).select_from(ACCOUNTS).where(ACCOUNTS.c.host == host)) or 0


def secret(connection: Connection, name: str) -> bytes:
    """Return a secret of this server's own, made when it is first asked for."""
    found = connection.scalar(select(SECRETS.c.value).where(SECRETS.c.name == name))
    if found is None:
        found = secrets.token_bytes(32)
        connection.execute(insert(SECRETS), {"name": name, "value": found})
    return bytes(found)


def _account_row(account: Account) -> dict[str, object]:
    return {
        "jid": account.jid,
        "host": account.jid.domain,
        "created": account.created,
        "locked": account.locked,
    }


def _key_row(jid: Jid, keys: ScramKeys) -> dict[str, object]:
    return {
        "account": jid,
        "hash": keys.hash,
        "salt": keys.salt,
        "iterations": keys.iterations,
        "stored_key": keys.stored_key,
        "server_key": keys.server_key,
    }
