"""What is sent to rooms, and what is understood of what they send (XEP-0045, ids of XEP-0359)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from tests.faults.history import Key
from tests.faults.reading import CLIENT, SID
from tests.interop.server import DOMAIN

SERVICE = f"conference.{DOMAIN}"
MUC = "http://jabber.org/protocol/muc"
USER, ADMIN, OWNER = f"{MUC}#user", f"{MUC}#admin", f"{MUC}#owner"
DISCO = "http://jabber.org/protocol/disco#items"
#: Of the messages of the past, those who enter ask for the last so many.
PAST = 5
_X = f"{{{USER}}}x"
_DELAY = "{urn:xmpp:delay}delay"
_ITEMS = (f"{{{ADMIN}}}item", f"{{{DISCO}}}item")


def address(room: str, nick: str = "") -> str:
    """Return the JID of a room, by its local part, or of an occupant."""
    return f"{room}@{SERVICE}/{nick}" if nick else f"{room}@{SERVICE}"


def room_of(stanza: ET.Element) -> str:
    """Return the local part of the room that a stanza is from; "" if it is from none."""
    bare = stanza.get("from", "").partition("/")[0]
    local, _, domain = bare.rpartition("@")
    return local if domain == SERVICE else ""


@dataclass(frozen=True)
class Sight:
    """A presence from a room.

    :ivar stay: what its occupant has written into it when it entered: who it is, and for which time it is there.
    :ivar renamed: the new nickname of who gives up this one.
    :ivar own: is it about who got it?
    :ivar error: a condition: nothing has come of a presence to that nickname.
    """

    nick: str
    stay: str = ""
    gone: bool = False
    role: str = ""
    affiliation: str = ""
    show: str = ""
    codes: tuple[str, ...] = ()
    renamed: str = ""
    own: bool = False
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"{self.nick}: {self.error}"
        how = "gone" if self.gone else f"{self.role}, {self.affiliation}, {self.show or 'available'}"
        more = [f"is {self.renamed} now"] * bool(self.renamed) + list(self.codes) + ["own"] * self.own
        return " ".join([f"{self.nick} ({self.stay}):", how, *more])


def sight(presence: ET.Element) -> Sight | None:
    """Return what a presence from a room says; None if it is no such presence."""
    nick = presence.get("from", "").partition("/")[2]
    stay = presence.findtext(f"{{{CLIENT}}}status") or ""
    if presence.get("type") == "error":
        error = presence.find(f"{{{CLIENT}}}error")
        names = [child.tag.rpartition("}")[2] for child in error] if error is not None else []
        return Sight(nick, stay, error=names[0] if names else "?")
    x = presence.find(_X)
    item = x.find(f"{{{USER}}}item") if x is not None else None
    if x is None or item is None:
        return None
    codes = tuple(sorted(element.get("code", "") for element in x.iterfind(f"{{{USER}}}status")))
    renamed = item.get("nick", "") if "303" in codes else ""
    return Sight(
        nick,
        stay,
        presence.get("type") == "unavailable",
        item.get("role", ""),
        item.get("affiliation", ""),
        presence.findtext(f"{{{CLIENT}}}show") or "",
        codes,
        renamed,
        "110" in codes,
    )


@dataclass(frozen=True)
class Said:
    """A message to everybody in a room; `id` is that of the room's archive, `past` says that it was said before."""

    key: Key | None
    text: str
    id: str
    past: bool


def said(message: ET.Element, room: str) -> Said | None:
    """Return what was said in a room, or became its subject; None for what the room says of itself."""
    text = message.findtext(f"{{{CLIENT}}}body") or message.findtext(f"{{{CLIENT}}}subject") or ""
    if message.get("type") != "groupchat" or not text:
        return None
    ids = [e.get("id", "") for e in message.iterfind(f"{{{SID}}}stanza-id") if e.get("by") == address(room)]
    past = any(element.get("from") == address(room) for element in message.iterfind(_DELAY))
    return Said(Key.parse(text), text, ids[0] if ids else "", past)


def is_subject(message: ET.Element) -> bool:
    """Is it the subject of a room, even an empty one?"""
    return message.find(f"{{{CLIENT}}}subject") is not None and message.find(f"{{{CLIENT}}}body") is None


def entering(room: str, nick: str, stay: str) -> str:
    """Return the presence that asks to enter, with a few messages of the past."""
    return (
        f"<presence to={quoteattr(address(room, nick))}><status>{escape(stay)}</status>"
        f"<x xmlns='{MUC}'><history maxstanzas='{PAST}'/></x></presence>"
    )


def showing(room: str, nick: str, stay: str, show: str) -> str:
    """Return another presence of an occupant, or one with another nickname."""
    shown = f"<show>{show}</show>" if show else ""
    return f"<presence to={quoteattr(address(room, nick))}>{shown}<status>{escape(stay)}</status></presence>"


def leaving(room: str, nick: str) -> str:
    """Return the presence of who leaves."""
    return f"<presence type='unavailable' to={quoteattr(address(room, nick))}/>"


def message(key: Key, subject: bool = False) -> str:
    """Return what is said in the room that the key is for, or the room's new subject."""
    name = "subject" if subject else "body"
    id_ = quoteattr(key.text)
    return f"<message type='groupchat' to={quoteattr(address(key.to))} id={id_}><{name}>{key.text}</{name}></message>"


def configuration(**fields: str) -> str:
    """Return the payload that configures a room."""
    filled = "".join(f"<field var='{name}'><value>{escape(value)}</value></field>" for name, value in fields.items())
    form = f"<field var='FORM_TYPE' type='hidden'><value>{MUC}#roomconfig</value></field>"
    var = filled.replace("var='", "var='muc#roomconfig_")
    return f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>{form}{var}</x></query>"


def affiliation(jid: str, value: str) -> str:
    """Return the payload that gives somebody an affiliation."""
    return f"<query xmlns='{ADMIN}'><item jid={quoteattr(jid)} affiliation='{value}'/></query>"


def asking(kind: str, value: str) -> str:
    """Return the payload that asks for those who have a role or an affiliation, as `kind` says."""
    return f"<query xmlns='{ADMIN}'><item {kind}='{value}'/></query>"


def items(answer: ET.Element) -> list[dict[str, str]]:
    """Return the attributes of the items in an answer to an admin, or of a list (XEP-0030)."""
    return [
        dict(element.attrib) for element in answer.iter() if element.tag in (f"{{{ADMIN}}}item", f"{{{DISCO}}}item")
    ]


def field(answer: ET.Element, name: str) -> str:
    """Return the value of a field in the form of a room's configuration."""
    for element in answer.iter("{jabber:x:data}field"):
        if element.get("var") == f"muc#roomconfig_{name}":
            return element.findtext("{jabber:x:data}value") or ""
    return ""
