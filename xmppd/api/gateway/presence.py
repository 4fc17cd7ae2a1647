"""Presence and subscriptions of a gateway and of the contacts behind it (XEP-0100 sections 4.1, 4.4 to 4.7, and 8)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence

if TYPE_CHECKING:
    from xmppd.api.gateway.base import Gateway

__all__ = ["Presences"]

_OF_USERS = ("available", "unavailable", "subscribed", "unsubscribed")
_AT_ONCE = 100  # users that are told of the start together
_NEXT = 1.0  # seconds between those and the next
_DEVICES = 100  # of one user


class Presences:
    """Which devices of the users are there, and what they are told."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = gateway.jid  # also when the gateway has got another address
        # By user; of each device whether it has sent presence to the gateway itself, and not to contacts only.
        self._devices: dict[Jid, dict[Jid, bool]] = {}
        self._coming: set[Jid] = set()  # who is being logged in

    def devices(self, user: Jid) -> Collection[Jid]:
        """Return the devices of a user that have sent presence to the gateway, or to a contact."""
        return self._devices.get(user, ())

    @property
    def users(self) -> Collection[Jid]:
        """The users who have such devices."""
        return tuple(self._devices)

    # The gateway's own life

    async def announce(self) -> None:
        """Tell all users that the gateway is there, and ask whether they are (section 8)."""
        users = list(self._gateway.registrations)
        while users:
            for user in users[:_AT_ONCE]:
                if self._may_be_there(user):
                    self._send(user, self._gateway.jid, "available")
                    self._send(user, self._gateway.jid, "probe")
            del users[:_AT_ONCE]
            if users:
                pause: Deferred[None] = Deferred()
                self._gateway.later(_NEXT, lambda pause=pause: pause.callback(None))  # type: ignore[misc]
                await pause

    def _may_be_there(self, user: Jid) -> bool:
        host = self._gateway.host
        return not host.serves(user.domain) or bool(host.sessions(user))

    def take_leave(self) -> None:
        """Tell the users who are there that the gateway is not any more (section 8)."""
        for user in list(self._devices):
            self._leave(user)
        self._devices.clear()

    def _leave(self, user: Jid) -> None:
        for contact in self._gateway.contacts(user):
            local = self._gateway.contact_jid(contact).local
            self._send(user, Jid.of(local, self._jid.domain), "unavailable")
        self._send(user, self._jid, "unavailable")

    def registered(self, user: Jid) -> None:
        """A user has registered: ask to see when they are there (section 4.1)."""
        self.ask(user, self._gateway.jid)

    def ask(self, user: Jid, source: Jid) -> None:
        """Somebody wants to see a user's presence (section 5.1)."""
        self._send(user, source, "subscribe")

    async def unregistered(self, user: Jid, contacts: Collection[str]) -> None:
        """A user has unregistered: end all subscriptions (section 4.3)."""
        there = self._devices.pop(user, None)
        for source in [self._gateway.contact_jid(contact) for contact in contacts] + [self._gateway.jid]:
            self.part(user, source)
        if there and user not in self._coming:
            await self._gateway.offline(user)

    def forget(self, user: Jid) -> None:
        """The account is gone."""
        self._devices.pop(user, None)

    def part(self, user: Jid, source: Jid) -> None:
        """End the subscriptions between a user and the gateway, or a contact (sections 4.3 and 5.2)."""
        for type_ in ("unsubscribe", "unsubscribed", "unavailable"):
            self._send(user, source, type_)

    # What users send

    async def receive(self, presence: Presence) -> None:
        """Deal with presence to the gateway or one of its contacts."""
        user, to, type_ = presence.sender.bare, presence.recipient, presence.type
        if type_ == "error":
            await self._gone(presence.sender)
            return
        if user not in self._gateway.registrations:
            self._to_stranger(presence)
            return
        contact = await self._contact(presence) if to.local else None
        if type_ == "available":
            await self._came(presence.sender, contact)
        elif type_ == "unavailable":
            await self._gone(presence.sender, contact)
        if type_ in _OF_USERS:
            await self._gateway.user_presence(user, contact or "", presence)
        elif type_ == "subscribe":
            await self._subscribe(user, to.bare, contact)
        elif type_ == "probe":
            self._show(presence.sender, to.bare, contact)
        elif contact is not None and type_ == "unsubscribe":
            await self._gateway.members.remove_contact(user, contact)
            self._send(user, to.bare, "unsubscribed")
            await self._gateway.contact_removed(user, contact)

    def _to_stranger(self, presence: Presence) -> None:
        user, to = presence.sender.bare, presence.recipient.bare
        if presence.type == "probe":
            self._send(user, to, "unsubscribed")  # RFC 6121 4.3.2
        elif presence.type in ("available", "subscribe"):
            if presence.type == "subscribe":
                self._send(user, to, "unsubscribed")  # or it would be asked for ever
            raise StanzaError(Condition.REGISTRATION_REQUIRED)

    async def _contact(self, presence: Presence) -> str:
        try:
            return self._gateway.contact_of(presence.recipient)
        except StanzaError:
            if presence.type in ("subscribe", "probe"):
                self._send(presence.sender.bare, presence.recipient.bare, "unsubscribed")
            raise

    async def _subscribe(self, user: Jid, to: Jid, contact: str | None) -> None:
        """Sections 4.1 and 4.6."""
        if contact is not None:
            if contact not in self._gateway.contacts(user):
                self._check_room(user, to)
                try:
                    await self._gateway.contact_added(user, contact)
                except StanzaError:
                    self._send(user, to, "unsubscribed")
                    raise
                if user not in self._gateway.registrations:  # not any more
                    raise StanzaError(Condition.REGISTRATION_REQUIRED)
                if contact not in self._gateway.contacts(user):
                    self._check_room(user, to)  # there may have been others meanwhile
            await self._gateway.members.add_contact(user, contact)
        self._send(user, to, "subscribed")
        self._show(user, to, contact)

    def _check_room(self, user: Jid, to: Jid) -> None:
        most = self._gateway.options.contacts
        if len(self._gateway.contacts(user)) >= most:
            self._send(user, to, "unsubscribed")
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"you can have {most} contacts here")

    async def _came(self, device: Jid, contact: str | None) -> None:
        """Section 4.4: with the first device the user has logged in."""
        user = device.bare
        known = self._devices.setdefault(user, {})
        if device in known:
            known[device] = known[device] or contact is None
            return
        if len(known) >= _DEVICES:  # servers can make up as many as they like
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"you can be here with {_DEVICES} devices")
        known[device] = contact is None
        if user in self._coming:
            return
        if len(known) > 1:
            self._send(device, self._gateway.jid, "available")
            return
        self._coming.add(user)
        try:
            await self._gateway.online(user)
        except Exception:
            self._devices.pop(user, None)
            raise
        finally:
            self._coming.discard(user)
        if user not in self._devices:  # they have left meanwhile
            await self._gateway.offline(user)
            return
        self._send(user, self._gateway.jid, "available")
        for contact in self._gateway.contacts(user):
            self._show(user, self._gateway.contact_jid(contact), contact)

    async def _gone(self, device: Jid, contact: str | None = None) -> None:
        """Section 4.5: with the last device the user has logged out.

        Who is not there for a contact any more (RFC 6121 3.2) is so for the gateway all the same, if it was told.
        """
        user = device.bare
        known = self._devices.get(user)
        if known is None or device not in known or (contact is not None and known[device]):
            return
        del known[device]
        self._send(device, self._gateway.jid, "unavailable")
        if not known:
            del self._devices[user]
            if user not in self._coming:
                await self._gateway.offline(user)

    # What they are told

    def _show(self, to: Jid, source: Jid, contact: str | None) -> None:
        """Send presence of the gateway or a contact, as it is now."""
        payload = b"" if contact is None else self._gateway.presence_of(to.bare, contact)
        self._send(to, source, "unavailable" if payload is None else "available", payload or b"")

    def show(self, user: Jid, contact: str) -> None:
        """Send a contact's presence, which has changed, to a user who is there."""
        if contact in self._gateway.contacts(user) and user in self._devices:
            self._show(user, self._gateway.contact_jid(contact), contact)

    def _send(self, to: Jid, source: Jid, type_: str, payload: bytes = b"") -> None:
        self._gateway.host.send(Presence(to, source, type=type_, payload=payload))
