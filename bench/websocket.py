"""A client over WebSocket (RFC 7395) that costs little: what is sent again and again is masked once, ahead of time."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl

from bench.client import DOMAIN, PASSWORD, PATIENCE, Session

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
_OPEN = f"<open xmlns='{_FRAMING}' to='{DOMAIN}' version='1.0'/>".encode()


def masked(payload: bytes, code: int = TEXT) -> bytes:
    """Return a whole frame as a client sends it (RFC 6455 section 5)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | code, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | code, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | code, 0x80 | 127)) + size.to_bytes(8, "big")
    key = os.urandom(4)
    pad = (key * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return head + key + body


def frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the whole frames that a server sent, each with its opcode, and what is left."""
    found, at, end = [], 0, len(data)
    while end - at >= 2:
        code, size, begin = data[at] & 15, data[at + 1], at + 2
        if size >= 126:
            begin = at + (4 if size == 126 else 10)
            size = int.from_bytes(data[at + 2 : begin], "big")
        if begin + size > end:
            break
        found.append((code, data[begin : begin + size]))
        at = begin + size
    return found, data[at:]


class WebSocketSession(Session):
    """A session whose stream is in WebSocket frames. What is written ready-made to `transport` is a frame already."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._frames = False
        self._partial = b""

    def data_received(self, data: bytes) -> None:
        if not self._frames:
            super().data_received(data)
            return
        whole, self._partial = frames(self._partial + data)
        for code, payload in whole:
            if code == PING:
                self.transport.write(masked(payload, PONG))
        texts = [payload for code, payload in whole if code == TEXT]
        if texts:
            super().data_received(b"".join(texts))

    def write(self, data: bytes) -> None:
        """Send one element."""
        self.transport.write(masked(data))

    async def ask(self, data: bytes, token: bytes) -> bytes:
        """Send one element, and return everything that came when `token` has come."""
        return await super().ask(masked(data) if self._frames else data, token)

    async def authenticate(self, user: str, context: ssl.SSLContext | None) -> None:
        """Open the WebSocket, then the stream, SASL PLAIN, and the stream after it."""
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {self._path} HTTP/1.1\r\nHost: {DOMAIN}\r\nOrigin: https://{DOMAIN}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: xmpp\r\n\r\n"
        )
        answer = await self.ask(request.encode(), b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"no WebSocket for {user}: {answer!r}")
        self._frames = True
        await self.ask(_OPEN, b"features>")
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        sasl = b"urn:ietf:params:xml:ns:xmpp-sasl"
        answer = await self.ask(b"<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (sasl, token), sasl)
        if b"<success" not in answer:
            raise ConnectionError(f"{user} was not let in: {answer!r}")
        await self.ask(_OPEN, b"features>")

    async def login(self, user: str, context: ssl.SSLContext | None) -> None:
        """Authenticate, and bind the resource "b"."""
        await self.authenticate(user, context)
        await self.ask(
            b"<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            b"<resource>b</resource></bind></iq>",
            b"</iq>",
        )
        self.jid = f"{user}@{self.domain}/b"


async def web_socket(port: int, path: str, user: str, context: ssl.SSLContext | None) -> WebSocketSession:
    """Return a session of `user` that has sent presence."""
    loop = asyncio.get_running_loop()
    name = DOMAIN if context is not None else None
    made = loop.create_connection(lambda: WebSocketSession(path), "127.0.0.1", port, ssl=context, server_hostname=name)
    _, session = await asyncio.wait_for(made, PATIENCE)
    await session.login(user, context)
    session.write(b"<presence xmlns='jabber:client'/>")
    return session
