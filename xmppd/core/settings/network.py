"""Settings of what is beyond our own clients: other servers (RFC 6120)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from xmppd.core.settings.section import Section

__all__ = ["Domain", "PolicyName", "S2s"]

PolicyName = Literal["certificate", "dialback", "blocked"]


class Domain(Section):
    """How one other domain is dealt with: `[s2s.domains."example.net"]`. `"*.example.net"` stands for all domains
    beneath it. What is not written here is as under `[s2s]`."""

    policy: Annotated[PolicyName | None, Field(examples=["certificate"])] = None
    """See `[s2s] policy`."""
    tls_required: Annotated[bool | None, Field(examples=[True])] = None
    """See `[s2s] tls_required`."""
    address: Annotated[str, Field(examples=["xmpp.example.net:5269"])] = ""
    """`HOST:PORT` where the domain is found, instead of asking DNS for its SRV records."""
    direct_tls: bool = False
    """TLS begins with the first octet at `address` (XEP-0368)."""


class S2s(Section):
    """Other servers: who is talked to, how they prove who they are, and what they may cost. There are connections with
    other servers only if `[listen]` has `s2s` or `s2s_tls`: they have to be able to reach this one."""

    policy: PolicyName = "dialback"
    """How other servers prove who they are. `certificate`: by a certificate that a known authority has issued for
    their domain, and no other way. `dialback`: the same, or else, as many small servers have no such certificate, by
    being found in DNS under their name (XEP-0220). `blocked`: not at all; only domains under `[s2s.domains]` that say
    otherwise are talked to."""
    tls_required: bool = True
    """Streams with other servers have to be encrypted (but see `plain_without_tls`)."""
    ca: Annotated[Path | None, Field(strict=False, examples=["/etc/xmppd/authorities.pem"])] = None
    """PEM file of the authorities whose certificates are believed. Without it, those that the system knows. Relative
    to the folder of this file."""
    nameservers: Annotated[tuple[str, ...], Field(strict=False, examples=[["192.0.2.53", "192.0.2.54:5353"]])] = ()
    """Nameservers, as `ADDRESS` or `ADDRESS:PORT` (`[ADDRESS]:PORT` for IPv6). Empty: those of the system."""
    dns_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a nameserver may take to answer."""
    dns_queries: Annotated[int, Field(ge=1)] = 100
    """Questions that may be with nameservers at a time; more wait."""
    dns_cache: Annotated[int, Field(ge=0)] = 10_000
    """Answers that are remembered for as long as they say they hold."""
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long one address of another server may take to accept a connection."""
    next_address_seconds: Annotated[float, Field(gt=0)] = 0.25
    """After how long the next address is tried as well (RFC 8305)."""
    negotiation_seconds: Annotated[float, Field(gt=0)] = 30.0
    """From a connection to a stream that stanzas may be sent on; slower servers are disconnected."""
    queue_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long stanzas wait while another server can't be reached. Then their senders get an error."""
    queue_stanzas: Annotated[int, Field(ge=1)] = 1_000
    """Stanzas that may wait for one domain while it is being connected to. More are refused with
    `resource-constraint`."""
    queue_octets: Annotated[int, Field(ge=65_536)] = 4_194_304
    """The same in octets."""
    total_octets: Annotated[int, Field(ge=65_536)] = 67_108_864
    """The same for all domains together."""
    retry_seconds: Annotated[float, Field(gt=0)] = 5.0
    """After an attempt to reach a domain has failed for good, how long it is not tried again; each further failure
    doubles it. What is sent to it meanwhile comes back at once."""
    retry_at_most_seconds: Annotated[float, Field(gt=0)] = 600.0
    """The longest such time."""
    idle_seconds: Annotated[float, Field(gt=0)] = 3_600.0
    """A stream without stanzas for so long is closed."""
    ping_seconds: Annotated[float, Field(gt=0)] = 300.0
    """A server that was silent for so long is asked whether it is still there."""
    answer_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A server that gives no sign of life for so long after that has lost its connection."""
    resume_seconds: Annotated[float, Field(ge=0)] = 300.0
    """How long a stream with stream management whose connection is lost can be resumed (XEP-0198); of more than
    `connections`, the latest."""
    unacknowledged_stanzas: Annotated[int, Field(ge=10)] = 50_000
    """Stanzas that another server may leave unacknowledged; above it, its stream is closed."""
    connections: Annotated[int, Field(ge=1)] = 10_000
    """Connections with other servers in total, in both directions."""
    connections_per_address: Annotated[int, Field(ge=1)] = 100
    """Connections from one IPv4 address or one IPv6 /64 network."""
    domains_per_stream: Annotated[int, Field(ge=1)] = 1_000
    """Pairs of domains that one stream may prove, or fail to."""
    keys_per_address: Annotated[int, Field(ge=1)] = 64
    """Keys of dialback from one IPv4 address or one IPv6 /64 network that may be verified at a time; each has a server
    looked for that somebody else may have to answer for."""
    stanza_octets: Annotated[int, Field(ge=10_000)] = 524_288
    """Largest stanza in octets that is taken from another server."""
    octets_per_second: Annotated[int, Field(ge=1_000)] = 1_048_576
    """What one connection may send on average; a faster one is read more slowly."""
    octets_burst: Annotated[int, Field(ge=10_000)] = 8_388_608
    """Octets one connection may send at once before `octets_per_second` holds."""
    input_queue_stanzas: Annotated[int, Field(ge=1)] = 256
    """Stanzas of one stream that may wait for handlers; above it, nothing more is read from it."""
    domains: dict[str, Domain] = Field(default_factory=dict, exclude=True)
