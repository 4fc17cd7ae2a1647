"""HTTP/1.1 on one connection (RFC 9112): requests are taken apart, answered one after the other, or refused.

What comes behind a request stays as it is until that request is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.net.eager import in_bulk
from xmppd.net.http.answers import CONTINUE, Fields, text
from xmppd.net.http.body import StreamedBody
from xmppd.net.http.exchange import Exchange
from xmppd.net.http.heads import BadRequest, complete, unfinished
from xmppd.net.http.origin import Origin
from xmppd.net.http.parsing import Parser
from xmppd.net.http.timed import Timed
from xmppd.net.http.upgraded import Upgraded
from xmppd.net.tls.info import TlsInfo

if TYPE_CHECKING:
    from xmppd.net.http.server import HttpServer

__all__ = ["Connection"]

_log = Logger()
#: Seconds that a client gets to read our last words and close its side before the connection is cut.
_FAREWELL = 5.0
#: Octets of later requests that are taken in while one is answered; above it, the connection is not read.
_AHEAD = 16_384
_END = b"\r\n\r\n"


class Connection(Timed):
    """One connection of a client. Its time is for whole requests: octets that trickle in don't extend it.

    :param peer: the network address of the other end.
    :param assured: does TLS protect the client's connection, to a proxy before us that has taken it off?
    :ivar tls: set when its TLS is there.
    :ivar clogged: does the client not read what it is sent?
    """

    __slots__ = (
        "_answering", "_assured", "_buffer", "_halted", "_incoming", "_left", "_over", "_parser", "_promoted",
        "_proxied", "_running", "_searched", "clogged", "peer", "server", "tls", "transport",
    )  # fmt: skip

    def __init__(self, server: HttpServer, peer: str, assured: bool = False) -> None:
        super().__init__(server.clock)
        self.server = server
        self.peer = peer
        self._assured = assured
        self._proxied = False  # is what the other end says of the client to be believed?
        self.transport: Any = None
        self.tls: TlsInfo | None = None
        self._parser: Parser | None = None
        self._buffer = b""  # what has come, and was not looked at
        self._searched = 0  # octets of it among which no head ends
        self._incoming: Exchange | None = None  # whose body is still coming
        self._left = 0  # octets of it; -1 if nobody knows
        self._answering: Exchange | None = None
        self._promoted = self._running = self._over = self._halted = self.clogged = False

    # The transport's protocol

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self.transport = transport
        transport.registerProducer(self, True)
        self.watch(self.server.limits.request_seconds)

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        if self._over:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if not self._running:
            self._go_on()

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._over = True
        self._buffer = b""
        self.unwatch()
        self.server.left(self.peer)
        self._forget()

    def _forget(self) -> None:
        """Nobody is there any more to be answered."""
        parser, self._parser = self._parser, None
        if parser is not None:
            parser.close()
        answering, self._answering = self._answering, None
        incoming, self._incoming = self._incoming, None
        for exchange in (answering, incoming):
            if exchange is not None:
                exchange.leave()

    # Its producer: what it does when the client doesn't read

    def pauseProducing(self) -> None:
        """See IPushProducer."""
        self.clogged = True
        if not self._over:
            self.watch(self.server.limits.body_idle_seconds)

    def resumeProducing(self) -> None:
        """See IPushProducer."""
        self.clogged = False
        if self._over:
            return
        exchange = self._answering
        if exchange is None:
            self.watch(self.server.limits.request_seconds)
        else:
            self.rest()
            self._more(exchange)
            if exchange.on_room is not None:
                exchange.on_room()
        self._go_on()

    def stopProducing(self) -> None:
        """See IPushProducer: the connection is lost."""

    # Reading

    def _go_on(self) -> None:
        """Read what has come, as far as it can be read now."""
        if self._running:
            return
        self._running = True
        while self._buffer and not self._over:
            if self._incoming is not None:
                if not self._take_body(self._incoming):
                    break
            elif self._answering is not None or self.clogged or not self._take_head():
                break
        self._running = False
        halt = len(self._buffer) > _AHEAD
        if halt != self._halted and self.transport is not None:
            self._halted = halt
            (self.transport.pauseProducing if halt else self.transport.resumeProducing)()

    def _take_head(self) -> bool:
        """Read a head, if it is there. Return whether it was."""
        buffer = self._buffer
        if buffer[0] < 14:  # empty lines (RFC 9112 section 2.2)
            self._buffer = buffer = buffer.lstrip(b"\r\n")
            self._searched = 0
        end = buffer.find(_END, self._searched) + 4
        limit = self.server.limits.header_octets
        if end == 3 or end > limit:
            self._searched = max(0, len(buffer) - 3)
            code = unfinished(buffer, limit)
            if code:
                self.refuse(code)
            return False
        head, self._buffer = (buffer, b"") if end == len(buffer) else (buffer[:end], buffer[end:])
        self._searched = 0
        try:
            self._begin(head)
        except BadRequest as bad:
            self.refuse(bad.code)
        return True

    def _begin(self, head: bytes) -> None:
        """Find out what is asked, who answers, and when. Raises BadRequest."""
        parser = self._parser
        if parser is None:
            parser = self._parser = Parser(self.server.unfinished)
        exchange = Exchange(self, parser.read_head(head), parser.target, parser.fields)
        complete(exchange, head)
        self._proxied = self.server.is_proxy(self.peer)
        if self._proxied:
            exchange.origin  # noqa: B018  # what proxies say has to make sense
        length = exchange.length
        if parser.upgrade:
            if length != 0:
                parser.expect_body(length)
        elif parser.whole != (length == 0):
            raise BadRequest(400)  # two ways to read it, and who sent it has found a third
        door = self.server.routes.find(exchange)
        exchange.cors = door.cors
        exchange.began = self.server.clock.seconds()
        most = door.most
        if length == 0:
            if most is None:
                exchange.stream = StreamedBody.nothing()
            self._enter(exchange, door)
            return
        if most is not None and length is not None and length > most:
            raise BadRequest(413)
        self._incoming = exchange
        self._left = -1 if length is None else length
        parser.begin_body(most)
        if most is None:
            exchange.stream = StreamedBody(length, lambda: self._ask_for_body(exchange), lambda: self._more(exchange))
            exchange.prepare(length)
            self.rest()
            if not exchange.expects:
                self.watch(self.server.limits.body_idle_seconds)
            self._enter(exchange, door)
        else:
            exchange.door = door
            self._ask_for_body(exchange)

    def _ask_for_body(self, exchange: Exchange) -> None:
        """Tell a client that waits for it to send the body (RFC 9110 section 10.1.1)."""
        if exchange.expects and not self._buffer and self._incoming is exchange:
            exchange.expects = False
            self.transport.write(CONTINUE)
            self._more(exchange)

    def _more(self, exchange: Exchange) -> None:
        """There is room for more of a body that is read while it comes; it should not take the client forever."""
        if exchange.stream is not None and self._incoming is exchange:
            self.watch(self.server.limits.body_idle_seconds)
            self._go_on()

    def _take_body(self, exchange: Exchange) -> bool:
        """Read what has come of a body. Return whether there was any, and somebody to take it."""
        if exchange.stream is not None and exchange.stream.full:
            self.rest()
            return False
        parser, piece = self._parser, self._piece()
        if not piece or parser is None:
            return False
        try:
            parser.read_body(piece, 0 if self._left >= 0 else self.server.limits.header_octets)
        except BadRequest as bad:
            self.refuse(bad.code)
            return False
        if exchange.stream is not None:
            self._pass_on(exchange.stream, parser)
        elif parser.whole:
            self._incoming = None
            exchange.body = parser.take()
            self._enter(exchange, exchange.door)
        return True

    def _piece(self) -> bytes:
        """Take from the buffer what is part of the body for certain."""
        buffer, left = self._buffer, self._left
        end = len(buffer)
        if left >= 0:
            end = min(end, left)
            self._left = left - end
        else:  # a body in chunks can end where a line ends, and nowhere else
            line = buffer.find(b"\r\n")
            end = line + 2 if line >= 0 else end - buffer.endswith(b"\r")
        self._buffer = buffer[end:]
        return buffer[:end]

    def _pass_on(self, stream: StreamedBody, parser: Parser) -> None:
        octets = parser.take()
        if parser.whole:
            self._incoming = None
            self.rest()
        elif octets:
            self.watch(self.server.limits.body_idle_seconds)
        whole = parser.whole
        if octets:
            stream.feed(octets)
        if whole:
            stream.end()

    # Answering

    def _enter(self, exchange: Exchange, door: Any) -> None:
        self._answering = exchange
        if self._incoming is None:
            self.rest()  # an answer takes the time it takes
        try:
            door.enter(exchange)
        except Exception:
            _log.failure("a request for {path} failed", path=exchange.path)
            if exchange.code:
                exchange.abort()
            else:
                exchange.respond(text("This request could not be handled; the log says why.", 500))

    def origin_of(self, exchange: Exchange) -> Origin:
        """Return where a request comes from."""
        secure = self._assured or self.tls is not None
        return self.server.origin_of(exchange, self.peer, secure, self._proxied)

    def head_for(self, exchange: Exchange, code: int, type_: bytes, headers: Fields) -> bytes:
        """Return the head of an answer, but for the length."""
        if self._incoming is exchange:  # the rest of its body won't be read
            exchange.stays = False
        head = self.server.heads.get(code, type_, headers, self.server.additions(exchange))
        if not exchange.stays:
            return head + b"Connection: close\r\n"
        return head if exchange.modern else head + b"Connection: keep-alive\r\n"

    def send(self, data: bytes) -> None:
        """Send a part of an answer."""
        self.transport.write(data)

    def answered(self, exchange: Exchange, data: bytes) -> None:
        """Send the last part of an answer, and go on with the next request."""
        if data:
            self.transport.write(data)
        self._answering = None
        if exchange.bulk:
            in_bulk(self.transport, False)
        self.server.finished(exchange)
        if not exchange.stays:
            self._close(linger=self._incoming is not None or bool(self._buffer))
            return
        if not self._promoted:
            self._promote()
        if not self.clogged:
            self.watch(self.server.limits.request_seconds)
        if self._buffer:
            self._go_on()

    def _promote(self) -> None:
        """Who was answered is no newcomer any more (:mod:`xmppd.net.eager`)."""
        self._promoted = True
        promote = getattr(self.transport, "promote", None)
        if promote is not None:
            promote()

    def refuse(self, code: int) -> None:
        """Answer what is not worth reading on; what still comes of it is thrown away (RFC 9112 section 9.6)."""
        answering = self._answering
        self._forget()
        if answering is not None and answering.code:
            self.cut()
            return
        self.transport.write(self.server.heads.last_words(code))
        self.server.refused(self, code)
        self._close(linger=True, seconds=_FAREWELL)

    def _close(self, linger: bool, seconds: float = 0.0) -> None:
        """Close the connection when all is sent, at the latest after some seconds.

        :param linger: our direction only, where that can be done: what the client still sends must not undo our words.
        """
        self._over = True
        self._buffer = b""
        self._forget()
        transport = self.transport
        transport.unregisterProducer()
        if self._halted:
            self._halted = False
            transport.resumeProducing()
        (getattr(transport, "loseWriteConnection", transport.loseConnection) if linger else transport.loseConnection)()
        self.watch(seconds or self.server.limits.body_idle_seconds)

    def cut(self) -> None:
        """End the connection at once."""
        self._over = True
        self._forget()
        self.transport.abortConnection()

    def upgrade(self, exchange: Exchange, head: bytes, protocol: Any) -> None:
        """Leave the connection to another protocol; what came behind the request is for it."""
        transport = self.transport
        rest, self._buffer = self._buffer, b""
        self._over = True
        self._answering = None
        self._forget()
        self.unwatch()
        halted, self._halted = self._halted, False
        transport.unregisterProducer()
        transport.protocol = Upgraded(protocol, self.server, self.peer)
        self.server.finished(exchange)
        transport.write(head)
        if halted:
            transport.resumeProducing()
        protocol.makeConnection(transport)
        if rest:
            protocol.dataReceived(rest)

    def expired(self) -> None:
        """See Timed."""
        if self._over or self.clogged:
            self.cut()
        elif self._incoming is None and not self._buffer:
            self._close(linger=False, seconds=_FAREWELL)  # it was idle
        else:
            self.refuse(408)
