"""Messages that are taken back: by their author (XEP-0424), or by a moderator (XEP-0425); and what is left of them.

What is left is the same in the history and in the archive: a tombstone, made of the message as it was sent. Where a
message is no longer in the history, whose it was is known only to the archive, and looked at there.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial

from xmppd.api import Condition, Element, Iq, Message, StanzaError, tag
from xmppd.plugins.muc.room.elements import child, text_of
from xmppd.plugins.muc.room.outcome import Outcome, Said, TakenBack
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.room.words import MODERATE, OCCUPANT_ID, RETRACT, occupant_id
from xmppd.wire import stanza_id
from xmppd.wire.delay import format_datetime
from xmppd.wire.xml import serialise

__all__ = ["FEATURES", "author_of", "find", "moderate", "retract", "take_back", "tombstone", "wanted"]

#: What a room says of itself that does this (XEP-0425 section 2, XEP-0424 sections 2 and 4).
FEATURES = (MODERATE, RETRACT, f"{RETRACT}#tombstone")


# By their author


def retract(room: Room, occupant: Occupant, message: Message, now: float) -> TakenBack | None:
    """Return what an occupant's message takes back; None, if it doesn't say what, or has no id to be known by.

    :raises StanzaError: forbidden, if it is another's message (XEP-0424 section 5).
    """
    element = message.child(RETRACT, "retract")
    id = "" if element is None else element.getAttribute("id", "")
    if not id or not message.id:
        return None
    past = find(room, id)
    if past is not None and author_of(past) != occupant.id:
        raise StanzaError(Condition.FORBIDDEN, text="Only your own messages can be taken back.")
    return TakenBack(id, _theirs(occupant.id, partial(tombstone, of=message.id, at=now)))


def _theirs(author: str, change: Callable[[Message], Message | None]) -> Callable[[Message], Message | None]:
    """Change those messages only that are the author's."""
    return lambda message: change(message) if author_of(message) == author else None


# By a moderator


def wanted(room: Room, iq: Iq) -> str:
    """Return which message a moderator wants to be retracted: its id in the archive.

    :raises StanzaError: forbidden to anybody else (XEP-0425 section 3.2, with the type that it has there); bad-request
        without an id; feature-not-implemented for anything but a retraction.
    """
    occupant = room.devices.get(iq.sender)
    if occupant is None or occupant.role is not Role.MODERATOR:
        text = "Only moderators are allowed to moderate other participants' messages"
        raise StanzaError(Condition.FORBIDDEN, type="modify", text=text)
    id: str = iq.request.getAttribute("id", "")
    if not id:
        raise StanzaError(Condition.BAD_REQUEST, text="It doesn't say which message.")
    if child(iq.request, RETRACT, "retract") is None:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text="Messages can be retracted, and nothing else.")
    return id


def moderate(room: Room, iq: Iq, original: Message | None, now: float) -> Outcome:
    """Retract a message, as a moderator wants it (XEP-0425 section 3).

    :param original: the message as it was sent, from the history or the archive; None, if it is in neither.
    :raises StanzaError: as :func:`wanted`; item-not-found, if there is no such message, or nothing left of it;
        policy-violation for a reason that is too long.
    """
    id = wanted(room, iq)
    if original is None or original.has(RETRACT, "retracted"):
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such message.")
    reason = text_of(next((e for e in iq.request.elements() if e.name == "reason"), None))
    if len(reason) > room.service.limits.reason_characters:
        raise StanzaError(Condition.POLICY_VIOLATION, text="The reason is too long.")
    return take_back(room, id, room.devices[iq.sender], reason, now)


def take_back(room: Room, id: str, moderator: Occupant | None, reason: str, now: float) -> Outcome:
    """Retract a message, tell everybody, and leave a tombstone.

    :param id: what the message is called in the archive.
    :param moderator: None, if it is the service itself that does it.
    """
    by = None if moderator is None else moderator.jid
    moderated = tag("moderated", occupant_id(moderator.id) if moderator else None, by=by, xmlns=MODERATE)
    moderated += tag("reason", reason) if reason else b""
    own = hmac.digest(room.service.secret, f"retract\0{room.jid}\0{id}".encode(), "sha256")[:12].hex()
    payload = tag("retract", moderated, id=id, xmlns=RETRACT) + tag("store", xmlns="urn:xmpp:hints")
    said = Said(Message(None, room.jid, own, "groupchat", payload=payload), room.jid, kept=True)
    return Outcome(said=said, taken_back=TakenBack(id, partial(tombstone, of=own, at=now, moderated=moderated)))


# What is left


def find(room: Room, id: str) -> Message | None:
    """Return a message of the history by its id in the archive."""
    marker = f"'{id}'".encode()
    return next(
        (
            past.message
            for past in room.history
            if marker in past.message.payload and stanza_id.given_by(past.message, room.jid) == id
        ),
        None,
    )


def author_of(message: Message) -> str | None:
    """Return the id of the occupant who has sent a message (XEP-0421); None of one that nobody has."""
    element = message.child(OCCUPANT_ID, "occupant-id")
    return None if element is None else element.getAttribute("id")


def tombstone(original: Message, of: str, at: float, moderated: bytes = b"") -> Message | None:
    """Return what takes the place of a message (XEP-0424 section 4, XEP-0425 section 4); None, if it is one already.

    :param of: the id of the message that takes it back.
    :param at: when, in seconds since the epoch.
    :param moderated: what says that a moderator has, and why.
    """
    if original.has(RETRACT, "retracted"):
        return None
    left = b"".join(serialise(element) for element in original.elements if _stays(element))
    retracted = tag("retracted", moderated, stamp=format_datetime(at), id=of, xmlns=RETRACT)
    return Message(original.to, original.from_, original.id, original.type, payload=left + retracted)


def _stays(element: Element) -> bool:
    """Whose it was, what it is called, and that it took back another one, which is as important as ever."""
    if (element.uri, element.name) == (stanza_id.NS, "stanza-id"):
        return True
    return (element.uri, element.name) in ((OCCUPANT_ID, "occupant-id"), (RETRACT, "retract"))
