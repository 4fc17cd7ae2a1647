"""The workloads: each drives one started server and returns what an operation cost."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.client import DOMAIN, Session, connect, log_in_all, trusting
from bench.process import cpu_seconds, resident_kib

BODY = (
    "<body>It is the east, and Juliet is the sun. Arise, fair sun, and kill the envious moon, who is already "
    "sick and pale with grief.</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
    "<request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='0f5a8c6e-4b1d'/>"
    "<markable xmlns='urn:xmpp:chat-markers:0'/>"
)


@dataclass(frozen=True)
class Load:
    """How much of it. `seconds` are measured after `warmup` seconds that are not."""

    port: int
    pid: int
    users: int
    window: int
    contacts: int
    seconds: float
    warmup: float
    tls: bool
    messages: int
    page: int


@dataclass(frozen=True)
class Result:
    """What was measured. `cpu_us` is the server's CPU time per operation; `kib` memory per idle connection.

    `first_ms` and `last_ms`: a page at the beginning and at the end of an archive. `quiet_ms`: where something else
    goes on at the same time, the 99th percentile without it.
    """

    operations: int = 0
    per_second: float = 0.0
    cpu_us: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    server_percent: float = 0.0
    generator_percent: float = 0.0
    kib: float = 0.0
    first_ms: float = 0.0
    last_ms: float = 0.0
    quiet_ms: float = 0.0


@dataclass
class Meter:
    """Counts operations and their durations."""

    operations: int = 0
    durations: list[float] = field(default_factory=list)

    async def measure(self, load: Load) -> Result:
        """Let the load run: warm up, then measure."""
        await asyncio.sleep(load.warmup)
        self.operations, self.durations = 0, []
        began, used, own = time.perf_counter(), cpu_seconds(load.pid), time.process_time()
        await asyncio.sleep(load.seconds)
        seconds = time.perf_counter() - began
        cpu, own, operations = cpu_seconds(load.pid) - used, time.process_time() - own, self.operations
        durations = sorted(self.durations) or [0.0]
        return Result(
            operations,
            operations / seconds,
            cpu / operations * 1e6 if operations else float("nan"),
            durations[len(durations) // 2] * 1e3,
            durations[int(len(durations) * 0.99)] * 1e3,
            cpu / seconds * 100,
            own / seconds * 100,
        )


def counter(token: bytes, counted: Callable[[int], None]) -> Callable[[bytes], None]:
    """Return a receiver that calls `counted` with the number of times `token` came, also across chunks."""
    rest = b""
    keep = len(token) - 1

    def receive(data: bytes) -> None:
        nonlocal rest
        data = rest + data
        number = data.count(token)
        rest = data[-keep:]
        if number:
            counted(number)

    return receive


def closed_loop(session: Session, request: bytes, token: bytes, meter: Meter, answer: Session) -> Callable[[int], None]:
    """Send a `request` on `session` for every `token` that `answer` gets; return the function that starts it."""
    due: deque[float] = deque()

    def send(number: int) -> None:
        now = time.perf_counter()
        due.extend([now] * number)
        session.write(request * number)

    def counted(number: int) -> None:
        now = time.perf_counter()
        meter.operations += number
        for _ in range(min(number, len(due))):
            meter.durations.append(now - due.popleft())
        send(number)

    answer.received = counter(token, counted)
    return send


async def chat(load: Load) -> Result:
    """Pairs send each other 450-byte messages, `window` at a time in flight each way."""
    sessions = await log_in_all(load.port, load.users, trusting() if load.tls else None)
    meter, starts = Meter(), []
    for first, second in zip(sessions[::2], sessions[1::2], strict=True):
        for sender, receiver in ((first, second), (second, first)):
            message = f"<message to='{receiver.jid}' type='chat' id='m'>{BODY}</message>".encode()
            starts.append(closed_loop(sender, message, b"</message>", meter, receiver))
    for start in starts:
        start(load.window)
    result = await meter.measure(load)
    drop(sessions)
    return result


async def iq(load: Load) -> Result:
    """Users ping the server (XEP-0199), `window` at a time in flight each."""
    sessions = await log_in_all(load.port, load.users, trusting() if load.tls else None)
    meter = Meter()
    ping = f"<iq type='get' to='{DOMAIN}' id='p'><ping xmlns='urn:xmpp:ping'/></iq>".encode()
    for start in [closed_loop(session, ping, b"<iq ", meter, session) for session in sessions]:
        start(load.window)
    result = await meter.measure(load)
    drop(sessions)
    return result


async def presence(load: Load) -> Result:
    """Users with `contacts` mutual contacts change their status as soon as all contacts saw the last change.

    One operation is one contact reached.
    """
    sessions = await log_in_all(load.port, load.users, trusting() if load.tls else None)
    await befriend(sessions, load.contacts)
    meter = Meter()
    waiting = [0] * len(sessions)
    began = [0.0] * len(sessions)

    def change(number: int) -> None:
        waiting[number], began[number] = load.contacts, time.perf_counter()
        sessions[number].write(b"<presence><status>%d.</status></presence>" % number)

    def reached(number: int) -> None:
        meter.operations += 1
        waiting[number] -= 1
        if waiting[number] == 0:
            meter.durations.append(time.perf_counter() - began[number])
            change(number)

    for number, session in enumerate(sessions):
        session.received = status_reader(number, reached)
    for number in range(len(sessions)):
        change(number)
    result = await meter.measure(load)
    drop(sessions)
    return result


def status_reader(own: int, reached: Callable[[int], None]) -> Callable[[bytes], None]:
    """Return a receiver that calls `reached` with the number in every status but one's own reflection."""
    pattern = re.compile(rb"<status>(\d+)\.</status>")
    rest = b""

    def receive(data: bytes) -> None:
        nonlocal rest
        data, end = rest + data, 0
        for match in pattern.finditer(data):
            end = match.end()
            if int(match[1]) != own:
                reached(int(match[1]))
        rest = data[max(end, len(data) - 40) :]

    return receive


async def befriend(sessions: list[Session], contacts: int) -> None:
    """Subscribe everybody to the `contacts` nearest others in a ring, both ways."""
    quiet = time.perf_counter()

    def heard(_data: bytes) -> None:
        nonlocal quiet
        quiet = time.perf_counter()

    for session in sessions:
        session.received = heard
    for kind in (b"subscribe", b"subscribed"):
        for number, session in enumerate(sessions):
            for step in range(1, contacts // 2 + 1):
                for other in (number - step, number + step):
                    to = f"u{other % len(sessions)}@{DOMAIN}".encode()
                    session.write(b"<presence type='" + kind + b"' to='" + to + b"'/>")
            await asyncio.sleep(0.02)
        quiet = time.perf_counter()
        while time.perf_counter() - quiet < 1.0:
            await asyncio.sleep(0.1)


async def login(load: Load) -> Result:
    """`window` times 25 logins at once: stream, TLS if wanted, SASL PLAIN, bind, presence, end of the stream."""
    meter, ended = Meter(), False
    context = trusting() if load.tls else None
    free = deque(range(load.users))

    async def again_and_again() -> None:
        while not ended:
            user = free.popleft()
            began = time.perf_counter()
            session = await connect(load.port)
            await session.login(f"u{user}", context)
            session.write(b"<presence/>")
            meter.operations += 1
            meter.durations.append(time.perf_counter() - began)
            await session.leave()
            free.append(user)

    slots = [asyncio.ensure_future(again_and_again()) for _ in range(min(load.window * 25, load.users // 2))]
    result = await meter.measure(load)
    ended = True
    await asyncio.wait(slots, timeout=10)
    return result


async def idle(load: Load) -> Result:
    """Memory of the server per connection that is logged in and silent."""
    before = resident_kib(load.pid)
    sessions = await log_in_all(load.port, load.users, trusting() if load.tls else None)
    await asyncio.sleep(load.warmup)
    used = cpu_seconds(load.pid)
    await asyncio.sleep(load.seconds)
    percent = (cpu_seconds(load.pid) - used) / load.seconds * 100
    kib = (resident_kib(load.pid) - before) / load.users
    drop(sessions)
    return Result(operations=load.users, server_percent=percent, kib=kib)


def drop(sessions: list[Session]) -> None:
    """Cut the connections; the server is stopped right after."""
    for session in sessions:
        session.received = lambda _data: None
        session.transport.abort()
