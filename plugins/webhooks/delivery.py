"""Delivery: at least once, in order, batch by batch, and again later if it isn't taken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.api import IDelayedCall, StorageUnavailable
from xmppd.api.http import Response
from xmppd.api.network import Forbidden, NoConnection, Reach
from xmppd.plugins.webhooks import store
from xmppd.plugins.webhooks.signing import headers
from xmppd.plugins.webhooks.store import EVENTS, Batch, Hook
from xmppd.wire.delay import format_datetime

if TYPE_CHECKING:
    from xmppd.plugins.webhooks import Webhooks

__all__ = ["Answer", "Delivery", "answer_to", "pause", "single"]

_DAY = 86_400.0
#: Seconds after each failure in a row until the next attempt; the last one counts for all further.
_PAUSES = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0)
_DATABASE = 10.0  # seconds until the database is tried again
_OCTETS = 65_536  # of an answer; nobody looks at them
_SHOWN = 200  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    :ivar problem: why it wasn't taken; "" if it was.
    :ivar final: will it never be?
    :ivar after: seconds that the receiver wants to be left alone.
    """

    problem: str = ""
    final: bool = False
    after: float = 0.0


def answer_to(response: Response) -> Answer:
    """Return what a receiver's answer means (Standard Webhooks): 2xx is yes, 410 is no for ever, all else not now."""
    if 200 <= response.status < 300:
        return Answer()
    said = " ".join(response.body[: 4 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN]
    try:
        phrase = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = str(response.status)
    text = f"it answered {phrase}" + (f": {said}" if said.isprintable() and said else "")
    after = response.headers.get("retry-after", "").strip()
    seconds = float(after) if after.isascii() and after.isdecimal() and len(after) < 7 else 0.0
    return Answer(text, response.status == HTTPStatus.GONE, min(seconds, _PAUSES[-1]))


def pause(failures: int, after: float = 0.0) -> float:
    """Return how long to wait after so many failures in a row, in seconds.

    :param after: how long the receiver wants it to be.
    """
    return max(after, _PAUSES[min(failures, len(_PAUSES)) - 1])


class Delivery:
    """Tells one receiver.

    :ivar waiting: how many events wait.
    """

    def __init__(self, plugin: Webhooks, hook: Hook, waiting: int) -> None:
        self._plugin = plugin
        self.hook = hook
        self.waiting = waiting
        self._timer: IDelayedCall | None = None
        self._busy = False
        self._writing = 0  # events that are not on disk yet
        self.stopped = False

    def take(self, event: str) -> None:
        """Tell of an event: it is on disk before anything is sent, and nobody waits for that."""
        if self.hook.disabled is not None:
            return
        if self.waiting >= self._plugin.options.queue_events:
            self.hook.dropped += 1
            return
        self.waiting += 1
        self._writing += 1
        kept: Deferred[None] = self._plugin.db.append(EVENTS, [{"hook": self.hook.id, "batch": None, "event": event}])
        kept.addCallbacks(self._kept, self._lost)

    def _kept(self, _: None) -> None:
        self._writing -= 1
        self.go()

    def _lost(self, failure: object) -> None:
        self._writing -= 1
        self.waiting -= 1
        self.hook.dropped += 1
        self._plugin.log.warn("an event for {url} could not be kept: {reason}", url=self.hook.url, reason=str(failure))

    def go(self) -> None:
        """See to it that what waits is sent when it is time."""
        if self._timer is None and not self._busy and not self.stopped and self.waiting and self.hook.disabled is None:
            wait = max(self._plugin.options.batch_seconds, self.hook.next_at - self._plugin.clock.seconds())
            self._timer = self._plugin.later(wait, self._run)

    def stop(self) -> None:
        """Send nothing any more; what is on its way is waited for by nobody."""
        self.stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        self._timer, self._busy = None, True
        try:
            while not self.stopped and await self._next():
                pass
        except StorageUnavailable as error:
            self._plugin.log.warn("webhooks wait for the database: {reason}", reason=error.reason)
            self.hook.next_at = self._plugin.clock.seconds() + _DATABASE
        finally:
            self._busy = False
            self.go()

    async def _next(self) -> bool:
        """Send the next batch. Is there reason to go on?"""
        id_, most = self.hook.id, self._plugin.options.batch_events
        batch = await self._plugin.db.write(lambda c: store.next_batch(c, id_, most))
        if batch is None:
            self.waiting = self._writing
            return False
        answer = await self.send(batch)
        if self.stopped:
            return False
        now = self._plugin.clock.seconds()
        if answer.problem:
            self._failed(answer, now)
            row = self.hook.row
            await self._plugin.db.write(lambda c: store.save(c, row))
            return False
        self._succeeded(now)
        row, done = self.hook.row, batch.id
        await self._plugin.db.write(lambda c: store.delivered(c, done, row))
        self.waiting = max(0, self.waiting - len(batch.events))
        return self.waiting > 0 and self.hook.disabled is None

    async def send(self, batch: Batch) -> Answer:
        """Send something, and return what came of it."""
        options, hook, body = self._plugin.options, self.hook, batch.body
        fields = headers(hook.secret, batch.id, self._plugin.clock.seconds(), body)
        reach = Reach.of(options.networks, options.ports)
        try:
            response = await self._plugin.host.network.fetch(
                "POST", hook.url, fields, body, timeout=options.timeout_seconds, octets=_OCTETS, public=reach
            )
        except Forbidden as error:
            return Answer(f"{error}; the option `networks` allows others", final=True)
        except NoConnection as error:
            return Answer(str(error))
        return answer_to(response)

    def _succeeded(self, now: float) -> None:
        hook = self.hook
        hook.delivered_at, hook.failing_since, hook.failures, hook.next_at, hook.problem = now, None, 0, 0.0, ""

    def _failed(self, answer: Answer, now: float) -> None:
        hook = self.hook
        hook.failures += 1
        hook.problem = answer.problem
        since = hook.failing_since = now if hook.failing_since is None else hook.failing_since
        hook.next_at = now + pause(hook.failures, answer.after)
        if answer.final:
            hook.disabled = answer.problem
        elif now - since >= self._plugin.options.give_up_days * _DAY:
            hook.disabled = f"it has failed since {format_datetime(since)}: {answer.problem}"
        if hook.disabled is not None:
            self._plugin.log.warn("the webhook {url} is disabled: {reason}", url=hook.url, reason=hook.disabled)


def single(event: str) -> Batch:
    """Return a batch of one event, which is not kept."""
    return Batch(f"msg_{json.loads(event)['id'].removeprefix('evt_')}", (event,))
