"""Who passes by: a device without stream management, which is gone with its connection, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Sequence
from xml.sax.saxutils import quoteattr

from tests.faults.history import Key, What
from tests.faults.reading import CLIENT
from tests.faults.rooms.guest import Guest, Recording
from tests.faults.servers import PASSWORD
from tests.faults.stream import BIND, Stream

Opening = Callable[[Callable[[str], None]], Awaitable[Stream]]
_BROKEN = (OSError, TimeoutError, ConnectionError, ET.ParseError)
#: Of so many times that it comes, those in which it enters a room of its.
COMES_IN = 0.7


class Passer:
    """A device that is connected for some seconds, and away for some; it always has the same resource.

    :param open_: connects; it is given whom to tell when the connection is gone.
    :param stays: it comes and doesn't go any more.
    """

    def __init__(self, name: str, open_: Opening, rooms: Sequence[str], record: Recording, stays: bool = False) -> None:
        self.name, self._open, self._record, self.stays = name, open_, record, stays
        self.account, _, self._resource = name.partition("/")
        self.guest = Guest(name, rooms, self._put, record)
        self._chance = random.Random(f"{name} passes")
        self._stream: Stream | None = None
        self._session = 0
        self._on = self._going = False
        self._haunts = 0.0  # until then it may be seen, though it is gone
        self._task: asyncio.Task[None] | None = None
        #: Is not to come again.
        self.done = False

    def start(self) -> None:
        """Begin to come and go."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End it all; nothing of that is written down."""
        self.done, self._on = True, False
        if self._stream is not None:
            self._stream.hand_over(lambda _element: None)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._stream is not None:
            self._stream.drop("the end")

    @property
    def settled(self) -> bool:
        """Is it where it is going to be?"""
        if self.stays:
            return self._on and self.guest.settled
        return self.done and not self._on and asyncio.get_running_loop().time() > self._haunts

    async def _run(self) -> None:
        while self.stays or not self.done:
            try:
                async with asyncio.timeout(10):
                    await self._connect()
            except _BROKEN as error:
                if self._stream is not None:
                    self._stream.drop(str(error))
            else:
                await self._be_there()
            await asyncio.sleep(self._chance.uniform(0.1, 2.5))

    async def _connect(self) -> None:
        stream = self._stream = await self._open(self._lost)
        await stream.log_in(self.account, PASSWORD)
        stream.write(f"<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{self._resource}</resource></bind></iq>")
        answer = await stream.next()
        if answer.get("type") != "result":
            raise ConnectionError("not bound")
        self._session += 1
        self._on, self._going = True, False
        self._record(What.BEGAN, self.name, None, self._session)
        stream.write("<presence/>")
        for seat in self.guest.seats.values():
            seat.wanted = self.stays or self._chance.random() < COMES_IN
        stream.hand_over(self._element)
        self.guest.ready(self._session)

    async def _be_there(self) -> None:
        """Stay for a while, or until it is told that all is over."""
        assert self._stream is not None
        stream, end = self._stream, asyncio.get_running_loop().time() + self._chance.uniform(1.5, 8.0)
        while stream.open and (self.stays or (not self.done and asyncio.get_running_loop().time() < end)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await stream.ended.wait()
            self.guest.tend()
        if stream.open:
            await self._go(stream)

    async def _go(self, stream: Stream) -> None:
        """Leave the rooms, end the stream or lose the connection."""
        way = self._chance.random()
        if way < 0.3:
            for seat in self.guest.seats.values():
                seat.wanted = False
            self.guest.tend()
            await asyncio.sleep(0.5)
        self._going = True
        self.guest.part()
        if way < 0.7:
            stream.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await stream.ended.wait()
        stream.drop("gone")

    def _lost(self, why: str) -> None:
        if self._on:
            self._on = False
            self._record(What.BROKEN, self.name, None, self._session, why)
            ended = self._stream is not None and self._stream.ended_properly
            if self._stream is not None and not ended:
                self._haunts = asyncio.get_running_loop().time() + self._stream.lingers
            self.guest.over("gone" if self._going or ended else "lost")

    def _put(self, xml: str, token: Key | str) -> None:
        if self._stream is not None:
            self._stream.write(xml)

    def _element(self, element: ET.Element) -> None:
        if element.tag == f"{{{CLIENT}}}presence":
            self.guest.saw(element)
        elif element.tag == f"{{{CLIENT}}}message":
            self.guest.heard(element)
        elif element.tag == f"{{{CLIENT}}}iq" and element.get("type") in ("get", "set"):
            to = f" to={quoteattr(element.get('from', ''))}" if element.get("from") else ""
            self._put(f"<iq type='result' id={quoteattr(element.get('id', ''))}{to}/>", "answer")
