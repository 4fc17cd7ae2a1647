"""Where a URL that a stranger has given may lead (:class:`xmppd.api.network.Reach`): which addresses are public.

`ipaddress` knows what IANA's registries of special addresses say, but not all that leads back to us: IPv6 addresses
that carry an IPv4 address within them (RFC 4291 2.5.5, RFC 3056, RFC 6052), what was reserved since, and the one
metadata service that has a public address. See docs/decisions/0039-http2-and-where-push-may-go.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from xmppd.api.network import Forbidden, Reach

__all__ = ["Place", "allowed", "place_of", "reach_of"]

Address = IPv4Address | IPv6Address

_UNICAST = IPv6Network("2000::/3")  # the part of IPv6 that is given to networks of the Internet at all
_REFUSED = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's own service of every virtual machine
        "192.0.0.0/24",  # for protocols (RFC 6890); Oracle Cloud's metadata are at 192.0.0.192
        "192.88.99.0/24",  # anycast of 6to4 relays (RFC 7526)
        "2001::/23",  # for protocols: Teredo, ORCHID, benchmarks
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Place:
    """The server that a URL names.

    :ivar host: a name or an address, without brackets.
    """

    scheme: str
    host: str
    port: int


def reach_of(public: bool | Reach) -> Reach | None:
    """Return the limits that the argument of that name of `fetch` stands for; None: there are none."""
    return public if isinstance(public, Reach) else Reach() if public else None


def place_of(url: str, reach: Reach) -> Place:
    """Return the server of a stranger's URL.

    :raises Forbidden: we never ask there, wherever the name leads; the text says why, and doesn't quote the URL's path.
    """
    try:
        if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
            raise Forbidden("the URL has characters that a URL can't have")
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        place = Place(parts.scheme, parts.hostname or "", port)
    except ValueError as error:
        raise Forbidden(f"the URL is none: {error}") from None
    problem = _problem(parts, place, reach)
    if problem:
        raise Forbidden(problem)
    return place


def _problem(parts: SplitResult, place: Place, reach: Reach) -> str:
    if place.scheme not in _PORTS:
        return "the URL does not begin with https://"
    if not place.host or "%" in place.host or "\\" in parts.netloc:
        return "the URL names no server"
    if "@" in parts.netloc:
        return "the URL has a user name in it"
    if not reach.exempt and place.scheme != "https":
        return f"{place.host} is to be asked without TLS"
    if not reach.exempt and place.port not in reach.ports:
        return f"{place.host} is to be asked at port {place.port}"
    return ""


def allowed(address: str, place: Place, reach: Reach) -> bool:
    """Is this, which the name of a place leads to, an address that may be connected to?

    An address that carries another within it is public only if that is, too.
    """
    found = _effective(ip_address(address))
    if any(found in network for network in reach.exempt if network.version == found.version):
        return True
    return place.scheme == "https" and place.port in reach.ports and _public(found)


def _effective(address: Address) -> Address:
    """Return the IPv4 address that is reached by an IPv6 one, or else itself."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(address.packed[-4:])
        return inner or address
    return address


def _public(address: Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return not any(address in network for network in _REFUSED if network.version == address.version)
