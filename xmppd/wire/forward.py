"""XEP-0297 Stanza Forwarding."""

from __future__ import annotations

from xmppd.wire import ns
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Presence, Stanza
from xmppd.wire.xml import Element, tag

__all__ = ["NS", "forwarded", "stanza_of"]

NS = "urn:xmpp:forward:0"
_NAMESPACE = f" xmlns='{ns.CLIENT}'".encode()


def forwarded(stanza: Stanza, delay: bytes | None = None) -> bytes:
    """Return ``<forwarded/>`` around a stanza as it is.

    :param delay: says when the stanza came (XEP-0203); None where that is now.
    """
    data = stanza.to_bytes()
    end = 1 + len(stanza.kind)
    return tag("forwarded", delay, data[:end] + _NAMESPACE + data[end:], xmlns=NS)


def stanza_of(element: Element) -> Stanza:
    """Return the stanza that an element is: one that was inside of another.

    :raises StanzaError: bad-request if it is none; jid-malformed if its addresses are none.
    """
    cls = _KINDS.get(element.name) if element.uri == ns.CLIENT else None
    if cls is None:
        raise StanzaError(Condition.BAD_REQUEST, text="this is no stanza of a client")
    attributes = element.attributes
    get = attributes.get
    try:
        to, from_ = (Jid.parse(text) if text else None for text in (get("to"), get("from")))
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
    children = [child for child in element.children if isinstance(child, Element)]
    return cls(to, from_, get("id"), get("type"), get((ns.XML, "lang")), children)


_KINDS: dict[str, type[Stanza]] = {cls.kind: cls for cls in (Message, Presence, Iq)}
