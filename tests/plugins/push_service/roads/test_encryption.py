"""RFC 8291 and RFC 8188: the examples of the RFCs, round trips, and keys that are none."""

from __future__ import annotations

import unittest

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.push_service.roads.encryption import MOST, RECORD, base64url, encrypt, octets_of, subscription
from xmppd.testing.vendors.webpush import WebPushService, decrypt

# RFC 8291 section 5 and appendix A.
PLAIN = b"When I grow up, I want to be a watermelon"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(octets_of(text, ""), "big"), ec.SECP256R1())


TARGET = {
    "endpoint": "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
    "p256dh": UA_PUBLIC,
    "auth": AUTH,
}


class Vectors(unittest.TestCase):
    def test_example_of_rfc_8291(self) -> None:
        sealed = encrypt(PLAIN, subscription(TARGET), private(AS_PRIVATE), octets_of(SALT, ""))
        self.assertEqual(base64url(sealed), SEALED)

    def test_the_stand_in_reads_the_example(self) -> None:
        self.assertEqual(decrypt(octets_of(SEALED, ""), private(UA_PRIVATE), octets_of(AUTH, "")), PLAIN)

    def test_example_of_rfc_8188(self) -> None:
        """Section 3.1: what encrypts and decrypts here is the content encoding aes128gcm, as the RFC has it."""
        sealed = octets_of("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg", "")
        self.assertEqual(http_ece.decrypt(sealed, key=octets_of("yqdlZ-tYemfogSmv7Ws5PQ", "")), b"I am the walrus")


class RoundTrips(unittest.TestCase):
    def setUp(self) -> None:
        self.browser = WebPushService(lambda: 0.0).subscribe()

    @given(st.binary(min_size=1, max_size=MOST))
    def test_anything(self, plain: bytes) -> None:
        browser = WebPushService(lambda: 0.0).subscribe()
        sealed = encrypt(plain, subscription(browser.target))
        self.assertEqual(decrypt(sealed, browser.key, browser.auth), plain)
        self.assertEqual(http_ece.decrypt(sealed, private_key=browser.key, auth_secret=browser.auth), plain)

    def test_the_largest_is_one_record(self) -> None:
        sealed = encrypt(bytes(MOST), subscription(self.browser.target))
        self.assertEqual(len(sealed), RECORD)

    def test_sizes(self) -> None:
        for size in (0, MOST + 1):
            with self.assertRaisesRegex(ValueError, "1 to 3993 octets"):
                encrypt(bytes(size), subscription(self.browser.target))

    def test_keys_are_used_once(self) -> None:
        to = subscription(self.browser.target)
        first, second = encrypt(b"x", to), encrypt(b"x", to)
        self.assertNotEqual(first[:16], second[:16])  # the salt
        self.assertNotEqual(first[21:86], second[21:86])  # our public key

    def test_a_change_is_noticed(self) -> None:
        sealed = bytearray(encrypt(b"x", subscription(self.browser.target)))
        sealed[-1] ^= 1
        with self.assertRaisesRegex(ValueError, "not encrypted for this subscriber"):
            decrypt(bytes(sealed), self.browser.key, self.browser.auth)


class Subscriptions(unittest.TestCase):
    def test_origin(self) -> None:
        for endpoint, origin in (
            ("https://push.example.net/push/1", "https://push.example.net"),
            ("https://push.example.net:8443/push/1", "https://push.example.net:8443"),
            ("https://Push.Example.Net:443/push/1", "https://push.example.net"),
            ("http://[2001:DB8::1]:5280/x", "http://[2001:db8::1]:5280"),
        ):
            self.assertEqual(subscription({**TARGET, "endpoint": endpoint}).origin, origin)

    def test_other_spellings_of_base64(self) -> None:
        padded = {**TARGET, "auth": AUTH.replace("_", "/").replace("-", "+") + "=="}
        self.assertEqual(subscription(padded).auth, octets_of(AUTH, ""))

    def test_what_is_none(self) -> None:
        off_the_curve = base64url(b"\x04" + bytes(63) + b"\x01")
        for change, why in (
            ({"endpoint": ""}, "no URL"),
            ({"endpoint": "ftp://x/"}, "no URL"),
            ({"endpoint": "https:///x"}, "no URL"),
            ({"endpoint": "https://x:y/"}, "no URL"),
            ({"endpoint": "https://[x/"}, "no URL"),
            ({"endpoint": "https://x/" + "y" * 2048}, "no URL"),
            ({"auth": ""}, "auth has 0 octets"),
            ({"auth": "A"}, "auth is no base64url"),
            ({"auth": "ä"}, "auth is no base64url"),
            ({"p256dh": AUTH}, "p256dh has 16 octets"),
            ({"p256dh": off_the_curve}, "no point on the curve"),
        ):
            with self.subTest(change), self.assertRaisesRegex(ValueError, why):
                subscription({**TARGET, **change})
