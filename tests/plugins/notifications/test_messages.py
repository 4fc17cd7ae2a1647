"""Messages before, while and after they are sent: schedule, pause, cancel, edit, rate, retention."""

from __future__ import annotations

from tests.plugins.notifications.kit import NotificationCase
from xmppd.api import Jid
from xmppd.api.notifications import DeliveryChanged

DAY = 86_400
ROMEO = "romeo@example.org"


class MessageTests(NotificationCase):
    config = {"notifications": {"deliveries_days": 2, "history_days": 5, "retry_seconds": []}}

    def status(self, id: str) -> str:
        return str(self.run_operation("notification show", id=id)["status"])

    def test_scheduled(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        later = self.send("all", "Later", at="2h")
        fixed = self.send("all", "Fixed", at="2026-01-01T12:01:00Z")
        self.assertEqual((self.status(later), self.status(fixed)), ("scheduled", "scheduled"))
        romeo.expect_nothing()
        self.pump(61)
        self.assertEqual(romeo.take()["id"], fixed)
        self.restart()
        self.pump(7200, step=30)
        self.assertEqual((self.status(later), self.counts(later)), ("running", {"queued": 1}))

    def test_paused_and_resumed(self) -> None:
        first = self.login("antonio@example.org/x", presence=True)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        id = self.send("all", rate=0.1)
        self.assertEqual(first.take()["id"], id)
        romeo.expect_nothing()
        self.run_operation("notification pause", id=id)
        self.pump(30, step=0.05)
        romeo.expect_nothing()
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        juliet.expect_nothing()
        self.assertIn("can't be paused", self.refused("notification pause", id=id))
        self.run_operation("notification resume", id=id)
        self.pump(40, step=0.05)
        for client in (romeo, juliet):
            self.assertEqual(client.take()["id"], id)
        self.assertIn("it is running, and can't be resumed", self.refused("notification resume", id=id))

    def test_cancelled(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        id = self.send("all")
        self.confirm(romeo, id)
        shown = self.run_operation("notification cancel", id=id)
        self.assertEqual((shown["status"], shown["cancelled"], shown["delivered"]), ("cancelled", 1, 1))
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.settle()
        juliet.expect_nothing()
        self.assertIn("it is cancelled", self.refused("notification cancel", id=id))

    def test_cancelled_before_it_began(self) -> None:
        self.account(ROMEO)
        id = self.send("all", at="1h")
        self.run_operation("notification cancel", id=id)
        self.pump(3700, step=60)
        self.assertEqual((self.status(id), self.counts(id)), ("cancelled", {}))

    def test_edited(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        id = self.send("all", at="1h", ttl="1h")
        shown = self.run_operation(
            "notification edit", id=id, to=f"user:{ROMEO}", title="New", data="a=1", priority="low", at="1min",
            ttl="2h", body="", uri="https://example.org/", image="https://example.org/i.png", collapse="k",
        )  # fmt: skip
        self.assertEqual((shown["id"], shown["title"], shown["priority"]), (id, "New", "low"))
        self.pump(70)
        message = romeo.take()
        self.assertEqual((message["id"], str(message.firstChildElement())), (id, "New"))
        self.assertEqual(self.counts(id), {"sent": 1})
        self.assertIn("it has begun to be sent", self.refused("notification edit", id=id, title="Too late"))

    def test_an_edit_keeps_the_rest(self) -> None:
        self.account(ROMEO)
        id = self.send("all", "Old", at="1h", ttl="1h", data="a=1", collapse="k", priority="high")
        before = self.run_operation("notification show", id=id)
        self.pump(600)
        after = self.run_operation("notification edit", id=id, body="Another.")
        self.assertEqual({**before, "body": "Another."}, after)
        self.assertIn("at: that is in the past", self.refused("notification edit", id=id, at="2025-01-01"))

    def test_rate(self) -> None:
        clients = [self.login(f"user{number}@example.org/x", presence=True) for number in range(10)]
        id = self.run_operation("notification send", to="all", title="Slow", body="", rate=0.5)["id"]
        self.pump(6, step=0.05)
        got = sum("headline" in "".join(client.received) for client in clients)
        self.assertTrue(3 <= got <= 5, got)
        self.run_operation("notification rate", id=id, rate=100)
        self.pump(3, step=0.05)
        self.assertTrue(all("headline" in "".join(client.received) for client in clients))
        self.assertIn("a number", self.refused("notification rate", id=id, rate=-1))

    def test_online_only(self) -> None:
        self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        self.assertEqual(self.counts(self.send("all", online_only=True)), {"sent": 1})

    def test_deliveries_are_forgotten_and_then_the_message(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all")
        self.confirm(romeo, id)
        self.pump(2.1 * DAY, step=1800)
        self.assertEqual(self.run_operation("notification recipients", id=id), [])
        self.assertEqual(self.counts(id), {"delivered": 1})
        self.pump(3 * DAY, step=1800)
        self.assertIn("no such notification", self.refused("notification show", id=id))

    def test_nothing_is_left_of_an_account(self) -> None:
        self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        id = self.send("all")
        for name in ("romeo", "juliet"):
            self.wait(self.host.delete_account(Jid.parse(f"{name}@example.org")))
        self.settle()
        self.assertEqual(self.run_operation("notification recipients", id=id), [])
        self.assertEqual(self.run_operation("device list"), [])
        self.assertEqual((self.counts(id), self.status(id)), ({"cancelled": 2}, "done"))

    def test_test(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.run_operation("notification test", account=ROMEO, title="Is it", body="nice?")["id"]
        self.settle()
        self.assertEqual(romeo.take()["id"], id)
        self.assertIn(
            "is not an account", self.refused("notification test", account="x@example.org", title="a", body="")
        )

    def test_stats(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.confirm(romeo, self.send("all"))
        self.send("all", at="1h")
        stats = self.run_operation("notification stats", days=1)
        self.assertEqual(
            (stats["messages"], stats["recipients"], stats["delivered"], stats["scheduled_now"]), (2, 1, 1, 1)
        )
        self.assertIn("positive", self.refused("notification stats", days=0))

    def test_changes_are_told(self) -> None:
        told: list[DeliveryChanged] = []
        host = self.host
        self.patch(host, "observed", lambda event: True)
        notify = host.notify
        self.patch(host, "notify", lambda e: told.append(e) if isinstance(e, DeliveryChanged) else notify(e))
        romeo = self.login("romeo@example.org/orchard", presence=True)
        id = self.send("all")
        self.confirm(romeo, id)
        self.assertEqual([(one.notification, one.account, one.device, one.state) for one in told],
                         [(id, ROMEO, "orchard", "sent"), (id, ROMEO, "orchard", "delivered")])  # fmt: skip

    def test_what_was_meant_is_gone(self) -> None:
        self.account(ROMEO)
        self.run_operation("segment add", name="few", expression=f"user:{ROMEO}")
        id = self.send("segment:few", at="1min")
        self.run_operation("segment delete", name="few")
        self.pump(70)
        shown = self.run_operation("notification show", id=id)
        self.assertEqual((shown["status"], shown["problem"]), ("done", "there is no segment 'few'"))
