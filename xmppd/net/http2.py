"""The client's side of an HTTP/2 connection (RFC 9113), without a network: octets in, octets and events out.

The library h2 does the frames and the streams. Here is what it leaves to its users: requests that wait until the
server allows one more stream, bodies that wait for flow control, answers put together, and a server that says goodbye:
h2 takes a GOAWAY for the end of everything, while streams that were begun may still end well (RFC 9113 section 6.8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import NoAvailableStreamIDError, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

__all__ = ["Answered", "Failed", "Http2", "Query"]

_HEAD = 9  # octets of a frame's header (RFC 9113 section 4.1)
_GOAWAY = 0x7
_LONGEST_FRAME = 16_384  # what we allow, and what everybody has to take
_LONGEST_GOAWAY = 8 + 4_096
_HEADERS = 65_536  # octets of an answer's header fields, as RFC 9113 section 6.5.2 counts them
_WINDOW = 1 << 20  # octets that a server may send ahead, of all answers together
_MOST_IDLE_OCTETS = 1 << 20  # what a server may send that is about no answer, from one answer to the next
_SETTINGS = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.MAX_CONCURRENT_STREAMS: 0,  # of those that the server would begin
    SettingCodes.MAX_HEADER_LIST_SIZE: _HEADERS,
}


@dataclass(frozen=True, slots=True)
class Query:
    """A request.

    :ivar fields: names in lower case; none of them about the connection.
    :ivar octets: of the answer's body at most.
    """

    method: str
    scheme: str
    authority: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    octets: int = 65_536


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered; of fields with one name all are here."""

    ticket: int
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A request was not answered.

    :ivar untouched: the server has done nothing about it, and says so: it may be asked again, on another connection.
    """

    ticket: int
    text: str
    untouched: bool = False


@dataclass(slots=True)
class _Stream:
    ticket: int
    octets: int
    unsent: bytes
    status: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    body: list[bytes] = field(default_factory=list)
    size: int = 0


class Http2:
    """One connection. Requests have tickets, which their events bear; what is to be sent is taken by :meth:`outgoing`.

    :ivar closing: no more requests are taken: the server has said goodbye, or the connection has ended.
    :ivar quiet: has nothing come since the last ping was sent?
    """

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self._h2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        self._waiting: deque[tuple[int, Query]] = deque()
        self._streams: dict[int, _Stream] = {}
        self._stalled: set[int] = set()  # whose bodies wait for flow control
        self._next = 0
        self._incoming = b""
        self._idle_octets = 0
        self._ready = False  # have the server's settings come?
        self._ended = False
        self.closing = False
        self.quiet = False

    @property
    def busy(self) -> bool:
        """Is there anything that was asked and not answered?"""
        return bool(self._waiting or self._streams)

    def outgoing(self) -> bytes:
        """Return what is to be sent now."""
        return self._h2.data_to_send()

    def start(self) -> None:
        """The connection is there: say hello."""
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)

    def ask(self, query: Query) -> int:
        """Send a request, as soon as the server allows; return its ticket. Also before :meth:`start`."""
        self._next += 1
        self._waiting.append((self._next, query))
        self._begin()
        return self._next

    def forget(self, ticket: int) -> None:
        """Nobody wants an answer any more."""
        self._waiting = deque(entry for entry in self._waiting if entry[0] != ticket)
        for number, stream in self._streams.items():
            if stream.ticket == ticket:
                self._reset(number)
                break
        self._begin()

    def ping(self) -> None:
        """Ask for a sign of life (RFC 9113 section 6.7)."""
        if self._ready and not self._ended:
            self.quiet = True
            self._h2.ping(b"xmppd   ")

    def leave(self) -> list[Failed]:
        """Say goodbye; the connection can be closed when that is sent."""
        if self._ready and not self._ended:
            self._h2.close_connection()
        return self.end("the connection was closed")

    def end(self, text: str) -> list[Failed]:
        """The connection is gone, because of what `text` says."""
        self._ended = self.closing = True
        failed = [Failed(ticket, text, untouched=True) for ticket, _ in self._waiting]
        failed += [Failed(stream.ticket, text) for stream in self._streams.values()]
        self._waiting.clear()
        self._streams.clear()
        return failed

    def receive(self, data: bytes) -> list[Answered | Failed]:
        """Take octets from the network.

        If they are no HTTP/2, all requests fail, :attr:`closing` is set, and what is to be sent is the reason.
        """
        if self._ended:
            return []
        self.quiet = False
        self._idle_octets += len(data)
        found: list[Answered | Failed] = []
        try:
            for piece in self._frames(data):
                found += self._goodbye(piece) if piece[3] == _GOAWAY else self._taken(self._h2.receive_data(piece))
            if self._idle_octets > _MOST_IDLE_OCTETS:
                raise ProtocolError("it sends much that nobody has asked for")
            self._begin()
        except (ProtocolError, ValueError) as error:
            found += self.end(f"the server does not keep to HTTP/2: {error}")
        return found

    # What comes

    def _frames(self, data: bytes) -> Iterable[bytes]:
        """Yield whole frames."""
        data, self._incoming = self._incoming + data, b""
        start = 0
        while len(data) - start >= _HEAD:
            length = int.from_bytes(data[start : start + 3], "big")
            if length > _LONGEST_FRAME or (data[start + 3] == _GOAWAY and not 8 <= length <= _LONGEST_GOAWAY):
                raise ProtocolError(f"a frame has {length} octets")
            end = start + _HEAD + length
            if len(data) < end:
                break
            yield data[start:end]
            start = end
        self._incoming = data[start:]

    def _taken(self, events: Iterable[Event]) -> list[Answered | Failed]:
        found: list[Answered | Failed] = []
        for event in events:
            if isinstance(event, RemoteSettingsChanged):
                self._ready = True
                self._feed_all()
            elif isinstance(event, WindowUpdated):
                self._feed_all()
            elif isinstance(event, ResponseReceived):
                self._head(event)
            elif isinstance(event, DataReceived):
                found += self._data(event)
            elif isinstance(event, StreamEnded):
                found += self._whole(event.stream_id)
            elif isinstance(event, StreamReset):
                found += self._was_reset(event)
            elif isinstance(event, PingAckReceived):
                self._idle_octets = 0
        return found

    def _head(self, event: ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            fields = [(str(name), str(value)) for name, value in event.headers or ()]
            stream.status = int(dict(fields).get(":status", "0"))
            stream.fields = tuple(entry for entry in fields if not entry[0].startswith(":"))

    def _data(self, event: DataReceived) -> list[Failed]:
        number, data = event.stream_id, event.data or b""
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, number)
        stream = self._streams.get(number)
        if stream is None:
            return []  # nobody wants it any more
        if data:  # frames without anything in them are no answer, however many there are
            self._idle_octets = 0
            stream.body.append(data)
        stream.size += len(data)
        if stream.size <= stream.octets:
            return []
        self._reset(number)
        return [Failed(stream.ticket, "the answer is too long")]

    def _whole(self, number: int) -> list[Answered]:
        stream = self._streams.pop(number, None)
        if stream is None:
            return []
        self._idle_octets = 0
        if stream.unsent:  # it has answered before it had the whole request (RFC 9113 section 8.1)
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        return [Answered(stream.ticket, stream.status, stream.fields, b"".join(stream.body))]

    def _was_reset(self, event: StreamReset) -> list[Failed]:
        stream = self._streams.pop(event.stream_id, None)
        if stream is None:
            return []
        untouched = event.error_code == ErrorCodes.REFUSED_STREAM  # RFC 9113 section 8.7
        return [Failed(stream.ticket, f"the server has cut it off ({_name(event.error_code)})", untouched)]

    def _goodbye(self, frame: bytes) -> list[Failed]:
        """Take a GOAWAY: what the server has not begun, it never will; the rest may still be answered."""
        last = int.from_bytes(frame[_HEAD : _HEAD + 4], "big") & 0x7FFFFFFF
        code = int.from_bytes(frame[_HEAD + 4 : _HEAD + 8], "big")
        self.closing = True
        text = f"the server closes the connection ({_name(code)})"
        failed = [Failed(ticket, text, untouched=True) for ticket, _ in self._waiting]
        self._waiting.clear()
        for number in [number for number in self._streams if number > last]:
            failed.append(Failed(self._streams.pop(number).ticket, text, untouched=True))
        return failed

    # What goes

    def _begin(self) -> None:
        """Send requests that wait, as many as the server allows; not before it has said how many that is."""
        while self._waiting and self._ready and not self.closing:
            if self._h2.open_outbound_streams >= self._h2.remote_settings.max_concurrent_streams:
                break
            try:
                number = self._h2.get_next_available_stream_id()
            except NoAvailableStreamIDError:
                self.closing = True
                break
            ticket, query = self._waiting.popleft()
            self._h2.send_headers(number, _fields(query), end_stream=not query.body)
            self._streams[number] = _Stream(ticket, query.octets, query.body)
            self._feed(number)

    def _feed_all(self) -> None:
        for number in list(self._stalled):
            self._feed(number)

    def _feed(self, number: int) -> None:
        """Send as much of a body as flow control allows (RFC 9113 section 5.2)."""
        stream = self._streams.get(number)
        while stream is not None and stream.unsent:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if room <= 0:
                self._stalled.add(number)
                return
            piece, stream.unsent = stream.unsent[:room], stream.unsent[room:]
            self._h2.send_data(number, piece, end_stream=not stream.unsent)
        self._stalled.discard(number)

    def _reset(self, number: int) -> None:
        del self._streams[number]
        with suppress(StreamClosedError):  # both sides have said all
            self._h2.reset_stream(number, ErrorCodes.CANCEL)


def _fields(query: Query) -> list[tuple[str, str]]:
    return [
        (":method", query.method),
        (":scheme", query.scheme),
        (":authority", query.authority),
        (":path", query.path),
        *query.fields,
    ]


def _name(code: int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"error {code}"
