"""Settings of external components (XEP-0114), of what they may do (XEP-0355, XEP-0356), and of uplinks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xmppd.core.settings.section import LOOPBACK, Section

__all__ = ["Component", "Delegation", "Privileges", "Uplink"]

Access = Literal["none", "get", "set", "both"]


class Privileges(Section):
    """What a component may do in the name of the users of its hosts (XEP-0356). Give it to nobody whom you wouldn't
    give your database to."""

    roster: Access = "none"
    """May it read (`get`), change (`set`) or both the rosters of users?"""
    push: Annotated[bool | None, Field(examples=[True])] = None
    """Is it told of changes to rosters? By default, if it may read them."""
    message: Literal["none", "outgoing"] = "none"
    """May it send messages in the name of users and of the host?"""
    iq: dict[str, Access] = Field(default_factory=dict, examples=[{}])
    """Namespaces in which it may send requests in the name of users, each with `get`, `set` or `both`."""
    presence: Literal["none", "managed_entity", "roster"] = "none"
    """Does it see the presence of users (`managed_entity`), or that of their contacts as well (`roster`, which needs
    `roster` to be `get` or `both`)?"""


class Delegation(Section):
    """A namespace whose requests a component answers in place of the server (XEP-0355)."""

    namespace: Annotated[str, Field(min_length=1, examples=["urn:xmpp:mam:2"])]
    """Of the request's child, such as `urn:xmpp:mam:2`; or `urn:xmpp:delegation:2:bare:disco#info:*` and
    `urn:xmpp:delegation:2:bare:disco#items:*`, for what the server itself can't say of its accounts."""
    attributes: Annotated[tuple[str, ...], Field(strict=False, examples=[["node"]])] = ()
    """Only requests whose child has all of these attributes."""


class Component(Section):
    """An external component (XEP-0114) and its domain: `[components."irc.example.org"]`. It connects to a port under
    `[listen] component`."""

    secret: Annotated[str, Field(min_length=1, repr=False, examples=["a long random text"])]
    """What the component authenticates with."""
    name: Annotated[str, Field(examples=["IRC"])] = ""
    """What clients call it in lists of services. Empty: its domain."""
    hosts: Annotated[tuple[str, ...], Field(strict=False, examples=[["example.org"]])] = ()
    """Hosts that list it among their services, and to whose users its privileges and delegations apply. Empty: the
    host its domain is beneath, as `example.org` of `irc.example.org`; or all, if there is none."""
    federate: bool = True
    """Do its users talk with users of other servers?"""
    addresses: Annotated[tuple[str, ...], Field(strict=False)] = LOOPBACK
    """Networks (as `192.0.2.0/24`) that it may connect from."""
    plain_networks: Annotated[tuple[str, ...], Field(strict=False)] = LOOPBACK
    """Of these, the networks that it may connect from without TLS. The secret isn't sent in the clear, but everything
    else is."""
    connections: Annotated[int, Field(ge=1)] = 1
    """Connections it may have at a time. With more than one, each user's stanzas stay on one of them, so that they
    arrive in order."""
    when_full: Literal["replace", "refuse"] = "replace"
    """When there is one more: the oldest gives way to it, or it is refused with `conflict`."""
    queue_seconds: Annotated[float, Field(ge=0)] = 30.0
    """How long stanzas wait for a component that has no connection, as while it is restarted. After that its users'
    contacts are told that they are unavailable, and senders get an error."""
    queue_stanzas: Annotated[int, Field(ge=0)] = 1_000
    """Stanzas that may wait for it. More are refused with `resource-constraint`."""
    queue_octets: Annotated[int, Field(ge=0)] = 4_194_304
    """The same in octets; what waits for the disk counts as well."""
    stanza_octets: Annotated[int, Field(ge=10_000)] = 524_288
    """Largest stanza in octets that is taken from it."""
    octets_per_second: Annotated[int, Field(ge=1_000)] = 1_048_576
    """What one of its connections may send on average, unless from `exempt_networks`; a faster one is read more
    slowly."""
    octets_burst: Annotated[int, Field(ge=10_000)] = 8_388_608
    """Octets one connection may send at once before `octets_per_second` holds."""
    input_queue_stanzas: Annotated[int, Field(ge=1)] = 256
    """Stanzas of one connection that may wait for handlers; above it, nothing more is read from it."""
    output_queue_octets: Annotated[int, Field(ge=65_536)] = 8_388_608
    """What may wait for a component that reads slowly; above it, it is disconnected."""
    privileges: Privileges = Field(default_factory=Privileges, exclude=True)
    delegations: Annotated[tuple[Delegation, ...], Field(strict=False, exclude=True)] = ()


class Uplink(Section):
    """Another XMPP server that a service of ours is a component of (XEP-0114): `[uplinks."sms.example.org"]`, with the
    domain of a plugin that is enabled here. It is reached over that server by everybody but the users of our own
    hosts."""

    address: Annotated[str, Field(min_length=1, examples=["127.0.0.1:5347"])]
    """`HOST:PORT` of that server's component port."""
    tls: bool = False
    """TLS begins with the first octet there, and the certificate has to be that of `HOST`. Without it the connection is
    not encrypted: let it stay on the same machine, in a private network or in a tunnel."""
    secret: Annotated[str, Field(min_length=1, repr=False, examples=["a long random text"])]
    """What that server knows the component by."""
    retry_seconds: Annotated[float, Field(gt=0)] = 1.0
    """After a failure, how long until the next attempt to connect; each further failure doubles it."""
    retry_at_most_seconds: Annotated[float, Field(gt=0)] = 60.0
    """The longest such time."""
    queue_seconds: Annotated[float, Field(ge=0)] = 30.0
    """How long stanzas wait while there is no connection. After that senders get an error."""
    queue_stanzas: Annotated[int, Field(ge=0)] = 1_000
    """Stanzas that may wait. More are refused with `resource-constraint`."""
    queue_octets: Annotated[int, Field(ge=0)] = 4_194_304
    """The same in octets; what waits for the disk counts as well."""
    stanza_octets: Annotated[int, Field(ge=10_000)] = 524_288
    """Largest stanza in octets that is taken from that server."""
    input_queue_stanzas: Annotated[int, Field(ge=1)] = 256
    """Stanzas that may wait for handlers; above it, nothing more is read."""
    output_queue_octets: Annotated[int, Field(ge=65_536)] = 8_388_608
    """What may wait for a server that reads slowly; above it, the connection is cut."""

    @property
    def endpoint(self) -> str:
        """The address as Twisted's endpoint string."""
        host, _, port = self.address.rpartition(":")
        return f"{'tls' if self.tls else 'tcp'}:{host.strip('[]').replace(':', chr(92) + ':')}:{port}"
