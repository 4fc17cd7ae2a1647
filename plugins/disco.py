"""XEP-0030 Service Discovery and XEP-0128 Service Discovery Extensions, for the host and its accounts."""

from __future__ import annotations

from collections.abc import Awaitable

from xmppd.api import ACCOUNT, NO_ACCOUNT, Condition, Field, Iq, Jid, Plugin, StanzaError, iq_get, use
from xmppd.api.disco import (
    DiscoInfo,
    DiscoItems,
    Identity,
    IDisco,
    Info,
    Item,
    answer_info,
    answer_items,
    node_of,
)
from xmppd.api.roster import IRoster
from xmppd.wire.disco import INFO, ITEMS, items_query


class Disco(Plugin):
    """Tell clients and other servers what this server and its accounts can do, from the plugins loaded now."""

    xep = ((30, "2.5.0"), (128, "1.0.1"))
    features = (INFO, ITEMS)
    account_features = (INFO, ITEMS)
    provides = (IDisco,)

    roster = use(IRoster)

    class Options(Plugin.Options):
        """How the server is presented."""

        server_name: str = Field("xmppd", description="Name of this server, as clients show it.")

    # The host

    def host_info(self) -> Info:
        """See :class:`xmppd.api.disco.IDisco`."""
        return self._host_event(None).info()

    def _host_event(self, asker: Jid | None) -> DiscoInfo:
        event = DiscoInfo(self.host.jid, "", asker)
        event.identities.append(Identity("server", "im", self.options.server_name))
        event.identities += [Identity(*identity) for identity in self.host.identities()]
        event.features += self.host.features()
        if self.host.notify(event) is not None:
            raise TypeError("an observer of DiscoInfo wants to be awaited where it must answer at once")
        return event

    @iq_get(INFO, "query")
    def host_information(self, request: Iq) -> Iq | Awaitable[Iq]:
        """Answer disco#info of the host, or of one of its nodes (section 3)."""
        node = node_of(request)
        if node:
            return answer_info(self.host, DiscoInfo(self.host.jid, node, request.from_), request)
        return request.result(self._host_event(request.from_).info().query())

    @iq_get(ITEMS, "query")
    async def host_items(self, request: Iq) -> Iq:
        """Answer disco#items of the host with its components and what plugins add (section 4)."""
        event = DiscoItems(self.host.jid, node_of(request), request.sender, trusted=True)
        if not event.node:
            event.items += [Item(jid, name) for jid, name in sorted(self.host.components().items())]
        return await answer_items(self.host, event, request)

    # Accounts. Section 8 has strangers learn nothing, not even whether there is such an account.

    @iq_get(INFO, "query", to=ACCOUNT)
    async def account_information(self, request: Iq) -> Iq:
        """Answer disco#info of an account, to those who may see its presence (section 8)."""
        account = request.recipient
        if not await self._trusts(account, request.sender):
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        event = DiscoInfo(account, node_of(request), request.from_)
        if not event.node:
            # Who has logged in without an account has none (XEP-0175 section 5).
            registered = await self.host.accounts.exists(account)
            event.identities.append(Identity("account", "registered" if registered else "anonymous"))
            event.features += self.host.account_features()
        return await answer_info(self.host, event, request)

    @iq_get(ITEMS, "query", to=ACCOUNT)
    async def account_items(self, request: Iq) -> Iq:
        """Answer disco#items of an account: its devices, to those who may see its presence (sections 4 and 8)."""
        account, asker = request.recipient, request.sender
        event = DiscoItems(account, node_of(request), asker, await self._trusts(account, asker))
        if event.trusted and not event.node:
            sessions = self.host.sessions(account)
            event.items += [Item(s.jid) for s in sessions if s.presence is not None]
        return await answer_items(self.host, event, request)

    @iq_get(ITEMS, "query", to=NO_ACCOUNT)
    def no_items(self, request: Iq) -> Iq:
        """Answer for an account that does not exist as for one that shows nothing (section 8)."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return request.result(items_query((), node_of(request)))

    async def _trusts(self, account: Jid, asker: Jid) -> bool:
        """May `asker` see the presence of `account`?"""
        if asker.bare in (account, self.host.jid):
            return True
        if self.roster is None:
            return False
        contact = (await self.roster.load(account)).items.get(asker.bare)
        return contact is not None and contact.from_
