"""Back-pressure in the direction of the client: what waits while it is slow to take what it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

__all__ = ["Outgoing"]


class Outgoing:
    """The side of a connection that is written to; an IPushProducer for its transport.

    :ivar transport: where to, or None.
    :ivar limit: how many octets may wait; above it, the connection is cut.
    """

    __slots__ = ("_closing", "_out", "_out_size", "limit", "transport")

    def __init__(self, limit: int) -> None:
        self.transport: Any = None
        self.limit = limit
        self._closing = False  # our closing tag is sent
        self._out: deque[bytes] | None = None  # exists while the transport is congested
        self._out_size = 0

    def write(self, data: bytes) -> None:
        """Send the bytes of one complete element; they wait here while the client is slow to take them.

        Behind the closing tag nothing is sent any more (RFC 6120 4.4).
        """
        if self._closing:
            return
        if self._out is None:
            transport = self.transport
            if transport is not None:
                transport.write(data)
            return
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > self.limit:
            self.overflowed()

    def write_all(self, elements: Iterable[bytes]) -> None:
        """Send several elements, in one go where the connection is nothing but a row of bytes."""
        self.write(b"".join(elements))

    @property
    def congested(self) -> bool:
        """Does what is written wait here?"""
        return self._out is not None

    def overflowed(self) -> None:
        """Too much waits."""
        raise NotImplementedError

    def written(self) -> None:
        """Everything that waited is written."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        if self._out is None:
            self._out = deque()

    def resumeProducing(self) -> None:
        """The transport's buffer is empty again."""
        queue, self._out, self._out_size = self._out, None, 0
        if queue and self.transport is not None:
            self.transport.writeSequence(queue)
            self.written()

    def stopProducing(self) -> None:
        """The connection is gone."""
