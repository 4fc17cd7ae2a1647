"""What goes from one occupant to another: requests with their answers, and the errors that answer private messages.

XEP-0045 sections 6.6, 7.5 and 17.4, XEP-0199, XEP-0410. Nobody learns a real address by it in a semi-anonymous room:
neither from addresses, nor from ids, nor from what servers say in errors.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from xmppd.api import Condition, Iq, Jid, Message, Stanza, StanzaError
from xmppd.plugins.muc.room.elements import child, children
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.state import Room
from xmppd.wire import ns
from xmppd.wire.disco import INFO, ITEMS
from xmppd.wire.xml import serialise, to_payload

__all__ = ["SELF_PING", "Relay", "Relaying", "outside"]

#: The feature of rooms that answer pings of occupants to themselves (XEP-0410 section 3.3).
SELF_PING = "http://jabber.org/protocol/muc#self-ping-optimization"
_PING = ("urn:xmpp:ping", "ping")
_VCARD = ("vcard-temp", "vCard")
_PUBSUB = "http://jabber.org/protocol/pubsub"
#: What people publish of themselves, and their server hands out for them (XEP-0084, XEP-0292).
_PUBLISHED = frozenset({"urn:xmpp:avatar:metadata", "urn:xmpp:avatar:data", "urn:xmpp:vcard4"})
_ID_OCTETS = 12


@dataclass(frozen=True, slots=True)
class Relaying:
    """How much is remembered.

    :ivar total: requests that wait for their answer, and as many private messages.
    :ivar each: requests of one device that do.
    :ivar seconds: how long an answer is waited for.
    """

    total: int = 10_000
    each: int = 100
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request on its way.

    :ivar asker: the device that has asked.
    :ivar id: under which it did.
    :ivar occupant: whom it has asked, by the address in the room.
    :ivar real: whom the request went to.
    :ivar came_from: from which address in the room.
    :ivar secret: may the asker not know the real address?
    """

    asker: Jid
    id: str | None
    occupant: Jid
    real: Jid
    came_from: Jid
    secret: bool
    until: float


@dataclass(slots=True)
class _Told:
    """A private message that was sent.

    :ivar left: how many devices it went to that have not answered with an error.
    """

    sender: Jid
    occupant: Jid
    secret: bool
    until: float
    left: int


class Relay:
    """Remembers what is under way between the occupants of all rooms of a service, so that answers find back."""

    def __init__(self, limits: Relaying) -> None:
        self.limits = limits
        self._asked: dict[str, _Asked] = {}  # the oldest first
        self._waiting: Counter[Jid] = Counter()  # how many of those are of each device
        self._told: dict[tuple[Jid, Jid | None, str | None], _Told] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._asked) + len(self._told)

    # Requests

    def request(self, room: Room, iq: Iq, now: float) -> Iq:
        """Take a request of one occupant to another; return what is to be sent: the request, or the reply.

        :raises StanzaError: bad-request or not-acceptable from somebody who isn't there (see :func:`outside`);
            item-not-found to nobody; forbidden, if the room doesn't allow it; resource-constraint, if too much waits.
        """
        occupant = room.devices.get(iq.sender)
        if occupant is None:
            raise outside(iq)
        if iq.recipient == occupant.jid and iq.type == "get" and iq.names[0] == _PING:
            return iq.result()
        other = room.occupant_named(iq.recipient.resource)
        if not room.config.requests and other is not occupant and Role.MODERATOR not in (occupant.role, other.role):
            raise StanzaError(Condition.FORBIDDEN, text="Occupants may not send each other requests here.")
        if len(self._asked) >= self.limits.total or self._waiting[iq.sender] >= self.limits.each:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="Too many requests wait for an answer.")
        real = other.who if _asks_server(iq) else other.device
        until = now + self.limits.seconds
        id_ = secrets.token_urlsafe(_ID_OCTETS)
        self._asked[id_] = _Asked(iq.sender, iq.id, other.jid, real, occupant.jid, room.config.anonymous, until)
        self._waiting[iq.sender] += 1
        return Iq(real, occupant.jid, id_, iq.type, iq.lang, iq.payload, iq.raw_names)

    def answer(self, iq: Iq) -> Iq | None:
        """Take a result or an error; return it as the device gets it that has asked, or None if nobody has.

        Only those are heard who were asked.
        """
        asked = self._asked.get(iq.id or "")
        if asked is None or (asked.real, asked.came_from) != (iq.sender, iq.recipient):
            return None
        self._done(iq.id or "", asked)
        payload = iq.payload
        if iq.type == "error":
            payload = _error(iq, asked.real, asked.secret)
        elif asked.secret:
            payload = _without_publishers(iq)
        return Iq(asked.asker, asked.occupant, asked.id, iq.type, iq.lang, payload)

    def expire(self, now: float) -> Iterator[Iq]:
        """Forget what nobody has answered in time; yield what those are told who have asked."""
        error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="No answer has come.")
        for id_, asked in list(self._asked.items()):
            if asked.until <= now:
                self._done(id_, asked)
                yield Iq(asked.asker, asked.occupant, asked.id, "error", None, error.to_bytes())
        for key, told in list(self._told.items()):
            if told.until <= now:
                del self._told[key]

    def _done(self, id: str, asked: _Asked) -> None:
        del self._asked[id]
        self._waiting[asked.asker] -= 1
        if not self._waiting[asked.asker]:
            del self._waiting[asked.asker]

    # Private messages

    def remember(self, room: Room, message: Message, out: Outcome, now: float) -> None:
        """A private message is about to be sent: the errors that may answer it are for who has sent it.

        :param message: as it came.
        :param out: what it has led to.
        """
        for sent, recipients in out.sent:
            devices = tuple(recipients)
            until = now + self.limits.seconds
            told = _Told(message.sender, message.recipient, room.config.anonymous, until, len(devices))
            for device in devices:
                key = (device, sent.from_, message.id)
                self._told.pop(key, None)
                self._told[key] = told
        while len(self._told) > self.limits.total:
            del self._told[next(iter(self._told))]

    def remembers(self, message: Message) -> bool:
        """Does an error answer a private message?"""
        return (message.sender, message.to, message.id) in self._told

    def failed(self, message: Message) -> Outcome:
        """Take an error from somebody in answer to a private message, and pass it on to the device that sent that.

        If it went to several devices, it has failed when the last one says so.
        """
        out = Outcome()
        told = self._told.pop((message.sender, message.to, message.id), None)
        if told is not None:
            told.left -= 1
            if not told.left:
                payload = _error(message, message.sender, told.secret)
                out.send(Message(None, told.occupant, message.id, "error", message.lang, payload), told.sender)
        return out


def outside(iq: Iq) -> StanzaError:
    """Return what somebody is told who sends a request to an occupant, but is not in the room, if there is one."""
    if iq.names[0] in ((INFO, "query"), (ITEMS, "query")):
        return StanzaError(Condition.BAD_REQUEST, text="You are not in the room.")  # section 6.6
    return StanzaError(Condition.NOT_ACCEPTABLE, type="cancel", text="You are not in the room.")


def _asks_server(iq: Iq) -> bool:
    """Is it answered by an account rather than one of its devices?"""
    if iq.type != "get":
        return False
    if iq.names[0] == _VCARD:
        return True
    items = child(iq.request, _PUBSUB, "items") if iq.names[0] == (_PUBSUB, "pubsub") else None
    return items is not None and items.getAttribute("node") in _PUBLISHED


def _error(stanza: Stanza, real: Jid, secret: bool) -> bytes:
    """Return the content of an error as it is passed on, and if need be, nothing in it that tells who it is from."""
    element = stanza.child(ns.CLIENT, "error")
    if element is None:
        return StanzaError(Condition.UNDEFINED_CONDITION).to_bytes()
    error = StanzaError.from_element(element)
    if not secret:
        return error.to_bytes()
    text = error.text if error.text and not _tells(error.text, real) else None
    app = to_payload(error.app)
    return StanzaError(
        error.condition, error.type, text, None if not app or _tells(app.decode(), real) else app
    ).to_bytes()


def _without_publishers(iq: Iq) -> bytes:
    """Return the content of a result without what servers say of who has published an item (XEP-0060)."""
    if b"publisher" not in iq.payload or not iq.has(_PUBSUB, "pubsub"):
        return iq.payload
    for element in iq.elements:
        for items in children(element, _PUBSUB, "items"):
            for item in children(items, _PUBSUB, "item"):
                item.attributes.pop("publisher", None)
    return b"".join(serialise(element) for element in iq.elements)


def _tells(text: str, real: Jid) -> bool:
    """Does a text say part of an address?"""
    lower = text.casefold()
    return any(part and part.casefold() in lower for part in (real.local, real.domain, real.resource))
