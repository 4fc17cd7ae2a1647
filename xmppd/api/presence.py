"""Directed presence (RFC 6121 4.6), to plugins that have to know in which rooms, for example, a device is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from xmppd.api.interfaces import ISession
from xmppd.wire.jid import Jid

__all__ = ["IDirectedPresence"]


class IDirectedPresence(Protocol):
    """Whom devices have sent presence to by name."""

    def directed(self, session: ISession) -> Collection[Jid]:
        """Return the addresses to which a device has sent available presence and not taken it back."""
