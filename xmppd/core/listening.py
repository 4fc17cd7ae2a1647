"""At which ports a host is reached, by the settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

from xmppd.core.settings import Settings

__all__ = ["Listening", "port_of", "ports_of"]

_PORT = re.compile(r"(?:[a-z]+:)*tcp6?:(?:port=)?(\d+)(?::|\Z)")
_INTERFACE = re.compile(r":interface=((?:[^:\\]|\\.)+)")


class Listening:
    """The ports of one host for direct TLS. Implements :class:`xmppd.api.listening.IListening`.

    :param domain: a domain that is served.
    :param settings: returns those in force.
    """

    def __init__(self, domain: str, settings: Callable[[], Settings]) -> None:
        self._domain = domain
        self._settings = settings

    @property
    def clients(self) -> tuple[int, ...]:
        """See IListening."""
        return ports_of(self._settings().listen.c2s_tls)

    @property
    def servers(self) -> tuple[int, ...]:
        """See IListening."""
        settings = self._settings()
        host = settings.hosts.get(self._domain)
        return ports_of(settings.listen.s2s_tls) if host is not None and host.federate else ()


def ports_of(endpoints: Iterable[str]) -> tuple[int, ...]:
    """Return the ports in endpoint strings such as ``tcp:5223``; not those of loopback, or that systemd knows.

    >>> ports_of(["tcp:5223", "tcp6:port=5223", "tcp:443:interface=127.0.0.1", "systemd:domain=INET:name=c2s"])
    (5223,)
    """
    found = {port_of(endpoint): None for endpoint in endpoints if not _inside(endpoint)}
    return tuple(port for port in found if port)


def port_of(endpoint: str) -> int:
    """Return the port in an endpoint string; 0 if it isn't told there."""
    match = _PORT.match(endpoint)
    return int(match[1]) if match is not None else 0


def _inside(endpoint: str) -> bool:
    match = _INTERFACE.search(endpoint)
    if match is None:
        return False
    try:
        return ipaddress.ip_address(match[1].replace("\\:", ":")).is_loopback
    except ValueError:
        return match[1] == "localhost"
