"""The stand-in for push services is as strict as they are."""

from __future__ import annotations

import json
import unittest

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from xmppd.api.http import Headers, Request, Response
from xmppd.api.network import NoConnection
from xmppd.testing.vendors import Vendors

NOW = 1_700_000_000


class Sender:
    """Pushes as others do: with http_ece and py-vapid, and nothing of ours."""

    def __init__(self, vendors: Vendors) -> None:
        self.vendors = vendors
        self.vapid = Vapid02()
        self.vapid.generate_keys()
        self.browser = vendors.webpush.subscribe()

    def push(self, content: bytes = b"hello", claims: object = None, **changes: str | None) -> Response:
        said = {"aud": "https://push.example", "exp": NOW + 60, "sub": "mailto:admin@example.org"}
        headers = {"ttl": "60", "content-encoding": "aes128gcm", **self.vapid.sign(claims or said)}
        headers |= {name.replace("_", "-"): value for name, value in changes.items() if value is not None}
        kept = {name: value for name, value in headers.items() if changes.get(name.replace("-", "_"), "") is not None}
        return self.vendors(Request("POST", self.browser.endpoint, headers=Headers(kept), body=self.seal(content)))

    def seal(self, content: bytes) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        public = self.browser.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        sealed: bytes = http_ece.encrypt(content, private_key=key, dh=public, auth_secret=self.browser.auth)
        return sealed


class Pushes(unittest.TestCase):
    def setUp(self) -> None:
        self.vendors = Vendors(lambda: NOW)
        self.sender = Sender(self.vendors)

    def test_accepted(self) -> None:
        answer = self.sender.push(b"hello", urgency="high", topic="t")
        self.assertEqual((answer.status, answer.headers["ttl"]), (201, "60"))
        self.assertEqual(self.sender.browser.messages, [b"hello"])
        (pushed,) = self.vendors.webpush.pushed
        self.assertEqual((pushed.text, pushed.headers["urgency"], pushed.headers["topic"]), ("hello", "high", "t"))
        self.assertEqual(self.vendors.mistakes, [])

    def test_mistakes(self) -> None:
        good = {"aud": "https://push.example", "exp": NOW + 60, "sub": "mailto:admin@example.org"}
        for changes, status in (
            ({"ttl": None}, 400), ({"ttl": "x"}, 400), ({"urgency": "urgent"}, 400), ({"topic": "a b"}, 400),
            ({"content_encoding": "aesgcm"}, 400), ({"Authorization": None}, 401), ({"Authorization": "Bearer x"}, 401),
            ({"claims": {**good, "aud": "https://other.example"}}, 401),
            ({"claims": {**good, "exp": NOW + 86_401}}, 401), ({"claims": {**good, "exp": NOW - 1}}, 401),
        ):  # fmt: skip
            self.vendors.webpush.mistakes.clear()
            self.assertEqual(self.sender.push(**changes).status, status, changes)
            self.assertEqual(len(self.vendors.mistakes), 1)
        self.assertEqual(self.sender.browser.messages, [])

    def test_what_somebody_else_can_read(self) -> None:
        other = Sender(self.vendors)
        self.sender.browser.key = other.browser.key
        self.assertEqual(self.sender.push().status, 201)
        self.sender.browser.auth = bytes(16)
        sealed = other.seal(b"x")
        self.sender.seal = lambda content: sealed  # type: ignore[method-assign]
        self.assertEqual(self.sender.push().status, 400)
        self.assertIn("not encrypted for this subscriber", self.vendors.mistakes[-1])

    def test_sizes(self) -> None:
        self.assertEqual(self.sender.push(bytes(3_993)).status, 201)
        self.assertEqual(self.sender.push(bytes(3_994)).status, 413)

    def test_subscriptions_that_are_none(self) -> None:
        self.vendors.webpush.unsubscribe(self.sender.browser)
        self.assertEqual(self.sender.push().status, 410)
        self.assertEqual(self.vendors.mistakes, [])
        self.sender.browser.endpoint += "x"
        self.assertEqual(self.sender.push().status, 404)

    def test_on_demand(self) -> None:
        self.vendors.webpush.fail("503", times=2, retry_after="7")
        answers = [self.sender.push() for _ in range(3)]
        self.assertEqual([answer.status for answer in answers], [503, 503, 201])
        self.assertEqual(answers[0].headers["retry-after"], "7")
        self.assertEqual(json.loads(answers[0].body)["code"], 503)
        self.vendors.webpush.fail_always("500")
        self.assertEqual([self.sender.push().status for _ in range(3)], [500] * 3)
        self.vendors.webpush.fail_always()
        self.assertEqual(self.sender.push().status, 201)

    def test_nobody(self) -> None:
        self.vendors.down.add("https://push.example")
        for url in (self.sender.browser.endpoint, "https://elsewhere.example/"):
            with self.assertRaisesRegex(NoConnection, "can't be reached"):
                self.vendors(Request("POST", url))
