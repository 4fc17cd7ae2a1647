"""Messages to a room, and to its occupants (XEP-0045 sections 7.3, 7.4, 7.5, 8.1 and 17.2)."""

from __future__ import annotations

from xmppd.api import Condition, Message, StanzaError
from xmppd.plugins.muc.room import activity, moderating, slow
from xmppd.plugins.muc.room.outcome import Outcome, Said, SubjectSet
from xmppd.plugins.muc.room.presenting import user
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Occupant, Room, Subject
from xmppd.plugins.muc.room.traffic import passing
from xmppd.plugins.muc.room.words import RETRACT, clean, occupant_id
from xmppd.wire import delay, ns, stanza_id
from xmppd.wire.xml import SEPARATOR, serialise

__all__ = ["say", "tell"]

_SUBJECT, _BODY, _THREAD = (f"{ns.CLIENT}{SEPARATOR}{name}" for name in ("subject", "body", "thread"))
_RETRACT = f"{RETRACT}{SEPARATOR}retract"
_HINTS = "urn:xmpp:hints"
_NOT_KEPT = frozenset(f"{_HINTS}{SEPARATOR}{name}" for name in ("no-store", "no-permanent-store"))
#: What makes a message without a body worth keeping.
_KEPT = frozenset(
    {
        _BODY,
        f"{_HINTS}{SEPARATOR}store",
        _RETRACT,
        f"urn:xmpp:message-moderate:1{SEPARATOR}moderated",
        f"urn:xmpp:message-correct:0{SEPARATOR}replace",
        f"urn:xmpp:reactions:0{SEPARATOR}reactions",
        f"urn:xmpp:fasten:0{SEPARATOR}apply-to",
        f"urn:xmpp:chat-markers:0{SEPARATOR}displayed",
        f"eu.siacs.conversations.axolotl{SEPARATOR}encrypted",
        f"urn:xmpp:omemo:2{SEPARATOR}encrypted",
        f"urn:xmpp:openpgp:0{SEPARATOR}openpgp",
        f"jabber:x:encrypted{SEPARATOR}x",
        *(f"urn:xmpp:call-invites:0{SEPARATOR}{what}" for what in ("invite", "retract", "accept", "reject", "left")),
    }
)


def say(room: Room, message: Message, now: float) -> Outcome:
    """Take a message of type groupchat to the room: to everybody in it (section 7.4), or its new subject (8.1).

    :raises StanzaError: not-acceptable from somebody who isn't there; forbidden without voice, and to take back what
        is another's (XEP-0424); policy-violation too soon after the last one (XEP-0500).
    """
    occupant = room.occupant_of(message.sender)
    message = passing(room.config, message)
    names = message.raw_names
    if _SUBJECT in names and _BODY not in names and _THREAD not in names:
        return _set_subject(room, occupant, message, now)
    if occupant.role is Role.VISITOR:
        raise StanzaError(Condition.FORBIDDEN, text="You have no voice in this room.")
    if room.config.slow_mode and _BODY in names:
        slow.check(room, occupant.who, now)
    taken_back = moderating.retract(room, occupant, message, now) if _RETRACT in names else None
    if room.config.slow_mode and _BODY in names:
        slow.spoke(room, occupant.who, now)
    counted = activity.count(room, names, now)
    occupant.spoke_at = room.active_at = now
    kept = not _KEPT.isdisjoint(names) and (_NOT_KEPT.isdisjoint(names) or taken_back is not None)
    said = Said(_reflected(room, occupant, message), message.sender, kept)
    return Outcome(changes=[counted] if counted else [], said=said, taken_back=taken_back)


def _reflected(room: Room, occupant: Occupant, message: Message) -> Message:
    return Message(None, occupant.jid, message.id, "groupchat", message.lang, _own(room, occupant, message))


def _own(room: Room, occupant: Occupant, message: Message) -> bytes:
    """Return what somebody has written, without what only the room can say, and with their id (XEP-0421, XEP-0359)."""
    return clean(delay.without(stanza_id.without(message, room.jid), room.jid)) + occupant_id(occupant.id)


def _set_subject(room: Room, occupant: Occupant, message: Message, now: float) -> Outcome:
    if occupant.role is not Role.MODERATOR and not (room.config.change_subject and occupant.role is Role.PARTICIPANT):
        raise StanzaError(Condition.FORBIDDEN, text="You may not change the subject.")
    subjects = b"".join(
        serialise(element) for element in message.elements if (element.uri, element.name) == (ns.CLIENT, "subject")
    )
    room.subject = Subject(occupant.nick, subjects + occupant_id(occupant.id), message.id or "", now)
    room.active_at = now
    said = Said(_reflected(room, occupant, message), message.sender, kept=True, past=False)
    return Outcome(changes=[SubjectSet(room.subject)], said=said)


def tell(room: Room, message: Message) -> Outcome:
    """Take a private message to an occupant (section 7.5): to all of their devices.

    :raises StanzaError: bad-request for the type groupchat; not-acceptable from somebody who isn't there;
        item-not-found to nobody; forbidden, if the room doesn't allow it.
    """
    if message.type == "groupchat":
        raise StanzaError(Condition.BAD_REQUEST, text="A message to one occupant can't be a groupchat message.")
    occupant = room.occupant_of(message.sender)
    other = room.occupant_named(message.recipient.resource)
    if not _may_tell(room, occupant, other):
        raise StanzaError(Condition.FORBIDDEN, text="You may not send private messages here.")
    payload = _own(room, occupant, message) + user(None)
    out = Outcome()
    private = Message(None, occupant.jid, message.id, message.type, message.lang, payload, extra=message.extra)
    out.send(private, *other.devices)
    return out


def _may_tell(room: Room, occupant: Occupant, other: Occupant) -> bool:
    """Answer by muc#roomconfig_allowpm; moderators may always be written to by those who may write at all."""
    allowed = room.config.private_messages
    if allowed == "anyone" or occupant.role is Role.MODERATOR:
        return allowed != "none"
    if allowed == "participants":
        return occupant.role is Role.PARTICIPANT or other.role is Role.MODERATOR
    return allowed == "moderators" and other.role is Role.MODERATOR
