"""A client that sends exactly the bytes it is told to: for what no library would do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
from pathlib import Path

from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    f"xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}' version='1.0'>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


class RawClient:
    """One TCP connection to 127.0.0.1; everything that came and was not taken yet is in `unread`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.socket = writer.get_extra_info("socket")
        self.unread = b""

    @classmethod
    async def open(cls, port: int, receive_buffer: int = 0) -> RawClient:
        """Connect; a `receive_buffer` in octets makes the kernel hold little for a client that doesn't read."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=connection, limit=2**16))

    async def send(self, data: str | bytes) -> None:
        """Write, and wait while the server doesn't take it."""
        self.writer.write(data.encode() if isinstance(data, str) else data)
        # Not wait_for: before Python 3.12 that can swallow the cancellation of whoever called this.
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def until(self, token: str) -> bytes:
        """Return what came up to the end of `token`; ConnectionError if the stream ends before."""
        wanted = token.encode()
        async with asyncio.timeout(PATIENCE):
            while wanted not in self.unread:
                data = await self.reader.read(2**16)
                if not data:
                    raise ConnectionError(f"no {token} in {self.unread!r}")
                self.unread += data
        end = self.unread.index(wanted) + len(wanted)
        taken, self.unread = self.unread[:end], self.unread[end:]
        return taken

    async def to_end(self) -> bytes:
        """Return everything until the server closes the connection, also when it resets it."""
        taken, self.unread = self.unread, b""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while data := await self.reader.read(2**16):
                    taken += data
        self.close()
        return taken

    async def header(self) -> bytes:
        """Open a stream and return the server's answer up to its features."""
        await self.send(HEADER)
        return await self.until("</stream:features>")

    async def start_tls(self, certificate: Path) -> None:
        """Secure the connection, checking the server's certificate."""
        context = ssl.create_default_context(cafile=str(certificate))
        await self.writer.start_tls(context, server_hostname=DOMAIN)

    async def login(self, account: str, password: str, resource: str, tls: Path | None = None) -> None:
        """Log in with PLAIN and bind, after STARTTLS when a certificate is given."""
        await self.header()
        if tls is not None:
            await self.send(STARTTLS)
            await self.until("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            await self.start_tls(tls)
            await self.header()
        token = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
        await self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>")
        await self.until("<success")
        self.unread = b""
        await self.header()
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
        await self.send(f"<iq type='set' id='bind'>{bind}</iq>")
        await self.until("</iq>")

    async def ping(self) -> None:
        """Wait for the answer to an IQ: the server has handled all that was sent before."""
        await self.send("<iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
        taken = await self.until("fence")
        await self.until(">")
        assert b"error" not in taken[-200:], taken[-200:]

    def cut(self) -> None:
        """Reset the connection, as a crashed client or a lost network does."""
        with contextlib.suppress(OSError):  # the server may have been quicker
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Close the connection without ending the stream."""
        self.writer.close()
