"""Notifications to those who aren't connected, by push services."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from tests.plugins.notifications.kit import NotificationCase
from xmppd.api import Jid, Plugin, settled
from xmppd.api.push import IPush, Pushed, PushResult, PushSettled, Registration

JULIET = "juliet@example.org"


class Pusher(Plugin):
    """Push services that answer as the test says."""

    name = "pusher"
    default = False
    provides = (IPush,)

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.there: list[Registration] = []
        self.pushed: list[tuple[str, str, str, bytes]] = []
        self.answers: list[Pushed] = []
        self.slow: Deferred[None] | None = None

    async def registrations(self, account: Jid) -> Sequence[Registration]:
        return [one for one in self.there if one.account == account]

    async def push(self, registration: Registration, payload: bytes, *, item: str, priority: str = "normal") -> Pushed:
        self.pushed.append((registration.node, item, priority, payload))
        if self.slow is not None:
            await self.slow
        return self.answers.pop(0) if self.answers else Pushed(PushResult.ACCEPTED)


class PushTests(NotificationCase):
    plugins = ("notifications", Pusher)
    config = {"notifications": {"push_at_once": 2}}

    def setUp(self) -> None:
        super().setUp()
        self.account(JULIET)
        self.pusher = self.plugin("pusher")
        self.register("node", "")

    def register(self, node: str, device: str) -> None:
        self.pusher.there.append(Registration(Jid.parse(JULIET), Jid.parse("push.example"), node, device, 0.0))

    def reason(self, id: str) -> str:
        (row,) = self.run_operation("notification recipients", id=id)
        return str(row["reason"])

    def test_pushed_and_shown_again_when_the_device_comes(self) -> None:
        self.assertEqual(self.run_operation("notification preview", to="all")["push"], 1)
        id = self.send("all", priority="high")
        ((node, item, priority, payload),) = self.pusher.pushed
        self.assertEqual((node, item, priority), ("node", id, "high"))
        self.assertIn(b'"title":"Sale"', payload)
        self.assertEqual(self.counts(id), {"sent": 1})
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        self.assertEqual(juliet.take()["id"], id)
        self.confirm(juliet, id)
        self.assertEqual(self.counts(id), {"delivered": 1})

    def test_who_comes_while_it_is_pushed(self) -> None:
        """The push takes its time; meanwhile the device comes, and is sent what waits for it."""
        self.pusher.slow = Deferred()
        id = self.send("all")
        self.assertEqual(len(self.pusher.pushed), 1)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        self.pusher.slow.callback(None)
        self.settle()
        self.assertEqual(juliet.take()["id"], id)

    def test_not_to_who_is_there(self) -> None:
        self.login("juliet@example.org/balcony", presence=True)
        self.send("all")
        self.pump(5)
        self.assertEqual(self.pusher.pushed, [])

    def test_the_registration_of_the_device(self) -> None:
        for resource in ("phone", "tablet"):
            self.login(f"juliet@example.org/{resource}", presence=True).close()
        self.register("phone's", "phone")
        self.register("tablet's", "tablet")
        self.settle()
        self.send("all")
        self.pump(3)
        self.assertEqual(sorted(node for node, *_ in self.pusher.pushed), ["phone's", "tablet's"])

    def test_answers(self) -> None:
        gone, failed = Pushed(PushResult.GONE, "the app is gone"), Pushed(PushResult.FAILED, "too large")
        for answer, state, reason in (
            (gone, "queued", "the app is gone"),
            (Pushed(PushResult.WAITING, "it is busy"), "queued", "it is busy"),
            (failed, "queued", "too large"),
        ):
            with self.subTest(answer=answer.result):
                self.pusher.answers = [answer]
                id = self.send("all")
                self.assertEqual((self.counts(id), self.reason(id)), ({state: 1}, reason))
        self.pump(65)
        self.assertEqual(self.counts(id), {"sent": 1})  # what failed is tried again
        self.pusher.answers = [gone]
        id = self.send("all", roads="push")
        self.assertEqual((self.counts(id), self.reason(id)), ({"failed": 1}, "the app is gone"))

    def test_nobody_to_push_to(self) -> None:
        self.pusher.there.clear()
        id = self.send("all")
        self.assertEqual(self.reason(id), "no app of the account has registered for push")
        id = self.send("all", roads="push")
        self.assertEqual(self.counts(id), {"failed": 1})

    def test_the_last_word_of_the_vendor(self) -> None:
        id = self.send("all")
        self.wait(settled(self.host.notify(PushSettled("node", id, PushResult.ACCEPTED))))
        self.settle()
        self.assertEqual((self.counts(id), self.reason(id)), ({"sent": 1}, "the vendor has it"))
        self.wait(settled(self.host.notify(PushSettled("node", id, PushResult.GONE, "unregistered"))))
        self.settle()
        self.assertEqual((self.counts(id), self.reason(id)), ({"sent": 1}, "unregistered"))
        id = self.send("all", roads="push")
        self.wait(settled(self.host.notify(PushSettled("node", id, PushResult.GONE, "unregistered"))))
        self.wait(settled(self.host.notify(PushSettled("other", id, PushResult.ACCEPTED))))
        self.wait(settled(self.host.notify(PushSettled("node", "no id", PushResult.ACCEPTED))))
        self.settle()
        self.assertEqual((self.counts(id), self.reason(id)), ({"failed": 1}, "unregistered"))
