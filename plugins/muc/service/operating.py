"""What operators can see of rooms, and do about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from xmppd.api import (
    Condition,
    IClock,
    IDatabase,
    IDelayedCall,
    Jid,
    Message,
    OperationError,
    Result,
    operation,
    settled,
    tag,
)
from xmppd.api.operations import Progress
from xmppd.api.pace import Pace
from xmppd.api.words import plural
from xmppd.plugins.muc.room.affiliating import Standing, affiliate, check_standings
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.moderating import take_back
from xmppd.plugins.muc.room.outcome import Destroyed, Outcome
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.roles import By, kick
from xmppd.plugins.muc.room.state import Room, Subject
from xmppd.plugins.muc.room.words import RETRACT
from xmppd.plugins.muc.service import store
from xmppd.plugins.muc.service.archive import RoomArchive
from xmppd.plugins.muc.service.delivering import Delivering
from xmppd.plugins.muc.service.guard import Guard, covers
from xmppd.plugins.muc.service.rooms import Rooms
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import StanzaError
from xmppd.wire.xml import parse

__all__ = ["RoomOperations"]

_DAY = 86_400.0
_SOME = 500  # rooms that are read at a time


class RoomOperations:
    """The part of the plugin that is for operators."""

    rooms: Rooms
    delivering: Delivering
    guard: Guard
    archive: RoomArchive

    if TYPE_CHECKING:  # what the plugin has of its own

        @property
        def jid(self) -> Jid: ...
        @property
        def db(self) -> IDatabase: ...
        @property
        def clock(self) -> IClock: ...
        @property
        def options(self) -> Any: ...
        def later(self, seconds: float, function: Callable[[], Any]) -> IDelayedCall: ...
        async def room(self, jid: Jid) -> Room | None: ...

    async def existing(self, jid: Jid) -> Room:
        """Return a room. :raises OperationError: there is none with that address."""
        room = await self.room(jid.bare) if jid.local and jid.domain == self.jid.domain else None
        if room is None:
            raise OperationError(f"there is no room {jid}; `room list` shows those there are", Condition.ITEM_NOT_FOUND)
        return room

    async def carry_out(self, room: Room, outcome: Outcome) -> None:
        """Put into effect what was decided here."""
        await settled(self.delivering.on_behalf(room, outcome))

    # Looking

    @operation("room list", safe=True, examples=("", "--search garden", "--occupied"))
    async def list_rooms(
        self, *, search: str = "", occupied: bool = False, limit: int = 100, after: str = ""
    ) -> list[dict[str, Any]]:
        """List rooms: how many are in them, and how many are something to them.

        :param search: only rooms with this in their address.
        :param occupied: only rooms that somebody is in.
        :param limit: how many at most.
        :param after: those behind this address only, in alphabetical order.
        """
        behind = after.partition("@")[0]
        rows = await self.db.read(lambda c: store.listing(c, self.jid, search, occupied, max(0, limit), behind))
        return [self._row(row) for row in rows]

    def _row(self, row: store.Listed) -> dict[str, Any]:
        return {
            "room": str(row.jid),
            "name": row.config.name,
            "occupants": row.occupants,
            "affiliated": row.members,
            "kind": ", ".join(_kinds(row.config.persistent, row.config.public, row.config.members_only)),
            "active": format_datetime(row.active_at),
        }

    @operation("room show", safe=True, examples=("garden@conference.example.org",))
    async def show_room(self, room: Jid) -> dict[str, Any]:
        """Show all that is known of a room: its configuration, who is in it, and what people are to it.

        :param room: its address.
        """
        found = await self.existing(room)
        return {
            "room": str(found.jid),
            "created": format_datetime(found.created_at),
            "active": format_datetime(found.active_at),
            "confirmed": not found.locked,
            "subject": "" if found.subject is None else _text_of(found.subject),
            "configuration": [
                {"option": name, "value": ", ".join(value) if isinstance(value, tuple) else value}
                for name, value in _shown(found.config).items()
            ],
            "occupants": [
                {
                    "nickname": occupant.nick,
                    "who": ", ".join(occupant.devices),
                    "role": str(occupant.role),
                    "affiliation": str(found.affiliation(occupant.who)),
                }
                for occupant in found.occupants.values()
            ],
            "affiliations": [
                {
                    "who": str(who),
                    "affiliation": str(member.affiliation),
                    "nickname": member.nick,
                    "reason": member.reason,
                }
                for who, member in sorted(found.members.items())
            ],
        }

    # People

    @operation(
        "room affiliate",
        examples=(
            "garden@conference.example.org juliet@example.org owner",
            "garden@conference.example.org spam.example outcast --reason spam",
        ),
    )
    async def affiliate(
        self,
        room: Jid,
        who: Jid,
        affiliation: Literal["owner", "admin", "member", "none", "outcast"],
        *,
        nickname: str = "",
        reason: str = "",
    ) -> str:
        """Make somebody an owner, admin or member of a room, or nothing to it, or ban them (outcast).

        :param room: its address.
        :param who: a bare address, or a domain for all of its users.
        :param affiliation: what they are to be.
        :param nickname: the nickname that is theirs in this room.
        :param reason: what they and others are told.
        """
        found = await self.existing(room)
        if not who.local and affiliation in (Affiliation.ADMIN, Affiliation.OWNER):
            raise OperationError(f"{who} is a whole domain, which can't be {affiliation} of a room")
        standing = Standing(who.bare, Affiliation(affiliation), nickname or None, reason)
        try:
            check_standings(found, [standing])
        except StanzaError as error:
            raise OperationError(error.text or str(error.condition), error.condition) from None
        await self.carry_out(found, affiliate(found, [standing], "", self.clock.seconds()))
        return f"{who.bare} is {affiliation} in {room}."

    @operation("room kick", examples=("garden@conference.example.org Romeo --reason 'calm down'",))
    async def kick(self, room: Jid, nickname: str, *, reason: str = "") -> str:
        """Remove somebody from a room; they may come again.

        :param room: its address.
        :param nickname: theirs in the room.
        :param reason: what they and others are told.
        """
        found = await self.existing(room)
        occupant = found.occupants.get(nickname)
        if occupant is None:
            raise OperationError(f"nobody in {room} is called {nickname}", Condition.ITEM_NOT_FOUND)
        await self.carry_out(found, kick(found, {occupant: By(reason=reason)}, self.clock.seconds()))
        return f"{nickname} ({occupant.who}) is not in {room} any more."

    @operation("room announce", examples=("garden@conference.example.org 'This room will close at noon.'",))
    async def announce(self, room: Jid, text: str) -> str:
        """Say something to everybody in a room, in the name of the room itself.

        :param room: its address.
        :param text: what to say.
        """
        found = await self.existing(room)
        out = Outcome()
        out.send(Message(None, found.jid, type="groupchat", payload=tag("body", text)), *found.devices)
        await self.carry_out(found, out)
        return f"{plural(len(found.occupants), 'occupant')} of {room} were told."

    # Abuse

    @operation("room block", examples=("spammer@example.net --reason spam", "spam.example"))
    async def block(self, who: Jid, *, reason: str = "") -> str:
        """Let somebody, or everybody of a domain, enter no room of this service any more, and remove them from all.

        :param who: a bare address, or a domain; it stands for those below it as well.
        :param reason: what they are told.
        """
        await self.guard.block(who.bare, reason)
        count = 0
        for room in list(self.rooms.loaded.values()):
            there = {one: By(reason=reason) for one in room.occupants.values() if covers(who.bare, one.who)}
            if there:
                count += len(there)
                await self.carry_out(room, kick(room, there, self.clock.seconds()))
        return f"{who.bare} may enter no room of {self.jid} any more; removed from {plural(count, 'room')}."

    @operation("room unblock", examples=("spammer@example.net",))
    async def unblock(self, who: Jid) -> str:
        """Let somebody, or everybody of a domain, enter rooms again.

        :param who: as they were blocked.
        """
        if not await self.guard.unblock(who.bare):
            raise OperationError(f"{who.bare} is not blocked; `room blocked` shows who is", Condition.ITEM_NOT_FOUND)
        return f"{who.bare} may enter rooms again."

    @operation("room blocked", safe=True, examples=("",))
    async def list_blocked(self) -> list[dict[str, str]]:
        """List who may not enter any room of this service."""
        return [{"who": str(who), "reason": reason} for who, reason in sorted(self.guard.blocked.items())]

    @operation("room purge", examples=("spammer@example.net --days 2", "spammer@example.net --try-out"))
    async def purge(
        self,
        who: Jid,
        *,
        days: float = 7.0,
        reason: str = "",
        try_out: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> Result:
        """Retract what somebody has said in all rooms: it is gone from archives, and those who are there are told.

        :param who: the bare address.
        :param days: how far to go back, in days.
        :param reason: what others are told.
        :param try_out: only show what it would be.
        """
        said = await self.archive.by_author(who.bare, self.clock.seconds() - days * _DAY)
        rooms = {one.room: await self._address(one.room) for one in said}
        if try_out:
            return [
                {"room": str(rooms[one.room]), "said": format_datetime(one.at), "text": one.message.body or ""}
                for one in said
            ]
        pace, count = Pace(self.later, lambda: float(self.options.presence_per_second)), 0
        for number, one in enumerate(said):
            progress(number, len(said))
            jid = rooms[one.room]
            room = None if jid is None else await self.room(jid)
            if room is not None and room.number == one.room and not one.message.has(RETRACT, "retracted"):
                await self.carry_out(room, take_back(room, one.id, None, reason, self.clock.seconds()))
                await pace.step(1 + len(room.devices))
                count += 1
        return f"{plural(count, 'message')} of {who.bare} retracted in {plural(len(rooms), 'room')}."

    async def _address(self, number: int) -> Jid | None:
        return await self.db.read(lambda c: store.address(c, self.jid, number))

    # Many at a time

    @operation("room delete-unused", examples=("--days 365 --try-out", "--days 365"))
    async def delete_unused(
        self, *, days: int, try_out: bool = False, progress: Progress = lambda done, total: None
    ) -> Result:
        """Delete the rooms that nobody is in, and where nothing has happened for long, with their archives.

        :param days: how long, in days.
        :param try_out: only show which they are.
        """
        if days < 1:
            raise OperationError("rooms can be deleted that were not used for a day or more")
        before = self.clock.seconds() - days * _DAY
        unused = await self.db.read(lambda c: store.unused(c, self.jid, before))
        if try_out:
            return [{"room": str(jid), "active": format_datetime(active_at)} for jid, active_at in unused]
        count = 0
        for number, (jid, _) in enumerate(unused):
            progress(number, len(unused))
            room = await self.room(jid)
            if room is not None and not room.occupants and room.active_at < before:
                await self.carry_out(room, Outcome(changes=[Destroyed()]))
                count += 1
        return f"{plural(count, 'room')} deleted."


def _shown(config: RoomConfig) -> dict[str, Any]:
    """Return the options of a room as they may be shown: of the password only that there is one."""
    return asdict(config) | {"password": "***" if config.password else ""}


def _text_of(subject: Subject) -> str:
    """Return the text of a subject, in the first language that it is in."""
    return next((str(element) for element in parse(subject.payload) if element.name == "subject"), "")


def _kinds(persistent: bool, public: bool, members_only: bool) -> list[str]:
    """Return the kinds of a room, in the words of section 3 of XEP-0045."""
    return [
        "persistent" if persistent else "temporary",
        "public" if public else "hidden",
        "members-only" if members_only else "open",
    ]
