"""Service discovery for plugins (XEP-0030, XEP-0128): how to add to what the host and its accounts say of themselves.

Features, identities and services that don't change are class attributes of a plugin. What depends on options, on
the account or on who asks is added by observing the events of this module::

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        if event.entity == self.host.jid and not event.node:
            event.add_form(self.form)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from xmppd.api.hooks import iq_get
from xmppd.api.interfaces import IHost
from xmppd.api.plugin import Component
from xmppd.api.waiting import settled
from xmppd.wire.disco import INFO, ITEMS, Identity, Info, Item, form_type, items_query
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import Element

__all__ = [
    "DiscoComponent",
    "DiscoInfo",
    "DiscoItems",
    "IDisco",
    "Identity",
    "Info",
    "Item",
    "answer_info",
    "answer_items",
    "node_of",
]


@dataclass(slots=True)
class DiscoInfo:
    """Somebody who may know wants to know what an entity is. To be observed; observers add to it.

    Observers are plain functions, because the question about the host itself (no node) must be answered at once: the
    answer goes into stream features as well. For accounts and nodes they may return something to await. A node exists
    if it is given an identity.

    :ivar entity: the address of the host or of a component, or the bare address of an account.
    :ivar node: the node that is asked about, or "".
    :ivar asker: who asks; None if it is the server itself.
    :ivar refusal: the error for a node that exists but is not for the asker; None: it is as if there were none.
    """

    entity: Jid
    node: str
    asker: Jid | None
    identities: list[Identity] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    forms: list[Element] = field(default_factory=list)
    refusal: StanzaError | None = None

    def add_form(self, form: Element) -> None:
        """Add a data form of type ``result``.

        :raises ValueError: if there is a form of that FORM_TYPE already, which XEP-0115 section 5.4 calls ill-formed.
        """
        name = form_type(form)
        if name is not None and any(form_type(other) == name for other in self.forms):
            raise ValueError(f"there is a form {name} already")
        self.forms.append(form)

    def add(self, info: Info) -> None:
        """Add all of `info`."""
        self.identities += info.identities
        self.features += info.features
        for form in info.forms:
            self.add_form(form)

    def info(self) -> Info:
        """Return what has been added, each feature once."""
        return Info(tuple(self.identities), tuple(sorted(set(self.features))), tuple(self.forms))


@dataclass(slots=True)
class DiscoItems:
    """Somebody wants to know what belongs to an entity. To be observed; observers add to it and may be ``async``.

    :ivar entity: the address of the host or of a component, or the bare address of an account.
    :ivar node: the node that is asked about, or "".
    :ivar asker: who asks.
    :ivar trusted: may the asker see the account's presence? True if the entity is no account. For others, add only what
        anybody may know of.
    :ivar items: what belongs to it.
    :ivar known: there is such a node; set it for a node that may have no items.
    :ivar refusal: the error for a node that exists but is not for the asker.
    """

    entity: Jid
    node: str
    asker: Jid
    trusted: bool
    items: list[Item] = field(default_factory=list)
    known: bool = False
    refusal: StanzaError | None = None


class IDisco(Protocol):
    """Answers for the host."""

    def host_info(self) -> Info:
        """Return what the host says of itself now (disco#info without a node)."""


def node_of(request: Iq) -> str:
    """Return the node that a disco request asks about, or ""."""
    node: str = request.request.getAttribute("node", "")
    return node


async def answer_info(host: IHost, event: DiscoInfo, request: Iq) -> Iq:
    """Have observers add to the event, and return the reply to a disco#info request.

    :raises StanzaError: item-not-found for a node that nobody knows, or the refusal of who knows it.
    """
    await settled(host.notify(event))
    if event.node and not event.identities:
        raise event.refusal or StanzaError(Condition.ITEM_NOT_FOUND)
    event.features.append(INFO)  # XEP-0030 section 3.1: every entity supports at least this one
    return request.result(event.info().query(event.node))


async def answer_items(host: IHost, event: DiscoItems, request: Iq) -> Iq:
    """Have observers add to the event, and return the reply to a disco#items request.

    :raises StanzaError: item-not-found for a node that nobody knows; those who may not know get an empty answer, the
        same as for an account that does not exist (XEP-0030 section 8).
    """
    await settled(host.notify(event))
    if event.node and event.trusted and not event.items and not event.known:
        raise event.refusal or StanzaError(Condition.ITEM_NOT_FOUND)
    return request.result(items_query(event.items, event.node))


class DiscoComponent(Component):
    """A component that tells what it is: its class attributes, and what the two events above add for its address."""

    @iq_get(INFO, "query")
    async def disco_info(self, request: Iq) -> Iq:
        """Answer for the component's domain."""
        event = DiscoInfo(self.jid, node_of(request), request.from_)
        if not event.node:
            event.identities += [Identity(*identity) for identity in self.identities]
            event.features += [*self.features, ITEMS]
        return await answer_info(self.host, event, request)

    @iq_get(ITEMS, "query")
    async def disco_items(self, request: Iq) -> Iq:
        """Answer for the component's domain."""
        assert request.from_ is not None
        return await answer_items(
            self.host, DiscoItems(self.jid, node_of(request), request.from_, trusted=True), request
        )
