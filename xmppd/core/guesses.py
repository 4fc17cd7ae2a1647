"""Failed attempts to log in, by address and by account: see :mod:`xmppd.api.guesses`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from xmppd.api.limits import Window, network_of
from xmppd.core.lru import Lru
from xmppd.core.settings import Limits
from xmppd.wire.jid import Jid

__all__ = ["Guesses"]

#: How many pairs of account and address are remembered from successful log-ins.
_LOGINS = 50_000


class Guesses:
    """Implements :class:`xmppd.api.guesses.IGuesses`, on the limits in the settings.

    :param seconds: the time, in seconds since the epoch.
    """

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._addresses, self._accounts = Window(1, 0.0), Window(1, 0.0)
        self._logins: Lru[tuple[Jid, str], bool] = Lru(_LOGINS)
        self.set_limits(limits)

    def set_limits(self, limits: Limits) -> None:
        """Take other limits; what is counted stays."""
        window = limits.failed_login_window_seconds
        self._addresses.set_limits(limits.failed_logins_per_address, window)
        self._accounts.set_limits(limits.failed_logins_per_account, window)
        self._exempt = [ipaddress.ip_network(network, strict=False) for network in limits.exempt_networks]
        self._delay = limits.failed_login_delay_seconds

    @property
    def delay(self) -> float:
        """See IGuesses."""
        return self._delay

    def stopped(self, peer: str, account: Jid | None = None) -> bool:
        """See IGuesses."""
        now = self._seconds()
        if not self._is_exempt(peer) and self._addresses.full(network_of(peer), now):
            return True
        if account is None or not self._accounts.full(account, now):
            return False
        return self._logins.get((account, network_of(peer))) is None

    def failed(self, peer: str, account: Jid | None = None) -> None:
        """See IGuesses."""
        now = self._seconds()
        self._addresses.add(network_of(peer), now)
        if account is not None:
            self._accounts.add(account, now)

    def succeeded(self, peer: str, account: Jid) -> None:
        """See IGuesses."""
        self._logins.put((account, network_of(peer)), True)

    def _is_exempt(self, peer: str) -> bool:
        """Connections over a Unix socket have no address, and are."""
        try:
            ip = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return True
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._exempt)
