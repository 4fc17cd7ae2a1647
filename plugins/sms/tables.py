"""The tables of the SMS gateway, besides those that all gateways have. ``gateway`` is the domain of one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["PARTS", "SPENT", "WRITTEN"]

_METADATA = MetaData()

#: What accounts have spent in a month; all together as the account "".
SPENT = Table(
    "sms_spent",
    _METADATA,
    Column("gateway", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

#: Who has written to a number, from which of ours, and when last: whom the answer is for.
WRITTEN = Table(
    "sms_written",
    _METADATA,
    Column("gateway", Text, primary_key=True),
    Column("contact", Text, primary_key=True),
    Column("own", Text, primary_key=True),
    Column("account", Text, primary_key=True, index=True),
    Column("at", Float, nullable=False, index=True),
)

#: Parts of incoming messages that are not complete.
PARTS = Table(
    "sms_parts",
    _METADATA,
    Column("gateway", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("reference", Integer, primary_key=True),
    Column("total", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("coding", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)
