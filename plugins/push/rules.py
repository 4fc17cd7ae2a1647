"""What is pushed, for whom, and when. Tables and pure functions; docs/decisions/0037-what-is-pushed.md says why.

Four questions are asked of each message, one after the other: how important is what is in it (:func:`importance`); does
the user want to be told of that here (:func:`wanted`); where is the device (:func:`device`); what is due (:data:`DUE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum

from xmppd.api import ISession, Message
from xmppd.wire import ns
from xmppd.wire.delay import NS as DELAY
from xmppd.wire.xml import SEPARATOR

__all__ = [
    "DEFAULTS", "DUE", "HINTS", "MENTIONS", "Device", "Due", "Importance", "Place", "Setting", "device", "importance",
    "is_call", "is_hidden", "takes", "wanted",
]  # fmt: skip

HINTS = "urn:xmpp:hints"
CALLS = "urn:xmpp:jingle-message:0"
MENTIONS = "urn:xmpp:mmn:0"  # XEP-0452
_ROOMS = "http://jabber.org/protocol/muc#user"


class Importance(IntEnum):
    """How important it is that somebody learns of a message."""

    #: Nobody is told of it: it says nothing new, or not to people.
    NONE = 0
    #: It changes what is shown, and need not be noticed: reactions, corrections, what is taken back.
    OTHER = 1
    MESSAGE = 2
    #: The user is mentioned in a room.
    MENTION = 3
    #: Somebody calls, or doesn't any more: the device rings, or stops ringing.
    CALL = 4


#: What has something in it that only devices can read.
_HIDES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("eu.siacs.conversations.axolotl", ("encrypted",)),  # XEP-0384 before 0.4
    ("urn:xmpp:omemo:2", ("encrypted",)),  # XEP-0384
    ("urn:xmpp:openpgp:0", ("openpgp",)),  # XEP-0373
    ("jabber:x:encrypted", ("x",)),  # XEP-0027
)
#: What the children of a message make of it: namespace, and names; the most important one counts.
_RAISES: Mapping[Importance, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Importance.CALL: (
        (CALLS, ("propose", "retract")),  # XEP-0353
        ("urn:xmpp:call-invites:0", ("invite", "retract")),  # XEP-0482
    ),
    Importance.MENTION: ((MENTIONS, ("mentions",)),),
    Importance.MESSAGE: (
        (ns.CLIENT, ("body",)),
        *_HIDES,
        ("urn:xmpp:sfs:0", ("file-sharing",)),  # XEP-0447
        ("jabber:x:conference", ("x",)),  # XEP-0249
    ),
    Importance.OTHER: ((HINTS, ("store",)),),
}
#: Of a message with one of these nothing more than OTHER is made: its text, if it has one, stands for what it changes.
_LOWERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("urn:xmpp:message-correct:0", ("replace",)),  # XEP-0308
    ("urn:xmpp:message-retract:1", ("retract",)),  # XEP-0424
    ("urn:xmpp:fasten:0", ("apply-to",)),  # XEP-0422
    ("urn:xmpp:reactions:0", ("reactions",)),  # XEP-0444
)
#: A message with one of these is for programs, or was written by the user.
_SILENCES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("http://jabber.org/protocol/pubsub#event", ("event",)),
    ("urn:xmpp:mam:2", ("result",)),
    ("urn:xmpp:carbons:2", ("sent",)),
    ("http://jabber.org/protocol/ibb", ("data",)),
)
_SILENT_TYPES = frozenset({"error", "headline"})


def _raw(rows: tuple[tuple[str, tuple[str, ...]], ...]) -> frozenset[str]:
    return frozenset(f"{namespace}{SEPARATOR}{name}" for namespace, names in rows for name in names)


_IMPORTANCE = {name: level for level, rows in _RAISES.items() for name in _raw(rows)}
_LOWERING, _SILENCING, _HIDING = _raw(_LOWERS), _raw(_SILENCES), _raw(_HIDES)
_DELAYED = f"{DELAY}{SEPARATOR}delay"
_INVITATION = f"{_ROOMS}{SEPARATOR}x"


def importance(message: Message) -> Importance:
    """Return how important a message is by what is in it. In a room, who is mentioned is another question."""
    if message.type in _SILENT_TYPES:
        return Importance.NONE
    found, lowered = Importance.NONE, False
    for name in message.raw_names:
        level = _IMPORTANCE.get(name)
        if level is not None:
            found = max(found, level)
        elif name in _SILENCING:
            return Importance.NONE
        elif name in _LOWERING:
            lowered = True
        elif name == _INVITATION and _invites(message):
            found = max(found, Importance.MESSAGE)
    if message.type == "groupchat" and (found is Importance.CALL or _DELAYED in message.raw_names):
        return Importance.NONE  # calls of rooms aren't rung for; what is delayed is history (XEP-0045 7.2.13)
    return Importance.OTHER if lowered else found


def is_hidden(message: Message) -> bool:
    """Is what it says encrypted?"""
    return not _HIDING.isdisjoint(message.raw_names)


def is_call(message: Message) -> bool:
    """Does somebody call (XEP-0353 3.1)?"""
    return f"{CALLS}{SEPARATOR}propose" in message.raw_names


def _invites(message: Message) -> bool:
    """Is it an invitation that a room passes on (XEP-0045 7.8.2)?"""
    x = message.child(_ROOMS, "x")
    return x is not None and any(child.name == "invite" for child in x.elements())


class Place(Enum):
    """Where something is said."""

    DIRECT = "direct chat"
    PRIVATE_ROOM = "private room"
    PUBLIC_ROOM = "public room"


class Setting(Enum):
    """What a user wants to be told of a conversation (XEP-0492 section 2.1)."""

    ALWAYS = "always"
    ON_MENTION = "on-mention"
    NEVER = "never"


#: What counts where the user has not said anything (XEP-0492 section 3).
DEFAULTS: Mapping[Place, Setting] = {
    Place.DIRECT: Setting.ALWAYS,
    Place.PRIVATE_ROOM: Setting.ALWAYS,
    Place.PUBLIC_ROOM: Setting.ON_MENTION,
}
_LEAST = {Setting.ALWAYS: Importance.OTHER, Setting.ON_MENTION: Importance.MENTION}


def wanted(what: Importance, setting: Setting, least: Importance) -> bool:
    """Does the user want to be told of it?

    :param setting: for this conversation.
    :param least: what has to be at least so important everywhere.
    """
    if what is Importance.NONE or setting is Setting.NEVER:
        return False
    return what >= max(_LEAST[setting], least)


class Device(Enum):
    """Where a device is when there is a message for the account; further down: the surer it is that it learns of it."""

    ABSENT = "it has no session, or its session is not sent the message"
    HIBERNATING = "its session has lost its connection"
    SLEEPING = "connected, but nobody looks; what it is sent may get lost unseen"
    DOZING = "connected, but nobody looks; it acknowledges what it has got"
    CONNECTED = "connected; it acknowledges what it has got"
    THERE = "connected, and there is no way to know more"


class Due(Enum):
    """What is to be done about a message and a device."""

    PUSH = "push at once"
    WATCH = "push unless it is acknowledged soon"
    NOTHING = "it gets it by itself"


#: By device: for messages of all kinds, and for calls, which don't wait for a phone in a pocket to wake up.
DUE: Mapping[Device, tuple[Due, Due]] = {
    Device.ABSENT: (Due.PUSH, Due.PUSH),
    Device.HIBERNATING: (Due.PUSH, Due.PUSH),
    Device.SLEEPING: (Due.PUSH, Due.PUSH),
    Device.DOZING: (Due.WATCH, Due.PUSH),
    Device.CONNECTED: (Due.WATCH, Due.WATCH),
    Device.THERE: (Due.NOTHING, Due.NOTHING),
}
#: (does it acknowledge, is it inactive) of a session with a connection that is sent the message.
_CONNECTED = {
    (True, True): Device.DOZING,
    (True, False): Device.CONNECTED,
    (False, True): Device.SLEEPING,
    (False, False): Device.THERE,
}


def device(*, gets: bool, hibernating: bool, acknowledges: bool, inactive: bool) -> Device:
    """Return where a device is, by one of its sessions.

    :param gets: is the session sent the message, or a copy of it?
    """
    if hibernating:
        return Device.HIBERNATING
    return _CONNECTED[acknowledges, inactive] if gets else Device.ABSENT


def takes(message: Message, session: ISession) -> bool:
    """Is a session sent a message for its account, or a copy of it (RFC 6121 8.5, XEP-0280)?"""
    to = message.to
    if to == session.jid:
        return True
    if message.type == "groupchat":
        return False
    if session.state.get("carbons"):
        return True
    bare = to is None or not to.resource or message.type == "chat"
    return bare and session.presence is not None and session.priority >= 0
