"""The network, for plugins that are gateways: connections to elsewhere, and ports that others connect to.

A plugin has it as ``self.host.network``. Addresses are Twisted's endpoint strings: ``tcp:smsc.example:2775``,
``tls:smsc.example:3550`` (which checks the certificate against what the system trusts, or ``:trustRoots=FOLDER``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Protocol

from xmppd.api.http import Response

__all__ = ["PORTS", "Forbidden", "INetwork", "IPort", "NoConnection", "Reach"]

#: Where strangers' HTTPS servers may listen, unless somebody says otherwise.
PORTS = frozenset((443, 8443))


class NoConnection(Exception):
    """Nobody could be reached; the text says why, to the operator."""


class Forbidden(NoConnection):
    """The address is one that strangers must not have us connect to; asking again won't help."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far URLs lead that strangers have given us: to the public Internet, by HTTPS, and nowhere else.

    Without that, whoever may name a URL asks in our place whatever answers nobody but us: the router, the database,
    the cloud's metadata (SSRF).

    :ivar exempt: networks that may be reached although they are private: by HTTP as well, and at every port.
    :ivar ports: the ports that may be reached elsewhere.
    """

    exempt: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = PORTS

    @classmethod
    def of(cls, exempt: Iterable[str] = (), ports: Iterable[int] = PORTS) -> Reach:
        """Return it from what is written in options, such as ``10.1.0.0/16`` or ``fd00::1``.

        :raises ValueError: one is no network; the text says which.
        """
        return cls(tuple(ip_network(text.strip()) for text in exempt), frozenset(ports))


class IPort(Protocol):
    """A port that is open."""

    def getHost(self) -> Any:
        """Its address, as Twisted has it."""

    def stopListening(self) -> Awaitable[None] | None:
        """Close it; await what it returns, if anything."""


class INetwork(Protocol):
    """What lies outside. All times are in seconds."""

    async def connect(self, endpoint: str, protocol: Any, timeout: float = 30.0) -> Any:
        """Connect, and return `protocol` when it is connected.

        :param protocol: has `makeConnection(transport)`, `dataReceived(data)` and `connectionLost(failure)`, as
            Twisted's protocols do.
        :raises NoConnection: nobody is there, it took too long, or the endpoint is none.
        """

    async def listen(self, endpoint: str, factory: Any) -> IPort:
        """Open a port; who opened it closes it.

        :param factory: one of Twisted's, that makes a protocol for each connection.
        :raises NoConnection: it can't be opened.
        """

    async def accept(self, endpoint: str, make: Callable[[str], Any | None]) -> IPort:
        """Open a port for much data, by TCP; who opened it closes it.

        What is written goes out at once as far as the kernel takes it, and up to 256 KiB are read at once.

        :param make: is given the address that a connection comes from, and returns a protocol for it, as for
            :meth:`connect`; None closes it. The protocol has `readConnectionLost()` as well: the other side has sent
            all that it will. Our side stays open: `transport.loseWriteConnection()` says the same to them, and
            `transport.loseConnection()` is due when both have.
        :raises NoConnection: it can't be opened.
        """

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 30.0,
        octets: int = 65_536,
        http2: bool = False,
        public: bool | Reach = False,
    ) -> Response:
        """Send an HTTP request and return what comes back, whatever its status. Redirections are not followed.

        :param octets: of the answer's body at most.
        :param http2: by HTTP/2 over TLS (RFC 9113), and by nothing else: requests to one server share a connection.
        :param public: a stranger has given us the URL. It leads to the public Internet only, or as far as the
            :class:`Reach` says; the address that is connected to is the one that was looked at. The answer has a
            MiB at most, head and all.
        :raises Forbidden: it leads elsewhere.
        :raises NoConnection: no answer came in time, or too much of one.
        """
