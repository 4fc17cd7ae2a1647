"""Who writes over BOSH without stream management, on a network that breaks, and what it may rely on.

The result of a ping says that all that was sent before is on disk. The answer to a request says that the server has
taken what is in it: once, however often it was sent; it is lost only if the server is killed in the next moment.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.faults import reading
from tests.faults.device import Recorder
from tests.faults.history import Key, What
from tests.faults.link import DOWN, UP, Link
from tests.faults.servers import PASSWORD
from tests.faults.stream import BIND
from tests.faults.web.bosh import BoshStream
from tests.interop.server import DOMAIN

_BROKEN = (OSError, TimeoutError, ET.ParseError)


class PlainSender:
    """A client of an account that has devices besides; it has no presence.

    :param link: its network; the server's port is the first one behind it.
    :param peers: the accounts that it writes to.
    """

    def __init__(self, name: str, link: Link, peers: Sequence[str], record: Recorder) -> None:
        self.name, self._link, self._record = name, link, record
        self._account = name.partition("/")[0]
        self._peers = [peer for peer in peers if peer != self._account]
        self._chance = random.Random(f"{name} plain")
        self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._pings: dict[str, list[Key]] = {}
        self._open: list[Key] = []  # sent in this session, with no answer behind them
        self._stream: BoshStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._loaded = True

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._break())]

    def hush(self) -> None:
        """Write nothing more."""
        self._loaded = False

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._stream is not None:
            self._stream.drop("the end")

    async def _run(self) -> None:
        for turn in itertools.count():
            stream = self._stream = BoshStream(
                self._link.port, self._lost, DOMAIN, None, bool(turn % 2), self._repeated
            )
            stream.taken, stream.wrong = self._taken, self._wrong
            try:
                async with asyncio.timeout(10):
                    await self._begin(stream)
                await self._write(stream)
            except _BROKEN as error:
                stream.drop(str(error))
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def _begin(self, stream: BoshStream) -> None:
        await stream.log_in(self._account, PASSWORD)
        resource = f"<resource>{self.name.partition('/')[2]}</resource>"
        stream.write(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{resource}</bind></iq>")
        answer = await stream.next()
        if answer.get("type") != "result":
            raise ConnectionError("not bound")
        self._open.clear()
        self._pings.clear()
        stream.hand_over(self._element)

    async def _write(self, stream: BoshStream) -> None:
        for number in itertools.count():
            await asyncio.sleep(self._chance.uniform(0.05, 0.4))
            if not stream.open:
                return
            if self._loaded:
                self._say(stream)
            if self._open and number % 4 == 0:
                id_ = f"p{number}"
                self._pings[id_], self._open = self._open, []
                stream.write(f"<iq type='get' id='{id_}'><ping xmlns='urn:xmpp:ping'/></iq>")

    def _say(self, stream: BoshStream) -> None:
        to = self._chance.choice(self._peers)
        key = Key(self.name, to, next(self._numbers[to]))
        self._record(What.SENT, self.name, key, 1, to)
        self._open.append(key)
        stream.write(reading.message(key, f"{to}@{DOMAIN}"))

    def _element(self, element: ET.Element) -> None:
        if element.get("type") == "result":
            for key in self._pings.pop(element.get("id", ""), ()):
                self._record(What.ACKED, self.name, key, 1)

    def _taken(self, elements: Iterable[str]) -> None:
        """A request with these elements was answered."""
        for xml in elements:
            key = Key.parse(ET.fromstring(xml).get("id", ""))
            if key is not None:
                self._record(What.TAKEN, self.name, key, 1)

    def _lost(self, why: str) -> None:
        self._record(What.BROKEN, self.name, None, 1, why)

    def _wrong(self, why: str) -> None:
        self._record(What.OFFENCE, self.name, None, 1, why)

    def _repeated(self, times: str) -> None:
        self._record(What.REPEATED, self.name, None, 1, times)

    async def _break(self) -> None:
        """Break its connections."""
        while self._loaded:
            await asyncio.sleep(self._chance.uniform(1.0, 5.0))
            for pair in self._link.struck(self._chance):
                way = self._chance.randrange(6)
                if way == 0:
                    pair.cut()
                elif way == 1:
                    pair.close()
                elif way == 2:
                    pair.frozen = True
                elif way == 3:
                    pair.cut_behind()
                else:
                    pair.cut_inside(DOWN if way == 4 else UP, self._chance.random())
        self._link.mend()
