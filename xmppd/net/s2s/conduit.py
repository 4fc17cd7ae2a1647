"""Streams as :mod:`xmppd.core.federation` sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.wire.errors import StreamError

if TYPE_CHECKING:
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["StreamConduit"]


class StreamConduit:
    """Implements :class:`xmppd.core.federation.contract.Conduit`."""

    __slots__ = ("send", "stream")

    def __init__(self, stream: ServerStream) -> None:
        self.stream = stream
        self.send = stream.send

    @property
    def peer(self) -> str:
        """See Conduit."""
        return self.stream.peer

    @property
    def secured(self) -> bool:
        """See Conduit."""
        return self.stream.tls is not None

    @property
    def prompt(self) -> bool:
        """See Conduit."""
        return not self.stream.congested

    def close(self, error: StreamError | None = None) -> None:
        """See Conduit."""
        self.stream.close(error)
