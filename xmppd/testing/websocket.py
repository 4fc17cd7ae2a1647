"""A client in a test that speaks XMPP over WebSocket (RFC 7395), to the server's HTTP port."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from xml.parsers import expat

from twisted.internet.task import Clock
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from xmppd.testing.client import Client, split
from xmppd.testing.xml import fill_in
from xmppd.wire.websocket import NS, qualified

__all__ = ["WebSocketClient"]


class WebSocketClient(Client):
    """A WebSocket to the server. Each message has to be an element that stands for itself; else the test fails.

    :ivar response: what the server has answered to the handshake.
    :ivar closed_with: the code and reason of the server's Close frame, or None.
    """

    def __init__(
        self, clock: Clock, known: MutableMapping[str, str], name: str, peer: str = "127.0.0.1",
        *, path: str = "/xmpp-websocket", origin: str | None = None, subprotocol: str | None = "xmpp",
    ) -> None:  # fmt: skip
        super().__init__(clock, known, name, peer)
        names = [Subprotocol(subprotocol)] if subprotocol else None
        uri = parse_uri(f"ws://example.org{path}")
        self.socket = ClientProtocol(uri, origin=Origin(origin) if origin else None, subprotocols=names)
        self.response: Response | None = None
        self._fragments = b""

    @property
    def closed_with(self) -> Close | None:
        """What the server's Close frame says, if it has sent one."""
        return self.socket.close_rcvd

    def shake_hands(self, **headers: str) -> None:
        """Ask for the upgrade.

        :param headers: further ones, with underscores for dashes.
        """
        request = self.socket.connect()
        for key, value in headers.items():
            request.headers[key.replace("_", "-")] = value
        self.socket.send_request(request)
        self._flush()
        self._settle()

    def _deliver(self, data: bytes) -> None:
        if self.tls is not None:
            data = self.tls.receive(data)
        if not data:
            return
        self.socket.receive_data(data)
        for event in self.socket.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._fragments += event.data
                if event.fin:
                    message, self._fragments = self._fragments, b""
                    self._take(message)
        if not self.transport.stays:
            self._flush()

    def _take(self, message: bytes) -> None:
        """Take a message of the server, which is one document."""
        found: list[tuple[str, dict[str, str]]] = []
        parser: Any = expat.ParserCreate("UTF-8", " ")
        parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
        try:
            parser.Parse(message, True)
        except expat.ExpatError as error:
            self._broken = f"the server sent a message that is no element: {error}\n{message!r}"
            return
        name, attributes = found[0]
        if name == f"{NS} open":
            self.header = attributes
        elif name == f"{NS} close":
            self._closed()
        elif " " not in name:
            self._broken = f"the server sent an element in no namespace: {message!r}"
        else:
            self._arrived(message.decode())

    def _closed(self) -> None:
        """The server has closed its stream: so do we, if that has not been done (RFC 7395 3.6)."""
        self.ended = True
        if not self.transport.stays and self.socket.state is State.OPEN:
            self._clock.callLater(0, self._answer_close)

    def _answer_close(self) -> None:
        if self.socket.state is State.OPEN and not self.transport.closed:
            self._write(f"<close xmlns='{NS}'/>".encode())

    # Out

    def _flush(self) -> None:
        for chunk in self.socket.data_to_send():
            if chunk and self.tls is not None:
                self.tls.write(chunk)
            elif chunk:
                self.transport.receive(chunk)

    def _write(self, data: bytes) -> None:
        """Send a message, if there is still a WebSocket to send it over."""
        if self.socket.state is State.OPEN:
            self.socket.send_text(data)
            self._flush()

    def send(self, xml: str) -> None:
        """See Client; each element is a message of its own."""
        for element in split(fill_in(xml, self._known)):
            self._write(qualified(element.encode()))
        self._settle()

    def send_frames(self, *frames: Frame) -> None:
        """Send exactly these frames."""
        for frame in frames:
            self.socket.send_frame(frame)
        self._flush()
        self._settle()

    def open(self, to: str | None = "example.org", **attributes: str | None) -> None:
        """See Client (RFC 7395 3.4)."""
        self.restarted()
        self._opened_with = attributes
        all_ = {"to": to, "version": "1.0", **attributes}
        text = "".join(f" {k.rstrip('_')}='{v}'" for k, v in all_.items() if v is not None)
        self.send_raw(f"<open xmlns='{NS}'{text}/>")
        if self._unread and self._unread[0].startswith("<stream:features"):
            self.features = self._unread.pop(0)

    def close(self) -> None:
        """See Client (RFC 7395 3.6)."""
        self.send_raw(f"<close xmlns='{NS}'/>")
        if not self.transport.closed:
            self.transport.hang_up()
        self._settle()
