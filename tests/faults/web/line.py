"""One HTTP connection of a client: a request, its answer, the next."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Iterable

import httptools

from tests.faults.stream import reset
from tests.interop.server import DOMAIN

#: Of so many requests, those whose head is sent before their body.
APART = 0.2


class Line(asyncio.Protocol):
    """A connection on which one request at a time is under way."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.open = False
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def dial(cls, port: int, context: ssl.SSLContext | None = None) -> Line:
        """Connect to a port of 127.0.0.1; raise OSError."""
        _, line = await asyncio.get_running_loop().create_connection(
            cls, "127.0.0.1", port, ssl=context, server_hostname=DOMAIN if context is not None else None
        )
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.open = transport, True

    async def ask(
        self, method: str, path: str, body: bytes = b"", fields: Iterable[str] = (), apart: bool | None = None
    ) -> tuple[int, bytes]:
        """Send a request; return the code of the answer and its body; raise OSError if none comes."""
        head = "".join(f"{field}\r\n" for field in (f"Host: {DOMAIN}", f"Content-Length: {len(body)}", *fields))
        answer = self.expect()
        data = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode()
        if random.random() < APART if apart is None else apart:
            self.transport.write(data)
            await asyncio.sleep(0)
            data = b""
        self.transport.write(data + body)
        return await answer

    def expect(self) -> asyncio.Future[tuple[int, bytes]]:
        """Return what becomes of the request that is about to be sent."""
        if not self.open:
            raise ConnectionError("the connection is gone")
        self._answer = asyncio.get_running_loop().create_future()
        self._answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())  # it may be for nobody
        return self._answer

    async def write(self, data: bytes) -> None:
        """Send a part of a request, as fast as it is taken."""
        if not self.open or self.transport.is_closing():
            raise ConnectionError("the connection is gone")
        self.transport.write(data)
        await self._writable.wait()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.connection_lost(ConnectionError(f"no HTTP: {error}"))
            self.abort()

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        code = self._parser.get_status_code()
        answer = self._answer
        if code >= 200 and answer is not None and not answer.done():
            answer.set_result((code, bytes(self._body)))
        if not self._parser.should_keep_alive():
            self.open = False

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._writable.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(error or "closed")))

    def cut(self) -> None:
        """Break the connection by a RST."""
        if self.open and not self.transport.is_closing():
            reset(self.transport)

    def abort(self) -> None:
        """Break the connection."""
        self.open = False
        self.transport.abort()
