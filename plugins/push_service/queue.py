"""Parcels on their way to vendors: what is taken is on disk until it is known what has become of it.

A parcel may be sent twice, if the server is killed between the vendor's answer and the moment it is written down: with
the same id and topic, so that a device shows it once. It is never lost. What waits is in memory without its content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, DeferredList

from xmppd.api import Condition, IDelayedCall, StanzaError, StorageUnavailable, settled
from xmppd.api.push import PushResult, PushSettled
from xmppd.api.waiting import as_deferred
from xmppd.plugins.push_service import payloads, store
from xmppd.plugins.push_service.carriers import WEB_PUSH, Carrier, Carriers, Key
from xmppd.plugins.push_service.payloads import Content, Words
from xmppd.plugins.push_service.publishing import Publish
from xmppd.plugins.push_service.store import Device, Taken
from xmppd.plugins.push_service.turns import Book, Entry, Spacing, Turns
from xmppd.plugins.push_service.verdicts import Decision, Patience, Step, decide

if TYPE_CHECKING:
    from xmppd.plugins.push_service import PushService

__all__ = ["Queue"]

T = TypeVar("T")
_DATABASE = 5.0  # seconds until what has to be written is tried again
_GRACE = 10.0  # seconds that pushes under way get to end when the service is stopped
_OWN = 5.0  # seconds that we may take ourselves, so that what is for now or never gets its chance
_ROW = 10  # failures in a row after which a vendor is left alone for a while
_SURE = 3  # refusals of our credentials in a row, after which they are taken for bad
_SUPERSEDED = "a newer push took its place"
_OVER = "its time was over before it could be sent"
_REMOVED = "the app is not registered any more"


class Queue:
    """The queue of one service.

    :ivar accepted, failed, superseded: how many parcels came to that end; `retried`: attempts that did not.
    """

    def __init__(self, plugin: PushService, carriers: Carriers) -> None:
        self._plugin, self._service = plugin, str(plugin.jid)
        self._book = Book()
        self._turns: dict[Key, Turns] = {}
        self._due: list[tuple[float, int]] = []
        self._timer: IDelayedCall | None = None
        self._wakes_at = 0.0
        self._working: set[Deferred[None]] = set()
        self._number = 0
        self._stopped = False
        self._spacing = Spacing(1, 0.0)
        self.accepted = self.failed = self.superseded = self.retried = 0
        self.reconfigure(carriers)

    # Life

    def reconfigure(self, carriers: Carriers) -> None:
        """Go on with other carriers; what was held back on account of old credentials is tried with the new ones."""
        options = self._plugin.options
        self._carriers = carriers
        self._patience = Patience(
            options.retry_seconds, options.throttled_seconds, options.retry_max_seconds, options.hold_seconds
        )
        self._words = Words(options.alert_title, options.alert_body)
        self._spacing.set(options.burst, options.device_seconds)
        now = self._plugin.clock.seconds()
        for entry in list(self._book):
            if entry.held and not (entry.under_way or entry.lined):
                entry.held, entry.due_at = False, now
                self._await_turn(entry)
        self._begin_all()

    async def load(self) -> None:
        """Go on with what waits in the database."""
        service = self._service
        found, self._number = await self._plugin.db.read(
            lambda c: (store.waiting(c, service), store.last_number(c, service))
        )
        for one in found:
            self.go(
                Entry(
                    one.number, one.node, one.item, (one.road, one.app), one.publisher, one.topic, bool(one.call),
                    one.expires_at, one.due_at, one.failures,
                )
            )  # fmt: skip

    async def stop(self) -> None:
        """Begin nothing more, and wait a little for what is under way."""
        self._stopped = True
        self._cancel_timer()
        for entry in self._book:
            entry.tell(PushResult.WAITING)
        if self._working:
            waiting = DeferredList(list(self._working), consumeErrors=True)
            call = self._plugin.clock.callLater(_GRACE, waiting.cancel)
            await waiting
            if call.active():
                call.cancel()

    def __len__(self) -> int:
        return len(self._book)

    def waiting(self) -> Counter[Key]:
        """Return how many parcels wait for each carrier."""
        return Counter(entry.carrier for entry in self._book)

    # In

    async def take(self, publish: Publish, publisher: str, device: Device, current: bool) -> Entry | None:
        """Take a parcel: it is on disk when this returns. None, if it was taken before.

        :raises StanzaError: resource-constraint: too much waits; item-not-found: it was just unregistered.
        """
        self._check_room(publisher)
        options, now = self._plugin.options, self._plugin.clock.seconds()
        number = self._number = max(self._number + 1, int(now * 1e6))
        content = payloads.build(
            f"{number:016x}{device.target_hash[:16]}", device.node, device.road, publish.notice, options.content,
            self._words,
        )  # fmt: skip
        expires_at = payloads.deadline(publish.notice, now, options.ttl_seconds, options.call_seconds)
        call = content.kind == "call"
        row = {
            "service": self._service, "number": number, "node": device.node, "item": publish.item,
            "publisher": publisher, "topic": content.topic, "call": int(call), "content": payloads.dump(content),
            "expires_at": expires_at, "due_at": now, "failures": 0, "settled_at": 0.0,
        }  # fmt: skip
        taken = await self._plugin.db.write(lambda c: store.take(c, device, row, current))
        if taken is Taken.GONE:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text=_REMOVED)
        if taken is Taken.KNOWN:
            return None
        return Entry(
            number, device.node, publish.item, (device.road, device.app), publisher, content.topic, call, expires_at,
            now, 0, content, device.target, device.target_hash,
        )  # fmt: skip

    def _check_room(self, publisher: str) -> None:
        options, strange = self._plugin.options, publisher != self._plugin.host.jid
        of_publisher = self._book.published_by(publisher) if strange else 0
        if len(self._book) >= options.waiting or of_publisher >= options.domain_waiting:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many pushes are waiting.")

    def go(self, entry: Entry) -> None:
        """Send one that was taken, when it is its turn. It takes the place of what it can stand for."""
        if self._stopped:  # the next start will find it
            entry.tell(PushResult.WAITING)
            return
        for other in self._book.like(entry):
            if not other.under_way:
                entry.due_at, entry.failures = max(entry.due_at, other.due_at), other.failures
                self.superseded += 1
                self._spawn(self._end(other, PushResult.FAILED, _SUPERSEDED, tell=PushResult.WAITING))
        self._book.enter(entry)
        self._await_turn(entry)

    # Time

    def _await_turn(self, entry: Entry) -> None:
        """Have an entry sent when it is due, and its device may be pushed to."""
        now = self._plugin.clock.seconds()
        at = entry.due_at if entry.call else max(entry.due_at, self._spacing.free_at(entry.node, now))
        if at > now:
            heappush(self._due, (at, entry.number))
            entry.tell(PushResult.WAITING)
            self._set_timer()
            return
        self._turns.setdefault(entry.carrier, Turns()).put(entry)
        carrier = self._carriers.get(entry.carrier)
        if carrier is None or carrier.resting_until > now:
            entry.tell(PushResult.WAITING)
        self._begin(entry.carrier)

    def _set_timer(self) -> None:
        """Wake up when the first is due, or a carrier has rested."""
        now = self._plugin.clock.seconds()
        carriers = (self._carriers.get(key) for key in self._turns)
        rests = [c.resting_until for c in carriers if c is not None and c.resting_until > now]
        moments = [*rests, *(at for at, _ in self._due[:1])]
        if not moments or self._stopped or (self._timer is not None and self._wakes_at <= min(moments)):
            return
        self._cancel_timer()
        self._wakes_at = min(moments)
        self._timer = self._plugin.later(max(0.0, self._wakes_at - now), self._look)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._plugin.clock.seconds()
        while self._due and self._due[0][0] <= now:
            entry = self._book.get(heappop(self._due)[1])
            if entry is not None and not (entry.over or entry.lined or entry.under_way):
                self._await_turn(entry)
        self._begin_all()
        self._set_timer()

    def tidy(self) -> None:
        """Forget what is of no use any more, in memory: what has waited in vain is settled."""
        now = self._plugin.clock.seconds()
        self._spacing.tidy(now)
        for entry in list(self._book):
            if entry.expires_at + _OWN < now and not (entry.under_way or entry.over):
                self._spawn(self._end(entry, PushResult.FAILED, _OVER))

    # Out

    def _begin_all(self) -> None:
        for key in list(self._turns):
            self._begin(key)

    def _begin(self, key: Key) -> None:
        """Send as much as may be under way with a carrier. One that has rested gets a single parcel first."""
        turns, carrier = self._turns.get(key), self._carriers.get(key)
        now = self._plugin.clock.seconds()
        if turns is None or carrier is None or self._stopped:
            return
        if carrier.resting_until > now:
            self._set_timer()
            return
        most = 1 if (carrier.problem and key[0] != WEB_PUSH) or carrier.row >= _ROW else carrier.concurrency
        while carrier.running < most and not carrier.load.full:
            entry = turns.take()
            if entry is None:
                self._turns.pop(key, None)
                return
            if not entry.call and self._spacing.free_at(entry.node, now) > now:
                self._await_turn(entry)  # another to the same device went before it
                continue
            entry.under_way, entry.held = True, False
            carrier.running += 1
            carrier.load.running += 1
            self._spawn(self._send(entry, carrier))

    async def _send(self, entry: Entry, carrier: Carrier) -> None:
        try:
            await self._attempt(entry, carrier)
        except GeneratorExit:
            self._stopped = True  # the server is gone without having been stopped: nothing may begin now
            raise
        except StorageUnavailable as error:
            self._again(entry, error.reason, _DATABASE)
        except Exception as error:  # nothing that should happen; it must not happen all the time
            if not self._stopped:
                self._plugin.log.failure("push {number} is stuck", number=entry.number)
            self._again(entry, f"internal error: {type(error).__name__}", self._patience.most)
        finally:
            others_wait = carrier.load.full
            carrier.running -= 1
            carrier.load.running -= 1
            if others_wait:
                self._begin_all()
            else:
                self._begin(carrier.key)

    async def _attempt(self, entry: Entry, carrier: Carrier) -> None:
        clock, service = self._plugin.clock, self._service
        if entry.content is None:
            found = await self._plugin.db.read(lambda c: store.load(c, service, entry.number))
            if found is None:
                return await self._end(entry, PushResult.GONE, _REMOVED)
            entry.content = payloads.load(found.content)
            entry.target, entry.target_hash = found.target, found.target_hash
        now = clock.seconds()
        if now > entry.expires_at + _OWN:
            return await self._end(entry, PushResult.FAILED, _OVER)
        if not entry.call:
            self._spacing.note(entry.node, now)
        content = entry.content
        parcel = payloads.parcel(content, json.loads(entry.target), entry.expires_at - now, carrier.key[0])
        verdict = await carrier.road.send(parcel)
        carrier.note(verdict, clock.seconds(), self._plugin.log)
        stripped = payloads.wake_only(content, carrier.key[0], self._words)
        left = entry.expires_at - clock.seconds()
        decision = decide(verdict, entry.failures, content == stripped, left, self._patience)
        await self._act(entry, carrier, decision, stripped)

    async def _act(self, entry: Entry, carrier: Carrier, decision: Decision, stripped: Content) -> None:
        now, service, number = self._plugin.clock.seconds(), self._service, entry.number
        if decision.step is Step.ACCEPTED:
            await self._end(entry, PushResult.ACCEPTED)
        elif decision.step is Step.FAILED:
            await self._end(entry, PushResult.FAILED, decision.reason)
        elif decision.step is Step.GONE:
            await self._prune(entry, decision.reason)
        elif decision.step is Step.STRIP:
            entry.content = stripped
            text = payloads.dump(stripped)
            await self._surely(lambda c: store.replace_content(c, service, number, text))
            self._again(entry, decision.reason, 0.0)
        elif decision.step is Step.HOLD:
            # A single one may be the fault of who has registered; with Web Push, any number: a subscription that was
            # made with another key is refused so (RFC 8292 section 4.2), and the others of that push service are not.
            if carrier.refusals >= _SURE and carrier.key[0] != WEB_PUSH:
                carrier.resting_until = max(carrier.resting_until, now + decision.delay)
            entry.held = True
            self._again(entry, decision.reason, decision.delay)
        else:
            if carrier.row >= _ROW:
                carrier.resting_until = max(carrier.resting_until, now + decision.delay)
            entry.failures += 1
            due_at, failures = now + decision.delay, entry.failures
            await self._surely(lambda c: store.delay(c, service, number, due_at, failures))
            self._again(entry, decision.reason, decision.delay)

    def _again(self, entry: Entry, reason: str, delay: float) -> None:
        """Try it again later. What waits for long is not kept in memory, nor is anybody kept waiting for it."""
        if entry.over or self._stopped:
            return
        self.retried += 1
        entry.due_at = self._plugin.clock.seconds() + delay
        if delay:
            entry.content = None
            entry.tell(PushResult.WAITING, reason)
        entry.under_way = False
        if any(other.number > entry.number for other in self._book.like(entry)):
            self.superseded += 1
            self._spawn(self._end(entry, PushResult.FAILED, _SUPERSEDED, tell=PushResult.WAITING))
            return
        self._await_turn(entry)

    # Ends

    async def _prune(self, entry: Entry, reason: str) -> None:
        """The vendor knows the token no more: remove the registrations that have it, unless they have another now."""
        service, token = self._service, entry.target_hash
        pruned = await self._surely(lambda c: store.prune(c, service, token))
        nodes = {device.node for device in pruned or ()}
        if entry.node not in nodes:
            entry.content = None  # and the target with it
            self._again(entry, reason, 0.0)
            return
        self._plugin.registrations_ended(pruned or (), reason)

    def forget(self, nodes: Iterable[str], reason: str) -> None:
        """Registrations are gone, and what waited for them with them."""
        for node in nodes:
            for entry in self._book.of_node(node):
                self._spawn(self._end(entry, PushResult.GONE, reason))

    async def _end(self, entry: Entry, result: PushResult, reason: str = "", tell: PushResult | None = None) -> None:
        """Settle a parcel: write it down, and tell those who want to know.

        :param tell: what whoever waits for the answer is told instead: that it was taken is all that matters there.
        """
        if entry.over:
            return
        entry.over = True
        self._book.leave(entry)
        if tell is None:
            self.accepted += result is PushResult.ACCEPTED
            self.failed += result is PushResult.FAILED
        if result is not PushResult.GONE:
            now, service = self._plugin.clock.seconds(), self._service
            node = "" if tell is not None else entry.node
            failure = None if result is PushResult.ACCEPTED else reason
            await self._surely(lambda c: store.settle(c, service, entry.number, now, node, failure))
        if entry.item:
            await settled(self._plugin.host.notify(PushSettled(entry.node, entry.item, result, reason)))
        entry.tell(tell or result, reason)

    async def _surely(self, write: Callable[[Connection], T]) -> T | None:
        """Write something down that has happened: until it is written, or the service is stopped."""
        while True:
            try:
                return await self._plugin.db.write(write)
            except StorageUnavailable as error:
                self._plugin.log.warn("what became of a push can't be written down: {reason}", reason=error.reason)
            if self._stopped:
                return None
            pause: Deferred[None] = Deferred()
            self._plugin.later(_DATABASE, partial(pause.callback, None))
            await pause

    def _spawn(self, work: Awaitable[None]) -> None:
        over = as_deferred(work)
        self._working.add(over)

        def done(result: object) -> object:
            self._working.discard(over)
            return result

        over.addBoth(done)
        over.addErrback(lambda failure: self._plugin.log.failure("a push is stuck", failure=failure))
