"""A stream over BOSH (XEP-0124, XEP-0206), on HTTP connections that break.

One request is always under way, for the server to answer when it has something; what there is to say goes into a second
one. A request that gets no answer is sent again, with the same rid, on a new connection, until the session is over;
answers are taken in the order of their requests.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from tests.faults.servers import INACTIVITY
from tests.faults.stream import Stream
from tests.faults.web.line import Line
from tests.faults.web.wording import qualified

NS = "http://jabber.org/protocol/httpbind"
_XBOSH = "urn:xmpp:xbosh"
_PATH = "/http-bind"
#: Seconds that the server may keep a request, and how much later the answer has to be here.
WAIT, LATE = 2, 1.5
#: How an answer says that the stream has ended as one over TCP does, with an error or without.
_ENDED = (None, "remote-stream-error", "system-shutdown")
#: How a session may end whose client keeps to the rules: the server was stopped, or has forgotten it.
_ALLOWED = (*_ENDED, "item-not-found", "other-request", "remote-connection-failed")
_LOST = (OSError, TimeoutError)


class _Request:
    """A request that has no answer that was taken."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.content: list[str] = []
        self.times = 0
        self.answer: ET.Element | None = None
        self.task: asyncio.Task[None] | None = None


class BoshStream(Stream):
    """A session of BOSH as a stream.

    :param acks: does the client say which answers it has (9.1)?
    :param repeated: is told of a request that was sent again, and answered then.
    """

    def __init__(
        self,
        port: int,
        lost: Callable[[str], None],
        domain: str,
        context: ssl.SSLContext | None,
        acks: bool = False,
        repeated: Callable[[str], None] = lambda why: None,
    ) -> None:
        super().__init__(lost, domain)
        self._port, self._context, self._acks, self._repeated = port, context, acks, repeated
        self._chance = random.Random()
        self._rid = self._chance.randrange(1, 2**52)
        self._sid = ""
        self._most = 1  # requests at a time
        self._requests: dict[int, _Request] = {}
        self._outbox: list[str] = []
        self._restart = self._ending = self._over = self._flushing = False
        self._idle: list[Line] = []
        self._lines: set[Line] = set()
        #: Is told how a session was ended that should not have been: its client keeps to the rules.
        self.wrong: Callable[[str], None] = lambda why: None
        #: Is told of the elements in a request that was answered.
        self.taken: Callable[[list[str]], None] = lambda elements: None
        self.open = True
        self.lingers = INACTIVITY + 4.0

    # What goes

    def begin(self) -> None:
        self._restart = True
        self._flush_soon()

    def write(self, xml: str) -> None:
        if self.open:
            self._outbox.append(qualified(xml))
            self._flush_soon()

    def close(self) -> None:
        self._ending = True
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing and self.open:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        while self.open and self._may_send():
            self._rid += 1
            content = [] if self._restart or not self._sid else self._outbox
            request = self._requests[self._rid] = _Request(self._compose())
            request.content = content
            request.task = self._loop.create_task(self._post(request))

    def _may_send(self) -> bool:
        if self._over or self._rid + 1 >= min(self._requests, default=self._rid + 1) + self._most:
            return False
        if not self._sid:
            return self._restart
        return bool(self._outbox or self._restart or self._ending or not self._requests)

    def _compose(self) -> bytes:
        """Write the body of the next request."""
        attributes = f" rid='{self._rid}'"
        if not self._sid:
            ack = " ack='1'" if self._acks else ""
            attributes += f" to='{self._domain}' ver='1.11' wait='{WAIT}' hold='1' xmpp:version='1.0'{ack}"
        else:
            attributes += f" sid={quoteattr(self._sid)}"
            taken = min(self._requests, default=self._rid) - 1
            if self._acks and taken != self._rid - 1:
                attributes += f" ack='{taken}'"
            if self._restart:
                attributes += f" to='{self._domain}' xmpp:restart='true'"
        content = ""
        if self._sid and not self._restart:
            content, self._outbox = "".join(self._outbox), []
            if self._ending:
                attributes += " type='terminate'"
                self._over = True
        self._restart = False
        return f"<body xmlns='{NS}' xmlns:xmpp='{_XBOSH}'{attributes}>{content}</body>".encode()

    async def _post(self, request: _Request) -> None:
        """Send a request, and send it again, until it is answered."""
        while self.open and request.answer is None:
            line = None
            try:
                async with asyncio.timeout(WAIT + LATE):
                    line = await self._line()
                    request.times += 1
                    code, data = await line.ask("POST", _PATH, request.body, ("Content-Type: text/xml",))
                self._answered(request, code, data)
                if line.open:
                    self._idle.append(line)
                    continue
            except _LOST as error:
                self._failed(error)
            if line is not None:
                self._lines.discard(line)
                line.abort()
            if request.answer is None:
                await asyncio.sleep(self._chance.uniform(0.05, 0.4))

    async def _line(self) -> Line:
        """Return a connection on which nothing is under way."""
        while self._idle:
            line = self._idle.pop()
            if line.open:
                return line
            self._lines.discard(line)
        line = await Line.dial(self._port, self._context)
        self._lines.add(line)
        return line

    def _failed(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if not self._sid:
            self.drop(f"no session: {why}")  # whose id nobody knows can't be asked for again

    # What comes

    def _answered(self, request: _Request, code: int, data: bytes) -> None:
        self.heard = self._loop.time()
        if code != 200:
            raise ConnectionError(f"HTTP {code}")
        try:
            body = ET.fromstring(data)
        except ET.ParseError as error:
            self.drop(f"not well-formed: {error}: {data[:200]!r}")
            return
        if body.get("type") == "error":  # 17.3: all that have no answer are to be sent again
            raise ConnectionError("a recoverable error")
        request.answer = body
        if request.times > 1 and body.get("type") != "terminate":
            self._repeated(f"{request.times} times")
        self._deliver()
        self._flush_soon()

    def _deliver(self) -> None:
        """Take the answers whose turn has come."""
        while self.open and self._requests:
            rid = min(self._requests)
            request = self._requests[rid]
            body = request.answer
            if body is None:
                return
            del self._requests[rid]
            if body.get("type") != "terminate":
                self.taken(request.content)
            if not self._sid:
                self._sid, self._most = body.get("sid", ""), int(body.get("requests", "1"))
            self.take(body)
            condition = body.get("condition")
            if condition is not None and condition not in _ALLOWED:
                self.wrong(f"the session was ended: {condition}")
            if body.get("type") == "terminate" and condition not in _ENDED:
                self.drop(f"the session was ended: {condition}")
            elif body.get("type") == "terminate":
                self.take((), ended=True)

    def abort(self) -> None:
        self._idle.clear()
        for line in self._lines:
            line.abort()
        self._lines.clear()
        for request in self._requests.values():
            if request.task is not None and request.task is not asyncio.current_task():
                request.task.cancel()
