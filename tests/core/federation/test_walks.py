"""Random walks: whatever happens to the links, the disk and the server, nothing is lost, doubled or overtaken.

Who sends has stream management, so that he knows what the server has taken. A message ends at the other server or comes
back as an error; both only where nobody can know. Twice it arrives only if the server was killed right after delivery.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar

from sqlalchemy import select

from tests.core.federation.kit import NOT_FOUND, PAIR, TIMEOUT, Conduit, FederationTestCase
from tests.net.test_kills import Dawdling, Phone
from xmppd.core.federation.contract import Pair
from xmppd.core.federation.store import MESSAGES

MANTUA = Pair("example.org", "mantua.example")
STEPS = {
    "send": 50, "take": 20, "up": 12, "managed": 12, "fail": 8, "not found": 2, "clean": 3, "cut": 6, "deliver": 12,
    "stop": 4, "let": 10, "go on": 4, "wait": 6, "long": 1, "kill": 2, "met": 2,
}  # fmt: skip


def number_of(message: Any) -> int:
    """Return the number in the text of a message."""
    return int(message.body.partition(":")[2])


class Walks(FederationTestCase):
    """Random walks; the seed is in the test's name."""

    plugins: ClassVar[Any] = (*FederationTestCase.plugins, Dawdling)
    config: ClassVar[Any] = {"s2s": {"queue_seconds": 10, "queue_stanzas": 15, "retry_seconds": 2}}

    def walk(self, seed: int, steps: int = 150) -> None:
        choice = random.Random(seed)
        self.phone = Phone(self, "romeo@example.org/a")
        self.streams: dict[Pair, Conduit] = {}
        self.arrived: dict[Pair, list[int]] = {PAIR: [], MANTUA: []}
        self.unknown: set[int] = set()  # sent and never acknowledged
        self.repeated: set[int] = set()  # delivered when the server was killed
        self.undecided: set[int] = set()  # on their way back when the server was killed: they are sent after all
        self.count = 0
        for _ in range(steps):
            what = choice.choices(list(STEPS), list(STEPS.values()))[0]
            self.step(choice, what, choice.choice((PAIR, MANTUA)))
        self.settle_all()
        self.check()

    def step(self, choice: random.Random, what: str, pair: Pair) -> None:
        stream = self.streams.get(pair)
        if what == "send":
            self.count += 1
            more = "." * choice.randrange(4)
            self.phone.send(f"<message to='j@{pair.remote}'><body>romeo:{self.count}</body><x>{more}</x></message>")
        elif what == "take":
            self.pump(choice.choice((0.0, 0.004, 0.011)), step=0.003)
            self.take()
        elif what in ("up", "managed"):
            if stream is None:
                self.streams[pair] = self.connector.up(pair, what == "managed")
        elif what in ("fail", "not found"):
            if pair in self.connector.wanted:
                self.connector.fail(TIMEOUT if what == "fail" else NOT_FOUND, pair)
        elif what in ("clean", "cut", "deliver"):
            if stream is not None:
                self.stream_step(choice, what, stream)
        elif what == "met":
            self.federation.met(pair)
        else:
            self.server_step(what)

    def stream_step(self, choice: random.Random, what: str, stream: Conduit) -> None:
        if what == "deliver":
            self.deliver(stream, choice.randint(0, len(stream.sent)))
            return
        del self.streams[stream.pair]
        self.deliver(stream, len(stream.sent) if what == "clean" else 0)
        lost = list(stream.sent)
        stream.sent.clear()
        self.unknown |= {self.note(stream.pair, stanza) for stanza in lost}
        stream.down(clean=what == "clean")
        self.federation.undelivered(lost)

    def deliver(self, stream: Conduit, count: int) -> None:
        """The other server takes so much, and says so; without stream management, all."""
        count = count if stream.managed else len(stream.sent)
        for stanza in stream.sent[:count]:
            self.note(stream.pair, stanza)
        if stream.managed:
            self.federation.delivered(stream.sent[:count])
        del stream.sent[:count]

    def note(self, pair: Pair, stanza: Any) -> int:
        number = number_of(stanza)
        self.arrived[pair].append(number)
        return number

    def server_step(self, what: str) -> None:
        if what == "stop":
            self.disk.stopped = True
        elif what == "go on":
            self.disk.go_on()
        elif what == "let":
            if self.disk.waiting:
                self.disk.let(1)
                self.pump()
        elif what == "kill":
            self.undecided |= self.on_their_way_back()
            for stream in self.streams.values():
                stream.managed = False  # it had come, but we did not hear of it
                self.deliver(stream, 0)
            self.streams.clear()
            self.repeated |= {number for arrived in self.arrived.values() for number in arrived}
            self.kill()
            self.disk.go_on()
            self.phone.resume()
            self.take()
        else:
            self.disk.go_on()
            self.pump(15 if what == "long" else 1.2, step=0.3)
            self.take()

    def on_their_way_back(self) -> set[int]:
        """What is still on disk, though it is known to be delivered, or its error to be on its way."""
        rows = self.wait(self.disk.read(lambda c: c.execute(select(MESSAGES.c.number, MESSAGES.c.data)).all()))
        alive = set(self.federation.store._numbers.values())
        return {int(data.partition(b"romeo:")[2].partition(b"<")[0]) for number, data in rows if number not in alive}

    def take(self) -> None:
        self.phone.take()
        self.phone.client.send("<r xmlns='urn:xmpp:sm:3'/>")

    def settle_all(self) -> None:
        self.disk.go_on()
        for _ in range(4):
            self.pump(3, step=0.3)
            for pair in (PAIR, MANTUA):
                if pair not in self.streams:
                    self.streams[pair] = self.connector.up(pair)
                self.deliver(self.streams[pair], len(self.streams[pair].sent))
            self.take()
        self.pump(3)
        self.take()

    def check(self) -> None:
        self.assertEqual(list(self.phone.queue), [])
        back = [number for sender, number in self.phone.got if sender == "romeo"]
        self.assertEqual(len(back), len(set(back)), "an error came twice")
        everywhere = {number for arrived in self.arrived.values() for number in arrived}
        self.assertEqual(sorted(set(range(1, self.count + 1)) - everywhere - set(back)), [], "lost")
        both = everywhere & set(back)
        self.assertLessEqual(both, self.unknown | self.repeated, "arrived, and came back as well")
        for arrived in self.arrived.values():
            twice = {number for number in arrived if arrived.count(number) > 1}
            self.assertLessEqual(twice, self.repeated, "arrived twice")
            first = [number for number in dict.fromkeys(arrived) if number not in self.undecided]
            self.assertEqual(first, sorted(first), "overtaken")
        self.assertEqual((self.federation.waiting_octets, len(self.federation.store)), (0, 0))


def _walk(seed: int) -> Any:
    def test(self: Walks) -> None:
        self.walk(seed)

    return test


for _seed in range(40):
    setattr(Walks, f"test_{_seed}", _walk(_seed))
