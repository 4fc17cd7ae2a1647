"""Requests to the archive of a room (XEP-0313), and what a room says of itself for having one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from xmppd.api import Iq, Payload
from xmppd.plugins.muc.room.reading import check_reader, sees
from xmppd.plugins.muc.room.state import Room
from xmppd.wire import mam, rsm, stanza_id

if TYPE_CHECKING:
    from xmppd.plugins.muc import Muc

__all__ = ["ANSWERS", "features"]


def _check(muc: Muc, room: Room, iq: Iq) -> None:
    """Who may not enter may not read, whether it is the operator who says so or the room."""
    muc.guard.admit(iq.sender.bare)
    check_reader(room, iq.sender)


async def _query(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Section 4."""
    _check(muc, room, iq)
    return await muc.archive.answer(room, iq, sees(room, iq.sender))


async def _form(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Section 4.1.5."""
    _check(muc, room, iq)
    return muc.archive.form()


async def _metadata(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Section 5."""
    _check(muc, room, iq)
    return await muc.archive.metadata(room)


ANSWERS: Mapping[tuple[str, str, str], Callable[[Muc, Room, Iq], Awaitable[Payload]]] = {
    ("set", mam.NS, "query"): _query,
    ("get", mam.NS, "query"): _form,
    ("get", mam.NS, "metadata"): _metadata,
}


def features(room: Room, searchable: bool) -> tuple[str, ...]:
    """Return the features of a room that has an archive (section 7); messages of any have ids (XEP-0359).

    :param searchable: is there a full text search (XEP-0431)?
    """
    if not room.config.archive:
        return (stanza_id.NS,)
    return (stanza_id.NS, mam.NS, f"{mam.NS}#extended", rsm.NS, *((mam.FULL_TEXT,) if searchable else ()))
