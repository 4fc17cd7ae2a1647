"""RFC 8030 as a sender: what push services are sent, and what their answers mean."""

from __future__ import annotations

import json
from email.utils import formatdate

from tests.plugins.push_service.roads.kit import NOW, RoadCase, parcel
from xmppd.api.http import Headers
from xmppd.api.network import Reach
from xmppd.plugins.push_service.roads.encryption import MOST
from xmppd.plugins.push_service.roads.vapid import VapidKey, new_key
from xmppd.plugins.push_service.roads.webpush import WebPushRoad, verdict_of

PEM = new_key()


class Case(RoadCase):
    def setUp(self) -> None:
        super().setUp()
        self.key = VapidKey(PEM, "mailto:admin@example.org")
        self.road = WebPushRoad(self.network, self.clock, self.key)
        self.service = self.vendors.webpush
        self.browser = self.service.subscribe(self.key.public)


class Sending(Case):
    def test_accepted(self) -> None:
        found = self.wait(self.road.send(parcel(self.browser.target, {"title": "Grüße", "count": 2})))
        self.assertEqual((found.kind, found.id), ("accepted", "https://push.example/message/1"))
        (message,) = self.browser.messages
        self.assertEqual(json.loads(message), {"title": "Grüße", "count": 2})

    def test_fields(self) -> None:
        for more, expected in (
            ({}, {"ttl": "86400", "urgency": "normal"}),
            ({"ttl": 0, "urgency": "high", "topic": "abc_-9"}, {"ttl": "0", "urgency": "high", "topic": "abc_-9"}),
            ({"ttl": -5, "urgency": "low"}, {"ttl": "0", "urgency": "low"}),
            ({"kind": "call", "ttl": 30}, {"ttl": "30", "urgency": "high"}),
        ):
            self.wait(self.road.send(parcel(self.browser.target, **more)))
            content = {"content-encoding": "aes128gcm", "content-type": "application/octet-stream"}
            self.assertEqual(self.service.pushed[-1].headers, expected | content)

    def test_octets_are_handed_on_as_they_are(self) -> None:
        self.wait(self.road.send(parcel(self.browser.target, b"\0\1\2")))
        self.assertEqual(self.browser.messages, [b"\0\1\2"])

    def test_nothing_but_a_wake_up(self) -> None:
        self.wait(self.road.send(parcel(self.browser.target, {})))
        self.assertEqual(self.browser.messages, [b""])
        self.assertNotIn("content-encoding", self.service.pushed[0].headers)

    def test_sizes(self) -> None:
        self.assertEqual(self.wait(self.road.send(parcel(self.browser.target, bytes(MOST)))).kind, "accepted")
        found = self.wait(self.road.send(parcel(self.browser.target, bytes(MOST + 1))))
        self.assertEqual(found.kind, "too large")
        self.assertIn("3994", found.text)
        self.assertEqual(len(self.network.requests), 1)

    def test_subscriptions_that_are_none(self) -> None:
        found = self.wait(self.road.send(parcel({"endpoint": "https://push.example/1"})))
        self.assertEqual(found.kind, "refused")
        self.assertEqual(self.network.requests, [])

    def test_addresses_that_must_not_be_asked(self) -> None:
        self.network.names["inside.example"] = "10.0.0.1"
        for endpoint in (
            "http://push.example/x", "https://127.0.0.1/x", "https://inside.example/x", "https://push.example:25/x",
            "https://[::ffff:169.254.169.254]/latest",
        ):  # fmt: skip
            found = self.wait(self.road.send(parcel({**self.browser.target, "endpoint": endpoint})))
            self.assertEqual(found.kind, "refused", endpoint)
        self.assertEqual(self.network.requests, [])

    def test_networks_of_ones_own(self) -> None:
        self.network.names["push.example"] = "10.0.0.1"
        target = parcel(self.browser.target)
        self.assertEqual(self.wait(self.road.send(target)).kind, "refused")
        road = WebPushRoad(self.network, self.clock, self.key, Reach.of(["10.0.0.0/8"]))
        self.assertEqual(self.wait(road.send(target)).kind, "accepted")

    def test_nobody_answers(self) -> None:
        self.vendors.down.add(self.service.origin)
        found = self.wait(self.road.send(parcel(self.browser.target)))
        self.assertEqual(found.kind, "temporary")
        self.assertIn("can't be reached", found.text)

    def test_who_it_is(self) -> None:
        self.assertIn(self.key.public, self.road.check().text)


class Answers(Case):
    def test_a_subscription_that_has_ended(self) -> None:
        self.service.unsubscribe(self.browser)
        self.assertEqual(self.wait(self.road.send(parcel(self.browser.target))).kind, "gone")

    def test_a_subscription_for_another_key(self) -> None:
        other = self.service.subscribe(VapidKey(new_key(), "").public)
        self.assertEqual(self.wait(self.road.send(parcel(other.target))).kind, "credentials")
        self.assertEqual(self.vendors.mistakes, ["403: the subscription is for another application server key"])
        self.service.mistakes.clear()

    def test_on_demand(self) -> None:
        for status, kind in (
            ("400", "refused"), ("401", "credentials"), ("402", "credentials"), ("403", "credentials"),
            ("404", "gone"), ("406", "throttled"), ("408", "temporary"), ("410", "gone"), ("413", "too large"),
            ("418", "refused"), ("425", "temporary"), ("429", "throttled"), ("301", "refused"), ("307", "refused"),
            ("500", "temporary"), ("502", "temporary"), ("503", "temporary"), ("599", "temporary"),
        ):  # fmt: skip
            self.service.fail(status)
            found = self.wait(self.road.send(parcel(self.browser.target)))
            self.assertEqual(found.kind, kind, status)
            self.assertIn("as the test wants it", found.text)
            self.assertIsNone(found.retry_after)

    def test_retry_after(self) -> None:
        for text, expected in (
            ("120", 120.0),
            (formatdate(NOW + 30, usegmt=True), 30.0),
            (formatdate(NOW - 30, usegmt=True), 0.0),
            ("soon", None),
            ("-5", None),
            ("", None),
            ("9" * 500, 7 * 86_400.0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 7 * 86_400.0),
        ):
            for status in ("429", "503"):
                self.service.fail(status, retry_after=text)
                self.assertEqual(self.wait(self.road.send(parcel(self.browser.target))).retry_after, expected, text)

    def test_what_they_say(self) -> None:
        for body, expected in (
            (b'{"message": "expired", "errno": 1}', "(expired)"),
            (b'{"reason": "BadJwtToken"}', "(BadJwtToken)"),
            (b'{"error": "no", "message": 7}', "(no)"),
            (b"the  VAPID key\r\ndiffers\x1b[0m", "(the VAPID key differs[0m)"),
            (b"<html>nginx</html>", "accepted"),
            (b"[1]", "([1])"),
            (b"x" * 5000, "(" + "x" * 200 + ")"),
            (b"\xff\xfe", "accepted"),
        ):
            text = verdict_of(403, Headers(), body, NOW).text
            self.assertTrue(text.endswith(expected) or body[:1] == b"\xff", text)

    def test_taken(self) -> None:
        for status in (200, 201, 202, 204):
            self.assertEqual(verdict_of(status, Headers({"Location": "/m/" + "x" * 999}), b"", NOW).kind, "accepted")
