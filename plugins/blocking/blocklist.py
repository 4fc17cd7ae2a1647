"""Block lists: whom an entry matches (XEP-0191 section 5), and the table they are kept in."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, delete, insert, select

from xmppd.wire.jid import Jid

ITEMS = Table(
    "blocking_items",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("jid", Text, nullable=False),
)

BlockList = frozenset[Jid]


def matches(blocked: BlockList, jid: Jid) -> bool:
    """Is there an entry for `jid`, for its account, or for its domain? An address is its own text."""
    return jid in blocked or jid.bare in blocked or jid.domain in blocked


def affected(subscribers: Iterable[Jid], fewer: BlockList, more: BlockList) -> list[Jid]:
    """Return the addresses that see a user's presence and that `more` blocks and `fewer` doesn't.

    :param subscribers: the contacts that see the presence, by bare address.
    """
    subscribers = set(subscribers)
    devices = {jid for jid in more if jid.resource and jid.bare in subscribers and not matches(more - {jid}, jid)}
    return sorted(jid for jid in subscribers | devices if matches(more, jid) and not matches(fewer, jid))


def load(connection: Connection, host: Jid) -> dict[Jid, BlockList]:
    """Return the block lists of a host's accounts that have one."""
    lists: dict[Jid, set[Jid]] = {}
    mine = ITEMS.c.account.endswith(f"@{host}", autoescape=True)
    for account, jid in connection.execute(select(ITEMS.c.account, ITEMS.c.jid).where(mine)):
        lists.setdefault(Jid.parse(account), set()).add(Jid.parse(jid))
    return {account: frozenset(jids) for account, jids in lists.items()}


def add(connection: Connection, account: Jid, jids: Iterable[Jid]) -> None:
    """Add entries, those that are there already as well."""
    jids = set(jids)
    remove(connection, account, jids)
    connection.execute(insert(ITEMS), [{"account": str(account), "jid": str(jid)} for jid in jids])


def remove(connection: Connection, account: Jid, jids: Iterable[Jid]) -> None:
    """Delete entries."""
    # One by one: databases bound the number of values in one statement.
    for jid in jids:
        connection.execute(delete(ITEMS).where(ITEMS.c.account == str(account), ITEMS.c.jid == str(jid)))


def clear(connection: Connection, account: Jid) -> None:
    """Delete all entries of an account."""
    connection.execute(delete(ITEMS).where(ITEMS.c.account == str(account)))
