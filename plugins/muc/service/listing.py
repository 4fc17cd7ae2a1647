"""The rooms that can be found, in pages read from the database, and pages of who is in one (XEP-0045 6.3, 6.5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, Select, func, select

from xmppd.api import Condition, Jid, JidError, StanzaError
from xmppd.plugins.muc.service.tables import ROOMS
from xmppd.wire.rsm import PageRequest

__all__ = ["Listed", "Page", "occupants", "page"]


class Listed(NamedTuple):
    """A room in the list, or an occupant in that of a room: the address, and the name of a room, or ""."""

    jid: Jid
    title: str


class Page(NamedTuple):
    """A part of the list.

    :ivar items: in order.
    :ivar place: the place of the first of them in the whole list, from 0.
    :ivar total: how many there are in it.
    """

    items: list[Listed]
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


def occupants(jids: Iterable[Jid], wanted: PageRequest, most: int) -> Page:
    """Return a page of occupants, in the order of their addresses.

    :param most: occupants that may be on it, whatever is asked for.
    """
    ordered = sorted(jids)
    size = most if wanted.max is None else min(wanted.max, most)
    place = wanted.index or 0
    if wanted.after is not None:
        place = bisect_right(ordered, wanted.after)
    elif wanted.before is not None:
        end = bisect_left(ordered, wanted.before) if wanted.before else len(ordered)
        place = max(0, end - size)
        size = end - place
    return Page([Listed(jid, "") for jid in ordered[place : place + size]], place, len(ordered))
