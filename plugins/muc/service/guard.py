"""What the operator allows, before the rules of a room are asked: who may come, make rooms, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppd.api import Condition, IHost, Jid, StanzaError
from xmppd.api.limits import TokenBucket, Window
from xmppd.plugins.muc.service import store

if TYPE_CHECKING:
    from xmppd.plugins.muc.options import MucOptions
    from xmppd.plugins.muc.room.state import Room
    from xmppd.plugins.muc.service.rooms import Rooms

__all__ = ["Guard"]

_MINUTE = 60.0


class Guard:
    """Raises StanzaError for what is not allowed; an administrator of the host is allowed everything.

    :ivar blocked: who may not enter any room, with the reason: bare addresses and domains.
    """

    def __init__(self, host: IHost, rooms: Rooms, options: MucOptions, now: Callable[[], float]) -> None:
        self._host = host
        self._rooms = rooms
        self._now = now
        self.blocked: dict[Jid, str] = {}
        self._joins = Window(0, _MINUTE)
        self._changes = Window(0, _MINUTE)
        self.reconfigure(options)

    def reconfigure(self, options: MucOptions) -> None:
        """Take other options."""
        self._options = options
        self._joins.set_limits(options.joins_per_minute, _MINUTE)
        self._changes.set_limits(options.presence_per_minute, _MINUTE)
        rate = options.join_presence_per_second
        self._budget = TokenBucket(rate, 2 * rate, self._now)
        self._full_until = 0.0

    async def load(self) -> None:
        """Read who is blocked, and how many rooms there are."""
        service = self._rooms.service.jid
        self.blocked = await self._host.db.read(lambda c: store.blocked(c, service))
        self._rooms.total = await self._host.db.read(lambda c: store.count(c, service))

    async def block(self, who: Jid, reason: str) -> None:
        """Let somebody, or a whole domain, enter no room any more; those they are in they stay in."""
        service = self._rooms.service.jid
        await self._host.db.write(lambda c: store.block(c, service, who, reason))
        self.blocked[who] = reason

    async def unblock(self, who: Jid) -> bool:
        """Let them enter again; false if they could."""
        service = self._rooms.service.jid
        await self._host.db.write(lambda c: store.block(c, service, who, None))
        return self.blocked.pop(who, None) is not None

    async def may_own(self, who: Jid) -> None:
        """Somebody is about to create a room.

        :raises StanzaError: resource-constraint, if they own too many, or there are too many.
        """
        if who in self._host.admins:
            return
        if self._rooms.total >= self._options.max_rooms:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="There are too many rooms here.")
        service, most = self._rooms.service.jid, self._options.max_owned
        if await self._host.db.read(lambda c: store.owned(c, service, who)) >= most:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"You own {most} rooms already.")

    def admit(self, who: Jid) -> None:
        """Somebody wants to have to do with rooms, to enter one or to read what was said there.

        :param who: the bare real address.
        :raises StanzaError: forbidden, if they are blocked; registration-required for people from elsewhere, if rooms
            are for those here.
        """
        if who in self._host.admins:
            return
        reason = self.blocked.get(who, self.blocked.get(Jid.of("", who.domain)))
        if reason is not None:
            raise StanzaError(Condition.FORBIDDEN, text=reason or "You may not enter rooms here.")
        if not self._options.guests and not self._host.serves(who.domain):
            raise StanzaError(Condition.REGISTRATION_REQUIRED, text="These rooms are for the users of this server.")

    def enter(self, device: Jid, room: Room | None) -> None:
        """Somebody wants to enter a room, or to create one (None).

        :raises StanzaError: as :meth:`admit`; not-allowed, if they may not create rooms; resource-constraint, to try
            again, if they, or all together, have come too often, or there are too many rooms of theirs.
        """
        who = device.bare
        if who in self._host.admins:
            return
        self.admit(who)
        if room is None:
            self._create(who, self._host.serves(who.domain))
        elif device in room.devices:
            return
        now = self._now()
        if now < self._full_until:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many people enter rooms just now; try again.")
        if self._joins.full(who, now):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="You have entered too many rooms; wait a minute.")
        self._joins.add(who, now)
        self._full_until = now + self._budget.take(2 * len(room.devices) if room is not None else 1)

    def _create(self, who: Jid, here: bool) -> None:
        may = self._options.create
        if may == "admins" or (may == "local" and not here):
            raise StanzaError(Condition.NOT_ALLOWED, text="You may not create rooms here.")

    def change(self, device: Jid, room: Room) -> None:
        """Somebody in a room shows another presence, or wants another nickname.

        :raises StanzaError: resource-constraint, if that happens too often: everybody in the room is told each time.
        """
        now = self._now()
        key = f"{room.number} {device}"
        if self._changes.full(key, now):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Your presence changes too often for a room.")
        self._changes.add(key, now)
