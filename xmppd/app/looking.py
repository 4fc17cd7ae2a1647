"""Looking at other servers while ours doesn't run: what `xmppctl s2s test` does then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from xmppd.api.operations import OperationError
from xmppd.core.federation.policy import policy_for
from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.net.s2s.dialer import Dialer
from xmppd.net.s2s.inspection import inspect
from xmppd.net.s2s.resolver import Resolver
from xmppd.net.tls.certificates import CertificateError, find, read, self_signed
from xmppd.net.tls.peer import PeerTls

__all__ = ["Looking"]


class Looking:
    """Looks at other servers by the settings, changing nothing.

    :param reactor: with UDP, TCP and time.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor

    async def inspect(self, local: str, remote: str) -> dict[str, Any]:
        """See :func:`xmppd.net.s2s.inspection.inspect`. :raises OperationError: something in the settings is wrong."""
        settings = self._settings
        try:
            files = find(settings, local)
            credentials = self_signed(local, datetime.now(UTC)) if files is None else read(files)
            tls = PeerTls(settings, {local: credentials})
            resolver = Resolver(self._reactor, settings.s2s)
        except (CertificateError, SettingsError) as error:
            raise OperationError(str(error)) from None
        try:
            dialer = Dialer(self._reactor, resolver, settings.s2s)
            return await inspect(dialer, tls, local, remote, policy_for(remote, settings.s2s))
        finally:
            resolver.stop()
