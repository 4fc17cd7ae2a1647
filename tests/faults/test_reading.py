"""What devices understand of messages."""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from tests.faults import reading
from tests.faults.history import ERROR, Key
from tests.faults.reading import Fin, Incoming

BARE = "b@example.test"
KEY = Key("a/1", "b", 3)


def parse(xml: str) -> ET.Element:
    return ET.fromstring(f"<x xmlns='jabber:client'>{xml}</x>")[0]


def message(more: str = "", body: str = KEY.text) -> str:
    body = f"<body>{escape(body)}</body>" if body else ""
    return f"<message xmlns='jabber:client' from='a@example.test/1'>{body}{more}</message>"


def forwarded(inner: str) -> str:
    return f"<forwarded xmlns='{reading.FORWARD}'>{inner}</forwarded>"


def sid(by: str = BARE) -> str:
    return f"<stanza-id xmlns='{reading.SID}' by='{by}' id='s1'/>"


class Read(unittest.TestCase):
    def read(self, xml: str) -> Incoming | None:
        return reading.read(parse(xml), BARE)

    def test_what_is_sent_is_read(self) -> None:
        self.assertEqual(self.read(reading.message(KEY, BARE)), Incoming("direct", KEY, KEY.text))

    def test_delay(self) -> None:
        self.assertEqual(
            self.read(message("<delay xmlns='urn:xmpp:delay'/>" + sid())), Incoming("delayed", KEY, KEY.text, "s1")
        )

    def test_ids_of_others(self) -> None:
        self.assertEqual(self.read(message(sid("c@example.test"))), Incoming("direct", KEY, KEY.text))

    def test_other_bodies(self) -> None:
        self.assertEqual(self.read(message(body="hello")), Incoming("direct", None, "hello"))
        self.assertIsNone(self.read(message(body="")))
        self.assertIsNone(self.read(reading.typing(BARE)))

    def test_carbons(self) -> None:
        for way in ("sent", "received"):
            carbon = f"<{way} xmlns='{reading.CARBONS}'>{forwarded(message(sid()))}</{way}>"
            self.assertEqual(
                self.read(f"<message from='{BARE}'>{carbon}</message>"), Incoming(way, KEY, KEY.text, "s1")
            )
            # Section 11: a carbon of somebody else is no carbon.
            self.assertIsNone(self.read(f"<message from='c@example.test'>{carbon}</message>"))
            empty = f"<{way} xmlns='{reading.CARBONS}'>{forwarded(message(body=''))}</{way}>"
            self.assertIsNone(self.read(f"<message from='{BARE}'>{empty}</message>"))

    def test_results(self) -> None:
        result = f"<message><result xmlns='{reading.MAM}' queryid='q1' id='r1'>%s</result></message>"
        self.assertEqual(self.read(result % forwarded(message())), Incoming("result", KEY, KEY.text, "r1", "q1"))
        error = forwarded("<message xmlns='jabber:client' type='error'/>")
        self.assertEqual(self.read(result % error), Incoming("result", None, ERROR, "r1", "q1"))
        other = self.read(result % forwarded(message(body="hello")))
        assert other is not None
        self.assertIn("hello", other.text)

    def test_errors(self) -> None:
        condition = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        id_ = quoteattr(KEY.text)
        found = self.read(f"<message type='error' id={id_}><error type='cancel'>{condition}</error></message>")
        self.assertEqual(found, Incoming("error", KEY, id="service-unavailable"))


class Queries(unittest.TestCase):
    def test_places(self) -> None:
        self.assertNotIn("after", reading.query("q", "", 10, True))
        self.assertIn("var='after-id'><value>x&amp;y</value>", reading.query("q", "x&y", 10, True))
        self.assertIn("<max>10</max><after>x</after>", reading.query("q", "x", 10, False))

    def test_fin(self) -> None:
        fin = f"<fin xmlns='{reading.MAM}' %s><set xmlns='{reading.RSM}'><last>9</last></set></fin>"
        self.assertEqual(reading.fin(parse(f"<iq>{fin % ''}</iq>")), Fin("9", False))
        complete = fin % "complete='true'"
        self.assertEqual(reading.fin(parse(f"<iq>{complete}</iq>")), Fin("9", True))
        self.assertIsNone(reading.fin(parse("<iq/>")))
