"""The tables of the push service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["DEVICES", "PARCELS", "SERVICES", "TABLES"]

_metadata = MetaData()
SERVICES = Table(
    "push_service_services",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("vapid_key", Text, nullable=False),  # PEM; "" until it is first needed
)
DEVICES = Table(
    "push_service_devices",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("account", Text, nullable=False),  # who has registered it; a user of any server
    Column("road", Text, nullable=False),
    Column("app", Text, nullable=False),  # "" for Web Push
    Column("device", Text, nullable=False),  # salted hash of what the client calls itself
    Column("target_hash", Text, nullable=False),  # salted hash of the token
    Column("target", Text, nullable=False),  # JSON: what the vendor knows it by
    Column("secret", Text, nullable=False),  # salted hash
    Column("old_secret", Text, nullable=False),  # the same, until the new one is used; or ""
    Column("registered_at", Float, nullable=False),
    Column("published_at", Float, nullable=False),  # 0: never
    Column("accepted_at", Float, nullable=False),  # by the vendor; 0: never
    Column("failure", Text, nullable=False),  # why the last push was not accepted; "" if it was
    Index("push_service_devices_by_account", "account", "service"),
    Index("push_service_devices_by_device", "service", "device"),
    Index("push_service_devices_by_target", "service", "target_hash"),
)
PARCELS = Table(
    "push_service_parcels",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("node", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("publisher", Text, nullable=False),  # a domain
    Column("topic", Text, nullable=False),  # what a newer one may take its place by; or ""
    Column("call", Integer, nullable=False),
    Column("content", Text, nullable=False),  # JSON of what is sent; "" when it is settled
    Column("expires_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("failures", Integer, nullable=False),  # attempts, since the vendor last did something else than fail so
    Column("settled_at", Float, nullable=False),  # 0: it waits
    Index("push_service_parcels_by_item", "service", "node", "item"),
    Index("push_service_parcels_by_end", "service", "settled_at"),
)
TABLES = (SERVICES, DEVICES, PARCELS)
