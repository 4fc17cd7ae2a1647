"""Options of the group chat service."""

from __future__ import annotations

from xmppd.api import Component, Field

__all__ = ["MucOptions"]


class MucOptions(Component.Options):
    """Rooms, and what is allowed in them."""

    domain: str = Field("", description="Domain of the service; empty: conference before the host's name.")
    name: str = Field("Chatrooms", description="What clients show of the service.")
    max_occupants: int = Field(5000, ge=2, description="Occupants that a room may have.")
    max_devices: int = Field(10, ge=1, description="Devices with which one occupant may be in a room.")
    max_history: int = Field(100, ge=0, description="Messages of the past that who enters a room may be shown.")
    max_affiliations: int = Field(
        10_000, ge=1, description="People of whom a room may say what they are to it: members, outcasts, and so on."
    )
    max_nick: int = Field(64, ge=1, description="Characters that a nickname may have.")
    idle_seconds: int = Field(
        300, ge=1, description="Seconds after which a room that nobody is in is kept in memory no longer."
    )
    presence_per_second: int = Field(
        10_000,
        ge=1,
        description="Presence sent in a second when many leave at once, because their server can't be reached.",
    )
