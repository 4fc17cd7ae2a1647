"""What happened in a round, as the clients saw it: the events, and the archives at its end. Nothing here judges."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.rooms.reading import Sight

_BODY = re.compile(r"([a-z0-9]+)/([a-z0-9]+)>([a-z0-9]+)#(\d+)~([0-9a-f]{8})")


@dataclass(frozen=True, order=True)
class Key:
    """What identifies a message: the device that sent it, the account it is for, and its number between these two.

    Devices are written `account/resource`, accounts by their local part.
    """

    sender: str
    to: str
    number: int

    @property
    def account(self) -> str:
        """The account of the sender."""
        return self.sender.partition("/")[0]

    @property
    def text(self) -> str:
        """The body, and the id, of the message: all of the key and a sum that tells if it was changed."""
        plain = f"{self.sender}>{self.to}#{self.number}"
        return f"{plain}~{zlib.crc32(plain.encode()):08x}"

    @classmethod
    def parse(cls, text: str) -> Key | None:
        """Return the key that `text` stands for; None if it is no text of ours, or a changed one."""
        found = _BODY.fullmatch(text)
        if found is None:
            return None
        account, resource, to, number, _ = found.groups()
        key = cls(f"{account}/{resource}", to, int(number))
        return key if key.text == text else None

    def __str__(self) -> str:
        return f"{self.sender} to {self.to}, number {self.number}"


class What(StrEnum):
    """The kinds of events."""

    SENT = "sent"  # `text`: the address; only the first time
    AGAIN = "sent again"  # in a new session, because the old one could not be resumed
    ACKED = "acked"  # counted by an <a/>, <resumed/> or <failed/>
    RECEIVED = "received"  # live; `text`: direct, delayed, sent or received (carbons); `id`: the stanza-id, if any
    FETCHED = "fetched"  # from the archive; `id`: its id there
    BOUNCED = "bounced"  # `text`: the condition
    GARBLED = "garbled"  # a body that nobody sent; `text`
    BEGAN = "began a session"
    READY = "ready"  # the session has its presence, its carbons
    RESUMED = "resumed"
    CAME = "comes by the web"  # or not, this time; `text`: over what
    TAKEN = "taken"  # the request of BOSH with it was answered; without stream management
    REPEATED = "sent a request again"  # of BOSH, and was answered; `text`: how often
    REFUSED = "resumption refused"  # `text`: the condition and whether the session's time was over
    EXPIRED = "resumption refused after its time"
    FORGOT = "forgot its session"  # and begins another one with the same resource
    CLOSED = "closed"  # the client ended its stream
    BROKEN = "broken"  # the connection was lost; `text`: why
    TAKEN_BACK = "ack taken back"  # a smaller h than before
    OFFENCE = "offence"  # against XEP-0198 or XEP-0313; `text`
    FORGOTTEN = "archive id forgotten"  # the archive does not know an id it gave out
    FAULT = "fault"  # of the harness; `text`
    UNSETTLED = "did not settle"  # after the faults were over
    # In rooms. `id` is that of a stay: who it is, and for which time it is there.
    ENTERING = "wants to enter"  # `text`: the nickname; so below
    ENTERED = "is in the room"
    PARTING = "is about to leave"  # by its own will, or with its stream
    LEFT = "has left"  # `text`: the status codes
    OVER = "is in the room no more"  # its session is over, or its connection without one; `text`: why
    RENAMING = "wants another nickname"
    SAW = "saw"  # `sight`
    HEARD = "heard"  # `text`: live or past; `id`: of the archive
    SUBJECT = "saw the subject"  # of who has just entered; `text`
    LET_GO = "not sent again"  # what was said in a session that is over
    ASKED = "asked of the room"  # `id`: what; `text`: the value
    GRANTED = "granted by the room"
    DENIED = "denied by the room"


@dataclass(frozen=True)
class Event:
    """Something that happened `time` seconds after the round began."""

    time: float
    what: What
    device: str = ""
    key: Key | None = None
    session: int = 0
    text: str = ""
    id: str = ""
    room: str = ""
    sight: Sight | None = None

    def __str__(self) -> str:
        where = f" {self.device}" + (f" session {self.session}" if self.session else "") if self.device else ""
        what = f"{self.time:9.3f}{where} {self.what}" + (f" {self.sight}" if self.sight else "")
        parts = [what, str(self.key or ""), self.room, self.text, self.id and f"id {self.id}"]
        return "  ".join(part for part in parts if part)


#: The text of an archive's entry that is an answer of type error: some archives keep those.
ERROR = "an error"


@dataclass(frozen=True)
class Entry:
    """A message in an archive; `key` is None if its body is none that was sent like that: `text` says what it is."""

    id: str
    key: Key | None
    text: str = ""


@dataclass(frozen=True)
class Trait:
    """What a device does: `archive` fetches what it missed, `first` before its presence; `library` is its make.

    `rooms` are those it sits in; `way` is what a device of make `web` comes over, counted from 0.
    """

    archive: bool = True
    library: str = "own"
    first: bool = False
    rooms: tuple[str, ...] = ()
    way: int = 0


@dataclass
class Ending:
    """How a room was found in the end.

    :ivar owner: the device that has made it.
    :ivar archive: what is in its archive.
    :ivar seats: who is in it, as they say themselves: by device, the nickname and the stay.
    :ivar books: who is in it as each of them sees it: by nickname, the stay, role, affiliation and show.
    :ivar roll: the nickname and the full address of each, as the room tells its owner.
    :ivar listed: the nicknames that are listed (XEP-0030).
    :ivar facts: what was asked of the room, as the room tells it: affiliations by account, configuration.
    :ivar subject: what who enters gets.
    """

    owner: str = ""
    archive: list[Entry] = field(default_factory=list)
    seats: dict[str, tuple[str, str]] = field(default_factory=dict)
    books: dict[str, dict[str, tuple[str, str, str, str]]] = field(default_factory=dict)
    roll: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)
    subject: str = ""


@dataclass
class History:
    """A round: its devices by name, what the server offered, the events in order, the archives by account; rooms."""

    devices: dict[str, Trait] = field(default_factory=dict)
    carbons: bool = True
    archive: bool = True
    events: list[Event] = field(default_factory=list)
    archives: dict[str, list[Entry]] = field(default_factory=dict)
    rooms: dict[str, Ending] = field(default_factory=dict)

    def devices_of(self, account: str) -> Iterator[str]:
        """Yield the names of an account's devices."""
        return (name for name in self.devices if name.partition("/")[0] == account)

    def timeline(self, key: Key, around: float = 3.0) -> list[Event]:
        """Return what happened to a message, and the faults and sessions near it: `around` seconds before and after."""
        own = [event for event in self.events if event.key == key]
        if not own:
            return []
        start, end = own[0].time - around, own[-1].time + around
        concerned = {key.sender, *(event.device for event in own), *self.devices_of(key.to)}
        sessions = {
            What.BEGAN, What.READY, What.RESUMED, What.REFUSED, What.EXPIRED, What.CLOSED, What.BROKEN, What.TAKEN_BACK,
            What.FORGOT,
        }  # fmt: skip
        return [
            event
            for event in self.events
            if event.key == key
            or (start <= event.time <= end and event.what is What.FAULT)
            or (start <= event.time <= end and event.device in concerned and event.what in sessions)
        ]

    def story(self, room: str, device: str, stay: str) -> list[Event]:
        """Return what a device has seen of somebody's stay in a room, and what both did there; with the faults."""
        subject = stay.partition(":")[0]
        acts = {
            What.ENTERING, What.ENTERED, What.PARTING, What.LEFT, What.OVER, What.RENAMING, What.BEGAN, What.RESUMED,
            What.BROKEN, What.CLOSED, What.FORGOT, What.REFUSED, What.EXPIRED, What.ASKED, What.GRANTED, What.DENIED,
        }  # fmt: skip
        return [
            event
            for event in self.events
            if event.what is What.FAULT
            or (event.device in (device, subject) and event.what in acts and event.room in ("", room))
            or (event.room == room and event.sight and event.sight.stay == stay and event.device in (device, subject))
            or (event.room == room and event.device == device and event.sight and event.sight.own)
        ]
