"""Finding public rooms by words (XEP-0433, Extended Channel Search)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Select, Subquery, and_, func, or_, select

from xmppd.api import Condition, Iq, Jid, StanzaError, iq_get, tag
from xmppd.api.limits import Window
from xmppd.plugins.muc.room import forms
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.elements import child
from xmppd.plugins.muc.service.part import Part
from xmppd.plugins.muc.service.tables import ROOMS, SEATS
from xmppd.wire import ns, rsm
from xmppd.wire.rsm import PageRequest

if TYPE_CHECKING:
    pass

__all__ = ["SEARCH", "ChannelSearch", "Wanted", "read"]

_NS = "urn:xmpp:channel-search:0"
SEARCH = f"{_NS}:search"
_PARAMS, _ERROR = f"{_NS}:search-params", f"{_NS}:error"
_BY_USERS, _BY_ADDRESS = f"{{{_NS}:order}}nusers", f"{{{_NS}:order}}address"
_TYPE = "xep-0045"
_MINUTE = 60.0
_LEAST = 2  # characters of a word that is looked for
_MOST = 10  # words
_SPACE = re.compile(r"\s+")
#: Where words are looked for, by field.
_PLACES: Mapping[str, tuple[str, str]] = {
    "sinname": ("found_title", "Search in name"),
    "sindescription": ("found_about", "Search in description"),
    "sinaddress": ("name", "Search in address"),
}
#: What an example calls a field otherwise than the text does.
_ALSO = {"sinaddress": "sinaddr"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for.

    :ivar words: all of which have to be found; none: all rooms are wanted.
    :ivar places: columns in which they are looked for.
    :ivar by_users: those with the most people first; else by address.
    :ivar ours: is this a kind of room that there is here?
    """

    words: tuple[str, ...]
    places: tuple[str, ...]
    by_users: bool
    ours: bool = True


def read(values: forms.Values) -> Wanted:
    """Read a form that is filled in (section 4.2). :raises StanzaError: as sections 4.2.4 to 4.2.9 say."""
    key = forms.one(values, "key") or _BY_USERS
    if key not in (_BY_USERS, _BY_ADDRESS):
        raise _refuse(Condition.FEATURE_NOT_IMPLEMENTED, "invalid-sort-key", "Rooms can't be sorted like that.")
    text, everything = forms.one(values, "q"), forms.boolean(values, "all")
    if text and everything:
        both = tag("var", "all") + tag("var", "q")
        text = "Cannot both return all results and search by keywords."
        raise _refuse(Condition.BAD_REQUEST, "conflicting-fields", text, both)
    places = tuple(column for var, (column, _) in _PLACES.items() if _chosen(values, var))
    if not everything and not (text and places):
        # Section 4.2.9 says cancel, its example modify.
        raise _refuse(
            Condition.BAD_REQUEST, "no-search-conditions", "It doesn't say what to search for.", type="cancel"
        )
    words = tuple(word for word in _SPACE.split(text.casefold()) if len(word) >= _LEAST)[:_MOST]
    if text and not words:
        text = f"Search terms must have at least {_LEAST} characters."
        raise _refuse(Condition.BAD_REQUEST, "invalid-search-terms", text)
    return Wanted(words, places, key == _BY_USERS, _TYPE in (values.get("types") or (_TYPE,)))


def _chosen(values: forms.Values, var: str) -> bool:
    name = var if var in values else _ALSO.get(var, var)
    return forms.boolean(values, name) if name in values else True


def _refuse(
    condition: Condition, specific: str, text: str, inside: bytes = b"", *, type: str = "modify",
    retry_after: int | None = None,
) -> StanzaError:  # fmt: skip
    app = tag(specific, inside, attributes={"retry-after": retry_after}, xmlns=_ERROR)
    return StanzaError(condition, type=type, text=text, app=app)


def _form(lists_all: bool) -> bytes:
    yes = ("true",)
    return tag(
        "x", forms.hidden(_PARAMS), forms.field("q", "text-single", "Search for"),
        forms.field("all", "boolean", "Return all entries (ignore search terms)") if lists_all else None,
        *(forms.field(var, "boolean", label, yes) for var, (_, label) in _PLACES.items()),
        forms.field("types", "list-multi", "Service types", (_TYPE,), options={_TYPE: "XEP-0045 Multi-User Chats"}),
        forms.field(
            "key", "list-single", "Sort results by", (_BY_USERS,),
            options={_BY_USERS: "Number of online users", _BY_ADDRESS: "Address"},
        ),
        xmlns=ns.DATA_FORMS, type="form",
    )  # fmt: skip


# Looking


class Result(NamedTuple):
    """A room that was found, and how many people are in it."""

    name: str
    config: RoomConfig
    users: int


def search(
    connection: Connection, service: Jid, wanted: Wanted, page: PageRequest, most: int, public: bool | None
) -> tuple[Sequence[Result], int]:
    """Return a page of what is found, and how much it is altogether.

    :param most: rooms that may be on the page.
    :param public: are all rooms public, or none, whatever their owners say?
    :raises StanzaError: item-not-found, if the page shall be beside something that is no place in the list.
    """
    if public is False or not wanted.ours:
        return [], 0
    users = select(func.count(SEATS.c.nick.distinct())).where(SEATS.c.room == ROOMS.c.number).scalar_subquery()
    where = [ROOMS.c.service == service.domain, ROOMS.c.locked == 0]
    where.append(ROOMS.c.public.in_((0, 1)) if public else ROOMS.c.public == 1)
    for word in wanted.words:
        where.append(or_(*(ROOMS.c[place].contains(word, autoescape=True) for place in wanted.places)))
    found = select(ROOMS.c.name, ROOMS.c.config, users.label("users")).where(*where)
    total = connection.execute(select(func.count()).select_from(ROOMS).where(*where)).scalar_one()
    size = most if page.max is None else min(page.max, most)
    if not size:
        return [], total
    rows = connection.execute(_part(found.subquery(), wanted.by_users, page).limit(size)).all()
    results = [Result(row.name, RoomConfig.from_text(row.config), row.users) for row in rows]
    return (results[::-1] if page.backwards else results), total


def _part(found: Subquery, by_users: bool, page: PageRequest) -> Select[tuple[str, str, int]]:
    c = found.c
    query = select(c.name, c.config, c.users)
    if place := page.before or page.after:
        users, name = _place(place, by_users)
        later = c.name < name if page.before else c.name > name
        if by_users:
            further = c.users > users if page.before else c.users < users
            later = or_(further, and_(c.users == users, later))
        query = query.where(later)
    elif page.index:
        query = query.offset(page.index)
    by_name = c.name.desc() if page.backwards else c.name
    if not by_users:
        return query.order_by(by_name)
    return query.order_by(c.users if page.backwards else c.users.desc(), by_name)


def _place(text: str, by_users: bool) -> tuple[int, str]:
    """Read what :func:`_id` has written."""
    users, colon, name = text.partition(":")
    if not by_users:
        return 0, text
    if not colon or not (users.isascii() and users.isdigit()) or len(users) > 9:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such place in the list.")
    return int(users), name


def _id(result: Result, by_users: bool) -> str:
    return f"{result.users}:{result.name}" if by_users else result.name


def _item(service: Jid, result: Result) -> bytes:
    """Return what is said of a room (section 6.3)."""
    config = result.config
    anonymity = "muc_semianonymous" if config.anonymous else f"{{{_NS}:anonymity}}none"
    is_open = not (config.password or config.members_only)
    return tag(
        "item",
        tag("name", config.name or result.name),
        tag("description", config.description) if config.description else None,
        tag("language", config.lang) if config.lang else None,
        tag("nusers", str(result.users)) if is_open else None,
        tag("service-type", _TYPE),
        tag("is-open", "true") if is_open else None,
        tag("anonymity-mode", anonymity),
        address=Jid.of(result.name, service.domain),
    )


class ChannelSearch(Part):
    """The part of the plugin that lets people search for rooms."""

    if TYPE_CHECKING:  # what the plugin has of its own
        searches: Window

    @iq_get(SEARCH, "search")
    async def search_rooms(self, request: Iq) -> Iq:
        """Give somebody the form, or what they are searching for."""
        options = self.options
        x = child(request.request, ns.DATA_FORMS, "x")
        if x is None:
            return request.result(tag("search", _form(options.search_all), xmlns=SEARCH))
        wanted = read(forms.filled(x, _PARAMS) or {})
        if not wanted.words and not options.search_all:
            text = "Retrieval of the full database is not allowed."
            raise _refuse(Condition.NOT_ALLOWED, "full-set-retrieval-rejected", text, type="cancel")
        self._count_search(request.sender.bare)
        page, forced = rsm.page_request(request.request), self.service.forced
        results, total = await self.db.read(
            lambda c: search(c, self.jid, wanted, page, options.search_results, forced.get("public"))
        )
        results = [result._replace(config=result.config.changed(forced)) for result in results]
        ends = [_id(results[place], wanted.by_users) for place in (0, -1)] if results else [None, None]
        items = (_item(self.jid, result) for result in results)
        return request.result(tag("result", *items, rsm.page_set(ends[0], ends[1], None, total), xmlns=SEARCH))

    def _count_search(self, who: Jid) -> None:
        now = self.host.clock.seconds()
        if self.searches.full(who, now):
            seconds = ceil(_MINUTE)
            text = f"That was too often. Try again in {seconds} seconds."
            raise _refuse(Condition.RESOURCE_CONSTRAINT, "rate-limit", text, type="wait", retry_after=seconds)
        self.searches.add(who, now)
