"""Requests are delayed, reordered, doubled and lost, and so are answers: all arrives once, in order (XEP-0124 14).

Random walks; the seed is in the test's name.
"""

from __future__ import annotations

import random
import unittest
from dataclasses import replace

from tests.net.bosh.fakes import TERMS, FakeExchange, Lone

#: What happens, and how often.
STEPS = {
    "send": 30, "arrive": 30, "twice": 3, "lose request": 4, "lose connection": 4, "answer": 30, "lose answer": 4,
    "repeat": 20, "output": 20, "time": 5, "pause": 2, "resume": 6,
}  # fmt: skip


class Walker:
    """A client by the book, and a network that isn't."""

    def __init__(self, seed: int) -> None:
        self.choice = random.Random(seed)
        hold = self.choice.choice((1, 1, 2, 3))
        acks = self.choice.random() < 0.5
        options = {"answer_octets": 16_384} if self.choice.random() < 0.5 else {}
        self.lone = Lone(replace(TERMS, hold=hold, acks=acks, inactivity=100_000), **options)
        self.requests = hold + 1
        self.rid = self.lone.created.rid
        self.sent = self.written = 0
        self.got: list[int] = []
        self.waiting: dict[int, str] = {}  # contents of requests without an answer
        self.early: dict[int, FakeExchange] = {}  # answers whose turn has not come
        self.broken: set[int] = set()  # requests that have to be repeated
        self.flying: list[FakeExchange] = []  # on their way to the server
        self.there: list[FakeExchange] = []  # at the server, or on their way back

    def walk(self, steps: int) -> None:
        for _ in range(steps):
            self.step(self.choice.choices(tuple(STEPS), tuple(STEPS.values()))[0])
            assert not self.lone.over, self.lone.session._final
            assert len(self.lone.session.window._kept) <= self.requests
        self.lone.session.resumeProducing()
        self.settle()

    def settle(self) -> None:
        """The network works again: go on until everything has arrived."""
        for _ in range(500):
            self.lone.clock.advance(0)
            if not self.flying and not self.broken and len(self.got) == self.written and self.delivered == self.sent:
                return
            for what in ("repeat", "arrive", "answer"):
                self.step(what)
            if not self.flying and not self.broken:
                self.send(0)

    @property
    def delivered(self) -> int:
        """How much of what the client has sent the stream was given."""
        return "".join(self.lone.stream.got).count("<m>")

    def step(self, what: str) -> None:
        getattr(self, what.replace(" ", "_"))()

    def pick(self, exchanges: list[FakeExchange]) -> FakeExchange | None:
        return exchanges.pop(self.choice.randrange(len(exchanges))) if exchanges else None

    # Steps

    def send(self, payloads: int | None = None) -> None:
        if len(self.waiting) >= self.requests:
            return
        self.rid += 1
        some = self.choice.choice((0, 1, 1, 3)) if payloads is None else payloads
        numbers = range(self.sent, self.sent + some)
        self.sent = numbers.stop
        self.waiting[self.rid] = "".join(f"<m>{number}</m>" for number in numbers)
        self.flying.append(FakeExchange(self.rid))

    def arrive(self) -> None:
        exchange = self.pick(self.flying)
        if exchange is not None:
            self.there.append(exchange)
            self.deliver(exchange)

    def deliver(self, exchange: FakeExchange) -> None:
        if exchange.rid in self.waiting:
            self.lone.deliver(exchange, self.waiting[exchange.rid])

    def twice(self) -> None:
        """Somebody on the way sends a request twice."""
        if self.flying:
            self.deliver(FakeExchange(self.choice.choice(self.flying).rid))

    def lose_request(self) -> None:
        exchange = self.pick(self.flying)
        if exchange is not None:
            self.broke(exchange.rid)

    def lose_connection(self) -> None:
        waiting = [exchange for exchange in self.there if exchange.answer is None]
        exchange = self.pick(waiting)
        if exchange is not None:
            self.there.remove(exchange)
            exchange.lose()
            self.broke(exchange.rid)

    def lose_answer(self) -> None:
        exchange = self.pick([exchange for exchange in self.there if exchange.answer is not None])
        if exchange is not None:
            self.there.remove(exchange)
            self.broke(exchange.rid)

    def broke(self, rid: int) -> None:
        under_way = any(exchange.rid == rid for exchange in (*self.flying, *self.there))
        if rid in self.waiting and rid not in self.early and not under_way:
            self.broken.add(rid)

    def answer(self) -> None:
        exchange = self.pick([exchange for exchange in self.there if exchange.answer is not None])
        if exchange is None:
            return
        self.there.remove(exchange)
        if exchange.rid not in self.waiting:
            return
        assert exchange.answer is not None
        if "type='error'" in exchange.answer:
            self.broke(exchange.rid)
            return
        self.early[exchange.rid] = exchange
        self.broken.discard(exchange.rid)
        while self.waiting and (first := min(self.waiting)) in self.early:
            self.got += self.early.pop(first).numbers
            del self.waiting[first]
        self.flying = [exchange for exchange in self.flying if exchange.rid in self.waiting]

    def repeat(self) -> None:
        if self.broken:
            rid = self.choice.choice(sorted(self.broken))
            self.broken.discard(rid)
            self.flying.append(FakeExchange(rid))

    def output(self) -> None:
        for _ in range(self.choice.choice((1, 1, 2, 5))):
            self.lone.say(self.written)
            self.written += 1

    def time(self) -> None:
        self.lone.clock.advance(self.choice.choice((0, 0, 0, 1, 20)))

    def pause(self) -> None:
        self.lone.session.pauseProducing()

    def resume(self) -> None:
        self.lone.session.resumeProducing()


class WalkTests(unittest.TestCase):
    def walk(self, seed: int) -> None:
        walker = Walker(seed)
        walker.walk(300)
        self.assertEqual("".join(walker.lone.stream.got), "".join(f"<m>{n}</m>" for n in range(walker.sent)))
        self.assertEqual(walker.got, list(range(walker.written)))


for _seed in range(300):
    setattr(WalkTests, f"test_{_seed}", lambda self, seed=_seed: self.walk(seed))
