"""XEP-0357 section 3, the push service: it takes notifications from servers, and has vendors wake the users' apps.

:mod:`.publishing` and :mod:`.payloads` say what a notification is and what of it is sent, :mod:`.registering` and
:mod:`.commands` who is woken, :mod:`.queue` and :mod:`.verdicts` what happens until it is, :mod:`.roads` how.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import AccountDeleted, Condition, Iq, Jid, StanzaError, StorageUnavailable, iq_set, need, observe, tag
from xmppd.api.commands import NS as COMMANDS
from xmppd.api.commands import ICommand, ICommands
from xmppd.api.disco import DiscoComponent, DiscoInfo, DiscoItems, Identity, Item
from xmppd.api.figures import Figure
from xmppd.api.limits import Window
from xmppd.api.push import PushResult
from xmppd.plugins.push_service import publishing, store
from xmppd.plugins.push_service.carriers import WEB_PUSH, Carriers, make_carriers
from xmppd.plugins.push_service.commands import commands
from xmppd.plugins.push_service.operating import PushServiceOperations
from xmppd.plugins.push_service.options import PushServiceOptions
from xmppd.plugins.push_service.publishing import NS, PUBSUB, Publish
from xmppd.plugins.push_service.queue import Queue
from xmppd.plugins.push_service.registering import Registrar
from xmppd.plugins.push_service.roads.vapid import new_key
from xmppd.plugins.push_service.store import Device
from xmppd.plugins.push_service.tables import DEVICES, TABLES
from xmppd.plugins.push_service.turns import Entry
from xmppd.wire import ns

_SALT_OCTETS = 32
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


class PushService(PushServiceOperations, DiscoComponent):
    """Wake users' apps by Web Push, Firebase and Apple, on behalf of this server and of others.

    It is off unless it is named: apps of stores have a push service of their makers. It is for those who have an app
    themselves, and for whatever takes Web Push.
    """

    xep = (357, "0.4.1")
    default = False
    label = "push"
    features = (
        COMMANDS,
        NS,
        PUBSUB,
        f"{PUBSUB}#access-whitelist",
        f"{PUBSUB}#publish",
        f"{PUBSUB}#publish-only-affiliation",
        f"{PUBSUB}#publish-options",
    )
    tables = TABLES
    commands = need(ICommands)

    class Options(PushServiceOptions):
        """Who may have their apps woken, by which vendors, and with what."""

    async def start(self) -> None:
        """Check the credentials, and go on with what waits."""
        await self._open()
        self.every(_MINUTE, self._tidy)
        self.every(_HOUR, self._forget)

    async def _open(self) -> None:
        service, salt = str(self.jid), secrets.token_bytes(_SALT_OCTETS)
        self._opened = service
        keys = await self.db.write(lambda c: store.keys(c, service, salt))
        self._vapid = keys.vapid_key
        self.carriers = await self._make_carriers()
        self.registrar = Registrar(self.host, self.jid, keys.salt, self.options)
        self.queue = Queue(self, self.carriers)
        self.published = self.refused = self.gone = 0
        self._rates = Window(1, _MINUTE)
        self._take_options()
        await self.queue.load()

    async def _make_carriers(self) -> Carriers:
        web = self.options.webpush
        if web.enabled and not web.key and not self._vapid:
            service, key = str(self.jid), new_key()
            await self.db.write(lambda c: store.keep_vapid_key(c, service, key))
            self._vapid = key
        return await make_carriers(self.host, self.options, self._vapid)

    def _take_options(self) -> None:
        self.identities = (("pubsub", "push", self.options.title),)
        self._rates.set_limits(self.options.domain_per_minute, _MINUTE)
        self._commands = commands(self)

    async def reconfigured(self, options: Any) -> None:
        """Take other options, and try other credentials at once with what waits. Another domain is another service."""
        if str(self.jid) != self._opened:
            await self.stop()
            await self._open()
            return
        old, self.carriers = self.carriers, await self._make_carriers()
        self.registrar.reconfigure(self.options)
        self.queue.reconfigure(self.carriers)
        self._take_options()
        await old.close()

    async def stop(self) -> None:
        """Let what is under way come to an end, as far as that takes no time."""
        await self.queue.stop()
        await self.carriers.close()

    @property
    def roads(self) -> list[str]:
        """The roads that there are."""
        web = [WEB_PUSH] if self.carriers.web is not None else []
        return web + [road for road in ("fcm", "apns") if self.carriers.apps_of(road)]

    # What it is

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Answer for the commands (XEP-0050 section 2.2), and say what Web Push is subscribed with."""
        if event.entity != self.jid or event.asker is None:
            return
        if event.node == COMMANDS:
            event.identities.append(Identity("automation", "command-list", "Commands"))
        elif event.node in self._commands:
            command = self._commands[event.node]
            if command.allowed(event.asker):
                event.identities.append(Identity("automation", "command-node", command.name))
                event.features += [COMMANDS, ns.DATA_FORMS]
            else:
                event.refusal = StanzaError(Condition.FORBIDDEN)

    @observe(DiscoItems)
    def list_commands(self, event: DiscoItems) -> None:
        """List the commands (XEP-0050 section 2.2)."""
        if event.entity == self.jid and event.node == COMMANDS:
            event.known = True
            allowed = [command for command in self._commands.values() if command.allowed(event.asker)]
            event.items += [Item(self.jid, command.name, command.node) for command in allowed]

    @iq_set(COMMANDS, "command")
    async def execute(self, request: Iq) -> Iq:
        """Register an app, or end that (XEP-0050)."""
        known: dict[str, ICommand] = self._commands
        return await self.commands.answer(request, known)

    @property
    def vapid(self) -> str:
        """The key that subscriptions of Web Push are made with, or ""."""
        return self.carriers.vapid

    # Publishing

    async def iq(self, iq: Iq) -> None:
        """Take a notification (XEP-0357 section 7).

        The answer waits a little for the vendor's: that must not hold up other stanzas of the same server.
        """
        if not iq.answerable:
            return
        if not iq.has(PUBSUB, "pubsub") or iq.recipient.local:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        if iq.type != "set":
            raise publishing.unsupported(iq.child(PUBSUB, "pubsub"))
        self.host.spawn(self._answer(iq), "taking a push")

    async def _answer(self, iq: Iq) -> None:
        try:
            reply = iq.result(await self._publish(iq))
        except StanzaError as error:
            self.refused += 1
            reply = iq.error(error)
        except StorageUnavailable as error:
            self.log.warn("a push can't be taken: {reason}", reason=error.reason)
            reply = iq.error(StanzaError(Condition.RESOURCE_CONSTRAINT, "wait", "Try again later."))
        except Exception:
            self.log.failure("a push of {publisher} can't be taken", publisher=iq.from_)
            reply = iq.error(StanzaError(Condition.INTERNAL_SERVER_ERROR, "wait"))
        self.host.send(reply)

    async def _publish(self, iq: Iq) -> bytes:
        """Take a push; return what is answered when it is on disk."""
        publisher, now = iq.sender, self.clock.seconds()
        if publisher.domain != self.host.jid:  # which has limits of its own
            if self._rates.full(publisher.domain, now):
                raise StanzaError(Condition.POLICY_VIOLATION, "wait", "Too many pushes; try again in a minute.")
            self._rates.add(publisher.domain, now)
        if len(iq.payload) > self.options.payload_octets:
            raise publishing.too_large(self.options.payload_octets)
        publish = publishing.read(iq)
        device = await self._device(publish, publisher)
        current = self.registrar.check(device, publisher, publish.secret)
        if self.carriers.get((device.road, device.app)) is None:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, "wait", f"{device.app} can't be pushed to at present.")
        entry = await self.queue.take(publish, publisher.domain, device, current)
        if entry is not None:
            self.published += 1
            await self._early_answer(entry)
        item = tag("item", id=publish.item) if publish.item else tag("item", id=str(entry.number) if entry else None)
        return tag("pubsub", tag("publish", item, node=publish.node), xmlns=PUBSUB)

    async def _device(self, publish: Publish, publisher: Jid) -> Device:
        service = str(self.jid)
        device = await self.db.read(lambda c: store.find(c, service, publish.node))
        if device is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such registration.")
        return device

    async def _early_answer(self, entry: Entry) -> None:
        """Have it sent, and wait a little: a vendor that knows the token no more says so at once.

        :raises StanzaError: item-not-found: it has said so; not-acceptable: it doesn't want this one.
        """
        told: Deferred[tuple[PushResult, str]] = Deferred()
        entry.answer = lambda result, reason: told.callback((result, reason))
        if self.options.answer_seconds:
            timer = self.later(self.options.answer_seconds, lambda: entry.tell(PushResult.WAITING))
            self.queue.go(entry)
            result, reason = await told
            timer.cancel()
        else:
            entry.answer = None
            self.queue.go(entry)
            return
        if result is PushResult.GONE:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text=reason)
        if result is PushResult.FAILED:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=reason)

    # Ends

    def registrations_ended(self, devices: Sequence[Device], reason: str) -> None:
        """Registrations were removed, and not by those who had made them."""
        self.gone += len(devices)
        for device in devices:
            self.log.info(
                "{road}: an app of {account} is gone: {reason}", road=device.road, account=device.account, reason=reason
            )
        self.queue.forget((device.node for device in devices), reason)
        self.registrar.tell(devices)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Remove what an account of ours has registered."""
        removed = await self.registrar.remove(DEVICES.c.account == str(event.account))
        self.queue.forget((device.node for device in removed), "the account was deleted")

    def _tidy(self) -> None:
        self.queue.tidy()
        self.carriers.tidy(self.clock.seconds())

    async def _forget(self) -> None:
        service, before = str(self.jid), self.clock.seconds() - _HOUR
        try:
            await self.db.write(lambda c: store.forget_settled(c, service, before))
            ended = await self.registrar.end_unused()
        except StorageUnavailable as error:
            self.log.warn("old pushes are forgotten later: {reason}", reason=error.reason)
            return
        self.registrations_ended(ended, "nothing was pushed to it for long")

    # What it tells

    def figures(self) -> Iterable[Figure]:
        """See Plugin."""
        carriers, queue = self.carriers.all(), self.queue
        refused = sum(bool(carrier.problem) for carrier in self.carriers.apps.values())
        yield Figure("waiting", "Pushes that wait, or are under way.", len(queue))
        yield Figure("published", "Pushes that were taken.", self.published, grows=True)
        yield Figure("refused", "Requests to push that were answered with an error.", self.refused, grows=True)
        yield Figure("accepted", "Pushes that vendors have accepted.", queue.accepted, grows=True)
        yield Figure("failed", "Pushes that were given up.", queue.failed, grows=True)
        yield Figure("retried", "Attempts after which a push was tried again.", queue.retried, grows=True)
        yield Figure("superseded", "Pushes whose place a newer one took.", queue.superseded, grows=True)
        yield Figure("gone", "Registrations whose app is not there any more.", self.gone, grows=True)
        yield Figure("resting", "Apps and push services that are left alone for a while.",
                     sum(c.resting_until > self.clock.seconds() for c in carriers))  # fmt: skip
        yield Figure("refused_credentials", "Apps whose credentials the vendor refuses.", refused)
