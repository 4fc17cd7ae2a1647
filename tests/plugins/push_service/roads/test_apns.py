"""APNs by HTTP/2: what Apple is sent, tokens, and what each of its reasons means."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from tests.plugins.push_service.roads.kit import ID, NOW, RoadCase, parcel
from xmppd.api.http import Headers, Request
from xmppd.plugins.push_service.roads.apns import MOST, VERDICTS, ApnsRoad, measure, verdict_of
from xmppd.plugins.push_service.roads.contract import CredentialsError
from xmppd.testing.vendors.apns import ERRORS


class Case(RoadCase):
    def setUp(self) -> None:
        super().setUp()
        self.apple = self.vendors.apns
        self.road = self.make()
        self.device = self.apple.register()
        self.target = {"token": self.device.token}

    def make(self, **more: Any) -> ApnsRoad:
        options = {"key_id": self.apple.key_id, "team_id": self.apple.team_id, "topic": self.apple.topic, **more}
        return ApnsRoad(self.network, self.clock, self.apple.key, **options)

    def send(self, payload: Any = None, **more: Any) -> Any:
        return self.wait(self.road.send(parcel(self.target, payload, **more)))

    def sent(self) -> tuple[Any, Any]:
        pushed = self.apple.pushed[-1]
        return pushed.content, pushed.headers


class Sending(Case):
    def test_alert(self) -> None:
        found = self.send(
            {"title": "Juliet", "body": "Grüße", "count": 3, "node": "n1"}, urgency="high", topic="t1", ttl=60
        )
        self.assertEqual((found.kind, found.id), ("accepted", str(UUID(ID))))
        content, headers = self.sent()
        aps = {"alert": {"title": "Juliet", "body": "Grüße"}, "sound": "default", "mutable-content": 1, "badge": 3}
        self.assertEqual(content, {"aps": aps, "node": "n1"})
        expected = {
            "apns-id": str(UUID(ID)), "apns-push-type": "alert", "apns-topic": "org.example.chat",
            "apns-priority": "10", "apns-expiration": str(int(NOW) + 60), "apns-collapse-id": "t1",
        }  # fmt: skip
        self.assertEqual(headers, expected)
        self.assertEqual(self.network.over_http2, [f"https://api.push.apple.com/3/device/{self.device.token}"])

    def test_words_of_an_alert(self) -> None:
        for payload, alert in (
            ({"sender": "juliet@example.org"}, {"title": "juliet@example.org"}),
            ({"title": "Chat", "sender": "Juliet"}, {"title": "Chat", "subtitle": "Juliet"}),
            ({"body": "hi"}, {"body": "hi"}),
        ):
            self.send(payload)
            self.assertEqual(self.sent()[0]["aps"]["alert"], alert)

    def test_alerts_without_words(self) -> None:
        self.send({"count": 3})
        self.assertEqual((self.sent()[0]["aps"], self.sent()[1]["apns-push-type"]), ({"badge": 3}, "alert"))
        for payload in ({}, {"node": "n1"}, b"\0\1"):
            self.send(payload, urgency="high")
            content, headers = self.sent()
            self.assertEqual(content["aps"], {"content-available": 1})
            self.assertEqual((headers["apns-push-type"], headers["apns-priority"]), ("background", "5"))
        self.assertEqual(self.sent()[0]["payload"], "AAE=")

    def test_background(self) -> None:
        self.send({"title": "x", "node": "n1", "aps": "mine"}, kind="background", urgency="high", ttl=0)
        content, headers = self.sent()
        self.assertEqual(content, {"aps": {"content-available": 1}, "title": "x", "node": "n1"})
        self.assertEqual((headers["apns-priority"], headers["apns-expiration"]), ("5", "0"))

    def test_priorities(self) -> None:
        for urgency, priority in (("high", "10"), ("normal", "5"), ("low", "1")):
            self.send({"body": "x"}, urgency=urgency)
            self.assertEqual(self.sent()[1]["apns-priority"], priority)

    def test_calls(self) -> None:
        self.send({"sender": "Juliet"}, kind="call", ttl=30)  # no token for calls: it rings as loud as it can
        content, headers = self.sent()
        self.assertEqual((headers["apns-push-type"], headers["apns-priority"]), ("alert", "10"))
        self.target = {"token": self.device.token, "voip": self.device.voip}
        self.send({"sender": "Juliet"}, kind="call", ttl=30)
        content, headers = self.sent()
        self.assertEqual(self.apple.pushed[-1].device, self.device.voip)
        self.assertEqual(content, {"aps": {}, "sender": "Juliet"})
        self.assertEqual((headers["apns-push-type"], headers["apns-topic"]), ("voip", "org.example.chat.voip"))

    def test_a_token_for_calls_that_is_gone(self) -> None:
        self.target = {"token": self.device.token, "voip": self.device.voip}
        self.apple.gone.add(self.device.voip)
        self.assertEqual(self.send({"sender": "Juliet"}, kind="call").kind, "accepted")
        self.assertEqual(self.apple.pushed[-1].device, self.device.token)

    def test_sizes(self) -> None:
        spare = MOST - measure(parcel(self.target, {"body": ""}, kind="background"))
        self.assertEqual(self.send({"body": "x" * spare}, kind="background").kind, "accepted")
        self.assertEqual(self.send({"body": "x" * (spare + 1)}, kind="background").kind, "too large")

    def test_no_token(self) -> None:
        self.target = {}
        self.assertEqual(self.send().kind, "refused")

    def test_a_token_is_no_path(self) -> None:
        self.target = {"token": "../x?y"}
        self.assertEqual(self.send({"body": "x"}).kind, "gone")
        self.assertEqual(self.network.over_http2, ["https://api.push.apple.com/3/device/..%2Fx%3Fy"])
        self.apple.mistakes.clear()

    def test_where(self) -> None:
        self.vendors.down.add("https://api.push.apple.com")
        self.assertEqual(self.send().kind, "temporary")
        for more, origin in (
            ({"sandbox": True}, "https://api.sandbox.push.apple.com"),
            ({"url": "https://x.example"}, "https://x.example"),
            ({"url": "http://localhost:8080"}, "http://localhost:8080"),
        ):
            self.apple.origin = origin
            self.clock.advance(1_200)  # each has a token of its own
            road = self.make(**more)
            self.assertEqual(self.wait(road.send(parcel(self.target))).kind, "accepted")
        self.assertEqual(len(self.network.over_http2), len(self.network.requests) - 1)
        self.assertIn("key ABC123DEFG of team DEF123GHIJ", self.road.check().text)
        self.assertIn("sandbox", self.make(sandbox=True).check().text)


class Tokens(Case):
    def test_renewed_within_the_hour_and_not_too_often(self) -> None:
        used = set()
        for _ in range(24):
            self.assertEqual(self.send().kind, "accepted")
            used.add(self.network.requests[-1].headers["authorization"])
            self.clock.advance(300)
        self.assertEqual(len(used), 3)  # in two hours

    def test_expired_after_all(self) -> None:
        self.send()
        self.clock.advance(1_500)
        self.apple.fail("ExpiredProviderToken")
        self.assertEqual(self.send().kind, "accepted")
        self.assertEqual(len({request.headers["authorization"] for request in self.network.requests}), 2)

    def test_our_clock_is_wrong(self) -> None:
        self.apple.now = lambda: NOW + 7_200
        found = self.send()
        self.assertEqual(found.kind, "credentials")
        self.assertIn("clock", found.text)
        self.apple.mistakes.clear()

    def test_another_key(self) -> None:
        self.road = self.make(key_id="ZZZZZZZZZZ")
        self.assertEqual(self.send().kind, "credentials")
        self.apple.mistakes.clear()

    def test_what_is_no_key(self) -> None:
        with self.assertRaisesRegex(CredentialsError, "the signing key is no private key"):
            ApnsRoad(self.network, self.clock, "x", "K", "T", "org.example.chat")


class Answers(Case):
    KINDS = {
        "BadDeviceToken": "gone", "DeviceTokenNotForTopic": "gone", "ExpiredToken": "gone", "Unregistered": "gone",
        "PayloadTooLarge": "too large", "TooManyProviderTokenUpdates": "throttled", "TooManyRequests": "throttled",
        "IdleTimeout": "temporary", "InternalServerError": "temporary", "ServiceUnavailable": "temporary",
        "Shutdown": "temporary", "BadTopic": "credentials", "MissingTopic": "credentials",
        "TopicDisallowed": "credentials",
    }  # fmt: skip

    def test_all_of_apples_reasons(self) -> None:
        reasons = {reason: status for status, reasons in ERRORS.items() for reason in reasons}
        self.assertEqual(set(reasons), set(VERDICTS))
        for reason, status in reasons.items():
            self.apple.fail(reason)
            found = self.send()
            expected = self.KINDS.get(reason, "credentials" if status == 403 else "refused")
            self.assertEqual(found.kind, expected, reason)
            self.assertIn(reason, found.text)

    def test_when_to_come_again(self) -> None:
        self.apple.fail("TooManyProviderTokenUpdates")
        self.assertEqual(self.send().retry_after, 1_200.0)
        for reason in ("TooManyRequests", "ServiceUnavailable"):
            self.apple.fail(reason, retry_after="8")
            self.assertEqual(self.send().retry_after, 8.0)

    def test_others_may_answer(self) -> None:
        for status, body, kind in (
            (400, b"", "refused"), (403, b"", "credentials"), (408, b"", "temporary"), (410, b"{}", "gone"),
            (413, b"[", "too large"), (429, b"", "throttled"), (502, b"<html>", "temporary"), (301, b"", "refused"),
            (400, b'{"reason": "NewReason"}', "refused"),
        ):  # fmt: skip
            self.assertEqual(verdict_of(status, Headers(), body, NOW).kind, kind, status)

    def test_devices(self) -> None:
        self.apple.gone.add(self.device.token)
        self.assertEqual(self.send().kind, "gone")


class StandIn(Case):
    """The stand-in is as strict as Apple is."""

    def tearDown(self) -> None:
        """It found the mistakes that are made here."""

    def post(self, body: Any, **headers: str) -> str:
        token = self.network.requests[0].headers["authorization"]
        fields = {
            "authorization": token, "apns-topic": self.apple.topic, "apns-push-type": "alert",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }  # fmt: skip
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.apple.origin}/3/device/{self.device.token}"
        answer = self.apple(Request("POST", url, headers=Headers(fields), body=data))
        return str(json.loads(answer.body)["reason"]) if answer.body else str(answer.status)

    def test_mistakes(self) -> None:
        self.send()
        good = {"aps": {"badge": 1}}
        self.assertEqual(self.post(good), "200")
        for body, headers, reason in (
            (b"", {}, "PayloadEmpty"), (b"x", {}, "PayloadEmpty"), ({"aps": 1}, {}, "PayloadEmpty"),
            ({"aps": {"badge": 1}, "x": "y" * 5_000}, {}, "PayloadTooLarge"),
            ({"aps": {}}, {}, "InvalidPushType"),
            (good, {"apns_push_type": "background", "apns_priority": "5"}, "InvalidPushType"),
            (good, {"apns_push_type": "background", "apns_priority": "10"}, "BadPriority"),
            (good, {"apns_push_type": ""}, "InvalidPushType"), (good, {"apns_push_type": "voip"}, "InvalidPushType"),
            (good, {"apns_priority": "7"}, "BadPriority"), (good, {"apns_expiration": "soon"}, "BadExpirationDate"),
            (good, {"apns_collapse_id": "x" * 65}, "BadCollapseId"), (good, {"apns_id": "1"}, "BadMessageId"),
            (good, {"apns_id": str(UUID(ID)).upper()}, "BadMessageId"),
            (good, {"apns_topic": ""}, "MissingTopic"), (good, {"apns_topic": "org.other"}, "TopicDisallowed"),
            (good, {"apns_topic": "org.example.chat.voip", "apns_push_type": "voip"}, "DeviceTokenNotForTopic"),
            (good, {"authorization": ""}, "MissingProviderToken"),
            (good, {"authorization": "bearer x"}, "InvalidProviderToken"),
        ):  # fmt: skip
            self.assertEqual(self.post(body, **headers), reason, headers)
        self.assertEqual(len(self.apple.mistakes), 19)

    def test_tokens_come_too_often(self) -> None:
        self.send()
        self.clock.advance(60)
        self.assertEqual(self.wait(self.make().send(parcel(self.target))).kind, "throttled")
