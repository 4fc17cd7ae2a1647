"""Options of the group chat service."""

from __future__ import annotations

from typing import Literal

from xmppd.api import Component, Field
from xmppd.plugins.muc.room_options import RoomOptions

__all__ = ["MucOptions"]


class MucOptions(Component.Options):
    """Rooms, and what is allowed in them."""

    domain: str = Field("", description="Domain of the service; empty: conference before the host's name.")
    name: str = Field("Chatrooms", description="What clients show of the service.")
    max_occupants: int = Field(10_000, ge=2, description="Occupants that a room may have.")
    max_devices: int = Field(
        10, ge=1, description="Devices with which one person may be in a room, by whatever nicknames."
    )
    max_history: int = Field(100, ge=0, description="Messages of the past that who enters a room may be shown.")
    max_history_octets: int = Field(
        262_144, ge=0, description="Octets of messages of the past that are kept in memory for who enters a room."
    )
    max_message: int = Field(65_536, ge=1, description="Octets that a message to a room may have.")
    max_broadcast: int = Field(
        67_108_864, ge=1, description="Octets that a message to a room may have, times the devices that are there."
    )
    max_id: int = Field(1024, ge=64, description="Characters that the id of a message or request to a room may have.")
    max_presence: int = Field(8192, ge=1, description="Octets that the presence of somebody in a room may have.")
    max_affiliations: int = Field(
        10_000,
        ge=1,
        description="People of whom a room may say what they are to it: members, outcasts, and so on. Who registers"
        " takes the first half of the places only: admins can still ban others.",
    )
    max_nick: int = Field(64, ge=1, description="Characters that a nickname may have.")
    max_vcard: int = Field(131_072, ge=1, description="Octets that the vCard of a room may have, its avatar included.")
    max_hats: int = Field(50, ge=0, description="Hats (XEP-0317) that a room may have.")
    max_hat: int = Field(200, ge=1, description="Characters that the title and the URI of a hat may have.")
    max_hats_each: int = Field(10, ge=1, description="Hats that one person may wear in a room.")
    max_hats_worn: int = Field(1000, ge=0, description="Hats that the people of a room may wear, all together.")
    max_mentions: int = Field(
        10, ge=0, description="Members who are told that one message mentions them, while they are not in the room."
    )
    max_listeners: int = Field(
        10_000, ge=0, description="Devices that may ask to be told of rooms where something is said (XEP-0437)."
    )
    max_listened: int = Field(1000, ge=1, description="Rooms that one of them may be told of.")
    listens_per_minute: int = Field(20, ge=1, description="How often one person may ask for that in a minute.")
    listener_seconds: float = Field(
        5.0, ge=0, description="Seconds in which what they are told is gathered, so that it is one message."
    )
    max_removals: int = Field(
        1000,
        ge=0,
        description="People of whom a room remembers that they belong to it no more (XEP-0463). Who enters, and knows"
        " nothing that new, is told of all who do.",
    )
    max_tokens: int = Field(100, ge=0, description="Invite tokens (XEP-0488) that a room may have.")
    max_token_seconds: int = Field(
        604_800, ge=0, description="Seconds for which an invite token may be good; 0: for ever."
    )
    max_token_uses: int = Field(
        0, ge=0, description="How many people may become members by one invite token; 0: any number."
    )
    max_items: int = Field(500, ge=1, description="People whom one request of an admin may change something for.")
    max_reason: int = Field(1000, ge=0, description="Characters that the reason for a kick, a ban and so on may have.")
    max_text: int = Field(
        2000, ge=1, description="Characters that the name of a room, its description and its password may have."
    )
    max_contacts: int = Field(20, ge=0, description="People who can be asked about a room, as it says.")
    list_rooms: int = Field(
        500, ge=1, description="Rooms, or occupants of one, that are listed at once to who asks which there are."
    )
    search_results: int = Field(100, ge=1, description="Rooms that a search (XEP-0433) finds at once.")
    search_all: bool = Field(True, description="May all public rooms be listed by a search?")
    searches_per_minute: int = Field(20, ge=1, description="How often one person may search for rooms in a minute.")
    defaults: RoomOptions = Field(RoomOptions(), description="How new rooms begin.")
    forced: RoomOptions = Field(RoomOptions(), description="What is so in all rooms, whatever their owners want.")
    idle_seconds: int = Field(
        300, ge=1, description="Seconds after which a room that nobody is in is kept in memory no longer."
    )
    presence_per_second: int = Field(
        10_000,
        ge=1,
        description="Presence sent in a second when much is told at once: many leave, because their server can't be "
        "reached, or another configuration concerns everybody.",
    )
    archive_days: float = Field(365, ge=0, description="Days after which what was said in rooms is deleted; 0: never.")
    archive_messages: int = Field(
        500_000, ge=0, description="Messages of a room above which the oldest are deleted; 0: any number."
    )
    archive_page: int = Field(
        50, ge=1, description="Messages on a page of an archive if who asks doesn't say how many."
    )
    archive_max_page: int = Field(250, ge=1, description="Messages on a page at most.")
    archive_page_octets: int = Field(
        1024 * 1024, ge=1, description="Octets that the messages on a page may have together."
    )
    archive_search: bool = Field(True, description="Can what was said in rooms be searched for words (XEP-0431)?")
    archive_words: int = Field(16, ge=1, description="Words that may be searched for at once.")
    create: Literal["anyone", "local", "admins"] = Field(
        "local", description="Who may create rooms: anyone, the users of this server, or its administrators."
    )
    guests: bool = Field(True, description="May users of other servers enter rooms?")
    max_rooms: int = Field(100_000, ge=1, description="Rooms that there may be.")
    max_owned: int = Field(50, ge=1, description="Rooms that one person may own, if they are no administrator.")
    joins_per_minute: int = Field(120, ge=1, description="How often one person may enter rooms in a minute.")
    join_presence_per_second: int = Field(
        100_000,
        ge=1,
        description="Presence sent in a second because somebody enters: two for each device in the room. Users of "
        "one other server may cause a quarter of it. Who comes when it is more has to wait.",
    )
    join_wait_seconds: float = Field(
        60.0, ge=0, description="Seconds that somebody who enters a room may have to wait; for more, they are refused."
    )
    invitations_per_minute: int = Field(
        20,
        ge=1,
        description="How many people one person may invite to rooms in a minute. Of those who are made members, or"
        " could approve a registration, and are not in the room, no more are told, either.",
    )
    max_invitations: int = Field(
        200, ge=0, description="Invitations that a room remembers until they are declined or can't be delivered."
    )
    voice_requests_per_minute: int = Field(
        5, ge=1, description="How often somebody may ask the moderators of a room for voice in a minute."
    )
    registrations_per_minute: int = Field(
        10, ge=1, description="How often one person may register with rooms in a minute, or unregister."
    )
    max_registrations: int = Field(
        100, ge=0, description="People who may wait in one room for an admin to approve their registration."
    )
    max_registration: int = Field(
        4000, ge=0, description="Characters that somebody may write about themselves to register with a room."
    )
    max_relayed: int = Field(
        10_000,
        ge=0,
        description="Requests between occupants of rooms that may wait for their answers, and private messages that "
        "are remembered for the errors that may answer them.",
    )
    max_requests: int = Field(
        100, ge=0, description="Requests to other occupants that one device may have waiting for an answer."
    )
    request_seconds: int = Field(120, ge=1, description="Seconds after which such a request has failed.")
    deliveries_per_second: int = Field(
        100_000,
        ge=1,
        description="Messages that one person may cause a second by what they say in rooms: one for each device there,"
        " and more if they are long.",
    )
    presence_per_minute: int = Field(
        30, ge=1, description="How often one device may change its presence or nickname in one room in a minute."
    )
