"""RFC 6121 sections 2 and 3: the roster, its versions, and presence subscriptions (with appendix A)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace

from xmppd.api import (
    ACCOUNT,
    OWN_ACCOUNT,
    AccountDeleted,
    AvailabilityChanged,
    Condition,
    Field,
    FromClient,
    IHost,
    Iq,
    IRoster,
    ISession,
    IStream,
    Jid,
    Plugin,
    Presence,
    RosterChanged,
    RosterItem,
    ServerReachable,
    SessionBound,
    SessionEnded,
    Stanza,
    StanzaError,
    Subscription,
    SubscriptionApproved,
    ToAccount,
    Verdict,
    filter,
    iq_get,
    iq_set,
    observe,
    settled,
    stream_feature,
)
from xmppd.api.pace import Pace
from xmppd.api.waiting import as_deferred
from xmppd.plugins.roster import forms
from xmppd.plugins.roster.operations import RosterOperations
from xmppd.plugins.roster.rosters import Change, Roster, Rosters
from xmppd.plugins.roster.rules import SUBSCRIBE, TYPES, State
from xmppd.plugins.roster.store import TABLES, read_request
from xmppd.plugins.roster.subscriptions import RequestLimits, Subscriptions

__all__ = ["RosterPlugin"]

#: Under which name an interested resource (2.2) remembers that it is one, and which version it knows until it has been
#: brought up to date.
STATE = "roster"
#: Stream features (2.6.1 and 3.4.1).
_FEATURES = b"<ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/>"


class RosterPlugin(Plugin, RosterOperations):
    """Keep everybody's contact list, and let people ask to see each other's presence."""

    xep = (237, "1.3")
    features = (forms.NS,)
    provides = (IRoster,)
    tables = TABLES

    class Options(forms.Limits):
        """How large rosters may be, and how much of them is kept in memory."""

        requests: int = Field(
            500, ge=0, description="How many subscription requests may wait for an account's answer; more are ignored."
        )
        request_octets: int = Field(
            10_000, ge=500, description="Of a request that is longer, in octets, the content is not kept."
        )
        cached_rosters: int = Field(
            1000, ge=0, description="How many rosters of accounts that are not connected are kept in memory."
        )
        again_per_second: int = Field(
            100,
            ge=1,
            description="Subscription requests without an answer that are repeated in a second when another server is "
            "found again.",
        )
        removals_kept: int = Field(
            200, ge=1, description="How many removed contacts are remembered, for clients that know an older version."
        )

    def __init__(self, host: IHost, options: Plugin.Options | None = None) -> None:
        super().__init__(host, options)
        self._rosters = Rosters(self.db, self._online, self.options.cached_rosters, self.options.removals_kept)
        self._subscriptions = self._make_subscriptions()
        # Sessions whose roster is still being brought up to date.
        self._behind: set[ISession] = set()
        self._pace = Pace(self.later, lambda: self.options.again_per_second)
        self._found: set[str] = set()  # domains whose users are being asked again

    async def reconfigured(self, options: Options) -> None:
        """Take other limits."""
        self._rosters.cache, self._rosters.removals_kept = options.cached_rosters, options.removals_kept
        self._subscriptions = self._make_subscriptions()

    def _make_subscriptions(self) -> Subscriptions:
        options = self.options
        limits = RequestLimits(options.items, options.requests, options.request_octets)
        return Subscriptions(self.host, self._rosters, limits, self._tell)

    # Sessions

    def _online(self, account: Jid) -> bool:
        return bool(self.host.sessions(account))

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """Keep the roster in memory from now on, if it is there."""
        self._rosters.came(event.session.account)
        behind = event.session.state.get(STATE)
        if behind:  # the server was killed between the result and the pushes
            self._bring_up_to_date(event.session, behind)

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> None:
        """Forget the session, and with the last one of the account its roster."""
        session, account = event.session, event.session.account
        self._behind.discard(session)
        if all(other is session for other in self.host.sessions(account)):
            self._rosters.left(account)

    @observe(AvailabilityChanged)
    def availability(self, event: AvailabilityChanged) -> Awaitable[None] | None:
        """A resource is available: deliver what waits for an answer (3.1.3, point 4), ask again what has got none."""
        if event.previous is not None or event.presence.type != "available":
            return None
        roster = self._rosters.cached(event.session.account)
        if roster is None:
            return self._load_and_remind(event.session)
        self._remind(event.session, roster)
        return None

    async def _load_and_remind(self, session: ISession) -> None:
        self._remind(session, await self._rosters.load(session.account))

    def _remind(self, session: ISession, roster: Roster) -> None:
        if session.presence is None:
            return  # It has ended while the roster was read.
        for stored in roster.requests.values():
            self._send(session, read_request(stored))
        others = (other for other in self.host.sessions(roster.account) if other is not session)
        if not any(other.presence is not None for other in others):
            again = self._subscriptions.ask_again(roster.account, roster)
            self.host.spawn(again, f"subscription requests of {roster.account}")

    @observe(ServerReachable)
    def reachable(self, event: ServerReachable) -> None:
        """Ask again whoever may not have got a request, or whose answer may have been lost."""
        if event.domain not in self._found:
            self._found.add(event.domain)
            self.later(0, lambda: self._ask_again_in(event.domain))

    def _ask_again_in(self, domain: Jid) -> None:
        done = as_deferred(self._ask_all_again(domain))  # of no concern to a server that stops
        done.addErrback(lambda failure: self.log.failure("asking again in {domain}", failure=failure, domain=domain))

    async def _ask_all_again(self, domain: Jid) -> None:
        for account in dict.fromkeys(session.account for session in self.host.all_sessions()):
            roster = self._rosters.cached(account)
            asked = 0 if roster is None else await self._subscriptions.ask_again(account, roster, domain)
            await self._pace.step(asked + 0.01)
        self._found.discard(domain)

    @observe(AccountDeleted)
    async def deleted(self, event: AccountDeleted) -> None:
        """Delete the account's roster, and cancel its subscriptions both ways."""
        account = event.account
        roster = await self._rosters.delete(account)
        for contact in {**roster.items, **roster.requests}:
            await self._subscriptions.farewell(account, contact, roster.state(contact))

    # Stream features

    @stream_feature
    def stream_features(self, stream: IStream) -> bytes | None:
        """Announce roster versions and pre-approval to who has logged in."""
        return _FEATURES if stream.account is not None else None

    # Roster get and set

    @iq_get(forms.NS, "query", to=OWN_ACCOUNT)
    def get(self, request: Iq) -> Iq | Awaitable[Iq]:
        """Answer a roster get (2.2)."""
        if any(child.name == "item" for child in request.request.elements()):
            raise StanzaError(Condition.BAD_REQUEST, text="a roster get has no items")
        roster = self._rosters.cached(request.sender.bare)
        return self._load_and_get(request) if roster is None else self._answer_get(request, roster)

    async def _load_and_get(self, request: Iq) -> Iq:
        return self._answer_get(request, await self._rosters.load(request.sender.bare))

    def _answer_get(self, request: Iq, roster: Roster) -> Iq:
        session = self.host.session(request.sender)
        known = request.request.attributes.get("ver")
        changes = roster.changes_since(known) if known else None
        if session is not None:
            session.keep(STATE, "")
        if changes is None or len(changes) > max(len(roster.items), 1):
            return request.result(forms.query(roster.items.values(), roster.version))
        if session is not None and changes:
            self._bring_up_to_date(session, str(known))
        return request.result()

    def _bring_up_to_date(self, session: ISession, known: str) -> None:
        """Have the changes follow as pushes (2.6.3), behind the result, and what would overtake them put off."""
        session.keep(STATE, known)
        self._behind.add(session)
        self.later(0, lambda: self._catch_up(session, known))

    async def _catch_up(self, session: ISession, known: str) -> None:
        if session in self._behind:
            self._behind.discard(session)
            roster = await self._rosters.load(session.account)
            for version, jid in roster.changes_since(known) or ():
                text = f"{roster.header.epoch}-{version}"
                self._send(session, forms.push(roster.account, jid, roster.items.get(jid), text))
            session.keep(STATE, "")

    @iq_set(forms.NS, "query", to=OWN_ACCOUNT)
    async def set(self, request: Iq) -> Iq:
        """Add, change or remove an item (2.3 to 2.5)."""
        account = request.sender.bare
        wanted = forms.read_set(request.request, account, self.options)
        if wanted.remove:
            if not await self.remove(account, wanted.jid):
                raise StanzaError(Condition.ITEM_NOT_FOUND)
            return request.result()

        def decide(roster: Roster) -> Change:
            before = roster.items.get(wanted.jid)
            if before is None and len(roster.items) >= self.options.items:
                text = f"a roster holds {self.options.items} contacts at most"
                raise StanzaError(Condition.POLICY_VIOLATION, text=text)
            item = replace(before or RosterItem(wanted.jid), name=wanted.name, groups=wanted.groups)
            return roster.change(wanted.jid, item, roster.requests.get(wanted.jid))

        change = await self._rosters.change(account, decide, self._push)
        if change.visible:
            await settled(self.host.notify(RosterChanged(account, wanted.jid, change.before, change.after)))
        return request.result()

    @iq_set(forms.NS, "query", to=ACCOUNT)
    def refuse(self, request: Iq) -> Iq:
        """Refuse a roster set for somebody else's account (2.3.3)."""
        raise StanzaError(Condition.FORBIDDEN)

    # Subscription stanzas

    @filter(FromClient, kinds=(Presence,))
    def outbound(self, event: FromClient) -> Awaitable[Verdict] | None:
        """Take subscription stanzas of our users; everything else passes."""
        stanza = event.stanza
        if stanza.type not in TYPES or stanza.to is None or not isinstance(stanza, Presence):
            return None
        return self._subscriptions.outbound(event.session.account, stanza)

    @filter(ToAccount, kinds=(Presence,))
    def inbound(self, event: ToAccount) -> Verdict | Awaitable[Verdict] | None:
        """Take subscription stanzas for our users, and errors that answer theirs; everything else passes."""
        stanza = event.stanza
        if not isinstance(stanza, Presence):
            return None
        if stanza.type in TYPES:
            return self._subscriptions.inbound(event.account, stanza)
        if stanza.type == "error" and stanza.to == event.account:
            return self._subscriptions.failed(event.account, stanza)
        return None

    # To the devices

    def _tell(self, roster: Roster, change: Change, stanza: Presence | None) -> None:
        """Deliver a subscription stanza, then the push that its effect brings about."""
        if stanza is not None and stanza.type == SUBSCRIBE:
            for session in self.host.sessions(roster.account):
                if session.presence is not None:
                    self._send(session, stanza)
        elif stanza is not None:
            for session in self.interested(roster.account):
                self._send(session, stanza)
        if change.visible:
            self._push(roster, change)

    def _push(self, roster: Roster, change: Change) -> None:
        """Send a roster push to the interested resources (2.1.6)."""
        sessions = self.interested(roster.account)
        if sessions:
            push = forms.push(roster.account, change.contact, change.after, roster.version)
            for session in sessions:
                if session not in self._behind:
                    self._send(session, push.readdressed(to=session.jid))

    def _send(self, session: ISession, stanza: Stanza) -> None:
        pending = session.send(stanza if stanza.to is not None else stanza.readdressed(to=session.jid))
        if pending is not None:
            self.host.spawn(settled(pending), f"sending to {session.jid}")

    # IRoster

    def cached(self, account: Jid) -> Roster | None:
        """See :class:`xmppd.api.IRoster`."""
        return self._rosters.cached(account)

    async def load(self, account: Jid) -> Roster:
        """See :class:`xmppd.api.IRoster`."""
        return await self._rosters.load(account)

    def interested(self, account: Jid) -> Sequence[ISession]:
        """See :class:`xmppd.api.IRoster`."""
        return tuple(session for session in self.host.sessions(account) if STATE in session.state)

    async def put(
        self,
        account: Jid,
        contact: Jid,
        name: str | None = None,
        groups: Sequence[str] = (),
        subscription: Subscription | None = None,
    ) -> RosterItem:
        """See :class:`xmppd.api.IRoster`."""
        if not contact.is_bare or contact == account:
            raise ValueError(f"{contact} can't be a contact of {account}")

        def decide(roster: Roster) -> Change:
            item = replace(roster.items.get(contact) or RosterItem(contact), name=name, groups=tuple(groups))
            request = roster.requests.get(contact)
            if subscription is not None:
                state = State.of(subscription, item.ask, request is not None)
                request = request if state.pending_in else None
                item = replace(item, subscription=subscription, ask=state.pending_out)
                item = replace(item, approved=item.approved and not item.from_)
            return roster.change(contact, item, request)

        change = await self._rosters.change(account, decide, self._push)
        assert change.after is not None
        if change.visible:
            await settled(self.host.notify(RosterChanged(account, contact, change.before, change.after)))
        if change.after.from_ and (change.before is None or not change.before.from_):
            await settled(self.host.notify(SubscriptionApproved(account, contact)))
        return change.after

    async def remove(self, account: Jid, contact: Jid) -> bool:
        """See :class:`xmppd.api.IRoster`."""
        state = State.NONE

        def decide(roster: Roster) -> Change:
            nonlocal state
            state = roster.state(contact)
            if contact not in roster.items:
                return roster.change(contact, None, roster.requests.get(contact))
            return roster.change(contact, None, None)

        change = await self._rosters.change(
            account, decide, lambda roster, done: self._push(roster, done) if done.visible else None
        )
        if not change.visible:
            return False
        await settled(self.host.notify(RosterChanged(account, contact, change.before, None)))
        await self._subscriptions.farewell(account, contact, state)
        return True
