"""A push provider as UnifiedPush has them (https://unifiedpush.org), for the devices of our users.

An app on a phone asks its distributor for an endpoint, the distributor is the XMPP client, and the client asks us, as
the draft http://gultsch.de/xmpp/drafts/unified-push has it. The app's own server pushes to the endpoint by HTTP, most
often with Web Push's encryption (RFC 8291), which is the app's to decrypt; we hand it on over the stream there is. So a
phone needs one connection for its chats and for all other apps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from xmppd.api import (
    AccountDeleted,
    AvailabilityChanged,
    Condition,
    Field,
    Iq,
    ISession,
    Jid,
    OperationError,
    Plugin,
    Result,
    SessionResumed,
    StanzaError,
    iq_set,
    observe,
    operation,
    tag,
)
from xmppd.api.figures import Figure
from xmppd.api.http import Headers, HttpError, Request, Response, http_get, http_post
from xmppd.api.limits import Window, network_of
from xmppd.api.words import plural
from xmppd.plugins.unified_push import store
from xmppd.plugins.unified_push.rules import NS, PREFIX, app_of, new_token, push, token_of, topic_of, ttl_of
from xmppd.plugins.unified_push.store import Endpoint, Full
from xmppd.wire.delay import format_datetime

_DAY = 86_400.0
_HOUR = 3_600.0
_MINUTE = 60.0
_BATCH = 50
_DIGITS = 18  # of an id that databases have a place for
#: The client says that there is no such app any more. Whatever else it says may be over soon.
_GONE = frozenset((Condition.ITEM_NOT_FOUND, Condition.GONE))
_DISCOVERY = {"unifiedpush": {"version": 1}}


class UnifiedPush(Plugin):
    """Be the push provider of our users' other apps."""

    features = (NS,)
    tables = store.TABLES
    default = False

    class Options(Plugin.Options):
        """How much may be pushed, and how long it waits for devices that are not there."""

        days: float = Field(30.0, gt=0, description="Days for which an endpoint is good; clients renew it in time.")
        endpoints: int = Field(100, ge=1, description="Endpoints that an account may have.")
        octets: int = Field(4_096, ge=4_096, description="Octets of a push at most; more get 413.")
        ttl_seconds: int = Field(
            86_400,
            ge=0,
            description="Seconds for which a push waits for its device if its sender doesn't say it (TTL).",
        )
        ttl_max_seconds: int = Field(7 * 86_400, ge=0, description="The longest that a push waits, whatever is asked.")
        waiting: int = Field(50, ge=0, description="Pushes that may wait for an endpoint; more get 429.")
        answer_seconds: float = Field(10.0, gt=0, description="Seconds that a device has to say that it got a push.")
        endpoint_per_minute: int = Field(60, ge=1, description="Pushes to an endpoint within a minute; more get 429.")
        address_per_minute: int = Field(
            6_000, ge=1, description="Pushes from an IPv4 address, or an IPv6 /64 network, within a minute."
        )
        misses_per_minute: int = Field(
            60, ge=1, description="Pushes from there to endpoints that don't exist, after which all get 429."
        )

    async def start(self) -> None:
        self._at_work: set[Jid] = set()  # devices that are being given what waited for them
        self._again: set[Jid] = set()  # those of them for whom more was kept since it was looked
        self._endpoints = self._waiting = self._delivered = self._refused = 0
        options = self.options
        self._of_endpoint = Window(options.endpoint_per_minute, _MINUTE)
        self._of_address = Window(options.address_per_minute, _MINUTE)
        self._misses = Window(options.misses_per_minute, _MINUTE)
        await self._sweep()
        self.every(_HOUR, self._sweep)

    async def reconfigured(self, options: Options) -> None:
        self._of_endpoint.set_limits(options.endpoint_per_minute, _MINUTE)
        self._of_address.set_limits(options.address_per_minute, _MINUTE)
        self._misses.set_limits(options.misses_per_minute, _MINUTE)

    async def _sweep(self) -> None:
        now = self.clock.seconds()
        forgotten = now - self.options.days * _DAY
        await self.db.write(lambda c: store.sweep(c, now, forgotten))
        self._endpoints, self._waiting = await self.db.read(lambda c: store.totals(c, now))

    # Clients

    @iq_set(NS, "register")
    async def register(self, request: Iq) -> Iq:
        """Give an app an endpoint, or renew the one it has."""
        device = self._device(request)
        application, instance = app_of(request.request)
        if not self.host.web.base:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE, text="Nobody reaches this server by HTTP.")
        now, most, token = self.clock.seconds(), self.options.endpoints, new_token()
        until = now + self.options.days * _DAY
        account, resource = str(device.bare), device.resource
        try:
            token = await self.db.write(
                lambda c: store.register(c, account, resource, application, instance, token, now, until, most)
            )
        except Full:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"At most {most} endpoints.") from None
        endpoint = self.host.web.url(f"{PREFIX}{token}")
        return request.result(_registered(endpoint, until))

    @iq_set(NS, "unregister")
    async def unregister(self, request: Iq) -> Iq:
        """End an app's endpoint."""
        device = self._device(request)
        application, instance = app_of(request.request)
        account, resource = str(device.bare), device.resource
        if not await self.db.write(lambda c: store.end(c, account, resource, application, instance)):
            raise StanzaError(Condition.ITEM_NOT_FOUND)
        return request.result()

    def _device(self, request: Iq) -> Jid:
        """Return who asks: a device of one of our users, and nobody else."""
        if self.host.session(request.sender) is None:
            raise StanzaError(Condition.FORBIDDEN, text="This is for users of this server.")
        return request.sender

    # Servers of apps

    @http_get(PREFIX, cors=True)
    def discover(self, request: Request) -> Response:
        """Say that this is what it seems; whether there is such an endpoint is nobody's business."""
        return Response.json(_DISCOVERY)

    @http_post(PREFIX, cors=True)
    async def pushed(self, request: Request) -> Response:
        """Hand a push on, or keep it: 201 says that the device has it, 202 that it waits for the device."""
        try:
            endpoint = await self._admitted(request)
            ttl = ttl_of(request.headers, self.options.ttl_seconds, self.options.ttl_max_seconds)
            topic = topic_of(request.headers)
            return await self._hand_on(endpoint, request.body, ttl, topic)
        except HttpError:
            self._refused += 1
            raise

    async def _admitted(self, request: Request) -> Endpoint:
        """Return the endpoint that a request is for. Who guesses is not answered for long."""
        now, address = self.clock.seconds(), network_of(request.peer)
        if self._misses.full(address, now) or self._of_address.full(address, now):
            raise _too_many()
        self._of_address.add(address, now)
        token = token_of(request.path)
        endpoint = None if token is None else await self.db.read(lambda c: store.find(c, token))
        if endpoint is None or Jid.parse(endpoint.account).domain != self.host.jid.domain:
            self._misses.add(address, now)
            raise HttpError(HTTPStatus.NOT_FOUND, "There is no such endpoint.")
        if not endpoint.good(now):
            raise _gone()
        if len(request.body) > self.options.octets:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A push has {self.options.octets} octets at most.")
        if self._of_endpoint.full(endpoint.token, now):
            raise _too_many()
        self._of_endpoint.add(endpoint.token, now)
        return endpoint

    async def _hand_on(self, endpoint: Endpoint, content: bytes, ttl: int, topic: str) -> Response:
        answer = Headers({"TTL": str(ttl)})
        device = Jid.of(Jid.parse(endpoint.account).local, self.host.jid.domain, endpoint.resource)
        there = self._there(device)
        # What came before goes before; and what it may replace is among that.
        at_once = there and not endpoint.waits and device not in self._at_work
        if at_once and await self._give(device, endpoint.token, endpoint.application, endpoint.instance, content):
            return Response(HTTPStatus.CREATED, headers=answer)
        if ttl > 0:
            await self._keep(endpoint, topic, content, ttl)
            if self._there(device) is not there or endpoint.waits or device in self._at_work:
                self._deliver_to(device)
            return Response(HTTPStatus.ACCEPTED, headers=answer)
        return Response(HTTPStatus.CREATED, headers=answer)  # now or never, and it is never (RFC 8030 section 5.2)

    async def _keep(self, endpoint: Endpoint, topic: str, content: bytes, ttl: int) -> None:
        until, most = self.clock.seconds() + ttl, self.options.waiting
        try:
            await self.db.write(lambda c: store.keep(c, endpoint, topic, content, until, most))
        except Full:
            raise _too_many() from None

    # Devices

    def _there(self, device: Jid) -> bool:
        session = self.host.session(device)
        return session is not None and not session.hibernating

    async def _give(self, device: Jid, token: str, application: str, instance: str, content: bytes) -> bool:
        """Hand a push to a device. Has it said that it got it?

        :raises HttpError: there is no such app on it any more (410); the endpoint has ended.
        """
        request = Iq(to=device, type="set", payload=push(application, instance, content))
        try:
            await self.host.request(request, self.options.answer_seconds)
        except StanzaError as error:
            if error.condition not in _GONE:
                return False
            await self.db.write(lambda c: store.ended(c, (token,)))
            raise _gone() from None
        self._delivered += 1
        return True

    @observe(AvailabilityChanged)
    def came(self, event: AvailabilityChanged) -> None:
        """A client is ready: give it what waited."""
        if event.previous is None and event.presence.type == "available":
            self._came(event.session)

    @observe(SessionResumed)
    def came_back(self, event: SessionResumed) -> None:
        """The same."""
        self._came(event.session)

    def _came(self, session: ISession) -> None:
        self._deliver_to(session.jid)

    def _deliver_to(self, device: Jid) -> None:
        if device in self._at_work:
            self._again.add(device)
        else:
            self._at_work.add(device)
            self.host.spawn(self._deliver(device), f"pushing what waited for {device}")

    async def _deliver(self, device: Jid) -> None:
        """Hand over what waited, in order, as long as the device takes it."""
        account, resource = str(device.bare), device.resource
        try:
            while (rows := await self._looked(device, account, resource)) or device in self._again:
                for row in rows:
                    if not self._there(device) or not await self._given(device, row):
                        return
        finally:
            self._at_work.discard(device)
            self._again.discard(device)

    async def _looked(self, device: Jid, account: str, resource: str) -> Sequence[store.Waiting]:
        self._again.discard(device)
        return await self.db.read(lambda c: store.waiting(c, account, resource, _BATCH))

    async def _given(self, device: Jid, row: store.Waiting) -> bool:
        in_time = row.until > self.clock.seconds()
        try:
            given = in_time and await self._give(device, row.token, row.application, row.instance, row.content)
        except HttpError:  # the app is gone, and all that waited for it with it
            return True
        if given or not in_time:
            await self.db.write(lambda c: store.remove(c, row.id))
        return given or not in_time

    # Those who come after

    @observe(AccountDeleted)
    async def deleted(self, event: AccountDeleted) -> None:
        """Forget what was of an account."""
        await self.db.write(lambda c: store.forget(c, str(event.account)))

    @operation("unified-push list", safe=True, examples=("romeo@example.org",))
    async def list_endpoints(self, account: Jid | None = None, *, limit: int = 100, after: str = "") -> Result:
        """List the endpoints that apps have; what their servers push to is not shown.

        :param account: whose; all, if none is given.
        :param limit: how many at most.
        :param after: the last id of the page before.
        """
        now, whose = self.clock.seconds(), "" if account is None else str(account.bare)
        if after and not (after.isdecimal() and after.isascii() and len(after) <= _DIGITS):
            raise OperationError("after is the id of an endpoint")
        host, behind = str(self.host.jid), int(after or 0)
        found = await self.db.read(lambda c: store.listed(c, host, whose, now, limit, behind))
        return [
            {
                "id": endpoint.id,
                "account": endpoint.account,
                "device": endpoint.resource,
                "registered": format_datetime(endpoint.registered_at),
                "expires": format_datetime(endpoint.expires_at),
            }
            for endpoint in found
        ]

    @operation("unified-push end", examples=("romeo@example.org",))
    async def end_endpoints(self, account: Jid) -> Result:
        """End all endpoints of an account: its apps have to register again.

        :param account: whose.
        """
        count = await self.db.write(lambda c: store.drop(c, str(account.bare)))
        return f"Ended {plural(count, 'endpoint')}."

    def figures(self) -> Iterable[Figure]:
        yield Figure("endpoints", "Endpoints that apps have, when it was last looked.", self._endpoints)
        yield Figure("waiting", "Pushes that waited for their device, when it was last looked.", self._waiting)
        yield Figure("delivered", "Pushes that devices have got.", self._delivered, grows=True)
        yield Figure("refused", "Requests that were not accepted.", self._refused, grows=True)


def _registered(endpoint: str, until: float) -> bytes:
    return tag("registered", xmlns=NS, endpoint=endpoint, expiration=format_datetime(until))


def _gone() -> HttpError:
    return HttpError(HTTPStatus.GONE, "The endpoint has ended.")


def _too_many() -> HttpError:
    return HttpError(HTTPStatus.TOO_MANY_REQUESTS, "Too much.", {"Retry-After": "60"})
