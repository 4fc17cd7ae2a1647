"""A round of uploads: a fresh server, people who put files there, faults, and a look at what is there in the end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import plan as single
from tests.faults.link import Link
from tests.faults.servers import Xmppd
from tests.faults.uploads import looking
from tests.faults.uploads.asking import Asker
from tests.faults.uploads.plan import Trouble, When, troubles
from tests.faults.web.doors import Carrier, Doors, trusting
from tests.faults.web.line import Line
from tests.interop.server import DOMAIN

#: Seconds in which a PUT has to begin: then the reservation of a slot ends. And how often what has ended is looked for.
SLOT, PURGE = 6, 0.5
SETTINGS = f"""
[hosts."{DOMAIN}".http_upload]
put_seconds = {SLOT}
purge_seconds = {PURGE}
free_octets = 0
daily_octets = 100000000000
daily_files = 100000
files = 100000
quota = 100000000000
open_slots = 1000
slots_per_minute = 100000
[http]
body_idle_seconds = 4.0
"""
PART = 16_384
_BROKEN = (OSError, TimeoutError)
_CARRIERS = (Carrier.TCP, Carrier.WSS, Carrier.BOSH)


@dataclass
class File:
    """A file that was to be uploaded."""

    name: str
    put: str
    get: str
    data: bytes
    trouble: Trouble
    answers: list[int] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """What it is known by."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def promised(self) -> bool:
        """Was somebody told that it is there?"""
        return 201 in self.answers

    def __str__(self) -> str:
        return f"{self.name} ({len(self.data)} octets, {self.trouble}, answered {self.answers}, {self.get})"


@dataclass(frozen=True)
class Shape:
    """How many people upload; how many times what happens to the server."""

    people: int
    seed: str
    faults: tuple[single.Fault, ...]
    kills: tuple[When, ...]


class Round:
    """A round.

    :ivar figures: how much there was of what.
    :ivar violations: what is wrong.
    """

    def __init__(self, server: Xmppd, shape: Shape) -> None:
        self.server, self.shape = server, shape
        self.files: list[File] = []
        self.figures: Counter[str] = Counter()
        self.violations: list[str] = []
        self.events: list[str] = []
        self._numbers = itertools.count(1)
        self._troubles = troubles(shape.seed)
        self._chance = random.Random(f"{shape.seed} data")
        self._loaded = True
        self._kills = list(shape.kills)
        self._sent, self._told = asyncio.Event(), asyncio.Event()
        self._began = time.monotonic()
        self._faulty = False

    async def run(self) -> None:
        """Play it."""
        context = trusting(self.server.certificate)
        self._link = Link(self.server.http_port, self.server.https_port)
        await self._link.start()
        self._context = context
        doors = Doors(self.server.c2s_port, self.server.http_port, self.server.https_port, context)
        await asyncio.to_thread(self.server.start)
        people = [Asker(f"u{n}", doors, _CARRIERS[n % 3]) for n in range(self.shape.people)]
        tasks = [asyncio.create_task(self._upload_all(person)) for person in people]
        try:
            for fault in self.shape.faults:
                await asyncio.sleep(fault.gap)
                self._say(f"server: {fault.kind}, {fault.seconds:.2f} s")
                await getattr(self, f"_on_{fault.kind}")(fault)
            await self._kill(When.ANY, 0.5)  # while they upload; they don't go on
        finally:
            self._loaded = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for person in people:
                person.drop()
            self._link.mend()
        try:
            await self._prove()
        finally:
            await self._link.stop()

    def _say(self, text: str) -> None:
        self.events.append(f"{time.monotonic() - self._began:9.3f} {text}")

    def wrong(self, text: str) -> None:
        """Note a violation."""
        self._say(f"WRONG: {text}")
        self.violations.append(text)

    # What befalls the server

    async def _on_kill(self, fault: single.Fault) -> None:
        await self._kill(self._kills.pop(), fault.seconds)

    async def _kill(self, when: When, seconds: float) -> None:
        event = {When.SENT: self._sent, When.TOLD: self._told}.get(when)
        if event is not None:
            event.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await event.wait()
            if when is When.SENT:
                await asyncio.sleep(self._chance.uniform(0, 0.012))  # it is written just now
        self._say(f"killed, {when}")
        self.server.kill()
        self.figures[f"kills, {when}"] += 1
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.server.start)

    async def _on_stop(self, fault: single.Fault) -> None:
        await asyncio.to_thread(self.server.stop)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.server.start)

    async def _on_pause(self, fault: single.Fault) -> None:
        self.server.pause()
        await asyncio.sleep(fault.seconds)
        self.server.go_on()

    async def _on_lock(self, fault: single.Fault) -> None:
        self._faulty = True
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, self.server.blocked())
            await asyncio.sleep(fault.seconds)

    async def _on_disk(self, fault: single.Fault) -> None:
        self._faulty = True
        assert self.server.disk is not None
        await asyncio.to_thread(self.server.disk.fill)
        await asyncio.sleep(fault.seconds)
        self.server.disk.free()
        process = self.server.process
        if process is not None and process.poll() is not None:
            self.wrong(f"a full disk has ended the server, with status {process.returncode}")
            await asyncio.to_thread(self.server.start)

    # Uploads

    async def _upload_all(self, person: Asker) -> None:
        while self._loaded:
            trouble, size, part = next(self._troubles)
            name = f"f{next(self._numbers)}.bin"
            slot = await person.slot(name, size)
            if isinstance(slot, str):
                self.figures["slots refused, or not answered"] += 1
                self._say(f"{person.account} gets no slot: {slot}")
                await asyncio.sleep(0.3)
                continue
            file = File(name, *slot, self._chance.randbytes(size), trouble)
            self.files.append(file)
            try:
                await self._upload(file, part)
            except Exception as error:
                self.wrong(f"{file}: {error!r}")

    async def _upload(self, file: File, part: float) -> None:
        """Put a file there; try again, as clients do, if it was not answered."""
        if file.trouble is Trouble.TWICE:
            await asyncio.gather(self._put(file, Trouble.NONE, part), self._put(file, Trouble.SLOW, part))
        else:
            await self._put(file, file.trouble, part)
        if not file.promised and part < 0.5:
            await asyncio.sleep(part)
            await self._put(file, Trouble.NONE, part)
        if file.promised:
            await self._get(file)

    async def _put(self, file: File, trouble: Trouble, part: float) -> None:
        self.figures["PUT requests"] += 1
        secure = part * 10 % 1 < 0.3
        line: Line | None = None
        try:
            async with asyncio.timeout(12):
                line = await Line.dial(self._link.ports[secure], self._context if secure else None)
                code, data = await self._send(line, file, trouble, part)
        except _BROKEN as error:
            self._say(f"{file.name} is cut, {trouble}: {str(error) or type(error).__name__}")
        else:
            file.answers.append(code)
            self._say(f"{file.name} is answered with {code}, {trouble}: {data[:80]!r}")
            self.figures[f"answered with {code}"] += 1
            if code == 201:
                self._told.set()
            elif code not in (400, 403, 404, 408, 409, 503) and not (self._faulty and code in (500, 507)):
                self.wrong(f"{file}: {code} was not to be expected")
        finally:
            if line is not None:
                line.abort()

    async def _send(self, line: Line, file: File, trouble: Trouble, part: float) -> tuple[int, bytes]:
        head = f"PUT {file.put} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: {len(file.data)}\r\n\r\n"
        answer = line.expect()
        pair = self._link.current
        assert pair is not None
        await line.write(head.encode())
        stop = int(len(file.data) * part) if trouble in (Trouble.RESET, Trouble.FIN, Trouble.LIE) else len(file.data)
        cut = int(len(file.data) * part)
        for at in range(0, stop, PART):
            if answer.done():
                return answer.result()
            if at <= cut < at + PART:
                if trouble is Trouble.INSIDE:
                    pair.cut_inside(0, part)
                elif trouble is Trouble.FREEZE:
                    pair.frozen = True
            if at + PART >= len(file.data) and trouble is Trouble.BEHIND:
                pair.cut_behind()
            await line.write(file.data[at : min(at + PART, stop)])
            if trouble is Trouble.SLOW:
                await asyncio.sleep(1.5 * min(1, PART / len(file.data)))
            elif self._chance.random() < 0.1:
                await asyncio.sleep(0)
        if trouble is Trouble.RESET:
            await asyncio.sleep(0.05)
            line.cut()
        elif trouble is Trouble.FIN:
            line.transport.close()
        else:
            self._sent.set()
        return await answer

    async def _get(self, file: File, last: bool = False) -> None:
        """Get a file, if the server can be reached; see whether it is whole."""
        for _ in range(5 if last else 1):
            line: Line | None = None
            try:
                async with asyncio.timeout(10):
                    line = await Line.dial(self.server.http_port)
                    code, data = await line.ask("GET", file.get, apart=False)
            except _BROKEN as error:
                if last:
                    self._say(f"{file.name} can't be got: {error!r}")
                    await asyncio.sleep(0.2)
                continue
            finally:
                if line is not None:
                    line.abort()
            self._judge(file, code, data, last)
            return
        if last:
            self.wrong(f"{file} can't be asked for")

    def _judge(self, file: File, code: int, data: bytes, last: bool) -> None:
        if code == 200 and hashlib.sha256(data).hexdigest() == file.digest:
            self.figures["files that are there, whole" if last else "got at once"] += 1
            self.figures["... of which nobody was told"] += last and not file.promised
        elif code == 200:
            self.wrong(f"{file} is there with other octets: {len(data)}")
        elif code == 404 and not file.promised:
            self.figures["files that are not there"] += last
        elif last or code not in (500, 503):
            self.wrong(f"{file} was promised, and asking for it is answered with {code}")

    # The end

    async def _prove(self) -> None:
        """Look at what is there: right after a start, and when all slots have ended."""
        folder = self.server.folder / "data" / "http_upload" / DOMAIN
        for violation in await asyncio.to_thread(looking.after_start, folder):
            self.wrong(violation)
        for file in self.files:
            await self._get(file, last=True)
        self.figures["files asked for"] = len(self.files)
        self.figures["files that were promised"] = sum(file.promised for file in self.files)
        await asyncio.sleep(SLOT + 4 * PURGE)
        for violation in await asyncio.to_thread(looking.in_the_end, folder, self.server.folder / "data"):
            self.wrong(violation)

    def save(self, folder: Path) -> None:
        """Write down what is known."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "violations.txt").write_text("\n".join(self.violations) + "\n")
        (folder / "events.txt").write_text("\n".join(self.events) + "\n")
        (folder / "files.txt").write_text("\n".join(map(str, self.files)) + "\n")
        shutil.copy(self.server.log, folder / "server.log")
