"""XEP-0357 Push Notifications, on the user's server; with the settings of XEP-0492.

:mod:`.requests` reads what clients ask for, :mod:`.registrations` keeps it. :mod:`.engine` decides by the tables of
:mod:`.rules` what an app is to be told, :mod:`.wakeups` tells it, :mod:`.outcomes` says what the answers mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from typing import Any

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    OWN_ACCOUNT,
    AccountDeleted,
    Condition,
    Iq,
    IRoster,
    Jid,
    Message,
    Phase,
    SessionBound,
    SessionEnded,
    SessionHibernates,
    SessionResumed,
    StanzaError,
    ToAccount,
    filter,
    iq_set,
    observe,
    use,
)
from xmppd.api.figures import Figure
from xmppd.api.muc import MembersMissed
from xmppd.api.pep import ItemsChanged
from xmppd.api.presence import IDirectedPresence
from xmppd.api.push import IPush, Pushed, PushResult, Registration
from xmppd.plugins.push import operations, store
from xmppd.plugins.push.engine import Engine
from xmppd.plugins.push.options import PushOptions
from xmppd.plugins.push.parcels import Parcels
from xmppd.plugins.push.payload import NS
from xmppd.plugins.push.registrations import ENABLED, Entry, Registrations, device_of
from xmppd.plugins.push.requests import FEATURES, Disabling, Enabling
from xmppd.plugins.push.settings import BOOKMARKS

_HOUSEKEEPING = 6 * 3600.0  # seconds
_DAY = 86_400.0
_PUBSUB = "http://jabber.org/protocol/pubsub"


class Push(operations.PushOperations):
    """Wake users' phones: tell the push services of their apps when there is something new."""

    xep = (
        (334, "1.0.0"), (353, "0.8.0"), (357, "0.4.1"), (372, "0.5.0"), (461, "0.2.1"), (492, "0.2.0"),
        (513, "0.1.0"),
    )  # fmt: skip
    account_features = FEATURES
    provides = (IPush,)
    tables = (store.REGISTRATIONS, store.PARCELS)

    roster = use(IRoster)
    presence = use(IDirectedPresence)

    Options = PushOptions

    async def start(self) -> None:
        self.registered = Registrations(self.host)
        await self.registered.load()
        self._engine = Engine(self.host, self.options, self.later, self.registered, self.roster, self.presence)
        self.wakeups = self._engine.wakeups
        self._parcels = Parcels(self.host, self.later, self.registered, self.wakeups)
        await self._parcels.load()
        if self.registered:
            self.wake()
        for entry in self.registered:
            self.wakeups.plan(entry)  # what was to be told when the server ended
        await self._keep_house()
        self.every(_HOUSEKEEPING, self._keep_house)

    async def reconfigured(self, options: PushOptions) -> None:
        self._engine.take(options)

    async def stop(self) -> None:
        self._engine.stop()

    # Clients (sections 5 and 6)

    @iq_set(NS, "enable", to=OWN_ACCOUNT)
    async def enable(self, request: Iq) -> Iq:
        """Register an app, or renew its registration; it is on disk when the client hears of it."""
        wanted = Enabling.read(request.request, self.options.max_octets)
        session, account = self.host.session(request.sender), request.sender.bare
        device = device_of(session) if session is not None else request.sender.resource
        await self.registered.enable(account, wanted, device, self.options.max_registrations)
        if session is not None:
            named = [str(wanted.service), wanted.node]
            kept = [one for one in session.state.get(ENABLED, ()) if one != named]
            session.keep(ENABLED, [*kept, named][-self.options.max_registrations :])
        self.wake()
        return request.result()

    @iq_set(NS, "disable", to=OWN_ACCOUNT)
    async def disable(self, request: Iq) -> Iq:
        """Forget a registration, or all with a service; that there is none is no error."""
        wanted = Disabling.read(request.request)
        await self._disable(request.sender.bare, wanted.service, wanted.node)
        return request.result()

    async def _disable(self, account: Jid, service: Jid, node: str | None) -> int:
        entries = [e for e in self.registered.of(account) if e.service == service and node in (None, e.node)]
        await self.registered.remove(entries)
        return len(entries)

    @iq_set(NS, "enable", to=(ACCOUNT, NO_ACCOUNT))
    @iq_set(NS, "disable", to=(ACCOUNT, NO_ACCOUNT))
    def refuse(self, request: Iq) -> Iq:
        """Refuse to do so for somebody else, whether there is such an account or not."""
        raise StanzaError(Condition.SERVICE_UNAVAILABLE if request.recipient.resource else Condition.FORBIDDEN)

    # What happens

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,), dormant=True)
    def arrives(self, event: ToAccount) -> Awaitable[None] | None:
        """A message comes for an account: is there an app to be told of it?"""
        stanza = event.stanza
        if event.account not in self.registered or not isinstance(stanza, Message):
            return None
        if stanza.has(_PUBSUB, "pubsub"):
            self.host.spawn(self._ended_by_service(event.account, stanza), f"looking what {stanza.from_} has ended")
            return None
        return self._engine.consider(event.account, stanza)

    @observe(MembersMissed, dormant=True)
    def missed(self, event: MembersMissed) -> None:
        """Members of a room are not there to read what was said."""
        self._engine.missed(event)

    @observe(ItemsChanged, dormant=True)
    def settings_changed(self, event: ItemsChanged) -> None:
        """A user's bookmarks have changed, and what is in them about notifications (XEP-0492)."""
        if event.node == BOOKMARKS:
            self._engine.judge.settings.forget(event.account)

    async def _ended_by_service(self, account: Jid, message: Message) -> None:
        """Forget a registration whose service takes nothing any more (section 8)."""
        pubsub = message.child(_PUBSUB, "pubsub")
        if pubsub is None or message.from_ is None:
            return
        gone = any(a.getAttribute("affiliation") == "none" for a in pubsub.elements(_PUBSUB, "affiliation"))
        if gone and pubsub.getAttribute("node"):
            await self._disable(account, message.from_, pubsub.getAttribute("node"))

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """A client is there; or its session is back after a restart, and what it has not got is to be looked at."""
        if event.session.account not in self.registered:
            return
        if event.restored:
            self._engine.lost(event.session)
            return
        for entry in self.registered.of_session(event.session):
            self.wakeups.seen(entry)
            if entry.disabled is not None and not entry.gone:
                self._revive(entry)

    def _revive(self, entry: Entry) -> None:
        entry.disabled, entry.errors = None, 0
        change = partial(store.change, id=entry.id, values=entry.health())
        self.host.spawn(_done(self.db.write(change)), f"using the push service of {entry.account} again")

    @observe(SessionHibernates)
    def hibernates(self, event: SessionHibernates) -> None:
        """A client has lost its connection."""
        self._engine.lost(event.session)

    @observe(SessionResumed)
    def resumed(self, event: SessionResumed) -> None:
        """It is back, and is sent what it has not got."""
        for entry in self.registered.of_session(event.session):
            self.wakeups.seen(entry)

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> None:
        """It will not be."""
        self._engine.ended(event.session)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's registrations."""
        self._engine.judge.settings.forget(event.account)
        await self._parcels.forget([entry.id for entry in self.registered.of(event.account)])
        await self.registered.forget(event.account)

    async def _keep_house(self) -> None:
        before = self.clock.seconds() - self.options.forget_days * _DAY
        for entry in [e for e in self.registered if e.disabled is not None and e.error_at < before]:
            await self.registered.remove([entry])

    # For other plugins and operators

    async def registrations(self, account: Jid) -> Sequence[Registration]:
        """See :class:`xmppd.api.push.IPush`."""
        return [entry.public() for entry in self.registered.of(account)]

    async def push(self, registration: Registration, payload: bytes, *, item: str, priority: str = "normal") -> Pushed:
        """See :class:`xmppd.api.push.IPush`."""
        entry = self.registered.find(registration.account, registration.service, registration.node)
        if entry is None:
            return Pushed(PushResult.GONE, "the app has turned push off")
        return await self._parcels.push(entry, payload, item, priority)

    def figures(self) -> Iterable[Figure]:
        """See :class:`xmppd.api.Plugin`."""
        entries, counts = list(self.registered), self.wakeups.counts
        yield Figure("registrations", "Apps that are registered.", len(entries))
        disabled = sum(entry.disabled is not None for entry in entries)
        yield Figure("disabled", "Those of them that are not used, because of errors.", disabled)
        waiting = sum(bool(entry.waiting) for entry in entries) + len(self._parcels)
        yield Figure("waiting", "Apps that are still to be told, and what else waits for one.", waiting)
        yield Figure("published", "What was sent to push services.", counts.published, grows=True)
        yield Figure("accepted", "What they have taken.", counts.accepted, grows=True)
        yield Figure("failed", "What they have refused or not answered.", counts.failed, grows=True)
        yield Figure("gathered", "Messages that were told of together with others.", counts.gathered, grows=True)
        yield Figure("repeated", "Apps that were told again because they didn't come.", counts.repeated, grows=True)


async def _done(work: Awaitable[Any]) -> None:
    await work
