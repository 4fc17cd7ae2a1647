"""What is known of a room: who is in it, what others are to it, and what is kept with it (XEP-0045)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xmppd.api import Condition, Jid, Presence, StanzaError
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.history import History
from xmppd.plugins.muc.room.ranks import Affiliation, Role

__all__ = ["Limits", "Member", "Occupant", "Room", "Service", "Subject"]


@dataclass(frozen=True, slots=True)
class Member:
    """What somebody is to a room, from visit to visit.

    :ivar nick: the nickname that is theirs in this room; "" if they have not registered one.
    :ivar reason: why, for people.
    :ivar form: what they have said when they registered, as JSON; "" if nothing.
    :ivar version: when this was set, as a number that grows with each change of the room (XEP-0463).
    """

    affiliation: Affiliation
    nick: str = ""
    reason: str = ""
    form: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a room (section 7.2.15).

    :ivar nick: of who has set it; "" for the room itself.
    :ivar payload: the ``<subject/>`` elements, and the id of who has set it (XEP-0421).
    :ivar id: of the message it came with, or "".
    :ivar at: when, in seconds since the epoch.
    """

    nick: str
    payload: bytes
    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service allows any room.

    :ivar occupants: how many may be in one.
    :ivar devices: with how many devices one person may be there.
    :ivar history: how many messages may be shown to who enters.
    :ivar history_octets: how large these may be together.
    :ivar affiliations: of how many people a room may say what they are to it.
    :ivar nick_characters: how long a nickname may be.
    :ivar at_once: how many presences an act may send at once, before others are told of the rest at a pace.
    :ivar items: how many people one request may change something for.
    :ivar reason_characters: how long the reason for that may be.
    :ivar vcard_octets: how large the room's vCard may be, its avatar included.
    :ivar hats: how many different hats it may have (XEP-0317).
    :ivar hat_characters: how long the title and the URI of one may be.
    :ivar hats_each: how many one person may wear.
    :ivar hats_worn: how many its people may wear, all together.
    :ivar mentions: how many people are told that one message mentions them (XEP-0452).
    :ivar removals: how many people it remembers who are nothing to it any more (XEP-0463).
    :ivar tokens: how many invite tokens it may have (XEP-0488).
    :ivar token_seconds: how long one may be good; 0: for ever.
    :ivar token_uses: how often one may be used; 0: any number of times.
    :ivar text_characters: how long its name, its description and other texts may be.
    :ivar contacts: how many addresses of people who can be asked about it it may have.
    :ivar invitations: how many of those that were not declined a room remembers.
    :ivar registrations: how many of those may wait for an admin to approve them.
    :ivar form_characters: how much somebody who registers may say of themselves.
    """

    occupants: int = 5000
    devices: int = 10
    history: int = 100
    history_octets: int = 262_144
    affiliations: int = 10_000
    nick_characters: int = 64
    at_once: int = 10_000
    items: int = 500
    reason_characters: int = 1000
    vcard_octets: int = 131_072
    hats: int = 50
    hat_characters: int = 200
    hats_each: int = 10
    hats_worn: int = 1000
    mentions: int = 10
    removals: int = 1000
    tokens: int = 100
    token_seconds: int = 604_800
    token_uses: int = 0
    text_characters: int = 2000
    contacts: int = 20
    invitations: int = 200
    registrations: int = 100
    form_characters: int = 4000


@dataclass(slots=True)
class Service:
    """What all rooms of a service have in common.

    :ivar jid: its domain.
    :ivar secret: what ids of occupants are derived from (XEP-0421).
    :ivar is_admin: may somebody, by their bare address, do everything in every room?
    :ivar defaults: options of new rooms, by name, where they aren't those of RoomConfig.
    :ivar forced: options that all rooms have, by name, whatever their owners want.
    """

    jid: Jid
    secret: bytes
    limits: Limits = field(default_factory=Limits)
    is_admin: Callable[[Jid], bool] = lambda who: False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    forced: Mapping[str, Any] = field(default_factory=dict)

    def new_config(self) -> RoomConfig:
        """Return the options of a new room."""
        return self.allowed(RoomConfig().changed(self.defaults))

    def allowed(self, config: RoomConfig) -> RoomConfig:
        """Return the options of a room as the operator allows them."""
        return config.changed(self.forced) if self.forced else config


class Occupant:
    """Somebody who is in a room, with one device or several.

    :ivar nick: the nickname.
    :ivar jid: the occupant's address: ``room@service/nick``.
    :ivar who: the bare real address.
    :ivar id: does not say who it is, but stays the same when the nickname changes (XEP-0421).
    :ivar devices: full real addresses, with what is shown of the presence of each.
    :ivar spoke_at: when they last said something, in seconds since the epoch; 0.0 if they haven't.
    :ivar seen: their presence as it was shown last to who entered, behind what it was made of.
    """

    __slots__ = ("devices", "id", "jid", "nick", "role", "seen", "shown", "spoke_at", "who")

    def __init__(self, room: Room, nick: str, who: Jid, role: Role) -> None:
        self.nick = nick
        self.jid = room.jid.with_resource(nick)
        self.who = who
        self.role = role
        self.id = room.occupant_id(who)
        self.devices: dict[Jid, bytes] = {}
        self.shown = b""  # of the device that has spoken of its presence last
        self.spoke_at = 0.0
        self.seen: tuple[tuple[object, ...], Presence] | None = None

    @property
    def device(self) -> Jid:
        """The full address of one of their devices: the one that was last heard of."""
        return next(reversed(self.devices))

    def seat(self, device: Jid, payload: bytes) -> None:
        """A device is there, with this presence."""
        self.devices.pop(device, None)
        self.devices[device] = self.shown = payload

    def unseat(self, device: Jid) -> None:
        """A device is there no more; another is left."""
        del self.devices[device]
        self.shown = self.devices[self.device]


class Room:
    """A room. Acts change it; nobody else does.

    :ivar jid: its address.
    :ivar number: what the database calls it.
    :ivar members: what people are to it: by bare address, or by domain for all of its users.
    :ivar occupants: who is in it, by nickname.
    :ivar devices: the same by the full address of each device.
    :ivar locked: has its owner yet to confirm it (section 10.1.1)?
    :ivar subject: None if it was never set.
    :ivar history: what was said last.
    :ivar notes: what is kept with the room under names of those who do (XEP-0486 and others).
    :ivar spoken: in slow mode, who has said something when (:mod:`.slow`): bare addresses, seconds since the epoch.
    :ivar counted: an hour, and how much was said in it and those before (:mod:`.activity`).
    :ivar version: grows with each change of what people are to it (XEP-0463).
    :ivar versioned: devices that go by these versions; of some that have left as well.
    :ivar created_at: in seconds since the epoch.
    :ivar active_at: when somebody last came, went or spoke, in seconds since the epoch.
    :ivar stored_at: the same, as it is stored.
    """

    __slots__ = (
        "active_at", "config", "counted", "created_at", "devices", "history", "jid", "locked", "members",
        "notes", "number", "occupants", "service", "spoken", "stored_at", "subject", "version", "versioned",
    )  # fmt: skip

    def __init__(self, service: Service, jid: Jid, number: int, config: RoomConfig, now: float) -> None:
        self.service = service
        self.jid = jid
        self.number = number
        self.config = config
        self.members: dict[Jid, Member] = {}
        self.occupants: dict[str, Occupant] = {}
        self.devices: dict[Jid, Occupant] = {}
        self.locked = False
        self.subject: Subject | None = None
        self.history = History()
        self.notes: dict[str, str] = {}
        self.spoken: dict[Jid, float] = {}
        self.counted: tuple[int, list[int]] | None = None
        self.version = 0
        self.versioned: set[Jid] = set()
        self.created_at = self.active_at = self.stored_at = now

    # Who is what

    def affiliation(self, who: Jid) -> Affiliation:
        """Return what somebody is to the room.

        A ban of a domain is one of all who are there, but for those of whom the room says something themselves.

        :param who: a real address, bare or full.
        """
        bare = who.bare
        if self.service.is_admin(bare):
            return Affiliation.OWNER
        member = self.members.get(bare)
        if member is None:
            member = self.members.get(Jid.of("", bare.domain))
        return Affiliation.NONE if member is None else member.affiliation

    def having(self, affiliation: Affiliation) -> Iterator[tuple[Jid, Member]]:
        """Return those who are that to the room."""
        return ((who, member) for who, member in self.members.items() if member.affiliation is affiliation)

    def reserved_for(self, nick: str) -> Jid | None:
        """Return whose nickname it is, if somebody has registered it (section 7.10)."""
        return next((who for who, member in self.members.items() if member.nick == nick), None)

    @property
    def most_history(self) -> int:
        """How many messages of the past are shown at most to who enters."""
        return min(self.config.history, self.service.limits.history)

    @property
    def most_occupants(self) -> int:
        """How many occupants there may be."""
        limit = self.service.limits.occupants
        return min(self.config.max_users or limit, limit)

    # Who is there

    def occupant_of(self, device: Jid) -> Occupant:
        """Return the occupant that a device is.

        :raises StanzaError: not-acceptable, as sections 7.4, 7.5 and others say, if it isn't in the room.
        """
        occupant = self.devices.get(device)
        if occupant is None:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="You are not in the room.")
        return occupant

    def occupant_named(self, nick: str) -> Occupant:
        """Return the occupant with a nickname. :raises StanzaError: item-not-found, if there is none."""
        occupant = self.occupants.get(nick)
        if occupant is None:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="Nobody in the room has this nickname.")
        return occupant

    def occupants_of(self, who: Jid) -> list[Occupant]:
        """Return the occupants that somebody is; a domain stands for all its users."""
        return [one for one in self.occupants.values() if one.who == who or (not who.local and one.who.domain == who)]

    def occupant_id(self, who: Jid) -> str:
        """Return the id by which somebody is known in this room, and nowhere else (XEP-0421)."""
        digest = hmac.digest(self.service.secret, f"{self.jid}\0{who.bare}".encode(), "sha256")
        return urlsafe_b64encode(digest[:24]).decode()

    def sees_addresses(self, occupant: Occupant) -> bool:
        """May an occupant know who others are (section 4.2, semi-anonymous and non-anonymous rooms)?"""
        return not self.config.anonymous or occupant.role is Role.MODERATOR

    def broadcasts(self, role: Role) -> bool:
        """Is the presence of those in a role told to everybody (muc#roomconfig_presencebroadcast)?"""
        return role in self.config.presence_broadcast

    def own(self, presence: Presence) -> Jid:
        """Return the address in the room that a presence is from, if it comes from an occupant."""
        return self.occupant_of(presence.sender).jid
