"""What the operator says about the options of rooms: how new ones begin, and what no owner can change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from xmppd.api import Field, Options
from xmppd.plugins.muc.room.fields import LANGUAGE

__all__ = ["RoomOptions"]

_Roles = tuple[Literal["moderator", "participant", "visitor"], ...] | None
_Flag = bool | None


class RoomOptions(Options):
    """Options of rooms; what is left out is as it is without. `docs/rooms.md` has the fields of the form for each."""

    lang: str | None = Field(None, pattern=LANGUAGE, description="Language of discussions, such as `en`.")
    persistent: _Flag = Field(None, description="Does a room stay when nobody is there?")
    public: _Flag = Field(None, description="Can it be found by others?")
    members_only: _Flag = Field(None, description="May only members enter?")
    invites: _Flag = Field(None, description="May members invite others?")
    registration: _Flag = Field(None, description="May people register with it?")
    registration_approval: _Flag = Field(None, description="Does an admin have to approve that?")
    moderated: _Flag = Field(None, description="Do visitors have to be given voice?")
    voice_requests: _Flag = Field(None, description="May visitors ask for voice?")
    visitor_status: _Flag = Field(None, description="May visitors change their status?")
    visitor_nick: _Flag = Field(None, description="May visitors change their nickname?")
    fixed_nick: _Flag = Field(None, description="Do those who have registered a nickname have to use it?")
    change_subject: _Flag = Field(None, description="May participants change the subject?")
    private_messages: Literal["anyone", "participants", "moderators", "none"] | None = Field(
        None, description="Who may send private messages."
    )
    anonymous: _Flag = Field(None, description="Are real addresses shown to moderators only?")
    presence_broadcast: _Roles = Field(None, description="Whose presence everybody is told of.")
    member_list: _Roles = Field(None, description="Who may retrieve the list of members.")
    list_occupants: _Flag = Field(None, description="May people who are not there ask who is?")
    max_users: int | None = Field(None, ge=0, description="Occupants; 0: as many as `max_occupants`.")
    slow_mode: int | None = Field(None, ge=0, description="Seconds that participants wait between messages.")
    requests: _Flag = Field(None, description="May occupants send each other requests through the room?")
    archive: _Flag = Field(None, description="Are messages kept?")
    public_archive: _Flag = Field(None, description="May those read them who may enter, but don't belong there?")
    archive_days: int | None = Field(None, ge=0, description="For how many days; 0: as long as the service keeps them.")
    archive_messages: int | None = Field(None, ge=0, description="How many; 0: as many as the service keeps.")
    history: int | None = Field(None, ge=0, description="Messages of the past that who enters may see.")
    default_history: int | None = Field(None, ge=0, description="Of these, if they don't say how many they want.")
    forward_mentions: _Flag = Field(None, description="Are members who are not there told that they are mentioned?")
    traffic: tuple[str, ...] | None = Field(
        None, description="Namespaces of extensions that messages and presence to everybody may have; none: any."
    )
    logging: _Flag = Field(None, description="Is what is said published, so that who enters is told?")

    def stated(self) -> Mapping[str, Any]:
        """Return what is said, by the names of :class:`~xmppd.plugins.muc.room.config.RoomConfig`."""
        return {name: value for name, value in self.model_dump().items() if value is not None}
