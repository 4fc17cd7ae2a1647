"""A client in a test: a connection in memory to the server, and what came over it."""

from __future__ import annotations

import base64
import re
from collections.abc import MutableMapping, Sequence
from typing import Any, ClassVar
from xml.parsers import expat

from cryptography.x509 import Certificate
from twisted.internet.task import Clock
from twisted.trial.unittest import FailTest

from xmppd.net.tls.certificates import PrivateKey
from xmppd.testing.mailbox import Mailbox
from xmppd.testing.tls import ClientTls
from xmppd.testing.transport import MemoryTransport, Peer
from xmppd.testing.xml import difference, fill_in, pretty, read
from xmppd.wire import ns

__all__ = ["Client", "split"]

_START_TAG = re.compile(rb"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")


class Client(Mailbox):
    """One connection to the server. Made by :meth:`ServerTestCase.connect` and :meth:`ServerTestCase.login`.

    :ivar jid: its full address once it has bound a resource.
    :ivar header: the attributes of the server's last stream header, or None.
    :ivar features: the last ``<stream:features/>`` as XML.
    :ivar tls: the client's side of TLS, once it has begun.
    :ivar credentials: key and certificates to show in TLS, or None.
    :ivar ended: has the server sent the closing tag of the stream?
    """

    #: The content namespace of its stream.
    content: ClassVar[str] = ns.CLIENT

    def __init__(self, clock: Clock, known: MutableMapping[str, str], name: str, peer: str = "127.0.0.1") -> None:
        super().__init__(known, name)
        self._clock = clock
        self.transport = MemoryTransport(clock, Peer(peer), self._deliver)
        self.jid = ""
        self.header: dict[str, str] | None = None
        self.features = ""
        self.ended = False
        self.tls: ClientTls | None = None
        self.credentials: tuple[PrivateKey, Sequence[Certificate]] | None = None
        self._opened_with: dict[str, str | None] = {}
        self._broken: str | None = None  # what was wrong with the server's XML
        self._splitter = _Splitter(self)

    def _deliver(self, data: bytes) -> None:
        if self.tls is not None:
            data = self.tls.receive(data)
        if data and self._broken is None:
            self._broken = self._splitter.feed(data)

    def _settle(self) -> None:
        self._clock.advance(0)
        if self._broken is not None:
            raise FailTest(self._broken)

    def _state(self) -> str:
        if self.transport.closed:
            return "\nThe connection is closed."
        return "\nThe server has closed the stream." if self.ended else ""

    # Out

    def send(self, xml: str) -> None:
        """Send XML; ``{romeo}`` stands for that client's full address, and so on (:mod:`xmppd.testing.xml`)."""
        self.send_raw(fill_in(xml, self._known))

    def send_raw(self, data: str | bytes) -> None:
        """Send exactly this; it may be a part of an element, or no XML at all."""
        self._write(data.encode() if isinstance(data, str) else data)
        self._settle()

    def _write(self, data: bytes) -> None:
        if self.tls is not None:
            self.tls.write(data)
        else:
            self.transport.receive(data)

    def encrypt(self, server_name: str = "example.org") -> None:
        """Begin TLS at once, as on a port of direct TLS (XEP-0368)."""
        key, certificates = self.credentials or (None, ())
        self.tls = ClientTls(self.transport.receive, server_name, key, certificates)
        self.tls.begin()
        self._settle()

    def start_tls(self, to: str = "example.org") -> None:
        """Ask for TLS, shake hands, and begin a new stream (RFC 6120 section 5)."""
        self.send(f"<starttls xmlns='{ns.TLS}'/>")
        self.expect(f"<proceed xmlns='{ns.TLS}'/>")
        self.encrypt(to)
        self.open(to, **self._opened_with)

    def open(self, to: str | None = "example.org", **attributes: str | None) -> None:
        """Begin a stream (RFC 6120 4.2); the server's header and features are kept as attributes.

        :param attributes: of the header; replace those that it has (``version=None`` leaves it out).
        """
        self.restarted()
        self._opened_with = attributes
        all_ = {"to": to, "version": "1.0", **attributes}
        text = "".join(f" {k.rstrip('_')}='{v}'" for k, v in all_.items() if v is not None)
        self.send_raw(f"<?xml version='1.0'?><stream:stream xmlns='{self.content}' xmlns:stream='{ns.STREAM}'{text}>")
        if self._unread and self._unread[0].startswith("<stream:features"):
            self.features = self._unread.pop(0)

    def restarted(self) -> None:
        """What comes now begins a new stream."""
        self.header = None
        self._splitter = _Splitter(self)

    def authenticate(self, user: str, password: str) -> None:
        """Log in with SASL PLAIN and begin a new stream, with the same header.

        :raises AssertionError: if the server doesn't let it.
        """
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        host = (self.header or {}).get("from", "example.org")
        self.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{secret}</auth>")
        self.expect(f"<success xmlns='{ns.SASL}'>{{any}}</success>")
        self.open(host, **self._opened_with)

    def bind(self, resource: str = "") -> None:
        """Bind a resource. :raises AssertionError: if the server doesn't let it."""
        wanted = f"<resource>{resource}</resource>" if resource else ""
        self.send(f"<iq type='set' id='bind'><bind xmlns='{ns.BIND}'>{wanted}</bind></iq>")
        self.expect(f"<iq type='result' id='bind'><bind xmlns='{ns.BIND}'><jid>{{any}}</jid></bind></iq>")
        answer = read(self.received[-1])[0]
        self.jid = answer.elements[0].elements[0].text

    def expect_features(self, template: str) -> None:
        """The server's last ``<stream:features/>`` are these. :raises AssertionError: if not."""
        want, got = read(template)[0], read(self.features or "<nothing/>")[0]
        problem = difference(want, got, self._known)
        if problem is not None:
            self._fail(want, f"was offered\n{pretty(got, '    ')}\nThe difference: {problem}.")

    # The end

    def expect_closed(self, error: str | None = None) -> None:
        """The server has closed the stream and the connection.

        :param error: the condition of the stream error it named; None: it named none.
        :raises AssertionError: if it hasn't, or otherwise, or something else came that was not expected.
        """
        self._settle()
        if error is not None:
            self.expect(f"<stream:error><{error} xmlns='{ns.STREAM_ERRORS}'/>{{...}}</stream:error>")
        self.expect_nothing()
        if not self.ended:
            raise FailTest(f"{self.name} expected the server to close the stream, but it did not")
        if not self.transport.disconnecting:
            raise FailTest(f"{self.name} expected the server to close the connection, but it did not")

    def expect_open(self) -> None:
        """The server has not closed the stream. :raises AssertionError: if it has; it shows why."""
        self._settle()
        if self.ended or self.transport.disconnecting or self.transport.closed:
            last = pretty(read(self.received[-1])[0], "    ") if self.received else "    nothing"
            raise FailTest(f"{self.name} expected the stream to be open, but it is closed; last came\n{last}")

    def close(self) -> None:
        """Close the stream in good order (RFC 6120 4.4)."""
        self.send_raw("</stream:stream>")
        self.transport.hang_up()
        self._settle()

    def disconnect(self) -> None:
        """Lose the connection without a word."""
        self.transport.cut()
        self._settle()

    # Reading slowly

    def stall(self) -> None:
        """Read nothing from now on: the server's output begins to queue."""
        self.transport.stalled = True

    def read_on(self) -> None:
        """Read what has queued, and go on."""
        self.transport.read_on()
        self._settle()


def split(xml: str) -> list[str]:
    """Return the elements of a sequence, each as it is written. :raises FailTest: it is not well-formed."""
    found = Mailbox({}, "")
    problem = _Splitter(found).feed(f"<stream xmlns:stream='{ns.STREAM}'>{xml}".encode())
    if problem is not None:
        raise FailTest(problem)
    return found.received


class _Splitter:
    """The server's bytes to first-level elements, each as the XML it was written as."""

    def __init__(self, owner: Mailbox) -> None:
        self._owner = owner
        self._data = b""
        self._depth = 0
        self._start = 0
        parser: Any = expat.ParserCreate("UTF-8", " ")
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        self._parser = parser

    def feed(self, data: bytes) -> str | None:
        """Take the next octets; return what is wrong with them, if anything."""
        self._data += data
        try:
            self._parser.Parse(data)
        except expat.ExpatError as error:
            return f"the server sent XML that is not well-formed: {error}\n{self._data!r}"
        return None

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and isinstance(self._owner, Client):
            self._owner.header = attributes
        elif self._depth == 2:
            self._start = self._parser.CurrentByteIndex

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 0 and isinstance(self._owner, Client):
            self._owner.ended = True
        elif self._depth == 1:
            at = self._parser.CurrentByteIndex
            if self._data.startswith(b"</", at):
                end = self._data.index(b">", at) + 1
            else:
                match = _START_TAG.match(self._data, self._start)
                assert match is not None
                end = match.end()
            self._owner._arrived(self._data[self._start : end].decode())
