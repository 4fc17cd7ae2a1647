"""The second road: by the push services of apps whose devices are not connected (XEP-0357).

A push service that accepts a push says that it has it, not that anybody has read it. So the notification is sent once
more, under the same id, when the device comes; unless that confirms it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, DeferredSemaphore, ensureDeferred, gatherResults

from xmppd.api import IHost, Jid, StanzaError, tag
from xmppd.api.notifications import State
from xmppd.api.push import IPush, Pushed, PushResult, PushSettled, Registration
from xmppd.plugins.notifications import deliveries, messages
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Delivery, Move
from xmppd.plugins.notifications.messages import Stored
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.standard import DATATYPE, JSON, JSON_MESSAGE, as_json

__all__ = ["Pushing"]

#: Seconds after which a push that could not be handed over is tried again, the first time; then twice as long each.
_AGAIN = 60.0
_TRIES = 6
_NOBODY = "no app of the account has registered for push"


class Pushing:
    """Pushes to registrations.

    :ivar pushed: how many pushes were accepted.
    """

    def __init__(
        self, host: IHost, book: Book, push: Callable[[], IPush | None], options: Callable[[], NotificationOptions]
    ) -> None:
        self._host = host
        self._book = book
        self._push = push
        self._options = options
        self.pushed = 0

    async def push(self, some: Sequence[tuple[Stored, Delivery]]) -> None:
        """Push deliveries, and write down what came of each."""
        if not some:
            return
        gate = DeferredSemaphore(self._options().push_at_once)

        def begin(message: Stored, one: Delivery) -> Deferred[Move]:
            return ensureDeferred(self._push_one(message, one))

        moves = await gatherResults([gate.run(begin, message, one) for message, one in some])
        await self._book.record(moves)

    async def _push_one(self, message: Stored, one: Delivery) -> Move:
        push, now, expires = self._push(), self._book.now, message.notification.expires_at
        active = [] if push is None else [r for r in await push.registrations(Jid.parse(one.account)) if not r.disabled]
        meant = _meant(active, one.device)
        if push is None or not meant:
            return self._unpushed(message, one, now, _NOBODY)
        results: list[tuple[Registration, Pushed]] = []
        for registration in meant:
            try:
                result = await push.push(
                    registration, _payload(message), item=message.id, priority=message.notification.priority
                )
            except StanzaError as error:
                result = Pushed(PushResult.FAILED, error.text or error.condition.value)
            results.append((registration, result))
        best, result = min(results, key=lambda pair: _ORDER[pair[1].result])
        if result.result is PushResult.ACCEPTED:
            self.pushed += 1
            return Move(one.key, State.SENT, now, expires, sent=True, road="push", node=best.node)
        if result.result is PushResult.WAITING:
            return Move(one.key, State.QUEUED, now, expires, result.reason, road="push", node=best.node)
        again = now + _AGAIN * 2**one.attempts
        if result.result is PushResult.FAILED and one.attempts < _TRIES and again < expires:
            return Move(one.key, State.QUEUED, now, again, result.reason, sent=True, road="push")
        return self._unpushed(message, one, now, result.reason)

    @staticmethod
    def _unpushed(message: Stored, one: Delivery, now: float, reason: str) -> Move:
        """Without push it waits until the device comes; if it may only be pushed, it has failed."""
        if "live" in message.roads:
            return Move(one.key, State.QUEUED, now, message.notification.expires_at, reason)
        return Move(one.key, State.FAILED, now, None, reason)

    async def settled(self, event: PushSettled) -> None:
        """The vendor's last word on a push."""
        try:
            number = messages.number_of(event.item)
        except ValueError:
            return  # the item is no notification
        found = await self._host.db.read(lambda c: deliveries.pushed_to(c, number, event.node))
        now, moves = self._book.now, []
        for one in found:
            message = await self._book.message(one.message)
            if message is None:
                continue
            if event.result is PushResult.ACCEPTED:
                moves.append(Move(one.key, State.SENT, now, message.notification.expires_at, "the vendor has it"))
            elif one.state is State.QUEUED or "live" not in message.roads:
                moves.append(self._unpushed(message, one, now, event.reason or event.result.value))
            else:
                moves.append(Move(one.key, one.state, now, message.notification.expires_at, event.reason))
        await self._book.record(moves)


_ORDER = {PushResult.ACCEPTED: 0, PushResult.WAITING: 1, PushResult.FAILED: 2, PushResult.GONE: 3}


def _meant(registrations: Sequence[Registration], device: str) -> list[Registration]:
    """Return the registrations of a device; of all devices if it isn't known which it is, or which theirs is."""
    own = [one for one in registrations if one.device == device]
    return own or [one for one in registrations if not device or not one.device]


def _payload(message: Stored) -> bytes:
    content = tag("json", as_json(message.notification), xmlns=JSON)
    return tag("payload", content, xmlns=JSON_MESSAGE, datatype=DATATYPE)
