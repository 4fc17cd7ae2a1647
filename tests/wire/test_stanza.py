"""Stanzas: what they hold, and what is made from them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.framing import Framer
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import tag

ROMEO, JULIET = Jid.parse("romeo@example.org/orchard"), Jid.parse("juliet@example.org")


def received(data: bytes) -> Stanza:
    framer = Framer()
    framer.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
    (frame,) = framer.feed(data)
    assert isinstance(frame, Stanza), frame
    return frame


class Written(SynchronousTestCase):
    def test_all_attributes(self) -> None:
        message = Message(JULIET, ROMEO, "<1>", "chat", "de", tag("body", "hi"), extra={"x": "'"})
        self.assertEqual(
            message.to_bytes(),
            b"<message from='romeo@example.org/orchard' to='juliet@example.org' type='chat' id='&lt;1&gt;'"
            b" xml:lang='de' x='&apos;'><body>hi</body></message>",
        )

    def test_defaults_are_left_out(self) -> None:
        self.assertEqual(Message().to_bytes(), b"<message/>")
        self.assertEqual(Presence(type="available").to_bytes(), b"<presence/>")
        self.assertEqual(Message(type="normal").to_bytes(), b"<message/>")
        self.assertEqual(Iq(None, None, "1", "result").to_bytes(), b"<iq type='result' id='1'/>")

    def test_addresses_are_escaped(self) -> None:
        odd = Jid.parse("romeo@example.org/a'b<c>&d")
        self.assertEqual(Message(odd).to_bytes(), b"<message to='romeo@example.org/a&apos;b&lt;c&gt;&amp;d'/>")

    def test_reads_back(self) -> None:
        data = b"<iq from='romeo@example.org/orchard' to='juliet@example.org' type='get' id='1'><x xmlns='urn:x'/></iq>"
        self.assertEqual(received(data).to_bytes(), data)


class Read(SynchronousTestCase):
    def test_who_sent_it_to_whom(self) -> None:
        message = Message(JULIET, ROMEO)
        self.assertEqual((message.sender, message.recipient), (ROMEO, JULIET))
        for absent in ("sender", "recipient"):
            with self.assertRaises(ValueError) as caught:
                getattr(Iq(type="get"), absent)
            self.assertIn(absent, str(caught.exception))

    def test_content(self) -> None:
        message = received(b"<message><subject/><body>a&amp;b</body><x xmlns='urn:x'><body>no</body></x></message>")
        assert isinstance(message, Message)
        self.assertEqual(message.body, "a&b")
        self.assertEqual(message.text("subject"), "")
        self.assertIsNone(message.text("thread"))
        self.assertTrue(message.has("urn:x", "x"))
        self.assertFalse(message.has("urn:x", "body"))
        self.assertFalse(message.has("jabber:client", "x"))
        self.assertIsNone(message.child("jabber:client", "x"))
        child = message.child("urn:x", "x")
        assert child is not None
        self.assertEqual(child.uri, "urn:x")

    def test_first_of_several(self) -> None:
        message = received(b"<message><body>1</body><body>2</body></message>")
        assert isinstance(message, Message)
        self.assertEqual(message.body, "1")

    def test_parsed_once(self) -> None:
        message = received(b"<message><body>1</body></message>")
        self.assertIs(message.elements, message.elements)
        self.assertIs(message.elements, message.readdressed(to=JULIET).elements)

    def test_names_of_our_own(self) -> None:
        message = Message(payload=[tag("body", "hi"), tag("x", xmlns="urn:x")])
        self.assertEqual(message.names, (("jabber:client", "body"), ("urn:x", "x")))

    def test_types(self) -> None:
        self.assertEqual(received(b"<message/>").type, "normal")
        self.assertEqual(received(b"<message type=''/>").type, "normal")
        self.assertEqual(received(b"<presence/>").type, "available")
        self.assertEqual(received(b"<iq/>").type, "")

    def test_priority(self) -> None:
        for text, priority in ((b"5", 5), (b"-128", -128), (b"128", 0), (b"x", 0), (b"", 0), (b" 7\n", 7)):
            presence = received(b"<presence><priority>" + text + b"</priority></presence>")
            assert isinstance(presence, Presence)
            self.assertEqual(presence.priority, priority, text)
        self.assertEqual(Presence().priority, 0)

    def test_request(self) -> None:
        iq = received(b"<iq type='get' id='1'> <x xmlns='urn:x'/> </iq>")
        assert isinstance(iq, Iq)
        self.assertEqual(iq.request.name, "x")

    def test_nonza(self) -> None:
        nonza = Nonza("urn:x", "x", {}, b"a<b/>c<d xmlns='urn:d'/>&gt;", ())
        self.assertEqual(nonza.text, "ac>")
        self.assertEqual([(e.uri, e.name) for e in nonza.elements], [("urn:x", "b"), ("urn:d", "d")])


class Made(SynchronousTestCase):
    """New stanzas from old ones, which stay as they were."""

    def setUp(self) -> None:
        self.iq = received(
            b"<iq from='romeo@example.org/orchard' to='juliet@example.org' type='set' id='1' xml:lang='de' a='b'>"
            b"<x xmlns='urn:x'/></iq>"
        )
        self.before = self.iq.to_bytes()

    def tearDown(self) -> None:
        self.assertEqual(self.iq.to_bytes(), self.before)

    def test_readdressed(self) -> None:
        new = self.iq.readdressed(to=ROMEO)
        self.assertEqual((new.to, new.from_, new.id, new.extra), (ROMEO, ROMEO, "1", {"a": "b"}))
        self.assertIs(new.payload, self.iq.payload)
        self.assertEqual(self.iq.readdressed().to_bytes(), self.before)

    def test_with_payload(self) -> None:
        new = self.iq.with_payload(tag("y", xmlns="urn:y"))
        self.assertEqual((new.names, new.lang), ((("urn:y", "y"),), "de"))
        self.assertTrue(new.has("urn:y", "y"))
        self.assertFalse(new.has("urn:x", "x"))

    def test_adding(self) -> None:
        self.assertEqual(self.iq.adding(tag("y", xmlns="urn:y")).names, (("urn:x", "x"), ("urn:y", "y")))

    def test_adding_to_what_was_written(self) -> None:
        for payload in (b"", b"<x/>"):
            fresh, written = (Message(ROMEO, JULIET, "1", payload=payload) for _ in range(2))
            written.to_bytes()
            self.assertEqual(written.adding(b"<y/>").to_bytes(), fresh.adding(b"<y/>").to_bytes())

    def test_copies(self) -> None:
        odd = Jid.of("juliet", "example.org", "it's <odd> & ö")
        for stanza in (self.iq, Message(None, ROMEO), Presence(JULIET, type="unavailable", payload=b"<x/>")):
            for to, copy in zip((ROMEO, odd), stanza.copies([ROMEO, odd]), strict=True):
                single = stanza.readdressed(to=to)
                self.assertEqual(copy.to_bytes(), single.to_bytes())
                self.assertEqual(copy.raw_names, single.raw_names)
                for name in ("to", "from_", "id", "type", "lang", "extra", "payload", "unit"):
                    self.assertEqual(getattr(copy, name), getattr(single, name))

    def test_copies_share_what_they_have_in_common(self) -> None:
        first, second = self.iq.copies([ROMEO, JULIET])
        tail = first.tail
        assert tail is not None
        self.assertIs(tail, second.tail)
        self.assertTrue(first.to_bytes().endswith(tail))
        self.assertNotIn(b"romeo@example.org/orchard' to", tail)
        self.assertIn(b" id='1'", tail)
        for other in (first.adding(b"<y/>"), first.readdressed(to=JULIET), first.with_payload(b"<y/>"), self.iq):
            self.assertIsNone(other.tail)
        self.assertTrue(first.adding(b"<y/>").to_bytes().endswith(b"<x xmlns='urn:x'/><y/></iq>"))

    def test_copies_are_parsed_once(self) -> None:
        first, second = Message(None, ROMEO, payload=b"<body/>").copies([ROMEO, JULIET])
        self.assertEqual(first.names, (("jabber:client", "body"),))
        self.assertIs(first.elements, second.elements)

    def test_result(self) -> None:
        assert isinstance(self.iq, Iq)
        self.assertEqual(
            self.iq.result(b"<y/>").to_bytes(),
            b"<iq from='juliet@example.org' to='romeo@example.org/orchard' type='result' id='1'><y/></iq>",
        )

    def test_error(self) -> None:
        reply = self.iq.error(StanzaError(Condition.FORBIDDEN))
        self.assertEqual((reply.to, reply.from_, reply.type, reply.id), (ROMEO, JULIET, "error", "1"))
        self.assertEqual([name for _, name in reply.names], ["x", "error"])
        error = reply.child("jabber:client", "error")
        assert error is not None
        self.assertEqual((error["type"], error.firstChildElement().name), ("auth", "forbidden"))

    def test_what_must_not_be_answered(self) -> None:
        """RFC 6120 8.3.1: no error to an error, or servers would send them for ever."""
        for stanza in (Message(type="error"), Presence(type="error"), Iq(type="error"), Iq(type="result")):
            self.assertFalse(stanza.answerable)
            self.assertRaises(ValueError, stanza.error, StanzaError(Condition.FORBIDDEN))
        for stanza in (Message(), Message(type="headline"), Presence(type="subscribe"), Iq(type="get")):
            self.assertTrue(stanza.answerable)


class Shown(SynchronousTestCase):
    def test_logs_show_no_content(self) -> None:
        to, from_ = Jid.parse("example.org"), Jid.parse("romeo@example.org/orchard")
        iq = Iq(to, from_, "1", "set", None, b"<query xmlns='jabber:iq:register'><password>x</password></query>")
        self.assertEqual(repr(iq), "<Iq set from romeo@example.org/orchard to example.org: query>")
        self.assertEqual(repr(Message()), "<Message normal from None to None>")
        self.assertEqual(repr(Message(payload=b"<a/>" * 9)).count(" a"), 8)
