"""Webhooks: what is told, how it is signed, and what becomes of it when nobody takes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, ClassVar
from unittest import TestCase

from sqlalchemy import func, select

from tests.plugins.kit import PluginTestCase
from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.api.http import Headers, Request, Response
from xmppd.api.network import NoConnection
from xmppd.api.notifications import DeliveryChanged, State
from xmppd.api.operations import Permission
from xmppd.api.push import PushDisabled, Registration
from xmppd.api.waiting import settled
from xmppd.plugins.webhooks import Webhooks
from xmppd.plugins.webhooks.delivery import answer_to, pause
from xmppd.plugins.webhooks.kinds import KINDS, chosen, wants
from xmppd.plugins.webhooks.signing import signature
from xmppd.plugins.webhooks.store import EVENTS
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid

URL = "https://receiver.example/hook"
NO_URLS = (
    "",
    "//x/",
    "ftp://x.example/",
    "https:///x",
    "https://x y.example/",
    "https://é.example/",
    "https://[/",
    "https://user:secret@x.example/",
    "https://x.example/#a",
    "https://x.example:99999/",
)


class Receiver:
    """Takes what it is sent, if the signature is right.

    :ivar answers: what it answers, one after the other; the last one goes on.
    :ivar requests: of those that it has taken: id and events.
    """

    def __init__(self) -> None:
        self.secret = ""
        self.answers: list[Response | Exception] = [Response(204)]
        self.requests: list[tuple[str, list[dict[str, Any]]]] = []
        self.all: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.all.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        assert request.headers["webhook-signature"].encode() == right
        if answer.status < 300:
            self.requests.append((request.headers["webhook-id"], json.loads(request.body)["events"]))
        return answer


class WebhookTestCase(PluginTestCase):
    plugins = ("webhooks", "muc", "disco")
    config: ClassVar[Any] = {"webhooks": {"queue_events": 5, "batch_events": 3}}

    def setUp(self) -> None:
        super().setUp()
        self.receiver = Receiver()
        self.network.web = self.receiver

    def run_(self, name: str, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(f"webhook {name}", arguments))

    def add(self, events: str = "*", url: str = URL) -> str:
        made = self.run_("add", url=url, events=events)
        self.receiver.secret = made["secret"]
        id_: str = made["id"]
        return id_

    def shown(self, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = self.run_("show", id=id_)
        return found

    def refuse(self, name: str, **arguments: Any) -> str:
        return self.refuse_to_operate("webhooks", f"webhook {name}", **arguments)

    def types(self) -> list[str]:
        return [event["type"] for _, events in self.receiver.requests for event in events]

    def waiting(self) -> int:
        counted = select(func.count()).select_from(EVENTS)
        found: int = self.wait(self.server.db.read(lambda c: c.execute(counted).scalar_one()))
        return found


class EventTests(WebhookTestCase):
    def test_accounts_and_sessions(self) -> None:
        self.add("account.*, session.*")
        self.login("romeo@example.org/orchard").disconnect()
        self.pump(2)
        self.assertEqual(self.types(), ["account.created", "session.started", "session.ended"])
        event = self.receiver.requests[0][1][0]
        self.assertEqual((event["host"], event["data"]), ("example.org", {"account": "romeo@example.org"}))
        self.assertEqual(event["timestamp"], "2026-01-01T12:00:00Z")
        self.assertRegex(event["id"], "^evt_[0-9a-f]{24}$")
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        self.pump(2)
        self.assertEqual(self.types()[3:], ["account.deleted"])

    def test_rooms(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.add("room.*")
        garden = "garden@conference.example.org"
        romeo.send(f"<presence to='{garden}/R'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        self.wait(self.server.server.operations.run("room destroy", {"room": garden}), 5)
        self.pump(2)
        self.assertEqual(self.types(), ["room.created", "room.destroyed"])
        data = self.receiver.requests[0][1][0]["data"]
        self.assertEqual(data, {"room": garden, "creator": "romeo@example.org"})

    def test_servers_and_notifications(self) -> None:
        self.add()
        there, juliet = Jid.parse("verona.example"), Jid.parse("juliet@example.org")
        for event in (
            ServerUnreachable(there, StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="refused")),
            ServerReachable(there),
            PushDisabled(Registration(juliet, there, "n", "phone", 0.0, "the app is not there any more")),
            DeliveryChanged("0" * 32, juliet, "phone", State.DELIVERED, "", self.clock.seconds()),
        ):
            self.wait(settled(self.host.notify(event)))
        self.pump(2)
        self.assertEqual(
            self.types(), ["server.unreachable", "server.reachable", "push.disabled", "notification.changed"]
        )
        (first, _, gone), (last,) = (events for _, events in self.receiver.requests)
        self.assertEqual(gone["data"]["reason"], "the app is not there any more")
        self.assertEqual(first["data"], {"domain": "verona.example", "reason": "refused"})
        self.assertEqual((last["data"]["state"], last["data"]["device"]), ("delivered", "phone"))

    def test_what_nobody_wants_is_not_made(self) -> None:
        self.assertFalse(self.host.observed(DeliveryChanged))
        self.add("room.*")
        self.assertTrue(self.host.observed(DeliveryChanged))
        self.account("romeo@example.org")
        self.pump(2)
        self.assertEqual((self.types(), self.waiting()), ([], 0))

    def test_sessions_from_before_a_restart_have_not_begun(self) -> None:
        self.add("session.started")
        romeo = self.login("romeo@example.org/orchard")
        self.pump(2)
        self.restart()
        romeo.clear()
        self.pump(2)
        self.assertEqual(self.types(), ["session.started"])


class DeliveryTests(WebhookTestCase):
    def make(self, *names: str) -> None:
        for name in names:
            self.account(f"{name}@example.org")

    def test_batches(self) -> None:
        self.add("account.*")
        self.make("a", "b", "c", "d")
        self.pump(2)
        self.assertEqual([len(events) for _, events in self.receiver.requests], [3, 1])
        self.assertEqual(self.waiting(), 0)

    def test_tried_again_with_the_same_id_and_body(self) -> None:
        hook = self.add("account.*")
        self.receiver.answers = [Response(500, b"oh\nno"), NoConnection("refused"), Response(200)]
        self.make("a")
        self.pump(2)
        self.assertEqual(self.shown(hook)["problem"], "it answered 500 Internal Server Error: oh no")
        self.make("b")
        self.pump(5)
        self.assertEqual((len(self.receiver.all), self.shown(hook)["problem"]), (2, "refused"))
        self.pump(30)
        first, second, third, fourth = self.receiver.all
        self.assertEqual({first.headers["webhook-id"]}, {r.headers["webhook-id"] for r in (first, second, third)})
        self.assertEqual({first.body}, {second.body, third.body}, "what came meanwhile is the next batch")
        self.assertGreater(int(third.headers["webhook-timestamp"]), int(first.headers["webhook-timestamp"]))
        self.assertNotEqual(fourth.headers["webhook-id"], first.headers["webhook-id"])
        self.assertEqual((self.shown(hook)["state"], self.shown(hook)["problem"], self.waiting()), ("working", "", 0))

    def test_over_restarts_and_kills(self) -> None:
        self.add("account.*")
        self.receiver.answers = [Response(503), Response(503), Response(200)]
        self.make("a")
        self.pump(2)
        self.restart()
        self.pump(3)
        self.assertEqual(len(self.receiver.all), 1, "the pause holds over restarts")
        self.pump(5)
        self.kill()
        self.pump(60)
        self.assertEqual(len({request.headers["webhook-id"] for request in self.receiver.all}), 1)
        self.assertEqual((self.types(), self.waiting()), (["account.created"], 0))

    def test_events_from_before_a_kill(self) -> None:
        self.add("account.*")
        self.make("a")
        self.kill()
        self.pump(2)
        self.assertEqual(self.types(), ["account.created"])

    def test_it_waits_as_long_as_the_receiver_wants(self) -> None:
        self.add("account.*")
        self.receiver.answers = [Response(429, headers=Headers({"Retry-After": "100"})), Response(200)]
        self.make("a")
        self.pump(100)
        self.assertEqual(len(self.receiver.all), 1)
        self.pump(5)
        self.assertEqual(self.types(), ["account.created"])

    def test_disabled_after_days(self) -> None:
        hook = self.add("account.*")
        self.receiver.answers = [NoConnection("refused")]
        self.make("a")
        self.pump(2)
        self.pump(3 * 86_400 + 7_200, step=600)
        shown = self.shown(hook)
        self.assertEqual((shown["state"], shown["waiting"]), ("disabled", 1))
        self.assertIn("failed since 2026-01-01T12:00:01Z: refused", shown["problem"])
        asked = len(self.receiver.all)
        self.make("b")
        self.pump(7_200, step=600)
        self.assertEqual((len(self.receiver.all), self.waiting()), (asked, 1), "nothing is kept for it any more")
        self.restart()
        self.receiver.answers = [Response(200)]
        self.assertEqual(self.shown(hook)["state"], "disabled")
        self.run_("enable", id=hook)
        self.pump(2)
        self.assertEqual((self.types(), self.shown(hook)["state"]), (["account.created"], "working"))

    def test_gone_is_gone(self) -> None:
        hook = self.add("account.*")
        self.receiver.answers = [Response(410)]
        self.make("a")
        self.pump(2)
        self.assertEqual((self.shown(hook)["state"], self.shown(hook)["problem"]), ("disabled", "it answered 410 Gone"))

    def test_disabled_by_hand(self) -> None:
        hook = self.add("account.*")
        self.run_("disable", id=hook)
        self.make("a")
        self.run_("enable", id=hook)
        self.make("b")
        self.pump(2)
        (_, (event,)) = self.receiver.requests[0]
        self.assertEqual(event["data"], {"account": "b@example.org"})

    def test_too_many_wait(self) -> None:
        hook = self.add("account.*")
        self.receiver.answers = [NoConnection("refused"), Response(200)]
        self.make(*"abcdefg")
        self.assertEqual((self.shown(hook)["waiting"], self.shown(hook)["dropped"]), (5, 2))
        self.pump(10)
        self.assertEqual((len(self.types()), self.waiting()), (5, 0))

    def test_private_places(self) -> None:
        hook = self.add("account.*", url="https://127.0.0.1/hook")
        self.make("a")
        self.pump(2)
        self.assertEqual((self.shown(hook)["state"], self.receiver.all), ("disabled", []))
        self.assertIn("networks", self.shown(hook)["problem"])

    def test_deleted_with_what_waits(self) -> None:
        hook = self.add("account.*")
        self.make("a")
        self.run_("delete", id=hook)
        self.pump(10)
        self.assertEqual((self.receiver.all, self.waiting(), self.run_("list")), ([], 0, []))
        self.assertIn("there is no webhook", self.refuse("show", id=hook))

    def test_each_has_its_own(self) -> None:
        self.add("account.*")
        self.receiver.answers = [NoConnection("refused")]
        self.run_("add", url="https://other.example/", events="account.*")
        self.make("a")
        self.pump(2)
        self.assertEqual({request.path for request in self.receiver.all}, {URL, "https://other.example/"})
        self.assertEqual(self.waiting(), 2)

    def test_the_disk_is_full(self) -> None:
        hook = self.add("account.*")
        self.make("a")
        self.disk.broken = "the disk is full"
        self.pump(5)
        self.assertEqual(self.receiver.all, [], "nothing is sent that can't be noted")
        self.disk.broken = None
        self.pump(20)
        self.assertEqual((self.types(), self.shown(hook)["waiting"]), (["account.created"], 0))


class OptionTests(WebhookTestCase):
    config: ClassVar[Any] = {
        "webhooks": {"batch_seconds": 10, "give_up_days": 0.01, "timeout_seconds": 7, "ports": [8443]}
    }

    def test_gathered_for_longer_and_given_up_sooner(self) -> None:
        hook = self.add("account.*", url="https://receiver.example:8443/hook")
        self.receiver.answers = [NoConnection("refused")]
        self.account("a@example.org")
        self.pump(9)
        self.assertEqual(self.receiver.all, [])
        self.pump(2)
        self.assertEqual(len(self.receiver.all), 1)
        self.pump(3_600, step=10)
        self.assertEqual(self.shown(hook)["state"], "disabled")

    def test_a_receiver_that_is_silent(self) -> None:
        hook = self.add("account.*", url="https://receiver.example:8443/hook")
        self.network.silent = True
        self.account("a@example.org")
        self.pump(18)
        self.assertIn("did not answer within 7 seconds", self.shown(hook)["problem"])
        self.network.silent = False

    def test_other_ports_are_not_for_us(self) -> None:
        hook = self.add("account.*")
        self.account("a@example.org")
        self.pump(12)
        self.assertEqual((self.shown(hook)["state"], self.receiver.all), ("disabled", []))

    def test_figures(self) -> None:
        self.add("account.*")
        self.account("a@example.org")
        figures = {figure.name: figure.value for figure in self.plugin("webhooks").figures()}
        self.assertEqual(figures, {"waiting": 1, "disabled": 0})


class LocalTests(WebhookTestCase):
    config: ClassVar[Any] = {"webhooks": {"networks": ["127.0.0.0/8"], "most": 1}}

    def test_private_networks_that_are_allowed(self) -> None:
        self.add("account.*", url="http://127.0.0.1:8080/hook")
        self.account("a@example.org")
        self.pump(2)
        self.assertEqual(self.types(), ["account.created"])

    def test_so_many_and_no_more(self) -> None:
        self.add()
        self.assertIn("1 webhooks already", self.refuse("add", url=URL))


class OperationTests(WebhookTestCase):
    def test_what_can_not_be_one(self) -> None:
        for url in NO_URLS:
            with self.subTest(url):
                self.assertIn("url", self.refuse("add", url=url))
        self.assertIn("there is no event 'x'", self.refuse("add", url=URL, events="x"))
        self.assertIn("there is no event 'test'", self.refuse("add", url=URL, events="test"))
        self.assertIn("none is named", self.refuse("add", url=URL, events=","))
        self.assertIn("label", self.refuse("add", url=URL, label="a\nb"))

    def test_test(self) -> None:
        hook = self.add("room.*")
        self.assertEqual(self.run_("test", id=hook)["accepted"], True)
        self.assertEqual(self.types(), ["test"])
        self.receiver.answers = [Response(500)]
        said = self.run_("test", id=hook)
        self.assertEqual((said["accepted"], said["problem"]), (False, "it answered 500 Internal Server Error"))
        self.assertEqual(self.shown(hook)["state"], "working", "it counts for nothing")

    def test_the_secret_is_shown_once(self) -> None:
        self.add()
        self.assertNotIn("whsec_", repr(self.run_("list")))

    def test_who_has_made_it_is_forgotten_when_they_are_gone(self) -> None:
        self.account("bard@example.org")
        bard = Jid.parse("bard@example.org")
        self.wait(self.host.operations.run("webhook add", {"url": URL, "events": "room.*"}, bard, Permission.ADMIN))
        self.assertEqual([row["by"] for row in self.run_("list")], ["bard@example.org"])
        self.wait(self.host.delete_account(bard))
        for happen in (self.pump, self.restart):
            happen()
            self.assertEqual([row["by"] for row in self.run_("list")], [""])

    def test_pages(self) -> None:
        ids = sorted(self.add() for _ in range(3))
        self.assertEqual([row["id"] for row in self.run_("list", limit=2)], ids[:2])
        self.assertEqual([row["id"] for row in self.run_("list", after=ids[1])], ids[2:])

    def test_options(self) -> None:
        with self.assertRaises(ValueError):
            Webhooks.Options(networks=("here",))


class RuleTests(TestCase):
    def test_signature(self) -> None:
        # of the specification (Standard Webhooks, "Verifying signatures")
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        body = b'{"test": 2432232314}'
        made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        self.assertEqual(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")

    def test_names(self) -> None:
        self.assertEqual(chosen("room.*, account.created,room.*"), ("room.*", "account.created"))
        for kind in KINDS:
            self.assertEqual(wants(("*",), kind), kind != "test")
        self.assertFalse(wants(("room.created",), "room.destroyed"))

    def test_answers(self) -> None:
        for status, problem, final in ((200, "", False), (299, "", False), (302, "it answered 302 Found", False),
                                       (404, "it answered 404 Not Found", False), (410, "it answered 410 Gone", True),
                                       (599, "it answered 599", False)):  # fmt: skip
            answer = answer_to(Response(status))
            self.assertEqual((answer.problem, answer.final), (problem, final))
        for text, seconds in (("100", 100), ("99999", 3600), ("-1", 0), ("x", 0), ("9999999999", 0)):
            self.assertEqual(answer_to(Response(503, headers=Headers({"Retry-After": text}))).after, seconds)

    def test_pauses(self) -> None:
        self.assertEqual([pause(n) for n in (1, 2, 6, 7, 99)], [5, 30, 3600, 3600, 3600])
        self.assertEqual(pause(1, 60), 60)
