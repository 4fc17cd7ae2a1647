"""Service discovery of rooms, and of the service that has them (XEP-0045 sections 6 and 7.12; XEP-0307)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from xmppd.api import Condition, Iq, Payload, StanzaError, iq_get, settled, tag
from xmppd.api.commands import NS as COMMANDS
from xmppd.api.disco import DiscoItems, Identity, Info, Item, answer_info, answer_items, node_of
from xmppd.api.muc import RoomInfo, RoomItems
from xmppd.plugins.muc.room import avatar, describing, traffic
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.room.words import MUC, OCCUPANT_ID
from xmppd.plugins.muc.service import archive_requests, features, listing
from xmppd.plugins.muc.service.indicators import RAI
from xmppd.plugins.muc.service.part import Part
from xmppd.plugins.muc.service.searching import SEARCH
from xmppd.wire import ns, rsm
from xmppd.wire.disco import INFO, ITEMS
from xmppd.wire.xml import parse

if TYPE_CHECKING:
    from xmppd.plugins.muc import Muc
    from xmppd.plugins.muc.service.guard import Guard

__all__ = ["ANSWERS", "SERVICE_FEATURES", "Discovery"]

UNIQUE = f"{MUC}#unique"
_RESERVED = "x-roomuser-item"
_UNIQUE_OCTETS = 16
#: What the service says of itself, besides what it says of the archives of its rooms.
SERVICE_FEATURES = (MUC, f"{MUC}#stable_id", OCCUPANT_ID, UNIQUE, rsm.NS, avatar.NS, SEARCH, RAI)


class Discovery(Part):
    """The part of the plugin that says which rooms there are."""

    if TYPE_CHECKING:  # what the plugin has of its own
        guard: Guard

    @iq_get(ITEMS, "query")
    async def disco_items(self, request: Iq) -> Iq:
        """List the public rooms (section 6.3): as many as may be listed at once, and those that are asked for."""
        event = DiscoItems(self.jid, node_of(request), request.sender, trusted=True)
        if event.node:
            return await answer_items(self.host, event, request)
        wanted, most = rsm.page_request(request.request), self.options.list_rooms
        public = self.service.forced.get("public")
        page = await self.db.read(lambda c: listing.page(c, self.jid, wanted, most, public))
        if page.place == 0 and wanted.max != 0:  # what others have to list is on the first page
            await settled(self.host.notify(event))
        return request.result(_paged(page, event.items, request))

    @iq_get(UNIQUE, "unique")
    async def unique_name(self, request: Iq) -> Iq:
        """Return a name that no room has, nor will have by chance (XEP-0307), to who may create one."""
        self.guard.enter(request.sender, None)
        return request.result(tag("unique", secrets.token_hex(_UNIQUE_OCTETS), xmlns=UNIQUE))


def _paged(page: listing.Page, more: Iterable[Item], request: Iq) -> bytes:
    """Return a page of a list, and say so if it is not the whole, or that was asked for (XEP-0059)."""
    items = [Item(str(one.jid), one.title) for one in page.items]
    behind = b""
    if len(items) < page.total or any(element.uri == rsm.NS for element in request.request.elements()):
        first, last, place = (items[0].jid, items[-1].jid, page.place) if items else (None, None, None)
        behind = rsm.page_set(first, last, place, page.total)
    shown = (tag("item", jid=i.jid, name=i.name or None, node=i.node or None) for i in (*items, *more))
    return tag("query", *shown, behind, xmlns=ITEMS)


async def _info(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Say what a room is (section 6.4), or which nickname is the asker's there (section 7.12)."""
    node = node_of(iq)
    if node == _RESERVED:
        member = room.members.get(iq.sender.bare)
        mine = (Identity("conference", "text", member.nick),) if member is not None and member.nick else ()
        return Info(mine, ()).query(node)
    if node == traffic.NODE:
        passing = traffic.namespaces(room.config)
        if passing is None:  # section 18.1.1: so it is said that everything passes
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return Info((), tuple(passing)).query(node)
    event = RoomInfo(room.jid, node, iq.sender)
    command = features.COMMANDS.get(node)
    if command is not None and command.allowed(room, iq):
        event.identities.append(Identity("automation", "command-node", command.name))
        event.features += [COMMANDS, ns.DATA_FORMS]
    if not node:
        event.identities.append(Identity("conference", "text", room.config.name or room.jid.local))
        event.features += [*describing.features(room.config), *features.FEATURES, ITEMS]
        event.features += archive_requests.features(room, muc.options.archive_search)
        event.forms += parse(describing.information(room, iq.sender, muc.clock.seconds()))
    return (await answer_info(muc.host, event, iq)).payload


async def _items(muc: Muc, room: Room, iq: Iq) -> Payload:
    """Say who is in a room, if it is one that says so (section 6.5)."""
    event = RoomItems(room.jid, node_of(iq), iq.sender, trusted=True)
    if not event.node:
        shown = room.config.list_occupants and room.affiliation(iq.sender) is not Affiliation.OUTCAST
        jids = [one.jid for one in room.occupants.values() if room.broadcasts(one.role)] if shown else []
        page = listing.occupants(jids, rsm.page_request(iq.request), muc.options.list_rooms)
        await settled(muc.host.notify(event))
        return _paged(page, event.items, iq)
    if event.node == COMMANDS:  # XEP-0050 section 2.2
        event.known = True
        allowed = (node for node, command in features.COMMANDS.items() if command.allowed(room, iq))
        event.items += [Item(str(room.jid), features.COMMANDS[node].name, node) for node in allowed]
    return (await answer_items(muc.host, event, iq)).payload


ANSWERS: Mapping[tuple[str, str, str], Callable[[Muc, Room, Iq], Awaitable[Payload]]] = {
    ("get", INFO, "query"): _info,
    ("get", ITEMS, "query"): _items,
}
