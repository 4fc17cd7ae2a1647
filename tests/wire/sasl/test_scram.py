"""SCRAM: the vectors of RFC 5802 and RFC 7677, independent clients, and everything a client can do wrong."""

from __future__ import annotations

import base64
import hmac
import unittest
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramClient
from slixmpp.util.sasl.mechanisms import SCRAM as SlixmppScram

from tests.wire.sasl.support import (
    BINDINGS,
    ITERATIONS,
    PASSWORD,
    PLAIN_SCRAM,
    PLUS,
    USER,
    answer,
    context,
    keys,
)
from xmppd.wire.sasl import (
    Challenge,
    Failure,
    Identity,
    LookUp,
    Outcome,
    SaslCondition,
    Success,
    derive_keys,
)
from xmppd.wire.sasl.keys import salted_password
from xmppd.wire.sasl.scram import Scram


def server(name: str = "SCRAM-SHA-1", **changes: object) -> Scram:
    return Scram(name, context(**changes))


def hash_of(name: str) -> str:
    return name.removeprefix("SCRAM-").removesuffix("-PLUS")


class Vectors(unittest.TestCase):
    def check(self, name: str, salt: str, nonce: str, messages: tuple[str, str, str, str]) -> None:
        client_first, server_first, client_final, server_final = (m.encode() for m in messages)
        machine = Scram(name, context(offered=(name,)), nonce)
        outcome = machine.step(client_first)
        self.assertEqual(outcome, LookUp("user@example.org", hash_of(name)))  # type: ignore[arg-type]
        found = derive_keys("pencil", hash_of(name), base64.b64decode(salt), 4096)
        self.assertEqual(machine.credentials(found), Challenge(server_first))
        outcome = machine.step(client_final)
        assert isinstance(outcome, Success)
        self.assertEqual(outcome.data, server_final)
        self.assertEqual(outcome.identity.account, "user@example.org")

    def test_rfc_5802(self) -> None:
        nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
        self.check(
            "SCRAM-SHA-1",
            "QSXCR+Q6sek8bf92",
            "3rfcNHYJY1ZVvWVs7j",
            (
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                f"r={nonce},s=QSXCR+Q6sek8bf92,i=4096",
                f"c=biws,r={nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
        )

    def test_rfc_7677(self) -> None:
        nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        self.check(
            "SCRAM-SHA-256",
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            (
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                f"c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        )


class IndependentClients(unittest.TestCase):
    """scramp knows no tls-exporter, slixmpp no tls-server-end-point: between them they cover everything."""

    def log_in(self, name: str, password: str, binding: str | None, username: str = "juliet") -> Outcome:
        bound = None if binding is None else (binding, BINDINGS[binding])
        client = ScramClient([name], username, password, channel_binding=bound)
        machine = server(name, offered=(name,))
        outcome = answer(machine, machine.step(client.get_client_first().encode()))
        assert isinstance(outcome, Challenge), outcome
        client.set_server_first(outcome.data.decode())
        outcome = answer(machine, machine.step(client.get_client_final().encode()))
        if isinstance(outcome, Success):
            assert outcome.data is not None
            client.set_server_final(outcome.data.decode())  # raises if the server's signature is wrong
        return outcome

    def test_scramp(self) -> None:
        for name in (*PLAIN_SCRAM, *PLUS):
            binding = "tls-server-end-point" if name in PLUS else None
            with self.subTest(name=name):
                outcome = self.log_in(name, PASSWORD, binding)
                assert isinstance(outcome, Success), outcome
                self.assertEqual(outcome.identity, Identity(USER, name))
                outcome = self.log_in(name, "wrong", binding)
                self.assertEqual(outcome, Failure(SaslCondition.NOT_AUTHORIZED, None, USER))

    def test_scramp_with_a_case_mapped_name(self) -> None:
        outcome = self.log_in("SCRAM-SHA-256", PASSWORD, None, "Juliet")
        assert isinstance(outcome, Success), outcome
        self.assertEqual(outcome.identity.account, USER)

    def test_slixmpp(self) -> None:
        for name in (*PLAIN_SCRAM, *PLUS):
            with self.subTest(name=name):
                plus = name in PLUS
                credentials = {
                    "username": b"juliet",
                    "password": PASSWORD.encode(),
                    "authzid": b"juliet@example.org",
                    "channel_binding": BINDINGS["tls-exporter"] if plus else b"",
                }
                security = {"encrypted": True, "tls_version": "TLSv1.3", "binding_proposed": plus}
                client: Any = SlixmppScram(name, credentials, security)
                machine = server(name, offered=(name,))
                outcome = answer(machine, machine.step(client.process()))
                assert isinstance(outcome, Challenge), outcome
                outcome = machine.step(client.process(outcome.data))
                assert isinstance(outcome, Success), outcome
                client.process(outcome.data)  # raises if the server's signature is wrong


class UnknownAccounts(unittest.TestCase):
    """RFC 6120 section 13.11: nobody learns here which accounts there are."""

    def run_wrong(self, username: str) -> tuple[bytes, Outcome, list[type[Outcome]]]:
        client = ScramClient(["SCRAM-SHA-256"], username, "wrong")
        machine = server("SCRAM-SHA-256", offered=("SCRAM-SHA-256",))
        first = machine.step(client.get_client_first().encode())
        challenge = answer(machine, first)
        assert isinstance(challenge, Challenge)
        client.set_server_first(challenge.data.decode())
        last = machine.step(client.get_client_final().encode())
        return challenge.data.partition(b",s=")[2], last, [type(first), type(challenge), type(last)]

    def test_same_steps_and_same_answer(self) -> None:
        known_salt, known, known_steps = self.run_wrong("juliet")
        unknown_salt, unknown, unknown_steps = self.run_wrong("nobody")
        self.assertEqual(known_steps, unknown_steps)
        assert isinstance(known, Failure) and isinstance(unknown, Failure)
        self.assertEqual(known.to_bytes(), unknown.to_bytes())
        self.assertEqual(len(known_salt), len(unknown_salt))
        self.assertEqual(unknown_salt, self.run_wrong("nobody")[0])
        self.assertNotEqual(unknown_salt, self.run_wrong("nobody2")[0])
        self.assertIn(b",i=%d" % ITERATIONS, unknown_salt)

    def test_the_made_up_keys_can_not_be_used(self) -> None:
        machine = server("SCRAM-SHA-256")
        machine.step(b"n,,n=nobody,r=abc")
        challenge = machine.credentials(None)
        assert isinstance(challenge, Challenge)
        nonce = challenge.data[2:].partition(b",")[0]
        outcome = machine.step(b"c=biws,r=" + nonce + b",p=" + base64.b64encode(bytes(32)))
        self.assertEqual(outcome, Failure(SaslCondition.NOT_AUTHORIZED, None, "nobody@example.org"))  # type: ignore[arg-type]


class ChannelBinding(unittest.TestCase):
    """RFC 5802 section 6."""

    def first(self, name: str, message: bytes, **changes: object) -> Outcome:
        return server(name, **changes).step(message)

    def refused(self, outcome: Outcome, text: str) -> None:
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, SaslCondition.MALFORMED_REQUEST)
        self.assertIn(text, outcome.text or "")

    def test_client_that_supports_it_and_was_not_offered_it(self) -> None:
        outcome = self.first("SCRAM-SHA-1", b"y,,n=juliet,r=abc", offered=("SCRAM-SHA-1",))
        self.assertIsInstance(outcome, LookUp)

    def test_downgrade(self) -> None:
        for offered in (("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"), ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1")):
            with self.subTest(offered=offered):
                outcome = self.first("SCRAM-SHA-1", b"y,,n=juliet,r=abc", offered=offered)
                self.refused(outcome, "server-does-support-channel-binding")

    def test_client_that_does_not_support_it(self) -> None:
        self.assertIsInstance(self.first("SCRAM-SHA-1", b"n,,n=juliet,r=abc"), LookUp)

    def test_unsupported_type(self) -> None:
        outcome = self.first("SCRAM-SHA-1-PLUS", b"p=tls-unique,,n=juliet,r=abc")
        self.refused(outcome, "unsupported-channel-binding-type")

    def test_type_without_data_on_this_stream(self) -> None:
        bindings = {"tls-server-end-point": b"x"}
        outcome = self.first("SCRAM-SHA-1-PLUS", b"p=tls-exporter,,n=juliet,r=abc", bindings=bindings)
        self.refused(outcome, "unsupported-channel-binding-type")

    def test_plus_and_flag_go_together(self) -> None:
        self.refused(self.first("SCRAM-SHA-1-PLUS", b"n,,n=juliet,r=abc"), "-PLUS")
        self.refused(self.first("SCRAM-SHA-1-PLUS", b"y,,n=juliet,r=abc"), "-PLUS")
        self.refused(self.first("SCRAM-SHA-1", b"p=tls-exporter,,n=juliet,r=abc"), "-PLUS")

    def test_data_of_another_connection(self) -> None:
        client = ScramClient(
            ["SCRAM-SHA-256-PLUS"], "juliet", PASSWORD, channel_binding=("tls-server-end-point", b"of another")
        )
        machine = server("SCRAM-SHA-256-PLUS")
        challenge = answer(machine, machine.step(client.get_client_first().encode()))
        assert isinstance(challenge, Challenge)
        client.set_server_first(challenge.data.decode())
        outcome = machine.step(client.get_client_final().encode())
        self.assertEqual(outcome, Failure(SaslCondition.NOT_AUTHORIZED, "channel-bindings-dont-match", USER))

    def test_flag_that_was_changed_on_the_way(self) -> None:
        client = ScramClient(["SCRAM-SHA-256"], "juliet", PASSWORD, channel_binding=("tls-server-end-point", b"x"))
        first = client.get_client_first().encode()
        self.assertTrue(first.startswith(b"y,,"))
        machine = server("SCRAM-SHA-256")
        challenge = answer(machine, machine.step(b"n" + first[1:]))
        assert isinstance(challenge, Challenge)
        client.set_server_first(challenge.data.decode())
        outcome = machine.step(client.get_client_final().encode())
        self.assertEqual(outcome, Failure(SaslCondition.NOT_AUTHORIZED, "channel-bindings-dont-match", USER))


class Identities(unittest.TestCase):
    def test_own_bare_jid(self) -> None:
        outcome = server().step(b"n,a=Juliet@Example.ORG,n=juliet,r=abc")
        self.assertEqual(outcome, LookUp(USER, "SHA-1"))

    def test_anybody_else(self) -> None:
        for authzid in ("romeo@example.org", "juliet@example.com", "juliet@example.org/x", "example.org", "@"):
            with self.subTest(authzid=authzid):
                outcome = server().step(f"n,a={authzid},n=juliet,r=abc".encode())
                assert isinstance(outcome, Failure), outcome
                self.assertEqual((outcome.condition, outcome.account), (SaslCondition.INVALID_AUTHZID, USER))

    def test_escapes(self) -> None:
        outcome = server().step(b"n,a=ju=2Cli=3Det@example.org,n=ju=2cli=3Det,r=abc")
        self.assertEqual(outcome, LookUp("ju,li=et@example.org", "SHA-1"))  # type: ignore[arg-type]

    def test_name_that_no_account_can_have(self) -> None:
        for username in ("juliet@example.org", "a b", "\u265a", "a/b", "a" * 1024):
            with self.subTest(username=username):
                outcome = server().step(f"n,,n={username},r=abc".encode())
                assert isinstance(outcome, Failure), outcome
                self.assertEqual(outcome.condition, SaslCondition.NOT_AUTHORIZED)


class Syntax(unittest.TestCase):
    def refused(self, outcome: Outcome) -> None:
        assert isinstance(outcome, Failure), outcome
        self.assertEqual(outcome.condition, SaslCondition.MALFORMED_REQUEST)

    def test_no_initial_response(self) -> None:
        machine = server()
        self.assertEqual(machine.step(None), Challenge(b""))
        self.assertIsInstance(machine.step(b"n,,n=juliet,r=abc"), LookUp)

    def test_first_message(self) -> None:
        for message in (
            b"", b"n", b"n,,", b"n,,n=juliet", b"n,,n=,r=abc", b"n,,n=juliet,r=", b"x,,n=juliet,r=abc",
            b"p,,n=juliet,r=abc", b"p=,,n=juliet,r=abc", b"n,a=,n=juliet,r=abc", b"n,b=c,n=juliet,r=abc",
            b"n,,r=abc,n=juliet", b"n,,n=ju=2Aliet,r=abc", b"n,,n=ju=,r=abc", b"n,,n=juliet,r=a c",
            b"n,,n=juliet,r=a\xc3\xa9", b"n,,n=ju\x00liet,r=abc", b"n,,n=juliet,r=abc,x", b"n,,n=juliet,r=abc,1=x",
            b"n,,n=\xff,r=abc", b"n,,m=ext,n=juliet,r=abc", b"n,,n=juliet,r=abc,m=ext", b"n,,n=juliet,r=abc\n",
        ):  # fmt: skip
            with self.subTest(message=message):
                self.refused(server().step(message))

    def test_extensions_are_ignored(self) -> None:
        self.assertIsInstance(server().step(b"n,,n=juliet,r=abc,x=1,y=two"), LookUp)

    def test_final_message(self) -> None:
        proof = base64.b64encode(bytes(20))
        for make in (
            lambda r: b"",
            lambda r: b"c=biws,r=" + r,
            lambda r: b"r=" + r + b",c=biws,p=" + proof,
            lambda r: b"c=biws,p=" + proof + b",r=" + r,
            lambda r: b"c=biws,r=" + r + b",p=" + proof + b",x=1",
            lambda r: b"c=biws,r=" + r + b",m=ext,p=" + proof,
            lambda r: b"c=biw,r=" + r + b",p=" + proof,
            lambda r: b"c=biws,r=" + r + b",p=AAA",
            lambda r: b"c=biws,r=" + r + b",p=" + proof + b"\xff",
        ):
            machine = server()
            machine.step(b"n,,n=juliet,r=abc")
            challenge = machine.credentials(keys("SHA-1"))
            assert isinstance(challenge, Challenge)
            message = make(challenge.data[2:].partition(b",")[0])
            with self.subTest(message=message):
                self.refused(machine.step(message))

    def test_wrong_nonce_or_length_of_proof(self) -> None:
        for message in (b"c=biws,r=abc,p=AAAA", b"c=biws,r=%s,p=AAAA", b"c=biws,r=%s,p=" + b"AAAA" * 10):
            machine = server()
            machine.step(b"n,,n=juliet,r=abc")
            challenge = machine.credentials(keys("SHA-1"))
            assert isinstance(challenge, Challenge)
            nonce = challenge.data[2:].partition(b",")[0]
            outcome = machine.step(message.replace(b"%s", nonce))
            with self.subTest(message=message):
                assert isinstance(outcome, Failure), outcome
                self.assertEqual(outcome.condition, SaslCondition.NOT_AUTHORIZED)

    def test_right_proof_for_another_nonce(self) -> None:
        machine = server()
        machine.step(b"n,,n=juliet,r=abc")
        challenge = machine.credentials(keys("SHA-1"))
        assert isinstance(challenge, Challenge)
        signed = b"n=juliet,r=abc,%s,c=biws,r=abc" % challenge.data
        salted = salted_password(PASSWORD.encode(), "SHA-1", keys("SHA-1").salt, ITERATIONS)
        client_key = hmac.digest(salted, b"Client Key", "sha1")
        signature = hmac.digest(keys("SHA-1").stored_key, signed, "sha1")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True)))
        outcome = machine.step(b"c=biws,r=abc,p=" + proof)
        assert isinstance(outcome, Failure), outcome
        self.assertIn("nonce", outcome.text or "")

    def test_longer_proof_with_the_right_beginning(self) -> None:
        client = ScramClient(["SCRAM-SHA-1"], "juliet", PASSWORD)
        machine = server()
        challenge = answer(machine, machine.step(client.get_client_first().encode()))
        assert isinstance(challenge, Challenge)
        client.set_server_first(challenge.data.decode())
        head, _, proof = client.get_client_final().rpartition("p=")
        longer = base64.b64encode(base64.b64decode(proof) + b"x").decode()
        self.assertIsInstance(machine.step(f"{head}p={longer}".encode()), Failure)

    def test_out_of_turn(self) -> None:
        machine = server()
        machine.step(b"n,,n=juliet,r=abc")
        self.refused(machine.step(b"n,,n=juliet,r=abc"))
        self.assertRaises(RuntimeError, server().credentials, None)
        self.assertRaises(RuntimeError, machine.derived, b"")

    def test_nonces_are_new(self) -> None:
        challenges = set()
        for _ in range(3):
            machine = server()
            machine.step(b"n,,n=juliet,r=abc")
            challenges.add(machine.credentials(None))
        self.assertEqual(len(challenges), 3)


MESSAGES = st.one_of(
    st.binary(max_size=80),
    st.none(),
    st.lists(st.sampled_from([b"n", b"y", b",", b"n=a", b"r=b", b"p=", b"a=", b"c=biws", b"=2C", b"\xff", b"m="])).map(
        b"".join
    ),
)


class Fuzz(unittest.TestCase):
    @given(st.sampled_from(PLAIN_SCRAM + PLUS), st.lists(MESSAGES, max_size=4))
    @settings(max_examples=300)
    def test_only_outcomes(self, name: str, messages: list[bytes | None]) -> None:
        machine = server(name)
        for message in messages:
            outcome = answer(machine, machine.step(message))
            assert isinstance(outcome, Challenge | Failure), outcome
            outcome.to_bytes()

    @given(st.binary(max_size=60))
    def test_any_final_message(self, tail: bytes) -> None:
        machine = server()
        machine.step(b"n,,n=juliet,r=abc")
        challenge = machine.credentials(keys("SHA-1"))
        assert isinstance(challenge, Challenge)
        nonce = challenge.data[2:].partition(b",")[0]
        self.assertIsInstance(machine.step(b"c=biws,r=" + nonce + b",p=" + base64.b64encode(tail)), Failure)
