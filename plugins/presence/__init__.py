"""RFC 6121 section 4: initial and later presence, unavailable presence, probes, directed presence."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable

from twisted.python.failure import Failure

from xmppd.api import (
    AvailabilityChanged,
    Bounce,
    Condition,
    FromClient,
    Handled,
    IHost,
    IRoster,
    IRosterView,
    ISession,
    Jid,
    Plugin,
    Presence,
    RosterChanged,
    SessionEnded,
    Stanza,
    StanzaError,
    SubscriptionApproved,
    ToAccount,
    Verdict,
    filter,
    need,
    observe,
    settled,
    use,
)
from xmppd.api.blocking import IBlocking
from xmppd.api.presence import IContactDevices, IDirectedPresence
from xmppd.plugins.presence.abroad import Abroad
from xmppd.plugins.presence.departures import Departures
from xmppd.plugins.presence.directed import Directed
from xmppd.plugins.presence.elsewhere import Elsewhere
from xmppd.plugins.presence.options import Limits
from xmppd.plugins.presence.repairs import Known, Repairs
from xmppd.wire.xml import SEPARATOR

__all__ = ["PresencePlugin"]

Pending = list[Awaitable[None]]
_ENTER = f"http://jabber.org/protocol/muc{SEPARATOR}x"  # XEP-0045 7.2.2


class PresencePlugin(Elsewhere, Plugin):
    """Show people which of their contacts are there, on which devices, and in which mood."""

    provides = (IDirectedPresence, IContactDevices)

    roster = need(IRoster)
    blocking = use(IBlocking)

    class Options(Limits):
        """How much is remembered, and how what was lost between servers is made good."""

    def __init__(self, host: IHost, options: Plugin.Options | None = None) -> None:
        super().__init__(host, options)
        self._directed = Directed()
        self._abroad = Abroad(self.options.devices, self.options.absent)
        self._departures = Departures(self.options.departures)

    async def start(self) -> None:
        known = Known(self._abroad, self._directed, self._departures, self._blocks)
        self._repairs = Repairs(self.host, self.roster, known, lambda: self.options, self.later, self._failed)
        self.read_again()

    async def stop(self) -> None:
        """Write down whom accounts know elsewhere, for the next start."""
        self.write_down()

    async def reconfigured(self, options: Options) -> None:
        """Take other limits."""
        self._abroad.resources, self._abroad.absent = options.devices, options.absent
        self._departures.most = options.departures

    def _failed(self, what: str, failure: Failure) -> None:
        self.log.failure("{what} failed", failure=failure, what=what)

    def _blocks(self, account: Jid, other: Jid) -> bool:
        return self.blocking is not None and self.blocking.blocks(account, other)

    # What our users send

    @filter(FromClient, kinds=(Presence,))
    def directing(self, event: FromClient) -> Verdict | None:
        """Remember whom a device sends presence to by name (4.6.3)."""
        stanza, to = event.stanza, event.stanza.to
        if to is None or to.bare == event.session.account:
            return None
        if stanza.type == "available":
            if not self._directed.add(event.session, to, self.options.directed, _ENTER in stanza.raw_names):
                text = f"presence can be directed to {self.options.directed} addresses at a time"
                return Bounce(StanzaError(Condition.POLICY_VIOLATION, type="wait", text=text))
        elif stanza.type == "unavailable":
            self._directed.discard(event.session, to)
            self._leaves(event.session, to)
        return None

    def _leaves(self, session: ISession, recipient: Jid) -> None:
        """A device takes leave of somebody: if that is elsewhere, it may be lost."""
        if not self.host.serves(recipient.domain):
            self._departures.add(self.clock.seconds(), session.jid, recipient)

    def directed(self, session: ISession) -> Collection[Jid]:
        """See :class:`xmppd.api.presence.IDirectedPresence`."""
        return self._directed.all(session)

    def rooms(self, session: ISession) -> Collection[Jid]:
        """See :class:`xmppd.api.presence.IDirectedPresence`."""
        return self._directed.rooms(session)

    @observe(AvailabilityChanged)
    def availability(self, event: AvailabilityChanged) -> Awaitable[None] | None:
        """Tell contacts and the user's own devices about new presence of a device."""
        view = self.roster.cached(event.session.account)
        return self._load_and_change(event) if view is None else _settle(self._change(event, view))

    async def _load_and_change(self, event: AvailabilityChanged) -> None:
        view = await self.roster.load(event.session.account)
        if event.presence.type == "available" and event.session.presence is not event.presence:
            return  # The session has ended while the roster was read.
        await settled(*self._change(event, view))

    def _change(self, event: AvailabilityChanged, view: IRosterView) -> Pending:
        session, presence = event.session, event.presence
        pending: Pending = []
        if presence.type == "available":
            initial = event.previous is None
            if initial:
                self._directed.forgive(session)
            self._show_own_devices(session, presence, initial, pending)
            self._broadcast(session, presence, view, pending)
            if initial:
                self._probe(session, presence, view, pending)
        else:
            told: IRosterView | None = None
            if event.previous is not None:
                self._show_own_devices(session, presence, False, pending)
                self._broadcast(session, presence, view, pending)
                told = view
            self._end_directed(session, presence, told, pending)
        return pending

    def _show_own_devices(self, session: ISession, presence: Presence, initial: bool, pending: Pending) -> None:
        """One is always subscribed to one's own presence (4.2.2, 4.4.2, 4.5.2), the device itself included."""
        account = session.account
        shown = presence.readdressed(to=account)
        for other in self.host.sessions(account):
            if other.presence is not None or other is session:
                _add(pending, other.send(shown))
        if initial:
            for other in self.host.sessions(account):
                if other is not session and other.presence is not None:
                    _add(pending, session.send(other.presence.readdressed(to=session.jid)))

    def _broadcast(self, session: ISession, presence: Presence, view: IRosterView, pending: Pending) -> None:
        """Send presence to the contacts that are subscribed (4.2.2, 4.4.2, 4.5.2).

        Of an account of this server that nobody is connected to, nobody can tell whether it was sent any.
        """
        account, blocking, refusing = session.account, self.blocking, self._directed.refusing(session)
        serves, sessions, route = self.host.serves, self.host.sessions, self.host.route
        leaving, now = presence.type == "unavailable", self.clock.seconds()
        for contact in view.subscribers:
            here = serves(contact.domain)
            if here and not sessions(contact):
                continue
            if refusing is not None and contact in refusing:
                continue
            if blocking is not None and blocking.blocks(account, contact):
                continue
            if leaving and not here:
                self._departures.add(now, session.jid, contact)
            outcome = route(presence.readdressed(contact))
            if outcome is not None:
                pending.append(outcome)

    def _end_directed(self, session: ISession, presence: Presence, told: IRosterView | None, pending: Pending) -> None:
        """Send unavailable presence to those who know of the device by directed presence (4.6.3).

        :param told: the roster whose subscribers have been sent it already, or None.
        """
        for recipient in self._directed.take(session):
            if told is None or not _subscribed(told, recipient.bare):
                self._leaves(session, recipient)
                _add(pending, self.host.route(presence.readdressed(recipient)))

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> Awaitable[None] | None:
        """Take leave of those to whom a device sent presence by name without ever being available to all."""
        session = event.session
        if not self.host.sessions(session.account):
            self._abroad.left(session.account)
        pending: Pending = []
        self._end_directed(session, Presence(from_=session.jid, type="unavailable"), None, pending)
        self._directed.forgive(session)
        return _settle(pending)

    # Probes

    def _probe(self, session: ISession, presence: Presence, view: IRosterView, pending: Pending) -> None:
        """Find out the presence of the contacts the user is subscribed to (4.2.2, 4.3.1)."""
        here, account = self.host.jid, session.account
        for contact in view.subscriptions:
            if self._blocks(account, contact):
                continue
            if contact.domain == here:
                sessions = self.host.sessions(contact)
                if not sessions:
                    continue  # 4.3.2: to tell of nobody is not mandatory
                theirs = self.roster.cached(contact)
                if theirs is not None and _subscribed(theirs, account):
                    if not self._blocks(contact, account):
                        self._show(sessions, session.jid, pending)
                    continue
            elif not self.host.serves(contact.domain):
                self._repairs.missed(contact.domain, account)
            probe = Presence(to=contact, from_=session.jid, type="probe").along(presence)  # and behind it
            _add(pending, self.host.route(probe))

    def _show(self, sessions: Iterable[ISession], to: Jid, pending: Pending) -> None:
        """Send the present presence of these devices."""
        for session in sessions:
            if session.presence is not None:
                _add(pending, self.host.route(session.presence.readdressed(to)))

    @filter(ToAccount, kinds=(Presence,))
    def incoming(self, event: ToAccount) -> Verdict | Awaitable[Verdict | None] | None:
        """Answer probes; note errors and who has left. Everything else passes."""
        stanza = event.stanza
        if stanza.type == "probe":
            view = self.roster.cached(event.account)
            return self._load_and_answer(stanza, event.account) if view is None else self._answer(stanza, view)
        if stanza.type == "error":
            self._note_error(stanza, event.account)
        elif stanza.from_ is not None:
            if stanza.type == "unavailable":
                self._note_leaving(stanza, stanza.from_)
            if self._directed.any_refused:
                for session in self.host.sessions(event.account):
                    self._directed.accepted(session, stanza.from_.bare)
            if stanza.from_.domain != self.host.jid and isinstance(stanza, Presence):
                return self._from_elsewhere(stanza, event.account)
        return None

    def _note_error(self, stanza: Stanza, account: Jid) -> None:
        """Stop sending presence to a contact that answers it with an error (4.4.2), until the next presence session."""
        sender = stanza.sender
        session, view = self.host.session(stanza.recipient), self.roster.cached(account)
        if session is not None:
            self._directed.discard(session, sender)
            if view is not None and _subscribed(view, sender.bare):
                self._directed.refused(session, sender.bare)

    def _note_leaving(self, stanza: Stanza, sender: Jid) -> None:
        """Who has left (a room that threw the user out) needs not be told when the device does."""
        session = self.host.session(stanza.to) if stanza.to is not None and stanza.to.resource else None
        if session is not None:
            self._directed.discard(session, sender)

    async def _load_and_answer(self, probe: Stanza, account: Jid) -> Verdict:
        return self._answer(probe, await self.roster.load(account))

    def _answer(self, probe: Stanza, view: IRosterView) -> Verdict:
        """Answer a probe by the rules of 4.3.2, and of 4.6.6 for who knows the device by directed presence."""
        asker, to = probe.sender, probe.recipient
        account = to.bare
        one = self.host.session(to) if to.resource else None
        sessions = self.host.sessions(account) if not to.resource else () if one is None else (one,)
        if asker.bare == account or _subscribed(view, asker.bare):
            shown = [s.presence.readdressed(asker) for s in sessions if s.presence is not None]
            if asker.domain != self.host.jid and self.host.serves(asker.domain):
                self._asked_from_here(account, asker)
                if asker.resource and not shown:
                    return Handled()  # 4.3.2: to tell of nobody is not mandatory
            return Handled(also=shown or [Presence(to=asker, from_=to, type="unavailable")])
        # Who got directed presence may know that the device is still there, and nothing else.
        present = [Presence(to=asker, from_=s.jid) for s in sessions if self._directed.has(s, asker)]
        return Handled(also=present or [Presence(to=asker.bare, from_=account, type="unsubscribed")])

    # Subscriptions that begin and end

    @observe(SubscriptionApproved)
    def approved(self, event: SubscriptionApproved) -> Awaitable[None] | None:
        """Show a new subscriber who is there (3.1.5)."""
        if self._blocks(event.account, event.contact):
            return None
        pending: Pending = []
        self._show(self.host.sessions(event.account), event.contact, pending)
        return _settle(pending)

    @observe(RosterChanged)
    def roster_changed(self, event: RosterChanged) -> Awaitable[None] | None:
        """Take leave of a contact that is losing its subscription (2.5.2, 3.2.2, 3.3.3)."""
        before, after = event.before, event.after
        if after is None or not after.to:
            self._abroad.forget(event.account, event.contact)
        if before is None or not before.from_ or (after is not None and after.from_):
            return None
        if self._blocks(event.account, event.contact):
            return None  # Leave was taken when the contact was blocked (XEP-0191 section 3.3).
        pending: Pending = []
        for session in self.host.sessions(event.account):
            if session.presence is not None:
                self._leaves(session, event.contact)
                leave = Presence(to=event.contact, from_=session.jid, type="unavailable")
                _add(pending, self.host.route(leave))
        return _settle(pending)


def _subscribed(view: IRosterView, contact: Jid) -> bool:
    """May the contact, a bare address, see the presence of the roster's owner?"""
    item = view.items.get(contact)
    return item is not None and item.from_


def _add(pending: Pending, outcome: Awaitable[None] | None) -> None:
    if outcome is not None:
        pending.append(outcome)


def _settle(pending: Pending) -> Awaitable[None] | None:
    return settled(*pending) if pending else None
