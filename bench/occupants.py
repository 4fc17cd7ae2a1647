"""Occupants of rooms (XEP-0045), and the workloads of `python -m bench.rooms`: each drives one started server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.client import DOMAIN, Session, log_in_all, trusting
from bench.managed import log_in_managed, some_at_once
from bench.process import cpu_seconds, resident_kib
from bench.workloads import counter

SERVICE = f"conference.{DOMAIN}"
ROOM = f"room@{SERVICE}"
MUC = "http://jabber.org/protocol/muc"
BODY = (
    "<body>It is the east, and Juliet is the sun. Arise, fair sun, and kill the envious moon, who is already "
    "sick and pale with grief.</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
    "<origin-id xmlns='urn:xmpp:sid:0' id='0f5a8c6e-4b1d'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
)
PATIENCE = 60.0
_ENTER = f"<x xmlns='{MUC}'><history maxstanzas='0'/></x>"
_FORM = "<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
_TYPE = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
_PERSISTENT = f"{_TYPE}<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
#: One's own presence, as the last of those one is shown; or why there is none.
_IN = re.compile(rb"code=['\"](?:110|201)['\"][^>]*>(?:(?!<presence).)*?</presence>|type=['\"]error['\"]", re.DOTALL)
_GONE = re.compile(rb"type=['\"]unavailable['\"]")
_CONFIGURED = re.compile(rb"<iq [^>]*id=['\"]own['\"]")
_KEEP = 4_000  # octets in which one's own presence is looked for
_FEW = 20
"""Occupants on their way into the room at the same time; joins that are measured one by one."""


@dataclass(frozen=True)
class Crowd:
    """How many do what. `seconds` are measured after `warmup` seconds that are not."""

    port: int
    pid: int
    occupants: int
    senders: int
    seconds: float
    warmup: float
    tls: bool
    sm: bool


@dataclass(frozen=True)
class Figure:
    """One thing measured: what is to be compared, its unit, and what else there is to say."""

    cost: float
    unit: str
    rest: str


class Occupant:
    """A session that enters rooms. :ivar hears: gets what comes, besides stream management if it has that."""

    def __init__(self, session: Session, nick: str) -> None:
        self.session = session
        self.nick = nick
        self.hears: Callable[[bytes], None] = lambda _data: None
        self._managing = session.received
        self._awaited: tuple[re.Pattern[bytes], asyncio.Future[bytes]] | None = None
        self._rest = b""
        session.received = self._received

    def _received(self, data: bytes) -> None:
        if self._managing is not None:
            self._managing(data)
        self.hears(data)
        if self._awaited is not None:
            pattern, future = self._awaited
            self._rest += data
            found = pattern.search(self._rest)
            if found is not None and not future.done():
                self._awaited = None
                future.set_result(found[0])
            self._rest = self._rest[-_KEEP:]

    async def ask(self, xml: str, answer: re.Pattern[bytes]) -> bytes:
        """Send, and return what matches the answer."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited, self._rest = (answer, future), b""
        self.session.write(xml.encode())
        return await asyncio.wait_for(future, PATIENCE)

    async def enter(self, room: str, persistent: bool = False) -> None:
        """Enter a room. One that is new is configured. RuntimeError if that may not be."""
        got = await self.ask(f"<presence to='{room}/{self.nick}'>{_ENTER}</presence>", _IN)
        if b"error" in got:
            raise RuntimeError(f"{self.nick} may not enter {room}")
        if b"201" in got:
            form = _FORM.format(fields=_PERSISTENT if persistent else "")
            query = f"<query xmlns='{MUC}#owner'>{form}</query>"
            await self.ask(f"<iq type='set' to='{room}' id='own'>{query}</iq>", _CONFIGURED)

    async def leave(self, room: str) -> None:
        """Leave a room."""
        await self.ask(f"<presence to='{room}/{self.nick}' type='unavailable'/>", _GONE)


async def log_in(crowd: Crowd, number: int) -> list[Occupant]:
    """Return occupants-to-be."""
    context = trusting() if crowd.tls else None
    if crowd.sm:
        sessions = [client.session for client in await log_in_managed(crowd.port, range(number), context)]
    else:
        sessions = await log_in_all(crowd.port, number, context)
    return [Occupant(session, f"u{number}") for number, session in enumerate(sessions)]


async def fill(occupants: Sequence[Occupant]) -> None:
    """Have everybody enter the room, some at a time."""
    await occupants[0].enter(ROOM)
    await some_at_once(lambda occupant: occupant.enter(ROOM), occupants[1:], _FEW)


class Tally:
    """How often something has come to any of some occupants."""

    def __init__(self, occupants: Sequence[Occupant], token: bytes) -> None:
        self.number = 0
        for occupant in occupants:
            occupant.hears = counter(token, self._add)

    def _add(self, number: int) -> None:
        self.number += number

    async def reaches(self, number: int) -> None:
        """Wait until it has come so often; RuntimeError if nothing more comes."""
        before, since = self.number, time.perf_counter()
        while self.number < number:
            await asyncio.sleep(0.002)
            if self.number != before:
                before, since = self.number, time.perf_counter()
            elif time.perf_counter() - since > PATIENCE:
                raise RuntimeError(f"{self.number} of {number} have come, and then nothing more")


async def delivery(crowd: Crowd) -> Figure:
    """Some send, everybody gets it; a sender's next message follows when the last one has come back."""
    occupants = await log_in(crowd, crowd.occupants)
    await fill(occupants)
    message = f"<message to='{ROOM}' type='groupchat' id='m'>{BODY}</message>".encode()
    tally = Tally(occupants, b"</message>")
    for occupant in occupants[: crowd.senders]:
        _speak(occupant, message)
    await asyncio.sleep(crowd.warmup)
    began, used, own, count = time.perf_counter(), cpu_seconds(crowd.pid), time.process_time(), tally.number
    await asyncio.sleep(crowd.seconds)
    seconds, cpu = time.perf_counter() - began, cpu_seconds(crowd.pid) - used
    own, count = time.process_time() - own, tally.number - count
    for occupant in occupants:
        occupant.session.transport.abort()
    if not count:
        raise RuntimeError("no message was delivered")
    rest = f"{count / seconds:9.0f}/s  server {cpu / seconds:4.0%}  generator {own / seconds:4.0%}"
    return Figure(cpu / count * 1e6, "µs", rest)


def _speak(occupant: Occupant, message: bytes) -> None:
    counted = occupant.hears
    again = counter(f"{ROOM}/{occupant.nick}'".encode(), lambda number: occupant.session.write(message * number))

    def hears(data: bytes) -> None:
        counted(data)
        again(data.replace(b'"', b"'"))

    occupant.hears = hears
    occupant.session.write(message)


async def flood(crowd: Crowd) -> tuple[Figure, Figure]:
    """Fill the room, then have some more enter it one by one; return what a presence costs, and what a join does.

    With n occupants, n - 1 presences go to the one who enters, one to everybody, and the subject of the room.
    """
    occupants = await log_in(crowd, crowd.occupants + _FEW)
    tally = Tally(occupants, b"<presence ")
    first, last = occupants[: crowd.occupants], occupants[crowd.occupants :]
    await asyncio.sleep(crowd.warmup)
    tally.number = 0
    began, used = time.perf_counter(), cpu_seconds(crowd.pid)
    await fill(first)
    number = crowd.occupants**2
    await tally.reaches(number)
    seconds, cpu = time.perf_counter() - began, cpu_seconds(crowd.pid) - used
    filling = Figure(cpu / number * 1e6, "µs", f"{number} presences in {seconds:.1f} s, {cpu:.1f} s of CPU")
    await asyncio.sleep(crowd.warmup)
    began, used = time.perf_counter(), cpu_seconds(crowd.pid)
    for more, occupant in enumerate(last, 1):
        await occupant.enter(ROOM)
        await tally.reaches((crowd.occupants + more) ** 2)
    seconds, cpu = (time.perf_counter() - began) / _FEW, (cpu_seconds(crowd.pid) - used) / _FEW
    joining = Figure(cpu * 1e3, "ms", f"until everybody has seen it: {seconds * 1e3:.0f} ms")
    for occupant in occupants:
        occupant.session.transport.abort()
    return filling, joining


async def idle(crowd: Crowd, rooms: int, unloaded: float) -> tuple[Figure, Figure]:
    """Make rooms with one silent occupant each, a hundred for each user; then leave them all, and wait.

    :param unloaded: seconds until the server keeps rooms in memory no longer that nobody is in.
    """
    occupants = await log_in(crowd, max(1, rooms // 100))
    await asyncio.sleep(crowd.warmup)
    before = resident_kib(crowd.pid)

    async def each(occupant: Occupant) -> None:
        for number in range(100):
            await occupant.enter(f"{occupant.nick}-{number}@{SERVICE}", persistent=True)

    async def out(occupant: Occupant) -> None:
        for number in range(100):
            await occupant.leave(f"{occupant.nick}-{number}@{SERVICE}")

    await some_at_once(each, occupants, _FEW)
    silent = await _memory(crowd, before, rooms)
    await some_at_once(out, occupants, _FEW)
    await asyncio.sleep(unloaded)
    return silent, await _memory(crowd, before, rooms)


async def _memory(crowd: Crowd, before: int, rooms: int) -> Figure:
    await asyncio.sleep(crowd.warmup)
    used = cpu_seconds(crowd.pid)
    await asyncio.sleep(crowd.seconds)
    percent = (cpu_seconds(crowd.pid) - used) / crowd.seconds
    return Figure((resident_kib(crowd.pid) - before) / rooms, "KiB", f"CPU {percent:.1%}")
