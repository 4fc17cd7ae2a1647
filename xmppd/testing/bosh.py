"""A client in a test that talks to the server in HTTP requests: BOSH (XEP-0124, XEP-0206).

It behaves as clients in browsers do: one request is always under way, for the server to answer when it has something;
what it has to say goes into a second one. Requests that get no answer are repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any
from xml.parsers import expat

from twisted.internet.task import Clock
from twisted.trial.unittest import FailTest

from xmppd.testing.client import Client
from xmppd.testing.transport import MemoryTransport, Peer
from xmppd.wire import ns

__all__ = ["BoshClient", "Line"]

NS = "http://jabber.org/protocol/httpbind"
#: Errors of streams that BOSH has words of its own for.
_CONDITIONS = ("host-gone", "host-unknown", "system-shutdown")
#: Characters that one request holds at most, but for a single element.
_MOST = 16_384
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)\r?$")
_START_TAG = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")


class Line:
    """One HTTP connection.

    :param answered: is given each answer: the code, the head, and the body.
    :ivar busy: is a request under way on it?
    """

    def __init__(self, clock: Clock, peer: str, answered: Callable[[Line, int, str, bytes], None]) -> None:
        self.transport = MemoryTransport(clock, Peer(peer), self._deliver)
        self.busy = False
        self._answered = answered
        self._buffer = b""

    def post(self, body: bytes, path: str, *fields: str, method: str = "POST") -> None:
        """Send a request."""
        self.busy = True
        head = "".join(f"{field}\r\n" for field in ("Host: example.org", f"Content-Length: {len(body)}", *fields))
        self.transport.receive(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    def _deliver(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not end or (length is None and b" 204 " not in head[:20]):
                return
            size = int(length[1]) if length is not None else 0
            if len(rest) < size:
                return
            self._buffer = rest[size:]
            self.busy = False
            self._answered(self, int(head.split()[1]), head.decode(), rest[:size])


class _Lines(MemoryTransport):
    """Stands for all connections of a client, as far as there are one."""

    def __init__(self, client: BoshClient, peer: Peer) -> None:
        super().__init__(client._clock, peer, lambda data: None)
        self._client = client

    def vanish(self) -> None:
        """See MemoryTransport."""
        super().vanish()
        self._client.vanish()

    def hang_up(self) -> None:
        """See MemoryTransport."""
        self._client.break_lines()


class BoshClient(Client):
    """One session.

    :param dial: connects a transport with the server's HTTP port.
    :ivar rid: the id of the last request.
    :ivar sid: of the session; "" while there is none.
    :ivar waiting: requests that have no answer yet, by id.
    :ivar terms: the attributes of the answer that told of the session.
    :ivar last: those of the last answer.
    :ivar refused: what an answer was that is no body: its code and its text.
    :ivar polls: does it keep a request under way by itself?
    :ivar fields: header fields to send with each request.
    """

    def __init__(
        self, clock: Clock, known: MutableMapping[str, str], name: str, peer: str = "127.0.0.1",
        *, dial: Callable[[MemoryTransport], None], path: str = "/http-bind",
    ) -> None:  # fmt: skip
        super().__init__(clock, known, name, peer)
        self.transport = _Lines(self, Peer(peer))
        self.rid = 1_573_741_819
        self.sid = ""
        self.waiting: dict[int, bytes] = {}
        self.terms: dict[str, str] = {}
        self.last: dict[str, str] = {}
        self.refused: tuple[int, str] | None = None
        self.polls = True
        self.fields: tuple[str, ...] = ()
        self._dial = dial
        self._peer = peer
        self._path = path
        self._lines: list[Line] = []
        self._of: dict[int, int] = {}  # request ids by the lines they were sent on
        self._answers: dict[int, bytes] = {}  # that came too early
        self._queue: list[str] = []

    # Requests

    def line(self) -> Line:
        """Return a connection on which nothing is under way."""
        for line in self._lines:
            if not line.busy and not line.transport.closed and not line.transport.disconnecting:
                return line
        line = Line(self._clock, self._peer, self._answered)
        self._lines.append(line)
        self._dial(line.transport)
        return line

    def body(self, content: str, attributes: dict[str, Any]) -> bytes:
        """Write a body."""
        text = "".join(f" {k.rstrip('_').replace('__', ':')}='{v}'" for k, v in attributes.items() if v is not None)
        return f"<body xmlns='{NS}'{text}>{content}</body>".encode()

    def post(self, content: str = "", **attributes: object) -> int:
        """Send a request, whatever else is under way; return its id.

        :param attributes: of the body; `__` stands for a colon.
        """
        self.rid += 1
        sid = {"sid": self.sid} if self.sid else {}
        body = self.body(content, {"rid": self.rid, **sid, **attributes})
        self.waiting[self.rid] = body
        self.resend(self.rid)
        return self.rid

    def resend(self, rid: int) -> None:
        """Send a request once more, or for the first time, that was not answered."""
        line = self.line()
        self._of[id(line)] = rid
        line.post(self.waiting[rid], self._path, *self.fields)

    def resend_all(self) -> None:
        """Send every request once more that was not answered."""
        for rid in sorted(self.waiting):
            if rid in self.waiting:
                self.resend(rid)

    def break_lines(self) -> None:
        """Lose all connections; the session goes on."""
        lines, self._lines = self._lines, []
        for line in lines:
            line.transport.cut()

    def _answered(self, line: Line, code: int, head: str, body: bytes) -> None:
        rid = self._of.pop(id(line), None)
        if rid is None:
            return
        if code != 200:
            self.refused = code, body.decode()
            self._over()
            return
        if rid in self.waiting:
            self._answers[rid] = body
            while self.waiting and min(self.waiting) in self._answers:
                first = min(self.waiting)
                self._take(first, self._answers.pop(first))
        if self.sid and not self.ended and self._broken is None:
            self._go_on()

    def _go_on(self) -> None:
        """Send what waits, or nothing, so that there is a request for the server to answer."""
        if self._queue and len(self.waiting) < int(self.terms["requests"]):
            size = 1
            while size < len(self._queue) and sum(map(len, self._queue[: size + 1])) < _MOST:
                size += 1
            queue, self._queue = self._queue[:size], self._queue[size:]
            self.post("".join(queue))
        elif not self.waiting and self.polls and "0" not in (self.terms["wait"], self.terms["hold"]):
            self.post()

    def _take(self, rid: int, body: bytes) -> None:
        """Take an answer, in turn."""
        reading = _Reading(body)
        self._broken = reading.problem
        if self._broken is not None:
            return
        self.last = reading.attributes
        if self.last.get("type") == "error":
            return  # it has to be repeated
        del self.waiting[rid]
        if "sid" in self.last and not self.sid:
            self.sid = self.last["sid"]
            self.terms = self.last
            self.header = self.last
        for xml in reading.elements:
            self._arrived(xml)
        if self.last.get("type") == "terminate":
            self._over()

    def _over(self) -> None:
        self.ended = True
        self.waiting.clear()

    # The client

    def send_raw(self, data: str | bytes) -> None:
        """See Client: what a body holds."""
        self._queue.append(data.decode() if isinstance(data, bytes) else data)
        if self.sid and not self.ended:
            self._go_on()
        self._settle()

    def open(self, to: str | None = "example.org", **attributes: str | None) -> None:
        """Begin a session, or restart its stream (XEP-0206 section 5)."""
        xbosh = {"xmlns__xmpp": "urn:xmpp:xbosh"}
        if self.sid:
            self.post(to=to, xmpp__restart="true", **xbosh)
        else:
            self._opened_with = attributes
            begin = {"wait": "60", "hold": "1", "ver": "1.11", "xml__lang": "en", "xmpp__version": "1.0", **xbosh}
            wanted: dict[str, Any] = {"to": to, **begin, **attributes}
            self.post(**wanted)
        self._settle()
        if self._unread and self._unread[0].startswith("<stream:features"):
            self.features = self._unread.pop(0)

    def restarted(self) -> None:
        """See Client: what comes is in bodies anyway."""

    def expect_closed(self, error: str | None = None) -> None:
        """See Client: the session is over."""
        self._settle()
        if error in _CONDITIONS:
            if self.last.get("condition") != error:
                raise FailTest(f"{self.name} expected the session to end with {error}, but it is {self.last}")
        elif error is not None:
            self.expect(f"<stream:error><{error} xmlns='{ns.STREAM_ERRORS}'/>{{...}}</stream:error>")
        self.expect_nothing()
        if not self.ended:
            raise FailTest(f"{self.name} expected the server to end the session, but it did not")

    def close(self) -> None:
        """End the session (XEP-0124 section 13)."""
        self.post(type="terminate")
        self._settle()

    def disconnect(self) -> None:
        """Lose the session without closing the stream, so that the server knows it at once: by breaking the rules."""
        if self.sid and not self.ended:
            self.polls = False
            self.rid += 1_000
            self.post()
        self.fade()

    def fade(self) -> None:
        """Go without a word. The server misses it when `inactivity` is over."""
        self._leave()
        self.break_lines()
        self._settle()

    def vanish(self) -> None:
        """Be gone without the server noticing: as when it is killed."""
        self._leave()
        for line in self._lines:
            line.transport.vanish()
        self._lines.clear()

    def _leave(self) -> None:
        self.polls = False
        self.waiting.clear()
        self._of.clear()


class _Reading:
    """A body taken apart.

    :ivar attributes: those with a namespace by it and their name, with a space between.
    :ivar elements: the first-level elements, as they are written.
    :ivar problem: what is wrong with it, if anything.
    """

    def __init__(self, data: bytes) -> None:
        self.attributes: dict[str, str] = {}
        self.elements: list[str] = []
        self.problem: str | None = None
        self._data = data
        self._depth = self._start = 0
        parser: Any = expat.ParserCreate("UTF-8", " ")
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        self._parser = parser
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            self.problem = f"the server sent a body that is not well-formed: {error}\n{data!r}"

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self.attributes = attributes
            if name != f"{NS} body":
                self.problem = f"the server sent something that is no body: {self._data!r}"
        elif self._depth == 2:
            self._start = self._parser.CurrentByteIndex
            if name.startswith(NS) and name != f"{NS} uri":
                self.problem = f"the server sent an element without a namespace of its own: {self._data!r}"

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            match = _START_TAG.match(self._data, self._start)
            assert match is not None
            end = match.end()
            if not match[0].endswith(b"/>"):
                end = self._data.index(b">", self._parser.CurrentByteIndex) + 1
            self.elements.append(self._data[self._start : end].decode())
