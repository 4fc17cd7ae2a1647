"""The tables of uploads."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["FILES", "SERVICES", "TABLES"]

_metadata = MetaData()
SERVICES = Table(
    "http_upload_services",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("octets", BigInteger, nullable=False),  # of files and open slots
    Column("files", BigInteger, nullable=False),
)
FILES = Table(
    "http_upload_files",
    _metadata,
    Column("token", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("account", Text, nullable=False),  # "" when the account is gone
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("until", Float, nullable=False),  # when the slot ends
    Column("stored_at", Float),
    Column("expires_at", Float),  # earlier than its bucket says, or NULL
    Index("http_upload_files_by_account", "account", "service"),
    Index("http_upload_files_by_state", "service", "state", "until"),
    Index("http_upload_files_by_age", "service", "bucket", "created_at"),
    Index("http_upload_files_by_end", "service", "expires_at"),
)
TABLES = (SERVICES, FILES)
