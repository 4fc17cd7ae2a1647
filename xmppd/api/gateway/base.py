"""The base class of gateways that are plugins (XEP-0100).

The base does what is the same for all: registration (XEP-0077), addresses (XEP-0106 and jabber:iq:gateway), presence
and subscriptions, limits, receipts (XEP-0184), and a queue on disk, from which messages are sent until the other
network has them. A gateway says what it is by class attributes, and overrides what is its own affair::

    class Echo(Gateway):
        \"""Send back what people write.\"""

        network = "echo"
        title = "Echo"

        async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> None:
            await self.deliver(user, contact, message.body)
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from sqlalchemy import Table, update

from xmppd.api.disco import Identity, Info
from xmppd.api.gateway import fields as forms
from xmppd.api.gateway.incoming import Incoming
from xmppd.api.gateway.members import Members
from xmppd.api.gateway.operating import Operating
from xmppd.api.gateway.outgoing import RECEIPTS, Outgoing
from xmppd.api.gateway.presence import Presences
from xmppd.api.gateway.queue import Queue
from xmppd.api.gateway.quota import Quota
from xmppd.api.gateway.reports import Reports
from xmppd.api.gateway.rules import acknowledged_id, error_in, refusal
from xmppd.api.gateway.tables import GatewayTables, execute, make_tables
from xmppd.api.hooks import Scope, iq_get, iq_set
from xmppd.api.plugin import Plugin
from xmppd.wire.delay import delay
from xmppd.wire.disco import INFO
from xmppd.wire.errors import Condition, ErrorType, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.jid_escaping import FEATURE as ESCAPING
from xmppd.wire.jid_escaping import escape_local, unescape_local
from xmppd.wire.stanza import Iq, Message, Presence
from xmppd.wire.xml import Payload, tag, to_payload

if TYPE_CHECKING:
    from xmppd.api.interfaces import IHost

__all__ = ["NS", "Gateway"]

NS = "jabber:iq:gateway"
_FEATURES = (forms.NS, NS, ESCAPING)
_XEPS = ((100, "1.0"), (106, "1.1.1"))
_XEP_0184 = (184, "1.4.0")
_HOUR = 3600.0


class _Tables:
    """Class attributes that depend on the plugin's name, which is known when it has been found."""

    def __init__(self, all: bool) -> None:
        self._all = all

    def __get__(self, plugin: Gateway | None, owner: type[Gateway]) -> Any:
        name = owner.name or owner.__name__.lower()
        made = owner.__dict__.get("_made")
        if made is None or made[0] != name:
            made = (name, make_tables(name))
            owner._made = made
        return (*made[1], *owner.own_tables) if self._all else made[1]


class Gateway(Operating):
    """Let users write to people on another network.

    :cvar gateway_tables: the tables of the base, named after the plugin; ``tables`` has them too, before its own.
    """

    gateway_tables: ClassVar[GatewayTables] = _Tables(all=False)  # type: ignore[assignment]
    tables: ClassVar[tuple[Table, ...]] = _Tables(all=True)  # type: ignore[assignment]
    own_tables: ClassVar[tuple[Table, ...]] = ()
    _made: ClassVar[tuple[str, GatewayTables]]

    def __init_subclass__(cls, **given: Any) -> None:
        """Complete what a gateway declares."""
        super().__init_subclass__(**given)
        if "tables" in cls.__dict__:
            cls.own_tables = cls.__dict__["tables"]
            del cls.tables
        if "identities" not in cls.__dict__:
            cls.identities = (("gateway", cls.network, cls.title or cls.__name__),)
        features = (*_FEATURES, *((RECEIPTS,) if cls.receipts else ()), *cls.__dict__.get("features", ()))
        cls.features = tuple(dict.fromkeys(features))
        own = cls.__dict__.get("xep", ())
        more = own if not own or isinstance(own[0], tuple) else (own,)
        cls.xep = tuple(dict.fromkeys((*_XEPS, *((_XEP_0184,) if cls.receipts else ()), *more)))

    def __init__(self, host: IHost, options: Plugin.Options | None = None) -> None:
        super().__init__(host, options)
        self._build()

    def _build(self) -> None:
        self._domain = self.jid
        self.members = Members(self.host.db, self.gateway_tables, str(self.jid))
        self.reports = Reports(self)
        self.queue = Queue(self)
        self.quota = Quota(self)
        self.presences = Presences(self)
        self.incoming = Incoming(self)

    async def start(self) -> None:
        """Read who is registered and what waits. Whoever overrides this awaits it first."""
        await self._load()
        await self._expire()
        self.every(_HOUR, self._expire)
        self.every(_HOUR, self.forget_deleted)

    async def _load(self) -> None:
        await self.members.load()
        await self.queue.load()
        await self.quota.load()
        self.later(0.0, self._begin)

    async def _begin(self) -> None:
        self.queue.go()
        await self.presences.announce()

    async def stop(self) -> None:
        """Say good-bye, and wait a little for what is being sent. Whoever overrides this awaits it."""
        self.presences.take_leave()
        await self.queue.stop()

    async def reconfigured(self, options: Any) -> None:
        """Take other limits. Whoever overrides this awaits it."""
        self.quota.set_limits()
        if self.jid != self._domain:  # what is stored is another gateway's
            self.presences.take_leave()
            await self.queue.stop()
            self._build()
            await self._load()

    async def _expire(self) -> None:
        await self.quota.expire()
        await self.reports.expire()
        await self.incoming.expire()

    # For a gateway to call

    def contact_jid(self, contact: str) -> Jid:
        """Return the address by which users know a contact (XEP-0106).

        :raises ValueError: there is none: it is too long, or has characters that no address may have.
        """
        return Jid.of(escape_local(contact), self.jid.domain)

    def contact_of(self, jid: Jid) -> str:
        """Return the contact's address on the other network.

        :raises StanzaError: item-not-found, if it can't be one.
        """
        try:
            return self.address(unescape_local(jid.local))
        except ValueError as error:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text=str(error)) from None

    def is_there(self, device: Jid) -> bool:
        """Is a device of a user there, as far as can be known?"""
        return device in self.presences.devices(device.bare) or self.host.session(device) is not None

    async def deliver(
        self, user: Jid, contact: str, body: str, *, subject: str = "", thread: str = "", id: str = "",
        sent_at: float | None = None, key: str | None = None, receipt: bool = False, payload: Payload = b"",
        anybody: bool = False,
    ) -> bool:  # fmt: skip
        """Give a user a message from the other network. When this returns, the network may be told that it was taken.

        :param id: of the stanza; :meth:`acknowledged` and :meth:`refused` name it. "" makes one up.
        :param sent_at: when it was sent, in seconds since the epoch, if that is some time ago (XEP-0203).
        :param key: the network's name for the message, by which it is known if it comes once more.
        :param receipt: ask the user's device for a receipt (XEP-0184).
        :param payload: more content.
        :param anybody: give it to users, too, who are not registered.
        :returns: False if a message with that key has been delivered before.
        :raises StanzaError: registration-required: nobody of that name is registered.
        :raises StorageUnavailable: it can't be stored now, and was not delivered.
        """
        if user not in self.registrations and not anybody:
            raise StanzaError(Condition.REGISTRATION_REQUIRED)
        parts = [tag("subject", subject)] if subject else []
        parts.append(tag("body", body))
        parts += [tag("thread", thread)] if thread else []
        parts += [tag("request", xmlns=RECEIPTS)] if receipt else []
        parts += [delay(self.jid, sent_at)] if sent_at is not None else []
        content = b"".join(parts) + to_payload(payload)
        message = Message(user, self.contact_jid(contact), id or uuid4().hex, "chat", None, content)
        return await self.incoming.deliver(user, message, key)

    async def delivered(self, reference: str) -> Outgoing | None:
        """The network reports that a message, or a part of it, was delivered. The sender gets the receipt it wants.

        :param reference: as :meth:`outgoing` has returned it.
        :returns: the message, if nothing more is to be reported of it; None also if it isn't known (yet).
        """
        return await self.reports.reported(str(reference), None)

    async def failed(self, reference: str, error: StanzaError) -> Outgoing | None:
        """The network reports that a message, or a part of it, could not be delivered. The sender gets the error."""
        return await self.reports.reported(str(reference), error)

    async def note(self, message: Outgoing, text: str) -> None:
        """Write something down about a message that is being sent, for the next attempt, if it comes to that."""
        query = update(self.gateway_tables.queue).filter_by(gateway=str(self.jid), number=message.number)
        await execute(self.db, query.values(note=text))

    @property
    def online_users(self) -> Collection[Jid]:
        """The users who are there: :meth:`online` was called, and :meth:`offline` was not."""
        return self.presences.users

    def retry(self, user: Jid | None = None) -> None:
        """Send all that waits now: the network can be reached again.

        :param user: only what this one has sent, who has been logged in again.
        """
        self.queue.go(user)

    def show(self, user: Jid, contact: str) -> None:
        """Tell a user of a contact's presence, which has changed, if they see it. It is what `presence_of` says."""
        self.presences.show(user, contact)

    def ask_for_presence(self, user: Jid, contact: str) -> None:
        """A contact wants to see a user's presence. What the user says comes to :meth:`user_presence`."""
        self.presences.ask(user, self.contact_jid(contact))

    async def part(self, user: Jid, contact: str) -> None:
        """A contact doesn't want to have to do with a user any more: end the subscriptions between them."""
        self.presences.part(user, self.contact_jid(contact))
        await self.members.remove_contact(user, contact)

    # What users send: requests

    @iq_get(NS, "query")
    def ask_prompt(self, request: Iq) -> Iq:
        """Say what an address is called on the other network (XEP-0100 section 6.3)."""
        return request.result(tag("query", tag("desc", self.prompt_help), tag("prompt", self.prompt), xmlns=NS))

    @iq_set(NS, "query")
    def translate(self, request: Iq) -> Iq:
        """Turn an address of the other network into one of ours (XEP-0100 section 6.3)."""
        typed = next((str(e) for e in request.request.elements() if (e.uri, e.name) == (NS, "prompt")), None)
        if typed is None:
            raise StanzaError(Condition.BAD_REQUEST, text="there is no <prompt/>")
        try:
            jid = self.contact_jid(self.address(typed))
        except ValueError as error:
            raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
        return request.result(tag("query", tag("jid", str(jid)), xmlns=NS))

    @iq_get(INFO, "query", to=Scope.ACCOUNT)
    def contact_info(self, request: Iq) -> Iq:
        """Say what people on the other network are (XEP-0030)."""
        self.contact_of(request.recipient)
        if request.request.getAttribute("node"):
            raise StanzaError(Condition.ITEM_NOT_FOUND)
        features = (INFO, RECEIPTS) if self.receipts else (INFO,)
        return request.result(Info((Identity(*self.contact_identity),), features).query())

    # What users send: presence and messages

    def presence(self, presence: Presence) -> Awaitable[None]:
        """Take presence to the gateway or a contact."""
        return self.presences.receive(presence)

    def message(self, message: Message) -> Awaitable[None] | None:
        """Take a message to a contact; what has no text, such as "is typing", is left out."""
        if message.type == "error":
            return self._told_of_error(message)
        acknowledged = acknowledged_id(message)
        if acknowledged is not None and message.body is None:
            return self._told_of_receipt(message, acknowledged)
        if not message.recipient.local:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return None if message.body is None else self._accept(message)

    async def _told_of_error(self, message: Message) -> None:
        if message.recipient.local and message.sender.bare in self.registrations:
            contact = self.contact_of(message.recipient)
            await self.refused(message.sender.bare, contact, message.id, error_in(message))

    async def _told_of_receipt(self, message: Message, id: str) -> None:
        if message.recipient.local and message.sender.bare in self.registrations:
            await self.acknowledged(message.sender.bare, self.contact_of(message.recipient), id)

    async def _accept(self, message: Message) -> None:
        """Accept a message for the other network: from now on it is not lost."""
        user = message.sender.bare
        if user not in self.registrations:
            raise StanzaError(Condition.REGISTRATION_REQUIRED)
        self._check_allowed(user)
        contact = self.contact_of(message.recipient)
        problem = refusal(message)
        if problem is not None:
            raise problem
        if len(message.body or "") > self.options.max_characters:
            text = f"a message can have {self.options.max_characters} characters"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
        cost = self.cost(user, contact, message.body or "")
        outgoing = Outgoing(self.queue.next_number(), user, contact, message, self.clock.seconds(), cost=cost)
        self._check_limits(outgoing)
        await self.check(user, contact, outgoing)
        if user not in self.registrations:  # not any more
            raise StanzaError(Condition.REGISTRATION_REQUIRED)
        self._check_limits(outgoing)  # there may have been others meanwhile
        outgoing = replace(outgoing, number=self.queue.next_number())
        self.queue.add(outgoing)
        self.quota.spend(outgoing)
        self.accepted(user, contact, outgoing)

    def _check_limits(self, message: Outgoing) -> None:
        self.quota.check(message)
        if self.queue.waiting(message.user) >= self.options.waiting:
            text = f"{self.options.waiting} of your messages wait to be sent already"
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text)
