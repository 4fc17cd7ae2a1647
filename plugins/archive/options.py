"""The options of the plugin."""

from __future__ import annotations

from xmppd.api import Field, Plugin
from xmppd.plugins.archive.preferences import Default
from xmppd.plugins.archive.rules import GROUPS, Group

__all__ = ["ArchiveOptions"]


class ArchiveOptions(Plugin.Options):
    """What is archived, for how long, and how much of it is given at once."""

    kept: tuple[Group, ...] = Field(
        GROUPS, description="What is archived, of the messages that are not of a room: a list of kinds."
    )
    default: Default = Field(
        "always",
        description="Whose messages are archived unless the user says otherwise; roster: those of contacts.",
    )
    preferences: bool = Field(True, description="May users say which messages are archived (XEP-0441)?")
    max_listed: int = Field(500, ge=0, description="Addresses that a user may list in these preferences.")
    max_days: float = Field(365, ge=0, description="Days after which messages are deleted; 0: never.")
    max_messages: int = Field(
        500_000, ge=0, description="Messages of an account above which the oldest are deleted; 0: any number."
    )
    page: int = Field(50, ge=1, description="Messages on a page if the client doesn't say how many.")
    max_page: int = Field(250, ge=1, description="Messages on a page at most.")
    max_page_octets: int = Field(1024 * 1024, ge=1, description="Octets that the messages on a page may have together.")
    search: bool = Field(True, description="Can users search the texts of their messages (XEP-0431)?")
    max_words: int = Field(16, ge=1, description="Words that may be searched for at once.")
    retraction_reach: int = Field(
        10_000,
        ge=0,
        description="Newest messages of an archive among which one is replaced when it is retracted; 0: none is.",
    )
    max_retractions: int = Field(
        60,
        ge=1,
        description="Messages that are replaced within a minute because the same user retracts them, in all archives.",
    )
