"""RFC 6120 section 8.2.3 and RFC 6121 section 4.7.1: what a stanza must be like by itself."""

from __future__ import annotations

from unittest import TestCase

from xmppd.wire.errors import Condition
from xmppd.wire.rules import fault, iq_fault, presence_fault
from xmppd.wire.stanza import Iq, Message, Presence
from xmppd.wire.xml import tag

CHILD = tag("a", xmlns="urn:example:a")


class Iqs(TestCase):
    def test_good(self) -> None:
        for iq in (
            Iq(id="1", type="get", payload=CHILD),
            Iq(id="1", type="set", payload=CHILD),
            Iq(id="1", type="result"),
            Iq(id="1", type="result", payload=CHILD),
            Iq(id="1", type="error", payload=CHILD + CHILD),
        ):
            self.assertIsNone(iq_fault(iq), iq)

    def test_bad(self) -> None:
        for iq in (
            Iq(id="1", type="other", payload=CHILD),
            Iq(id="1", payload=CHILD),
            Iq(type="get", payload=CHILD),
            Iq(id="", type="get", payload=CHILD),
            Iq(id="1", type="get"),
            Iq(id="1", type="set", payload=CHILD + CHILD),
            Iq(id="1", type="result", payload=CHILD + CHILD),
        ):
            error = iq_fault(iq)
            assert error is not None, iq
            self.assertIs(error.condition, Condition.BAD_REQUEST)
            self.assertTrue(error.text)


class Others(TestCase):
    def test_presence(self) -> None:
        self.assertIsNone(presence_fault(Presence()))
        self.assertIsNone(presence_fault(Presence(type="subscribe")))
        error = presence_fault(Presence(type="invisible"))
        assert error is not None
        self.assertIs(error.condition, Condition.BAD_REQUEST)

    def test_any_kind(self) -> None:
        self.assertIsNone(fault(Message(type="whatever")))
        self.assertIsNotNone(fault(Presence(type="whatever")))
        self.assertIsNotNone(fault(Iq(type="whatever")))
