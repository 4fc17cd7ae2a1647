"""XML streams over connections: reading with back-pressure, the end and its courtesies (RFC 6120 section 4).

What all streams have in common, whoever is at the other end: a client (:mod:`xmppd.net.c2s`), another server
(:mod:`xmppd.net.s2s`) or a component (:mod:`xmppd.net.components`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from xmppd.net.outgoing import Outgoing
from xmppd.net.peers import address_of
from xmppd.wire import ns, stream
from xmppd.wire.errors import StreamError
from xmppd.wire.framing import Frame, IFramer, StreamEnd
from xmppd.wire.stanza import Nonza

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall
    from xmppd.net.tls.info import TlsInfo

__all__ = ["FAREWELL", "XmlStream"]

_log = Logger()
#: Seconds a peer gets to take the last bytes and close its side before the connection is cut; and seconds that what it
#: has asked for may take once it has closed its side.
FAREWELL = 5.0


@implementer(IProtocol, IPushProducer)
class XmlStream(Outgoing):
    """One connection with a stream in each direction. What comes is given to :meth:`take`, element by element.

    :ivar peer: the network address of the other end.
    :ivar tls: what TLS says of the connection, or None while it is not encrypted.
    :ivar framer: splits what comes; another one begins with each new stream on the connection (RFC 6120 4.3.3).
    :ivar opened: is our header sent?
    :ivar heard: has anything come since somebody looked last?
    :ivar idle: how many times in a row somebody looked and nothing had come.
    """

    __slots__ = ("_done", "_farewell", "_paused", "clock", "framer", "heard", "idle", "opened", "peer", "tls")

    def __init__(self, clock: IClock, framer: IFramer, output_queue_octets: int) -> None:
        super().__init__(output_queue_octets)
        self.clock = clock
        self.framer: IFramer = framer
        self.peer = ""
        self.tls: TlsInfo | None = None
        self.opened = False
        self.heard = False
        self.idle = 0
        self._done = False  # nothing is expected from the other end any more
        self._farewell: IDelayedCall | None = None
        self._paused: set[str] | None = None  # why nothing is read

    # What the kinds of streams do

    def begun(self) -> None:
        """Begin: there is a connection."""
        raise NotImplementedError

    def take(self, frame: Frame) -> None:
        """Take the next element (or stream header) from the other end."""
        raise NotImplementedError

    def ended(self) -> None:
        """Let go of all the rest: the connection is gone. :meth:`let_go` was called before."""
        raise NotImplementedError

    def let_go(self, lost: bool) -> None:
        """End what depends on the stream; nothing more is taken. May be called twice.

        :param lost: is it because the connection is lost?
        """
        raise NotImplementedError

    def header(self) -> bytes:
        """Return the stream header to send if the stream ends before it has begun (RFC 6120 4.9.1.3)."""
        raise NotImplementedError

    def last_words(self, error: StreamError | None) -> list[bytes]:
        """Return what closes our side of the stream."""
        words = [] if self.opened else [self.header()]
        return [*words, stream.END] if error is None else [*words, error.to_bytes(), stream.END]

    def who(self) -> str:
        """Tell the log who is at the other end."""
        raise NotImplementedError

    def peer_closed(self) -> None:
        """The other end has closed its stream (RFC 6120 4.4). Unless overridden, ours is closed as well."""
        self.close()

    def unreadable(self, error: StreamError) -> None:
        """The other end has sent what can't be read any further. Unless overridden, our side is closed saying so."""
        self.close(error)

    def peer_failed(self, error: StreamError) -> None:
        """The other end has closed its stream with an error: nothing to add (RFC 6120 4.9.1.1)."""
        self.close()

    def lost_by(self, error: StreamError | None) -> bool:
        """Does what depends on a stream that we close with this error survive, as if the connection were lost?"""
        return False

    # The connection

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self.transport = transport
        self.peer = address_of(transport.getPeer())
        transport.registerProducer(self, True)
        self.begun()

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._closing = True
        self._no_farewell()
        self.let_go(lost=True)
        self._out = None
        self.transport = None
        self.ended()

    def _no_farewell(self) -> None:
        farewell, self._farewell = self._farewell, None
        if farewell is not None and farewell.active():
            farewell.cancel()

    # In

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        self.heard = True
        if self._closing:
            self.listen_for_end(data)
            return
        framer = self.framer
        for frame in framer.feed(data):
            self.receive(frame)
            if self._closing or self.framer is not framer:
                if self._closing:
                    self.listen_for_end(data)
                return  # what came behind is not to be believed (RFC 6120 5.4.3.3, 6.4.6)

    def receive(self, frame: Frame) -> None:
        """Take what ends the stream; hand on all else."""
        if self._closing:
            return
        if isinstance(frame, StreamError):
            self.unreadable(frame)
        elif isinstance(frame, Nonza) and (frame.namespace, frame.name) == (ns.STREAM, "error"):
            self.peer_failed(StreamError.from_children(frame.elements))
        elif isinstance(frame, StreamEnd):
            self._done = True
            self.peer_closed()
        else:
            self.take(frame)

    def listen_for_end(self, data: bytes) -> None:
        """Our side is closed: take no notice of what comes, but of the closing tag."""
        if stream.END in data and not self._done:
            self._done = True
            if self._out is None and self.transport is not None:
                self.transport.loseConnection()

    # Back-pressure: reading

    def pause(self, why: str = "inbox") -> None:
        """Read nothing until every reason to pause is gone."""
        if self._paused is None:
            self._paused = set()
        if not self._paused and self.transport is not None:
            self.transport.pauseProducing()
        self._paused.add(why)

    def resume(self, why: str = "inbox") -> None:
        """Take back a reason to pause."""
        if self._paused:
            self._paused.discard(why)
            if not self._paused and self.transport is not None and not self._closing:
                self.transport.resumeProducing()

    # Out

    def overflowed(self) -> None:
        """See Outgoing."""
        _log.info("{who} ({peer}) does not take what is sent to it; closing", who=self.who(), peer=self.peer)
        self.abort()

    def written(self) -> None:
        """See Outgoing."""
        if self._closing:
            self._part()

    # The end

    @property
    def closing(self) -> bool:
        """Is our closing tag sent, or the connection gone?"""
        return self._closing

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream: an error if there is one, the closing tag, then the connection (RFC 6120 4.4, 4.9.1).

        Only our direction of the connection ends until the other end has closed its side too, or :data:`FAREWELL` is
        over: to close it altogether while more is coming would make its system throw our last words away.
        """
        if self._closing:
            return
        self.write_all(self.last_words(error))
        self._closing = True
        self._no_farewell()
        if error is not None:
            _log.debug("closing the stream of {who} ({peer}): {error}", who=self.who(), peer=self.peer, error=error)
        self.let_go(lost=self.lost_by(error))
        if self.transport is not None:
            if self._out is None:
                self._part()
            self._farewell = self.clock.callLater(FAREWELL, self.abort)

    def _part(self) -> None:
        """All is written: end the connection, or what of it is ours."""
        if self._done:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            if self._paused:
                self._paused.clear()
                self.transport.resumeProducing()

    def close_within(self, seconds: float) -> None:
        """Close the stream after so many seconds, if it is still open then."""
        self._farewell = self.clock.callLater(seconds, self.close)

    def wait_no_longer(self) -> None:
        """End the connection as soon as all is written, whether the other end has closed its side or not."""
        self._done = True
        if self._closing and self._out is None and self.transport is not None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._closing = True
        if self.transport is not None:
            self.transport.abortConnection()
