"""XEP-0215 External Service Discovery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from xmppd.api import (
    Condition,
    Element,
    Iq,
    ISession,
    Jid,
    OperationError,
    Plugin,
    Result,
    StanzaError,
    iq_get,
    observe,
    operation,
    tag,
)
from xmppd.api.disco import DiscoInfo
from xmppd.api.limits import Window
from xmppd.plugins.external_services.credentials import Credentials, credentials_for, service_element
from xmppd.plugins.external_services.options import ExternalServicesOptions, Service
from xmppd.wire.delay import format_datetime

NS = "urn:xmpp:extdisco:2"
_MINUTE = 60.0
#: Types that a client's session is remembered to have asked for, so that it can be told of changes.
_REMEMBERED = 8

Key = tuple[str, str, int | None, str | None]


class ExternalServices(Plugin):
    """Tell users where STUN and TURN servers for calls are, or other services, and what to log in with there."""

    xep = (215, "1.0.0")

    Options = ExternalServicesOptions

    async def start(self) -> None:
        # What sessions have asked for: types of services, "" for all.
        self._asked: WeakKeyDictionary[ISession, dict[str, None]] = WeakKeyDictionary()
        self._requests = Window(self.options.max_requests, _MINUTE)
        self._known = self.options

    async def reconfigured(self, options: Any) -> None:
        """Take other options, and tell those of changes who have asked (section 3.2)."""
        before, self._known = self._known, options
        self._requests.set_limits(options.max_requests, _MINUTE)
        changes = self._changes(before, options)
        for session, types in list(self._asked.items()):
            for type_ in types if changes else ():
                self._push(session, type_, changes)

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Say so if there are services (section 5)."""
        if event.entity == self.host.jid and not event.node and self.options.services:
            event.features.append(NS)

    # Section 3

    @iq_get(NS, "services")
    async def services(self, request: Iq) -> Iq:
        """Tell of all services, or those of a type (3.1, 3.2)."""
        await self._check(request)
        type_ = request.request.getAttribute("type") or ""
        session = self.host.session(request.sender)
        if session is not None:
            asked = self._asked.setdefault(session, {})
            if len(asked) < _REMEMBERED:
                asked[type_] = None
        found = [service for service in self.options.services if type_ in ("", service.type)]
        return request.result(self._services(type_, (self._element(service, request.sender) for service in found)))

    @iq_get(NS, "credentials")
    async def credentials(self, request: Iq) -> Iq:
        """Give credentials for services that the client knows of (3.3)."""
        await self._check(request)
        elements = []
        for wanted in request.request.elements(NS, "service"):
            matching = [service for service in self.options.services if self._is(service, wanted)]
            given = [service for service in matching if self._credentials(service, request.sender) is not None]
            if not given:
                raise StanzaError(Condition.ITEM_NOT_FOUND, text="there are no credentials for such a service")
            elements += [self._element(service, request.sender) for service in given]
        if not elements:
            raise StanzaError(Condition.BAD_REQUEST, text="it does not say for which service")
        return request.result(tag("credentials", *elements, xmlns=NS))

    async def _check(self, request: Iq) -> None:
        sender = request.sender
        if not self.options.services:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        if not await self._may_know(sender):
            raise StanzaError(Condition.FORBIDDEN)
        who, now = sender.bare if self._is_ours(sender) else sender.domain, self.clock.seconds()
        if self._requests.full(who, now):
            raise StanzaError(Condition.POLICY_VIOLATION, type="wait", text="these are too many requests in a minute")
        self._requests.add(who, now)

    def _is_ours(self, user: Jid) -> bool:
        return user.domain == self.host.jid.domain and bool(user.local)

    async def _may_know(self, user: Jid) -> bool:
        who = self.options.who
        if who == "everybody" or not self._is_ours(user):
            return bool(who == "everybody")
        return who == "guests" or await self.host.accounts.exists(user.bare)

    def _is(self, service: Service, wanted: Element) -> bool:
        """Is it the service that is meant?

        :raises StanzaError: bad-request, if it doesn't say what has to be said.
        """
        host, type_, port = (wanted.getAttribute(name) for name in ("host", "type", "port"))
        if not host or not type_:
            raise StanzaError(Condition.BAD_REQUEST, text="a service is named by its host and type")
        names = (service.host or self.host.jid.domain, service.type)
        return names == (host.lower(), type_) and port in (None, str(service.usual_port))

    def _credentials(self, service: Service, user: Jid) -> Credentials | None:
        options = self.options
        return credentials_for(service, options.secret, user.bare, self.clock.seconds(), options.ttl_seconds)

    def _element(self, service: Service, user: Jid, action: str | None = None) -> bytes:
        credentials = self._credentials(service, user) if action != "delete" else None
        return service_element(service, self.host.jid.domain, credentials, action)

    def _services(self, type_: str, elements: Iterable[bytes]) -> bytes:
        return tag("services", *elements, xmlns=NS, type=type_ or None)

    # Changes

    def _changes(self, before: ExternalServicesOptions, after: ExternalServicesOptions) -> list[tuple[str, Service]]:
        """Return what has become of the services: actions of section 2, and services."""
        old, new = self._by_key(before), self._by_key(after)
        changes = [("delete", service) for key, service in old.items() if key not in new]
        for key, service in new.items():
            if key not in old:
                changes.append(("add", service))
            elif old[key] != service or old[key].shared(before.secret) != service.shared(after.secret):
                changes.append(("modify", service))
        return changes

    def _by_key(self, options: ExternalServicesOptions) -> Mapping[Key, Service]:
        domain = self.host.jid.domain
        return {(s.type, s.host or domain, s.usual_port, s.usual_transport): s for s in options.services}

    def _push(self, session: ISession, type_: str, changes: Iterable[tuple[str, Service]]) -> None:
        chosen = [(action, service) for action, service in changes if type_ in ("", service.type)]
        if chosen and self.host.session(session.jid) is session:
            elements = [self._element(service, session.jid, action) for action, service in chosen]
            push = Iq(session.jid, self.host.jid, "", "set", payload=self._services(type_, elements))
            self.host.spawn(self._ask(push), f"telling {session.jid} of changed services")

    async def _ask(self, push: Iq) -> None:
        if await self._may_know(push.recipient):
            with suppress(StanzaError):  # a client that doesn't know what to do with it, or has gone
                await self.host.request(push)

    # For operators

    @operation("turn credentials", examples=("romeo@example.org",))
    async def credentials_of(self, account: Jid) -> Result:
        """Show what an account logs in with at each service, to try it, or to find the account in a service's log.

        :param account: bare address of the account.
        """
        if not await self.host.accounts.exists(account):
            raise OperationError(f"there is no account {account}", Condition.ITEM_NOT_FOUND)
        rows = []
        for service in self.options.services:
            given = self._credentials(service, account)
            rows.append(
                {
                    "type": service.type,
                    "host": service.host or self.host.jid.domain,
                    "port": service.usual_port,
                    "transport": service.usual_transport,
                    "username": "" if given is None else given.username,
                    "password": "" if given is None else given.password,
                    "expires": "" if given is None or given.expires is None else format_datetime(given.expires),
                }
            )
        return rows
