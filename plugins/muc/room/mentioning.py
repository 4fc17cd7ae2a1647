"""Members who are not there: who they are, and that they are told when somebody mentions them (XEP-0452)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from xmppd.api import Jid, JidError, Message, tag
from xmppd.api.muc import Missed
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Room
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.delay import format_datetime
from xmppd.wire.forward import forwarded
from xmppd.wire.xml import SEPARATOR

__all__ = ["absent", "is_news", "mentioned", "notice"]

_NS = "urn:xmpp:mmn:0"
_REFERENCE = "urn:xmpp:reference:0"  # XEP-0372
_RAW_REFERENCE = f"{_REFERENCE}{SEPARATOR}reference"
_MAY_REFER = _REFERENCE.encode()
_SCHEME = "xmpp:"


#: What there is to read is in one of these: in plain text, or encrypted.
_NEWS = (b"<body", b"eu.siacs.conversations.axolotl", b"urn:xmpp:omemo:2", b"urn:xmpp:openpgp:0", b"jabber:x:encrypted")
_TAKES_BACK = b"urn:xmpp:message-retract:1"


def is_news(message: Message) -> bool:
    """Is there something to read in a message, and not just that somebody has read or taken back something?

    A look at its octets has to do: it is for hints, and taking each message apart would cost more than they do.
    """
    payload = message.payload
    return _TAKES_BACK not in payload and any(sign in payload for sign in _NEWS)


def absent(room: Room, who: Jid) -> Missed | None:
    """Return what is known of a member who is not there and has registered a nickname; None: it is no such member."""
    if not _is_regular(room, who) or any(occupant.who == who for occupant in room.occupants.values()):
        return None
    return Missed(room.members[who].nick, room.occupant_id(who))


def _is_regular(room: Room, who: Jid) -> bool:
    member = room.members.get(who)
    return member is not None and bool(member.nick) and member.affiliation.rank >= Affiliation.MEMBER.rank


def mentioned(room: Room, message: Message) -> list[Jid]:
    """Return the members who are not there and are mentioned in a message, if the room is to tell them.

    It is the room's owner who decides whether there is this, and everybody for themselves by registering a nickname or
    not (sections 2 and 3).

    :param message: as it is sent to everybody.
    """
    if not room.config.forward_mentions or _MAY_REFER not in message.payload:
        return []  # without taking it apart
    if _RAW_REFERENCE not in message.raw_names:
        return []
    found: list[Jid] = []
    there = {occupant.who for occupant in room.occupants.values()}
    for who in _references(room, message):
        if who not in there and who not in found and _is_regular(room, who):
            found.append(who)
            if len(found) >= room.service.limits.mentions:
                break
    return found


def _references(room: Room, message: Message) -> Iterator[Jid]:
    """Return whom a message mentions, by bare real address; that of an occupant stands for who has its nickname."""
    nicks: dict[str, Jid] = {}
    elements = (e for e in message.elements if (e.uri, e.name) == (_REFERENCE, "reference"))
    for number, element in enumerate(elements):
        if number >= 2 * room.service.limits.mentions:
            return
        attributes = element.attributes
        uri: str = attributes.get("uri", "")
        if attributes.get("type") != "mention" or not uri.startswith(_SCHEME):
            continue
        try:
            jid = Jid.parse(unquote(uri[len(_SCHEME) :].partition("?")[0]))
        except JidError:
            continue
        if jid.bare != room.jid or not jid.resource:
            yield jid.bare
            continue
        nicks = nicks or {member.nick: who for who, member in room.members.items()}
        if jid.resource in nicks:
            yield nicks[jid.resource]


def notice(room: Room, message: Message, now: float) -> Message:
    """Return what somebody is told who was mentioned, without `to` (section 3.2).

    :param message: as it was sent to everybody, with its id in the archive.
    :param now: in seconds since the epoch.
    """
    inside = forwarded(message.readdressed(to=room.jid), tag("delay", xmlns=DELAY, stamp=format_datetime(now, 3)))
    return Message(None, room.jid, payload=tag("mentions", inside, xmlns=_NS))
