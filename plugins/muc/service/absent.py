"""Those who are in rooms without being there: their server is gone, or ours was (XEP-0045 sections 11.1 and 18.1.2).

Who can't be reached leaves at once, and the rooms tell the others at a pace: a room with a thousand people of a lost
server in it would have to tell each of the others a thousand times. Who has left that way is told when they can be
reached again: their clients may believe they are still there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from xmppd.api import Condition, IHost, Iq, Jid, Presence, StanzaError, StorageUnavailable, settled, tag
from xmppd.api.pace import Pace
from xmppd.plugins.muc.room import leaving, moving
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import Status
from xmppd.wire import ns

if TYPE_CHECKING:
    from xmppd.plugins.muc.service.delivering import Delivering
    from xmppd.plugins.muc.service.rooms import Rooms

__all__ = ["Absent"]

#: Of how many devices of a lost server it is remembered that they have to be told.
_TOLD_LATER = 10_000
#: Rooms that are looked through at a time for users of ours who are not connected any more.
_LOOKED_THROUGH = 200
#: What the answer to a ping says if there is somebody: RFC 6120 8.4 has clients refuse what they don't know.
_THERE = (Condition.SERVICE_UNAVAILABLE, Condition.FEATURE_NOT_IMPLEMENTED)


class Absent:
    """Finds them and has them leave.

    :param pace: by which others are told.
    :param now: the time, in seconds since the epoch.
    """

    def __init__(self, host: IHost, rooms: Rooms, delivering: Delivering, pace: Pace, now: Callable[[], float]) -> None:
        self._host = host
        self._rooms = rooms
        self._delivering = delivering
        self._pace = pace
        self._now = now
        self._untold: dict[str, deque[tuple[Jid, Jid]]] = {}  # by domain: devices, and the occupants they were
        self._sweep: list[Jid] = []  # no rooms: some of them are unloaded before their turn
        self._since = now()

    def _is_absent(self, device: Jid) -> bool:
        """Is it a device of a user of this server that is not connected?"""
        return self._host.serves(device.domain) and self._host.session(device) is None

    def _is_another(self, device: Jid) -> bool:
        """Is it connected, but has come only after the start, so that it is not the one that was in a room before?"""
        session = self._host.session(device) if self._host.serves(device.domain) else None
        return session is not None and session.bound_at > self._since

    async def take_stock(self, room: Room) -> None:
        """A room was just read from the database: some of those who were in it may have gone with the server."""
        gone = [device for device in room.devices if self._is_absent(device) or self._is_another(device)]
        await self._remove(room, gone, Status.SHUTDOWN)

    async def sweep(self) -> None:
        """Look through some rooms, the next time through others."""
        if not self._sweep:
            self._sweep = list(self._rooms.loaded)
        for _ in range(min(_LOOKED_THROUGH, len(self._sweep))):
            room = self._rooms.loaded.get(self._sweep.pop())
            absent = [] if room is None else [device for device in room.devices if self._is_absent(device)]
            if room is not None and absent:
                await self._remove(room, absent, Status.TECHNICAL)

    async def ask(self, room: Room) -> None:
        """After a start of the server: ask the devices of other servers whether they are still there (XEP-0199)."""
        for device in [device for device in room.devices if not self._host.serves(device.domain)]:
            self._host.spawn(self._ask(room, device), f"asking {device} whether it is still in {room.jid}")
            await self._pace.step()

    async def _ask(self, room: Room, device: Jid) -> None:
        ping = Iq(device, room.jid, type="get", payload=tag("ping", xmlns=ns.PING))
        try:
            await self._host.request(ping)
        except StanzaError as error:
            if error.condition not in _THERE and device in room.devices:
                await settled(self._delivering.on_behalf(room, leaving.lose(room, device, self._now())))

    async def lose(self, domain: str) -> None:
        """A server can't be reached any more: all of its users leave (section 11.1)."""
        for room in list(self._rooms.loaded.values()):
            lost = [device for device in room.devices if device.domain == domain]
            if lost:
                untold = self._untold.setdefault(domain, deque(maxlen=_TOLD_LATER))
                untold.extend((device, room.devices[device].jid) for device in lost)
                await self._remove(room, lost, Status.TECHNICAL)

    async def found(self, domain: str) -> None:
        """A server can be reached again: tell those who have left without knowing, unless they are back."""
        for device, occupant in self._untold.pop(domain, ()):
            room = self._rooms.loaded.get(occupant.bare)
            if room is None or device not in room.devices:
                believed = Presence(occupant, device)
                self._host.send(moving.not_there(believed))
                await self._pace.step()

    async def _remove(self, room: Room, devices: Iterable[Jid], code: int) -> None:
        for outcome in leaving.remove(room, list(devices), self._now(), code):
            try:
                await settled(self._delivering.on_behalf(room, outcome))
            except StorageUnavailable:
                continue  # they are gone here; that they were there is found out again at the next start
            await self._pace.step(1 + len(room.devices))
