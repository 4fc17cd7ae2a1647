"""A WebSocket (RFC 6455) as the transport of a client's stream: a message each element, pings, the closing handshake.

Frames are read and made by the library ``websockets``, which does no input and output of its own; all but those that
hold a whole message, which take a shorter way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from zope.interface import implementer

from xmppd.net.websocket.frames import MASKED, WHOLE_TEXT, extent, framed, unmasked
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.websocket import qualified

if TYPE_CHECKING:
    from xmppd.net.websocket.stream import WebSocketStream

__all__ = ["Peer", "Socket"]

#: Octets that a message may be above the largest stanza, so that it is the stanza that is found too large (RFC 6120
#: 13.12): that can be told in a stream error.
_SPARE = 65_536


class Peer(NamedTuple):
    """The address of the other end, as Twisted's addresses tell it."""

    host: str


@implementer(IProtocol, ITransport)
class Socket:
    """Stands between an HTTP connection that was upgraded, whose protocol it is, and a stream, whose transport it is.

    :param peer: the network address of the client, behind reverse proxies.
    """

    __slots__ = ("_begun", "_fragments", "_frames", "_parting", "_peer", "_stream", "_tcp", "_wanted")

    def __init__(self, stream: WebSocketStream, peer: str) -> None:
        self._stream = stream
        self._peer = peer
        self._tcp: Any = None
        self._frames = ServerProtocol(state=State.OPEN)
        self._fragments: bytearray | None = None  # of a message that is not complete
        self._begun = bytearray()  # of a frame that is not complete
        self._wanted = 0  # octets of it, before it is worth another look
        self._parting = False  # our Close frame is sent, or the stream knows that it can't go on

    # The protocol of the connection

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self._tcp = transport
        self._stream.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol. A whole message takes the short way through here."""
        stream = self._stream
        stream.heard = True
        if self._begun:
            self._begun += data
            if len(self._begun) < self._wanted:
                return
            data, self._begun = bytes(self._begun), bytearray()
        at, end, beside, frames = 0, len(data), 0, self._frames
        while at < end and frames.state is State.OPEN:
            found = extent(data, at)
            payload, stop = found or (end, end + 1)
            if found and not (data[at + 1] & MASKED and stop - payload <= stream.framer.limits.stanza + _SPARE):
                break  # nobody waits for the end of what is refused
            if stop > end:
                self._begun += data[at:]
                self._wanted = stop - at
                at = end
            elif data[at] == WHOLE_TEXT and self._fragments is None:
                stream.dataReceived(unmasked(data, payload, stop))
                beside += payload - at
                at = stop
            else:
                self._take(data[at:stop])
                at = stop
        if beside:
            stream.spend(beside)
        if at < end:
            self._take(data[at:])

    def _take(self, data: bytes) -> None:
        """Take frames that are not on the short way: fragments, control frames, broken ones, and what follows them."""
        stream, frames = self._stream, self._frames
        frames.max_message_size = stream.framer.limits.stanza + _SPARE  # more once somebody has logged in
        frames.receive_data(data)
        taken = 0
        for event in frames.events_received():
            assert isinstance(event, Frame)
            opcode = event.opcode
            if opcode is Opcode.TEXT and event.fin:
                message = bytes(event.data)
                taken += len(message)
                stream.dataReceived(message)
            elif opcode in (Opcode.TEXT, Opcode.CONT):
                taken += len(event.data)
                self._gather(event)
            elif opcode is Opcode.BINARY:
                self._refuse(CloseCode.UNSUPPORTED_DATA)
        stream.spend(max(0, len(data) - taken))
        self._fail_if_broken()
        self._flush()

    def _gather(self, fragment: Frame) -> None:
        """Take a part of a message; deliver it when it is whole."""
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += fragment.data  # a list would grow by fragments of nothing
        if fragment.fin:
            message, self._fragments = bytes(self._fragments), None
            self._stream.dataReceived(message)

    def _refuse(self, code: CloseCode) -> None:
        """RFC 7395 3.2: there are no binary messages."""
        if self._frames.state is State.OPEN:
            self._frames.fail(code)

    def _fail_if_broken(self) -> None:
        """Let the stream know if the other end has broken the rules of WebSocket: it can't go on, and is not resumed.

        An end without rules broken is a lost connection (RFC 7395 3.6).
        """
        frames = self._frames
        if frames.close_sent is not None and frames.close_rcvd is None and not self._parting:
            self._parting = True
            large = frames.close_sent.code == CloseCode.MESSAGE_TOO_BIG
            self._stream.close(StreamError(StreamCondition.POLICY_VIOLATION if large else StreamCondition.BAD_FORMAT))

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._tcp = None
        self._stream.connectionLost(reason)

    # The transport of the stream

    def write(self, data: bytes) -> None:
        """Send one element."""
        if self._frames.state is State.OPEN and self._tcp is not None:
            self._tcp.write(framed(qualified(data)))

    def writeSequence(self, elements: Iterable[bytes]) -> None:
        """Send several elements, each in a message of its own."""
        for element in elements:
            self.write(element)

    def ping(self) -> None:
        """Ask whether somebody is there (RFC 7395 3.8)."""
        if self._frames.state is State.OPEN:
            self._frames.send_ping(b"")
            self._flush()

    def _flush(self) -> None:
        tcp, chunks = self._tcp, self._frames.data_to_send()
        if tcp is None or (self._stream.congested and self._frames.state is State.OPEN):
            return  # pongs for who doesn't read would wait in a queue without a limit
        for chunk in chunks:
            if chunk:
                tcp.write(chunk)
            else:
                tcp.loseConnection()

    def loseConnection(self) -> None:
        """Begin the closing handshake (RFC 6455 7.1.2), or end the connection if that is over."""
        if self._frames.state is State.OPEN:
            self._parting = True
            self._frames.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()

    def loseWriteConnection(self) -> None:
        """Do nothing: ``<close/>`` was sent, and the other end's is waited for (RFC 7395 3.6)."""

    def abortConnection(self) -> None:
        """Cut the connection."""
        if self._tcp is not None:
            self._tcp.abortConnection()

    def promote(self) -> None:
        """See ClientStream.begin_session."""
        promote = getattr(self._tcp, "promote", None)
        if promote is not None:
            promote()

    def getPeer(self) -> Peer:
        """See ITransport."""
        return Peer(self._peer)

    def getHost(self) -> Any:
        """See ITransport."""
        return self._tcp.getHost()

    def pauseProducing(self) -> None:
        """Read nothing."""
        if self._tcp is not None:
            self._tcp.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        if self._tcp is not None:
            self._tcp.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer."""
        self._tcp.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        if self._tcp is not None:
            self._tcp.unregisterProducer()
