"""Group chat, to other plugins: what happens in rooms (XEP-0045), to be observed, and to be refused.

Observers of :class:`Entering` and :class:`Speaking` are plain functions, and may set ``refusal``::

    @observe(Speaking)
    def no_links(self, event: Speaking) -> None:
        if "http" in (event.message.body or ""):
            event.refusal = StanzaError(Condition.POLICY_VIOLATION, text="No links here.")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from xmppd.api.disco import DiscoInfo, DiscoItems
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message, Presence

__all__ = [
    "Entering",
    "IRooms",
    "MembersMissed",
    "Missed",
    "OccupantEntered",
    "OccupantLeft",
    "RoomCreated",
    "RoomDestroyed",
    "RoomInfo",
    "RoomItems",
    "RoomMessage",
    "Speaking",
]


class IRooms(Protocol):
    """The rooms of a host; provided by the plugin that has them."""

    async def people_of(self, room: Jid) -> Collection[Jid] | None:
        """Return the bare real addresses of the members, administrators and owners of a room, and of who is in it.

        :returns: None, if there is no such room.
        """


@dataclass(slots=True)
class Entering:
    """Somebody who may, as far as the room is concerned, is about to enter it, or to create it.

    :ivar room: the room's address.
    :ivar device: the full address of who wants to enter.
    :ivar presence: with which they do; `to` has the nickname.
    :ivar created: there is no such room yet.
    :ivar refusal: set it, and they may not.
    """

    room: Jid
    device: Jid
    presence: Presence
    created: bool
    refusal: StanzaError | None = None


@dataclass(slots=True)
class Speaking:
    """An occupant is about to say something to everybody in a room.

    :ivar room: the room's address.
    :ivar device: the full address of the occupant's device.
    :ivar message: as it came.
    :ivar refusal: set it, and nobody hears it.
    """

    room: Jid
    device: Jid
    message: Message
    refusal: StanzaError | None = None


@dataclass(slots=True)
class RoomCreated:
    """Somebody has created a room, and is in it; it may not be confirmed yet."""

    room: Jid
    creator: Jid


@dataclass(slots=True)
class RoomDestroyed:
    """A room is gone, and nothing is left of it."""

    room: Jid


@dataclass(slots=True)
class OccupantEntered:
    """Somebody has entered a room with the first of their devices.

    :ivar who: the bare real address.
    """

    room: Jid
    nick: str
    who: Jid


@dataclass(slots=True)
class OccupantLeft:
    """Somebody has left a room with the last of their devices."""

    room: Jid
    nick: str
    who: Jid


@dataclass(slots=True)
class RoomMessage:
    """Something was said to everybody in a room.

    :ivar message: as it is sent, without `to`; `from_` is the occupant.
    :ivar author: the full real address.
    """

    room: Jid
    message: Message
    author: Jid


@dataclass(slots=True)
class RoomInfo(DiscoInfo):
    """Somebody who may know wants to know what a room is. To be observed; observers add to it, and may be ``async``.

    :ivar entity: the room's address.
    """


@dataclass(slots=True)
class RoomItems(DiscoItems):
    """Somebody who may know wants to know what belongs to a room; see :class:`RoomInfo`."""


class Missed(NamedTuple):
    """A member who is not in a room; others mention them by these.

    :ivar nick: the nickname that they have registered.
    :ivar occupant_id: see XEP-0421.
    """

    nick: str
    occupant_id: str


@dataclass(slots=True)
class MembersMissed:
    """Something was said in a room that is kept, and to be read; those of its members who are not there have missed it.

    It is for those who tell people on another way, as by push. Nobody looks for members who are not there: whoever
    observes it asks for those that matter, which are few. ``event.members & mine`` is quick.

    :ivar message: as it was sent, with its id in the archive, without `to`; `from_` is the occupant, or the room.
    :ivar members: whom the room knows, by bare real addresses.
    :ivar find: returns what there is to know of one of them; None: they are there, or have no registered nickname.
    """

    room: Jid
    message: Message
    members: Set[Jid]
    find: Callable[[Jid], Missed | None]
