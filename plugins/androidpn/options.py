"""Options of the plugin."""

from __future__ import annotations

import re

from pydantic import field_validator

from xmppd.api import Field, Options

__all__ = ["AndroidpnOptions"]

_TOKEN = 16  # characters of the shortest token


class AndroidpnOptions(Options):
    """How clients of androidpn are told apart, and what they get."""

    registration: bool = Field(True, description="Do clients of androidpn make their accounts by themselves?")
    usernames: str = Field(
        "[0-9A-Fa-f]{32}",
        description="Who registers under a name that fits this regular expression, without a form, is a client of"
        " androidpn. Theirs are random, 32 hexadecimal digits; some forks use other names. Registrations under all"
        " other names are for the plugin `register`.",
    )
    registrations_per_second: float = Field(
        20.0, gt=0, description="Accounts made in a second. Who comes too early waits, without being told so."
    )
    registrations_per_address_per_minute: float = Field(
        30.0, gt=0, description="The same from one address (IPv6: one /64) in a minute. So many may come at once."
    )
    resources: tuple[str, ...] = Field(
        ("AndroidpnClient",),
        description="Resources by which clients of androidpn are known from the beginning; others are by the first"
        " thing they send that only such clients do.",
    )
    api_key: str = Field(
        "1234567890", description="What clients hand to their app as the API key. It protects nothing."
    )
    settling_seconds: float = Field(
        1.0,
        ge=0,
        description="How long a client is sent nothing after its first presence: it begins to listen for notifications"
        " only some time after it has said that it is there.",
    )
    fence: bool = Field(
        True,
        description="Send a ping behind notifications. The answer shows that the client has read them, also with those"
        " that confirm nothing.",
    )
    additive_tags: bool = Field(
        False, description="Does `settags` add to the tags that there are? Otherwise it takes their place."
    )
    answers: bool = Field(
        False, description="Answer what clients set with an empty result. No server of androidpn ever did."
    )
    broken_streams: int = Field(
        3,
        ge=1,
        description="Streams of one account that end in broken XML within ten minutes before it is slowed down.",
    )
    broken_delay_seconds: float = Field(
        20.0, ge=0, le=40, description="How long such an account waits, once it has logged in, until it is listened to."
    )
    facade_token: str = Field(
        "",
        repr=False,
        description="Who has this token, 16 characters or more, may send by the old addresses `notification.do`,"
        " `notification_api.do` and `user_api.do`. Empty: they are not there.",
    )
    facade_online_only: bool = Field(
        False, description="Is what is sent to all by these addresses for those only who are online?"
    )

    @field_validator("usernames")
    @classmethod
    def _is_an_expression(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from None
        return text

    @field_validator("facade_token")
    @classmethod
    def _is_long_enough(cls, text: str) -> str:
        if text and len(text) < _TOKEN:
            raise ValueError(f"a token has {_TOKEN} characters or more")
        return text
