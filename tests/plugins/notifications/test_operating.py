"""What operators have done with notifications."""

from __future__ import annotations

from tests.plugins.notifications.kit import NotificationCase


class OperationTests(NotificationCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")

    def test_list_and_show(self) -> None:
        first, second = self.send("all", "One"), self.send("online", "Two")
        listed = self.run_operation("notification list")
        self.assertEqual([row["id"] for row in listed], [second, first])
        self.assertEqual([row["accounts"] for row in listed], [1, 2])
        self.assertEqual([row["id"] for row in self.run_operation("notification list", after=second)], [first])
        shown = self.run_operation("notification show", id=first)
        self.assertEqual((shown["queued"], shown["sent"], shown["recipients"]), (1, 1, 2))
        self.assertEqual(shown["actor"], "operator")

    def test_preview(self) -> None:
        self.assertEqual(
            self.run_operation("notification preview", to="all"),
            {
                "audience": "all", "accounts": 2, "recipients": 2, "live": 1, "push": 0, "waiting": 1,
                "sample": "juliet@example.org, romeo@example.org",
            },
        )  # fmt: skip

    def test_recipients(self) -> None:
        id = self.send("all")
        rows = self.run_operation("notification recipients", id=id)
        self.assertEqual([(row["recipient"], row["state"]) for row in rows],
                         [("juliet@example.org/", "queued"), ("romeo@example.org/orchard", "sent")])  # fmt: skip
        behind = self.run_operation("notification recipients", id=id, after="juliet@example.org/", limit=1)
        self.assertEqual([row["account"] for row in behind], ["romeo@example.org"])
        sent = self.run_operation("notification recipients", id=id, state="sent")
        self.assertEqual([row["device"] for row in sent], ["orchard"])
        self.assertTrue(sent[0]["sent"])
