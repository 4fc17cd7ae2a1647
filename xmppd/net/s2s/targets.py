"""Where a domain's server may be found: SRV records put in order (RFC 6120 section 3.2, RFC 2782, XEP-0368)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from random import Random

from xmppd.net.tls.certificates import a_label

__all__ = ["PORT", "Target", "Unresolvable", "dns_name", "ip_literal", "ordered", "static_target"]

PORT = 5269


class Unresolvable(Exception):
    """There is no way to find a domain's server.

    :ivar lasting: is it so because those who answer for the domain say so? Else it may be found a little later.
    """

    def __init__(self, text: str, lasting: bool) -> None:
        super().__init__(text)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Target:
    """A machine and port where a domain's server is said to be.

    :ivar host: a name in the DNS, or an IP address.
    :ivar direct_tls: does TLS begin with the first octet there (XEP-0368)?
    :ivar priority: lower ones are tried first.
    :ivar weight: among those of one priority, the share of those who should come here first.
    :ivar addresses: IP addresses, where they are known already.
    :ivar certain: False if it is only tried because the DNS could not be asked for better.
    """

    host: str
    port: int
    direct_tls: bool = False
    priority: int = 0
    weight: int = 0
    addresses: tuple[str, ...] = ()
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.host} port {self.port}{' (direct TLS)' if self.direct_tls else ''}"


def ordered(targets: Iterable[Target], random: Random) -> list[Target]:
    """Return targets in the order to try them: by priority, then by chance according to weight (RFC 2782).

    Those for STARTTLS and for direct TLS are mixed (XEP-0368 section 3).
    """
    result: list[Target] = []
    for _, group in groupby(sorted(targets, key=lambda target: target.priority), key=lambda target: target.priority):
        left = sorted(group, key=lambda target: target.weight)  # those of weight 0 first
        while left:
            at = random.randint(0, sum(target.weight for target in left))
            for target in left:
                at -= target.weight
                if at <= 0:
                    break
            left.remove(target)
            result.append(target)
    return result


def ip_literal(domain: str) -> str | None:
    """Return the IP address that a domain is (`192.0.2.1`, `[2001:db8::1]`), or None if it is a name."""
    try:
        return str(ipaddress.ip_address(domain[1:-1] if domain.startswith("[") else domain))
    except ValueError:
        return None


def dns_name(domain: str) -> str:
    """Return a domain as it is asked for in the DNS.

    :raises Unresolvable: it can't be a name there.
    """
    try:
        name = a_label(domain)
        labels = [len(label) for label in name.split(".")]
    except UnicodeError as error:
        raise Unresolvable(f"{domain} can't be a name in the DNS: {error}", lasting=True) from None
    if min(labels) < 1 or max(labels) > 63 or len(name) > 253 - len("_xmpps-server._tcp."):
        raise Unresolvable(f"{domain} can't be a name in the DNS: it is too long, or has an empty part", lasting=True)
    return name


def static_target(address: str, direct_tls: bool) -> Target:
    """Return the target that the settings name as ``host:port``, ``[IPv6]:port``, or without a port.

    :raises ValueError: it can't be read.
    """
    host, separator, port = address.rpartition(":")
    if not separator or (host.count(":") and not host.endswith("]")):
        host, port = address, str(PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{address!r} is not HOST:PORT")
    literal = ip_literal(host)
    return Target(literal or a_label(host), int(port), direct_tls, addresses=(literal,) if literal else ())
