"""Where a request comes from and whom it is for: what the connection tells, or trusted proxies before it.

``Forwarded`` is RFC 7239; the fields that begin with ``X-Forwarded-`` are older, and what most proxies send.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Origin", "Untold", "forwarded", "host_of"]

#: RFC 3986 section 3.2.2 and 3.2.3, without a user.
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")
#: Octets of a Host field: those of a name (RFC 1035 section 2.3.4) and a port.
_LONGEST = 253 + 6
#: RFC 7239 section 4: what ends a pair, or begins the next element.
_PAIR = re.compile(r"[ \t]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:\"((?:[^\"\\]|\\.)*)\"|([^\s\",;]*))[ \t]*(;|,|\Z)")
_PORT = re.compile(r":\d+\Z")


class Origin(NamedTuple):
    """Who asks, and what.

    :ivar peer: the client's network address, or "unix".
    :ivar host: the host that is asked, in lower case, without a port.
    :ivar secure: does TLS protect what the client sends?
    """

    peer: str
    host: str
    secure: bool


class Untold(ValueError):
    """Proxies say two things of one request: one is the client's invention."""


def host_of(field: bytes) -> str | None:
    """Return the host of a Host field (RFC 9110 section 7.2), in lower case, without a port; None if it is none."""
    return _host_of(field) if len(field) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _host_of(field: bytes) -> str | None:
    found = _AUTHORITY.fullmatch(field.decode("latin-1"))
    return found[1].lower() if found else None


def forwarded(fields: Mapping[bytes, bytes], direct: Origin, trusted: Callable[[str], bool]) -> Origin:
    """Return where a request comes from by what proxies say of it.

    The addresses of a chain are read from the last one, which the nearest proxy has added, for as long as they are
    trusted proxies' own: what stands before the first other one is what anybody may have invented.

    :param fields: the header fields.
    :param direct: what the connection tells, whose other end is a trusted proxy.
    :param trusted: is an address a trusted proxy's?
    :raises Untold: the old fields and the new one contradict each other: a proxy sets the ones, and lets pass what a
        client has written into the others.
    """
    said = [found for found in (_new(fields, direct, trusted), _old(fields, direct, trusted)) if found is not None]
    if len(said) == 2 and said[0] != said[1]:
        raise Untold("proxies contradict each other")
    return said[0] if said else direct


def _old(fields: Mapping[bytes, bytes], direct: Origin, trusted: Callable[[str], bool]) -> Origin | None:
    for_, proto, host = (fields.get(b"x-forwarded-" + name) for name in (b"for", b"proto", b"host"))
    if for_ is None and proto is None and host is None:
        return None
    chain = [] if for_ is None else for_.decode("latin-1").split(",")
    return _origin(direct, _client(direct.peer, chain, trusted), _last(proto), _last(host))


def _new(fields: Mapping[bytes, bytes], direct: Origin, trusted: Callable[[str], bool]) -> Origin | None:
    field = fields.get(b"forwarded")
    if field is None:
        return None
    elements = list(_elements(field.decode("latin-1")))
    peer = _client(direct.peer, [element.get("for", "") for element in elements], trusted)
    last = elements[-1] if elements else {}
    return _origin(direct, peer, last.get("proto", ""), last.get("host", ""))


def _origin(direct: Origin, peer: str, proto: str, host: str) -> Origin:
    named = host_of(host.encode("latin-1")) if host else None
    return Origin(peer, named or direct.host, proto.lower() == "https" if proto else direct.secure)


def _client(peer: str, chain: list[str], trusted: Callable[[str], bool]) -> str:
    """The first address, from the end of a chain, that is no trusted proxy's; the farthest one if all are."""
    for text in reversed(chain):
        address = _address(text.strip())
        if not address:
            break  # hidden, or nonsense: the proxy that says so is all that is known
        peer = address
        if not trusted(address):
            break
    return peer


def _address(text: str) -> str:
    """The address of a node (RFC 7239 section 6), without a port; "" if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = _PORT.sub("", text)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _last(field: bytes | None) -> str:
    return "" if field is None else field.decode("latin-1").rpartition(",")[2].strip()


def _elements(field: str) -> Iterator[dict[str, str]]:
    """The elements of a Forwarded field (RFC 7239 section 4). From where it makes no sense there are none.

    :returns: parameters by name, in lower case.
    """
    position, element = 0, {}
    while position < len(field):
        pair = _PAIR.match(field, position)
        if pair is None:
            yield {}  # the one before it is not the last one
            return
        name, quoted, plain, end = pair.groups()
        element[name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = pair.end()
        if end != ";":
            yield element
            element = {}
