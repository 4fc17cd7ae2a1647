"""Rosters in the database: a row a contact, and one for the account with the version (RFC 6121 2.6).

A row of a contact stands for an item of the roster, for one that was removed (kept for a while, so that a client that
knows an older version can be told), and for a request of the contact that waits for an answer, which may come from
somebody who is in no roster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from xmppd.api import Jid, Presence, RosterItem, Subscription
from xmppd.wire.xml import parse

__all__ = ["TABLES", "Edit", "Header", "Stored", "delete_account", "encode_request", "load", "read_request", "save"]

_metadata = MetaData()

rosters = Table(
    "rosters",
    _metadata,
    Column("account", Text, primary_key=True),
    Column("epoch", Text, nullable=False),  # names this roster, should another of the account follow it
    Column("version", BigInteger, nullable=False),
    Column("floor", BigInteger, nullable=False),  # changes since older versions are no longer known
)
roster_items = Table(
    "roster_items",
    _metadata,
    Column("account", Text, primary_key=True),
    Column("jid", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("subscription", Text),  # NULL: never in the roster; "remove": no longer in it
    Column("name", Text),
    Column("group_names", Text),  # JSON, NULL for none
    Column("ask", Boolean, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("request", LargeBinary),  # the contact's presence stanza of type subscribe, while it is not answered
)

TABLES = (rosters, roster_items)
REMOVED = "remove"
_SUBSCRIPTIONS = {str(subscription): subscription for subscription in Subscription}

_LOAD = (
    select(
        rosters.c.epoch,
        rosters.c.version.label("roster_version"),
        rosters.c.floor,
        roster_items.c.jid,
        roster_items.c.version,
        roster_items.c.subscription,
        roster_items.c.name,
        roster_items.c.group_names,
        roster_items.c.ask,
        roster_items.c.approved,
        roster_items.c.request,
    )
    .select_from(rosters.outerjoin(roster_items, roster_items.c.account == rosters.c.account))
    .where(rosters.c.account == bindparam("of"))
    .order_by(roster_items.c.jid)
)
_ITEM = (roster_items.c.account == bindparam("of")) & (roster_items.c.jid == bindparam("contact"))
_COLUMNS = ("version", "subscription", "name", "group_names", "ask", "approved", "request")
# Statements are made once: making one costs as much as carrying it out.
_ADD = insert(roster_items)
_CHANGE = update(roster_items).where(_ITEM).values({name: bindparam(f"new_{name}") for name in _COLUMNS})
_DROP = delete(roster_items).where(_ITEM)
_ADD_HEADER = insert(rosters)
_CHANGE_HEADER = (
    update(rosters)
    .where(rosters.c.account == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in ("version", "floor")})
)


@dataclass(frozen=True, slots=True)
class Header:
    """What identifies a state of a roster: `floor` is the oldest version since which all changes are known."""

    epoch: str = ""
    version: int = 0
    floor: int = 0


@dataclass(slots=True)
class Stored:
    """A roster as it is in the database.

    :ivar requests: presence stanzas of type subscribe that wait for an answer, as :func:`encode_request` makes them.
    :ivar removed: version that removed a contact, for those still remembered, oldest first.
    """

    header: Header = field(default_factory=Header)
    items: dict[Jid, RosterItem] = field(default_factory=dict)
    requests: dict[Jid, bytes] = field(default_factory=dict)
    removed: dict[Jid, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one contact's row, and of the header.

    :ivar item: the item now, or None if it is not in the roster.
    :ivar request: the request now, or None.
    :ivar removed_in: version that removed the item, or None if it is in the roster or never was.
    :ivar exists: is there a row already?
    :ivar forget: contacts whose removal is no longer to be remembered; they have no request.
    """

    account: Jid
    contact: Jid
    item: RosterItem | None
    request: bytes | None
    removed_in: int | None
    exists: bool
    old_header: Header
    header: Header
    forget: tuple[Jid, ...] = ()


def load(connection: Connection, account: Jid) -> Stored:
    """Read an account's roster; an empty one if it has none."""
    stored = Stored()
    removed: list[tuple[int, Jid]] = []
    rows = connection.execute(_LOAD, {"of": str(account)}).fetchall()
    for epoch, newest, floor, text, version, subscription, name, groups, ask, approved, request in rows:
        if not stored.header.epoch:
            stored.header = Header(epoch, newest, floor)
        if text is None:
            continue
        jid = Jid.parse(text)
        if subscription == REMOVED:
            removed.append((version, jid))
        elif subscription is not None:
            names = _groups(groups) if groups else ()
            stored.items[jid] = RosterItem(jid, name, names, _SUBSCRIPTIONS[subscription], ask, approved, version)
        if request is not None:
            stored.requests[jid] = request
    stored.removed = {jid: version for version, jid in sorted(removed)}
    return stored


@lru_cache(maxsize=1024)
def _groups(text: str) -> tuple[str, ...]:
    """Return the groups; contacts that are in the same ones share the tuple."""
    return tuple(json.loads(text))


def save(connection: Connection, edit: Edit) -> None:
    """Write one change."""
    account, contact = str(edit.account), str(edit.contact)
    values = _values(edit)
    if values is None:
        connection.execute(_DROP, {"of": account, "contact": contact})
    elif edit.exists:
        new = {f"new_{name}": value for name, value in zip(_COLUMNS, values, strict=True)}
        connection.execute(_CHANGE, {"of": account, "contact": contact, **new})
    else:
        row = dict(zip(_COLUMNS, values, strict=True))
        connection.execute(_ADD, {"account": account, "jid": contact, **row})
    if edit.forget:
        gone = [str(jid) for jid in edit.forget]
        of = roster_items.c.account == account
        connection.execute(delete(roster_items).where(of, roster_items.c.jid.in_(gone)))
    _save_header(connection, account, edit)


def _values(edit: Edit) -> tuple[object, ...] | None:
    """The columns of the contact's row, or None if there is nothing to keep."""
    item = edit.item
    if item is not None:
        groups = json.dumps(item.groups, ensure_ascii=False) if item.groups else None
        return item.version, str(item.subscription), item.name, groups, item.ask, item.approved, edit.request
    if edit.removed_in is not None:
        return edit.removed_in, REMOVED, None, None, False, False, edit.request
    return None if edit.request is None else (0, None, None, None, False, False, edit.request)


def _save_header(connection: Connection, account: str, edit: Edit) -> None:
    new = edit.header
    if not edit.old_header.epoch:
        row = {"account": account, "epoch": new.epoch, "version": new.version, "floor": new.floor}
        connection.execute(_ADD_HEADER, row)
    elif new != edit.old_header:
        connection.execute(_CHANGE_HEADER, {"of": account, "new_version": new.version, "new_floor": new.floor})


def delete_account(connection: Connection, account: Jid) -> None:
    """Delete an account's roster."""
    for table in TABLES:
        connection.execute(delete(table).where(table.c.account == str(account)))


def encode_request(request: Presence) -> bytes:
    """Return a stanza in the form it is stored in."""
    return request.to_bytes()


def read_request(stored: bytes) -> Presence:
    """Return the stanza that :func:`encode_request` got."""
    element = parse(stored)[0]
    attributes = element.attributes
    return Presence(
        to=Jid.parse(attributes["to"]),
        from_=Jid.parse(attributes["from"]),
        id=attributes.get("id"),
        type=attributes.get("type"),
        lang=attributes.get(("http://www.w3.org/XML/1998/namespace", "lang")),
        payload=[child for child in element.children if not isinstance(child, str)],
    )
