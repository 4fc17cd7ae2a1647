"""XEP-0297: stanzas inside of others, there and back."""

from __future__ import annotations

import unittest

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.forward import NS, forwarded, stanza_of
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Presence, Stanza
from xmppd.wire.xml import Element, parse

ROMEO, JULIET = Jid.parse("romeo@example.org/orchard"), Jid.parse("juliet@example.org")


def inner(xml: str) -> Element:
    """Return the stanza of jabber:client in XML, as it is inside of ``<forwarded/>``."""
    return next(parse(f"<forwarded xmlns='{NS}'>{xml}</forwarded>".encode())[0].elements())


class ForwardTests(unittest.TestCase):
    def test_there_and_back(self) -> None:
        for stanza in (
            Message(JULIET, ROMEO, "1", "chat", "en", b"<body>&lt;hi&gt;</body><x xmlns='urn:x'><y>1</y></x>"),
            Presence(None, ROMEO, None, "unavailable"),
            Iq(JULIET, None, "2", "get", None, b"<query xmlns='jabber:iq:roster'/>"),
        ):
            (around,) = parse(forwarded(stanza))
            self.assertEqual((around.uri, around.name), (NS, "forwarded"))
            found = stanza_of(next(around.elements()))
            self.assertIs(type(found), type(stanza))
            for name in ("to", "from_", "id", "type", "lang", "names"):
                self.assertEqual(getattr(found, name), getattr(stanza, name), name)
            self.assertEqual(found.to_bytes(), stanza.to_bytes())

    def test_defaults(self) -> None:
        found = stanza_of(inner("<message xmlns='jabber:client'/>"))
        self.assertEqual((found.type, found.to, found.from_, found.id), ("normal", None, None, None))

    def test_space_between(self) -> None:
        found: Stanza = stanza_of(inner("<message xmlns='jabber:client'>\n  <body>a b</body>\n</message>"))
        self.assertEqual(found.payload, b"<body>a b</body>")

    def test_no_stanza(self) -> None:
        for xml in ("<message/>", "<message xmlns='jabber:server'/>", "<x xmlns='jabber:client'/>"):
            with self.assertRaises(StanzaError) as caught:
                stanza_of(inner(xml))
            self.assertIs(caught.exception.condition, Condition.BAD_REQUEST)

    def test_bad_addresses(self) -> None:
        for address in ("to='@'", "from='a b@c'"):
            with self.assertRaises(StanzaError) as caught:
                stanza_of(inner(f"<message xmlns='jabber:client' {address}/>"))
            self.assertIs(caught.exception.condition, Condition.JID_MALFORMED)
