"""A stream outlives its parser: between two stanzas it has none, and a parser does not get old."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.errors import StreamError
from xmppd.wire.framing import Framer, ScannerPool, StreamEnd
from xmppd.wire.stanza import Message

HEADERS = (
    (
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a' version='1.0'>",
        b"</stream:stream>",
    ),
    (b"<stream xmlns='http://etherx.jabber.org/streams'\n xmlns:c='jabber:client'>", b"</stream>"),
)


class ParserTests(SynchronousTestCase):
    def test_the_stream_can_still_be_closed(self) -> None:
        for header, end in HEADERS:
            framer = Framer()
            framer.feed(header)
            frames = framer.feed(end)
            self.assertIsInstance(frames[0], StreamEnd, end)

    def test_stanzas_are_read_as_before(self) -> None:
        framer = Framer()
        framer.feed(HEADERS[0][0])
        for number in range(3):
            (message,) = framer.feed(b"<message id='%d'><body>hi</body></message>" % number)
            assert isinstance(message, Message)
            self.assertEqual((message.id, message.payload), (str(number), b"<body>hi</body>"))

    def test_a_replaced_parser_knows_the_end_tag(self) -> None:
        framer = Framer()
        framer.feed(HEADERS[0][0])
        body = b"x" * 100_000
        for _ in range(30):
            framer.feed(b"<message><body>" + body + b"</body></message>")
        self.assertIsInstance(framer.feed(HEADERS[0][1])[0], StreamEnd)

    def test_streams_share_a_parser_and_nothing_else(self) -> None:
        pool = ScannerPool()
        one, other = Framer(pool=pool), Framer(pool=pool)
        one.feed(HEADERS[0][0].replace(b"to=", b"xml:lang='de' to="))
        other.feed(HEADERS[0][0])
        one.feed(b"<message id='1'><body xmlns:p='urn:p'>")  # keeps its parser
        (message,) = other.feed(b"<message id='2'/>")
        assert isinstance(message, Message)
        self.assertEqual((message.id, message.lang), ("2", None))
        (message,) = one.feed(b"<p:x/></body></message>")
        assert isinstance(message, Message)
        self.assertEqual((message.id, message.lang), ("1", "de"))
        (error,) = other.feed(b"<message><p:x/></message>")
        self.assertIsInstance(error, StreamError)
        (message,) = one.feed(b"<message id='3'/>")
        assert isinstance(message, Message)
        self.assertEqual(message.id, "3")
