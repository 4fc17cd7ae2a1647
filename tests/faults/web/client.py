"""A device that comes by the web door, now and then by another way than before, and resumes its session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.faults.client import Client
from tests.faults.device import Offer, Recorder
from tests.faults.history import Trait, What
from tests.faults.stream import Stream
from tests.faults.web.bosh import BoshStream
from tests.faults.web.doors import Carrier, Doors


class WebClient(Client):
    """A device that takes one of its carriers after the other."""

    def __init__(
        self, name: str, doors: Doors, trait: Trait, offer: Offer, recorder: Recorder, ways: Sequence[Carrier]
    ) -> None:
        super().__init__(name, doors.tcp, trait, offer, recorder)
        self._doors, self._ways = doors, ways
        self._turn = -1
        #: What the present stream goes over.
        self.carrier = ways[0]

    async def open(self, lost: Callable[[str], None]) -> Stream:
        self._turn += 1
        self.carrier = self._ways[self._turn % len(self._ways)]
        self.record(What.CAME, self.name, None, self.session, self.carrier)
        stream = await self._doors.open(self.carrier, lost, self._repeated, acks=self._turn % 2 == 1)
        if isinstance(stream, BoshStream):
            stream.wrong = self._wrong
        return stream

    def _wrong(self, why: str) -> None:
        self.record(What.OFFENCE, self.name, None, self.session, why)

    def _repeated(self, times: str) -> None:
        self.record(What.REPEATED, self.name, None, self.session, times)
