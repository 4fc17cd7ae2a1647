"""What the devices understand of a message: a body of ours, carbons (XEP-0280), delays (XEP-0203), results of archives
(XEP-0313), ids (XEP-0359). Elements are those of xml.etree, whichever library they came from."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from tests.faults.history import ERROR, Key

CLIENT = "jabber:client"
CARBONS = "urn:xmpp:carbons:2"
MAM = "urn:xmpp:mam:2"
SM = "urn:xmpp:sm:3"
CSI = "urn:xmpp:csi:0"
SID = "urn:xmpp:sid:0"
RSM = "http://jabber.org/protocol/rsm"
FORWARD = "urn:xmpp:forward:0"
_FORWARDED = f"{{{FORWARD}}}forwarded/{{{CLIENT}}}message"
_STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


@dataclass(frozen=True)
class Incoming:
    """A message: `way` is direct, delayed, sent, received, result or error.

    `key` is None and `text` not empty when the body is none of ours. `id` is that of the account's archive, or the
    condition of an error; `query` is that of a result.
    """

    way: str
    key: Key | None
    text: str = ""
    id: str = ""
    query: str = ""


def _body(message: ET.Element) -> tuple[Key | None, str]:
    """Return what a message says; that of a room may be its subject."""
    text = message.findtext(f"{{{CLIENT}}}body") or message.findtext(f"{{{CLIENT}}}subject") or ""
    return Key.parse(text), text


def _archive_id(message: ET.Element, account: str) -> str:
    """Return the id that the archive of `account` (a bare JID) gave to the message, if it says so."""
    for element in message.iterfind(f"{{{SID}}}stanza-id"):
        if element.get("by") == account:
            return element.get("id", "")
    return ""


def read(message: ET.Element, account: str) -> Incoming | None:
    """Say what a <message/> is to a device of `account`, a bare JID; None for what is none of ours."""
    if message.get("type") == "error":
        error = message.find(f"{{{CLIENT}}}error")
        conditions = (
            [child.tag.removeprefix(_STANZAS) for child in error if _STANZAS in child.tag]
            if error is not None
            else ["?"]
        )
        return Incoming("error", Key.parse(message.get("id", "")), id=" ".join(conditions))
    result = message.find(f"{{{MAM}}}result")
    if result is not None:
        inner = result.find(_FORWARDED)
        key, text = _body(inner) if inner is not None else (None, "no message")
        if key is None and inner is not None:
            text = ERROR if inner.get("type") == "error" else ET.tostring(inner, "unicode")
        return Incoming("result", key, text, result.get("id", ""), result.get("queryid", ""))
    for way in ("sent", "received"):
        inner = message.find(f"{{{CARBONS}}}{way}/{_FORWARDED}")
        if inner is not None and message.get("from") == account:
            return _told(way, inner, account)
    way = "delayed" if message.find("{urn:xmpp:delay}delay") is not None else "direct"
    return _told(way, message, account)


def _told(way: str, message: ET.Element, account: str) -> Incoming | None:
    """Return what a message says, unless it has no body (chat states)."""
    key, text = _body(message)
    return None if key is None and not text else Incoming(way, key, text, _archive_id(message, account))


def message(key: Key, to: str) -> str:
    """Return the stanza of a message to a JID."""
    return (
        f"<message type='chat' to={quoteattr(to)} id={quoteattr(key.text)}><body>{escape(key.text)}</body>"
        f"<origin-id xmlns='{SID}' id={quoteattr(key.text)}/></message>"
    )


def typing(to: str) -> str:
    """Return the stanza of a chat state (XEP-0085) that nobody keeps."""
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    return f"<message type='chat' to={quoteattr(to)}>{state}<no-store xmlns='urn:xmpp:hints'/></message>"


def query(queryid: str, after: str, size: int, extended: bool) -> str:
    """Return the payload of a query of the archive: a page of `size`, behind the id `after` if there is one.

    With `extended` the place is said with after-id (XEP-0313 section 4.1.3), otherwise with RSM (XEP-0059).
    """
    form, place = "", ""
    if after and extended:
        form = (
            f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"
            f"<field var='after-id'><value>{escape(after)}</value></field></x>"
        )
    elif after:
        place = f"<after>{escape(after)}</after>"
    return f"<query xmlns='{MAM}' queryid='{queryid}'>{form}<set xmlns='{RSM}'><max>{size}</max>{place}</set></query>"


@dataclass(frozen=True)
class Fin:
    """The end of a page: the id of its last entry, and whether there are no more."""

    last: str
    complete: bool


def fin(answer: ET.Element) -> Fin | None:
    """Read the answer to a query; None if it is none."""
    found = answer.find(f"{{{MAM}}}fin")
    if found is None:
        return None
    return Fin(found.findtext(f"{{{RSM}}}set/{{{RSM}}}last") or "", found.get("complete") in ("true", "1"))
