"""Where the HTTP of each host is reached from outside, and which host a request is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import idna

from xmppd.core.listening import port_of
from xmppd.core.settings import Settings

__all__ = ["Web", "base_url", "named"]

T = TypeVar("T")
_HTTPS = 443


class Web:
    """The addresses of one host. Implements :class:`xmppd.api.web.IWeb`.

    :param domain: a domain that is served.
    :param settings: returns those in force.
    """

    def __init__(self, domain: str, settings: Callable[[], Settings]) -> None:
        self._domain = domain
        self._settings = settings

    @property
    def base(self) -> str:
        """See IWeb."""
        return base_url(self._settings(), self._domain)

    def url(self, path: str) -> str:
        """See IWeb."""
        base = self.base
        return base and base + path

    @property
    def websocket(self) -> str:
        """See IWeb."""
        path = self._settings().http.websocket
        return self.url(path).replace("http", "ws", 1) if path else ""

    @property
    def bosh(self) -> str:
        """See IWeb."""
        path = self._settings().http.bosh
        return self.url(path) if path else ""


def base_url(settings: Settings, domain: str) -> str:
    """Return what the URLs of a host begin with; or "" if it is not reached by HTTPS, and no address is set.

    :param domain: one that is served.
    """
    host = settings.hosts.get(domain)
    if host is None:
        return ""
    if host.http_url:
        return host.http_url
    for endpoint in settings.listen.https:
        port = port_of(endpoint)
        if port:
            return f"https://{_ascii(domain)}" + (f":{port}" if port != _HTTPS else "")
    return ""


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain).decode()
    except idna.IDNAError:  # an address, or a name of a private network
        return domain


def _decoded(name: str) -> str:
    """Return a name as domains are written in the settings."""
    try:
        return idna.decode(name) if "xn--" in name else name
    except idna.IDNAError:  # it is none
        return name


def named(name: str, settings: Settings, hosts: Mapping[str, T]) -> T | None:
    """Return the host that a Host field names: by its domain, by its `http_url`, or by a domain beneath its own.

    :param name: in lower case, without a port.
    :param hosts: by domain.
    """
    name = _decoded(name)
    if name in hosts:
        return hosts[name]
    for domain, host in settings.hosts.items():
        if host.http_url and _decoded(urlsplit(host.http_url).hostname or "") == name and domain in hosts:
            return hosts[domain]
    while "." in name:
        name = name.partition(".")[2]
        if name in hosts:
            return hosts[name]
    return None
