"""The body of a request that is read while it comes (RFC 9112 section 6), only as fast as somebody takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from twisted.internet.defer import Deferred

from xmppd.api.http import BodyLost

__all__ = ["StreamedBody"]

#: Octets that may wait to be taken; above it, the connection is not read.
_ROOM = 65_536


class StreamedBody:
    """A body that is taken piece by piece; see :class:`xmppd.api.http.Body`.

    :param length: in octets, or None.
    :param asked: called once, when somebody begins to read: now the client may be told to send (RFC 9110 10.1.1).
    :param wanted: called whenever there is room again.
    """

    __slots__ = ("_asked", "_lost", "_octets", "_pieces", "_waiter", "_wanted", "_whole", "length")

    def __init__(self, length: int | None, asked: Callable[[], None], wanted: Callable[[], None]) -> None:
        self.length = length
        self._asked: Callable[[], None] | None = asked
        self._wanted = wanted
        self._pieces: list[bytes] = []
        self._octets = 0
        self._whole = self._lost = False
        self._waiter: Deferred[None] | None = None

    @classmethod
    def nothing(cls) -> StreamedBody:
        """Return a body that a request doesn't have."""
        body = cls(0, _do_nothing, _do_nothing)
        body.end()
        return body

    # The reader's side

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the octets as they come; see :class:`xmppd.api.http.Body`."""
        asked, self._asked = self._asked, None
        if asked is not None and not self._lost:
            asked()
        while True:
            while self._pieces:
                piece = b"".join(self._pieces)
                self._pieces.clear()
                self._octets = 0
                self._wanted()
                yield piece
            if self._lost:
                raise BodyLost("the client did not send all of the body")
            if self._whole:
                return
            self._waiter = Deferred()
            await self._waiter

    # The connection's side

    @property
    def full(self) -> bool:
        """Must more wait until something was taken?"""
        return self._octets >= _ROOM

    def feed(self, data: bytes) -> None:
        """More has come."""
        self._pieces.append(data)
        self._octets += len(data)
        self._wake()

    def end(self) -> None:
        """That was all of it."""
        self._whole = True
        self._wake()

    def lose(self) -> None:
        """The rest won't come."""
        if not self._whole and not self._lost:
            self._lost = True
            self._pieces.clear()
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)


def _do_nothing() -> None:
    """There is nobody to be told."""
