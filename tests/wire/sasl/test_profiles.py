"""SASL as XEP-0388 writes it; as RFC 6120 does is in test_exchange."""

from __future__ import annotations

import base64
import unittest

from hypothesis import given
from hypothesis import strategies as st

from tests.wire.sasl.support import PASSWORD, USER, answer, context
from xmppd.wire import ns
from xmppd.wire.framing import Framer
from xmppd.wire.sasl import (
    PROFILES,
    Challenge,
    Exchange,
    Failure,
    Identity,
    Outcome,
    SaslCondition,
    Success,
    authentication_feature,
    success2,
)
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import parse

_HEADER = f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}' version='1.0'>"
PLAIN = base64.b64encode(b"\0juliet\0" + PASSWORD.encode()).decode()


def element(name: str, content: str = "", namespace: str = ns.SASL2, **attributes: str) -> Nonza:
    """What comes out of a stream for such an element."""
    text = "".join(f" {key}='{value}'" for key, value in attributes.items())
    frames = Framer().feed(f"{_HEADER}<{name} xmlns='{namespace}'{text}>{content}</{name}>".encode())
    assert isinstance(frames[-1], Nonza)
    return frames[-1]


def authenticate(mechanism: str, content: str = "") -> Nonza:
    return element("authenticate", content, mechanism=mechanism)


def initial(text: str) -> str:
    return f"<initial-response>{text}</initial-response>"


class In(unittest.TestCase):
    def receive(self, *sent: Nonza, **changes: object) -> Outcome:
        exchange = Exchange(context(**changes))
        outcomes = [answer(exchange, exchange.receive(nonza)) for nonza in sent]  # type: ignore[arg-type]
        return outcomes[-1]

    def refused(self, outcome: Outcome, condition: SaslCondition) -> None:
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, condition)

    def test_plain(self) -> None:
        well = Success(Identity(USER, "PLAIN"))
        for content in (
            initial(PLAIN),
            initial(f"\n   {PLAIN[:5]}\t{PLAIN[5:]}\r\n"),
            initial(f"<![CDATA[{PLAIN[:4]}]]>{PLAIN[4:]}"),
            f"<x xmlns='urn:x'>{initial('AAAA')}</x>{initial(PLAIN)}<user-agent/>",
        ):
            with self.subTest(content):
                self.assertEqual(self.receive(authenticate("PLAIN", content)), well)

    def test_no_initial_response(self) -> None:
        self.assertEqual(self.receive(authenticate("PLAIN")), Challenge(b""))
        self.assertIsInstance(self.receive(authenticate("PLAIN"), element("response", PLAIN)), Success)

    def test_empty(self) -> None:
        """An element without content is a message without octets; "=" is none."""
        found = self.receive(authenticate("EXTERNAL", "<initial-response/>"), certificate=(USER,))
        self.assertIsInstance(found, Success)
        found = self.receive(authenticate("EXTERNAL"), element("response"), certificate=(USER,))
        self.assertIsInstance(found, Success)
        found = self.receive(authenticate("EXTERNAL", initial("=")), certificate=(USER,))
        self.refused(found, SaslCondition.INCORRECT_ENCODING)

    def test_other_namespaces(self) -> None:
        """What is called so in another namespace is something else."""
        alien = f"<initial-response xmlns='urn:x'>{PLAIN}</initial-response>"
        self.assertEqual(self.receive(authenticate("PLAIN", alien)), Challenge(b""))
        old = element("auth", PLAIN, mechanism="PLAIN")
        self.refused(self.receive(old), SaslCondition.MALFORMED_REQUEST)
        new = element("authenticate", initial(PLAIN), ns.SASL, mechanism="PLAIN")
        self.refused(self.receive(new), SaslCondition.MALFORMED_REQUEST)

    def test_another_profile_meanwhile(self) -> None:
        for first, then in ((ns.SASL, ns.SASL2), (ns.SASL2, ns.SASL)):
            begin = element(PROFILES[first].begins, "", first, mechanism="PLAIN")
            self.refused(self.receive(begin, element("response", PLAIN, then)), SaslCondition.MALFORMED_REQUEST)
            self.refused(self.receive(begin, element("abort", "", then)), SaslCondition.ABORTED)

    def test_too_long(self) -> None:
        found = self.receive(authenticate("PLAIN", initial("A" * 8000)))
        self.refused(found, SaslCondition.MALFORMED_REQUEST)

    @given(st.binary(max_size=100))
    def test_any_message(self, data: bytes) -> None:
        """What is written is read, whatever it is."""
        text = base64.b64encode(data).decode()
        self.assertEqual(PROFILES[ns.SASL2].text(element("response", text)), text.encode())
        written = PROFILES[ns.SASL2].challenge(Challenge(data))
        (challenge,) = parse(written)
        self.assertEqual((challenge.uri, challenge.name, str(challenge)), (ns.SASL2, "challenge", text))


class Out(unittest.TestCase):
    def test_success(self) -> None:
        success = Success(Identity(USER, "SCRAM-SHA-1"), b"v=x")
        identifier = "<authorization-identifier>juliet@example.org</authorization-identifier>"
        self.assertEqual(
            success2(success, USER).decode(),
            f"<success xmlns='{ns.SASL2}'><additional-data>dj14</additional-data>{identifier}</success>",
        )
        bare = Success(Identity(USER, "PLAIN"))
        self.assertEqual(success2(bare, USER).decode(), f"<success xmlns='{ns.SASL2}'>{identifier}</success>")
        self.assertIn(b"<additional-data/>", success2(Success(Identity(USER, "X"), b""), USER))
        self.assertTrue(success2(bare, USER, [b"<a/>", b"<b/>"]).endswith(b"<a/><b/></success>"))

    def test_failure(self) -> None:
        write = PROFILES[ns.SASL2].failure
        condition = f"<not-authorized xmlns='{ns.SASL}'/>"
        self.assertEqual(
            write(Failure(SaslCondition.NOT_AUTHORIZED)).decode(), f"<failure xmlns='{ns.SASL2}'>{condition}</failure>"
        )
        self.assertEqual(
            write(Failure(SaslCondition.NOT_AUTHORIZED, "1 < 2")).decode(),
            f"<failure xmlns='{ns.SASL2}'>{condition}<text>1 &lt; 2</text></failure>",
        )

    def test_feature(self) -> None:
        self.assertEqual(
            authentication_feature(["B", "A"], [b"<x/>"]).decode(),
            f"<authentication xmlns='{ns.SASL2}'><mechanism>B</mechanism><mechanism>A</mechanism>"
            "<inline><x/></inline></authentication>",
        )
        self.assertEqual(authentication_feature([], [b"<x/>"]), b"")


class Named(unittest.TestCase):
    """Has the client said itself who it wants to be?"""

    def named(self, nonza: Nonza, **changes: object) -> bool:
        exchange = Exchange(context(**changes))
        outcome = answer(exchange, exchange.receive(nonza))  # type: ignore[arg-type]
        assert isinstance(outcome, Success), outcome
        return outcome.identity.named

    def test_plain(self) -> None:
        self.assertFalse(self.named(authenticate("PLAIN", initial(PLAIN))))
        told = base64.b64encode(b"juliet@example.org\0juliet\0" + PASSWORD.encode()).decode()
        self.assertTrue(self.named(authenticate("PLAIN", initial(told))))

    def test_external(self) -> None:
        self.assertFalse(self.named(authenticate("EXTERNAL", initial("")), certificate=(USER,)))
        told = base64.b64encode(b"juliet@example.org").decode()
        self.assertTrue(self.named(authenticate("EXTERNAL", initial(told)), certificate=(USER,)))
