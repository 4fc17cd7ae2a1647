"""Stanzas of servers and components mean the same to everybody as those of clients (RFC 6120 4.8.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire import ns
from xmppd.wire.framing import Framer, ScannerPool
from xmppd.wire.stanza import Iq, Message, Stanza

HEADER = "<stream:stream xmlns='{}' xmlns:stream='http://etherx.jabber.org/streams'{} version='1.0'>"
DB = " xmlns:db='jabber:server:dialback'"


def header(content: str, more: str = "") -> bytes:
    return HEADER.format(content, more).encode()


def read(content: str, text: str, more: str = "", pool: ScannerPool | None = None) -> Stanza:
    framer = Framer(None, pool)
    frames = [*framer.feed(header(content, more)), *framer.feed(text.encode())]
    stanza = frames[-1]
    assert isinstance(stanza, Stanza), stanza
    return stanza


class ContentNamespaces(SynchronousTestCase):
    def test_a_child_without_namespace(self) -> None:
        for content in (ns.SERVER, ns.COMPONENT, ns.CLIENT):
            message = read(content, "<message to='a@b' from='c@d'><body>hi</body></message>")
            assert isinstance(message, Message)
            self.assertEqual(message.body, "hi")
            self.assertEqual(message.names, ((ns.CLIENT, "body"),))
            self.assertEqual(message.payload, b"<body>hi</body>")

    def test_a_child_that_names_the_namespace(self) -> None:
        for content in (ns.SERVER, ns.COMPONENT, ns.CLIENT):
            message = read(content, f"<message to='a@b'><body xmlns='{content}'>hi</body></message>")
            self.assertEqual(message.payload, b"<body>hi</body>")
            self.assertEqual(message.names, ((ns.CLIENT, "body"),))

    def test_a_prefix_for_the_namespace(self) -> None:
        message = read(ns.SERVER, "<message to='a@b'><s:body>hi</s:body></message>", " xmlns:s='jabber:server'")
        self.assertEqual(message.payload, b"<body>hi</body>")

    def test_forwarded(self) -> None:
        forwarded = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='{}'><body>hi</body></message></forwarded>"
        for content in (ns.SERVER, ns.COMPONENT):
            message = read(content, f"<message to='a@b'>{forwarded.format(content)}</message>")
            self.assertEqual(message.payload.decode(), forwarded.format(ns.CLIENT))
        message = read(ns.CLIENT, f"<message to='a@b'>{forwarded.format(ns.CLIENT)}</message>")
        self.assertEqual(message.payload.decode(), forwarded.format(ns.CLIENT))
        message = read(ns.SERVER, f"<message to='a@b'>{forwarded.format(ns.CLIENT)}</message>")
        self.assertEqual(message.payload.decode(), forwarded.format(ns.CLIENT))

    def test_errors(self) -> None:
        error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        iq = read(ns.SERVER, f"<iq to='a@b' id='1' type='error'><query xmlns='x'/>{error}</iq>", DB)
        assert isinstance(iq, Iq)
        self.assertIsNotNone(iq.child(ns.CLIENT, "error"))

    def test_streams_with_and_without_dialback_share_no_scanner(self) -> None:
        pool = ScannerPool()
        text = "<message><x xmlns='db:x'/></message>"
        for more in (DB, "", DB, ""):
            self.assertEqual(read(ns.SERVER, text, more, pool).payload, b"<x xmlns='db:x'/>")
        framer = Framer(None, pool)
        framer.feed(header(ns.SERVER, DB))
        nonza = framer.feed(b"<db:result from='a' to='b'>key</db:result>")[0]
        self.assertEqual((nonza.namespace, nonza.name), (ns.DIALBACK, "result"))  # type: ignore[union-attr]
        framer = Framer(None, pool)
        framer.feed(header(ns.SERVER))
        self.assertEqual(str(framer.feed(b"<db:result/>")[0]), "bad-namespace-prefix: unbound prefix")

    @given(st.sampled_from((ns.SERVER, ns.COMPONENT)), st.sampled_from(("", "same", ns.CLIENT, "x")))
    def test_read_back_as_a_clients(self, content: str, named: str) -> None:
        """Whatever is written for one stream means the same when it comes from another."""
        xmlns = f" xmlns='{content if named == 'same' else named}'" if named else ""
        stanza = read(content, f"<message to='a@b'><a{xmlns}><b/></a></message>")
        for other in (ns.CLIENT, ns.SERVER, ns.COMPONENT):
            again = read(other, stanza.to_bytes().decode())
            self.assertEqual(again.names, stanza.names)
            if named != ns.CLIENT:
                self.assertEqual(again.elements[0].toXml(), stanza.elements[0].toXml())
