"""A client over BOSH (XEP-0124, XEP-0206) that costs little: two connections, and a request of it always held."""

from __future__ import annotations

import asyncio
import base64
import random
import re
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial

from bench.client import DOMAIN, PASSWORD, PATIENCE

_BIND = "urn:xmpp:xbosh"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SID = re.compile(rb"\bsid=['\"]([^'\"]+)")
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: {domain}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
    "Firefox/128.0\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nContent-Type: text/xml; charset=utf-8\r\n"
    "Origin: https://{domain}\r\nConnection: keep-alive\r\nContent-Length: "
)


class Exchanges(asyncio.Protocol):
    """One HTTP connection, with one request at a time on it. :ivar answered: gets the body of each answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.busy = False
        self.answered: Callable[[Exchanges, bytes], None] = lambda _connection, _body: None
        self.lost: Callable[[Exchanges, str], None] = lambda _connection, _reason: None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost(self, f"closed: {error}")

    def data_received(self, data: bytes) -> None:
        data = self._buffer = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(data, 0, head + 2)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(data) < end:
            return
        self._buffer = data[end:]
        if not data.startswith(b"HTTP/1.1 200"):
            self.lost(self, f"{data[:500]!r}")
            return
        self.busy = False
        self.answered(self, data[head + 4 : end])

    def send(self, request: bytes) -> None:
        """Send a request, which nobody has to wait for."""
        self.busy = True
        self.transport.write(request)


async def exchanges(port: int, context: ssl.SSLContext | None) -> Exchanges:
    """Return a connection to the HTTP server on 127.0.0.1."""
    loop = asyncio.get_running_loop()
    name = DOMAIN if context is not None else None
    made = loop.create_connection(Exchanges, "127.0.0.1", port, ssl=context, server_hostname=name)
    _, connection = await asyncio.wait_for(made, PATIENCE)
    return connection


class Poller:
    """A BOSH session. Whenever the server holds no request of it, it sends an empty one.

    Servers close connections that have not been used for some time; then there is a new one at once.

    :ivar received: gets the body of every answer.
    :ivar answers: how many have come.
    :ivar broken: why it can't go on, or "".
    """

    def __init__(
        self, connections: list[Exchanges], path: str, connect: Callable[[], Coroutine[None, None, Exchanges]]
    ) -> None:
        self.jid = ""
        self.answers = 0
        self.received: Callable[[bytes], None] = lambda _body: None
        self.broken = ""
        self._connections: list[Exchanges] = []
        self._connect = connect
        self._renewing: set[asyncio.Task[None]] = set()
        self._dropped = False
        self._head = _HEAD.format(path=path, domain=DOMAIN).encode()
        self._rid = random.randrange(1 << 30)
        self._sid = b""
        self._queue: deque[bytes] = deque()
        self._waiter: asyncio.Future[bytes] | None = None
        self._token = b""
        self._got = b""
        self._polls = False
        for connection in connections:
            self._use(connection)

    def _use(self, connection: Exchanges) -> None:
        connection.answered = self._answered
        connection.lost = self._left
        self._connections.append(connection)

    def _left(self, connection: Exchanges, reason: str) -> None:
        """A connection is gone."""
        if connection.busy:
            self._lost(reason)
        elif not self._dropped:
            self._connections.remove(connection)
            task = asyncio.ensure_future(self._renew())
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    async def _renew(self) -> None:
        connection = await self._connect()
        self._use(connection)
        if self._queue:
            self._post(connection, self._queue.popleft())

    def _lost(self, reason: str) -> None:
        self.broken = self.broken or reason
        self._polls = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError(reason))

    def _post(self, connection: Exchanges, payload: bytes, attributes: str = "") -> None:
        self._rid += 1
        begin = b"<body rid='%d' sid='%s' xmlns='http://jabber.org/protocol/httpbind'%s" % (
            self._rid, self._sid, attributes.encode(),
        )  # fmt: skip
        body = b"%s>%s</body>" % (begin, payload) if payload else begin + b"/>"
        connection.send(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))

    def send(self, payload: bytes) -> None:
        """Send elements in a request of their own, as soon as a connection is free."""
        for connection in self._connections:
            if not connection.busy:
                self._post(connection, payload)
                return
        self._queue.append(payload)

    def _answered(self, connection: Exchanges, body: bytes) -> None:
        self.answers += 1
        if b"terminate" in body[:300]:
            self._lost(f"ended: {body!r}")
            return
        if self._queue:
            self._post(connection, self._queue.popleft())
        if self._waiter is not None:
            self._got += body
            if self._token in self._got and not self._waiter.done():
                self._polls = False
                self._waiter.set_result(self._got)
        self.received(body)
        if self._polls and not any(each.busy for each in self._connections):
            self._post(connection, b"")

    async def ask(self, payload: bytes, token: bytes, attributes: str = "") -> bytes:
        """Send one request, and as many empty ones as it takes until `token` has come; return all that came."""
        self._waiter, self._token, self._got = asyncio.get_running_loop().create_future(), token, b""
        self._polls = True
        self._post(self._connections[0], payload, attributes)
        try:
            return await asyncio.wait_for(self._waiter, PATIENCE)
        finally:
            self._waiter = None

    async def login(self, user: str, wait: int) -> None:
        """Open the session, SASL PLAIN, bind the resource "b", become available, and have a request held from then on.

        :param wait: how many seconds the server may hold a request.
        """
        space = f" xmlns:xmpp='{_BIND}'"
        create = f" to='{DOMAIN}' xml:lang='en' wait='{wait}' hold='1' ver='1.6' xmpp:version='1.0'{space}"
        connection = self._connections[0]
        opened = self._waiter = asyncio.get_running_loop().create_future()
        self._token, self._got = b"sid=", b""
        self._rid += 1
        body = f"<body rid='{self._rid}' xmlns='http://jabber.org/protocol/httpbind'{create}/>".encode()
        connection.send(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        answer = await asyncio.wait_for(opened, PATIENCE)
        found = _SID.search(answer)
        assert found is not None
        self._sid = found[1]
        if b"mechanism" not in answer:
            await self.ask(b"", b"mechanism")
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        sasl = b"urn:ietf:params:xml:ns:xmpp-sasl"
        answer = await self.ask(b"<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (sasl, token), sasl)
        if b"<success" not in answer:
            raise ConnectionError(f"{user} was not let in: {answer!r}")
        await self.ask(b"", b"xmpp-bind", f" xmpp:restart='true' to='{DOMAIN}'{space}")
        await self.ask(
            b"<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            b"<resource>b</resource></bind></iq>",
            b"<jid>",
        )
        self.jid = f"{user}@{DOMAIN}/b"
        await self.ask(b"<presence xmlns='jabber:client'/>", b"presence")
        self._polls = True
        if not any(each.busy for each in self._connections):
            self._post(connection, b"")

    def drop(self) -> None:
        """Cut the connections."""
        self._polls, self._dropped = False, True
        for connection in self._connections:
            connection.transport.abort()


async def poller(
    port: int, path: str, user: str, context: ssl.SSLContext | None, connections: int = 2, wait: int = 60
) -> Poller:
    """Return a BOSH session of `user` that has sent presence, of which a request is held."""
    made = [await exchanges(port, context) for _ in range(connections)]
    session = Poller(made, path, partial(exchanges, port, context))
    await session.login(user, wait)
    return session
