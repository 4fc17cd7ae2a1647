"""How operators make rooms, configure and destroy them."""

from __future__ import annotations

from typing import Any

from xmppd.api import Condition, Jid, JidError, OperationError, operation
from xmppd.plugins.muc.room.destroying import destroy
from xmppd.plugins.muc.room.fields import FIELDS, MANY, Field
from xmppd.plugins.muc.room.outcome import Affiliated, Change, Configured, Created, Outcome, Unlocked
from xmppd.plugins.muc.room.owner import reconfigure
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Member, Room
from xmppd.plugins.muc.service.operating import RoomOperations

__all__ = ["RoomManagement"]

_PASSWORD = "password"
_FIELDS = {field.option: field for field in FIELDS}


class RoomManagement(RoomOperations):
    """More of the plugin's operations."""

    @operation(
        "room create",
        examples=(
            "garden@conference.example.org romeo@example.org",
            "garden@conference.example.org romeo@example.org --temporary",
        ),
    )
    async def create_room(self, room: Jid, owner: Jid, *, name: str = "", temporary: bool = False) -> str:
        """Make a room, with the options that new rooms have here; `room set` changes them.

        :param room: its address.
        :param owner: the bare address of who is to own it.
        :param name: what people are shown as its name.
        :param temporary: it is gone when the last one leaves it; else it stays.
        """
        if not room.local or room.domain != self.jid.domain or room.resource:
            raise OperationError(f"{room} is no address of a room: it has to be something@{self.jid}")
        if not owner.local:
            raise OperationError(f"{owner} is nobody's address: it has to be somebody@example.org")
        if await self.room(room) is not None:
            raise OperationError(f"{room} is there already", Condition.CONFLICT)
        now = self.clock.seconds()
        config = self.rooms.service.new_config().changed({"name": name, "persistent": not temporary})
        made = self.rooms.make(room, self.rooms.service.allowed(config), now)
        made.members[owner.bare] = member = Member(Affiliation.OWNER)
        changes: list[Change] = [Created(owner.bare), Unlocked(), Affiliated(owner.bare, member)]
        changes.append(Configured(made.config))
        await self.carry_out(made, Outcome(changes=changes, happened=[Created(owner.bare)]))
        return f"{room} is there, and {owner.bare} owns it."

    @operation(
        "room set",
        examples=(
            "garden@conference.example.org members_only true",
            "garden@conference.example.org password ''",
            "garden@conference.example.org presence_broadcast 'moderator, participant'",
        ),
    )
    async def set_option(self, room: Jid, option: str, value: str) -> str:
        """Change one option of a room, as an owner does; `room show` shows what they are.

        :param room: its address.
        :param option: as `room show` calls it.
        :param value: true or false, a number, a text, or several separated by commas.
        """
        found = await self.existing(room)
        read = value if option == _PASSWORD else self._read(found, option, value)
        config = self.rooms.service.allowed(found.config.changed({option: read}))
        if getattr(config, option) != read:
            raise OperationError(f"{option} is the same for all rooms, by the option `forced` of the plugin")
        await self.carry_out(found, reconfigure(found, config, self.clock.seconds()))
        shown = "***" if option == _PASSWORD and value else value or "empty"
        return f"{option} of {room} is {shown}."

    def _read(self, room: Room, option: str, value: str) -> Any:
        field: Field | None = _FIELDS.get(option)
        if field is None:
            names = ", ".join(sorted((*_FIELDS, _PASSWORD)))
            raise OperationError(f"rooms have no option {option}; they have {names}", Condition.ITEM_NOT_FOUND)
        several = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return field.read(several if field.kind in MANY else [value], room.service.limits)
        except ValueError as error:
            raise OperationError(f"{option}: {error}") from None

    @operation(
        "room destroy",
        examples=("garden@conference.example.org --reason 'It moved.' --venue park@conference.example.org",),
    )
    async def destroy_room(self, room: Jid, *, reason: str = "", venue: str = "") -> str:
        """Destroy a room with all that was said in it. Those who are there are told.

        :param room: its address.
        :param reason: what they are told.
        :param venue: the address of a room where they may go instead.
        """
        found = await self.existing(room)
        try:
            place = Jid.parse(venue) if venue else None
        except JidError as error:
            raise OperationError(f"{venue} is no address: {error}", Condition.JID_MALFORMED) from None
        await self.carry_out(found, destroy(found, place, reason))
        return f"{room} is no more."
