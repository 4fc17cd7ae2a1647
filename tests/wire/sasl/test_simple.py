"""PLAIN (RFC 4616), EXTERNAL (XEP-0178) and ANONYMOUS (XEP-0175)."""

from __future__ import annotations

import unittest
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.sasl.support import PASSWORD, USER, answer, context, keys
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import (
    Challenge,
    Derive,
    Failure,
    Identity,
    LookUp,
    Outcome,
    SaslCondition,
    Success,
)
from xmppd.wire.sasl.simple import Anonymous, External, Plain


class PlainTests(unittest.TestCase):
    def log_in(self, message: bytes | None) -> Outcome:
        machine = Plain("PLAIN", context())
        return answer(machine, machine.step(message))

    def refused(self, message: bytes, condition: SaslCondition) -> None:
        outcome = self.log_in(message)
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, condition)

    def test_right_password(self) -> None:
        for authzid in (b"", b"juliet@example.org", b"JULIET@example.org"):
            with self.subTest(authzid=authzid):
                outcome = self.log_in(authzid + b"\0juliet\0" + PASSWORD.encode())
                self.assertEqual(outcome, Success(Identity(USER, "PLAIN")))

    def test_steps(self) -> None:
        machine = Plain("PLAIN", context(plain_hash="SHA-512"))
        self.assertEqual(machine.step(None), Challenge(b""))
        outcome = machine.step(b"\0juliet\0" + PASSWORD.encode())
        self.assertEqual(outcome, LookUp(USER, "SHA-512"))
        outcome = machine.credentials(keys("SHA-512"))
        assert isinstance(outcome, Derive)
        self.assertNotIn(PASSWORD, repr(outcome))
        self.assertIsInstance(machine.derived(outcome.run()), Success)

    def test_wrong_password_and_unknown_account_are_alike(self) -> None:
        known, unknown = (self.log_in(b"\0%s\0wrong" % name) for name in (b"juliet", b"nobody"))
        assert isinstance(known, Failure) and isinstance(unknown, Failure)
        self.assertEqual(known.to_bytes(), unknown.to_bytes())
        self.assertEqual((known.account, unknown.account), (USER, "nobody@example.org"))

    def test_unknown_account_costs_the_same_derivation(self) -> None:
        derivations = []
        for name, found in ((b"juliet", keys("SHA-256")), (b"nobody", None)):
            machine = Plain("PLAIN", context())
            machine.step(b"\0%s\0wrong" % name)
            outcome = machine.credentials(found)
            assert isinstance(outcome, Derive)
            derivations.append((outcome.password, outcome.hash, len(outcome.salt), outcome.iterations))
        self.assertEqual(derivations[0], derivations[1])

    def test_syntax(self) -> None:
        for message in (
            b"", b"\0", b"\0juliet", b"\0juliet\0", b"\0\0secret", b"\0juliet\0a\0b", b"\0juliet\0\xff", b"x",
        ):  # fmt: skip
            with self.subTest(message=message):
                self.refused(message, SaslCondition.MALFORMED_REQUEST)

    def test_authorization_identity(self) -> None:
        for authzid in (b"romeo@example.org", b"juliet@example.org/x", b"example.org", b"a@b@c"):
            with self.subTest(authzid=authzid):
                self.refused(authzid + b"\0juliet\0" + PASSWORD.encode(), SaslCondition.INVALID_AUTHZID)

    def test_impossible_names_and_passwords(self) -> None:
        for message in (
            b"\0a b\0secret",
            b"\0juliet@example.org\0secret",
            b"\0juliet\0\x07",
            b"\0juliet\0" + b"a" * 2000,
        ):
            with self.subTest(message=message):
                self.refused(message, SaslCondition.NOT_AUTHORIZED)

    def test_out_of_turn(self) -> None:
        machine = Plain("PLAIN", context())
        self.assertRaises(RuntimeError, machine.credentials, None)
        machine.step(b"\0juliet\0secret")
        self.assertRaises(RuntimeError, machine.derived, b"")
        self.assertIsInstance(machine.step(b"\0juliet\0secret"), Failure)

    @given(st.one_of(st.binary(max_size=40), st.lists(st.binary(max_size=5), max_size=4).map(b"\0".join)))
    @settings(max_examples=100)
    def test_only_outcomes(self, message: bytes) -> None:
        self.assertIsInstance(self.log_in(message), Failure)


class ExternalTests(unittest.TestCase):
    """XEP-0178 section 2, step 11 and 12, by the number of addresses in the certificate."""

    romeo = Jid.parse("romeo@example.org")

    def log_in(self, message: bytes | None, *certificate: Jid) -> Outcome:
        return External("EXTERNAL", context(certificate=certificate)).step(message)

    def refused(self, condition: SaslCondition, message: bytes, *certificate: Jid) -> None:
        outcome = self.log_in(message, *certificate)
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, condition)

    def test_one_address(self) -> None:
        success = Success(Identity(USER, "EXTERNAL"))
        self.assertEqual(self.log_in(b"", USER), success)
        self.assertEqual(self.log_in(b"juliet@example.org", USER), success)
        self.refused(SaslCondition.INVALID_AUTHZID, b"romeo@example.org", USER)

    def test_more_addresses(self) -> None:
        self.assertEqual(self.log_in(b"Romeo@example.org", USER, self.romeo), Success(Identity(self.romeo, "EXTERNAL")))
        self.refused(SaslCondition.INVALID_AUTHZID, b"", USER, self.romeo)
        self.refused(SaslCondition.INVALID_AUTHZID, b"nurse@example.org", USER, self.romeo)

    def test_no_address(self) -> None:
        self.refused(SaslCondition.NOT_AUTHORIZED, b"")
        self.refused(SaslCondition.NOT_AUTHORIZED, b"juliet@example.org")

    def test_server(self) -> None:
        domain = Jid.parse("conference.example.com")
        for message in (b"", b"conference.example.com"):
            with self.subTest(message=message):
                self.assertEqual(self.log_in(message, domain), Success(Identity(domain, "EXTERNAL")))
        self.refused(SaslCondition.INVALID_AUTHZID, b"example.com", domain)

    def test_no_initial_response(self) -> None:
        self.assertEqual(self.log_in(None, USER), Challenge(b""))

    def test_no_address_at_all(self) -> None:
        for message in (b"\xff", b"a@b@c", b"\0", b"juliet@example.org/x"):
            with self.subTest(message=message):
                self.refused(SaslCondition.INVALID_AUTHZID, message, USER)

    @given(st.binary(max_size=40))
    def test_only_outcomes(self, message: bytes) -> None:
        self.assertIsInstance(self.log_in(message, USER, self.romeo), Failure)


class AnonymousTests(unittest.TestCase):
    def log_in(self, message: bytes | None) -> Outcome:
        return Anonymous("ANONYMOUS", context()).step(message)

    def test_everybody_gets_an_account_of_their_own(self) -> None:
        accounts = set()
        for message in (None, b"", b"trace", b"trace"):
            outcome = self.log_in(message)
            assert isinstance(outcome, Success), outcome
            self.assertTrue(outcome.identity.anonymous)
            self.assertEqual(outcome.identity.account.domain, "example.org")
            self.assertEqual(uuid.UUID(outcome.identity.account.local).version, 4)
            accounts.add(outcome.identity.account)
        self.assertEqual(len(accounts), 4)

    def test_trace_information(self) -> None:
        self.assertIsInstance(self.log_in("é".encode() * 255), Success)
        for message in ("é".encode() * 256, b"\xff"):
            outcome = self.log_in(message)
            assert isinstance(outcome, Failure), outcome
            self.assertEqual(outcome.condition, SaslCondition.MALFORMED_REQUEST)

    def test_other_mechanisms_are_not_anonymous(self) -> None:
        self.assertFalse(Identity(USER, "PLAIN").anonymous)
