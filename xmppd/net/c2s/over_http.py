"""Clients' streams that HTTP carries: WebSocket (RFC 7395) and BOSH (XEP-0206). Their encryption is HTTP's affair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.net.c2s.stream import ClientStream

if TYPE_CHECKING:
    from xmppd.net.c2s.listener import ClientListener

__all__ = ["HttpCarried"]


class HttpCarried(ClientStream):
    """One client's stream over HTTP.

    :param secured: did what began it come encrypted, to here or to a trusted reverse proxy?
    """

    __slots__ = ("_secured",)

    def __init__(self, listener: ClientListener, secured: bool) -> None:
        super().__init__(listener)
        self._secured = secured

    @property
    def secured(self) -> bool:
        """See ClientStream."""
        return self._secured

    @property
    def can_start_tls(self) -> bool:
        """See ClientStream. STARTTLS is not negotiated here (RFC 7395 3.9, XEP-0206 section 2)."""
        return False
