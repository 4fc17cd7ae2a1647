"""RFC 8292: the RFC's example, what py-vapid makes of our tokens, and when they are made."""

from __future__ import annotations

import unittest

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from py_vapid import Vapid02

from tests.plugins.push_service.roads.kit import NOW
from xmppd.plugins.push_service.roads.contract import CredentialsError
from xmppd.plugins.push_service.roads.vapid import VapidKey, new_key
from xmppd.testing.vendors.webpush import check_vapid

# RFC 8292 section 2.4.
TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6I"
    "m1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSH"
    "zvoD1oA"
)
KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
ENDS = 1_453_523_768
ORIGIN = "https://push.example.net"


def parts(authorization: str) -> tuple[str, str]:
    scheme, token, key = authorization.replace(",", "").split()
    assert scheme == "vapid" and token[:2] == "t=" and key[:2] == "k="
    return token[2:], key[2:]


class StandIn(unittest.TestCase):
    """What checks our tokens is right about those of the RFC."""

    def test_example(self) -> None:
        check_vapid(TOKEN, KEY, ORIGIN, ENDS - 43_200)

    def test_refused(self) -> None:
        other = VapidKey(new_key(), "mailto:x@example.org").public
        for token, key, origin, now, why in (
            (TOKEN, KEY, "https://push.example.org", ENDS - 1, "aud is"),
            (TOKEN, KEY, ORIGIN, ENDS, "exp is"),
            (TOKEN, KEY, ORIGIN, ENDS - 86_401, "exp is"),
            (TOKEN, other, ORIGIN, ENDS - 1, "not good"),
            (TOKEN, KEY[:-4], ORIGIN, ENDS - 1, "no uncompressed point"),
            (TOKEN[:-9], KEY, ORIGIN, ENDS - 1, "not good"),
            ("x", KEY, ORIGIN, ENDS - 1, "not good"),
        ):
            with self.subTest(why), self.assertRaisesRegex(ValueError, why):
                check_vapid(token, key, origin, now)


class Keys(unittest.TestCase):
    def setUp(self) -> None:
        self.key = VapidKey(new_key(), "mailto:admin@example.org")

    def test_what_py_vapid_says(self) -> None:
        header = self.key.authorization(ORIGIN, NOW)
        self.assertTrue(Vapid02.verify(header.replace(", ", ",")))  # it knows no space there

    def test_what_the_stand_in_says(self) -> None:
        token, public = parts(self.key.authorization(ORIGIN, NOW))
        self.assertEqual(public, self.key.public)
        check_vapid(token, public, ORIGIN, NOW)

    def test_kept_for_a_push_service(self) -> None:
        first = self.key.authorization(ORIGIN, NOW)
        self.assertEqual(self.key.authorization(ORIGIN, NOW + 6 * 3600 - 1), first)
        later = self.key.authorization(ORIGIN, NOW + 6 * 3600)
        self.assertNotEqual(later, first)
        self.assertNotEqual(self.key.authorization("https://other.example", NOW + 6 * 3600), later)
        self.assertNotEqual(self.key.authorization(ORIGIN, NOW), later)  # the clock was set back

    def test_strangers_fill_no_memory(self) -> None:
        for number in range(2_500):
            self.key.authorization(f"https://{number}.example", NOW)
        self.assertLessEqual(len(self.key._tokens), 1_000)

    def test_a_key_is_read_again(self) -> None:
        pem = new_key()
        self.assertEqual(VapidKey(pem, "").public, VapidKey(pem, "").public)

    def test_what_is_no_key(self) -> None:
        other = ec.generate_private_key(ec.SECP384R1())
        large = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        for pem in ("", "x", large, public, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
            with self.subTest(pem[:40]), self.assertRaisesRegex(CredentialsError, "the VAPID key is no"):
                VapidKey(pem, "")
