"""Streams of XML to a server (RFC 6120 section 4) over asyncio: opening, SASL PLAIN, first-level elements; over TCP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import struct
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tests.interop.server import DOMAIN

_HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='{}' version='1.0'>"
)
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STREAMS = "{http://etherx.jabber.org/streams}"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


def reset(transport: asyncio.WriteTransport) -> None:
    """Break the connection with a RST, as lost hosts do."""
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Parser:
    """Turns the bytes of a stream into its first-level elements."""

    def __init__(self) -> None:
        self._pull: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
        self._root: ET.Element | None = None
        self._depth = 0
        self.ended = False

    def feed(self, data: bytes) -> list[ET.Element]:
        """Return the elements that are complete now; raise ET.ParseError for what is no XML."""
        self._pull.feed(data)
        found: list[ET.Element] = []
        pair: Any
        for pair in self._pull.read_events():
            event, element = pair
            if event == "start":
                self._depth += 1
                self._root = element if self._root is None else self._root
                continue
            self._depth -= 1
            if self._depth == 1:
                found.append(element)
                assert self._root is not None
                self._root.remove(element)
            elif self._depth == 0:
                self.ended = True
        return found


class Stream:
    """A stream, whatever carries it: subclasses bring that.

    Elements wait for `next` until `handler` is set; then they, and what waits, go there at once. `heard` is the loop's
    time at which something came last. `lost` is told once why the stream is gone.
    """

    #: Seconds for which the server believes that somebody is there who has gone without a word.
    lingers = 0.0

    def __init__(self, lost: Callable[[str], None], domain: str = DOMAIN) -> None:
        self._lost: Callable[[str], None] | None = lost
        self._domain = domain
        self._waiting: deque[ET.Element] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._handler: Callable[[ET.Element], None] | None = None
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()
        self.open = False
        #: The server ended its stream, or the connection.
        self.ended = asyncio.Event()
        self.ended_properly = False

    # What carries it

    def write(self, xml: str) -> None:
        """Send an element; what can't be sent any more is lost, as on any network."""
        raise NotImplementedError

    def close(self) -> None:
        """End our side of the stream."""
        raise NotImplementedError

    def abort(self) -> None:
        """Break what carries it."""
        raise NotImplementedError

    def begin(self) -> None:
        """Open the stream, or open it again."""
        raise NotImplementedError

    # What all have in common

    def write_all(self, elements: Iterable[str]) -> None:
        """Send elements."""
        for xml in elements:
            self.write(xml)

    def take(self, elements: Iterable[ET.Element], ended: bool = False) -> None:
        """Take what came; `ended` says that the server has ended the stream behind it."""
        for element in elements:
            if self._handler is None:
                self._waiting.append(element)
            else:
                self._handler(element)
        if ended:
            self.ended_properly = True
            self.drop("the server ended the stream")
        self._stir()

    def gone(self, why: str) -> None:
        """What carried it is gone."""
        self.open = False
        self.ended.set()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(why)
        self._stir()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def drop(self, why: str) -> None:
        """Break it off; nothing that comes later counts."""
        if self.open:
            self._handler = lambda _element: None
            self.abort()
            self.gone(why)

    async def next(self) -> ET.Element:
        """Return the next element, while there is no handler; raise ConnectionError when there will be none."""
        while not self._waiting:
            if not self.open:
                raise ConnectionError("the connection is gone")
            self._wake = self._loop.create_future()
            await self._wake
        return self._waiting.popleft()

    def hand_over(self, handler: Callable[[ET.Element], None]) -> None:
        """Give every element from here on to `handler`, first those that wait."""
        self._handler = handler
        while self._waiting:
            handler(self._waiting.popleft())

    async def header(self) -> ET.Element:
        """Open the stream, or open it again, and return the server's features; raise ConnectionError."""
        self.begin()
        features = await self.next()
        if features.tag != f"{STREAMS}features":
            raise ConnectionError(f"features wanted, got {ET.tostring(features)[:300]!r}")
        return features

    async def log_in(self, account: str, password: str) -> ET.Element:
        """Authenticate with PLAIN and return the features after it; raise ConnectionError."""
        await self.header()
        token = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
        self.write(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{token}</auth>")
        answer = await self.next()
        if answer.tag != f"{{{_SASL}}}success":
            raise ConnectionError(f"not let in: {ET.tostring(answer)[:300]!r}")
        return await self.header()


class TcpStream(Stream, asyncio.Protocol):
    """A stream over a TCP connection."""

    transport: asyncio.Transport

    def __init__(self, lost: Callable[[str], None], domain: str = DOMAIN) -> None:
        super().__init__(lost, domain)
        self._parser = Parser()

    @classmethod
    async def connect(cls, port: int, lost: Callable[[str], None], domain: str = DOMAIN) -> TcpStream:
        """Open a connection to 127.0.0.1; raise OSError."""
        _, stream = await asyncio.get_running_loop().create_connection(lambda: cls(lost, domain), "127.0.0.1", port)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        try:
            elements = self._parser.feed(data)
        except ET.ParseError as error:
            self.drop(f"not well-formed: {error}")
            return
        self.take(elements, self._parser.ended)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone(str(error or "closed"))

    def abort(self) -> None:
        self.transport.abort()

    def begin(self) -> None:
        self._parser = Parser()
        self.write(_HEADER.format(self._domain))

    def write(self, xml: str) -> None:
        if self.open:
            self.transport.write(xml.encode())

    def write_all(self, elements: Iterable[str]) -> None:
        self.write("".join(elements))

    def close(self) -> None:
        self.write("</stream:stream>")
