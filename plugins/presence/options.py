"""Options of the plugin."""

from __future__ import annotations

from xmppd.api import Field, Options

__all__ = ["Limits"]


class Limits(Options):
    """How much is remembered of presence, and how what was lost between servers is made good."""

    directed: int = Field(
        1000,
        ge=0,
        description="To how many addresses outside the roster, such as rooms, a device can be present at a time.",
    )

    devices: int = Field(
        20, ge=1, description="How many devices of one contact elsewhere are remembered as being available."
    )
    absent: int = Field(
        1000, ge=0, description="Of how many accounts that are not connected it is remembered who has come."
    )
    departures: int = Field(
        10_000,
        ge=0,
        description="How often leave taken of contacts elsewhere is remembered, to be taken again if it was lost.",
    )
    repairs_per_second: int = Field(
        1000,
        ge=1,
        description="Presence sent in a second to make good what was lost with a connection to another server.",
    )
    repair_seconds: float = Field(
        30.0, ge=0, description="For so long no second time for the same server, if connections are lost often."
    )
    answer_seconds: float = Field(
        30.0, gt=0, description="How long devices of contacts elsewhere have to say that they are still there."
    )
    retry_seconds: float = Field(
        60.0, gt=0, description="After how long a server that can't be reached is tried again; then twice as long."
    )
    retry_at_most_seconds: float = Field(1800.0, gt=0, description="The longest such time.")
