"""At random: clients that send, read, stop reading and leave while answers come late, in parts, or not at all.

Each whole request is asked about once, and answered once, in order, for as long as somebody is there.
"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.task import Clock

from tests.net.fetching import Connection
from xmppd.core.settings import Http
from xmppd.net.http.answers import CONTINUE, Answer
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.routes import Routes
from xmppd.net.http.server import HttpServer


class Held:
    """Holds requests."""

    most = 100
    cors = False

    def __init__(self) -> None:
        self.asked: list[Exchange] = []
        self.gone: list[Exchange] = []

    def enter(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        exchange.on_gone = lambda: self.gone.append(exchange)


class Walk(RuleBasedStateMachine):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.door = Clock(), Held()
        routes = Routes(lambda: 100, lambda: self.server.origins)
        routes.doors["/"] = self.door
        self.server = HttpServer(routes, self.clock, Http(request_seconds=10.0, body_idle_seconds=10.0))
        self.connection = Connection(self.server)
        self.sent = 0  # requests
        self.answered: list[bytes] = []
        self.unsent = b""
        self.read = b""
        self.here = True

    def there(self) -> bool:
        return self.here and not self.connection.ended

    @precondition(there)
    @rule(kind=st.sampled_from(("GET", "length", "chunks")))
    def say(self, kind: str) -> None:
        """Put a request into what will be sent."""
        self.sent += 1
        body = b"x" * self.sent
        head = b"POST / HTTP/1.1\r\nHost: x\r\nN: %d\r\n" % self.sent
        if kind == "GET":
            self.unsent += b"GET / HTTP/1.1\r\nHost: x\r\nN: %d\r\n\r\n" % self.sent
        elif kind == "length":
            self.unsent += head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            self.unsent += head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    @precondition(lambda self: self.there() and self.unsent)
    @rule(part=st.floats(0, 1))
    def send(self, part: float) -> None:
        """Send some of it."""
        length = max(1, int(len(self.unsent) * part))
        data, self.unsent = self.unsent[:length], self.unsent[length:]
        self.connection.send(data)

    def waiting(self) -> Any:
        return next((exchange for exchange in self.door.asked if not exchange.gone), None)

    @precondition(waiting)
    @rule(way=st.sampled_from(("at once", "in parts", "breaks off", "close")))
    def answer(self, way: str) -> None:
        """Answer what is asked."""
        exchange = self.waiting()
        body = b"<%b>" % exchange.header("n").encode()
        self.answered.append(body)
        if way == "in parts":
            exchange.begin(200, b"x/y")
            exchange.write(body[:1])
            exchange.write(body[1:])
            exchange.finish()
        elif way == "breaks off" and self.sent > 8:
            exchange.begin(200, b"x/y")
            exchange.abort()
            self.answered.pop()
        else:
            exchange.stays = exchange.stays and (way != "close" or self.sent < 8)
            exchange.respond(Answer(body, type=b"x/y"))

    @precondition(there)
    @rule(stop=st.booleans())
    def reading(self, stop: bool) -> None:
        """Stop reading, or go on."""
        (self.connection.protocol.pauseProducing if stop else self.connection.protocol.resumeProducing)()

    @rule(seconds=st.sampled_from((1.0, 5.0, 11.0)))
    def time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        if self.connection.cut:
            self.leave()

    @precondition(lambda self: self.here and self.sent > 10)
    @rule()
    def leave(self) -> None:
        """Go."""
        if self.here:
            self.here = False
            self.connection.leave()

    @invariant()
    def each_once_and_in_order(self) -> None:
        numbers = [int(exchange.header("n") or 0) for exchange in self.door.asked]
        assert numbers == list(range(1, len(numbers) + 1)), numbers
        for number, exchange in zip(numbers, self.door.asked, strict=True):
            assert exchange.body in (b"", b"x" * number)
        assert sum(not exchange.gone for exchange in self.door.asked) <= 1
        assert len(self.door.gone) == len(set(map(id, self.door.gone)))

    @invariant()
    def what_is_answered_arrives(self) -> None:
        self.read += self.connection.value().replace(CONTINUE, b"")
        self.connection.clear()
        at = 0
        for body in self.answered:
            parts = b"1\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:1], len(body) - 1, body[1:])
            found = min(
                (p for p in (self.read.find(b"\r\n\r\n" + body, at), self.read.find(parts, at)) if p >= 0), default=-1
            )
            assert found >= at, (self.answered, self.read)
            at = found + 1

    @invariant()
    def nothing_is_left_of_who_has_gone(self) -> None:
        if not self.here:
            assert (self.server.peers.open, self.clock.getDelayedCalls()) == (0, [])
            assert all(exchange.gone for exchange in self.door.asked)

    def teardown(self) -> None:
        self.leave()
        self.nothing_is_left_of_who_has_gone()


class Walks(TestCase):
    def test_anywhere(self) -> None:
        run_state_machine_as_test(Walk, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
