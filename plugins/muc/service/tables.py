"""The tables of rooms."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["BLOCKED", "HEAVY", "LISTENERS", "MEMBERS", "NOTES", "ROOMS", "SEATS", "SEEN", "SERVICES", "TABLES"]

_metadata = MetaData()
SERVICES = Table(
    "muc_services",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
)
ROOMS = Table(
    "muc_rooms",
    _metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("service", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("public", Integer, nullable=False),
    Column("found_title", Text, nullable=False),  # name and description, as words are looked for in them
    Column("found_about", Text, nullable=False),
    Column("locked", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("active_at", Float, nullable=False),
    Column("subject", LargeBinary),
    Column("subject_nick", Text),
    Column("subject_id", Text),
    Column("subject_at", Float),
    Index("muc_rooms_by_name", "service", "name", unique=True),
    Index("muc_rooms_to_find", "service", "locked", "public", "name"),
)
MEMBERS = Table(
    "muc_members",
    _metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text, primary_key=True),
    Column("affiliation", Text, nullable=False),
    Column("nick", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Index("muc_members_by_who", "who"),
)
SEATS = Table(
    "muc_seats",
    _metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("device", Text, primary_key=True),
    Column("nick", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("heard", BigInteger, nullable=False),  # which of several devices was heard of last
    Column("payload", LargeBinary, nullable=False),
)
NOTES = Table(
    "muc_notes",
    _metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
BLOCKED = Table(
    "muc_blocked",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("reason", Text, nullable=False),
)
#: Devices that want to know what goes on in rooms where their users are not (XEP-0437).
LISTENERS = Table(
    "muc_listeners",
    _metadata,
    Column("service", Text, primary_key=True),
    Column("device", Text, primary_key=True),
)
#: When members were in a room last, once they have left it.
SEEN = Table(
    "muc_seen",
    _metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Index("muc_seen_by_who", "who"),
)
#: Notes that are not kept in memory, as they may be large.
HEAVY = ("vcard",)
TABLES = (SERVICES, ROOMS, MEMBERS, SEATS, NOTES, BLOCKED, LISTENERS, SEEN)
