"""Operations on certificates: ``certificate list``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from xmppd.api.operations import operation
from xmppd.wire.delay import format_datetime

__all__ = ["CertificateOperations", "Ends"]

_DAY = 86_400.0

#: Tells until when the certificate of each host is valid, in seconds since the epoch.
Ends = Callable[[], Mapping[str, float]]


class CertificateOperations:
    """The certificates that are in use.

    :param ends: returns what tells until when they are valid; None while there is no TLS.
    :param now: the time, in seconds since the epoch.
    """

    def __init__(self, ends: Callable[[], Ends | None], now: Callable[[], float]) -> None:
        self._ends = ends
        self._now = now

    @operation("certificate list", safe=True, examples=("", "example.org"))
    async def list_certificates(self, host: str | None = None) -> list[dict[str, Any]]:
        """List until when the certificates are valid that clients and servers are shown, those that end first on top.

        :param host: the domain; all if none is given.
        """
        ends = self._ends()
        found = {} if ends is None else ends()
        return [
            {"host": domain, "ends": format_datetime(end), "days": math.floor((end - self._now()) / _DAY)}
            for domain, end in sorted(found.items(), key=lambda one: (one[1], one[0]))
            if host in (None, domain)
        ]
