"""XEP-0013 Flexible Offline Message Retrieval."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence

from tx_xmpp.data_form import Field as FormField
from tx_xmpp.data_form import Form

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    OWN_ACCOUNT,
    Condition,
    Drop,
    Element,
    Iq,
    ISession,
    Jid,
    Message,
    Phase,
    Plugin,
    Replace,
    SessionBound,
    StanzaError,
    ToAccount,
    Verdict,
    filter,
    iq_get,
    iq_set,
    need,
    observe,
    settled,
    tag,
)
from xmppd.api.disco import DiscoInfo, DiscoItems, Identity, Item
from xmppd.api.offline import FETCHES, IOfflineStore, StoredMessage
from xmppd.wire.xml import serialise

NS = "http://jabber.org/protocol/offline"
_BATCH = 100
# Place and position, so that the order of nodes is that of the messages (section 2.3).
_NODE = re.compile(r"[0-9a-f]{16}-([0-7][0-9a-f]{15})")
_NO_SUCH = StanzaError(Condition.ITEM_NOT_FOUND, text="there is no such message")


class FlexibleOffline(Plugin):
    """Let clients list, fetch and delete the messages that wait for them one by one, instead of getting all at once."""

    xep = (13, "1.3")
    features = (NS,)

    offline = need(IOfflineStore)

    # What there is (sections 2.2 and 2.3)

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Say how many messages wait (section 2.2)."""
        if event.node != NS or not event.entity.local:
            return
        if not self._fetches(event.entity, event.asker):
            event.refusal = StanzaError(Condition.FORBIDDEN)
            return
        event.identities.append(Identity("automation", "message-list"))
        event.features.append(NS)
        form = Form("result", formNamespace=NS)
        form.addField(FormField("text-single", "number_of_messages", str(self.offline.count(event.entity))))
        event.add_form(form.toElement())

    @observe(DiscoItems)
    def headers(self, event: DiscoItems) -> Awaitable[None] | None:
        """Say whom the messages are from (section 2.3)."""
        if event.node != NS or not event.entity.local:
            return None
        if not self._fetches(event.entity, event.asker):
            event.refusal = StanzaError(Condition.FORBIDDEN)
            return None
        event.known = True
        return self._list(event)

    async def _list(self, event: DiscoItems) -> None:
        last: StoredMessage | None = None
        while messages := await self.offline.list(event.entity, _BATCH, last):
            event.items += [Item(event.entity, str(stored.message.from_ or ""), _node(stored)) for stored in messages]
            last = messages[-1]

    def _fetches(self, account: Jid, asker: Jid | None) -> bool:
        """Note that a client asks; false if it is not one of the account's."""
        session = None if asker is None or asker.bare != account else self.host.session(asker)
        if session is None:
            return False
        session.keep(FETCHES, True)
        self.wake()
        return True

    # Fetching (sections 2.4 and 2.6)

    @iq_get(NS, "offline", to=OWN_ACCOUNT)
    async def view(self, request: Iq) -> Iq:
        """Send some of the messages, or all; they are not deleted by that."""
        account, session = request.recipient.bare, self.host.session(request.sender)
        wanted = _wanted(request.request, "view", "fetch")
        self._fetches(account, request.sender)
        if session is None:
            raise StanzaError(Condition.FORBIDDEN)
        if wanted is not None:
            await self._send(session, await self._find(account, wanted))
            return request.result()
        last: StoredMessage | None = None
        while messages := await self.offline.list(account, _BATCH, last):
            await self._send(session, messages)
            last = messages[-1]
        return request.result()

    async def _find(self, account: Jid, nodes: Sequence[str]) -> Sequence[StoredMessage]:
        """Return messages by their nodes. :raises StanzaError: one of them is not there."""
        positions = [int(match[1], 16) if (match := _NODE.fullmatch(node)) else -1 for node in nodes]
        found = {_node(stored): stored for stored in await self.offline.find(account, positions)}
        if any(node not in found for node in nodes):
            raise _NO_SUCH
        return [found[node] for node in nodes]

    async def _send(self, session: ISession, messages: Sequence[StoredMessage]) -> None:
        for stored in messages:
            message = self.offline.stamped(stored).adding(tag("offline", tag("item", node=_node(stored)), xmlns=NS))
            await settled(session.send(message))

    # Deleting (sections 2.5 and 2.7)

    @iq_set(NS, "offline", to=OWN_ACCOUNT)
    async def remove(self, request: Iq) -> Iq:
        """Delete some of the messages, or all."""
        account = request.recipient.bare
        wanted = _wanted(request.request, "remove", "purge")
        if wanted is None:
            await self.offline.purge(account)
        else:
            await self.offline.remove(account, await self._find(account, wanted))
        return request.result()

    @iq_get(NS, "offline", to=(ACCOUNT, NO_ACCOUNT))
    def refuse(self, request: Iq) -> Iq:
        """Nobody reads the messages of others. Said of everybody, so that it doesn't tell who exists."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        raise StanzaError(Condition.FORBIDDEN)

    @iq_set(NS, "offline", to=(ACCOUNT, NO_ACCOUNT))
    def refuse_to_remove(self, request: Iq) -> Iq:
        """Nobody deletes the messages of others."""
        return self.refuse(request)

    # What was fetched

    @filter(ToAccount, Phase.REWRITE, kinds=(Message,), dormant=True)
    def not_again(self, event: ToAccount) -> Verdict | None:
        """Throw away what was fetched over a session that is lost: it waits still. Others can't say that it was."""
        message = event.stanza
        if not message.has(NS, "offline"):
            return None
        if message.again:
            return Drop()
        rest = [serialise(element) for element in message.elements if (element.uri, element.name) != (NS, "offline")]
        return Replace(message.with_payload(b"".join(rest)))

    @observe(SessionBound)
    def was_fetching(self, event: SessionBound) -> None:
        """Go on, if a client did so before the server was started."""
        if FETCHES in event.session.state:
            self.wake()


def _node(stored: StoredMessage) -> str:
    return f"{stored.place:016x}-{stored.position:016x}"


def _wanted(request: Element, action: str, all_: str) -> Sequence[str] | None:
    """Return the nodes that a request names, each once; None if it is for all messages.

    :raises StanzaError: bad-request, if it is neither, or both.
    """
    children = list(request.elements())
    if len(children) == 1 and children[0].name == all_:
        return None
    if not children or any(
        (child.uri, child.name) != (NS, "item")
        or child.getAttribute("action") != action
        or not child.hasAttribute("node")
        for child in children
    ):
        text = f"either <{all_}/> is needed, or items with the action {action}"
        raise StanzaError(Condition.BAD_REQUEST, text=text)
    return list(dict.fromkeys(child["node"] for child in children))
