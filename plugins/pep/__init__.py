"""XEP-0163 Personal Eventing Protocol: publish-subscribe (XEP-0060) at every account, as far as PEP needs it.

Beside it XEP-0490, what of which chat was displayed, where the server takes part in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress

from sqlalchemy import Connection

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    AccountDeleted,
    AvailabilityChanged,
    Condition,
    Element,
    Field,
    FromClient,
    Iq,
    IRoster,
    ISession,
    Jid,
    Message,
    Phase,
    Plugin,
    Replace,
    ServerUnreachable,
    StanzaError,
    SubscriptionApproved,
    Verdict,
    filter,
    iq_get,
    iq_set,
    observe,
    tag,
    use,
)
from xmppd.api.blocking import IBlocking
from xmppd.api.disco import DiscoInfo, DiscoItems, Identity, Item
from xmppd.api.limits import Window
from xmppd.api.presence import ContactAvailable, IContactDevices
from xmppd.plugins.pep import displayed, store
from xmppd.plugins.pep.access import visible
from xmppd.plugins.pep.config import DEFAULTS, node_of
from xmppd.plugins.pep.errors import unsupported
from xmppd.plugins.pep.interest import Caps, Interests, Kinds
from xmppd.plugins.pep.notices import Notices, published
from xmppd.plugins.pep.owner import Owner
from xmppd.plugins.pep.requests import NS, OWNER, Wanted, fits, item_element, pubsub
from xmppd.plugins.pep.visitors import Bounds, Visitors
from xmppd.wire.rsm import page_set

#: Parts of XEP-0060 that are not here: the feature that is lacking, by what asks for it.
_LACKING = {
    (NS, "subscribe"): "subscribe",
    (NS, "unsubscribe"): "subscribe",
    (NS, "options"): "subscription-options",
    (NS, "default"): "retrieve-default-sub",
    (NS, "subscriptions"): "retrieve-subscriptions",
    (NS, "affiliations"): "retrieve-affiliations",
    (OWNER, "subscriptions"): "manage-subscriptions",
    (OWNER, "affiliations"): "modify-affiliations",
}
_HERE = (
    "access-open", "access-presence", "access-roster", "access-whitelist", "auto-create", "auto-subscribe",
    "config-node", "config-node-max", "create-and-configure", "create-nodes", "delete-items",
    "delete-nodes", "filtered-notifications",
    "instant-nodes", "item-ids", "last-published", "multi-items", "persistent-items", "presence-notifications",
    "publish", "publish-options", "purge-nodes", "retract-items", "retrieve-default", "retrieve-items",
)  # fmt: skip


class Pep(Plugin):
    """Keep what users' devices share with each other and with contacts: avatars, bookmarks, keys, what was read."""

    xep = ((163, "1.2.2"), (490, "1.0.1"))
    account_features = (NS, *(f"{NS}#{feature}" for feature in _HERE), displayed.ASSIST)
    tables = (store.NODES, store.ITEMS)

    roster = use(IRoster)
    blocking = use(IBlocking)
    elsewhere = use(IContactDevices)

    class Options(Plugin.Options):
        """Limits for each account, and for what clients want to hear of."""

        nodes: int = Field(200, ge=1, description="Nodes that one account may have.")
        items: int = Field(5000, ge=1, description="Items that one node may have; the oldest go when it is full.")
        item_octets: int = Field(
            256 * 1024, ge=1, description="Octets that one item may have; name and configuration of a node as well."
        )
        octets: int = Field(16 * 1024 * 1024, ge=1, description="Octets that all items of one account may have.")
        answer_octets: int = Field(
            1024 * 1024, ge=1, description="Octets of items in one answer; who asks for more gets the newest."
        )
        interests: int = Field(
            200, ge=1, description="Nodes that one device may hear of; their names have 100 characters on average."
        )
        remembered_clients: int = Field(2000, ge=1, description="How many kinds of clients (XEP-0115) are remembered.")
        visitors: int = Field(
            20_000,
            ge=1,
            description="Of how many devices of contacts on other servers it is remembered what they want.",
        )
        visits_per_minute: int = Field(
            30, ge=1, description="How often in a minute one contact on another server is sent the last items."
        )
        questions: int = Field(50, ge=1, description="Devices on other servers that are asked at a time what they are.")
        questions_per_server: int = Field(10, ge=1, description="The same for one server.")
        questions_waiting: int = Field(1000, ge=1, description="Devices on other servers that may wait to be asked.")

    async def start(self) -> None:
        self._visits = Window(self.options.visits_per_minute, 60.0, 10_000)
        self._find_kinds()
        self._notices = Notices(self.host, self.roster, self.blocking, self.elsewhere, self._wanted_elsewhere)
        self._owner = Owner(self.host, self._notices, self._limits)
        for session in self.host.all_sessions():
            if session.presence is not None:
                self._look_at(session, initial=False)

    async def reconfigured(self, options: object) -> None:
        self._visits.set_limits(self.options.visits_per_minute, 60.0)
        self._find_kinds()

    def _find_kinds(self) -> None:
        options = self.options
        kinds = Kinds(self.host, options.remembered_clients, options.interests)
        bounds = Bounds(options.visitors, options.questions, options.questions_per_server, options.questions_waiting)
        self._interests = Interests(self.host, kinds)
        self._visitors = Visitors(self.host, kinds, bounds, self._visited)

    def _wanted_elsewhere(self, device: Jid) -> Collection[str]:
        return self._visitors.wanted(device)

    def _limits(self) -> store.Limits:
        options = self.options
        return store.Limits(options.nodes, options.items, options.item_octets, options.octets)

    # Requests (XEP-0060 sections 6 to 8)

    @iq_get(NS, "pubsub", to=ACCOUNT)
    @iq_get(OWNER, "pubsub", to=ACCOUNT)
    async def read(self, request: Iq) -> Iq:
        """Answer with items, or with the configuration of a node."""
        command = _command(request)
        if command.uri == NS and command.name == "items":
            return request.result(await self._items(request))
        if request.sender.bare != request.to:
            raise StanzaError(Condition.FORBIDDEN)
        if command.uri == OWNER and command.name == "default":
            return request.result(pubsub(tag("default", DEFAULTS.form("form")), OWNER))
        if command.uri == OWNER and command.name == "configure":
            account, name = str(request.to), node_of(command)
            node = await self.db.read(lambda c: store.need(c, account, name))
            return request.result(pubsub(tag("configure", node.config.form("form"), node=name), OWNER))
        raise StanzaError(Condition.BAD_REQUEST)

    @iq_set(NS, "pubsub", to=ACCOUNT)
    @iq_set(OWNER, "pubsub", to=ACCOUNT)
    async def change(self, request: Iq) -> Iq:
        """Publish, retract, create, configure, delete or purge for the owner."""
        command = _command(request)
        if request.sender.bare != request.to:
            raise StanzaError(Condition.FORBIDDEN)
        return await self._owner.change(request, command)

    @iq_get(NS, "pubsub", to=NO_ACCOUNT)
    @iq_set(NS, "pubsub", to=NO_ACCOUNT)
    @iq_get(OWNER, "pubsub", to=NO_ACCOUNT)
    @iq_set(OWNER, "pubsub", to=NO_ACCOUNT)
    def nobody(self, request: Iq) -> Iq:
        """Answer as an account that has no nodes does."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        command = _command(request)
        if request.type == "get" and (command.uri, command.name) == (NS, "items"):
            Wanted.read(request.request)
            raise StanzaError(Condition.ITEM_NOT_FOUND)
        raise StanzaError(Condition.FORBIDDEN)

    async def _items(self, request: Iq) -> bytes:
        wanted, owner = Wanted.read(request.request), request.recipient

        def read(connection: Connection) -> tuple[store.Node, store.Page]:
            node = store.need(connection, str(owner), wanted.node)
            return node, store.items(connection, node, self.options.answer_octets, wanted.ids, wanted.newest)

        node, page = await self.db.read(read)
        if (refused := await self._refusal(owner, request.sender.bare, node)) is not None:
            raise refused
        if not node.config.flag("persist_items"):
            raise unsupported("persistent-items")
        items = tag("items", *map(item_element, page.items), node=wanted.node)
        if page.of is None:
            return pubsub(items)
        return pubsub(items + page_set(page.items[0].id, page.items[-1].id, None, page.of))  # section 6.5.4

    async def _refusal(self, owner: Jid, asker: Jid, node: store.Node) -> StanzaError | None:
        if asker == owner:
            return None
        return visible(node.config, None if self.roster is None else await self.roster.load(owner), asker)

    # Service discovery (XEP-0163 section 6, XEP-0060 section 5)

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> Awaitable[None] | None:
        """Say that accounts are such services; describe a node to those who may see it."""
        if not event.entity.local:
            return None
        if event.node:
            return self._describe_node(event)
        event.identities.append(Identity("pubsub", "pep"))
        return None

    async def _describe_node(self, event: DiscoInfo) -> None:
        node = await self.db.read(lambda c: store.find(c, str(event.entity), event.node))
        if node is None or event.asker is None:
            return
        if (refused := await self._refusal(event.entity, event.asker.bare, node)) is not None:
            event.refusal = refused
            return
        event.identities.append(Identity("pubsub", "leaf", node.config.title))
        event.features.append(NS)

    @observe(DiscoItems)
    async def list_nodes(self, event: DiscoItems) -> None:
        """List the nodes of an account that the asker may see (XEP-0163 6.2), or the items of a node."""
        if not event.entity.local:
            return
        account, asker = str(event.entity), event.asker.bare
        if event.node:
            await self._list_items(event)
            return
        for node in await self.db.read(lambda c: store.nodes(c, account)):
            if await self._refusal(event.entity, asker, node) is None:
                event.items.append(Item(account, node.config.title, node.name))

    async def _list_items(self, event: DiscoItems) -> None:
        account = str(event.entity)

        def read(connection: Connection) -> tuple[store.Node, Sequence[str]] | None:
            node = store.find(connection, account, event.node)
            return None if node is None else (node, store.names(connection, node))

        found = await self.db.read(read)
        if found is not None and await self._refusal(event.entity, event.asker.bare, found[0]) is None:
            event.known = True
            event.items += [Item(account, name) for name in found[1]]

    # Presence (XEP-0163 section 4)

    @observe(AvailabilityChanged)
    def availability(self, event: AvailabilityChanged) -> None:
        """Find out what a device wants to hear of, and send it the last of it if it has come online."""
        if event.presence.type == "available" and event.session.presence is event.presence:
            self._look_at(event.session, initial=event.previous is None)

    def _look_at(self, session: ISession, initial: bool) -> None:
        caps = None if session.presence is None else Caps.of(session.presence)
        # In the background: what is asked comes from the very device that would have to wait.
        if not self._interests.current(session, caps):
            assert caps is not None
            self.host.spawn(self._learn(session, caps, initial), f"asking {session.jid} for its capabilities")
        elif initial and caps is not None:
            self.host.spawn(self._notices.last_to(session), f"sending the last items to {session.jid}")

    async def _learn(self, session: ISession, caps: Caps, initial: bool) -> None:
        if await self._interests.ask(session, caps) and initial:
            await self._notices.last_to(session)

    @observe(ContactAvailable)
    def contact_available(self, event: ContactAvailable) -> None:
        """Find out what a device elsewhere wants to hear of; send it the last of it if it has come online."""
        self._visitors.see(event.account, event.presence, event.new)

    def _visited(self, account: Jid, device: Jid) -> None:
        key, now = f"{account} {device.bare}", self.clock.seconds()
        if self._visitors.wanted(device) and not self._visits.full(key, now):
            self._visits.add(key, now)
            self.host.spawn(self._notices.last_to_visitor(account, device), f"sending the last items to {device}")

    @observe(ServerUnreachable)
    def unreachable(self, event: ServerUnreachable) -> None:
        """Forget who was there."""
        self._visitors.forget(event.domain)

    @observe(SubscriptionApproved)
    async def approved(self, event: SubscriptionApproved) -> None:
        """Send a new subscriber the last items (4.3.4)."""
        await self._notices.last_of(event.account, event.contact)

    # What was displayed (XEP-0490)

    @filter(FromClient, Phase.REWRITE, kinds=(Message,))
    def assist(self, event: FromClient) -> Verdict | None:
        """Publish what a client says it has displayed, and pass its message on without that (4.5)."""
        if displayed.DISPLAYED not in event.stanza.raw_names or event.stanza.type == "error":
            return None  # an error has in it what somebody else has said
        message, account, limits = event.stanza, event.session.account, self._limits()
        rest, item = displayed.taken(message, account)
        fits(item, limits.item)
        now = self.clock.seconds()

        def put(connection: Connection) -> None:
            # Of what is too much nothing is said: the message has been sent.
            with suppress(StanzaError), connection.begin_nested():
                displayed.publish(connection, str(account), item, now, limits)

        self.host.store_call(message, put)
        payload = published(displayed.NODE, displayed.CONFIG, item)
        # To the own devices alone, even if somebody has opened the node: what others see is the marker.
        return Replace(rest, also=self._notices.to_owner(account, displayed.NODE, payload))

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's nodes."""
        await self.db.write(lambda c: store.forget(c, str(event.account)))


def _command(request: Iq) -> Element:
    """Return what ``<pubsub/>`` asks for.

    :raises StanzaError: bad-request, if it is nothing; feature-not-implemented, if it is something that isn't here.
    """
    command = next(request.request.elements(), None)
    if command is None:
        raise StanzaError(Condition.BAD_REQUEST)
    lacking = _LACKING.get((command.uri or "", command.name))
    if lacking is not None:
        raise unsupported(lacking)
    return command
