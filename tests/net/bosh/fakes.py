"""A session on its own: what is around it, as far as it needs it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure

from xmppd.core.settings import Bosh
from xmppd.net.bosh.session import Address, BoshSession
from xmppd.net.bosh.sessions import BoshSessions
from xmppd.net.bosh.window import Request, Terms, Window
from xmppd.net.http.answers import Answer
from xmppd.wire.bosh import Body, read_body
from xmppd.wire.frames import Limits, StreamEnd

TERMS = Terms(wait=60, hold=1, polling=0, inactivity=60, repeats=1_000, acks=False)


class FakeExchange:
    """A request on a connection, and what was answered."""

    def __init__(self, rid: int) -> None:
        self.rid = rid
        self.answer: str | None = None
        self.code = 0
        self.on_gone: Callable[[], None] | None = None

    def respond(self, answer: Answer) -> None:
        assert self.answer is None, "there is one answer to a request"
        self.answer, self.code = answer.body.decode(), answer.code

    def lose(self) -> None:
        """The connection is gone."""
        gone, self.on_gone = self.on_gone, None
        if gone is not None:
            gone()

    @property
    def numbers(self) -> list[int]:
        """The payloads of the answer."""
        return [int(found) for found in re.findall("<n>(.*?)</n>", self.answer or "")]


class FakeStream:
    """The stream above a session: notes what comes."""

    limit = 1_000_000
    account = "romeo@example.org"

    def __init__(self) -> None:
        self.heard = False
        self.got: list[str] = []
        self.ended = False
        self.lost: Failure | None = None
        self.overflows = 0

    def take_content(self, body: Body) -> None:
        self.got.append(body.content.decode())

    def take_header(self, attributes: dict[str, str]) -> None:
        self.got.append("restart")

    def receive(self, frame: object) -> None:
        assert isinstance(frame, StreamEnd)
        self.ended = True

    def connectionLost(self, reason: Failure) -> None:
        self.lost = reason

    def overflowed(self) -> None:
        self.overflows += 1


class FakeServer:
    settings = None


class Lone:
    """A session with a client that is played by hand.

    :ivar created: the exchange that began it.
    """

    def __init__(self, terms: Terms = TERMS, rid: int = 100, **options: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_000)
        listener: Any = FakeServer()
        listener.clock = self.clock
        listener.server = FakeServer()
        listener.server.settings = FakeServer()
        listener.server.settings.bosh = Bosh(**options)
        self.sessions = BoshSessions(listener)
        window = Window(rid, terms, self.clock.seconds())
        self.stream = FakeStream()
        legacy = options.pop("legacy", False)
        self.session = BoshSession(self.sessions, "sid", window, Address("127.0.0.1"), b"text/xml", legacy, False)
        self.session.stream = self.stream  # type: ignore[assignment]
        self.sessions.by_sid["sid"] = self.session
        self.created = FakeExchange(rid)
        exchange: Any = self.created
        body = Body({"rid": str(rid)}, {}, b"")
        window.arrive(Request(rid, body, exchange, self.clock.seconds()))
        window.take()
        self.sessions.look_by(self.session, self.session.next_look(self.clock.seconds()))
        self.session.flush()

    def ask(self, rid: int, content: str = "", **attributes: str) -> FakeExchange:
        """Send a request."""
        exchange = FakeExchange(rid)
        self.deliver(exchange, content, **attributes)
        return exchange

    def deliver(self, exchange: Any, content: str = "", **attributes: str) -> None:
        text = "".join(f" {key}='{value}'" for key, value in attributes.items())
        data = (
            f"<body xmlns='http://jabber.org/protocol/httpbind' rid='{exchange.rid}' sid='sid'{text}>{content}</body>"
        )
        self.session.enter(exchange, exchange.rid, read_body(data.encode(), Limits()))

    def say(self, number: int) -> None:
        """The server has something for the client."""
        self.session.write(b"<n>%d</n>" % number)

    @property
    def over(self) -> bool:
        """Is the session over?"""
        return self.session.stream is None
