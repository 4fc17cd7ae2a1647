"""A stream outlives its parser: silence frees it, and a long life replaces it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.framing import Framer, StreamEnd
from xmppd.wire.stanza import Message

HEADERS = (
    (
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a' version='1.0'>",
        b"</stream:stream>",
    ),
    (b"<stream xmlns='http://etherx.jabber.org/streams'\n xmlns:c='jabber:client'>", b"</stream>"),
)


class HibernateTests(SynchronousTestCase):
    def test_the_stream_can_still_be_closed(self) -> None:
        for header, end in HEADERS:
            framer = Framer()
            framer.feed(header)
            framer.hibernate()
            frames = framer.feed(end)
            self.assertIsInstance(frames[0], StreamEnd, end)

    def test_stanzas_are_read_as_before(self) -> None:
        framer = Framer()
        framer.feed(HEADERS[0][0])
        for number in range(3):
            framer.hibernate()
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
