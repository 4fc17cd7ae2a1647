"""How users register with a gateway, and unregister (XEP-0100 sections 4.1 to 4.3, XEP-0077)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xmppd.api.events.accounts import AccountDeleted
from xmppd.api.gateway import fields as forms
from xmppd.api.gateway.hooks import Hooks
from xmppd.api.gateway.members import Members, Registration
from xmppd.api.gateway.presence import Presences
from xmppd.api.gateway.queue import Queue
from xmppd.api.gateway.quota import Quota
from xmppd.api.hooks import iq_get, iq_set, observe
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq

__all__ = ["Registering"]


class Registering(Hooks):
    """The part of :class:`~xmppd.api.gateway.Gateway` that knows its users."""

    members: Members
    queue: Queue
    quota: Quota
    presences: Presences

    @property
    def registrations(self) -> Mapping[Jid, Registration]:
        """Who is registered, by bare address."""
        return self.members.registrations

    def find(self, field: str, value: str) -> Sequence[Jid]:
        """Return the users who have registered that value of a field."""
        return self.members.find(field, value)

    def contacts(self, user: Jid) -> Collection[str]:
        """Return the contacts whose presence a user sees."""
        return self.members.contacts(user)

    @iq_get(forms.NS, "query")
    def registration(self, request: Iq) -> Iq:
        """Say what has to be filled in, or what has been (XEP-0100 sections 4.1 and 4.2)."""
        user = request.sender.bare
        known = self.registrations.get(user)
        if known is None:
            self._check_allowed(user)
        values = None if known is None else known.values
        return request.result(forms.registration_query(self.identities[0][2], self.instructions, self.fields, values))

    @iq_set(forms.NS, "query")
    async def change_registration(self, request: Iq) -> Iq:
        """Register a user, change that, or unregister (XEP-0100 sections 4.1 to 4.3)."""
        user = request.sender.bare
        try:
            submitted = forms.read(request.request)
            if submitted.kind == "data":
                await self._register(user, submitted.values)
            elif not await self.remove_user(user):
                raise StanzaError(Condition.REGISTRATION_REQUIRED)
        except StanzaError as error:  # what was sent, which may hold a password, is not sent back
            return Iq(request.from_, request.to, request.id, "error", None, error.to_bytes())
        return request.result()

    async def _register(self, user: Jid, given: Mapping[str, str]) -> None:
        self._check_allowed(user)
        self._check_room(user)
        known = self.registrations.get(user)
        values = forms.checked(self.fields, given, {} if known is None else known.values)
        values = dict(await self.register(user, values) or values)
        await self.members.changing.acquire()  # what is unique has to stay so while it is stored
        try:
            await self._enter(user, values)
        finally:
            self.members.changing.release()

    async def _enter(self, user: Jid, values: Mapping[str, str]) -> None:
        self._check_room(user)  # there may have been others meanwhile
        if user.local and self.host.serves(user.domain) and not await self.host.accounts.exists(user):
            raise StanzaError(Condition.FORBIDDEN, text="there is no such account any more")
        known = self.registrations.get(user)
        for field in self.fields:
            if field.unique and set(self.find(field.name, values.get(field.name, ""))) - {user}:
                raise StanzaError(Condition.CONFLICT, text=f"{field.label}: somebody else has registered this")
        await self.members.put(Registration(user, values, self.clock.seconds() if known is None else known.since))
        if known is None:
            self.later(0.0, lambda: self.presences.registered(user))  # behind the answer

    def _check_room(self, user: Jid) -> None:
        if user not in self.registrations and len(self.registrations) >= self.options.registrations:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="no more users can be registered")

    def _check_allowed(self, user: Jid) -> None:
        users = {name.lower() for name in self.options.users} or {str(self.host.jid)}
        if not {"*", user.domain, str(user)} & users:
            raise StanzaError(Condition.FORBIDDEN, text="you may not use this gateway")

    async def remove_user(self, user: Jid) -> bool:
        """Delete everything that is kept of a user, and end all subscriptions; false if nobody is registered."""
        if user not in self.registrations:
            return False
        contacts = list(self.contacts(user))
        await self._forget(user)
        self.later(0.0, lambda: self.presences.unregistered(user, contacts))  # behind the answer
        return True

    async def forget_deleted(self) -> None:
        """Delete what is kept of users of other hosts of this server whose accounts are gone: nobody says so here."""
        for user in list(self.registrations):
            other = user.local and user.domain != self.host.jid and self.host.serves(user.domain)
            if other and not await self.host.accounts.exists(user):
                await self.account_deleted(AccountDeleted(user))

    async def _forget(self, user: Jid) -> None:
        await self.members.changing.acquire()
        try:
            await self.members.remove(user)
        finally:
            self.members.changing.release()
        self.queue.forget(user)
        await self.unregistered(user)

    @observe(AccountDeleted)
    async def account_deleted(self, event: AccountDeleted) -> None:
        """Delete what is kept of a user of the host."""
        self.presences.forget(event.account)
        await self._forget(event.account)
        await self.quota.reset(str(event.account))
