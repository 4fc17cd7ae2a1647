"""The tables of archives, made for whoever uses them: each plugin has its own, and its hosts share them by domain.

A row of `messages` is one owner's copy of a message. Addresses and ids of messages are in the index as numbers of 32
bits, because what inserting costs is the length of the index: a number stands for many texts, so who has found a row
by it looks at the text as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message

__all__ = ["HIGHEST_ID", "ArchiveTables", "brief", "make_tables", "row_of"]

#: 64 bits; SQLite numbers rows by itself only if the type is called INTEGER.
_POSITION = BigInteger().with_variant(Integer, "sqlite")
_HALF = 1 << 31
HIGHEST_ID = (1 << 63) - 1


class ArchiveTables(NamedTuple):
    """What archives are kept in.

    :ivar owners: who has an archive. Numbers are never given again: what is left of an owner that is gone must not get
        another one.
    :ivar address: the column of it that holds an owner's bare address.
    :ivar messages: everybody's messages.
    :ivar hosts: what is kept of a host: the key of its archive ids, and up to which position old messages have been
        removed.
    :ivar words: the name of the table of words, which :class:`xmppd.api.archives.search.Search` makes.
    """

    owners: Table
    address: Column[str]
    messages: Table
    hosts: Table
    words: str

    @property
    def all(self) -> tuple[Table, ...]:
        """Those that a plugin declares."""
        return self.owners, self.messages, self.hosts


def make_tables(
    prefix: str,
    owner: str = "account",
    owner_columns: Sequence[Column[Any]] = (),
    message_columns: Sequence[Column[Any]] = (),
) -> ArchiveTables:
    """Return tables whose names begin with `prefix`.

    :param owner: what the column is called that holds an owner's bare address.
    :param owner_columns: what else is kept of an owner; may be NULL, or has a default.
    :param message_columns: what else is kept of each message.
    """
    metadata = MetaData()
    address = Column(owner, Text, nullable=False, unique=True)
    owners = Table(
        f"{prefix}_owners",
        metadata,
        Column("number", Integer, primary_key=True),
        address,
        *owner_columns,
        # Up to which position, and to which id, the archive can be searched; 0: it never was.
        Column("searched_position", BigInteger, nullable=False),
        Column("searched_id", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    messages = Table(
        f"{prefix}_messages",
        metadata,
        # In the order in which they were committed. By ids some come late: an id is given before its row is written.
        Column("position", _POSITION, primary_key=True, autoincrement=True),
        Column("owner", Integer, nullable=False),
        Column("id", BigInteger, nullable=False),  # microseconds since the epoch, greater than that of the one before
        Column("peer", Integer, nullable=False),  # brief(), of the other side's bare address
        Column("mark", Integer, nullable=False),  # brief(), of the stanza's id, or what else messages are found by
        Column("address", Text, nullable=False),  # of the other side, full if that is what the stanza had
        Column("stanza", LargeBinary, nullable=False),  # as it goes over a client's stream
        *message_columns,
        # The only one: every further index costs as much as the whole row (see docs/decisions).
        Index(f"{prefix}_messages_owner", "owner", "id", "peer", "mark"),
    )
    hosts = Table(
        f"{prefix}_hosts",
        metadata,
        Column("host", Text, primary_key=True),
        Column("key", LargeBinary, nullable=False),
        Column("expired", BigInteger, nullable=False),
    )
    return ArchiveTables(owners, address, messages, hosts, f"{prefix}_search")


def brief(text: str) -> int:
    """Return the number of 32 bits that stands for a text in the index."""
    return crc32(text.encode()) - _HALF


def row_of(owner: int, id: int, address: Jid, message: Message) -> dict[str, Any]:
    """Return the row for a message, without the columns that only some have.

    :param owner: whose copy it is, by its number.
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
