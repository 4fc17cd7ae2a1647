"""Settings of where the server listens, and of what HTTP may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from xmppd.core.settings.section import LOOPBACK, Section

__all__ = ["Http", "Listen"]

_TAKEN = frozenset(("/metrics", "/health", "/ready"))
_PATH = r"^(/[A-Za-z0-9._~-]+)*$"


class Listen(Section):
    """Where the server listens: lists of endpoint strings, as Twisted's `serverFromString` takes them.

    `tcp:5222` is every IPv4 address, `tcp6:5222` every IPv6 address (and on most systems IPv4 too),
    `tcp:5222:interface=127.0.0.1` one address, `systemd:domain=INET6:name=xmppd-c2s` a socket that systemd has
    opened. Without this table it is port 5222 for `c2s`, 5223 for `c2s_tls`, 5269 for `s2s`, 5281 for `https`, and
    5280 of loopback for `http`; with it, what is not written is not served."""

    c2s: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Clients, with STARTTLS (RFC 6120)."""
    c2s_tls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Clients, with TLS from the first octet (XEP-0368). The endpoint stays plain TCP: the server adds TLS."""
    c2s_legacy_tls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Clients too old for `c2s`, with STARTTLS down to TLS 1.0; see `[legacy_tls]`."""
    s2s: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Other servers, with STARTTLS (RFC 6120)."""
    s2s_tls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Other servers, with TLS from the first octet (XEP-0368)."""
    component: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """External components (XEP-0114), with STARTTLS for those that want it; see `[components]`."""
    component_tls: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """External components, with TLS from the first octet. The endpoint stays plain TCP: the server adds TLS."""
    http: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """HTTP, not encrypted: give it a loopback address, `tcp:5280:interface=127.0.0.1`, or one in a private network.
    It is for figures, supervisors and reverse proxies; see `[http]`."""
    https: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """HTTPS, for browsers and other clients: WebSocket, BOSH, uploads. The endpoint stays plain TCP: the server adds
    TLS."""


class Http(Section):
    """The HTTP server behind `http` and `https` of `[listen]`. Its pages `/metrics`, `/health` and `/ready` are for an
    operator's programs; docs/operations.md tells about them."""

    operator_networks: Annotated[tuple[str, ...], Field(strict=False)] = LOOPBACK
    """Networks (as `192.0.2.0/24`) that may ask for these pages; others get 403. What a reverse proxy passes on
    comes from the proxy's address unless it is in `trusted_proxies`: let it not pass these pages on."""
    connections: Annotated[int, Field(ge=1)] = 20_000
    """HTTP connections in total. More get 503."""
    connections_per_address: Annotated[int, Field(ge=1)] = 100
    """HTTP connections from one IPv4 address or one IPv6 /64 network, unless it is in `exempt_networks` of
    `[limits]`, or a proxy's. More get 503."""
    header_octets: Annotated[int, Field(ge=1_024)] = 16_384
    """Largest head of a request: the request line and the header fields. A larger one gets 414 or 431."""
    body_octets: Annotated[int, Field(ge=0)] = 65_536
    """Largest body of a request. A larger one gets 413."""
    unfinished_octets: Annotated[int, Field(ge=0)] = 134_217_728
    """How much may wait, of all connections together, of bodies that have not come to their end; the first 16 KiB of
    each don't count. The request that is too much gets 503."""
    request_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long a request may take to arrive, counted from when the connection was opened or the answer before was
    sent. A slower one gets 408, an idle connection is closed."""
    body_idle_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long nothing may come of a large body (of a file that is uploaded), or be taken of an answer, before the
    connection is ended."""
    database_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long the small write may take with which `/ready` tries the database; and how long one that went well is
    believed."""
    websocket: Annotated[str, Field(pattern=_PATH)] = "/xmpp-websocket"
    """Path at which clients open WebSockets (RFC 7395). Empty: they can't."""
    bosh: Annotated[str, Field(pattern=_PATH)] = "/http-bind"
    """Path of BOSH (XEP-0124, XEP-0206). Empty: it is not spoken."""
    cors_origins: Annotated[tuple[str, ...], Field(strict=False)] = ("*",)
    """Origins (as `https://chat.example.org`) whose pages may talk with this server from within a browser: over
    WebSocket and BOSH, with uploads and the like; those of the host itself may in any case. `*`: any. What they may do
    is up to who logs in with them."""
    trusted_proxies: Annotated[tuple[str, ...], Field(strict=False, examples=[["127.0.0.1", "192.0.2.0/24"]])] = ()
    """Networks of reverse proxies. What they say of the client counts: `X-Forwarded-For`, `X-Forwarded-Proto` and
    `X-Forwarded-Host`, or `Forwarded` (RFC 7239). They have to set the ones and take the other away, whatever the
    client has sent; a request in which they contradict each other gets 400. Connections over Unix sockets count as
    proxies'."""
    proxy_protocol_networks: Annotated[tuple[str, ...], Field(strict=False, examples=[["192.0.2.7"]])] = ()
    """Networks of proxies whose connections begin with a header of the PROXY protocol (version 1 or 2), beneath TLS if
    there is any. Connections from there that don't are cut."""
    hsts_seconds: Annotated[int, Field(ge=0)] = 0
    """For how long browsers that have come by HTTPS are to come by nothing else (RFC 6797). That goes for the whole
    host name, also for a web server on another port. 0: not at all."""
    access_log: Annotated[Path | None, Field(strict=False, examples=["/var/log/xmppd/access.log"])] = None
    """File that each request is written to, in the Combined Log Format; reopened at a reload. Relative to `data_dir`.
    Without it requests are counted, and not logged."""

    @model_validator(mode="after")
    def _paths_are_free(self) -> Self:
        if self.websocket and self.websocket == self.bosh:
            raise ValueError("websocket and bosh need paths of their own")
        for path in (self.websocket, self.bosh):
            if path in _TAKEN:
                raise ValueError(f"at {path} there is a page for operators")
        return self
