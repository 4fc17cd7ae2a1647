"""The table of registrations. With each is what its app is still to be told, so that it is told after a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from xmppd.api import Jid

__all__ = ["PARCELS", "REGISTRATIONS", "add", "change", "forget", "load", "remove"]

_metadata = MetaData()
REGISTRATIONS = Table(
    "push_registrations",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("form", LargeBinary, nullable=False),
    Column("extras", LargeBinary, nullable=False),
    Column("device", Text, nullable=False),
    Column("enabled_at", Float, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("disabled", Text),
    Column("gone", Integer, nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_at", Float, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("count", Integer, nullable=False),
    Column("last", Text, nullable=False),
    UniqueConstraint("account", "service", "node", name="uq_push_registrations_node"),
)
#: What other plugins have pushed and waits; see :mod:`xmppd.plugins.push.parcels`.
PARCELS = Table(
    "push_parcels",
    _metadata,
    Column("registration", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("priority", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
)
_c = REGISTRATIONS.c


def load(connection: Connection, host: Jid) -> list[Mapping[str, Any]]:
    """Return the rows of all accounts of a host, in the order in which they were enabled."""
    query = select(REGISTRATIONS).where(_c.account.endswith(f"@{host}", autoescape=True)).order_by(_c.enabled_at)
    return [dict(row) for row in connection.execute(query).mappings()]


def add(connection: Connection, row: Mapping[str, Any], instead: Sequence[str] = ()) -> None:
    """Store a registration, in place of one of the same node and of others, by their ids."""
    remove(connection, instead)
    same = (_c.account == row["account"], _c.service == row["service"], _c.node == row["node"])
    connection.execute(delete(REGISTRATIONS).where(*same))
    connection.execute(insert(REGISTRATIONS).values(**row))


def change(connection: Connection, id: str, values: Mapping[str, Any]) -> None:
    """Change a registration, if it is still there."""
    connection.execute(update(REGISTRATIONS).where(_c.id == id).values(**values))


def remove(connection: Connection, ids: Sequence[str]) -> None:
    """Delete registrations."""
    connection.execute(delete(REGISTRATIONS).where(_c.id.in_(ids)))


def forget(connection: Connection, account: Jid) -> None:
    """Delete all that an account has."""
    connection.execute(delete(REGISTRATIONS).where(_c.account == str(account)))
