"""XEP-0297 Stanza Forwarding."""

from __future__ import annotations

from xmppd.wire import ns
from xmppd.wire.stanza import Stanza
from xmppd.wire.xml import tag

__all__ = ["NS", "forwarded"]

NS = "urn:xmpp:forward:0"
_NAMESPACE = f" xmlns='{ns.CLIENT}'".encode()


def forwarded(stanza: Stanza, delay: bytes | None = None) -> bytes:
    """Return ``<forwarded/>`` around a stanza as it is.

    :param delay: says when the stanza came (XEP-0203); None where that is now.
    """
    data = stanza.to_bytes()
    end = 1 + len(stanza.kind)
    return tag("forwarded", delay, data[:end] + _NAMESPACE + data[end:], xmlns=NS)
