"""What stands in the database, to those who send: messages that are read often, and the one way states change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from xmppd.api import IHost, Jid, settled
from xmppd.api.notifications import DeliveryChanged
from xmppd.plugins.notifications import deliveries, messages
from xmppd.plugins.notifications.deliveries import Key, Move, Moved
from xmppd.plugins.notifications.messages import Stored

__all__ = ["Book"]

_CACHED = 1000
#: Seconds since the epoch that never come.
NEVER = float("inf")


class Book:
    """The deliveries of a host.

    :ivar next_due: when the first open delivery has to be looked at; `NEVER`, if there is none: nobody waits then.
    :ivar sweeping: deliveries are just being looked after; until that is done `next_due` knows nothing of them.
    :ivar in_hand: deliveries that are just being sent for the first time, in their turn.
    """

    def __init__(self, host: IHost) -> None:
        self._host = host
        self.name = str(host.jid)
        self.next_due = 0.0
        self.sweeping = False
        self.in_hand: set[Key] = set()
        self._messages: OrderedDict[int, Stored | None] = OrderedDict()

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._host.clock.seconds()

    @property
    def quiet(self) -> bool:
        """Is there nothing that waits for any device?"""
        return self.next_due == NEVER and not self.sweeping

    def wake(self, at: float) -> None:
        """Have deliveries looked at, not later than at some time."""
        self.next_due = min(self.next_due, at)

    async def message(self, number: int) -> Stored | None:
        """Return a message."""
        if number in self._messages:
            self._messages.move_to_end(number)
            return self._messages[number]
        found = await self._host.db.read(lambda c: messages.find(c, number))
        self._messages[number] = found
        if len(self._messages) > _CACHED:
            self._messages.popitem(last=False)
        return found

    def cached(self, number: int) -> Stored | None:
        """Return a message if it was lately used."""
        return self._messages.get(number)

    def changed(self, number: int) -> None:
        """Note that a message is not what it was."""
        self._messages.pop(number, None)

    async def record(self, moves: Sequence[Move], first: Callable[[Connection], object] | None = None) -> list[Moved]:
        """Carry out moves, and end the messages that nobody waits for any more.

        :param first: what is done before, in the same transaction.
        """

        def work(connection: Connection) -> list[Moved]:
            if first is not None:
                first(connection)
            return deliveries.move(connection, moves)

        for one in moves:
            if one.due_at is not None:
                self.wake(one.due_at)
        return await self.write(work, {one.key.message for one in moves})

    async def write(self, work: Callable[[Connection], list[Moved]], of: set[int] | None = None) -> list[Moved]:
        """Do work that moves deliveries, and end the messages that nobody waits for any more.

        :param of: messages that this may be true of; None: those that were moved.
        """
        now = self.now

        def whole(connection: Connection) -> tuple[list[Moved], list[int]]:
            moved = work(connection)
            numbers = {one.key.message for one in moved} if of is None else of
            return moved, messages.finish(connection, sorted(numbers), now) if numbers else []

        moved, done = await self._host.db.write(whole)
        for number in done:
            self.changed(number)
        await self._tell(moved)
        return moved

    async def _tell(self, moved: Sequence[Moved]) -> None:
        if not moved or not self._host.observed(DeliveryChanged):
            return
        for one in moved:
            message = await self.message(one.key.message)
            if message is not None:
                who = Jid.parse(one.key.account)
                event = DeliveryChanged(message.id, who, one.key.device, one.state, one.reason, one.at)
                await settled(self._host.notify(event))
