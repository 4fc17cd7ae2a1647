"""The tables of rooms' archives, and the statements that only rooms need."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Text, bindparam, func, select, update

from xmppd.api.archives import make_tables

__all__ = ["BY_AUTHOR", "GONE", "LATEST", "LEAVE", "LIMIT", "LIMITED", "ROOMS", "TABLES"]

ROOMS = make_tables(
    "muc_archive",
    "room",
    (
        Column("gone", Integer),  # 1: the room was destroyed, and what is left of it is to be deleted
        Column("days", Integer),  # that messages are kept, NULL: as long as in other rooms
        Column("most", BigInteger),  # messages that are kept, NULL: as many as in other rooms
    ),
    (
        Column("nick", Text, nullable=False),
        Column("affiliation", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("known", Integer, nullable=False),  # 1: everybody in the room was told who it is
        Column("past", Integer, nullable=False),  # 1: it belongs in the discussion history as well
    ),
)
TABLES = ROOMS.all
_o, _m = ROOMS.owners.c, ROOMS.messages.c
GONE = select(_o.number).where(_o.gone == 1)
LIMITED = select(_o.room, _o.days, _o.most).where(_o.gone.is_(None), _o.days.is_not(None) | _o.most.is_not(None))
LEAVE = update(ROOMS.owners).where(_o.room == bindparam("of")).values(gone=1)
LIMIT = update(ROOMS.owners).where(_o.number == bindparam("of"))
#: When something was last said, by room.
LATEST = select(_o.room, select(func.max(_m.id)).where(_m.owner == _o.number).scalar_subquery()).where(
    _o.room.in_(bindparam("of", expanding=True)), _o.gone.is_(None)
)
#: What somebody has said in any room. The sum keeps databases from going through all messages for it, and not through
#: the newest of each room, which the index has.
BY_AUTHOR = (
    select(_o.room, _m.id, _m.stanza, _m.address, _m.nick)
    .select_from(ROOMS.owners.join(ROOMS.messages, _m.owner == _o.number + 0))
    .where(_o.gone.is_(None), _m.id >= bindparam("low"), _m.peer == bindparam("who"))
    .order_by(_m.id)
)
