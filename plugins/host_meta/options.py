"""The options of host-meta."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from xmppd.api import Field, Options, Plugin

__all__ = ["BOSH", "CONNECTIONS", "WEBSOCKET", "HostMetaOptions", "Link"]

CONNECTIONS = "urn:xmpp:alt-connections:"
WEBSOCKET, BOSH = f"{CONNECTIONS}websocket", f"{CONNECTIONS}xbosh"
#: XEP-0156 section 2.2: connections are encrypted.
_SCHEMES = {WEBSOCKET: "wss://", f"{CONNECTIONS}s2s-websocket": "wss://", BOSH: "https://"}
#: A SHA-256 hash in base64 (RFC 4648 section 4).
_PIN = re.compile(r"[A-Za-z0-9+/]{43}=")


def _addresses(values: Iterable[str]) -> Any:
    for value in values:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f"{value} is no IPv4 or IPv6 address") from None
    return values


def _pins(values: Iterable[str]) -> Any:
    for value in values:
        if not _PIN.fullmatch(value):
            raise ValueError(f"{value} is no SHA-256 hash in base64")
    return values


Addresses = Annotated[tuple[str, ...], AfterValidator(_addresses)]


class Link(Options):
    """One of `links`: a table `[[hosts."example.org".host_meta.links]]`, for what somebody else serves. Priorities,
    names and addresses are told of `urn:xmpp:alt-connections:...`, if XEP-0487 is spoken."""

    rel: str = Field(min_length=1, description="What it is: `urn:xmpp:alt-connections:quic`, or anything else.")
    href: str = Field("", description="Its URL; `https` or `wss` for what is of XMPP.")
    template: str = Field("", description="A template for URLs in place of one (RFC 6415 section 4.2).")
    type: str = Field("", description="The media type of what is there, if that matters.")
    port: int = Field(0, ge=0, le=65_535, description="The port, for connections that have no URL.")
    priority: int = Field(10, ge=0, le=65_535, description="The lower, the sooner it is tried.")
    weight: int = Field(50, ge=0, le=65_535, description="Its share among those of the same priority.")
    sni: str = Field("", description="The name that is sent in TLS; empty: as for what is ours.")
    ech: str = Field("", description="Its configuration of Encrypted Client Hello, in base64.")
    ips: Addresses = Field((), description="Its addresses; empty: those of the host.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Any:
        if sum(map(bool, (self.href, self.template, self.port))) != 1:
            raise ValueError("a link has one of href, template and port")
        scheme = _SCHEMES.get(self.rel)
        if scheme is not None and not self.href.startswith(scheme):
            raise ValueError(f"its href begins with {scheme}")
        return self


class HostMetaOptions(Plugin.Options):
    """What clients and servers are told, besides the URLs of WebSocket and BOSH, which the server knows. With `ips`,
    those that know XEP-0487 look nowhere else: not into the DNS either."""

    ips: Addresses = Field((), description="All addresses of this server; empty: XEP-0156 alone is spoken.")
    web_ips: Addresses = Field((), description="Addresses of what `http_url` names, if they are others.")
    sni: str = Field("", description="The name that is sent in TLS; empty: the one in the URL, or the domain.")
    ech: str = Field("", description="The configuration of Encrypted Client Hello, in base64, if there is one.")
    pins: Annotated[tuple[str, ...], AfterValidator(_pins)] = Field(
        (),
        description="SHA-256 hashes of public keys that are trusted, in base64. A new key has to be here for twice"
        " `ttl_seconds` before it is used.",
    )
    ttl_seconds: int = Field(
        3600, ge=60, le=604_800, description="Seconds for which others may keep what they were told."
    )
    tls_port: int = Field(
        0, ge=0, le=65_535, description="Port of direct TLS for clients; 0: the first of `c2s_tls` under `[listen]`."
    )
    s2s_tls_port: int = Field(
        0, ge=0, le=65_535, description="Port of direct TLS for servers; 0: the first of `s2s_tls` under `[listen]`."
    )
    tls_priority: int = Field(10, ge=0, le=65_535, description="Priority of direct TLS: the lower, the sooner.")
    websocket_priority: int = Field(15, ge=0, le=65_535, description="Priority of WebSocket.")
    bosh_priority: int = Field(20, ge=0, le=65_535, description="Priority of BOSH.")
    weight: int = Field(50, ge=0, le=65_535, description="Weight of each of them.")
    links: tuple[Link, ...] = Field((), description="Links to what others serve, a table for each.")
