"""Telling apps: one publish at a time for each registration, not too often, and again until it is settled.

What an app is to be told is written down with the message it is about, and crossed out when the service has it. If the
server is killed in between, it is told when the server is back: perhaps twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger

from xmppd.api import IDelayedCall, IHost, Iq, Jid, Message, StanzaError, StorageUnavailable, settled
from xmppd.api.push import PushDisabled, Pushed, PushResult
from xmppd.plugins.push import payload, store
from xmppd.plugins.push.options import PushOptions
from xmppd.plugins.push.outcomes import Meaning, in_words, meaning
from xmppd.plugins.push.payload import Last
from xmppd.plugins.push.registrations import Entry
from xmppd.plugins.push.rules import Importance
from xmppd.wire.xml import tag

__all__ = ["Counts", "Wakeups", "wait_after"]

_log = Logger()
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 3600.0  # seconds between two attempts
_CALLS = 1.0  # seconds between two pushes about calls
_START = 5.0  # seconds in which push services that are components connect, when the server has started


def wait_after(attempts: int) -> float:
    """Return for how many seconds to wait after so many attempts that have failed."""
    return min(_FIRST_WAIT * 2.0 ** (min(attempts, 20) - 1), _LONGEST_WAIT)


class Counts:
    """What was done since the plugin was started."""

    def __init__(self) -> None:
        self.published = self.accepted = self.failed = self.gathered = self.repeated = self.disabled = 0


class Wakeups:
    """Tells the apps of a host.

    :param later: see :meth:`xmppd.api.Plugin.later`.
    :param unread: says whether what a registration's app was told is still not acknowledged by it.
    """

    def __init__(
        self,
        host: IHost,
        later: Callable[[float, Callable[[], Any]], IDelayedCall],
        options: PushOptions,
        unread: Callable[[Entry], bool],
    ) -> None:
        self._host, self._later, self._unread = host, later, unread
        self.options = options
        self._services: WeakValueDictionary[Jid, DeferredSemaphore] = WeakValueDictionary()
        self.counts = Counts()
        self.stopped = False
        self._starts_at = host.started_at + _START

    # What there is to tell

    def tell(self, entry: Entry, what: Importance, last: Last, cause: Message | None, count: int | None = None) -> None:
        """There is something to tell an app.

        :param cause: the message: it is written down together with it, if that is not over yet.
        :param count: how many there are in all; None: one more.
        """
        if not entry.used:
            return
        entry.count = entry.count + 1 if count is None else count
        entry.last = self._kept(entry, last)
        entry.fresh = max(entry.fresh, what)
        entry.repeats = 0
        if entry.waiting >= what:
            self.counts.gathered += 1
            return  # it is written down, and under way
        if not entry.waiting:
            entry.since = self._host.clock.seconds()
        entry.waiting = what
        self._write_down(entry, cause or Message())

    def _kept(self, entry: Entry, last: Last) -> Last:
        """Leave out what is not told anyway, so that it isn't written down either."""
        options = self.options
        if entry.extras.key:
            return last if last.type != "call" or entry.extras.calls else last._replace(call="", media=())
        sender = last.sender if options.include_sender else ""
        return Last(sender, last.body if options.include_body else "", last.type)

    def _write_down(self, entry: Entry, cause: Message) -> None:
        try:
            self._host.store_call(cause, partial(store.change, id=entry.id, values=entry.wakeup()))
        except StorageUnavailable as error:
            # Whether the message is refused for that is up to those who store it; the app is told meanwhile.
            _log.warn("what is to be pushed is not written down: {reason}", reason=error.reason)
            self.plan(entry)
            return
        self._host.spawn(self._begin(entry, cause), f"telling {entry.service} about {entry.account}")

    async def _begin(self, entry: Entry, cause: Message) -> None:
        await self._host.stored(cause)
        entry.attempts = 0  # it is more important than what has failed
        self.plan(entry)

    def seen(self, entry: Entry) -> None:
        """The app's client is there: it learns of everything by itself."""
        entry.stop()
        stored = bool(entry.waiting or entry.count)
        entry.waiting = entry.fresh = entry.pushed = Importance.NONE
        entry.count = entry.attempts = entry.repeats = 0
        entry.pushed_at, entry.last = 0.0, Last()
        if stored:
            change = partial(store.change, id=entry.id, values=entry.wakeup())
            self._host.spawn(self._written(change), f"noting that {entry.account} is there")

    async def _written(self, change: Callable[..., None]) -> None:
        try:
            await self._host.db.write(change)
        except StorageUnavailable as error:
            _log.warn("what became of a push is not written down: {reason}", reason=error.reason)

    # When

    def plan(self, entry: Entry) -> None:
        """Tell an app in time what waits for it."""
        if not entry.waiting or entry.flying or not entry.used or self.stopped:
            return
        if entry.timer is not None:
            entry.timer.cancel()
        entry.timer = self._later(self._wait(entry), lambda: self._publish(entry))

    def _wait(self, entry: Entry) -> float:
        now = self._host.clock.seconds()
        if entry.attempts:
            due = now + wait_after(entry.attempts)
        elif entry.waiting > entry.pushed:
            due = now
        else:
            due = entry.pushed_at + (_CALLS if entry.waiting is Importance.CALL else self.options.interval_seconds)
        return max(0.0, due - now, self._starts_at - now)

    # Telling

    async def _publish(self, entry: Entry) -> None:
        entry.timer = None
        if entry.flying or not entry.used:
            return
        entry.flying = True
        try:
            async with _Turn(self._services, entry.service, self.options.parallel):
                what, entry.fresh = entry.waiting, Importance.NONE
                if not what or not entry.used:
                    return  # the app came meanwhile, or is not to be told any more
                item = f"{entry.id}-{int(entry.since * 1000)}"  # the same for each attempt
                error = await self._request(entry, self._notification(entry), item)
        finally:
            entry.flying = False
        if not entry.dropped:
            self._settled(entry, what, error)
            self.plan(entry)

    def _notification(self, entry: Entry) -> bytes:
        options, last, what = self.options, entry.last, entry.waiting
        others = [tag("priority", payload.priority_of(what), xmlns=payload.PRIORITY)]
        if entry.extras.key and (last.type != "call" or last.call):
            others.append(payload.encrypted(entry.extras.key, entry.count, last))
            last = Last()
        body = last.body
        if what >= Importance.MESSAGE and not body:
            body = options.placeholder
        return payload.notification(entry.count, last.sender, body, *others)

    async def _request(self, entry: Entry, notification: bytes, item: str) -> StanzaError | None:
        """Publish; return what went wrong, if anything."""
        self.counts.published += 1
        request = Iq(entry.service, type="set", payload=payload.publication(entry.node, item, notification, entry.form))
        try:
            await self._host.request(request, self.options.answer_seconds)
        except StanzaError as error:
            return error
        return None

    def _settled(self, entry: Entry, what: Importance, error: StanzaError | None) -> None:
        """The service has answered."""
        self.judge(entry, error)
        now, still = self._host.clock.seconds(), entry.fresh
        if error is not None and meaning(error) in (Meaning.PASSING, Meaning.UNREACHED):
            if now - entry.since < self.options.retry_hours * 3600:
                entry.attempts += 1
                still = max(still, what)
        elif error is None and entry.waiting:
            entry.pushed, entry.pushed_at, entry.attempts = max(entry.pushed, what), now, 0
            self._repeat_later(entry, what)
        if entry.waiting:  # else the app came meanwhile
            entry.waiting = still if entry.used else Importance.NONE
            entry.since = entry.since if entry.attempts else now
        values = {**entry.health(), **entry.wakeup()}
        written = self._written(partial(store.change, id=entry.id, values=values))
        self._host.spawn(written, f"noting what {entry.service} has answered")

    def judge(self, entry: Entry, error: StanzaError | None) -> Pushed:
        """Learn from what a service has answered."""
        now = self._host.clock.seconds()
        if error is None:
            self.counts.accepted += 1
            entry.errors, entry.accepted_at = 0, now
            return Pushed(PushResult.ACCEPTED)
        self.counts.failed += 1
        entry.error, entry.error_at = in_words(error), now
        kind = meaning(error)
        if kind is Meaning.PASSING:
            return Pushed(PushResult.WAITING, entry.error)
        entry.errors += 1
        if kind is Meaning.GONE or entry.errors >= self.options.max_errors:
            entry.disabled, entry.gone = entry.error, kind is Meaning.GONE
            entry.waiting = Importance.NONE
            self.counts.disabled += 1
            _log.info(
                "push to {service} for {account} is off: {reason}",
                service=entry.service, account=entry.account, reason=entry.error,
            )  # fmt: skip
            told = settled(self._host.notify(PushDisabled(entry.public())))
            self._host.spawn(told, f"telling that push to {entry.service} is off")
        return Pushed(PushResult.GONE if kind is Meaning.GONE else PushResult.FAILED, entry.error)

    # Again

    def _repeat_later(self, entry: Entry, what: Importance) -> None:
        """Pushes get lost: if the app doesn't come for what its session holds, it is told again."""
        waits = self.options.repeat_seconds
        if entry.repeats < len(waits) and not entry.extras.key and not self.stopped:
            if entry.repeater is not None:
                entry.repeater.cancel()
            entry.repeater = self._later(waits[entry.repeats], lambda: self._repeat(entry, what))

    def _repeat(self, entry: Entry, what: Importance) -> None:
        entry.repeater = None
        if entry.waiting or entry.flying or not entry.used or not self._unread(entry):
            return
        self.counts.repeated += 1
        repeats = entry.repeats + 1
        self.tell(entry, what, entry.last, None, entry.count)
        entry.repeats = repeats

    # For others

    async def push(self, entry: Entry, content: bytes, item: str, priority: str, body: str = "") -> Pushed:
        """Publish something else to an app; see :meth:`xmppd.api.push.IPush.push`.

        :param body: told as if it were the text of the last message.
        """
        if not entry.used:
            return Pushed(PushResult.GONE if entry.gone else PushResult.FAILED, entry.disabled or "push is turned off")
        urgency = tag("priority", priority, xmlns=payload.PRIORITY)
        notification = payload.notification(entry.count or None, "", body, urgency, content)
        async with _Turn(self._services, entry.service, self.options.parallel):
            outcome = self.judge(entry, await self._request(entry, notification, item))
        await self._written(partial(store.change, id=entry.id, values=entry.health()))
        return outcome


class _Turn:
    """Lets so many at a time talk to a service."""

    def __init__(self, services: WeakValueDictionary[Jid, DeferredSemaphore], service: Jid, most: int) -> None:
        semaphore = services.get(service)
        if semaphore is None:
            semaphore = services[service] = DeferredSemaphore(most)
        self._semaphore = semaphore

    async def __aenter__(self) -> None:
        await self._semaphore.acquire()

    async def __aexit__(self, *reason: object) -> None:
        self._semaphore.release()
