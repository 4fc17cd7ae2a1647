"""The options of the proxy."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from pydantic import field_validator

from xmppd.api import Component, Field

__all__ = ["ProxyOptions"]


_NAME = re.compile(r"[^\s/@:]*")


class ProxyOptions(Component.Options):
    """Where the proxy is, who may use it, and how much of it."""

    listen: tuple[str, ...] = Field(
        ("tcp:7777",),
        description="Where clients connect to, as in `[listen]`: `tcp:7777` is every IPv4 address, `tcp6:7777` every"
        " IPv6 address too. Each host needs ports of its own.",
    )
    address: str = Field(
        "",
        description="The name or IP address that clients are told to connect to; empty: the name of the host. A name"
        " needs an A or AAAA record: SRV records are not looked at.",
    )
    port: int = Field(
        0, ge=0, le=65535, description="The port that clients are told; 0: the first in `listen`. For who forwards it."
    )
    title: str = Field("File Transfer Relay", min_length=1, description="What service discovery calls it.")
    users: tuple[str, ...] = Field(
        (),
        description="Who may have streams besides the users of the host: bare addresses, domains; `*` is everybody. It"
        " doesn't matter whom they have them with.",
    )
    connections: int = Field(1000, ge=2, description="Connections at the same time; a stream has two.")
    connections_per_address: int = Field(
        50, ge=2, description="Of those from one IPv4 address, or one IPv6 network (/64)."
    )
    streams_per_account: int = Field(10, ge=1, description="Streams at the same time that one user has asked for.")
    octets_per_second: int = Field(
        0, ge=0, description="Octets that one stream carries in a second, both directions together. 0: no limit."
    )
    total_octets_per_second: int = Field(0, ge=0, description="The same for all streams together.")
    handshake_seconds: float = Field(10.0, gt=0, description="Seconds that a client has to say what it wants.")
    activation_seconds: float = Field(
        60.0, gt=0, description="Seconds that it then waits for the other side, and for the stream to be activated."
    )
    idle_seconds: float = Field(
        600.0, gt=0, description="Seconds without an octet in either direction after which a stream is cut."
    )
    early_octets: int = Field(
        65_536,
        ge=0,
        description="Octets that a client may send before its stream is activated; they are ignored. Who sends more is"
        " disconnected.",
    )
    failures_per_minute: int = Field(
        30, ge=1, description="Connections without proper SOCKS5 from one address in a minute; then it has to wait."
    )

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if _NAME.fullmatch(value):
            return value
        try:
            return str(IPv6Address(value))  # written as RFC 5952 has it
        except ValueError:
            raise ValueError("a name, or an IP address without a port is expected") from None
