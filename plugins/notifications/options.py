"""The options of notifications."""

from __future__ import annotations

from pydantic import field_validator

from xmppd.api import Field, Options

__all__ = ["NotificationOptions"]


class NotificationOptions(Options):
    """How notifications are sent, and what is kept of them."""

    rate: float = Field(10_000.0, gt=0, description="Notifications a second that are sent at most, of all messages.")
    push_at_once: int = Field(16, ge=1, le=1000, description="Pushes that are under way at the same time.")
    ttl_seconds: float = Field(
        7 * 86_400.0,
        gt=0,
        description="Seconds that a notification waits for devices, unless its sender says how long.",
    )
    max_ttl_seconds: float = Field(
        30 * 86_400.0, gt=0, description="Seconds that a sender may have a notification wait for devices."
    )
    schedule_days: float = Field(366.0, gt=0, description="Days ahead that a notification may be scheduled.")
    retry_seconds: tuple[float, ...] = Field(
        (30.0, 120.0, 600.0, 3600.0),
        description="Seconds after which a device that is online is sent again what it has not confirmed, growing.",
    )
    max_attempts: int = Field(
        20, ge=1, description="How often a notification is sent to a device that never confirms it; then it has failed."
    )
    fence_seconds: float = Field(
        60.0, gt=0, description="Seconds that a device has to answer a ping behind a notification."
    )
    waiting_per_device: int = Field(
        100, ge=1, description="Notifications that may wait for one device; when it comes, older ones have failed."
    )
    title_characters: int = Field(200, ge=1, description="Characters a title may have.")
    body_characters: int = Field(4000, ge=1, description="Characters a text may have.")
    uri_characters: int = Field(2000, ge=1, description="Characters a URI may have, of a link or an image.")
    data_octets: int = Field(2048, ge=0, description="Octets that names and values of data may have together.")
    expression_characters: int = Field(4000, ge=1, description="Characters an audience expression may have.")
    csv_accounts: int = Field(100_000, ge=1, description="Accounts that a file may name.")
    tags_per_account: int = Field(100, ge=1, description="Tags an account may have.")
    aliases_per_account: int = Field(10, ge=1, description="Aliases an account may have.")
    segments: int = Field(1000, ge=1, description="Segments that may be saved.")
    devices_per_account: int = Field(
        10, ge=1, description="Devices that are known of an account; those that were seen longest ago are forgotten."
    )
    device_days: float = Field(90.0, gt=0, description="Days after which a device that was not seen is forgotten.")
    deliveries_days: float = Field(
        30.0, gt=0, description="Days that it is kept what became of a message with each device, once it has ended."
    )
    history_days: float = Field(
        365.0, gt=0, description="Days that a message and its counts are kept, once it has ended."
    )

    @field_validator("retry_seconds")
    @classmethod
    def _growing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(gap <= 0 for gap in value) or list(value) != sorted(value):
            raise ValueError("positive numbers are expected, none smaller than the one before")
        return value
