"""The tables of a gateway: each gateway plugin has its own, and the gateways of several hosts share them by domain."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Executable,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from xmppd.api.storage import IDatabase

__all__ = ["GatewayTables", "execute", "make_tables"]


class GatewayTables(NamedTuple):
    """All of them. ``gateway`` is the domain of a gateway, ``account`` the bare address of a user everywhere.

    :ivar users: who is registered, with what they have filled in, as JSON.
    :ivar contacts: addresses on the other network whose presence users see.
    :ivar queue: messages on their way to the other network.
    :ivar reports: by which names of the other network a report will tell what became of a message.
    :ivar usage: what users have sent in a day or a month.
    :ivar seen: which messages of the other network have been delivered.
    """

    users: Table
    contacts: Table
    queue: Table
    reports: Table
    usage: Table
    seen: Table


def make_tables(name: str) -> GatewayTables:
    """Return the tables of the plugin of that name."""
    metadata = MetaData()

    def table(suffix: str, *columns: Column[Any]) -> Table:
        gateway, account = Column("gateway", Text, primary_key=True), Column("account", Text, primary_key=True)
        return Table(f"{name}_{suffix}", metadata, gateway, account, *columns)

    return GatewayTables(
        table("users", Column("fields", Text, nullable=False), Column("since", Float, nullable=False)),
        table("contacts", Column("contact", Text, primary_key=True)),
        _queue(name, metadata),
        Table(
            f"{name}_reports",
            metadata,
            Column("gateway", Text, primary_key=True),
            Column("reference", Text, primary_key=True),
            Column("number", BigInteger, nullable=False, index=True),
            Column("account", Text, nullable=False),
        ),
        table("usage", Column("period", Text, primary_key=True), Column("used", BigInteger, nullable=False)),
        table("seen", Column("key", Text, primary_key=True), Column("at", Float, nullable=False, index=True)),
    )


def _queue(name: str, metadata: MetaData) -> Table:
    return Table(
        f"{name}_queue",
        metadata,
        Column("gateway", Text, primary_key=True),
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("account", Text, nullable=False, index=True),
        Column("contact", Text, nullable=False),
        # Everything about the stanza that is not its content: from, to, id, type and lang.
        Column("header", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("cost", BigInteger, nullable=False),
        Column("accepted_at", Float, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("begun", Integer, nullable=False),  # 1: an attempt has begun, and nobody knows how it ended
        Column("sent_at", Float, nullable=False),  # 0: not yet
        Column("note", Text, nullable=False),
    )


async def execute(db: IDatabase, *statements: Executable) -> None:
    """Carry out statements in one transaction, and return when that is on disk."""

    def write(connection: Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    await db.write(write)
