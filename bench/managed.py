"""Clients with stream management (XEP-0198), and the workloads that are about it."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from bench.client import Session, connect, trusting
from bench.process import cpu_seconds, resident_kib
from bench.talk import Talk
from bench.workloads import BODY, Load, Meter, Result, drop

T = TypeVar("T")
R = TypeVar("R")

ENABLE = b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
ASKED_EVERY = 5
"""After how many messages a client asks for an acknowledgement."""
TALKERS = 20
"""How many users talk while others resume. One more sends what those miss."""
MISSED = 2
"""Messages that a session gets while its connection is lost."""
AT_ONCE = 500
"""Connections being made at the same time: more than that, and the kernel's queue is what is measured."""

# The only elements with these names in what the workloads send are the first-level ones.
_FIRST_LEVEL = re.compile(rb"<(message|presence|iq|r|a)[ />]")
_LONGEST = len(b"<presence ")


class Managed:
    """A session with stream management, resumable: it counts what it handles and answers requests."""

    def __init__(self, user: str, session: Session) -> None:
        self.user = user
        self.session = session
        self.id = b""
        self.handled = self.messages = self.acks = 0
        self.on_messages: Callable[[int], None] = lambda _number: None
        self._sent = 0
        self._rest = b""

    async def enable(self) -> None:
        """Enable stream management, then become available; RuntimeError if there's no resumption."""
        answer = await self.session.ask(ENABLE, b"/>")
        found = re.search(rb"<enabled[^>]* id=['\"]([^'\"]+)", answer)
        if found is None:
            raise RuntimeError(f"{self.user} can't resume: {answer!r}")
        self.id = found[1]
        self._listen(await self.session.ask(b"<presence/>", b"<presence"))

    def send(self, message: bytes, number: int) -> None:
        """Send `message` some times, and ask for an acknowledgement after every fifth."""
        data = message * number
        before, self._sent = self._sent, self._sent + number
        self.session.write(data + REQUEST if self._sent // ASKED_EVERY > before // ASKED_EVERY else data)

    async def resume(self, port: int, context: ssl.SSLContext | None) -> None:
        """Resume on a new connection; RuntimeError if the server refuses."""
        self.session = await connect(port)
        await self.session.authenticate(self.user, context)
        resume = b"<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>" % (self.id, self.handled)
        answer = await self.session.ask(resume, b"urn:xmpp:sm:3")
        if b"<resumed" not in answer:
            raise RuntimeError(f"{self.user} was not resumed: {answer!r}")
        self._rest = b""
        self._listen(answer)

    def _listen(self, data: bytes) -> None:
        self.session.received = self._received
        self._received(data + self.session.take())

    def _received(self, data: bytes) -> None:
        data, end, messages, asked = self._rest + data, 0, 0, False
        for match in _FIRST_LEVEL.finditer(data):
            end = match.end()
            name = match[1]
            if name == b"r":
                asked = True
            elif name == b"a":
                self.acks += 1
            else:
                self.handled += 1
                messages += name == b"message"
        self._rest = data[max(end, len(data) - _LONGEST) :]
        if asked:
            self.session.write(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.handled)
        if messages:
            self.messages += messages
            self.on_messages(messages)


async def log_in_managed(port: int, users: Iterable[int], context: ssl.SSLContext | None) -> list[Managed]:
    """Return sessions with stream management of the users with these numbers."""

    async def one(number: int) -> Managed:
        session = await connect(port)
        await session.login(f"u{number}", context)
        managed = Managed(f"u{number}", session)
        await managed.enable()
        return managed

    return await some_at_once(one, users, 50)


async def some_at_once(work: Callable[[T], Awaitable[R]], items: Iterable[T], at_once: int) -> list[R]:
    """Await `work` for all items, of which `at_once` are under way, and return the results."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    return list(await asyncio.gather(*map(one, items)))


async def sm(load: Load) -> Result:
    """Like chat, with stream management in all clients: they ask for acknowledgements and answer requests."""
    clients = await log_in_managed(load.port, range(load.users), trusting() if load.tls else None)
    meter, starts = Meter(), []
    for first, second in zip(clients[::2], clients[1::2], strict=True):
        for sender, receiver in ((first, second), (second, first)):
            starts.append(_closed_loop(sender, receiver, meter))
    for start in starts:
        start(load.window)
    result = await meter.measure(load)
    silent = [client.user for client in clients if not client.acks]
    drop([client.session for client in clients])
    if silent:
        raise RuntimeError(f"the server acknowledged nothing to {', '.join(silent)}")
    return result


def _closed_loop(sender: Managed, receiver: Managed, meter: Meter) -> Callable[[int], None]:
    """Send a message for every one that arrives; return the function that starts it."""
    message = f"<message to='{receiver.user}@localhost/b' type='chat' id='m'>{BODY}</message>".encode()
    due: deque[float] = deque()

    def send(number: int) -> None:
        due.extend([time.perf_counter()] * number)
        sender.send(message, number)

    def arrived(number: int) -> None:
        now = time.perf_counter()
        meter.operations += number
        for _ in range(min(number, len(due))):
            meter.durations.append(now - due.popleft())
        send(number)

    receiver.on_messages = arrived
    return send


async def resume(load: Load) -> Result:
    """All but some lose their connections at once, get messages, and resume at once. One operation is one resumption.

    The others exchange messages all the time, at a fixed rate, from a process of their own; the latencies are theirs.
    What they cost is known from before and taken off. RuntimeError if a message is missing after a resumption.
    """
    context = trusting() if load.tls else None
    async with Talk(load.port, TALKERS, load.tls) as talk:
        clients = await log_in_managed(load.port, range(TALKERS + 1, load.users), context)
        await asyncio.sleep(load.warmup)
        quiet, used = time.perf_counter(), cpu_seconds(load.pid)
        await asyncio.sleep(load.seconds)
        until = time.perf_counter()
        talking = (cpu_seconds(load.pid) - used) / (until - quiet)
        drop([client.session for client in clients])
        await asyncio.sleep(load.warmup)
        await _send_to_all(load, clients, context)
        own = time.process_time()
        began, used = time.perf_counter(), cpu_seconds(load.pid)
        await some_at_once(lambda client: client.resume(load.port, context), clients, AT_ONCE)
        seconds = time.perf_counter() - began
        cpu = cpu_seconds(load.pid) - used
        own = time.process_time() - own
        await asyncio.sleep(load.warmup)
        wrong = [f"{client.user}: {client.messages}" for client in clients if client.messages != MISSED]
        drop([client.session for client in clients])
    if wrong:
        raise RuntimeError(f"not {MISSED} messages after resuming: {', '.join(wrong[:10])}, {len(wrong)} in all")
    during = talk.latencies(began, began + seconds)
    return Result(
        len(clients),
        len(clients) / seconds,
        (cpu - talking * seconds) / len(clients) * 1e6,
        during[len(during) // 2] * 1e3,
        during[int(len(during) * 0.99)] * 1e3,
        cpu / seconds * 100,
        own / seconds * 100,
        quiet_ms=(before := talk.latencies(quiet, until))[int(len(before) * 0.99)] * 1e3,
    )


async def _send_to_all(load: Load, clients: list[Managed], context: ssl.SSLContext | None) -> None:
    """Send everybody the messages they are to miss, and wait until the server is through with them."""
    (sender,) = await log_in_managed(load.port, [TALKERS], context)
    for client in clients:
        text = f"<message to='{client.user}@localhost/b' type='chat' id='m'>{BODY}</message>"
        sender.session.write(text.encode() * MISSED)
    sender.session.received = None
    ping = b"<iq type='get' to='localhost' id='through'><ping xmlns='urn:xmpp:ping'/></iq>"
    await sender.session.ask(ping, b"through")
    await asyncio.sleep(load.warmup)
    drop([sender.session])


async def hibernate(load: Load) -> Result:
    """Memory of the server per session that has lost its connection and waits to be resumed."""
    before = resident_kib(load.pid)
    context = trusting() if load.tls else None
    clients = await log_in_managed(load.port, range(load.users), context)
    drop([client.session for client in clients])
    await asyncio.sleep(load.warmup)
    used = cpu_seconds(load.pid)
    await asyncio.sleep(load.seconds)
    percent = (cpu_seconds(load.pid) - used) / load.seconds * 100
    kib = (resident_kib(load.pid) - before) / load.users
    await some_at_once(lambda client: client.resume(load.port, context), clients, 50)
    drop([client.session for client in clients])
    return Result(operations=load.users, server_percent=percent, kib=kib)
