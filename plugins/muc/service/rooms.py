"""The rooms of a service: in memory while somebody is in them or they were lately used, else in the database only."""

from __future__ import annotations

import secrets

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from xmppd.api import IDatabase, Jid
from xmppd.api.waiting import as_deferred
from xmppd.plugins.muc.room import activity, versions
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Occupant, Room, Service
from xmppd.plugins.muc.service import store
from xmppd.plugins.muc.service.store import Stored

__all__ = ["Rooms"]

_NUMBERS = 62  # bits
_BEHIND = 600.0  # seconds that what is stored of a room's last use may be behind


class Rooms:
    """Those that are loaded, by address, and how to get at the others.

    :ivar loaded: rooms in memory.
    :ivar unseen: those of them that were just read, and nobody has looked who is in them still.
    :ivar total: how many rooms there are.
    """

    def __init__(self, db: IDatabase, service: Service) -> None:
        self._db = db
        self.service = service
        self.loaded: dict[Jid, Room] = {}
        self.unseen: set[Jid] = set()
        self.total = 0
        self._loading: dict[Jid, Deferred[Room | None]] = {}
        self._removed: set[int] = set()  # numbers of rooms that may be in the database still
        self._removed_before: set[int] = set()  # those of them that were there when it was tidied last

    def load(self, jid: Jid) -> Deferred[Room | None]:
        """Return a room, or None if there is none with that address. Fails with StorageUnavailable.

        Everybody who asks meanwhile gets the same one.
        """
        room = self.loaded.get(jid)
        if room is not None:
            return succeed(room)
        waiting: Deferred[Room | None] = Deferred()
        coming = self._loading.get(jid)
        if coming is None:
            coming = self._loading[jid] = as_deferred(self._load(jid))
            coming.addBoth(self._loaded, jid)

        def pass_on(outcome: Room | None) -> Room | None:
            waiting.callback(outcome)
            return outcome

        coming.addCallbacks(pass_on, self._failed, errbackArgs=(waiting,))
        return waiting

    def _loaded(self, outcome: object, jid: Jid) -> object:
        self._loading.pop(jid, None)
        return outcome

    def _failed(self, failure: Failure, waiting: Deferred[Room | None]) -> None:
        waiting.errback(failure)

    async def _load(self, jid: Jid) -> Room | None:
        stored = await self._db.read(lambda c: store.find(c, jid))
        if jid in self.loaded:
            return self.loaded[jid]
        if stored is None or stored.number in self._removed:
            return None
        room = self.loaded[jid] = self._restored(jid, stored)
        self.unseen.add(jid)
        return room

    def _restored(self, jid: Jid, stored: Stored) -> Room:
        room = Room(self.service, jid, stored.number, stored.config, stored.created_at)
        room.locked, room.version = stored.locked, stored.version
        room.subject, room.active_at, room.stored_at = stored.subject, stored.active_at, stored.active_at
        room.members.update(stored.members)
        room.notes.update(stored.notes)
        room.version = max(room.version, versions.newest(room))
        for seat in stored.seats:
            occupant = room.occupants.get(seat.nick)
            if occupant is None:
                occupant = Occupant(room, seat.nick, seat.device.bare, Role(seat.role))
                room.occupants[seat.nick] = occupant
            room.devices[seat.device] = occupant
            occupant.seat(seat.device, seat.payload)
        return room

    def make(self, jid: Jid, config: RoomConfig, now: float) -> Room:
        """Return a new room, which nobody has stored yet. `now` in seconds since the epoch."""
        room = self.loaded[jid] = Room(self.service, jid, secrets.randbits(_NUMBERS), config, now)
        room.history.loaded = True
        self.total += 1
        return room

    def remove(self, jid: Jid) -> None:
        """A room exists no more."""
        self.total -= 1
        self.unseen.discard(jid)
        room = self.loaded.pop(jid, None)
        if room is not None:
            self._removed.add(room.number)

    def drop(self, jid: Jid) -> None:
        """Keep a room in memory no longer."""
        self.unseen.discard(jid)
        self.loaded.pop(jid, None)

    async def tidy(self, now: float, idle: float) -> None:
        """Write down when rooms were last active, and drop those that nobody is in or has lately used.

        Fails with StorageUnavailable.

        :param now: in seconds since the epoch.
        :param idle: seconds after which a room is dropped.
        """
        self._removed -= self._removed_before
        self._removed_before = set(self._removed)
        unused = [room for room in self.loaded.values() if not room.occupants and room.active_at < now - idle]
        late = [room for room in self.loaded.values() if room.active_at - room.stored_at > _BEHIND]
        active = [(room.number, room.active_at) for room in {*unused, *late} if room.active_at != room.stored_at]
        counts = [(room.number, note) for room in {*unused, *late} if (note := activity.saved(room)) is not None]
        if active or counts:
            await self._db.write(lambda c: store.touch(c, active, counts))
        for room in late:
            room.stored_at = room.active_at
        for room in self.loaded.values():
            if room.active_at < now - idle:
                room.history.forget()  # it is read again when somebody enters
        for room in unused:
            if not room.occupants and room.active_at < now - idle and self.loaded.get(room.jid) is room:
                self.drop(room.jid)
