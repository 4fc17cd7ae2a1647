"""Requests to plugins' HTTP handlers in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from xmppd.api.http import BodyLost, Request

__all__ = ["PlayedBody"]


class PlayedBody:
    """A body that comes as a test says; see :class:`xmppd.api.http.Body`.

    :param request: says how long it is.
    :param chunks: what comes; at an exception among them the client goes away.
    """

    def __init__(self, request: Request, chunks: Iterable[bytes | Exception]) -> None:
        length = request.headers.get("content-length")
        self.length = None if length is None else int(length)
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See Body."""
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise BodyLost("the client has gone") from chunk
            yield chunk
