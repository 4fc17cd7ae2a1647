"""The loads of `python -m bench.web` that take turns: messages over TCP, WebSocket and BOSH, and a page."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from bench.client import DOMAIN, Session, logged_in, trusting
from bench.doors import Doored
from bench.longpoll import Exchanges, Poller, exchanges, poller
from bench.managed import some_at_once
from bench.websocket import WebSocketSession, masked, web_socket
from bench.workloads import BODY, counter

_AT_ONCE = 20
_NAMESPACE = " xmlns='jabber:client'"


def message(to: str, declared: bool) -> bytes:
    """Return the message that everybody sends. Over HTTP its namespace is declared in each."""
    return f"<message{_NAMESPACE if declared else ''} to='{to}' type='chat' id='m'>{BODY}</message>".encode()


class Chat:
    """Pairs of users send each other messages, some in flight each way, as in `bench.workloads.chat`.

    One operation is a message delivered. `tls` is STARTTLS for TCP, and wss for WebSocket.
    """

    def __init__(self, server: Doored, users: Sequence[str], window: int, over: str, tls: bool) -> None:
        self.done = 0
        self._server, self._users, self._window, self._over = server, users, window, over
        self._context = trusting() if tls else None
        self._sessions: list[Session] = []
        self._starts: list[Callable[[int], None]] = []
        self._running = False
        self._sent = 0

    async def prepare(self) -> None:
        """Log in, the pairs with each other."""
        self._sessions = await some_at_once(self._one, self._users, _AT_ONCE)
        await asyncio.sleep(1)
        for first, second in zip(self._sessions[::2], self._sessions[1::2], strict=True):
            self._starts += [self._loop(first, second), self._loop(second, first)]

    async def _one(self, user: str) -> Session:
        if self._over == "tcp":
            return await logged_in(self._server.port, user, self._context)
        port = self._server.https if self._context else self._server.http
        return await web_socket(port, self._server.websocket, user, self._context)

    def _loop(self, sender: Session, receiver: Session) -> Callable[[int], None]:
        web = isinstance(sender, WebSocketSession)
        stanza = message(receiver.jid, web)
        request = masked(stanza) if web else stanza
        write = sender.transport.write

        def send(number: int) -> None:
            self._sent += number
            write(request * number)

        def counted(number: int) -> None:
            self.done += number
            if self._running:
                send(number)

        receiver.received = counter(b"</message>", counted)
        return send

    def start(self) -> None:
        """Have everybody send."""
        self._running = True
        for start in self._starts:
            start(self._window)

    def idle(self) -> bool:
        """Send no more; say whether all have arrived."""
        self._running = False
        return self.done >= self._sent

    def close(self) -> None:
        """Cut the connections."""
        for session in self._sessions:
            session.received = lambda _data: None
            session.transport.abort()


class Polls:
    """In each pair one user sends the other messages, one in flight, over BOSH.

    For every message there are two requests, and one operation is a request answered: the sender's request with the
    message, upon which the one that was held for it is answered; and the receiver's that was held and is answered with
    the message, and sent again.
    """

    def __init__(self, server: Doored, users: Sequence[str], tls: bool) -> None:
        self._server, self._users = server, users
        self._context = trusting() if tls else None
        self._sessions: list[Poller] = []
        self._running = False
        self._sent = self._arrived = 0

    @property
    def done(self) -> int:
        """Requests that were answered."""
        return sum(session.answers for session in self._sessions)

    async def prepare(self) -> None:
        """Log in."""
        port = self._server.https if self._context else self._server.http

        async def one(user: str) -> Poller:
            return await poller(port, self._server.bosh, user, self._context, wait=600)

        self._sessions = await some_at_once(one, self._users, _AT_ONCE)
        await asyncio.sleep(1)
        for sender, receiver in zip(self._sessions[::2], self._sessions[1::2], strict=True):
            self._pair(sender, receiver)

    def _pair(self, sender: Poller, receiver: Poller) -> None:
        request = message(receiver.jid, True)

        def arrived(body: bytes) -> None:
            if b"</message>" in body:
                self._arrived += 1
                if self._running:
                    self._sent += 1
                    sender.send(request)

        receiver.received = arrived

    def start(self) -> None:
        """Have every second user send."""
        self._running = True
        for sender, receiver in zip(self._sessions[::2], self._sessions[1::2], strict=True):
            self._sent += 1
            sender.send(message(receiver.jid, True))

    def idle(self) -> bool:
        """Send no more; say whether all have arrived."""
        self._running = False
        broken = [f"{session.jid}: {session.broken}" for session in self._sessions if session.broken]
        if broken:
            raise RuntimeError("; ".join(broken[:3]))
        return self._arrived == self._sent

    def close(self) -> None:
        """Cut the connections."""
        for session in self._sessions:
            session.drop()


class Page:
    """A page that is asked for again and again, by some who each wait for the answer, on a connection that stays."""

    def __init__(self, server: Doored, path: str, connections: int, tls: bool) -> None:
        self.done = 0
        self._server, self._number = server, connections
        self._request = f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()
        self._context: ssl.SSLContext | None = trusting() if tls else None
        self._connections: list[Exchanges] = []
        self._running = False

    async def prepare(self) -> None:
        """Connect."""
        port = self._server.https if self._context else self._server.http
        self._connections = [await exchanges(port, self._context) for _ in range(self._number)]
        for connection in self._connections:
            connection.answered = self._answered

    def _answered(self, connection: Exchanges, _body: bytes) -> None:
        self.done += 1
        if self._running:
            connection.send(self._request)

    def start(self) -> None:
        """Ask."""
        self._running = True
        for connection in self._connections:
            connection.send(self._request)

    def idle(self) -> bool:
        """Ask no more; say whether all answers are there."""
        self._running = False
        return not any(connection.busy for connection in self._connections)

    def close(self) -> None:
        """Cut the connections."""
        for connection in self._connections:
            connection.transport.abort()
