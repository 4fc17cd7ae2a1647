"""What clients ask of nodes (XEP-0060 sections 6 to 8), read from the elements of requests. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.plugins.pep.config import PUBLISH_OPTIONS, Config, Values, node_of, submitted
from xmppd.plugins.pep.errors import bad_request, not_acceptable
from xmppd.plugins.pep.store import Item
from xmppd.wire.xml import serialise

__all__ = ["EVENT", "NS", "OWNER", "Publication", "Retraction", "Wanted", "event", "fits"]

NS = "http://jabber.org/protocol/pubsub"
OWNER = f"{NS}#owner"
EVENT = f"{NS}#event"


@dataclass(frozen=True, slots=True)
class Publication:
    """A request to publish (section 7.1).

    :ivar item: id and payload; the id is "" if the server is to make one. None: no item was given.
    :ivar options: the preconditions (section 7.1.5).
    """

    node: str
    item: Item | None
    options: Values

    @classmethod
    def read(cls, pubsub: Element, octets: int) -> Publication:
        """Read it from ``<pubsub/>``.

        :param octets: how long a payload may be.
        :raises StanzaError: see section 7.1.3.
        """
        publish = next(pubsub.elements(NS, "publish"))
        items = list(publish.elements(NS, "item"))
        if len(items) > 1:
            raise StanzaError(Condition.BAD_REQUEST, text="one item can be published at a time")
        options = submitted(next(pubsub.elements(NS, "publish-options"), None), PUBLISH_OPTIONS)
        if options is None:
            raise StanzaError(Condition.BAD_REQUEST, text="options of a publication can't be cancelled")
        return cls(node_of(publish), _item(items[0], octets) if items else None, options)

    def check(self, config: Config) -> None:
        """Check that it is of the node's event type (section 7.1.3.6).

        :raises StanzaError: bad-request.
        """
        persistent, payloads = config.flag("persist_items"), config.flag("deliver_payloads")
        if self.item is None:
            if persistent:
                raise bad_request("item-required")
            if payloads:
                raise bad_request("payload-required")
        elif not persistent and not payloads:
            raise bad_request("item-forbidden")
        elif payloads and not self.item.payload:
            raise bad_request("payload-required")


def _item(element: Element, octets: int) -> Item:
    payloads = list(element.elements())
    if len(payloads) > 1:
        raise bad_request("invalid-payload")
    payload = serialise(payloads[0]) if payloads else b""
    return fits(Item(element.getAttribute("id", ""), payload), octets)


def fits(item: Item, octets: int) -> Item:
    """Return an item that is not too long.

    :raises StanzaError: not-acceptable with payload-too-big (section 7.1.3.4).
    """
    if (length := len(item.id.encode()) + len(item.payload)) > octets:
        raise not_acceptable(f"an item may have {octets} octets, this one has {length}", "payload-too-big")
    return item


@dataclass(frozen=True, slots=True)
class Retraction:
    """A request to delete an item (section 7.2)."""

    node: str
    item: str
    notify: bool

    @classmethod
    def read(cls, pubsub: Element) -> Retraction:
        """Read it from ``<pubsub/>``.

        :raises StanzaError: see section 7.2.3.
        """
        retract = next(pubsub.elements(NS, "retract"))
        node = node_of(retract)
        items = [item.getAttribute("id", "") for item in retract.elements(NS, "item")]
        if not items or not items[0]:
            raise bad_request("item-required")
        if len(items) > 1:
            raise StanzaError(Condition.BAD_REQUEST, text="one item can be retracted at a time")
        return cls(node, items[0], retract.getAttribute("notify") in ("1", "true"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for items (section 6.5): those of these ids, or the newest, or all."""

    node: str
    ids: frozenset[str] | None
    newest: int | None

    @classmethod
    def read(cls, pubsub: Element) -> Wanted:
        """Read it from ``<pubsub/>``.

        :raises StanzaError: bad-request.
        """
        asked = next(pubsub.elements(NS, "items"))
        ids = [item.getAttribute("id", "") for item in asked.elements(NS, "item")]
        newest: str | None = asked.getAttribute("max_items")
        if newest is not None and not (newest.isascii() and newest.isdigit() and len(newest) < 10 and int(newest)):
            raise StanzaError(Condition.BAD_REQUEST, text="max_items is a positive number")
        return cls(node_of(asked), frozenset(ids) if ids else None, None if newest is None else int(newest))


def item_element(item: Item, payload: bool = True) -> bytes:
    """Return ``<item/>``, with its payload or without."""
    return tag("item", item.payload if payload else None, id=item.id)


def event(*content: bytes) -> bytes:
    """Return the content of a notification (sections 7.1.2.1, 7.2.2.1, 8.4.2, 8.5.2)."""
    return tag("event", *content, xmlns=EVENT)


def pubsub(content: bytes, namespace: str = NS) -> bytes:
    """Return the content of a result."""
    return tag("pubsub", content, xmlns=namespace)
