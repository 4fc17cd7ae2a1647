"""A device made of aioxmpp."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import aioxmpp
import aioxmpp.connector
import aioxmpp.ibr
import aioxmpp.ping
import aioxmpp.private_xml
import aioxmpp.roster
import aioxmpp.roster.xso
import aioxmpp.vcard
import aioxmpp.version
from aioxmpp import xso
from aioxmpp.blocking import xso as blocking_xso
from lxml import etree
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, verify_service_identity

from tests.interop.device import PATIENCE, Device, Event, Info, LoginFailed, Refused, RosterEntry
from tests.interop.server import DOMAIN

T = TypeVar("T")


@aioxmpp.private_xml.xso.Query.as_payload_class
class Exodus(xso.XSO):
    """The element of the examples of XEP-0049."""

    TAG = ("exodus:prefs", "exodus")
    defaultnick = xso.ChildText(("exodus:prefs", "defaultnick"), default=None)


@aioxmpp.IQ.as_payload_class
class LastActivity(xso.XSO):
    """XEP-0012, which aioxmpp has no service for."""

    TAG = ("jabber:iq:last", "query")
    seconds = xso.Attr("seconds", type_=xso.Integer(), default=None)
    status = xso.Text(default=None)


@aioxmpp.IQ.as_payload_class
class EntityTime(xso.XSO):
    """XEP-0202, which aioxmpp has no service for."""

    TAG = ("urn:xmpp:time", "time")
    tzo = xso.ChildText(("urn:xmpp:time", "tzo"), default=None)
    utc = xso.ChildText(("urn:xmpp:time", "utc"), default=None)


async def answered(request: Awaitable[T]) -> T:
    """Wait for an IQ's result; raises Refused for an error."""
    try:
        return await asyncio.wait_for(request, PATIENCE)
    except aioxmpp.errors.XMPPError as error:
        raise Refused(error.condition.value[1]) from None


def settle(future: asyncio.Future[None], error: BaseException | None = None) -> None:
    """Give the future a result or an exception unless it has one."""
    if not future.done():
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class Verifier(aioxmpp.security_layer.CertificateVerifier):
    """Checks the chain and, with service-identity, the name.

    aioxmpp's own check of the name asks pyOpenSSL for something that was removed in 24.3.
    """

    def verify_callback(self, connection: Any, x509: Any, error: int, depth: int, verified: int) -> bool:
        if verified and depth == 0:
            verify_service_identity(extract_patterns(x509.to_cryptography()), [DNS_ID(DOMAIN)], [])
        return bool(verified)

    async def post_handshake(self, transport: Any) -> None:
        """Nothing is left to do."""


@dataclass
class AioxmppDevice(Device):
    """An `aioxmpp.Client` that trusts the test certificate and decides nothing by itself."""

    library = "aioxmpp"

    def __post_init__(self) -> None:
        self._client: aioxmpp.Client | None = None

    @property
    def client(self) -> Any:
        """The connected client."""
        assert self._client is not None, "connect first"
        return self._client

    def _context(self) -> Any:
        context = aioxmpp.security_layer.default_ssl_context()
        context.load_verify_locations(str(self.server.certificate))
        return context

    def _security(self, login: bool) -> Any:
        async def password(_jid: object, _attempt: int) -> str:
            return self.password

        sasl = aioxmpp.security_layer.PasswordSASLProvider(password, max_auth_attempts=1)
        providers = (sasl,) if login else ()
        return aioxmpp.security_layer.SecurityLayer(self._context, Verifier, True, providers)

    def _peer(self) -> list[tuple[str, int, Any]]:
        kind = aioxmpp.connector.XMPPOverTLSConnector if self.direct_tls else aioxmpp.connector.STARTTLSConnector
        return [("127.0.0.1", self.port, kind())]

    def _make(self) -> None:
        layer = self._security(login=True)
        client = aioxmpp.Client(
            aioxmpp.JID.fromstr(self.full), layer, override_peer=self._peer(), max_initial_attempts=1
        )
        roster = client.summon(aioxmpp.RosterClient)
        for signal in (roster.on_entry_added, roster.on_entry_name_changed):
            signal.connect(self._on_push)
        roster.on_entry_subscription_state_changed.connect(self._on_push)
        roster.on_entry_removed.connect(lambda item: self._on_push(item, "remove"))
        blocking = client.summon(aioxmpp.BlockingClient)
        blocking.on_jids_blocked.connect(lambda jids: self._on_blocking("block", jids))
        blocking.on_jids_unblocked.connect(lambda jids: self._on_blocking("unblock", jids))
        for service in (aioxmpp.DiscoClient, aioxmpp.vcard.VCardService):
            client.summon(service)
        client.stream.app_inbound_message_filter.register(self._on_message, 0)
        client.stream.app_inbound_presence_filter.register(self._on_presence, 0)
        client.stream.on_failure.connect(self._on_failure)
        self._client = client

    # ---- what comes in

    def _on_message(self, stanza: Any) -> Any:
        delay = stanza.xep0203_delay[0].stamp if stanza.xep0203_delay else None
        if delay is not None and delay.tzinfo is None:
            delay = delay.replace(tzinfo=datetime.UTC)
        error = stanza.error.condition.value[1] if stanza.error is not None else ""
        body = stanza.body.any() if stanza.body else ""
        self.inbox.put(Event("message", str(stanza.from_), stanza.type_.value, body, "", delay, error))
        return stanza

    def _on_presence(self, stanza: Any) -> Any:
        error = stanza.error.condition.value[1] if stanza.error is not None else ""
        status = stanza.status.any() if stanza.status else ""
        kind, show = stanza.type_.value or "available", stanza.show.value or ""
        self.inbox.put(Event("presence", str(stanza.from_), kind, status, show, condition=error))
        return stanza

    def _on_push(self, item: Any, subscription: str = "") -> None:
        self.inbox.put(Event("push", str(item.jid), subscription or item.subscription, item.name or ""))

    def _on_blocking(self, kind: str, jids: Any) -> None:
        for jid in jids:
            self.inbox.put(Event(kind, str(jid)))

    def _on_failure(self, reason: BaseException) -> None:
        condition = reason.condition.value[1] if isinstance(reason, aioxmpp.errors.StreamError) else ""
        self.inbox.put(Event("closed", condition=condition))
        self.client.stop()

    # ---- what a device does

    async def connect(self) -> None:
        if self.register:
            await self._register()
            self.register = False
        self._make()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.client.on_failure.connect(lambda error: settle(ready, error))
        self.client.on_stream_established.connect(lambda: settle(ready))
        self.client.start()
        try:
            await asyncio.wait_for(ready, PATIENCE)
        except aioxmpp.sasl.aiosasl.AuthenticationFailure as error:
            raise LoginFailed(error.opaque_error) from None
        except (OSError, aioxmpp.errors.StreamNegotiationFailure) as error:
            raise LoginFailed(str(error)) from None
        self.inbox.clear()  # aioxmpp reports the roster it fetched at login as if every entry were new

    async def _register(self) -> None:
        layer = self._security(login=False)
        _, stream, _ = await aioxmpp.node.connect_xmlstream(
            aioxmpp.JID.fromstr(DOMAIN), layer, override_peer=self._peer()
        )
        try:
            query = aioxmpp.ibr.Query(username=self.account, password=self.password)
            iq = aioxmpp.IQ(aioxmpp.IQType.SET, payload=query)
            iq.autoset_id()
            # aioxmpp.ibr.register() does the same, but takes an error for a success.
            waiting = aioxmpp.protocol.send_and_wait_for(stream, [iq], [aioxmpp.IQ], timeout=PATIENCE)
            answer = await waiting
            if answer.type_ == aioxmpp.IQType.ERROR:
                raise Refused(answer.error.condition.value[1])
        finally:
            await stream.close_and_wait()

    async def disconnect(self) -> None:
        if self._client is None or not self._client.running:
            return
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client.on_stopped.connect(lambda: settle(stopped))
        self._client.on_failure.connect(lambda _error: settle(stopped))
        self._client.stop()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped, PATIENCE)

    async def _ask(self, kind: str, payload: Any, to: str | None = None) -> Any:
        address = aioxmpp.JID.fromstr(to) if to else None
        return await answered(self.client.send(aioxmpp.IQ(aioxmpp.IQType(kind), payload=payload, to=address)))

    async def roster(self) -> dict[str, RosterEntry]:
        found = await self._ask("get", aioxmpp.roster.xso.Query())
        return {
            str(item.jid): RosterEntry(
                item.name or "",
                item.subscription,
                frozenset(group.name for group in item.groups),
                item.ask == "subscribe",
            )
            for item in found.items
        }

    async def roster_set(self, jid: str, name: str, groups: tuple[str, ...] = ()) -> None:
        roster = self.client.summon(aioxmpp.RosterClient)
        address = aioxmpp.JID.fromstr(jid)
        await answered(roster.set_entry(address, name=name, add_to_groups=frozenset(groups)))

    async def roster_remove(self, jid: str) -> None:
        roster = self.client.summon(aioxmpp.RosterClient)
        await answered(roster.remove_entry(aioxmpp.JID.fromstr(jid)))

    def presence(self, type_: str = "", to: str = "", show: str = "", status: str = "", prio: int = 0) -> None:
        stanza = aioxmpp.Presence(
            type_=aioxmpp.PresenceType(type_ or None),
            show=aioxmpp.PresenceShow(show or None),
            to=aioxmpp.JID.fromstr(to) if to else None,
        )
        if status:
            stanza.status[None] = status
        stanza.priority = prio
        self.client.enqueue(stanza)

    def message(self, to: str, body: str) -> None:
        stanza = aioxmpp.Message(to=aioxmpp.JID.fromstr(to), type_=aioxmpp.MessageType.CHAT)
        stanza.body[None] = body
        self.client.enqueue(stanza)

    async def ping(self, jid: str) -> None:
        await answered(aioxmpp.ping.ping(self.client, aioxmpp.JID.fromstr(jid)))

    async def version(self, jid: str) -> tuple[str, str]:
        query = aioxmpp.version.service.query_version
        found = await answered(query(self.client.stream, aioxmpp.JID.fromstr(jid)))
        return found.name, found.version

    async def last_activity(self, jid: str) -> int:
        found = await self._ask("get", LastActivity(), jid)
        return int(found.seconds)

    async def entity_time(self, jid: str) -> datetime.datetime:
        found = await self._ask("get", EntityTime(), jid)
        assert found.tzo is not None
        return datetime.datetime.fromisoformat(found.utc)

    async def disco_info(self, jid: str) -> Info:
        disco = self.client.summon(aioxmpp.DiscoClient)
        found = await answered(disco.query_info(aioxmpp.JID.fromstr(jid), require_fresh=True))
        identities = frozenset((identity.category, identity.type_) for identity in found.identities)
        return Info(identities, frozenset(found.features))

    async def disco_items(self, jid: str) -> list[str]:
        disco = self.client.summon(aioxmpp.DiscoClient)
        found = await answered(disco.query_items(aioxmpp.JID.fromstr(jid), require_fresh=True))
        return [str(item.jid) for item in found.items]

    async def vcard_set(self, full_name: str) -> None:
        vcard = aioxmpp.vcard.xso.VCard()
        element = etree.Element("{vcard-temp}FN")
        element.text = full_name
        vcard.elements.append(element)
        await self._ask("set", vcard)

    async def vcard_get(self, jid: str | None = None) -> str:
        found = await self._ask("get", aioxmpp.vcard.xso.VCard(), jid)
        names: list[str] = [element.text for element in found.elements if element.tag == "{vcard-temp}FN"]
        return names[0] if names else ""

    async def private_set(self, nick: str) -> None:
        element = Exodus()
        element.defaultnick = nick
        await self._ask("set", aioxmpp.private_xml.xso.Query(element))

    async def private_get(self) -> str:
        found = await self._ask("get", aioxmpp.private_xml.xso.Query(Exodus()))
        return found.registered_payload.defaultnick or ""

    async def block(self, jid: str) -> None:
        await self._ask("set", blocking_xso.BlockCommand([aioxmpp.JID.fromstr(jid)]))

    async def unblock(self, jid: str) -> None:
        await self._ask("set", blocking_xso.UnblockCommand([aioxmpp.JID.fromstr(jid)]))

    async def blocked(self) -> set[str]:
        found = await self._ask("get", blocking_xso.BlockList())
        return {str(jid) for jid in found.items}

    async def change_password(self, password: str) -> None:
        query = aioxmpp.ibr.Query(username=self.account, password=password)
        await self._ask("set", query, DOMAIN)

    async def cancel_account(self) -> None:
        query = aioxmpp.ibr.Query()
        query.remove = True
        # The stream ends with the account, and the stream error may win.
        with contextlib.suppress(aioxmpp.errors.StreamError, ConnectionError):
            await self._ask("set", query, DOMAIN)
