"""What an act in a room leads to: stanzas to be sent, and changes to be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xmppd.api import Jid, Message, Payload, Presence, Stanza

if TYPE_CHECKING:
    from xmppd.plugins.muc.room.config import RoomConfig
    from xmppd.plugins.muc.room.state import Member, Subject

__all__ = [
    "Affiliated", "Change", "Configured", "Created", "Destroyed", "Entered", "Happening", "Left", "Noted", "Outcome",
    "Said", "Seated", "SubjectSet", "TakenBack", "Unlocked", "Vacated",
]  # fmt: skip


# Changes: what is written down of a room. Each has all that there is to write.


@dataclass(frozen=True, slots=True)
class Created:
    """The room exists; it is locked until it is :class:`Unlocked`.

    :ivar creator: the bare address of who has made it.
    """

    creator: Jid


@dataclass(frozen=True, slots=True)
class Unlocked:
    """Its owner has confirmed it (section 10.1)."""


@dataclass(frozen=True, slots=True)
class Configured:
    """It has another configuration."""

    config: RoomConfig


@dataclass(frozen=True, slots=True)
class SubjectSet:
    """It has another subject."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Affiliated:
    """Somebody is something else to the room; None: nothing any more.

    :ivar who: a bare address, or a domain.
    """

    who: Jid
    member: Member | None


@dataclass(frozen=True, slots=True)
class Seated:
    """A device is in the room, in this role, with this presence; or one of these has changed.

    :ivar device: its full address.
    :ivar payload: what is shown of its presence.
    """

    device: Jid
    nick: str
    role: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Vacated:
    """A device is not in the room any more."""

    device: Jid


@dataclass(frozen=True, slots=True)
class Noted:
    """A part of what is kept with the room under a name has changed; None: it is there no more."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Destroyed:
    """The room exists no more, and nothing is left of it."""


Change = Created | Unlocked | Configured | SubjectSet | Affiliated | Seated | Vacated | Noted | Destroyed


# What other plugins are told of


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody has come in with the first of their devices."""

    nick: str
    who: Jid


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody has gone with the last of their devices."""

    nick: str
    who: Jid


Happening = Entered | Left | Created | Destroyed


@dataclass(frozen=True, slots=True)
class Said:
    """A message for everybody in the room.

    :ivar message: as it is sent, but for `to`, and for the id it gets in the archive (XEP-0359).
    :ivar author: the full address of the device that sent it.
    :ivar kept: does it belong in the archive?
    :ivar past: if so, also in the discussion history? A subject doesn't (section 7.2.13).
    """

    message: Message
    author: Jid
    kept: bool
    past: bool = True


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Something that was said is to be seen no more, neither in the history nor in the archive.

    :ivar id: what it is called in the archive (XEP-0359).
    :ivar left: returns what is put in its place; None: it stays.
    """

    id: str
    left: Callable[[Message], Message | None]


@dataclass(slots=True)
class Outcome:
    """What an act leads to. Stanzas are sent in their order, and :attr:`said` behind them.

    :ivar sent: stanzas without `to`, each with those it goes to (full addresses, or bare ones of people outside).
    :ivar changes: what has changed.
    :ivar said: a message to everybody, or None.
    :ivar taken_back: what was said before, and is to be seen no more.
    :ivar happened: what other plugins are told of.
    :ivar reply: the content of the answer to a request.
    :ivar presences: how many are sent because others are told how somebody is.
    :ivar later: acts that tell others the same of more people, as they are then: one after another, at a pace.
    """

    sent: list[tuple[Stanza, Iterable[Jid]]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    said: Said | None = None
    taken_back: TakenBack | None = None
    happened: list[Happening] = field(default_factory=list)
    reply: Payload = b""
    presences: int = 0
    later: list[Callable[[], Outcome]] = field(default_factory=list)

    def send(self, stanza: Stanza, *recipients: Jid) -> None:
        """Send a stanza to these."""
        self.sent.append((stanza, recipients))

    def show(self, presence: Presence, recipients: Iterable[Jid]) -> None:
        """Send a presence to these, who are not to change before it is sent: pass a copy."""
        self.sent.append((presence, recipients))

    def add(self, other: Outcome) -> Outcome:
        """Add what another act has led to; return itself."""
        self.sent += other.sent
        self.changes += other.changes
        self.said = other.said or self.said
        self.taken_back = other.taken_back or self.taken_back
        self.happened += other.happened
        self.presences += other.presences
        self.later += other.later
        return self
