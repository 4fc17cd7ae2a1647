"""The table of messages that wait, and what is done with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    tuple_,
)

from xmppd.api import Jid, Message
from xmppd.api.offline import StoredMessage

if TYPE_CHECKING:
    from alembic.operations import Operations

MESSAGES = Table(
    "offline_messages",
    MetaData(),
    Column("account", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("stored_at", Float, nullable=False, index=True),
    Column("octets", Integer, nullable=False),
    # Everything about the stanza that is not its content: from, to, id, type, lang and unknown attributes.
    Column("header", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("place", BigInteger, nullable=False, server_default="0"),
)
_c = MESSAGES.c
_REMOVE = delete(MESSAGES).where(_c.account == bindparam("whose"), _c.position == bindparam("which"))

#: How many messages an account has waiting, and their octets.
Usage = tuple[int, int]


def add_place(op: Operations) -> None:
    """Version 1: a message that comes back from a device stands where it stood before."""
    with op.batch_alter_table("offline_messages") as table:
        table.add_column(Column("place", BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE offline_messages SET place = position")


def row_of(account: Jid, stored: StoredMessage) -> dict[str, object]:
    """Return the row for a message."""
    message = stored.message
    header = [message.from_, message.to, message.id, message.type, message.lang, message.extra]
    return {
        "account": str(account),
        "position": stored.position,
        "stored_at": stored.stored_at,
        "octets": stored.octets,
        "header": json.dumps(header, ensure_ascii=False, separators=(",", ":")),
        "payload": message.payload,
        "place": stored.place,
    }


def _stored(row: Row) -> StoredMessage:
    from_, to, id_, type_, lang, extra = json.loads(row.header)
    message = Message(
        Jid.parse(to) if to else None, Jid.parse(from_) if from_ else None, id_, type_, lang, row.payload, extra=extra
    )
    return StoredMessage(row.position, row.place, row.stored_at, row.octets, message)


def of_host(host: Jid) -> ColumnElement[bool]:
    """Choose the messages for the accounts of a host."""
    return _c.account.endswith(f"@{host}", autoescape=True)


def usage(connection: Connection, *which: ColumnElement[bool]) -> dict[Jid, Usage]:
    """Return what the messages chosen amount to, by account."""
    query = select(_c.account, func.count(), func.sum(_c.octets)).where(*which).group_by(_c.account)
    return {Jid.parse(account): (count, int(octets)) for account, count, octets in connection.execute(query)}


def last_position(connection: Connection) -> int:
    """Return the greatest position ever given to a message that still waits, or 0."""
    return connection.execute(select(func.max(_c.position))).scalar() or 0


def order(stored: StoredMessage) -> tuple[int, int]:
    """Sort messages of an account by this."""
    return stored.place, stored.position


def first(
    connection: Connection, account: Jid, limit: int, after: StoredMessage | None = None, *which: ColumnElement[bool]
) -> list[StoredMessage]:
    """Return the oldest `limit` messages of an account, those behind `after` if that is given."""
    query = select(_c.header, _c.payload, _c.position, _c.place, _c.stored_at, _c.octets)
    query = query.where(_c.account == str(account), *which)
    if after is not None:
        query = query.where(tuple_(_c.place, _c.position) > tuple_(*order(after)))
    query = query.order_by(_c.place, _c.position).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def remove(connection: Connection, account: Jid, positions: Iterable[int]) -> None:
    """Delete messages."""
    connection.execute(_REMOVE, [{"whose": str(account), "which": position} for position in positions])
