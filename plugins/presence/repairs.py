"""What is done when another server can't be reached, and when it can again, so that nobody seems to be there who isn't.

RFC 6121 has presence sent once and relied upon. A connection that is lost takes some of it with it, and a server that
is gone takes leave of nobody. So the users here are told that everybody there is unavailable; and when it is back, it
is sent the presence it may have missed, and asked for what we may have missed (4.3). All of this by a :class:`Pace`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.python.failure import Failure

from xmppd.api import (
    IDelayedCall,
    IHost,
    IRoster,
    IRosterView,
    ISession,
    Jid,
    Presence,
    StorageUnavailable,
    settled,
    tag,
)
from xmppd.api.pace import Pace
from xmppd.api.waiting import as_deferred
from xmppd.plugins.presence.abroad import Abroad
from xmppd.plugins.presence.departures import Departures
from xmppd.plugins.presence.directed import Directed

__all__ = ["Known", "Repairs", "Settings"]

_MUC_USER = "http://jabber.org/protocol/muc#user"
#: XEP-0045 11.1: removed because of a technical problem, such as a link between servers that has failed.
_REMOVED = tag(
    "x",
    tag("item", affiliation="none", role="none"),
    tag("status", code="110"),
    tag("status", code="333"),
    xmlns=_MUC_USER,
)
#: What it costs to look at a session of which nothing has to be done, in steps.
_LOOK = 0.05
#: Accounts by which it is tried again to reach a domain.
_WITNESSES = 8
#: Domains of which is remembered when they were last repaired.
_REMEMBERED = 1000
#: Seconds after the start of the server in which connections are made, and clients come back.
_AFTER_START = 5.0


class Settings(Protocol):
    """The options of the plugin that are of concern here."""

    repairs_per_second: int
    repair_seconds: float
    answer_seconds: float
    retry_seconds: float
    retry_at_most_seconds: float


@dataclass
class Known:
    """What the plugin knows of who is where.

    :ivar blocks: says whether an account has blocked an address.
    """

    abroad: Abroad
    directed: Directed
    departures: Departures
    blocks: Callable[[Jid, Jid], bool]


@dataclass(slots=True)
class _Domain:
    """What is being done about a domain.

    :ivar lost: can't it be reached?
    :ivar job: identifies the work that goes on; whoever finds another one here stops.
    :ivar sending: is that to make good, and not everything is sent yet?
    :ivar next: the next attempt to reach it, or to make good.
    :ivar witnesses: accounts that have contacts there.
    """

    lost: bool = False
    job: object = None
    sending: bool = False
    next: IDelayedCall | None = None
    attempts: int = 0
    repaired_at: float = float("-inf")
    witnesses: list[Jid] = field(default_factory=list)


#: The devices that have been heard of, by account and contact, while answers to probes are waited for.
_Heard = dict[tuple[Jid, Jid], set[Jid]]


class Repairs:
    """Works for one host.

    :param later: see :meth:`xmppd.api.Plugin.later`.
    :ivar listening: for what concerns which domains, and what was heard of it; empty most of the time.
    """

    def __init__(
        self,
        host: IHost,
        roster: IRoster,
        known: Known,
        settings: Callable[[], Settings],
        later: Callable[[float, Callable[[], Any]], IDelayedCall],
        failed: Callable[[str, Failure], None],
    ) -> None:
        self._host, self._roster, self._known = host, roster, known
        self._settings, self._later, self._failed = settings, later, failed
        self._pace = Pace(later, lambda: settings().repairs_per_second)
        self._domains: dict[str, _Domain] = {}
        self._restored: list[ISession] = []
        self.listening: list[tuple[Callable[[str], bool], _Heard]] = []

    def _domain(self, name: str) -> _Domain:
        domain = self._domains.get(name)
        if domain is None:
            if len(self._domains) >= _REMEMBERED:
                idle = [key for key, d in self._domains.items() if not (d.lost or d.job or d.next)]
                for key in idle:
                    del self._domains[key]
            domain = self._domains[name] = _Domain()
        return domain

    def _begin(self, work: Awaitable[None], what: str) -> None:
        """Do it in the background. The server needs not wait for it when it stops."""
        as_deferred(work).addErrback(lambda failure: self._failed(what, failure))

    # A server that can't be reached

    def lost(self, name: str) -> None:
        """A domain can't be reached any more."""
        domain = self._domain(name)
        if domain.lost:
            return
        self._cancel(domain)
        domain.lost, domain.attempts = True, 0
        self._known.departures.lost(self._host.clock.seconds(), name)
        job = domain.job = object()
        self._begin(self._lose(name, domain, job), f"telling who can't be reached at {name}")

    def _cancel(self, domain: _Domain) -> None:
        if domain.next is not None:
            domain.next.cancel()
        domain.next = domain.job = None
        domain.sending = False

    async def _lose(self, name: str, domain: _Domain, job: object) -> None:
        """Tell all sessions that whoever they have seen there is unavailable."""
        status = tag("status", f"{name} can't be reached at the moment")
        known = self._known
        domain.witnesses = []
        for account in known.abroad.accounts(name):
            told = 0
            sessions = [s for s in self._host.sessions(account) if s.presence is not None]
            for device in known.abroad.take(account, name):
                if not known.blocks(account, device):
                    told += self._show(sessions, Presence(account, device, type="unavailable", payload=status))
            if sessions and len(domain.witnesses) < _WITNESSES:
                domain.witnesses.append(account)
            await self._pace.step(told + _LOOK)
            if domain.job is not job:
                return
        for session in self._host.all_sessions():
            await self._pace.step(self._lose_directed(session, name, status) + _LOOK)
            if domain.job is not job:
                return
        domain.job = None
        if domain.witnesses:
            self._retry_later(name, domain)

    def _lose_directed(self, session: ISession, name: str, status: bytes) -> int:
        """Tell a session that it is in no room there any more, so that it enters it again when it can (XEP-0045)."""
        told, view = 0, self._roster.cached(session.account)

        def in_roster(recipient: Jid) -> bool:
            item = None if view is None else view.items.get(recipient.bare)
            return item is not None and item.from_

        for recipient, room in self._known.directed.lose(session, name, in_roster):
            if not self._known.blocks(session.account, recipient):
                payload = _REMOVED + status if room else status
                told += self._show([session], Presence(session.jid, recipient, type="unavailable", payload=payload))
        return told

    def _show(self, sessions: Sequence[ISession], presence: Presence) -> int:
        for session in sessions:
            pending = session.send(presence)
            if pending is not None:
                self._host.spawn(settled(pending), f"sending to {session.jid}")
        return len(sessions)

    # Trying to reach it again

    def missed(self, name: str, account: Jid) -> None:
        """An account has a contact in a domain that may be lost: if it is, try for its sake, too."""
        domain = self._domains.get(name)
        if domain is not None and domain.lost and len(domain.witnesses) < _WITNESSES:
            if account not in domain.witnesses:
                domain.witnesses.append(account)
            if domain.next is None and domain.job is None:
                self._retry_later(name, domain)

    def _retry_later(self, name: str, domain: _Domain) -> None:
        settings = self._settings()
        delay = min(settings.retry_seconds * 2 ** min(domain.attempts, 20), settings.retry_at_most_seconds)
        domain.next = self._later(delay, lambda: self._retry(name, domain))

    def _retry(self, name: str, domain: _Domain) -> None:
        """Ask for somebody's presence: whoever is there will be asked for when there is a connection."""
        domain.next = None
        while domain.witnesses:
            contact = self._contact(domain.witnesses[0], name)
            if contact is not None:
                domain.attempts += 1
                self._retry_later(name, domain)
                self._host.send(Presence(contact, domain.witnesses[0], type="probe"))
                return
            del domain.witnesses[0]

    def _contact(self, account: Jid, name: str) -> Jid | None:
        view = self._roster.cached(account)
        if view is None or not any(session.presence is not None for session in self._host.sessions(account)):
            return None
        contacts = (contact for contact in view.subscriptions if contact.domain == name)
        return next((contact for contact in contacts if not self._known.blocks(account, contact)), None)

    # A server that can be reached again

    def found(self, name: str) -> None:
        """A domain can be reached again, or a connection was lost and is there again."""
        domain = self._domain(name)
        if domain.lost:
            self._cancel(domain)
            domain.lost = False
        if domain.next is None:  # else it will be made good soon
            wait = domain.repaired_at + self._settings().repair_seconds - self._host.clock.seconds()
            domain.next = self._later(max(0.0, wait), lambda: self._repair(name, domain))

    def _repair(self, name: str, domain: _Domain) -> None:
        if domain.sending:  # first what is under way
            domain.next = self._later(self._settings().repair_seconds, lambda: self._repair(name, domain))
            return
        domain.next = None
        domain.repaired_at = self._host.clock.seconds()
        job = domain.job = object()
        domain.sending = True
        self._begin(self._make_good(name, domain, job), f"making good what was missed of {name}")

    async def _make_good(self, name: str, domain: _Domain, job: object) -> None:
        """Take leave that was missed, show who is here, and ask who is there."""

        def concerns(other: str) -> bool:
            return other == name

        for who, recipient in self._known.departures.take(self._host.clock.seconds(), name):
            if not await self._shown_again(who, recipient):
                await self._pace.step(self._leave(who, recipient))
        heard: _Heard = {}
        self.listening.append((concerns, heard))
        asked: set[Jid] = set()
        for session in self._host.all_sessions():
            for recipient in self._known.directed.take_lost(session, name):
                self._leave(session.jid, recipient)
            await self._tell_and_ask(session, concerns, asked)
            if domain.job is not job:
                self._hear_no_more(heard)
                return
        domain.sending = False

        async def conclude() -> None:
            self._hear_no_more(heard)
            if domain.job is job:
                domain.job = None
                await self._conclude(self._known.abroad.accounts(name), concerns, heard)

        self._later(self._settings().answer_seconds, conclude)

    def _leave(self, who: Jid, recipient: Jid) -> int:
        """Take leave of somebody on behalf of a device. It may be lost once more."""
        if self._known.blocks(who.bare, recipient):
            return 0
        self._known.departures.add(self._host.clock.seconds(), who, recipient)
        self._host.send(Presence(recipient, who, type="unavailable"))
        return 1

    async def _shown_again(self, who: Jid, recipient: Jid) -> bool:
        """Is a device that has left back, and so that the recipient knows of it, or will?"""
        session = self._host.session(who)
        if session is None or session.presence is None:
            return False
        view = await self._roster_of(who.bare)
        item = None if view is None else view.items.get(recipient)
        return (item is not None and item.from_) or self._known.directed.has(session, recipient)

    async def _tell_and_ask(self, session: ISession, concerns: Callable[[str], bool], asked: set[Jid]) -> None:
        """Send the presence of a session to those it concerns, and ask for theirs on behalf of its account."""
        sent, account = 0, session.account
        if session.presence is not None:
            view = await self._roster_of(account)
            if view is not None and session.presence is not None:
                sent = self._tell(session, session.presence, view, concerns)
                if account not in asked:
                    asked.add(account)
                    sent += self._ask(account, view, concerns)
        await self._pace.step(sent + _LOOK)

    async def _roster_of(self, account: Jid) -> IRosterView | None:
        try:
            return self._roster.cached(account) or await self._roster.load(account)
        except StorageUnavailable:
            return None  # the others' may be in memory

    def _tell(self, session: ISession, presence: Presence, view: IRosterView, concerns: Callable[[str], bool]) -> int:
        sent = 0
        for contact in view.subscribers:
            if concerns(contact.domain) and not self._known.blocks(session.account, contact):
                self._known.directed.accepted(session, contact)  # what it has refused was another time
                self._host.send(presence.readdressed(contact))
                sent += 1
        return sent

    def _ask(self, account: Jid, view: IRosterView, concerns: Callable[[str], bool]) -> int:
        """Probe contacts from the bare address: all devices get the answers."""
        asked = 0
        for contact in view.subscriptions:
            if concerns(contact.domain) and not self._known.blocks(account, contact):
                self._host.send(Presence(contact, account, type="probe"))
                asked += 1
        return asked

    # Who didn't answer

    def hear(self, account: Jid, sender: Jid) -> None:
        """A contact has sent an account presence of any kind, while answers are waited for."""
        for concerns, heard in self.listening:
            if concerns(sender.domain):
                heard.setdefault((account, sender.bare), set()).add(sender)

    def _hear_no_more(self, heard: _Heard) -> None:
        self.listening[:] = [entry for entry in self.listening if entry[1] is not heard]

    async def _conclude(self, accounts: Iterable[Jid], concerns: Callable[[str], bool], heard: _Heard) -> None:
        """Contacts that have answered, but not for all the devices that were known: those are gone (4.3.2).

        Of a contact that has not answered at all nothing is known.
        """
        abroad = self._known.abroad
        for account in accounts:
            told = 0
            sessions = [s for s in self._host.sessions(account) if s.presence is not None]
            for contact in abroad.contacts(account):
                answered = heard.get((account, contact)) if concerns(contact.domain) else None
                if answered is None or self._known.blocks(account, contact):
                    continue
                for device in abroad.devices(account, contact):
                    if device not in answered:
                        abroad.unavailable(account, device)
                        told += self._show(sessions, Presence(account, device, type="unavailable"))
            await self._pace.step(told + _LOOK)

    # Sessions from before the server was started

    def restored(self, session: ISession) -> None:
        """A session goes on. What its contacts elsewhere have done meanwhile is not known, nor what they know of it."""
        if not self._restored:
            self._later(_AFTER_START, self._after_start)
        self._restored.append(session)

    def _after_start(self) -> None:
        sessions, self._restored = self._restored, []
        self._begin(self._renew(sessions), "asking again for the presence of contacts elsewhere")

    async def _renew(self, sessions: Sequence[ISession]) -> None:
        def concerns(domain: str) -> bool:
            return not self._host.serves(domain)

        heard: _Heard = {}
        self.listening.append((concerns, heard))
        asked: set[Jid] = set()
        for session in sessions:
            if self._host.session(session.jid) is session:
                await self._tell_and_ask(session, concerns, asked)

        async def conclude() -> None:
            self._hear_no_more(heard)
            await self._conclude(asked, concerns, heard)

        self._later(self._settings().answer_seconds, conclude)
