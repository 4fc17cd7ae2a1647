"""Who is mentioned in a room: XEP-0513, XEP-0372, XEP-0461, and nicknames. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from xmppd.api import Element, Jid, JidError, Message

__all__ = ["Self", "mentions"]

MENTION = "urn:xmpp:mentions:0"
REFERENCE = "urn:xmpp:reference:0"
REPLY = "urn:xmpp:reply:0"
_SIGNS = (MENTION.encode(), REFERENCE.encode(), REPLY.encode())
_ROOM = f"{MENTION}#channel"
_SCHEME = "xmpp:"


class Self(NamedTuple):
    """What others call a user in a room.

    :ivar account: the bare address.
    :ivar room: the room's address.
    :ivar nick: the nickname there, or "".
    :ivar occupant_id: see XEP-0421, or "".
    """

    account: Jid
    room: Jid
    nick: str = ""
    occupant_id: str = ""


def mentions(message: Message, who: Self) -> bool:
    """Does a message in a room mention somebody?

    XEP-0513 comes first: where it says that nobody is to be notified, the nickname in the text doesn't count.
    """
    if any(sign in message.payload for sign in _SIGNS):
        quiet = False
        for element in message.elements:
            told = _READERS.get((element.uri or "", element.name), _unknown)(element, who)
            if told:
                return True
            quiet = quiet or told is False
        if quiet:
            return False
    return bool(who.nick) and _spelt_out(message.body or "", who.nick)


def _explicit(element: Element, who: Self) -> bool | None:
    """XEP-0513 sections 3.1 and 3.2; False: it is about the user, who is not to be notified (3.5)."""
    given = element.attributes
    group = given.get("mentions")
    if group is not None:
        uri = given.get("uri")
        meant = group == _ROOM and (uri is None or _address(uri) == who.room)
    elif "occupantid" in given:
        meant = bool(who.occupant_id) and given["occupantid"] == who.occupant_id
    else:
        meant = _is(_jid(given.get("jid", "")), who)
    if not meant:
        return None
    # "Only if the user is active": those who have to be pushed are not.
    return not any(child.uri == MENTION and child.name in ("noping", "active") for child in element.elements())


def _reference(element: Element, who: Self) -> bool | None:
    """XEP-0372 section 3.2."""
    given = element.attributes
    return True if given.get("type") == "mention" and _is(_address(given.get("uri", "")), who) else None


def _reply(element: Element, who: Self) -> bool | None:
    """XEP-0461: somebody answers the user."""
    return True if _is(_jid(element.getAttribute("to", "")), who) else None


def _unknown(element: Element, who: Self) -> bool | None:
    return None


_READERS = {(MENTION, "mention"): _explicit, (REFERENCE, "reference"): _reference, (REPLY, "reply"): _reply}


def _address(uri: str) -> Jid | None:
    return _jid(unquote(uri[len(_SCHEME) :].partition("?")[0])) if uri.startswith(_SCHEME) else None


def _jid(text: str) -> Jid | None:
    try:
        return Jid.parse(text)
    except JidError:
        return None


def _is(jid: Jid | None, who: Self) -> bool:
    if jid is None:
        return False
    if jid.bare == who.room:
        return bool(who.nick) and jid.resource == who.nick
    return jid.bare == who.account


def _spelt_out(body: str, nick: str) -> bool:
    """Is the nickname in the text, as a word by itself, and not in what is quoted?"""
    pattern = _pattern(nick)
    return any(pattern.search(line) for line in body.splitlines() if not line.startswith(">"))


@lru_cache(maxsize=1024)
def _pattern(nick: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(nick)}(?!\w)", re.IGNORECASE)
