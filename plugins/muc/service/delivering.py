"""What an act in a room leads to, put into effect: changes are stored, stanzas sent, all in one unit of work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from xmppd.api import IHost, Jid, Message, Presence, Stanza, StorageUnavailable, settled
from xmppd.api.muc import OccupantEntered, OccupantLeft, RoomCreated, RoomDestroyed, RoomMessage
from xmppd.plugins.muc.room import moderating
from xmppd.plugins.muc.room.outcome import (
    Configured,
    Created,
    Destroyed,
    Entered,
    Happening,
    Left,
    Outcome,
    Said,
    TakenBack,
    Vacated,
)
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.service import auditing, store
from xmppd.plugins.muc.service.store import Key

if TYPE_CHECKING:
    from xmppd.api.pace import Pace
    from xmppd.plugins.muc.service.archive import RoomArchive
    from xmppd.plugins.muc.service.indicators import Indicators
    from xmppd.plugins.muc.service.missing import Missing
    from xmppd.plugins.muc.service.rooms import Rooms

__all__ = ["Delivering"]

_log = Logger(namespace="xmppd.plugins.muc")


class Delivering:
    """Puts outcomes into effect.

    :param pace: by which others are told what an act has to tell them later.
    :ivar said: how many messages to everybody in a room there were.
    :ivar heard: to how many devices they went, all together.
    """

    def __init__(
        self, host: IHost, rooms: Rooms, archive: RoomArchive, missing: Missing, indicators: Indicators, pace: Pace
    ) -> None:
        self._host = host
        self._rooms = rooms
        self._archive = archive
        self._missing = missing
        self._indicators = indicators
        self._pace = pace
        self._serial = 0
        self.said = self.heard = 0

    def deliver(self, room: Room, outcome: Outcome, cause: Stanza) -> Awaitable[None] | None:
        """Store what has changed and send what is to be sent, on account of a stanza.

        :returns: what to await before the sender's next stanza is handled, if anything.
        """
        if outcome.changes:
            self._store(room, outcome, cause)
        pending: list[Awaitable[None]] = []
        for stanza, recipients in outcome.sent:
            self._send(stanza.along(cause), recipients, pending)
        if outcome.taken_back is not None:
            self._take_back(room, outcome.taken_back, cause)
        if outcome.said is not None:
            self._say(room, outcome.said, cause, pending)
        if outcome.happened:
            self._tell(room, outcome.happened, pending, cause)
        if outcome.later:
            self._host.spawn(self._deliver_later(room, outcome.later), f"telling everybody in {room.jid} at a pace")
        return settled(*pending) if pending else None

    async def _deliver_later(self, room: Room, later: Iterable[Callable[[], Outcome]]) -> None:
        for act in later:
            for _ in range(len(room.devices)):
                await self._pace.step()
            await settled(self.on_behalf(room, act()))

    def _store(self, room: Room, outcome: Outcome, cause: Stanza) -> None:
        changes = tuple(outcome.changes)
        self._indicators.changed(room, changes)
        # Time, and one that never goes back: which device was heard of last has to be known after a restart.
        self._serial = max(self._serial + len(changes), int(self._host.clock.seconds() * 1e6))
        key = Key(room.number, room.jid, room.created_at, self._serial)
        try:
            self._host.store_call(cause, lambda c: store.write(c, key, changes))
        except StorageUnavailable:
            # Who leaves is gone, whatever is written down, and it is found out when the room is read again. Everybody
            # else has been refused before, see IHost.will_store.
            if not all(isinstance(change, Vacated | Destroyed) for change in changes):
                raise
            _log.warn("that somebody left {room} could not be stored", room=room.jid)
        auditing.record(room, changes, cause)
        if isinstance(changes[-1], Destroyed):
            self._rooms.remove(room.jid)
            with suppress(StorageUnavailable):
                self._archive.remove(room, cause)
            outcome.happened.append(changes[-1])
        elif any(isinstance(change, Configured) for change in changes):
            self._archive.configure(room, cause)

    def _send(self, stanza: Stanza, recipients: Iterable[Jid], pending: list[Awaitable[None]]) -> None:
        wait = self._host.route_copies(stanza, recipients)
        if wait is not None:
            pending.append(wait)

    def _say(self, room: Room, said: Said, cause: Stanza, pending: list[Awaitable[None]]) -> None:
        message = said.message.along(cause)
        if said.kept:
            message = self._archive.add(room, message, said.author, said.past)
        if said.kept and said.past:
            limits = room.service.limits
            room.history.add(message, self._host.clock.seconds(), limits.history, limits.history_octets)
        self.said += 1
        self.heard += len(room.devices)
        self._send(message, list(room.devices), pending)
        if said.kept and said.past:
            self._missing.said(room, message, cause, pending)
        told = self._host.notify(RoomMessage(room.jid, message, said.author))
        if told is not None:
            pending.append(told)

    def _take_back(self, room: Room, what: TakenBack, cause: Stanza) -> None:
        self._archive.replace(room, what.id, what.left, cause)
        past = moderating.find(room, what.id)
        left = None if past is None else what.left(past)
        if left is not None:
            room.history.replace(what.id, left)

    def _tell(self, room: Room, happened: Iterable[Happening], pending: list[Awaitable[None]], cause: Stanza) -> None:
        """Tell other plugins."""
        destroyed = any(isinstance(one, Destroyed) for one in happened)
        for one in happened:
            if isinstance(one, Left) and not destroyed:
                with suppress(StorageUnavailable):
                    self._indicators.left(room, one.who, cause)
            told = self._host.notify(_EVENTS[type(one)](room, one))
            if told is not None:
                pending.append(told)

    def on_behalf(self, room: Room, outcome: Outcome) -> Awaitable[None] | None:
        """The same without a stanza that has caused it: on behalf of the service, or an operator."""
        cause = Presence(room.jid, room.service.jid)
        with self._host.unit(cause):
            return self.deliver(room, outcome, cause)

    async def settle(self, room: Room, outcome: Outcome, cause: Message) -> None:
        """The same, and wait until it is done."""
        await settled(self.deliver(room, outcome, cause))


_EVENTS: Mapping[type, Callable[[Room, Any], object]] = {
    Created: lambda room, one: RoomCreated(room.jid, one.creator),
    Entered: lambda room, one: OccupantEntered(room.jid, one.nick, one.who),
    Left: lambda room, one: OccupantLeft(room.jid, one.nick, one.who),
    Destroyed: lambda room, one: RoomDestroyed(room.jid),
}
