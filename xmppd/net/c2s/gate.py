"""Output of a session that waits until its client has been told that there is one (XEP-0386 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from xmppd.core.sessions import Session
from xmppd.wire.errors import StreamError
from xmppd.wire.frames import Malformed
from xmppd.wire.stanza import Nonza

if TYPE_CHECKING:
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["Gate"]


class Gate:
    """Stands between a new session and its stream: what is sent to the session comes behind what is told of it first.

    Implements :class:`xmppd.core.sessions.Output`.
    """

    __slots__ = ("_octets", "_stream", "_waiting")

    def __init__(self, stream: ClientStream) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._octets = 0

    def open(self, session: Session, told: Iterable[bytes]) -> None:
        """Send what the client is told, and what waits, in one go. From now on the session writes by itself."""
        session.stream = self._stream
        self._stream.write_all((*told, *self._waiting))

    def write(self, data: bytes) -> None:
        """See Output. Too much that waits ends the stream, as too much for a client that doesn't read."""
        self._waiting.append(data)
        self._octets += len(data)
        if self._octets > self._stream.listener.limits.output_queue_octets:
            self._stream.abort()

    def write_all(self, elements: Iterable[bytes]) -> None:
        """See Output."""
        for element in elements:
            self.write(element)

    @property
    def peer(self) -> str:
        """See Output."""
        return self._stream.peer

    @property
    def over(self) -> str:
        """See Output."""
        return self._stream.over

    @property
    def secured(self) -> bool:
        """See Output."""
        return self._stream.secured

    @property
    def confidential(self) -> bool:
        """See Output."""
        return self._stream.confidential

    def close(self, error: StreamError | None = None) -> None:
        """See Output."""
        self._stream.close(error)

    def pause(self, why: str = "inbox") -> None:
        """See Output."""
        self._stream.pause(why)

    def resume(self, why: str = "inbox") -> None:
        """See Output."""
        self._stream.resume(why)

    def handle_nonza(self, nonza: Nonza) -> None:
        """See Output."""
        self._stream.handle_nonza(nonza)

    def handle_malformed(self, frame: Malformed) -> None:
        """See Output."""
        self._stream.handle_malformed(frame)

    def release_session(self) -> None:
        """See Output."""
        self._stream.release_session()
