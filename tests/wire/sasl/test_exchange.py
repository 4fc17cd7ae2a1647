"""SASL in XMPP: RFC 6120 sections 6.4 and 6.5."""

from __future__ import annotations

import base64
import unittest

from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramClient

from tests.wire.sasl.support import PASSWORD, USER, answer, context, element, keys
from xmppd.wire import ns
from xmppd.wire.sasl import (
    MECHANISMS,
    Challenge,
    Derive,
    Exchange,
    Failure,
    Identity,
    LookUp,
    Outcome,
    SaslCondition,
    Success,
)
from xmppd.wire.stanza import Nonza

RIGHT = base64.b64encode(b"\0juliet\0" + PASSWORD.encode())
WRONG = base64.b64encode(b"\0juliet\0wrong")


def settle(exchange: Exchange, outcome: Outcome) -> Outcome:
    return answer(exchange, outcome)  # type: ignore[arg-type]


def auth(mechanism: str, payload: bytes = b"") -> Nonza:
    return element("auth", payload, mechanism=mechanism)


class ExchangeCase(unittest.TestCase):
    def refused(self, outcome: Outcome, condition: SaslCondition) -> None:
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, condition)

    def first(self, sent: Nonza, **changes: object) -> Outcome:
        return Exchange(context(**changes)).receive(sent)


class Conversations(ExchangeCase):
    def test_plain(self) -> None:
        exchange = Exchange(context())
        outcome = settle(exchange, exchange.receive(auth("PLAIN", RIGHT)))
        self.assertEqual(outcome, Success(Identity(USER, "PLAIN")))

    def test_plain_without_initial_response(self) -> None:
        exchange = Exchange(context())
        self.assertEqual(exchange.receive(auth("PLAIN")), Challenge(b""))
        outcome = settle(exchange, exchange.receive(element("response", RIGHT)))
        self.assertIsInstance(outcome, Success)

    def test_scram(self) -> None:
        exchange = Exchange(context())
        client = ScramClient(["SCRAM-SHA-256"], "juliet", PASSWORD)
        sent = base64.b64encode(client.get_client_first().encode())
        outcome = settle(exchange, exchange.receive(auth("SCRAM-SHA-256", sent)))
        assert isinstance(outcome, Challenge), outcome
        client.set_server_first(outcome.data.decode())
        sent = base64.b64encode(client.get_client_final().encode())
        outcome = exchange.receive(element("response", sent))
        assert isinstance(outcome, Success), outcome
        self.assertIn(base64.b64encode(outcome.data or b""), outcome.to_bytes())

    def test_external_with_an_empty_initial_response(self) -> None:
        outcome = self.first(auth("EXTERNAL", b"="), certificate=(USER,))
        self.assertEqual(outcome, Success(Identity(USER, "EXTERNAL")))

    def test_second_attempt(self) -> None:
        exchange = Exchange(context())
        self.assertIsInstance(settle(exchange, exchange.receive(auth("PLAIN", WRONG))), Failure)
        self.assertIsInstance(settle(exchange, exchange.receive(auth("PLAIN", RIGHT))), Success)
        self.assertEqual(exchange.failures, 1)

    def test_text_written_in_another_way(self) -> None:
        exchange = Exchange(context())
        cdata = b"<![CDATA[" + RIGHT[:4] + b"]]>" + RIGHT[4:-1] + b"&#%d;" % RIGHT[-1]
        self.assertIsInstance(settle(exchange, exchange.receive(auth("PLAIN", cdata))), Success)


class Refusals(ExchangeCase):
    def test_mechanism(self) -> None:
        for sent in (element("auth", RIGHT), auth("", RIGHT), auth("plain", RIGHT), auth("CRAM-MD5", RIGHT)):
            with self.subTest(attributes=sent.attributes):
                self.refused(self.first(sent), SaslCondition.INVALID_MECHANISM)

    def test_not_on_offer(self) -> None:
        self.refused(self.first(auth("PLAIN", RIGHT), offered=("SCRAM-SHA-1",)), SaslCondition.INVALID_MECHANISM)
        self.refused(self.first(auth("ANONYMOUS"), offered=(), secure=True), SaslCondition.INVALID_MECHANISM)

    def test_tls_first(self) -> None:
        for name in ("PLAIN", "EXTERNAL", "SCRAM-SHA-1-PLUS"):
            with self.subTest(name=name):
                outcome = self.first(auth(name, RIGHT), offered=("SCRAM-SHA-1",), secure=False)
                self.refused(outcome, SaslCondition.ENCRYPTION_REQUIRED)
        outcome = self.first(auth("SCRAM-SHA-1"), offered=(), secure=False)
        self.refused(outcome, SaslCondition.ENCRYPTION_REQUIRED)
        outcome = self.first(auth("ANONYMOUS"), offered=("SCRAM-SHA-1",), secure=False)
        self.refused(outcome, SaslCondition.INVALID_MECHANISM)
        outcome = self.first(auth("CRAM-MD5"), offered=(), secure=False)
        self.refused(outcome, SaslCondition.INVALID_MECHANISM)

    def test_encoding(self) -> None:
        bad = (
            b"***",
            b"AA",
            b"A",
            b"AAAA=",
            b"AA==AA==",
            b"AA A",
            b"\nAAAA",
            b"AAAA\n",
            b"==",
            b"AB==",
            b"A=A=",
            "é".encode(),
            b"AA-_",
        )
        for text in bad:
            with self.subTest(text=text):
                self.refused(self.first(auth("PLAIN", text)), SaslCondition.INCORRECT_ENCODING)
                exchange = Exchange(context())
                exchange.receive(auth("PLAIN"))
                self.refused(exchange.receive(element("response", text)), SaslCondition.INCORRECT_ENCODING)

    def test_size(self) -> None:
        exchange = Exchange(context(), max_message=30)
        self.refused(
            exchange.receive(auth("PLAIN", base64.b64encode(b"\0juliet\0" + b"x" * 23))),
            SaslCondition.MALFORMED_REQUEST,
        )
        outcome = exchange.receive(auth("PLAIN", base64.b64encode(b"\0juliet\0" + b"x" * 22)))
        self.assertIsInstance(outcome, LookUp)

    def test_child_element(self) -> None:
        sent = Nonza(ns.SASL, "auth", {"mechanism": "PLAIN"}, b"<a/>", (f"{ns.SASL}\x1fa",))
        self.refused(self.first(sent), SaslCondition.MALFORMED_REQUEST)

    def test_out_of_turn(self) -> None:
        for name in ("response", "challenge", "success", "failure", "x"):
            with self.subTest(name=name):
                self.refused(self.first(element(name)), SaslCondition.MALFORMED_REQUEST)

    def test_auth_within_an_attempt(self) -> None:
        exchange = Exchange(context())
        exchange.receive(auth("PLAIN"))
        self.refused(exchange.receive(auth("PLAIN", RIGHT)), SaslCondition.MALFORMED_REQUEST)

    def test_response_before_the_look_up_is_answered(self) -> None:
        exchange = Exchange(context())
        self.assertIsInstance(exchange.receive(auth("PLAIN", RIGHT)), LookUp)
        self.refused(exchange.receive(element("response", RIGHT)), SaslCondition.MALFORMED_REQUEST)
        self.assertRaises(RuntimeError, exchange.credentials, None)

    def test_abort(self) -> None:
        exchange = Exchange(context())
        exchange.receive(auth("PLAIN"))
        self.refused(exchange.receive(element("abort")), SaslCondition.ABORTED)
        self.refused(exchange.receive(element("response", RIGHT)), SaslCondition.MALFORMED_REQUEST)

    def test_answers_nobody_asked_for(self) -> None:
        exchange = Exchange(context())
        self.assertRaises(RuntimeError, exchange.credentials, None)
        self.assertRaises(RuntimeError, exchange.derived, b"")

    def test_reasons_of_the_server(self) -> None:
        exchange = Exchange(context())
        exchange.receive(auth("PLAIN", RIGHT))
        self.refused(exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE), SaslCondition.TEMPORARY_AUTH_FAILURE)
        self.assertIsInstance(exchange.receive(auth("PLAIN", RIGHT)), LookUp)

    def test_too_many_failures(self) -> None:
        exchange = Exchange(context(), max_failures=3)
        for attempt in range(3):
            self.assertFalse(exchange.exhausted, attempt)
            settle(exchange, exchange.receive(auth("PLAIN", WRONG)))
        self.assertTrue(exchange.exhausted)


class Written(unittest.TestCase):
    def test_challenge(self) -> None:
        self.assertEqual(
            Challenge(b"abc").to_bytes(), b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>YWJj</challenge>"
        )
        self.assertEqual(Challenge(b"").to_bytes(), b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'></challenge>")

    def test_success(self) -> None:
        for data, written in (
            (None, b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
            (b"", b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</success>"),
            (b"v=abc", b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>dj1hYmM=</success>"),
        ):
            with self.subTest(data=data):
                self.assertEqual(Success(Identity(USER, "PLAIN"), data).to_bytes(), written)

    def test_failure(self) -> None:
        self.assertEqual(
            Failure(SaslCondition.ABORTED).to_bytes(),
            b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/></failure>",
        )
        self.assertEqual(
            Failure(SaslCondition.NOT_AUTHORIZED, "a < b").to_bytes(),
            b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/>"
            b"<text xml:lang='en'>a &lt; b</text></failure>",
        )

    def test_conditions(self) -> None:
        # RFC 6120 sections 6.5.1 to 6.5.11.
        self.assertEqual(
            " ".join(SaslCondition),
            "aborted account-disabled credentials-expired encryption-required incorrect-encoding invalid-authzid "
            "invalid-mechanism malformed-request mechanism-too-weak not-authorized temporary-auth-failure",
        )


TEXT = st.one_of(
    st.binary(max_size=40).map(base64.b64encode), st.sampled_from([b"", b"=", RIGHT]), st.binary(max_size=9)
)
ELEMENTS = st.builds(
    lambda name, mechanism, text: element(name, text.replace(b"<", b"").replace(b"&", b""), mechanism=mechanism),
    st.sampled_from(["auth", "auth", "response", "abort", "x"]),
    st.sampled_from([*MECHANISMS, "X"]),
    TEXT,
)


class Fuzz(unittest.TestCase):
    @given(st.lists(ELEMENTS, max_size=6))
    @settings(max_examples=300)
    def test_only_outcomes(self, sent: list[Nonza]) -> None:
        exchange = Exchange(context())
        for one in sent:
            outcome = exchange.receive(one)
            while isinstance(outcome, LookUp | Derive):
                if isinstance(outcome, LookUp):
                    outcome = exchange.credentials(keys(outcome.hash) if outcome.account == USER else None)
                else:
                    outcome = exchange.derived(outcome.run())
            self.assertIsInstance(outcome.to_bytes(), bytes)
