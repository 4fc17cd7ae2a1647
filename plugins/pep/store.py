"""Nodes and items in the database. All functions take a connection; an account is the text of a bare address."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from xmppd.api import Condition, StanzaError
from xmppd.plugins.pep.config import Config
from xmppd.plugins.pep.errors import not_acceptable

__all__ = ["ITEMS", "NODES", "Item", "Last", "Limits", "Node", "Page"]

_metadata = MetaData()
NODES = Table(
    "pep_nodes",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("config", Text, nullable=False),
    UniqueConstraint("account", "node", name="uq_pep_nodes_name"),
)
ITEMS = Table(
    "pep_items",
    _metadata,
    Column("id", Integer, primary_key=True),  # in the order of publication, within a node
    Column("node_id", Integer, nullable=False),
    Column("account", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("published", Float, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("node_id", "item", name="uq_pep_items_name"),
    Index("ix_pep_items_order", "node_id", "id"),
    Index("ix_pep_items_octets", "account", "octets"),
)
_n, _i = NODES.c, ITEMS.c
_CHUNK = 500  # values in one IN


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may store.

    :ivar nodes: how many nodes.
    :ivar items: how many items in a node.
    :ivar item: octets of an item; of the name and configuration of a node, too.
    :ivar octets: octets of all items.
    """

    nodes: int
    items: int
    item: int
    octets: int


class Node(NamedTuple):
    """A node as it is stored."""

    id: int
    name: str
    config: Config


class Item(NamedTuple):
    """An item: its id, and its payload as bytes, empty if it has none."""

    id: str
    payload: bytes


class Page(NamedTuple):
    """Items in the order of publication; `of`: how many the node has, if these are not all that was asked for."""

    items: Sequence[Item]
    of: int | None


class Last(NamedTuple):
    """The last item of a node; `published` is in seconds since the epoch."""

    account: str
    node: str
    config: Config
    item: Item
    published: float


def find(connection: Connection, account: str, name: str) -> Node | None:
    """Return a node."""
    row = connection.execute(select(_n.id, _n.config).where(_n.account == account, _n.node == name)).first()
    return None if row is None else Node(row.id, name, Config.from_json(row.config))


def need(connection: Connection, account: str, name: str) -> Node:
    """Return a node.

    :raises StanzaError: item-not-found.
    """
    node = find(connection, account, name)
    if node is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    return node


def nodes(connection: Connection, account: str) -> Sequence[Node]:
    """Return all nodes of an account by name."""
    rows = connection.execute(select(_n.id, _n.node, _n.config).where(_n.account == account).order_by(_n.node))
    return [Node(row.id, row.node, Config.from_json(row.config)) for row in rows]


def create(connection: Connection, account: str, name: str, config: Config, limits: Limits) -> Node:
    """Make a node.

    :raises StanzaError: policy-violation, if the account has too many.
    """
    count = connection.execute(select(func.count()).where(_n.account == account)).scalar_one()
    if count >= limits.nodes:
        raise StanzaError(Condition.POLICY_VIOLATION, text=f"an account may have {limits.nodes} nodes")
    values = {"account": account, "node": name, "config": config.to_json()}
    made = connection.execute(insert(NODES).values(**values).returning(_n.id)).scalar_one()
    return Node(made, name, config)


def configure(connection: Connection, node: Node, config: Config, limits: Limits) -> None:
    """Configure a node, and drop what it keeps no longer."""
    connection.execute(update(NODES).where(_n.id == node.id).values(config=config.to_json()))
    _trim(connection, node.id, config.kept(limits.items))


def remove(connection: Connection, node: Node) -> None:
    """Delete a node and its items."""
    purge(connection, node)
    connection.execute(delete(NODES).where(_n.id == node.id))


def purge(connection: Connection, node: Node) -> None:
    """Delete all items."""
    connection.execute(delete(ITEMS).where(_i.node_id == node.id))


def put(connection: Connection, account: str, node: Node, items: Sequence[Item], now: float, limits: Limits) -> None:
    """Store items as the newest ones, in place of those of the same ids, and drop the oldest that are too many.

    :param now: seconds since the epoch.
    :raises StanzaError: not-acceptable, if the account stores too much.
    """
    kept = node.config.kept(limits.items)
    if not kept:
        return
    for item in items:
        connection.execute(delete(ITEMS).where(_i.node_id == node.id, _i.item == item.id))
        values = {"node_id": node.id, "account": account, "item": item.id, "published": now}
        octets = len(item.id.encode()) + len(item.payload)
        connection.execute(insert(ITEMS).values(octets=octets, payload=item.payload, **values))
    _trim(connection, node.id, kept)
    query = select(func.coalesce(func.sum(_i.octets), 0)).where(_i.account == account)
    total = connection.execute(query).scalar_one()
    if total > limits.octets:
        text = f"{limits.octets} octets may be stored, with this it would be {total}"
        raise not_acceptable(text, "payload-too-big")


def _trim(connection: Connection, node_id: int, kept: int) -> None:
    """Leave the newest items only ("first in, first out", section 7.1.2.5)."""
    newest = select(_i.id).where(_i.node_id == node_id).order_by(_i.id.desc())
    last = connection.execute(newest.offset(kept).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(ITEMS).where(_i.node_id == node_id, _i.id <= last))


def retract(connection: Connection, node: Node, ids: Sequence[str]) -> None:
    """Delete items.

    :raises StanzaError: item-not-found, and then none is deleted.
    """
    for item in ids:
        if not connection.execute(delete(ITEMS).where(_i.node_id == node.id, _i.item == item)).rowcount:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text=f"there is no item {item}")


def items(
    connection: Connection, node: Node, octets: int, ids: Collection[str] | None = None, newest: int | None = None
) -> Page:
    """Return items.

    :param octets: how long all of them may be together; of more, the newest are returned, at least one.
    :param ids: only those; None: all.
    :param newest: no more than so many, the newest.
    """
    query = select(_i.item, _i.payload).where(_i.node_id == node.id).order_by(_i.id.desc())
    if ids is not None and len(ids) <= _CHUNK:
        query = query.where(_i.item.in_(ids))
    if newest is not None:
        query = query.limit(newest)
    found: list[Item] = []
    with connection.execute(query.execution_options(yield_per=100)) as rows:
        for row in rows:
            if ids is not None and row.item not in ids:
                continue
            octets -= len(row.item.encode()) + len(row.payload)
            if octets < 0 and found:
                return Page(found[::-1], _count(connection, node))
            found.append(Item(row.item, bytes(row.payload)))
    return Page(found[::-1], None)


def names(connection: Connection, node: Node) -> Sequence[str]:
    """Return the ids of all items in the order of publication."""
    return connection.execute(select(_i.item).where(_i.node_id == node.id).order_by(_i.id)).scalars().all()


def _count(connection: Connection, node: Node) -> int:
    return connection.execute(select(func.count()).where(_i.node_id == node.id)).scalar_one()


def lasts(connection: Connection, accounts: Sequence[str], wanted: Sequence[str]) -> Sequence[Last]:
    """Return the last item of each node of those names, of all those accounts."""
    newest = select(func.max(_i.id).label("id")).group_by(_i.node_id).where(_i.node_id == _n.id).correlate(NODES)
    joined = NODES.join(ITEMS, and_(_i.node_id == _n.id, _i.id == newest.scalar_subquery()))
    query = select(_n.account, _n.node, _n.config, _i.item, _i.payload, _i.published).select_from(joined)
    found = []
    for some in _chunks(accounts):
        for few in _chunks(wanted):
            rows = connection.execute(query.where(_n.account.in_(some), _n.node.in_(few)))
            found += [
                Last(r.account, r.node, Config.from_json(r.config), Item(r.item, bytes(r.payload)), r.published)
                for r in rows
            ]
    return found


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def forget(connection: Connection, account: str) -> None:
    """Delete all that an account has."""
    connection.execute(delete(ITEMS).where(_i.account == account))
    connection.execute(delete(NODES).where(_n.account == account))
