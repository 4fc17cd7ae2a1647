"""A stream over a WebSocket (RFC 7395), whose frames are made by the library ``websockets``."""

from __future__ import annotations

import asyncio
import random
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.faults.stream import Stream
from tests.faults.web.wording import qualified

_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
_PATH = "/xmpp-websocket"
#: Of so many messages, those that are sent in two fragments; others are one frame, as browsers do it.
FRAGMENTED = 0.1


class WebSocketStream(Stream, asyncio.Protocol):
    """A stream over a WebSocket."""

    transport: asyncio.Transport

    def __init__(self, lost: Callable[[str], None], domain: str, secure: bool) -> None:
        super().__init__(lost, domain)
        uri = parse_uri(f"{'wss' if secure else 'ws'}://{domain}{_PATH}")
        self._frames = ClientProtocol(uri, subprotocols=[Subprotocol("xmpp")], max_size=None)
        self._chance = random.Random(self._loop.time())
        self._shaken: asyncio.Future[None] = self._loop.create_future()
        self._message = b""

    @classmethod
    async def connect(
        cls, port: int, lost: Callable[[str], None], domain: str, context: ssl.SSLContext | None
    ) -> WebSocketStream:
        """Open a WebSocket at a port of 127.0.0.1; raise OSError."""
        _, stream = await asyncio.get_running_loop().create_connection(
            lambda: cls(lost, domain, context is not None),
            "127.0.0.1",
            port,
            ssl=context,
            server_hostname=domain if context is not None else None,
        )
        try:
            await stream._shaken
        except BaseException:
            stream.transport.abort()
            raise
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._frames.send_request(self._frames.connect())
        self._send()

    def _send(self) -> None:
        """Send what the library has made."""
        data = b"".join(self._frames.data_to_send())
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Response):
                self._shake(self._frames.handshake_exc)
            elif isinstance(event, Frame):
                self._take(event)
        self._send()
        if self._frames.parser_exc is not None and self.open:
            self.drop(f"not a WebSocket: {self._frames.parser_exc}")

    def _shake(self, error: Exception | None) -> None:
        if self._shaken.done():
            return
        if error is None and self._frames.subprotocol != "xmpp":
            error = WebSocketException("no subprotocol")
        if error is not None:
            self._shaken.set_exception(ConnectionError(f"no WebSocket: {error}"))
        else:
            self.open = True
            self._shaken.set_result(None)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE and self.open:
            self.drop("the server closed the WebSocket")
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT) or not self.open:
            return
        self._message += bytes(frame.data)
        if not frame.fin:
            return
        message, self._message = self._message, b""
        try:
            element = ET.fromstring(message)
        except ET.ParseError as error:
            self.drop(f"not well-formed: {error}: {message[:200]!r}")
            return
        if element.tag == f"{{{_FRAMING}}}close":
            self.take((), ended=True)
        elif element.tag != f"{{{_FRAMING}}}open":
            self.take((element,))

    def connection_lost(self, error: Exception | None) -> None:
        self._shake(error or ConnectionError("closed"))
        self.gone(str(error or "closed"))

    def abort(self) -> None:
        self.transport.abort()

    def begin(self) -> None:
        self.write(f"<open xmlns='{_FRAMING}' to='{self._domain}' version='1.0'/>")

    def write(self, xml: str) -> None:
        self.write_all((xml,))

    def write_all(self, elements: Iterable[str]) -> None:
        if not self.open:
            return
        for xml in elements:
            data = qualified(xml).encode()
            if self._chance.random() < FRAGMENTED:
                middle = self._chance.randrange(len(data))
                self._frames.send_text(data[:middle], fin=False)
                self._frames.send_continuation(data[middle:], fin=True)
            else:
                self._frames.send_text(data)
        self._send()

    def close(self) -> None:
        self.write(f"<close xmlns='{_FRAMING}'/>")
