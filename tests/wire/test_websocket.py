"""Frames of WebSocket messages (RFC 7395), and elements that stand for themselves."""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire import stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import Frame, Limits, StreamEnd, StreamHeader
from xmppd.wire.stanza import Message, Nonza
from xmppd.wire.websocket import CLOSE, NS, MessageFramer, opening, qualified
from xmppd.wire.xml import parse

_OPEN = f"<open xmlns='{NS}' to='example.org' version='1.0' xml:lang='de'/>".encode()


def _fed(*messages: bytes, limits: Limits | None = None) -> list[Frame]:
    framer = MessageFramer(limits)
    return [frame for message in messages for frame in framer.feed(message)]


class MessageFramerTest(TestCase):
    """One message, one frame."""

    def test_open(self) -> None:
        """RFC 7395 3.4: what would be in the stream header."""
        (header,) = _fed(_OPEN)
        assert isinstance(header, StreamHeader)
        self.assertEqual(
            (header.to, header.version, header.lang, header.content), ("example.org", "1.0", "de", "jabber:client")
        )
        stream.check_header(header)

    def test_prefix(self) -> None:
        """Names count, not how they are written."""
        (header,) = _fed(f"<f:open xmlns:f='{NS}' to='example.org' version='1.0'/>".encode())
        self.assertIsInstance(header, StreamHeader)

    def test_stanza(self) -> None:
        """A stanza is what it would be on TCP; the stream's language is its language."""
        _, message = _fed(_OPEN, b"<message xmlns='jabber:client' to='a@example.org'><body>hi</body></message>")
        assert isinstance(message, Message)
        self.assertEqual((message.payload, message.lang, str(message.to)), (b"<body>hi</body>", "de", "a@example.org"))

    def test_without_a_namespace(self) -> None:
        """Some clients forget it."""
        self.assertIsInstance(_fed(_OPEN, b"<message><body>hi</body></message>")[1], Message)

    def test_tolerated(self) -> None:
        """White space is a keepalive, an XML declaration says nothing."""
        self.assertEqual(len(_fed(b" ", b"", b"<?xml version='1.0'?>" + _OPEN, b"\n")), 1)

    def test_close(self) -> None:
        """RFC 7395 3.6; nothing behind it is read."""
        _, end = _fed(_OPEN, CLOSE, b"<message/>", b"<")
        self.assertIsInstance(end, StreamEnd)

    def test_nonza(self) -> None:
        """Others pass as on TCP."""
        nonza = _fed(_OPEN, b"<r xmlns='urn:xmpp:sm:3'/>")[1]
        assert isinstance(nonza, Nonza)
        self.assertEqual((nonza.namespace, nonza.name), ("urn:xmpp:sm:3", "r"))

    def test_refused(self) -> None:
        """What is not one element ends the stream, with the error RFC 6120 names; nothing is read behind it."""
        for message, condition in (
            (b"<message xmlns='jabber:client'>", StreamCondition.BAD_FORMAT),
            (b"<message", StreamCondition.BAD_FORMAT),
            (b"<a xmlns='x'/><b xmlns='x'/>", StreamCondition.BAD_FORMAT),
            (b"<a xmlns='x'/>text", StreamCondition.BAD_FORMAT),
            (b"text", StreamCondition.NOT_WELL_FORMED),
            (b"</stream:stream>", StreamCondition.NOT_WELL_FORMED),
            (b"<a></b>", StreamCondition.NOT_WELL_FORMED),
            (b"<a>\xff</a>", StreamCondition.NOT_WELL_FORMED),
            (b"<x:a/>", StreamCondition.BAD_NAMESPACE_PREFIX),
            (b"<!-- no --><a xmlns='x'/>", StreamCondition.RESTRICTED_XML),
            (b"<!DOCTYPE a><a/>", StreamCondition.NOT_WELL_FORMED),
            (b"<a>&lol;</a>", StreamCondition.RESTRICTED_XML),
            (b"<stream:stream to='example.org'/>", StreamCondition.BAD_FORMAT),
            (_OPEN, StreamCondition.BAD_FORMAT),
            (b"<message><body>" + b"x" * 10_000 + b"</body></message>", StreamCondition.POLICY_VIOLATION),
        ):
            with self.subTest(message=message[:40]):
                _, error = _fed(_OPEN, message, b"<a xmlns='x'/>", limits=Limits(stanza=10_000))
                assert isinstance(error, StreamError)
                self.assertEqual(error.condition, condition)

    def test_no_beginning(self) -> None:
        """The first element has to be <open/>."""
        for message, condition in (
            (b"<message xmlns='jabber:client'/>", StreamCondition.INVALID_NAMESPACE),
            (b"<open xmlns='other' to='example.org'/>", StreamCondition.INVALID_NAMESPACE),
            (b"<open xmlns='" + NS.encode() + b"' to='" + b"x" * 4_096 + b"'/>", StreamCondition.POLICY_VIOLATION),
        ):
            with self.subTest(message=message[:40]):
                (error,) = _fed(message, _OPEN)
                assert isinstance(error, StreamError)
                self.assertEqual(error.condition, condition)

    @given(st.lists(st.binary(max_size=60), max_size=5))
    def test_anything(self, messages: list[bytes]) -> None:
        """Whatever comes: frames, and at most one error, which is the last."""
        frames = _fed(_OPEN, *messages)
        self.assertFalse([frame for frame in frames[:-1] if isinstance(frame, StreamError)])


class QualifiedTest(TestCase):
    """Elements of a stream over TCP as documents of their own."""

    def test_elements(self) -> None:
        """Each is in the namespace that it would be in on a stream; what is in no need of it stays as it is."""
        for element, expected in (
            (b"<message from='a'><body/></message>", "jabber:client"),
            (b"<presence/>", "jabber:client"),
            (b"<iq type='get'/>", "jabber:client"),
            (stream.features([b"<a xmlns='x'/>"]), "http://etherx.jabber.org/streams"),
            (StreamError(StreamCondition.RESET).to_bytes(), "http://etherx.jabber.org/streams"),
            (b"<starttls xmlns='x'/>", "x"),
            (b"<success xmlns='y'/>", "y"),
            (opening("1", "example.org", "a&b@example.org"), NS),
            (CLOSE, NS),
        ):
            with self.subTest(element=element):
                self.assertEqual(parse(qualified(element))[0].uri, expected)
        self.assertEqual(qualified(CLOSE), CLOSE)

    def test_opening(self) -> None:
        """RFC 7395 3.4: what a header has, escaped."""
        element = parse(opening("i'd", "example.org", "a&b@example.org", "de"))[0]
        self.assertEqual((element["id"], element["from"], element["to"], element["version"]),
                         ("i'd", "example.org", "a&b@example.org", "1.0"))  # fmt: skip
