"""XEP-0313 Message Archive Management: queries and their results as XML, whoever's archive it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xmppd.wire import ns, rsm
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import format_datetime, parse_datetime
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.escape import escape_attribute
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.rsm import PageRequest
from xmppd.wire.xml import SEPARATOR, Element, tag

__all__ = [
    "FULL_TEXT", "NS", "RESULT", "SEARCH", "Archived", "Query", "fin", "form", "metadata", "query", "result",
]  # fmt: skip

NS = "urn:xmpp:mam:2"
#: What the child of a message that is a result is called in :attr:`xmppd.wire.stanza.Stanza.raw_names`.
RESULT = (f"{NS}{SEPARATOR}result",)
#: XEP-0431: the feature, and the field.
FULL_TEXT = "urn:xmpp:fulltext:0"
SEARCH = f"{{{FULL_TEXT}}}fulltext"
_FORWARD = "urn:xmpp:forward:0"  # XEP-0297
_VALIDATE = "http://jabber.org/protocol/xdata-validate"  # XEP-0122
_FIELDS = ("with", "start", "end", "before-id", "after-id", "ids", "include-groupchat")
_BOOLEANS = ("true", "false", "1", "0")


@dataclass(frozen=True, slots=True)
class Query:
    """What a client wants of an archive; ids are as it wrote them. What is None, or empty, does not matter to it.

    :ivar id: the `queryid` that results have to carry.
    :ivar with_: the other side of the conversation, bare or full.
    :ivar start: the earliest time, in seconds since the epoch.
    :ivar end: the latest time.
    :ivar before_id: the message that results have to be older than.
    :ivar after_id: the message that results have to be newer than.
    :ivar ids: the messages themselves.
    :ivar search: words that must occur (XEP-0431).
    :ivar page: which part of the results.
    :ivar flipped: is the newest of the page to come first?
    """

    id: str | None = None
    with_: Jid | None = None
    start: float | None = None
    end: float | None = None
    before_id: str | None = None
    after_id: str | None = None
    ids: tuple[str, ...] = ()
    search: str = ""
    page: PageRequest = field(default_factory=PageRequest)
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Archived:
    """A message in an archive.

    :ivar id: its archive id.
    :ivar stamp: when it came, in seconds since the epoch.
    :ivar stanza: the message as it goes over a client's stream.
    """

    id: str
    stamp: float
    stanza: bytes


def query(request: Element, searchable: bool) -> Query:
    """Read a ``<query/>``, sections 4.1 and 4.3.

    :param searchable: is there a full text search?
    :raises StanzaError: feature-not-implemented for a field that nobody knows (section 4.1.5), or a node;
        jid-malformed; bad-request for what is no form of this kind, and for a value that is none of its field.
    """
    if request.hasAttribute("node"):
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text="there are no nodes here")
    values = _values(request)
    for name in values:
        if name not in _FIELDS and not (searchable and name == SEARCH):
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text=f"there is no field {name!r}")
    groupchat = _single(values, "include-groupchat")
    if groupchat is not None and groupchat not in _BOOLEANS:
        raise StanzaError(Condition.BAD_REQUEST, text="include-groupchat is true or false")
    return Query(
        request.getAttribute("queryid"),
        _address(_single(values, "with")),
        _time(values, "start"),
        _time(values, "end"),
        _single(values, "before-id"),
        _single(values, "after-id"),
        tuple(dict.fromkeys(value for value in values.get("ids", ()) if value)),
        _single(values, SEARCH) or "",
        rsm.page_request(request),
        any(e.uri == NS and e.name == "flip-page" for e in request.elements()),
    )


def _values(request: Element) -> Mapping[str, list[str]]:
    """Return the values of the form by their fields, without the FORM_TYPE."""
    found = next((e for e in request.elements() if e.uri == ns.DATA_FORMS and e.name == "x"), None)
    if found is None:
        return {}
    values: dict[str, list[str]] = {}
    for filled in found.elements(ns.DATA_FORMS, "field"):
        name = filled.getAttribute("var", "")
        values.setdefault(name, []).extend(str(value) for value in filled.elements(ns.DATA_FORMS, "value"))
    if found.getAttribute("type") != "submit" or values.pop("FORM_TYPE", None) != [NS]:
        raise StanzaError(Condition.BAD_REQUEST, text=f"a submitted form with the FORM_TYPE {NS} is expected")
    return values


def _single(values: Mapping[str, list[str]], name: str) -> str | None:
    given = values.get(name, [])
    if len(given) > 1:
        raise StanzaError(Condition.BAD_REQUEST, text=f"{name} has more than one value")
    return given[0] or None if given else None


def _address(text: str | None) -> Jid | None:
    try:
        return None if text is None else Jid.parse(text)
    except JidError as error:
        raise StanzaError(Condition.JID_MALFORMED, text=f"with: {error}") from None


def _time(values: Mapping[str, list[str]], name: str) -> float | None:
    text = _single(values, name)
    try:
        return None if text is None else parse_datetime(text)
    except ValueError as error:
        raise StanzaError(Condition.BAD_REQUEST, text=f"{name}: {error}") from None


def form(searchable: bool) -> bytes:
    """Return the ``<query/>`` with the form to fill in (section 4.1.5)."""
    any_id = tag("validate", tag("open"), xmlns=_VALIDATE, datatype="xs:string")
    fields = [
        tag("field", tag("value", NS), type="hidden", var="FORM_TYPE"),
        tag("field", type="jid-single", var="with"),
        *(tag("field", type="text-single", var=var) for var in ("start", "end", "before-id", "after-id")),
        tag("field", any_id, type="list-multi", var="ids"),
        tag("field", type="boolean", var="include-groupchat"),
    ]
    if searchable:
        fields.append(tag("field", type="text-single", var=SEARCH))
    return tag("query", tag("x", *fields, xmlns=ns.DATA_FORMS, type="form"), xmlns=NS)


def result(message: Archived, query_id: str | None) -> bytes:
    """Return the ``<result/>`` that holds an archived message (section 4.2)."""
    asked = "" if query_id is None else f" queryid='{escape_attribute(query_id)}'"
    head = (
        f"<result xmlns='{NS}'{asked} id='{message.id}'><forwarded xmlns='{_FORWARD}'>"
        f"<delay xmlns='{DELAY}' stamp='{format_datetime(message.stamp, 6)}'/><message xmlns='{ns.CLIENT}'"
    )
    return b"".join((head.encode(), message.stanza[8:], b"</forwarded></result>"))  # behind its "<message"


def fin(page: bytes, complete: bool) -> bytes:
    """Return the ``<fin/>`` that ends the results (section 4.3).

    :param page: the ``<set/>`` that describes them.
    :param complete: is nothing left beyond the page?
    """
    return tag("fin", page, xmlns=NS, complete="true" if complete else None)


def metadata(ends: Iterable[tuple[str, str, float]]) -> bytes:
    """Return the ``<metadata/>`` of an archive (section 5).

    :param ends: ("start", id, time) and ("end", id, time) unless it is empty; times in seconds since the epoch.
    """
    parts = (tag(name, id=id_, timestamp=format_datetime(stamp, 6)) for name, id_, stamp in ends)
    return tag("metadata", *parts, xmlns=NS)
