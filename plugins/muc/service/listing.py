"""The rooms that can be found, in pages read from the database (XEP-0045 section 6.3, XEP-0059)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Select, func, select

from xmppd.api import Condition, Jid, JidError, StanzaError
from xmppd.plugins.muc.service.store import ROOMS
from xmppd.wire.rsm import PageRequest

__all__ = ["Listed", "Page", "page"]


class Listed(NamedTuple):
    """A room in the list: its address, and its name, or ""."""

    jid: Jid
    title: str


class Page(NamedTuple):
    """A part of the list.

    :ivar rooms: in order.
    :ivar place: the place of the first of them in the whole list, from 0.
    :ivar total: how many rooms there are in it.
    """

    rooms: list[Listed]
    place: int
    total: int


def page(connection: Connection, service: Jid, wanted: PageRequest, most: int, public: bool | None = None) -> Page:
    """Return a page of the list, in the order of their addresses.

    :param most: rooms that may be on it, whatever is asked for.
    :param public: are all rooms public, or none, whatever their owners say?
    :raises StanzaError: item-not-found, if the page shall be beside what can't be the address of a room here.
    """
    size = most if wanted.max is None else min(wanted.max, most)
    if public is False:
        return Page([], 0, 0)
    where = [ROOMS.c.service == service.domain, ROOMS.c.locked == 0]
    # All that are not public are named, so that the index serves for all rooms as well.
    where.append(ROOMS.c.public.in_((0, 1)) if public else ROOMS.c.public == 1)
    rooms = select(ROOMS.c.name, ROOMS.c.title).where(*where)
    counted = select(func.count()).select_from(ROOMS).where(*where)
    total = connection.execute(counted).scalar_one()
    found = (
        [] if size == 0 else [(row.name, row.title) for row in connection.execute(_part(rooms, service, wanted, size))]
    )
    if wanted.backwards:
        found.reverse()
    place = connection.execute(counted.where(ROOMS.c.name < found[0][0])).scalar_one() if found else 0
    return Page([Listed(Jid.of(name, service.domain), title) for name, title in found], place, total)


def _part(rooms: Select[tuple[str, str]], service: Jid, wanted: PageRequest, size: int) -> Select[tuple[str, str]]:
    if wanted.before:
        rooms = rooms.where(ROOMS.c.name < _name(wanted.before, service))
    elif wanted.after:
        rooms = rooms.where(ROOMS.c.name > _name(wanted.after, service))
    elif wanted.index:
        rooms = rooms.offset(wanted.index)
    return rooms.order_by(ROOMS.c.name.desc() if wanted.backwards else ROOMS.c.name).limit(size)


def _name(text: str, service: Jid) -> str:
    try:
        jid = Jid.parse(text)
    except JidError:
        jid = service
    if jid.domain != service.domain or not jid.local:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room in the list.")
    return jid.local
