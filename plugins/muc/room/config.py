"""What an owner can say about a room (XEP-0045 sections 4.2, 10.1.3 and 16.5.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

__all__ = ["RoomConfig"]


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """The options of a room; defaults are those of a room that nobody has configured.

    :ivar name: for people.
    :ivar description: for people, longer.
    :ivar lang: natural language for discussions, as in xml:lang; "" if there is none.
    :ivar persistent: does the room stay when the last occupant leaves?
    :ivar public: can it be found, or is it hidden?
    :ivar members_only: may only those enter who have an affiliation?
    :ivar moderated: have only those voice who are given it?
    :ivar password: what must be known to enter; "": nothing.
    :ivar max_users: how many occupants there may be; 0: as many as the service allows.
    :ivar anonymous: do only moderators see real addresses (semi-anonymous)? Else everybody (non-anonymous).
    :ivar change_subject: may occupants who are no moderators change the subject?
    :ivar invites: may members invite others to a members-only room (and so make them members)?
    :ivar private_messages: who may send private messages: ``anyone``, ``participants``, ``moderators`` or ``none``.
    :ivar presence_broadcast: the presence of whom is told to everybody: names of roles.
    :ivar member_list: who may retrieve the member list: names of roles (muc#roomconfig_getmemberlist).
    :ivar voice_requests: may visitors ask for voice?
    :ivar registration: may people register with the room, to become members?
    :ivar registration_approval: does an admin have to approve that? Where members may do more than others, one always
        has to: in rooms that are members-only, moderated, or have a password or an archive that is not public.
    :ivar requests: may occupants who are no moderators send each other requests (IQs) by way of the room?
    :ivar archive: are messages kept, and found again (XEP-0313)?
    :ivar public_archive: can those read it who may enter, though they don't belong to the room?
    :ivar archive_days: days for which messages are kept; 0: as long as the service keeps them, which is the most.
    :ivar archive_messages: how many are kept; 0: as many as the service keeps, which is the most.
    :ivar history: how many messages somebody who enters may be shown (discussion history).
    :ivar default_history: how many of them if they don't say what they want to see.
    :ivar visitor_status: may visitors change their status?
    :ivar visitor_nick: may visitors change their nickname?
    :ivar fixed_nick: must those who have registered a nickname use it (section 7.2, 7.10)?
    :ivar slow_mode: seconds that participants have to wait between messages (XEP-0500); 0: they needn't.
    :ivar pubsub: address of a node that belongs to the room (muc#roomconfig_pubsub).
    :ivar list_occupants: may others than occupants ask who is there (disco#items, section 6.5)?
    :ivar contacts: addresses of people who can be asked about the room (muc#roominfo_contactjid).
    :ivar logs: where what is said can be read by others (muc#roominfo_logs); "" if nowhere.
    :ivar forward_mentions: are members told, while they are not there, that somebody mentions them (XEP-0452)?
    :ivar traffic: namespaces of extensions that messages and presence to everybody may hold; none: any.
    :ivar logging: is the discussion logged publicly, so that whoever enters has to be told (status 170)?
    """

    name: str = ""
    description: str = ""
    lang: str = ""
    persistent: bool = False
    public: bool = True
    members_only: bool = False
    moderated: bool = False
    password: str = ""
    max_users: int = 0
    anonymous: bool = True
    change_subject: bool = False
    invites: bool = True
    private_messages: str = "anyone"
    presence_broadcast: tuple[str, ...] = ("moderator", "participant", "visitor")
    member_list: tuple[str, ...] = ("moderator", "participant", "visitor")
    voice_requests: bool = True
    registration: bool = True
    registration_approval: bool = False
    requests: bool = True
    archive: bool = True
    public_archive: bool = True
    archive_days: int = 0
    archive_messages: int = 0
    history: int = 50
    default_history: int = 20
    visitor_status: bool = True
    visitor_nick: bool = True
    fixed_nick: bool = False
    slow_mode: int = 0
    pubsub: str = ""
    list_occupants: bool = False
    contacts: tuple[str, ...] = ()
    logs: str = ""
    logging: bool = False
    forward_mentions: bool = True
    traffic: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return what differs from the defaults, as it is stored."""
        return json.dumps({name: value for name, value in asdict(self).items() if value != _DEFAULTS[name]})

    @classmethod
    def from_text(cls, text: str) -> RoomConfig:
        """Return what :meth:`to_text` has made; options that there are no more are left out."""
        return cls().changed(json.loads(text))

    def changed(self, values: Mapping[str, Any]) -> RoomConfig:
        """Return it with other values; names that there are not are left out."""
        known: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in _DEFAULTS
        }
        return replace(self, **known)


_DEFAULTS = {field.name: getattr(RoomConfig(), field.name) for field in fields(RoomConfig)}
