"""The tables of archives, and the statements that run often.

A row of `MESSAGES` is one owner's copy of a message. Addresses and ids of messages are in the index as numbers of 32
bits, because what inserting costs is the length of the index: a number stands for many texts, so who has found a row
by it looks at the text as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
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

from xmppd.api import Jid, Message

__all__ = ["HIGHEST_ID", "HOSTS", "MESSAGES", "OWNERS", "TABLES", "brief", "row_of"]

_METADATA = MetaData()
#: 64 bits; SQLite numbers rows by itself only if the type is called INTEGER.
_POSITION = BigInteger().with_variant(Integer, "sqlite")

#: Who has an archive. Numbers are never given again: what is left of a deleted account must not get another owner.
OWNERS = Table(
    "archive_owners",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("account", Text, nullable=False, unique=True),
    Column("preferences", Text),  # XEP-0441; NULL: those of the host
    # Up to which position, and to which id, the archive can be searched; 0: it never was.
    Column("searched_position", BigInteger, nullable=False),
    Column("searched_id", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

MESSAGES = Table(
    "archive_messages",
    _METADATA,
    # In the order in which they were committed. By ids some come late: an id is given before its row is written.
    Column("position", _POSITION, primary_key=True, autoincrement=True),
    Column("owner", Integer, nullable=False),
    Column("id", BigInteger, nullable=False),  # microseconds since the epoch, greater than that of the one before
    Column("peer", Integer, nullable=False),  # brief(), of the other side's bare address
    Column("mark", Integer, nullable=False),  # brief(), of the stanza's id
    Column("address", Text, nullable=False),  # of the other side, full if that is what the stanza had
    Column("stanza", LargeBinary, nullable=False),  # as it goes over a client's stream
    # The only one: every further index costs as much as the whole row (see docs/decisions).
    Index("archive_messages_owner", "owner", "id", "peer", "mark"),
)

#: What is kept of a host: the key of its archive ids, and up to which position old messages have been removed.
HOSTS = Table(
    "archive_hosts",
    _METADATA,
    Column("host", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("expired", BigInteger, nullable=False),
)

TABLES = (OWNERS, MESSAGES, HOSTS)
_m, _o = MESSAGES.c, OWNERS.c
_HALF = 1 << 31
_LATEST = 1000  # rows that are looked at for the greatest id
HIGHEST_ID = (1 << 63) - 1

_FIND_OWNER = select(_o.number).where(_o.account == bindparam("who"))
_MAKE_OWNER = insert(OWNERS)
_REMOVE_OWNER = delete(OWNERS).where(_o.number == bindparam("whose"))
_PREFER = update(OWNERS).where(_o.number == bindparam("whose"))
_ADD = insert(MESSAGES)
_TAKE_BACK = delete(MESSAGES).where(_m.owner == bindparam("whose"), _m.id == bindparam("which"))
_LAST_IDS = select(func.max(select(_m.id).order_by(_m.position.desc()).limit(_LATEST).subquery().c.id))
_COUNT = select(func.count()).select_from(MESSAGES).where(_m.owner == bindparam("whose"))
_FIRST = select(func.min(_m.id)).where(_m.owner == bindparam("whose"))
_LAST = select(func.max(_m.id)).where(_m.owner == bindparam("whose"))


def brief(text: str) -> int:
    """Return the number of 32 bits that stands for a text in the index."""
    return crc32(text.encode()) - _HALF


def row_of(owner: int, id: int, address: Jid, message: Message) -> dict[str, object]:
    """Return the row for a message.

    :param address: of the other side.
    """
    return {
        "owner": owner,
        "id": id,
        "peer": crc32(address.bare.encode()) - _HALF,
        "mark": crc32(message.id.encode()) - _HALF if message.id else 0,
        "address": str(address),
        "stanza": message.to_bytes(),
    }


def find_owner(connection: Connection, account: Jid) -> int | None:
    """Return the number of an account, if it has an archive."""
    return connection.execute(_FIND_OWNER, {"who": str(account)}).scalar()


def make_owner(connection: Connection, account: Jid) -> int:
    """The same; an account that has no archive gets one."""
    found = find_owner(connection, account)
    if found is None:
        connection.execute(_MAKE_OWNER, {"account": str(account), "searched_position": 0, "searched_id": 0})
        found = find_owner(connection, account)
        assert found is not None
    return found


def add(connection: Connection, account: Jid, row: Mapping[str, object]) -> None:
    """Insert a row for an account whose number is not known."""
    connection.execute(_ADD, {**row, "owner": make_owner(connection, account)})


def take_back(connection: Connection, account: Jid, id: int) -> None:
    """Delete a message that was inserted in this transaction: nobody has seen it, nor its words."""
    connection.execute(_TAKE_BACK, {"whose": find_owner(connection, account), "which": id})


def all_preferences(connection: Connection, host: Jid) -> dict[Jid, str]:
    """Return what is stored of the preferences of a host's accounts; most have none."""
    chosen = select(_o.account, _o.preferences).where(_o.preferences.is_not(None))
    chosen = chosen.where(_o.account.endswith(f"@{host}", autoescape=True))
    return {Jid.parse(account): text for account, text in connection.execute(chosen)}


def set_preferences(connection: Connection, account: Jid, preferences: str) -> None:
    """Store what :meth:`.preferences.Preferences.to_text` says."""
    connection.execute(_PREFER, {"whose": make_owner(connection, account), "preferences": preferences})


def remove_owner(connection: Connection, owner: int) -> None:
    """Delete what is left of an archive that is empty."""
    connection.execute(_REMOVE_OWNER, {"whose": owner})


def last_id(connection: Connection) -> int:
    """Return the greatest id of any message, or 0."""
    return connection.execute(_LAST_IDS).scalar() or 0


def count(connection: Connection, owner: int) -> int:
    """Return how many messages are in an archive."""
    return connection.execute(_COUNT, {"whose": owner}).scalar_one()


def ends(connection: Connection, owner: int | None) -> tuple[int, int] | None:
    """Return the ids of the first and the last message, or None if there are no messages."""
    first = connection.execute(_FIRST, {"whose": owner}).scalar()
    last = connection.execute(_LAST, {"whose": owner}).scalar()
    return None if first is None or last is None else (first, last)


def host_key(connection: Connection, host: Jid, new: bytes) -> bytes:
    """Return the key for the archive ids of a host; `new` if it has none yet."""
    found = connection.execute(select(HOSTS.c.key).where(HOSTS.c.host == str(host))).scalar()
    if found is None:
        connection.execute(insert(HOSTS), {"host": str(host), "key": new, "expired": 0})
    return new if found is None else bytes(found)
