"""XEP-0059 Result Set Management: what part of a long list is asked for, and what is said of the part that is given."""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.xml import Element, tag

__all__ = ["NS", "PageRequest", "page_request", "page_set"]

NS = "http://jabber.org/protocol/rsm"
#: Digits of a number that are looked at; what has more is more than there can be.
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for. At most one of `before`, `after` and `index` is there.

    :ivar max: how many items at most; None if that is left to us, 0 for their number alone (section 2.6).
    :ivar before: the item that the page ends before; "": it is the last page (sections 2.3, 2.5).
    :ivar after: the item that the page begins after (section 2.2).
    :ivar index: the place of the page's first item in the whole, from 0 (section 2.7).
    """

    max: int | None = None
    before: str | None = None
    after: str | None = None
    index: int | None = None

    @property
    def backwards(self) -> bool:
        """Is it the end of what matches that is asked for, not its beginning?"""
        return self.before is not None


def page_request(parent: Element) -> PageRequest:
    """Return what the ``<set/>`` in an element asks for; without one, the first page.

    :raises StanzaError: bad-request, for what is no number, or more than one way to say where the page is.
    """
    found = next((e for e in parent.elements() if e.uri == NS and e.name == "set"), None)
    if found is None:
        return PageRequest()
    texts = {e.name: str(e).strip() for e in found.elements() if e.uri == NS}
    # An empty <after/> names nothing to come after, and so means the beginning.
    places = [name for name in ("before", "after", "index") if name in texts and (texts[name] or name != "after")]
    if len(places) > 1:
        raise StanzaError(Condition.BAD_REQUEST, text=f"<{places[0]}/> and <{places[1]}/> can't be combined")
    return PageRequest(
        _number(texts, "max"), texts.get("before"), texts.get("after") or None, _number(texts, "index")
    )  # fmt: skip


def _number(texts: dict[str, str], name: str) -> int | None:
    text = texts.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise StanzaError(Condition.BAD_REQUEST, text=f"<{name}/> holds no number")
    return int(text[:_DIGITS])


def page_set(first: str | None, last: str | None, index: int | None, count: int | None) -> bytes:
    """Return the ``<set/>`` that describes a page.

    :param first: its first item, None if it is empty.
    :param last: its last item, None if it is empty.
    :param index: the place of its first item in the whole; None if that isn't known.
    :param count: how many items there are in the whole; None if that isn't known.
    """
    return tag(
        "set",
        None if first is None else tag("first", first, index=index),
        None if last is None else tag("last", last),
        None if count is None else tag("count", str(count)),
        xmlns=NS,
    )
