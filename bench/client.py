"""A client that costs little: it looks for tokens in bytes instead of parsing XML, so that the server sets the pace."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable

DOMAIN = "localhost"
PASSWORD = "secret"
PATIENCE = 60.0


def header(domain: str) -> bytes:
    """Return the header of a stream to a domain."""
    return (
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        f"xmlns:stream='http://etherx.jabber.org/streams' to='{domain}' version='1.0'>"
    ).encode()


HEADER = header(DOMAIN)


def trusting() -> ssl.SSLContext:
    """Return a client context that takes any certificate (this is loopback) and never resumes a session."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Session(asyncio.Protocol):
    """One connection. While logging in it waits for tokens; afterwards `received` gets what comes in."""

    def __init__(self, domain: str = DOMAIN) -> None:
        self.domain = domain
        self.transport: asyncio.Transport
        self.jid = ""
        self.received: Callable[[bytes], None] | None = None
        self._buffer = b""
        self._token = b""
        self._waiter: asyncio.Future[bytes] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError(f"closed: {error}, {self._buffer[-300:]!r}"))

    def data_received(self, data: bytes) -> None:
        if self.received is not None:
            self.received(data)
            return
        self._buffer += data
        if self._waiter is not None and self._token in self._buffer and not self._waiter.done():
            self._waiter.set_result(self._buffer)
            self._buffer = b""

    def write(self, data: bytes) -> None:
        """Send."""
        self.transport.write(data)

    async def ask(self, data: bytes, token: bytes) -> bytes:
        """Send, and return everything that came when `token` has come; ConnectionError if the stream ends."""
        self._token = token
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        if token in self._buffer:
            taken, self._buffer = self._buffer, b""
            return taken
        return await asyncio.wait_for(self._waiter, PATIENCE)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """STARTTLS, RFC 6120 section 5."""
        await self.ask(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed")
        loop = asyncio.get_running_loop()
        secured = await loop.start_tls(self.transport, self, context, server_hostname=self.domain)
        assert secured is not None
        self.transport = secured

    def take(self) -> bytes:
        """Return what has come and nobody asked for."""
        taken, self._buffer = self._buffer, b""
        return taken

    async def authenticate(self, user: str, context: ssl.SSLContext | None) -> None:
        """Negotiate TLS when there is a context, then SASL PLAIN, up to the features of the stream after it."""
        await self.ask(header(self.domain), b"</stream:features>")
        if context is not None:
            await self.start_tls(context)
            await self.ask(header(self.domain), b"</stream:features>")
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        answer = await self.ask(
            b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + token + b"</auth>",
            b"urn:ietf:params:xml:ns:xmpp-sasl",
        )
        if b"<success" not in answer:
            raise ConnectionError(f"{user} was not let in: {answer!r}")
        await self.ask(header(self.domain), b"</stream:features>")

    async def login(self, user: str, context: ssl.SSLContext | None) -> None:
        """Authenticate, and bind the resource "b"."""
        await self.authenticate(user, context)
        await self.ask(
            b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            b"<resource>b</resource></bind></iq>",
            b"</iq>",
        )
        self.jid = f"{user}@{self.domain}/b"

    async def leave(self) -> None:
        """End the stream and wait until the server has closed the connection."""
        self.received = lambda _data: None
        self.transport.write(b"</stream:stream>")
        try:
            await asyncio.wait_for(asyncio.shield(self.closed), 5)
        finally:
            self.transport.close()


async def connect(port: int, source: str = "127.0.0.1") -> Session:
    """Open a connection to the server on 127.0.0.1 from the loopback address `source`."""
    loop = asyncio.get_running_loop()
    _, session = await loop.create_connection(Session, "127.0.0.1", port, local_addr=(source, 0))
    return session


async def logged_in(port: int, user: str, context: ssl.SSLContext | None) -> Session:
    """Return a session of `user` that has sent presence."""
    session = await connect(port)
    await session.login(user, context)
    session.write(b"<presence/>")
    return session


async def log_in_all(port: int, users: int, context: ssl.SSLContext | None, at_once: int = 50) -> list[Session]:
    """Return sessions of u0 to u(users-1), some logging in at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> Session:
        async with gate:
            return await logged_in(port, f"u{number}", context)

    return list(await asyncio.gather(*(one(number) for number in range(users))))


async def register(port: int, users: int) -> None:
    """Make the accounts in-band (XEP-0077), for servers that have no quicker way."""
    session = await connect(port)
    await session.ask(HEADER, b"</stream:features>")
    for number in range(users):
        form = f"<username>u{number}</username><password>{PASSWORD}</password>"
        query = f"<query xmlns='jabber:iq:register'>{form}</query>"
        answer = await session.ask(f"<iq type='set' id='r{number}'>{query}</iq>".encode(), b"r%d" % number)
        if b"error" in answer:
            raise ConnectionError(f"u{number} was not registered: {answer!r}")
    session.transport.close()
