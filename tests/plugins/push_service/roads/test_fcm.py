"""FCM HTTP v1: what Google is sent, access tokens, and what each of its answers means."""

from __future__ import annotations

import json
from typing import Any

from tests.plugins.push_service.roads.kit import NOW, RoadCase, parcel
from xmppd.api.http import Headers, Request, Response
from xmppd.api.waiting import as_deferred
from xmppd.plugins.push_service.roads.contract import CredentialsError
from xmppd.plugins.push_service.roads.fcm import MOST, FcmRoad, measure, verdict_of


class Case(RoadCase):
    def setUp(self) -> None:
        super().setUp()
        self.google = self.vendors.fcm
        self.road = FcmRoad(self.network, self.clock, self.google.service_account)
        self.target = {"token": self.google.register()}

    def send(self, payload: Any = None, **more: Any) -> Any:
        return self.wait(self.road.send(parcel(self.target, payload, **more)))

    def sent(self) -> Any:
        return self.google.pushed[-1].content


class Sending(Case):
    def test_data(self) -> None:
        found = self.send(
            {"node": "n1", "count": 2, "nested": {"a": ["ü"]}, "from": "x", "google.a": "1", "gone": None}
        )
        self.assertEqual((found.kind, found.id), ("accepted", "projects/chat-1234/messages/1"))
        data = {"node": "n1", "count": "2", "nested": '{"a":["ü"]}', "x-from": "x", "x-google.a": "1", "gone": "null"}
        self.assertEqual(self.sent()["data"], data)
        self.assertNotIn("notification", self.sent())
        self.assertEqual(self.network.over_http2, [f"{self.google.origin}/v1/projects/chat-1234/messages:send"])

    def test_what_android_is_told(self) -> None:
        for more, expected in (
            ({}, {"priority": "NORMAL", "ttl": "86400s"}),
            ({"urgency": "high", "ttl": 0, "topic": "t"}, {"priority": "HIGH", "ttl": "0s", "collapse_key": "t"}),
            ({"urgency": "low", "ttl": 10**9}, {"priority": "NORMAL", "ttl": "2419200s"}),
            ({"kind": "call", "ttl": 30}, {"priority": "HIGH", "ttl": "30s"}),
        ):
            self.send(**more)
            self.assertEqual(self.sent()["android"], expected)

    def test_what_has_a_title_is_shown(self) -> None:
        self.send({"title": "News", "body": "It rains"})
        self.assertEqual(self.sent()["notification"], {"title": "News", "body": "It rains"})
        self.assertEqual(self.sent()["data"], {"title": "News", "body": "It rains"})
        self.send({"body": "It rains"})
        self.assertNotIn("notification", self.sent())
        self.send({"title": "News"}, kind="background")
        self.assertNotIn("notification", self.sent())

    def test_octets(self) -> None:
        self.send(b"\0\1")
        self.assertEqual(self.sent()["data"], {"payload": "AAE="})

    def test_sizes(self) -> None:
        largest = {"x": "y" * (MOST - 1)}
        self.assertEqual(measure(parcel(self.target, largest)), MOST)
        self.assertEqual(self.send(largest).kind, "accepted")
        self.assertEqual(self.send({"x": "y" * MOST}).kind, "too large")
        self.assertEqual(len(self.google.pushed), 1)

    def test_no_token(self) -> None:
        self.target = {}
        self.assertEqual(self.send().kind, "refused")

    def test_nobody_answers(self) -> None:
        self.vendors.down.add("https://oauth2.googleapis.com")
        self.assertEqual(self.send().kind, "temporary")
        self.vendors.down = {self.google.origin}
        self.assertEqual(self.send().kind, "temporary")

    def test_elsewhere(self) -> None:
        self.google.origin, self.google.token_url = "https://relay.example", "https://relay.example/token"
        account = json.loads(self.google.service_account)
        road = FcmRoad(self.network, self.clock, json.dumps(account), url="https://relay.example")
        self.assertEqual(self.wait(road.send(parcel(self.target))).kind, "accepted")
        self.assertIn("chat-1234", road.check().text)


class AccessTokens(Case):
    def test_one_for_an_hour(self) -> None:
        self.send()
        self.send()
        self.assertEqual(self.google.grants, 1)
        self.clock.advance(3_298)
        self.send()
        self.assertEqual(self.google.grants, 1)
        self.clock.advance(2)
        self.send()
        self.assertEqual(self.google.grants, 2)

    def test_one_for_all_who_want_it_at_once(self) -> None:
        sent = [as_deferred(self.road.send(parcel(self.target))) for _ in range(5)]
        for _ in range(5):
            self.clock.advance(0)
        self.assertEqual([self.successResultOf(one).kind for one in sent], ["accepted"] * 5)
        self.assertEqual(self.google.grants, 1)

    def test_one_refusal_for_all(self) -> None:
        self.google.token_error = "invalid_grant"
        sent = [as_deferred(self.road.send(parcel(self.target))) for _ in range(5)]
        for _ in range(5):
            self.clock.advance(0)
        self.assertEqual([self.successResultOf(one).kind for one in sent], ["credentials"] * 5)
        self.assertEqual(len(self.network.requests), 1)
        self.google.token_error = ""
        self.assertEqual(self.send().kind, "accepted")

    def test_who_first_asked_gives_up(self) -> None:
        self.network.silent = True
        first = as_deferred(self.road.send(parcel(self.target)))
        second = as_deferred(self.road.send(parcel(self.target)))
        first.addErrback(lambda _: None)
        first.cancel()
        self.assertEqual(self.successResultOf(second).kind, "temporary")
        self.network.silent = False
        self.assertEqual(self.send().kind, "accepted")

    def test_revoked(self) -> None:
        self.send()
        self.google.revoke()
        self.assertEqual(self.send().kind, "accepted")
        self.assertEqual(self.google.grants, 2)
        self.assertEqual(len(self.google.mistakes), 1)
        self.google.mistakes.clear()

    def test_refused_twice(self) -> None:
        self.google.fail("UNAUTHENTICATED", 2)
        found = self.send()
        self.assertEqual((found.kind, self.google.grants), ("credentials", 2))

    def test_refusals(self) -> None:
        for error, why in (
            ("invalid_grant", "key: it was deleted, or our clock is wrong"),
            ("invalid_client", "does not know the service account"),
            ("unauthorized_client", "may not have access tokens"),
            ("invalid_scope", "may not send"),
            ("other", "gives no token"),
        ):
            self.google.token_error = error
            found = self.send()
            self.assertEqual(found.kind, "credentials")
            self.assertIn(why, found.text)
            self.assertIn("as the test wants it", found.text)

    def test_trouble_at_the_token_server(self) -> None:
        for status, kind in ((500, "temporary"), (503, "temporary"), (429, "throttled"), (200, "credentials")):
            headers = Headers({"Retry-After": "7"})
            self.network.web = lambda request, status=status, headers=headers: Response(status, b"{}", headers=headers)
            found = self.send()
            self.assertEqual((found.kind, found.retry_after), (kind, None if kind == "credentials" else 7.0))

    def test_our_clock_is_wrong(self) -> None:
        self.clock.advance(0)
        self.google.now = lambda: NOW - 7_200
        self.assertEqual(self.send().kind, "credentials")
        self.google.mistakes.clear()

    def test_files_that_are_none(self) -> None:
        account = json.loads(self.google.service_account)
        for text, why in (
            ("", "no JSON"),
            ("[]", "not that of a service account"),
            ('{"type": "authorized_user"}', "service_account"),
            (json.dumps({**account, "project_id": ""}), "lacks project_id"),
            (json.dumps({**account, "private_key": "x", "client_email": 1}), "lacks client_email"),
            (json.dumps({**account, "private_key": "x"}), "no private key of RSA"),
        ):
            with self.subTest(why), self.assertRaisesRegex(CredentialsError, why):
                FcmRoad(self.network, self.clock, text)


class Answers(Case):
    def test_all_of_googles_errors(self) -> None:
        for error, kind in (
            ("UNREGISTERED", "gone"), ("SENDER_ID_MISMATCH", "gone"), ("QUOTA_EXCEEDED", "throttled"),
            ("UNAVAILABLE", "temporary"), ("INTERNAL", "temporary"), ("THIRD_PARTY_AUTH_ERROR", "refused"),
            ("INVALID_ARGUMENT", "refused"), ("UNSPECIFIED_ERROR", "temporary"), ("PERMISSION_DENIED", "credentials"),
            ("NOT_FOUND", "credentials"), ("RESOURCE_EXHAUSTED", "throttled"), ("DEADLINE_EXCEEDED", "temporary"),
        ):  # fmt: skip
            self.google.fail(error, retry_after="9")
            found = self.send()
            self.assertEqual(found.kind, kind, error)
            self.assertEqual(found.retry_after, 9.0 if kind in ("temporary", "throttled") else None)
            self.assertIn("as the test wants it", found.text)

    def test_devices(self) -> None:
        self.google.devices.clear()
        self.assertEqual(self.send().kind, "gone")
        self.google.strangers.add(self.target["token"])
        self.assertEqual(self.send().kind, "gone")

    def test_what_an_invalid_argument_may_be(self) -> None:
        bad_request = "type.googleapis.com/google.rpc.BadRequest"
        for error, kind in (
            ({"message": "The registration token is not a valid FCM registration token"}, "gone"),
            ({"details": [{"@type": bad_request, "fieldViolations": [{"field": "message.token"}]}]}, "gone"),
            ({"details": [{"@type": bad_request, "fieldViolations": [{"field": "message.android"}]}]}, "refused"),
            ({"message": "Android message is too big"}, "too large"),
            ({"message": "Invalid data payload key: from"}, "refused"),
        ):
            body = json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", **error}}).encode()
            self.assertEqual(verdict_of(400, Headers(), body, NOW).kind, kind, error)

    def test_others_may_answer(self) -> None:
        for status, body, kind in (
            (400, b"", "refused"), (401, b"<html>", "credentials"), (403, b"", "credentials"),
            (404, b"", "credentials"), (413, b"", "too large"), (429, b"[]", "throttled"),
            (502, b"<html>", "temporary"), (302, b"", "refused"),
            (408, b"", "temporary"), (500, b'{"error": "x"}', "temporary"),
            (400, b'{"error": {"details": 7}}', "refused"),
        ):  # fmt: skip
            self.assertEqual(verdict_of(status, Headers(), body, NOW).kind, kind, status)


class StandIn(Case):
    """The stand-in is as strict as Google is."""

    def post(self, message: Any, **headers: str) -> Response:
        self.send()
        (token,) = self.google._access
        fields = {"authorization": f"Bearer {token}", "content-type": "application/json", **headers}
        url = f"{self.google.origin}/v1/projects/chat-1234/messages:send"
        return self.google(
            Request("POST", url, headers=Headers(fields), body=json.dumps({"message": message}).encode())
        )

    def tearDown(self) -> None:
        """It found the mistakes that are made here."""

    def test_mistakes(self) -> None:
        good = {"token": self.target["token"]}
        self.assertEqual(self.post(good).status, 200)
        for change in (
            {"data": {"count": 2}}, {"data": {"from": "x"}}, {"data": {"gcm.x": "y"}}, {"data": {"x": "y" * 5000}},
            {"android": {"ttl": "30"}}, {"android": {"ttl": "2419201s"}}, {"android": {"priority": "high!"}},
            {"android": {"colour": "red"}}, {"nonsense": 1}, {"token": ""}, {"notification": {"titel": "x"}},
        ):  # fmt: skip
            answer = self.post({**good, **change})
            self.assertEqual(answer.status, 400, change)
            self.assertIn(b"INVALID_ARGUMENT", answer.body)
        self.assertEqual(self.post(good, authorization="Bearer x").status, 401)
        self.assertEqual(len(self.google.mistakes), 12)
