"""Keys and passwords: RFC 5802 section 3, RFC 4013, RFC 8265 section 4.2."""

from __future__ import annotations

import base64
import unittest
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramMechanism

from tests.wire.sasl.support import ITERATIONS, PASSWORD, keys
from xmppd.wire.sasl import HASHES, PasswordError, derive_keys, fake_keys, new_salt, verify_password
from xmppd.wire.sasl.keys import is_random, prepare_password, random_keys, verify_random


class RandomPasswords(unittest.TestCase):
    def test_what_is_random(self) -> None:
        """Random UUIDs without dashes; of MD5 sums those that happen to look like one."""
        self.assertTrue(all(is_random(uuid.uuid4().hex) for _ in range(100)))
        for word in ("", "secret", uuid.uuid4().hex.upper(), str(uuid.uuid4()), "0" * 32, uuid.uuid4().hex + "0"):
            self.assertFalse(is_random(word), word)

    def test_verify(self) -> None:
        password, other = uuid.uuid4().hex, uuid.uuid4().hex
        keys = random_keys(password, new_salt())
        self.assertTrue(verify_random(password, keys))
        self.assertFalse(verify_random(other, keys))


class Derivation(unittest.TestCase):
    def test_agrees_with_another_implementation(self) -> None:
        for hash in HASHES:
            with self.subTest(hash=hash):
                ours = keys(hash)
                _, stored_key, server_key, _ = ScramMechanism(f"SCRAM-{hash}").make_auth_info(
                    PASSWORD, ITERATIONS, ours.salt
                )
                self.assertEqual((ours.stored_key, ours.server_key), (stored_key, server_key))

    def test_rfc_6070_vector(self) -> None:
        salted = keys_salted("password", b"salt", 4096)
        self.assertEqual(salted.hex(), "4b007901b765489abead49d926f721d065a429c1")

    def test_verify(self) -> None:
        for hash in HASHES:
            with self.subTest(hash=hash):
                self.assertTrue(verify_password(PASSWORD, keys(hash)))
                self.assertFalse(verify_password(PASSWORD + "x", keys(hash)))
                self.assertFalse(verify_password("", keys(hash)))

    def test_too_few_iterations(self) -> None:
        self.assertRaises(ValueError, derive_keys, PASSWORD, "SHA-1", b"salt", 4095)

    def test_salts_are_new(self) -> None:
        self.assertNotEqual(new_salt(), new_salt())
        self.assertEqual(len(new_salt()), 16)

    def test_nothing_secret_is_shown(self) -> None:
        shown = repr(keys("SHA-1"))
        self.assertNotIn(repr(keys("SHA-1").stored_key), shown)
        self.assertNotIn(repr(keys("SHA-1").server_key), shown)


def keys_salted(password: str, salt: bytes, iterations: int) -> bytes:
    from xmppd.wire.sasl.keys import salted_password

    return salted_password(prepare_password(password), "SHA-1", salt, iterations)


class Passwords(unittest.TestCase):
    def test_saslprep_examples(self) -> None:
        # RFC 4013 section 3, table of examples 1 to 5.
        for text, prepared in (("I\xadX", "IX"), ("user", "user"), ("USER", "USER"), ("\xaa", "a"), ("\u2168", "IX")):
            with self.subTest(text=text):
                self.assertEqual(prepare_password(text), prepared.encode())

    def test_control_characters(self) -> None:
        for text in ("\x07", "a\x00b", "a\x7f", "a\n", "\ud800", "a\u200e\ud800"):
            with self.subTest(text=text):
                self.assertRaises(PasswordError, prepare_password, text)

    def test_what_saslprep_does_not_know_is_an_opaque_string(self) -> None:
        self.assertEqual(prepare_password("\U0001f511e\u0301"), "\U0001f511\xe9".encode())
        self.assertEqual(prepare_password("\U0001f511\u3000"), "\U0001f511 ".encode())

    def test_no_letter_left(self) -> None:
        for text in ("", "\xad", "\u200b"):
            with self.subTest(text=text):
                self.assertRaises(PasswordError, prepare_password, text)

    def test_length(self) -> None:
        self.assertEqual(len(prepare_password("a" * 1024)), 1024)
        for text in ("a" * 1025, "\xe9" * 513, "\xe9" * 1_000_000):
            with self.subTest(length=len(text)):
                self.assertRaises(PasswordError, prepare_password, text)

    def test_reason_does_not_give_the_password_away(self) -> None:
        with self.assertRaises(PasswordError) as caught:
            prepare_password("swordfish\x00")
        self.assertNotIn("swordfish", str(caught.exception))

    @given(st.text())
    @settings(max_examples=300)
    def test_any_text(self, text: str) -> None:
        try:
            self.assertTrue(prepare_password(text))
        except PasswordError:
            return


class FakeKeys(unittest.TestCase):
    def test_always_the_same(self) -> None:
        self.assertEqual(fake_keys(b"s", "a@b", "SHA-256", 4096), fake_keys(b"s", "a@b", "SHA-256", 4096))

    def test_differ_by_account_hash_and_server(self) -> None:
        salts = {
            fake_keys(secret, account, hash, 4096).salt
            for secret in (b"one", b"two")
            for account in ("a@b", "b@b")
            for hash in HASHES
        }
        self.assertEqual(len(salts), 12)

    def test_look_like_real_ones(self) -> None:
        for hash in HASHES:
            with self.subTest(hash=hash):
                real = derive_keys(PASSWORD, hash, new_salt(), 4096)
                fake = fake_keys(b"s", "a@b", hash, 4096)
                self.assertEqual(
                    [len(k) for k in (fake.salt, fake.stored_key, fake.server_key)],
                    [len(k) for k in (real.salt, real.stored_key, real.server_key)],
                )
                self.assertFalse(verify_password(PASSWORD, fake))

    def test_parts_are_unrelated(self) -> None:
        fake = fake_keys(b"s", "a@b", "SHA-256", 4096)
        parts = {base64.b64encode(p[:16]) for p in (fake.salt, fake.stored_key, fake.server_key)}
        self.assertEqual(len(parts), 3)
