"""What the operator allows, before the rules of a room are asked: who may come, make rooms, and how often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from xmppd.api import Condition, IHost, Jid, Message, Presence, Stanza, StanzaError
from xmppd.api.limits import TokenBucket, Window
from xmppd.plugins.muc.service import store

if TYPE_CHECKING:
    from xmppd.plugins.muc.options import MucOptions
    from xmppd.plugins.muc.room.state import Room
    from xmppd.plugins.muc.service.rooms import Rooms

__all__ = ["Guard", "Shares", "covers"]

_MINUTE = 60.0
_FOREIGN = 4  # the part of what entering may cost that is there for the users of one other server
_BURST = 5  # seconds of deliveries that somebody may cost at once
_MUCH = 2000  # octets of a message that cost as much again as the message itself
_KEYS = 20_000  # people whose share is remembered


def covers(blocked: Jid, who: Jid) -> bool:
    """Is somebody blocked by an entry: their bare address, their domain, or one that theirs is below?"""
    return blocked in _entries(who)


def _entries(who: Jid) -> Iterator[Jid]:
    yield who
    domain = who.domain
    while domain:
        yield Jid.of("", domain)
        domain = domain.partition(".")[2]


class Guard:
    """Raises StanzaError for what is not allowed; an administrator of the host is allowed everything.

    :ivar blocked: who may not enter any room, with the reason: bare addresses, and domains with those below them.
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
        rate = float(options.join_presence_per_second)
        self._entering = Shares(rate, 2 * rate, self._now)
        self._entering_from = Shares(rate / _FOREIGN, 2 * rate / _FOREIGN, self._now)
        rate = float(options.deliveries_per_second)
        self._speaking = Shares(rate, _BURST * rate, self._now)

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
        reason = next((self.blocked[entry] for entry in _entries(who) if entry in self.blocked), None)
        if reason is not None:
            raise StanzaError(Condition.FORBIDDEN, text=reason or "You may not enter rooms here.")
        if not self._options.guests and not self._host.serves(who.domain):
            raise StanzaError(Condition.REGISTRATION_REQUIRED, text="These rooms are for the users of this server.")

    def enter(self, device: Jid, room: Room | None) -> float:
        """Somebody wants to enter a room, or to create one (None); who is there already is sent everything once more.

        :raises StanzaError: as :meth:`admit`; not-allowed, if they may not create rooms; resource-constraint, to try
            again, if they have come too often, or so many have that it would take too long, or there are too many rooms
            of theirs.
        :returns: seconds that they have to wait, so that others get their turn.
        """
        who = device.bare
        if who in self._host.admins:
            return 0.0
        self.admit(who)
        if room is None:
            self._create(who, self._host.serves(who.domain))
        elif device in room.devices:
            self.change(device, room)
            self._entering.take("", len(room.devices))
            return 0.0
        now, foreign = self._now(), not self._host.serves(who.domain)
        self._check_often(who, now)
        wait = max(self._entering.wait(""), self._entering_from.wait(who.domain) if foreign else 0.0)
        if wait > self._options.join_wait_seconds:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many people enter rooms just now; try again.")
        self._joins.add(who, now)
        cost = 2 * len(room.devices) + 1 if room is not None else 1
        self._entering.take("", cost)
        if foreign:
            self._entering_from.take(who.domain, cost)
        return wait

    def guessed(self, device: Jid) -> None:
        """Somebody has said a password that is not the room's: that counts as if they had entered.

        :raises StanzaError: as if they had known it, if they have come too often.
        """
        who, now = device.bare, self._now()
        if who not in self._host.admins:
            self._check_often(who, now)
            self._joins.add(who, now)

    def _check_often(self, who: Jid, now: float) -> None:
        if self._joins.full(who, now):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="You have entered too many rooms; wait a minute.")

    def _create(self, who: Jid, here: bool) -> None:
        may = self._options.create
        if may == "admins" or (may == "local" and not here):
            raise StanzaError(Condition.NOT_ALLOWED, text="You may not create rooms here.")

    def speak(self, device: Jid, room: Room, message: Message) -> None:
        """Somebody in a room says something to everybody in it.

        :raises StanzaError: not-acceptable, if it is too long for a room, or for so many people; resource-constraint,
            if they have said so much, to so many, that it is enough for now.
        """
        octets, heard_by = _octets(message), len(room.devices)
        if octets > self._options.max_message or octets * heard_by > self._options.max_broadcast:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="The message is too long for this room.")
        who = device.bare
        if self._speaking.wait(who):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="You say too much at a time; wait some seconds.")
        self._speaking.take(who, heard_by * (1 + octets / _MUCH))

    def show(self, presence: Presence) -> None:
        """Somebody enters with this presence, or shows it, which everybody is sent.

        :raises StanzaError: not-acceptable, if there is too much in it.
        """
        if len(presence.payload) > self._options.max_presence:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="There is too much in the presence for a room.")

    def last_words(self, presence: Presence) -> Presence:
        """Return the presence with which somebody leaves, without what is in it, if that is too much for a room."""
        return presence.with_payload(b"") if len(presence.payload) > self._options.max_presence else presence

    def check_id(self, stanza: Stanza) -> None:
        """Somebody sends something that is passed on, or remembered, by its id.

        :raises StanzaError: not-acceptable, if that is too long.
        """
        if len(stanza.id or "") > self._options.max_id:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="The id is too long for a room.")

    def change(self, device: Jid, room: Room) -> None:
        """Somebody in a room shows another presence, or wants another nickname.

        :raises StanzaError: resource-constraint, if that happens too often: everybody in the room is told each time.
        """
        now = self._now()
        key = f"{room.number} {device}"
        if self._changes.full(key, now):
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Your presence changes too often for a room.")
        self._changes.add(key, now)


def _octets(message: Message) -> int:
    return len(message.payload) + len(message.id or "") + len(message.lang or "")


class Shares:
    """How much each may cost, by key: so much a second, and more at once now and then.

    :param rate: a second.
    :param burst: at once.
    """

    def __init__(self, rate: float, burst: float, now: Callable[[], float]) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._shares: OrderedDict[str, TokenBucket] = OrderedDict()
        self._until: dict[str, float] = {}  # when those may cost something again who have spent all

    def wait(self, key: str) -> float:
        """Return for how many seconds somebody has cost enough."""
        until = self._until.get(key)
        if until is None:
            return 0.0
        left = until - self._now()
        if left > 0:
            return left
        del self._until[key]
        return 0.0

    def take(self, key: str, cost: float) -> None:
        """Somebody costs something."""
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = TokenBucket(self._rate, self._burst, self._now)
            if len(self._shares) > _KEYS:
                self._until.pop(self._shares.popitem(last=False)[0], None)
        wait = share.take(cost)
        if wait:
            self._until[key] = self._now() + wait
