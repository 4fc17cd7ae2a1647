"""Contacts on other servers, components and other hosts: who of them is available, and to whom (RFC 6121 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress

from xmppd.api import (
    AccountDeleted,
    IHost,
    IRoster,
    IRosterView,
    ISession,
    Jid,
    Pass,
    Presence,
    ServerReachable,
    ServerUnreachable,
    SessionBound,
    StorageUnavailable,
    Verdict,
    observe,
    settled,
)
from xmppd.api.presence import ContactAvailable
from xmppd.plugins.presence.abroad import Abroad
from xmppd.plugins.presence.repairs import Repairs

__all__ = ["Elsewhere"]

#: Under which name a session remembers over a restart whom its account knows elsewhere.
STATE = "abroad"
_ROOMS = "http://jabber.org/protocol/muc#user"


class Elsewhere:
    """The part of the plugin that is about them."""

    host: IHost
    roster: IRoster
    _abroad: Abroad
    _repairs: Repairs

    def devices(self, account: Jid, contact: Jid) -> Sequence[Jid]:
        """See :class:`xmppd.api.presence.IContactDevices`."""
        return self._abroad.devices(account, contact)

    def _from_elsewhere(self, presence: Presence, account: Jid) -> Verdict | Awaitable[Verdict | None] | None:
        """Note which devices of contacts are available; presence that no filter of another kind has taken."""
        sender = presence.sender
        if self.host.serves(sender.domain):
            return None
        if self._repairs.listening:
            self._repairs.hear(account, sender)
        if presence.type == "unavailable":
            gone = self._abroad.unavailable(account, sender)
            if sender.resource or gone == [sender]:
                return None
            # For clients that believe it of each device by itself.
            return Pass(also=[Presence(account, device, type="unavailable") for device in gone])
        if presence.type != "available" or presence.has(_ROOMS, "x"):
            return None  # Who is in a room (XEP-0045) is nobody's device; and what comes with it must not overtake it.
        view = self.roster.cached(account)
        if view is not None:
            self._note_contact(presence, account, view)
        elif not self._abroad.knows(account, sender):
            return self._load_and_note(presence, account)
        return None

    async def _load_and_note(self, presence: Presence, account: Jid) -> None:
        with suppress(StorageUnavailable):  # it is delivered all the same
            self._note_contact(presence, account, await self.roster.load(account))

    def _note_contact(self, presence: Presence, account: Jid, view: IRosterView) -> None:
        sender = presence.sender
        item = view.items.get(sender.bare)
        if item is not None and item.to:
            online = bool(self.host.sessions(account))
            new = self._abroad.available(account, item.jid, sender.resource, online)
            self._tell_of(ContactAvailable(account, presence, new))

    def _asked_from_here(self, account: Jid, asker: Jid) -> None:
        """A device on another host of this server has come, and asks for an account's presence."""
        session = self.host.session(asker)
        if session is not None and session.presence is not None:
            self._tell_of(ContactAvailable(account, session.presence, new=True))

    def _tell_of(self, event: ContactAvailable) -> None:
        pending = self.host.notify(event)
        if pending is not None:
            self.host.spawn(settled(pending), f"what follows from the presence of {event.presence.from_}")

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        """Know what is known of an account's contacts, also from before the server was started."""
        session = event.session
        self._abroad.came(session.account)
        if event.restored:
            self._read_again(session)
            self._repairs.restored(session)

    @observe(ServerUnreachable)
    def unreachable(self, event: ServerUnreachable) -> None:
        """Show everybody there as unavailable."""
        self._repairs.lost(event.domain)

    @observe(ServerReachable)
    def reachable(self, event: ServerReachable) -> None:
        """Make good what was missed."""
        self._repairs.found(event.domain)

    @observe(AccountDeleted)
    def deleted(self, event: AccountDeleted) -> None:
        """Forget whom the account knew."""
        self._abroad.drop(event.account)

    def read_again(self) -> None:
        """Know what was written down when the plugin was stopped."""
        for session in self.host.all_sessions():
            self._read_again(session)

    def _read_again(self, session: ISession) -> None:
        written = session.state.get(STATE)
        if written:
            self._abroad.read(session.account, written)
            session.keep(STATE, None)

    def write_down(self) -> None:
        """Have sessions remember whom their accounts know, for the next start."""
        for session in self.host.all_sessions():
            if session.durable and (written := self._abroad.written(session.account)) is not None:
                self._abroad.drop(session.account)
                session.keep(STATE, written)
