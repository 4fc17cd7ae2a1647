"""Network addresses of clients: how they are counted, and which are exempt from limits."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from twisted.internet.interfaces import IAddress

from xmppd.api.limits import network_of

__all__ = ["Networks", "PeerCounter", "address_of"]


class Networks:
    """A list of networks, as the settings write them. Connections over a Unix socket are in all of them."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]
        # Each connection is asked about several times.
        self._known = lru_cache(maxsize=4096)(self._look_up)

    def __contains__(self, address: str) -> bool:
        return self._known(address)

    def _look_up(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return True
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return any((mapped or ip) in network for network in self._networks)


class PeerCounter:
    """Counts connections, in total and by address.

    :ivar open: how many there are.
    :ivar accepted: how many were let in so far.
    :ivar refused: how many were not.
    """

    def __init__(self) -> None:
        self.open = self.accepted = self.refused = 0
        self._total = self._per_address = 0
        self._exempt = Networks(())
        self._by_address: Counter[str] = Counter()

    def set_limits(self, total: int, per_address: int, exempt: Networks) -> None:
        """Say how many there may be in total, and from one address that is not exempt."""
        self._total, self._per_address, self._exempt = total, per_address, exempt

    def enter(self, address: str) -> str | None:
        """Count a new connection. Return None if it may stay, or else why not; then it is not counted."""
        if self.open >= self._total:
            self.refused += 1
            return "this server has as many connections as it may have"
        key = network_of(address)
        if self._by_address[key] >= self._per_address and address not in self._exempt:
            self.refused += 1
            return "there are too many connections from your address"
        self.open += 1
        self.accepted += 1
        self._by_address[key] += 1
        return None

    def leave(self, address: str) -> None:
        """Count the end of a connection that entered."""
        key = network_of(address)
        self.open -= 1
        self._by_address[key] -= 1
        if not self._by_address[key]:
            del self._by_address[key]


def address_of(address: IAddress) -> str:
    """Return the network address of a peer; "unix" for one on the same machine that has none."""
    return str(getattr(address, "host", "") or "unix")
