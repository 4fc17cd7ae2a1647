"""The tables of notifications: messages, where each stands with each device, and what is known of people and devices.

A delivery is one message on its way to one device of one account, or to whichever comes first, if none is known yet.
Its `due_at` is when somebody has to look at it next; NULL: nothing more happens to it by itself.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, text

__all__ = ["ALIASES", "COUNTS", "DELIVERIES", "DEVICES", "GROUPS", "LISTED", "MESSAGES", "SEGMENTS", "TABLES", "TAGS"]

_metadata = MetaData()


def _zero(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


MESSAGES = Table(
    "notifications_messages",
    _metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # the first half of the id; grows with time
    Column("id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("by_device", Integer, nullable=False),  # does the audience tell devices of an account from each other?
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("collapse", Text, nullable=False),
    Column("roads", Text, nullable=False),
    Column("online_only", Integer, nullable=False),
    Column("rate", Float, nullable=False),  # devices a second; 0: the option
    Column("ttl", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("expanded", Integer, nullable=False),  # are all deliveries written?
    Column("cursor", Text, nullable=False),  # the account up to which they are
    Column("problem", Text, nullable=False),  # why they could not be, or not all
    Index("notifications_messages_by_status", "host", "status", "starts_at"),
    Index("notifications_messages_by_key", "host", "collapse", "status"),
)
#: How many deliveries of a message are in each state. They stay when the deliveries themselves are deleted.
COUNTS = Table(
    "notifications_counts",
    _metadata,
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    *(_zero(name) for name in (
        "accounts", "recipients", "open", "queued", "sent", "reached", "delivered", "opened", "expired", "superseded",
        "cancelled", "failed")),
)  # fmt: skip
DELIVERIES = Table(
    "notifications_deliveries",
    _metadata,
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Text, primary_key=True),
    Column("device", Text, primary_key=True),  # "": none is known
    Column("host", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("road", Text, nullable=False),
    Column("node", Text, nullable=False),  # that it was pushed to
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float),
    Column("queued_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("reached_at", Float),
    Column("delivered_at", Float),
    Column("opened_at", Float),
    Column("ended_at", Float),
    Index("notifications_waiting", "account", sqlite_where=text("due_at IS NOT NULL"),
          postgresql_where=text("due_at IS NOT NULL")),
    Index("notifications_due", "host", "due_at", sqlite_where=text("due_at IS NOT NULL"),
          postgresql_where=text("due_at IS NOT NULL")),
    Index("notifications_pushed", "message", "node", sqlite_where=text("node <> ''"),
          postgresql_where=text("node <> ''")),
    sqlite_with_rowid=False,
)  # fmt: skip
#: The accounts that a file named.
LISTED = Table(
    "notifications_listed",
    _metadata,
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Text, primary_key=True),
)
DEVICES = Table(
    "notifications_devices",
    _metadata,
    Column("account", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("app", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("confirms", Integer, nullable=False),  # has it ever confirmed a notification?
    Column("first_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Index("notifications_devices_by_age", "host", "seen_at"),
)
ALIASES = Table(
    "notifications_aliases",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
)
TAGS = Table(
    "notifications_tags",
    _metadata,
    Column("account", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Index("notifications_tags_by_tag", "host", "tag", "account"),
)
GROUPS = Table(
    "notifications_groups",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("account", Text, primary_key=True, index=True),
)
SEGMENTS = Table(
    "notifications_segments",
    _metadata,
    Column("host", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("expression", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
)
TABLES = (MESSAGES, COUNTS, DELIVERIES, LISTED, DEVICES, ALIASES, TAGS, GROUPS, SEGMENTS)
