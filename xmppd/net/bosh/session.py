"""One BOSH session: HTTP requests as the transport of a stream (XEP-0124).

The stream (:class:`~xmppd.net.bosh.stream.BoshStream`) writes its elements here, one at a time; they wait until a
request can be answered with them. What is written in answer to one request goes out when all it said is done, anything
else when the reactor's turn ends (:mod:`xmppd.net.bosh.sessions`), so that what belongs together is one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from xmppd.net.bosh.window import Request, Terms, Window
from xmppd.net.http.answers import Answer
from xmppd.wire.bosh import EMPTY, RESTART, BindingError, Body, boolean, number, terminal, write_body
from xmppd.wire.frames import StreamEnd

if TYPE_CHECKING:
    from xmppd.net.bosh.sessions import BoshSessions
    from xmppd.net.bosh.stream import BoshStream
    from xmppd.net.http.exchange import Exchange

__all__ = ["CODES", "Address", "BoshSession", "error_answer"]

#: What clients get that don't name the version they speak (XEP-0124 17.1).
CODES = {"bad-request": 400, "policy-violation": 403, "item-not-found": 404}
_GONE = BindingError("remote-connection-failed")
_OTHER = BindingError("other-request")


def error_answer(error: BindingError, type_: bytes, legacy: bool) -> Answer:
    """Return the answer to a request that can't be done.

    :param type_: the media type that the client wants answers to have.
    :param legacy: does it expect errors of HTTP?
    """
    code = CODES.get(error.condition) if legacy else None
    if code is not None:
        return Answer(f"{error}\n".encode(), code)
    content = (error.content,) if error.content else ()
    return Answer(write_body(content, terminal(error.condition)), 200, type_)


@dataclass(frozen=True, slots=True)
class Address:
    """The client's network address."""

    host: str


class BoshSession:
    """A session, and the transport of its stream.

    :param sid: its identifier.
    :param type_: the media type that its client wants answers to have.
    :param legacy: does the client expect errors of HTTP (17.1)?
    :param secured: did its first request come encrypted? Then others have to.
    :ivar stream: None once the session is over.
    :ivar ending: why nothing more is taken in: the stream has closed, or the session was cut off.
    :ivar filed: the second for which it is filed, to be looked at then.
    :ivar soon: is it to be looked at when the turn of the reactor ends?
    """

    __slots__ = (
        "_attributes", "_final", "_octets", "_output", "_pause", "_paused", "_processing", "_waits", "address",
        "ending", "filed", "legacy", "secured", "sessions", "sid", "soon", "stream", "type", "window",
    )  # fmt: skip

    def __init__(
        self,
        sessions: BoshSessions,
        sid: str,
        window: Window,
        address: Address,
        type_: bytes,
        legacy: bool,
        secured: bool,
    ) -> None:
        self.sessions = sessions
        self.sid = sid
        self.window = window
        self.address = address
        self.type = type_
        self.legacy = legacy
        self.secured = secured
        self.stream: BoshStream | None = None
        self.ending = False
        self.filed = 0
        self.soon = False
        self._output: list[bytes] = []
        self._octets = 0  # of that
        self._attributes = b""  # of the next answer
        self._pause: int | None = None  # seconds that the client may be away
        self._paused = self._processing = False
        self._final: BindingError | None = None  # why it ends
        self._waits = False  # does the end wait for a request that can be told?

    @property
    def terms(self) -> Terms:
        """What was agreed on."""
        return self.window.terms

    # What comes

    def enter(self, exchange: Exchange, rid: int, body: Body) -> None:
        """Take a request of the client."""
        now = self.sessions.clock.seconds()
        attributes = body.attributes
        request = Request(rid, body, exchange, now)
        stream = self.stream
        try:
            if stream is not None and stream.account is None:
                self.sessions.check_size(body)
            repeat = self.window.arrive(request, len(attributes) > 2 and self._in_addition(attributes))
        except BindingError as error:
            self._refuse(error, exchange)
            return
        if stream is not None:
            stream.heard = True
        if repeat is None:
            self._pause = None
            exchange.on_gone = partial(self._lost, request)
            self.go_on()
        else:
            ticket, answer, waiting = repeat
            if waiting is not None:
                exchange.on_gone = partial(self._lost, waiting)
            if ticket is not None:
                self._send(ticket, answer)
        self.flush()

    def _in_addition(self, attributes: dict[str, str]) -> bool:
        """May it be one request more than there may be (section 11)?"""
        return attributes.get("type") == "terminate" or self._pause_of(attributes) is not None

    def _pause_of(self, attributes: dict[str, str]) -> int | None:
        """Return how long the client wants to be away, if it says so and may be."""
        seconds = number(attributes.get("pause"))
        return seconds if seconds and seconds <= self.sessions.settings.pause_seconds else None

    def _lost(self, request: Request) -> None:
        """The connection of a request is gone."""
        self.window.lost(request, self.sessions.clock.seconds())

    def go_on(self) -> None:
        """Do what the requests say whose turn has come."""
        if self._processing:
            return
        self._processing = True
        try:
            while not self._paused and not self.ending:
                request = self.window.take()
                if request is None:
                    break
                self._process(request)
        except BindingError as error:
            self.cut_off(error)
        finally:
            self._processing = False

    def _process(self, request: Request) -> None:
        body, stream = request.body, self.stream
        request.body = None
        assert body is not None and stream is not None
        attributes = body.attributes
        if len(attributes) <= 2:  # rid and sid
            if body.content:
                stream.take_content(body)
            return
        if boolean(attributes.get(RESTART)):
            stream.take_header(attributes)
        elif body.content:
            stream.take_content(body)
        if self.terms.acks and "ack" in attributes:
            self.window.acknowledge(number(attributes["ack"]) or 0, self.sessions.clock.seconds())
        if attributes.get("type") == "terminate":
            stream.receive(StreamEnd())
            return
        self._pause = self._pause_of(attributes)
        if self._pause is not None:
            self.window.flushing = request.hollow = True
            self.sessions.look_by(self, self.sessions.clock.seconds() + self._pause)

    # What goes

    def flush(self, until: float = 0.0) -> None:
        """Answer what can be answered now, or has waited for long enough at another time."""
        now = self.sessions.clock.seconds()
        until = until or now
        window = self.window
        answers = []
        while not self.ending and window.due(until, bool(self._output)):
            elements = self._next_output() if window.carries and self._output else ()
            attributes = self._next_attributes(now)
            body = write_body(elements, attributes) if elements or attributes else EMPTY
            ticket = window.answer(body, bool(elements), now)
            if ticket is not None:
                answers.append((ticket, body))
        for ticket, body in answers:  # which may bring the next request
            self._send(ticket, body)
        if self.ending:
            self._end()

    def _next_output(self) -> list[bytes]:
        output, most = self._output, self.sessions.settings.answer_octets
        if self._octets <= most:
            self._output = []
            self._octets = 0
            return output
        size = count = 0
        while size < most and count < len(output):
            size += len(output[count])
            count += 1
        self._output = output[count:]
        self._octets -= size
        return output[:count]

    def _next_attributes(self, now: float) -> bytes:
        """Return the attributes of the answer that is written next."""
        attributes, self._attributes = self._attributes, b""
        window = self.window
        if window.terms.acks and not attributes:
            if window.last != window.next_rid:
                attributes += b" ack='%d'" % window.last
            report = window.report(now)
            if report is not None:
                attributes += b" report='%d' time='%d'" % report
        return attributes

    def _send(self, exchange: Exchange, body: bytes) -> None:
        exchange.on_gone = None
        exchange.respond(Answer(body, 200, self.type))

    def _send_error(self, exchange: Exchange, error: BindingError) -> None:
        exchange.on_gone = None
        exchange.respond(error_answer(error, self.type, self.legacy))

    # The end

    def _refuse(self, error: BindingError, exchange: Exchange) -> None:
        """A request breaks the rules: that ends the session."""
        self._send_error(exchange, error)
        self.cut_off(_OTHER)

    def cut_off(self, error: BindingError) -> None:
        """End the session as a lost connection.

        :param error: what those are told who wait for an answer.
        """
        self.ending = True
        self._final = error
        self._waits = False
        self.sessions.flush_soon(self)

    def finish(self, error: BindingError | None) -> None:
        """The stream has closed: whoever is the next to be answered is told.

        :param error: why, if there is a reason.
        """
        self.ending = True
        self._final = error

    def begin(self, attributes: bytes) -> None:
        """Have the first answer tell the client of its session."""
        self._attributes = attributes

    def _end(self) -> None:
        """End, if somebody can be told or nobody needs to be."""
        window, stream, error = self.window, self.stream, self._final
        if stream is None or (self._waits and not window.live):
            return
        tickets = list(window.end())
        output, self._output = self._output, []
        first, rest = (tickets[0], tickets[1:]) if tickets else (None, [])
        self.stream = None
        self.sessions.remove(self)
        if first is not None:
            self._tell(first, error, output)
        for ticket in rest:
            if error is None:
                self._send(ticket, EMPTY)  # section 13
            else:
                self._send_error(ticket, error if error.condition in CODES else _OTHER)
        clean = error is None or error.condition in ("remote-stream-error", "system-shutdown")
        stream.connectionLost(Failure(ConnectionDone() if clean else ConnectionLost()))

    def _tell(self, ticket: Any, error: BindingError | None, output: list[bytes]) -> None:
        if error is not None and error.content:
            output.append(error.content)
        if error is not None and self.legacy and error.condition in CODES:
            self._send_error(ticket, error)
        else:
            attributes = self._attributes + terminal(error.condition if error is not None else "")
            self._send(ticket, write_body(output, attributes))

    def look(self, now: float, ahead: float) -> None:
        """Do what time asks for, or will before the next look.

        :param ahead: when that is: a request is rather answered too early than too late.
        """
        self.flush(ahead)
        inactivity = self.terms.inactivity if self._pause is None else self._pause
        if self.window.quiet(now) >= inactivity:
            self.cut_off(_GONE)  # section 10: without informing the client

    def next_look(self, now: float) -> float:
        """Return when to look next. What happens from now on makes nothing due before that, but for a pause."""
        inactivity = self.terms.inactivity if self._pause is None else self._pause
        return self.window.deadline(now, inactivity)

    # The transport of the stream

    def write(self, data: bytes) -> None:
        """See ITransport. One element at a time."""
        if not data:
            return
        self._output.append(data)
        self._octets += len(data)
        if not self.soon:
            self.sessions.flush_soon(self)
        stream = self.stream
        if stream is not None and self._octets > stream.limit:
            stream.overflowed()

    def writeSequence(self, elements: Any) -> None:
        """See ITransport."""
        for element in elements:
            self.write(element)

    def loseWriteConnection(self) -> None:
        """See ITCPTransport: all is written. It ends when the client has been told so."""
        self.ending = self._waits = True
        self.sessions.flush_soon(self)

    def loseConnection(self) -> None:
        """See ITransport: all is written, and nothing more is expected from the client."""
        self.ending = True
        self._waits = False
        self.sessions.flush_soon(self)

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self.cut_off(_GONE)

    def pauseProducing(self) -> None:
        """See IPushProducer: requests wait before what they say is done."""
        self._paused = True

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self._paused = False
        self.go_on()
        self.sessions.flush_soon(self)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See ITransport. How much may wait has its limit in :meth:`write`."""

    def getPeer(self) -> Address:
        """See ITransport."""
        return self.address
