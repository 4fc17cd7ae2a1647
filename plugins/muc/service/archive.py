"""The archives of rooms: XEP-0313 on a room, section 6.1.2, with tombstones (XEP-0424 section 4, XEP-0425 section 4).

An archive belongs to one room and not to its name: it goes under the room's number, so who makes a room of a name that
was another one's before does not find what was said there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from xmppd.api import IHost, Iq, Jid, Message, Stanza, settled, tag
from xmppd.api.archives import Archives, Limits, Selection, Turns, View, Walk, brief
from xmppd.plugins.muc.room.history import Past
from xmppd.plugins.muc.room.reading import Sees
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import USER
from xmppd.plugins.muc.service.archive_tables import BY_AUTHOR, GONE, LATEST, LEAVE, LIMIT, LIMITED, ROOMS, TABLES
from xmppd.wire import mam, stanza_id
from xmppd.wire.forward import stanza_of
from xmppd.wire.xml import parse

__all__ = ["TABLES", "Found", "Measure", "RoomArchive"]

_MORE = ("address", "nick", "affiliation", "role", "known")
_DAY = 86_400.0
_WALKS = 1000  # clients whose place in an archive is remembered
_AT_ONCE = 500  # rooms that are asked for in one statement
_END = b"</message>"


@dataclass(frozen=True, slots=True)
class Found:
    """A message in the archive of a room.

    :ivar room: the room's number.
    :ivar id: what the room calls it (XEP-0359).
    :ivar at: when it was said, in seconds since the epoch.
    :ivar author: the full real address of who has said it.
    :ivar nick: the nickname they had.
    :ivar stanza: as it is kept.
    """

    room: int
    id: str
    at: float
    author: Jid
    nick: str
    stanza: bytes

    @property
    def message(self) -> Message:
        """The message, without `to`; it is parsed whenever it is asked for."""
        return _message(self.stanza)


class Measure(NamedTuple):
    """How much there is in an archive, and when the first and the last of it was said, in seconds since the epoch."""

    messages: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class _Limit:
    days: int | None
    most: int | None


_UNLIMITED = _Limit(None, None)


class RoomArchive:
    """The archives of the rooms of one service. What needs the database and is awaited fails with StorageUnavailable.

    :param service: its domain.
    :param options: the options of the plugin that are in force.
    """

    def __init__(self, host: IHost, service: Jid, options: Callable[[], Any]) -> None:
        self._host = host
        self._service = service
        self._options = options
        self._archives = Archives(host, service, ROOMS, self._limits, lambda owner: False, _MORE)
        self._owner = lru_cache(maxsize=4096)(lambda number: Jid.of(str(number), service))
        self._filling = Turns()
        self._walks: OrderedDict[tuple[int, Jid], Walk] = OrderedDict()
        self._limited: dict[Jid, _Limit] = {}  # rooms that have limits of their own

    async def start(self) -> None:
        """Get ready; before that, nothing else may be called."""
        await self._archives.start()
        rows = await self._host.db.read(lambda c: c.execute(LIMITED).all())
        self._limited = {Jid.parse(row.room): _Limit(row.days, row.most) for row in rows}
        await self.reconfigured()

    async def reconfigured(self) -> None:
        """Take other options while running."""
        await self._archives.allow_search(self._options().archive_search)

    def _limits(self) -> Limits:
        options = self._options()
        return Limits(
            options.archive_page, options.archive_max_page, options.archive_page_octets, options.archive_words
        )  # fmt: skip

    # In

    def add(self, room: Room, message: Message, author: Jid, past: bool = True) -> Message:
        """Archive a message to everybody in a room, in the message's unit of work.

        In a room that has neither an archive nor a history it gets an id, but is not stored.

        :param message: as it is sent, but for `to`; the room has taken out of it what only rooms may say. If it is
            from the room itself, nobody has said it.
        :param author: the full real address of who has.
        :param past: does it belong in the discussion history as well?
        :returns: the message with the id it has got (XEP-0359).
        """
        if not room.config.archive and not room.config.history:
            return _with_id(message, room.jid, self._archives.ids.text(self._archives.next_id()))
        self.configure(room, message)
        nick = message.sender.resource
        occupant = room.devices.get(author)
        more = {
            "mark": brief(nick),
            "nick": nick,
            "affiliation": str(room.affiliation(author)),
            "role": "none" if occupant is None else str(occupant.role),
            "known": 0 if room.config.anonymous else 1,
            "past": 1 if past else 0,
        }
        owner = self._owner(room.number)
        id_ = self._archives.put(owner, author if nick else room.jid, message, more, urgent=True)
        return _with_id(message, room.jid, self._archives.ids.text(id_))

    def replace(self, room: Room, id: str, change: Callable[[Message], Message | None], cause: Stanza) -> None:
        """Put something else in the place of a message, in the unit of work of the stanza that takes it back.

        :param id: what the room calls the message (XEP-0359).
        :param change: makes a tombstone of it (:mod:`.moderating`), in a thread of the database; None: it stays.
        """
        number, owner = self._archives.ids.number(id), self._owner(room.number)
        if number is None:
            return
        store, search = self._archives.store, self._archives.search

        def bury(connection: Connection) -> None:
            row = store.find(connection, store.find_owner(connection, owner) or 0, number)
            left = None if row is None else change(_message(row.stanza))
            if row is not None and left is not None:
                store.replace(connection, row.position, left.to_bytes())
                search.remove(connection, [row.position])

        self._host.store_call(cause, bury)

    # Out

    async def fill(self, room: Room) -> None:
        """Have the history of a room in memory: what is missing is read, once however many enter."""
        limits = room.service.limits
        async with self._filling.of(room.number):
            if not room.history.loaded:
                room.history.load(await self.latest(room, limits.history, limits.history_octets), limits.history)

    async def latest(self, room: Room, most: int, octets: int) -> list[Past]:
        """Return the last messages of a room's discussion history, oldest first, each with its id.

        :param most: how many at most.
        :param octets: how large they may be together; one is given whatever it has.
        """
        rows = await self._archives.newest(self._owner(room.number), most, octets, (("past", 1),))
        return [Past(_with_id(_message(stanza), room.jid, self._archives.ids.text(id_)), id_ / 1e6)
                for id_, stanza, *_ in rows]  # fmt: skip

    async def find(self, room: Room, id: str) -> Found | None:
        """Return the message that a room calls so, or None."""
        number, owner, store = self._archives.ids.number(id), self._owner(room.number), self._archives.store
        if number is None:
            return None
        await self._archives.written(owner)
        row = await self._host.db.read(lambda c: store.find(c, store.find_owner(c, owner) or 0, number))
        return None if row is None else self._found(room.number, row)

    async def latest_at(self, numbers: Sequence[int]) -> dict[int, float]:
        """Return when something was last said in rooms, by their numbers, in seconds since the epoch."""
        owners = [str(self._owner(number)) for number in numbers]
        found: dict[int, float] = {}
        for place in range(0, len(owners), _AT_ONCE):
            of = {"of": owners[place : place + _AT_ONCE]}
            rows = await self._host.db.read(lambda c: c.execute(LATEST, of).all())  # noqa: B023
            found |= {int(Jid.parse(room).local): id_ / 1e6 for room, id_ in rows if id_ is not None}
        return found

    async def by_author(self, who: Jid, since: float) -> list[Found]:
        """Return what somebody has said in all rooms, oldest first.

        :param who: the bare real address.
        :param since: how far to go back, in seconds since the epoch.
        """
        await self._host.stored()
        values = {"low": int(since * 1e6), "who": brief(who)}
        rows = await self._host.db.read(lambda c: c.execute(BY_AUTHOR, values).all())
        rooms = [(Jid.parse(row.room), row) for row in rows if Jid.parse(row.address).bare == who]
        return [self._found(int(room.local), row) for room, row in rooms if room.domain == self._service]

    def _found(self, number: int, row: Any) -> Found:
        id_ = self._archives.ids.text(row.id)
        return Found(number, id_, row.id / 1e6, Jid.parse(row.address), row.nick, bytes(row.stanza))

    async def answer(self, room: Room, request: Iq, sees: Sees) -> bytes:
        """Send what a query asks for, and return the content of the reply (XEP-0313 section 4).

        The caller has made sure that who asks may read the archive at all: that they have the right to enter the room
        now, in a members-only room as a member, and are not banned; :func:`.reading.check_reader` does.

        :param sees: whose real addresses they get to see.
        :raises StanzaError: as section 4 says.
        """
        asked = mam.query(request.request, self._options().archive_search)
        asker, place = request.sender, (room.number, request.sender)
        session = self._host.session(asker)
        view = _view(room.jid, asker.bare, sees)
        answer = await self._archives.answer(self._owner(room.number), asked, self._walks.get(place), view)

        async def send(payload: bytes) -> bool:
            if self._host.session(asker) is not session:
                return False  # whoever has the address now has not asked
            await settled(self._host.route(Message(asker, room.jid, payload=payload, names=mam.RESULT)))
            return True

        if await self._archives.send(answer, asked.id, send):
            self._walks[place] = answer.walk
            self._walks.move_to_end(place)
            while len(self._walks) > _WALKS:
                self._walks.popitem(last=False)
        return mam.fin(answer.page, answer.complete)

    def form(self) -> bytes:
        """Return by what one can search (section 4.1.5)."""
        return mam.form(self._options().archive_search)

    async def metadata(self, room: Room) -> bytes:
        """Return what are the first and the last message (section 5); the same who may read may know."""
        owner = self._owner(room.number)
        await self._archives.written(owner)
        return await self._archives.metadata(owner)

    # What is kept, and for how long

    async def measure(self, room: Room) -> Measure:
        """Return how much is in the archive of a room."""
        owner, store = self._owner(room.number), self._archives.store
        await self._archives.written(owner)

        def look(connection: Connection) -> Measure:
            number = store.find_owner(connection, owner)
            first, last = store.ends(connection, number) or (0, 0)
            return Measure(store.count(connection, number or 0), first / 1e6, last / 1e6)

        return await self._host.db.read(look)

    async def clear(self, room: Room, highest: int) -> int:
        """Delete what was said in a room, from its history as well; return how many messages it were.

        :param highest: the id of the last one to be deleted, as a number: microseconds since the epoch.
        """
        owner = self._owner(room.number)
        await self._archives.written(owner)
        known = await self._archives.owners.load(owner)
        deleted = 0 if known is None else await self._archives.keeper.delete(known.number, highest)
        room.history.forget()
        return deleted

    def configure(self, room: Room, cause: Stanza) -> None:
        """Keep messages of a room for as long as its configuration says, from the next housekeeping on.

        A room without an archive keeps what its history needs, and no more. It is written down in the unit of work of a
        stanza.
        """
        config, owner = room.config, self._owner(room.number)
        most = config.archive_messages or None
        if not config.archive:
            most = config.history if most is None else min(most, config.history)
        days = config.archive_days or None
        wanted = _Limit(days, most)
        if self._limited.get(owner, _UNLIMITED) == wanted:
            return
        self._limited[owner] = wanted
        self._archives.crowd(owner)
        store = self._archives.store

        def write(connection: Connection) -> None:
            values = {"of": store.make_owner(connection, owner), "days": days, "most": most}
            connection.execute(LIMIT, values)

        self._host.store_call(cause, write)

    def remove(self, room: Room, cause: Stanza) -> None:
        """Delete the archive of a room that is destroyed by a stanza; nobody sees anything of it from then on."""
        owner = self._owner(room.number)
        self._archives.owners.drop(owner)
        self._limited.pop(owner, None)
        self._host.store_call(cause, lambda c: c.execute(LEAVE, {"of": str(owner)}))
        self._host.spawn(self._clean_up(owner, cause), f"deleting the archive of {room.jid}")

    async def _clean_up(self, owner: Jid, cause: Stanza) -> None:
        """Delete what is left of a room that is gone, when that is written down."""
        await self._host.stored(cause)
        store = self._archives.store
        number = await self._host.db.read(lambda c: store.find_owner(c, owner))
        if number is not None:
            await self._delete(number)

    async def _sweep(self) -> None:
        """Do so for all whose deletion was not finished."""
        for number in await self._host.db.read(lambda c: c.execute(GONE).scalars().all()):
            await self._delete(number)

    async def _delete(self, number: int) -> None:
        await self._archives.keeper.delete(number)
        await self._host.db.write(lambda c: self._archives.store.remove_owner(c, number))

    async def keep_house(self) -> None:
        """Delete what is too old or too much, and what is left of rooms that are gone; to be called now and then."""
        await self._sweep()
        await self._archives.keep_house(self._options().archive_days, self._most)
        now = int(self._host.clock.seconds() * 1e6)
        ends = {owner: now - int(one.days * _DAY * 1e6) for owner, one in self._limited.items() if one.days is not None}
        store = self._archives.store

        def look(connection: Connection) -> list[tuple[int, int]]:
            found = ((store.find_owner(connection, owner), highest) for owner, highest in ends.items())
            return [(n, highest) for n, highest in found if n and (store.ends(connection, n) or (now,))[0] <= highest]

        for number, highest in await self._host.db.read(look) if ends else ():
            await self._archives.keeper.delete(number, highest)

    def _most(self, owner: Jid) -> int | None:
        allowed = self._options().archive_messages or None
        own = self._limited.get(owner, _UNLIMITED).most
        return allowed if own is None else own if allowed is None else min(own, allowed)


def _message(stanza: bytes) -> Message:
    (element,) = parse(bytes(stanza))
    message = stanza_of(element)
    return Message(None, message.from_, message.id, message.type, message.lang, message.payload)


def _with_id(message: Message, room: Jid, id: str) -> Message:
    given = f"<stanza-id xmlns='{stanza_id.NS}' by='{room.xml}' id='{id}'/>"
    return message.adding(given.encode(), stanza_id.RAW_NAME)


def _view(room: Jid, asker: Jid, sees: Sees) -> View:
    """Return what somebody sees of the archive of a room."""

    def narrow(selection: Selection, with_: Jid) -> Selection:
        if with_.bare == room:
            nick = with_.resource  # all of it is from addresses of the room
            return replace(selection, equal=(("mark", brief(nick)), ("nick", nick))) if nick else selection
        if sees is Sees.ALL or with_.bare == asker:
            return replace(selection, with_=with_)
        if sees is Sees.KNOWN:
            return replace(selection, with_=with_, equal=(("known", 1),))
        return replace(selection, ids=())

    def show(stanza: bytes, address: str, nick: str, affiliation: str, role: str, known: int) -> bytes:
        if not nick or sees is Sees.NOBODYS or (sees is Sees.KNOWN and not known):
            return stanza
        item = tag("item", affiliation=affiliation, jid=address, role=role)
        return stanza[: -len(_END)] + tag("x", item, xmlns=USER) + _END

    return View(narrow, show)
