"""The options of the plugin."""

from __future__ import annotations

from xmppd.api import Field, Plugin

__all__ = ["RestOptions"]


class RestOptions(Plugin.Options):
    """Limits, and who may ask how."""

    without_tls: bool = Field(
        False,
        description="Take tokens over HTTP without TLS, from other machines as well. Whoever listens on the way has"
        " them then; from this machine they are taken anyway.",
    )
    token_days: int = Field(365, ge=0, description="Days until a new token expires, unless it is said; 0: never.")
    requests_per_second: float = Field(20.0, gt=0, description="Requests of one token a second, on average.")
    requests_at_once: int = Field(100, ge=1, description="Requests of one token that may come at once.")
    failures_per_address: int = Field(
        20,
        ge=1,
        description="Requests without a valid token, from one IPv4 address or IPv6 /64 network, until all get 429.",
    )
    failure_seconds: float = Field(60.0, gt=0, description="The time in which they are counted, in seconds.")
    body_octets: int = Field(
        1_048_576,
        ge=1_024,
        description="Largest body of a request. A larger one gets 413. `user import` brings a file.",
    )
    page_rows: int = Field(500, ge=1, le=999, description="Rows of a page at most.")
    answer_seconds: float = Field(
        86_400.0, gt=0, description="How long the answer to a request with an Idempotency-Key is kept, in seconds."
    )
    cors_origins: tuple[str, ...] = Field(
        (),
        description="Origins (as `https://admin.example.org`) whose pages may ask from within a browser, with a token"
        " that they have. `*`: any.",
    )
