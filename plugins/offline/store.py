"""The table of messages that wait."""

from __future__ import annotations

import json

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
    delete,
    func,
    select,
)

from xmppd.api import Jid, Message
from xmppd.api.offline import StoredMessage

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
)
_c = MESSAGES.c

#: How many messages an account has waiting, and their octets.
Usage = tuple[int, int]


def row_of(account: Jid, position: int, now: float, message: Message, octets: int) -> dict[str, object]:
    """Return the row for a message."""
    header = [message.from_, message.to, message.id, message.type, message.lang, message.extra]
    return {
        "account": str(account),
        "position": position,
        "stored_at": now,
        "octets": octets,
        "header": json.dumps(header, ensure_ascii=False, separators=(",", ":")),
        "payload": message.payload,
    }


def _stored(row: Row) -> StoredMessage:
    from_, to, id_, type_, lang, extra = json.loads(row.header)
    message = Message(
        Jid.parse(to) if to else None, Jid.parse(from_) if from_ else None, id_, type_, lang, row.payload, extra=extra
    )
    return StoredMessage(row.position, row.stored_at, row.octets, message)


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


def first(connection: Connection, account: Jid, limit: int, after: int = 0) -> list[StoredMessage]:
    """Return the oldest `limit` messages of an account behind the position `after`."""
    query = (
        select(_c.header, _c.payload, _c.position, _c.stored_at, _c.octets)
        .where(_c.account == str(account), _c.position > after)
        .order_by(_c.position)
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(query)]


def take_away(connection: Connection, *which: ColumnElement[bool]) -> dict[Jid, Usage]:
    """Delete the messages chosen; return what they amounted to, by account."""
    gone = usage(connection, *which)
    if gone:
        connection.execute(delete(MESSAGES).where(*which))
    return gone
