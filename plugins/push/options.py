"""The options of push."""

from __future__ import annotations

from typing import Literal

from xmppd.api import Field, Plugin

__all__ = ["PushOptions"]


class PushOptions(Plugin.Options):
    """What apps are told, how often, and when to give up on one."""

    max_registrations: int = Field(
        5, ge=1, description="Apps that one account may have registered; a new one takes the place of the oldest."
    )
    max_octets: int = Field(
        8192, ge=256, description="Octets that a registration may have: node, publish-options and settings."
    )
    least: Literal["call", "mention", "message", "other"] = Field(
        "message",
        description="What is pushed has to be at least so important; `other` are reactions, corrections and what is"
        " taken back.",
    )
    include_sender: bool = Field(False, description="Tell push services who has sent the last message.")
    include_body: bool = Field(False, description="Tell push services the text of the last message.")
    placeholder: str = Field(
        "New Message!",
        description="Sent in place of the text, so that gateways to iOS know that there is something to show; empty:"
        " nothing.",
    )
    body_characters: int = Field(255, ge=1, description="Characters of a text that are told at most.")
    client_type: str = Field(
        "phone",
        description="As what kind of client the apps are treated where users have settings for some kinds only"
        " (XEP-0492).",
    )
    interval_seconds: float = Field(
        20.0,
        ge=0,
        description="An app is pushed no more often than this. What comes meanwhile is told together; what is more"
        " important than what the app was told, and calls, don't wait.",
    )
    acknowledge_seconds: float = Field(
        10.0,
        gt=0,
        description="A device that is connected, but has not acknowledged a message for so long, is pushed"
        " (XEP-0198); for calls it is a third of it.",
    )
    repeat_seconds: tuple[float, ...] = Field(
        (60.0, 600.0),
        description="When an app doesn't come for what its lost connection holds, it is pushed again after so many"
        " seconds each.",
    )
    answer_seconds: float = Field(60.0, gt=0, description="How long a push service may take to answer.")
    parallel: int = Field(20, ge=1, description="How many questions one push service is asked at a time.")
    retry_hours: float = Field(
        24.0, ge=0, description="For how long it is tried to tell an app of something if its service can't be reached."
    )
    max_errors: int = Field(
        16,
        ge=1,
        description="After so many errors in a row that don't pass, an app is not pushed until it logs in again.",
    )
    max_parcels: int = Field(
        100, ge=1, description="What other plugins push may wait for each app, if its service can't be reached."
    )
    forget_days: float = Field(30.0, gt=0, description="Registrations that are disabled for so long are deleted.")
    remembered_settings: int = Field(10_000, ge=1, description="Of how many accounts settings are kept in memory.")
    remembered_rooms: int = Field(10_000, ge=1, description="Rooms of which it is remembered if they are private.")
