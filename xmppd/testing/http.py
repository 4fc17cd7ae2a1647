"""Requests to plugins' HTTP handlers in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace

from xmppd.api.http import BodyLost, Request
from xmppd.core.hosts import Host
from xmppd.core.settings import Settings
from xmppd.net.http.answers import Answer
from xmppd.net.http.plugin_pages import answer_of, choose

__all__ = ["PlayedBody", "answered"]


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


async def answered(
    request: Request, chunks: Iterable[bytes | Exception], hosts: Mapping[str, Host], settings: Settings
) -> Answer:
    """Return what a plugin answers; all of it, if it is a file.

    :param chunks: of the body, for a handler that takes it while it comes.
    :param hosts: by domain.
    """
    found = choose(request, hosts, settings)
    if isinstance(found, Answer):
        return found
    if found.mark.streamed:
        answer = await answer_of(replace(request, body=b""), found.handler, PlayedBody(request, chunks))
    else:
        answer = await answer_of(request, found.handler)
    return answer if isinstance(answer, Answer) else answer.whole()
