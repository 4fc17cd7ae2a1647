"""Room activity indicators (XEP-0437): that something was said in a room, for members who are not there.

Who wants to know sends presence to the service. Each device is told once of each room of which its user is a member,
and then again only after the user was in the room. What is waited for is known by room, so a message to a room that
nobody waits for costs one look into a table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from xmppd.api import (
    Condition,
    IDelayedCall,
    IHost,
    Jid,
    Message,
    Presence,
    Stanza,
    StanzaError,
    StorageUnavailable,
    tag,
)
from xmppd.api.limits import Window
from xmppd.plugins.muc.room.mentioning import is_news
from xmppd.plugins.muc.room.outcome import Affiliated, Change, Destroyed, Seated
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.service.tables import LISTENERS, MEMBERS, ROOMS, SEEN

if TYPE_CHECKING:
    from xmppd.plugins.muc.options import MucOptions
    from xmppd.plugins.muc.service.archive import RoomArchive

__all__ = ["RAI", "Indicators"]

RAI = "urn:xmpp:rai:0"
_MINUTE = 60.0
_STANDING = tuple(str(one) for one in Affiliation if one.rank >= Affiliation.MEMBER.rank)


class Indicators:
    """Knows who waits for what, and tells them.

    :ivar listening: how many devices want to know.
    :param later: :meth:`xmppd.api.Plugin.later`.
    """

    def __init__(
        self,
        host: IHost,
        service: Jid,
        archive: RoomArchive,
        options: Callable[[], MucOptions],
        later: Callable[[float, Callable[[], Awaitable[None] | None]], IDelayedCall],
    ) -> None:
        self._host, self._service, self._archive, self._options, self._later = host, service, archive, options, later
        self._devices: dict[Jid, set[Jid]] = {}  # by user: those that want to know
        self._waiting: dict[Jid, set[Jid]] = {}  # by room: those that have not been told yet
        self._untold: dict[Jid, set[Jid]] = {}  # by device: rooms that it is about to be told of
        self._asked = Window(options().listens_per_minute, _MINUTE)
        self._flush: IDelayedCall | None = None
        self.listening = 0

    async def load(self) -> None:
        """Go on after a restart, with those that are still there. Fails with StorageUnavailable."""
        query = select(LISTENERS.c.device).filter_by(service=str(self._service))
        for text in await self._host.db.read(lambda c: c.execute(query).scalars().all()):
            device = Jid.parse(text)
            if self._host.serves(device.domain) and self._host.session(device) is None:
                await self._host.db.write(lambda c: _forget(c, self._service, device))  # noqa: B023
            elif self._add(device):
                await self._catch_up(device)

    # Who wants to know

    def presence(self, presence: Presence, admit: Callable[[Jid], None]) -> None:
        """Take presence to the service (sections 3.1 and 3.2).

        :param admit: raises StanzaError for those who may have nothing to do with rooms.
        :raises StanzaError: as that; resource-constraint, if too many want to know, or somebody asks too often.
        """
        device = presence.sender
        if presence.type in ("unavailable", "error"):
            self.drop(device, presence)
        elif presence.type == "available" and presence.has(RAI, "rai") and device.resource:
            admit(device.bare)
            now = self._host.clock.seconds()
            self._asked.set_limits(self._options().listens_per_minute, _MINUTE)
            if self._asked.full(device.bare, now):
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="That was too often; wait a minute.")
            self._asked.add(device.bare, now)
            if device not in self._devices.get(device.bare, ()):
                if self.listening >= self._options().max_listeners:
                    raise StanzaError(
                        Condition.RESOURCE_CONSTRAINT, text="Too many want to know what goes on in rooms."
                    )
                self._host.store_call(presence, lambda c: _remember(c, self._service, device))
                self._add(device)
            self._host.spawn(self._catch_up(device), f"telling {device} of rooms")

    def _add(self, device: Jid) -> bool:
        devices = self._devices.setdefault(device.bare, set())
        if device in devices:
            return False
        devices.add(device)
        self.listening += 1
        return True

    def drop(self, device: Jid, cause: Stanza) -> None:
        """A device doesn't want to know any more, or is gone."""
        devices = self._devices.get(device.bare, set())
        if device not in devices:
            return
        devices.discard(device)
        self.listening -= 1
        if not devices:
            del self._devices[device.bare]
        self._untold.pop(device, None)
        for room in [room for room, waiting in self._waiting.items() if device in waiting]:
            self._stop_waiting(room, (device,))
        with suppress(StorageUnavailable):  # then it is found to be gone after the next start
            self._host.store_call(cause, lambda c: _forget(c, self._service, device))

    async def forget(self, who: Jid) -> None:
        """Somebody exists no more. Fails with StorageUnavailable."""
        await self._host.db.write(lambda c: _forget_seen(c, who))

    def lose(self, domain: str) -> None:
        """The devices of a domain are gone."""
        for device in [one for who, devices in self._devices.items() if who.domain == domain for one in devices]:
            cause = Presence(self._service, device, type="unavailable")
            with self._host.unit(cause):
                self.drop(device, cause)

    def bounced(self, message: Message) -> None:
        """A message to the service: if it says that a device is gone, it is."""
        if message.type == "error":
            self.drop(message.sender, message)

    async def _catch_up(self, device: Jid) -> None:
        """Wait for what is said in the rooms of somebody, and tell of those where it was since they were there last."""
        who, most = device.bare, self._options().max_listened
        rooms = await self._host.db.read(lambda c: _memberships(c, self._service, who, most))
        if device not in self._devices.get(who, ()):
            return
        for room in rooms.values():
            self._waiting.setdefault(room, set()).add(device)
        await self._host.stored()
        heard = await self._archive.latest_at(list(rooms))
        seen = await self._host.db.read(lambda c: _seen(c, who))
        if device in self._devices.get(who, ()):
            missed = [rooms[number] for number, at in heard.items() if at > seen.get(number, 0.0)]
            waiting = [room for room in missed if device in self._waiting.get(room, ())]
            for room in waiting:
                self._note(room, device)
            self._tell()

    # What happens in rooms

    def said(self, room: Room, message: Message) -> None:
        """Something was said in a room that is kept."""
        waiting = self._waiting.get(room.jid)
        if waiting is None or not is_news(message):
            return
        for device in [device for device in waiting if device not in room.devices]:
            self._note(room.jid, device)
        if self._untold and self._flush is None:
            self._flush = self._later(self._options().listener_seconds, self._tell)

    def _note(self, room: Jid, device: Jid) -> None:
        self._stop_waiting(room, (device,))
        self._untold.setdefault(device, set()).add(room)

    def _stop_waiting(self, room: Jid, devices: Iterable[Jid]) -> None:
        waiting = self._waiting.get(room)
        if waiting is not None:
            waiting.difference_update(devices)
            if not waiting:
                del self._waiting[room]

    def _tell(self) -> None:
        """Tell everybody what they have not been told yet, each at once."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        untold, self._untold = self._untold, {}
        for device, rooms in untold.items():
            activity = (tag("activity", str(room)) for room in sorted(rooms))
            self._host.send(Message(device, self._service, payload=tag("rai", *activity, xmlns=RAI)))

    def changed(self, room: Room, changes: Sequence[Change]) -> None:
        """Something about a room has changed, perhaps for somebody who wants to know."""
        if not self._devices:
            return
        for change in changes:
            if isinstance(change, Seated):
                if room.affiliation(change.device).rank >= Affiliation.MEMBER.rank:
                    self._wait(room.jid, change.device.bare)
            elif isinstance(change, Affiliated):
                member = change.member
                if member is not None and member.affiliation.rank >= Affiliation.MEMBER.rank:
                    self._wait(room.jid, change.who)
                else:
                    self._lose(room.jid, change.who)
            elif isinstance(change, Destroyed):
                self._waiting.pop(room.jid, None)

    def _wait(self, room: Jid, who: Jid) -> None:
        devices = self._devices.get(who)
        if devices:
            self._waiting.setdefault(room, set()).update(devices)
            for device in devices:
                self._untold.get(device, set()).discard(room)

    def _lose(self, room: Jid, who: Jid) -> None:
        """Somebody is not to know any more what goes on in a room."""
        devices = self._devices.get(who, set())
        self._stop_waiting(room, devices)
        for device in devices:
            self._untold.get(device, set()).discard(room)

    def left(self, room: Room, who: Jid, cause: Stanza) -> None:
        """Somebody has left a room; what is said from now on, they miss. Members only are remembered."""
        member = room.members.get(who)
        if member is not None and member.affiliation.rank >= Affiliation.MEMBER.rank:
            at = self._host.clock.seconds()
            self._host.store_call(cause, lambda c: _see(c, room.number, who, at))


def _remember(connection: Connection, service: Jid, device: Jid) -> None:
    _forget(connection, service, device)
    connection.execute(insert(LISTENERS), {"service": str(service), "device": str(device)})


def _forget(connection: Connection, service: Jid, device: Jid) -> None:
    connection.execute(delete(LISTENERS).filter_by(service=str(service), device=str(device)))


def _see(connection: Connection, number: int, who: Jid, at: float) -> None:
    connection.execute(delete(SEEN).filter_by(room=number, who=str(who)))
    connection.execute(insert(SEEN), {"room": number, "who": str(who), "at": at})


def _forget_seen(connection: Connection, who: Jid) -> None:
    connection.execute(delete(SEEN).filter_by(who=str(who)))


def _seen(connection: Connection, who: Jid) -> dict[int, float]:
    return {row.room: row.at for row in connection.execute(select(SEEN.c.room, SEEN.c.at).filter_by(who=str(who)))}


def _memberships(connection: Connection, service: Jid, who: Jid, most: int) -> dict[int, Jid]:
    """Return the rooms that somebody belongs to, by number: those where something was last going on, if too many."""
    query = (
        select(ROOMS.c.number, ROOMS.c.name)
        .join(MEMBERS, MEMBERS.c.room == ROOMS.c.number)
        .where(ROOMS.c.service == str(service), MEMBERS.c.who == str(who), MEMBERS.c.affiliation.in_(_STANDING))
        .order_by(ROOMS.c.active_at.desc())
        .limit(most)
    )
    return {number: Jid.of(name, service.domain) for number, name in connection.execute(query)}
