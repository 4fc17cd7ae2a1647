"""The XML of `jabber:iq:roster` (RFC 6121 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xmppd.api import Condition, Element, Field, Iq, Jid, JidError, Options, RosterItem, StanzaError, tag

__all__ = ["NS", "Limits", "RosterSet", "push", "query", "read_set", "removal"]

NS = "jabber:iq:roster"


class Limits(Options):
    """How large a roster may be."""

    items: int = Field(2000, ge=1, description="How many contacts a roster holds at most.")
    groups_per_item: int = Field(32, ge=0, description="In how many groups a contact may be.")
    name_octets: int = Field(1023, ge=1, description="How long the name given to a contact may be, in octets of UTF-8.")
    group_octets: int = Field(1023, ge=1, description="How long the name of a group may be, in octets of UTF-8.")


class RosterSet(NamedTuple):
    """What a client wants done with one item."""

    jid: Jid
    remove: bool
    name: str | None
    groups: tuple[str, ...]


def read_set(query: Element, account: Jid, limits: Limits) -> RosterSet:
    """Read a roster set. What only the server may say (`ask`, `approved`, any other `subscription`) is ignored.

    :raises StanzaError: as section 2.3.3 says.
    """
    items = [child for child in query.elements() if child.uri == NS and child.name == "item"]
    if len(items) != 1:
        raise StanzaError(Condition.BAD_REQUEST, text="a roster set has exactly one item")
    item = items[0]
    jid = _read_jid(item)
    if item.attributes.get("subscription") == "remove":
        return RosterSet(jid, True, None, ())
    if jid == account:
        raise StanzaError(Condition.NOT_ALLOWED, text="nobody is a contact of oneself")
    name = item.attributes.get("name") or None
    if name is not None and len(name.encode()) > limits.name_octets:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"the name is longer than {limits.name_octets} octets")
    return RosterSet(jid, False, name, _read_groups(item, limits))


def _read_jid(item: Element) -> Jid:
    text = item.attributes.get("jid")
    if not text:
        raise StanzaError(Condition.BAD_REQUEST, text="the item has no jid")
    try:
        jid = Jid.parse(text)
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
    if not jid.is_bare:
        raise StanzaError(Condition.BAD_REQUEST, text="the jid of an item has no resource")
    return jid


def _read_groups(item: Element, limits: Limits) -> tuple[str, ...]:
    groups = tuple(str(child) for child in item.elements() if child.uri == NS and child.name == "group")
    if len(groups) > limits.groups_per_item:
        text = f"a contact can be in {limits.groups_per_item} groups at most"
        raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
    if len(set(groups)) < len(groups):
        raise StanzaError(Condition.BAD_REQUEST, text="a group is named twice")
    for group in groups:
        if not group:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="the name of a group is empty")
        if len(group.encode()) > limits.group_octets:
            text = f"the name of a group is longer than {limits.group_octets} octets"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
    return groups


def removal(jid: Jid) -> bytes:
    """Return the `<item/>` that says a contact is no longer in the roster."""
    return tag("item", jid=jid, subscription="remove")


def query(items: Iterable[RosterItem], version: str) -> bytes:
    """Return the `<query/>` of a roster result (section 2.1.4)."""
    return tag("query", *(item.to_bytes() for item in items), xmlns=NS, ver=version)


def push(account: Jid, contact: Jid, item: RosterItem | None, version: str) -> Iq:
    """Return a roster push (section 2.1.6), to be addressed to an interested resource.

    :param item: the item now; None if it was removed.
    """
    content = removal(contact) if item is None else item.to_bytes()
    payload = tag("query", content, xmlns=NS, ver=version)
    return Iq(from_=account, id=f"push-{version}", type="set", payload=payload)
