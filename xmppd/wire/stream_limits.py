"""Stream limits (XEP-0478): what one side takes, said to the other."""

from __future__ import annotations

from collections.abc import Iterable

from xmppd.wire.xml import Element, tag

__all__ = ["NS", "feature", "read"]

NS = "urn:xmpp:stream-limits:0"
#: The smallest limit that is believed: RFC 6120 13.12 wants stanzas of so many octets to be taken.
_SMALLEST = 10_000


def feature(octets: int, idle_seconds: float) -> bytes:
    """Return `<limits/>`.

    :param octets: of the largest element that is taken.
    :param idle_seconds: after which a stream without traffic may be ended.
    """
    return tag("limits", tag("max-bytes", str(octets)), tag("idle-seconds", str(int(idle_seconds))), xmlns=NS)


def read(elements: Iterable[Element]) -> int:
    """Return how many octets the other side takes, as said in one of these elements; 0 if it is not."""
    for element in elements:
        if element.uri == NS and element.name == "limits":
            for child in element.elements():
                text = str(child).strip()
                if child.name == "max-bytes" and text.isascii() and text.isdigit() and len(text) < 12:
                    return max(_SMALLEST, int(text))
    return 0
