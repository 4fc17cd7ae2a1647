"""Frames on the short way are read and made as the library reads and makes them, however the network cuts them."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any, cast
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from xmppd.net.websocket.frames import extent, framed, unmasked
from xmppd.net.websocket.socket import Socket
from xmppd.wire.errors import StreamError

_LARGEST = 1_000
_SPARE = 65_536


class _Stream:
    """What a socket has for a stream, and for the connection."""

    def __init__(self) -> None:
        self.framer = SimpleNamespace(limits=SimpleNamespace(stanza=_LARGEST))
        self.heard = self.congested = False
        self.messages: list[bytes] = []
        self.spent = 0
        self.errors: list[StreamError] = []
        self.written = b""
        self.lost = False

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.messages.append(data)

    def spend(self, octets: int) -> None:
        self.spent += octets

    def close(self, error: StreamError) -> None:
        self.errors.append(error)

    def write(self, data: bytes) -> None:
        self.written += data

    def loseConnection(self) -> None:
        self.lost = True


def _pair() -> tuple[Socket, _Stream]:
    stream = _Stream()
    socket = Socket(cast(Any, stream), "192.0.2.1")
    socket.makeConnection(stream)
    return socket, stream


def _client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://example.org/"), state=State.OPEN, max_size=None)


def _sent(*frames: Frame) -> bytes:
    client = _client()
    for frame in frames:
        client.send_frame(frame)
    return b"".join(client.data_to_send())


def _text(data: bytes, fin: bool = True) -> Frame:
    return Frame(Opcode.TEXT, data, fin)


_FRAMES = st.lists(
    st.one_of(
        st.sampled_from([0, 1, 125, 126, 127, 1_000, 60_000, 66_000]).map(lambda size: [_text(b"x" * size)]),
        st.binary(max_size=20).map(lambda data: [_text(data)]),
        st.binary(max_size=20).map(lambda data: [Frame(Opcode.PING, data)]),
        st.just([_text(b"ab", False), Frame(Opcode.PING, b"!"), Frame(Opcode.CONT, b"cd", False),
                 Frame(Opcode.CONT, b"ef")]),
    ),
    max_size=6,
)  # fmt: skip


class Reading(TestCase):
    """What a client sends."""

    @given(_FRAMES, st.data())
    def test_cuts(self, groups: list[list[Frame]], choice: st.DataObject) -> None:
        """Every message comes once, whole and in order; pings are answered; every octet counts once."""
        frames = [frame for group in groups for frame in group]
        data = _sent(*frames)
        cuts = sorted(choice.draw(st.lists(st.integers(0, len(data)), max_size=8)))
        socket, stream = _pair()
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            socket.dataReceived(data[begin:end])
        wanted = [b"abcdef" if not group[0].fin else bytes(group[0].data) for group in groups]
        wanted = [message for message, group in zip(wanted, groups, strict=True) if group[0].opcode is Opcode.TEXT]
        self.assertEqual(stream.messages, wanted)
        client = _client()
        client.receive_data(stream.written)
        pongs = [event.data for event in client.events_received() if isinstance(event, Frame)]
        self.assertEqual(pongs, [frame.data for frame in frames if frame.opcode is Opcode.PING])
        self.assertEqual(stream.spent + sum(map(len, stream.messages)), len(data))
        self.assertEqual(stream.errors, [])

    def test_octet_by_octet(self) -> None:
        """The same, however slowly."""
        socket, stream = _pair()
        for octet in _sent(_text(b"one"), _text(b"t" * 200), _text(b"three")):
            socket.dataReceived(bytes((octet,)))
        self.assertEqual(stream.messages, [b"one", b"t" * 200, b"three"])

    def test_too_large(self) -> None:
        """A frame that is too large is refused as soon as its size is known."""
        socket, stream = _pair()
        socket.dataReceived(_sent(_text(b"one"), _text(b"x" * (_LARGEST + _SPARE + 1)))[:40])
        self.assertEqual(stream.messages, [b"one"])
        self.assertEqual(self._code(stream), CloseCode.MESSAGE_TOO_BIG)

    def test_just_not_too_large(self) -> None:
        """The limit itself is not too large."""
        socket, stream = _pair()
        socket.dataReceived(_sent(_text(b"x" * (_LARGEST + _SPARE))))
        self.assertEqual(len(stream.messages[0]), _LARGEST + _SPARE)

    def test_not_masked(self) -> None:
        """RFC 6455 5.1: a server closes when a client doesn't mask, as soon as that is known."""
        socket, stream = _pair()
        socket.dataReceived(_sent(_text(b"one")) + framed(b"two")[:2])
        self.assertEqual(stream.messages, [b"one"])
        self.assertEqual(self._code(stream), CloseCode.PROTOCOL_ERROR)

    def test_message_amid_fragments(self) -> None:
        """5.4: the fragments of one message are not interleaved with another."""
        socket, stream = _pair()
        socket.dataReceived(_sent(_text(b"one", False), _text(b"two")))
        self.assertEqual(stream.messages, [])
        self.assertEqual(self._code(stream), CloseCode.PROTOCOL_ERROR)

    def test_fragments_of_nothing(self) -> None:
        """5.4: a fragment may be empty, so there is no end to how many a message may have; nothing of them is kept."""
        socket, _ = _pair()
        socket.dataReceived(_sent(_text(b"one", False)))
        empty = _sent(_text(b"", False), Frame(Opcode.CONT, b"", False))[6:]
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        socket.dataReceived(empty * 1_000)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            socket.dataReceived(empty * 1_000)
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess(after - before, 20_000)

    def test_pings_of_who_does_not_read(self) -> None:
        """5.5.3: not every ping has to be answered; for who takes nothing, nothing is kept."""
        socket, stream = _pair()
        stream.congested = True
        socket.dataReceived(_sent(Frame(Opcode.PING, b"1"), Frame(Opcode.PING, b"2")))
        self.assertEqual(stream.written, b"")
        stream.congested = False
        socket.dataReceived(_sent(Frame(Opcode.PING, b"3")))
        self.assertEqual(stream.written, b"\x8a\x013")
        stream.congested = True
        socket.loseConnection()
        self.assertIn(b"\x88\x02\x03\xe8", stream.written)

    def test_behind_the_end(self) -> None:
        """5.5.1: nothing behind a Close frame is taken."""
        socket, stream = _pair()
        socket.dataReceived(_sent(_text(b"one"), Frame(Opcode.CLOSE, b"\x03\xe8")) + _sent(_text(b"two")))
        self.assertEqual(stream.messages, [b"one"])
        self.assertTrue(stream.lost)

    def _code(self, stream: _Stream) -> int:
        """Return the code of the Close frame, which is all that was written, and the stream knows of."""
        self.assertEqual(len(stream.errors), 1)
        self.assertEqual(stream.written[0], 0x88)
        return int.from_bytes(stream.written[2:4], "big")


class Writing(TestCase):
    """What a server sends."""

    @given(st.sampled_from([0, 1, 125, 126, 65_535, 65_536, 70_000]))
    def test_sizes(self, size: int) -> None:
        """A client of the library takes it."""
        client = _client()
        client.receive_data(framed(b"x" * size))
        (frame,) = client.events_received()
        assert isinstance(frame, Frame)
        self.assertEqual((frame.opcode, frame.fin, bytes(frame.data)), (Opcode.TEXT, True, b"x" * size))

    @given(st.binary(max_size=300), st.binary(max_size=10))
    def test_extent(self, message: bytes, before: bytes) -> None:
        """Where a frame begins and ends is known once its head is there."""
        data = before + _sent(_text(message))
        found = extent(data + b"more", len(before))
        assert found is not None
        self.assertEqual(unmasked(data, *found), message)
        self.assertEqual(found[1], len(data))
        self.assertIsNone(extent(data[: len(before) + 1], len(before)))
