"""A server that is killed in the middle of a broadcast: everybody gets it, and the counters are right."""

from __future__ import annotations

import random

from tests.plugins.notifications.kit import STATES, NotificationCase
from xmppd.api.notifications import State
from xmppd.plugins.notifications import audience
from xmppd.plugins.notifications.states import may_follow
from xmppd.testing.client import Client


class KillTests(NotificationCase):
    config = {"notifications": {"retry_seconds": [30, 120]}}

    def setUp(self) -> None:
        super().setUp()
        self.patch(audience, "_PAGE", 3)
        self.clients: dict[str, Client] = {}

    def come(self, name: str) -> None:
        """A user logs in, on a device of their own."""
        self.clients[name] = self.login(f"{name}@example.org/phone", presence=True)

    def test_killed_in_the_middle(self) -> None:
        names = [f"user{number:02}" for number in range(20)]
        for name in names:
            self.come(name)
        self.settle()
        id = self.run_operation("notification send", to="all", title="Sale", body="", rate=10)["id"]
        self.pump(0.9, step=0.05)
        before = self.run_operation("notification show", id=id)
        self.assertTrue(0 < before["recipients"] < 20, before)
        self.kill()
        self.assertEqual(self.run_operation("notification show", id=id)["status"], "running")
        for name in names:
            self.come(name)
        self.pump(4, step=0.05)
        self.assertEqual(self.counts(id), {"sent": 20})
        for name in names:
            self.confirm(self.clients[name], id)
        self.settle()
        self.assertEqual(self.counts(id), {"delivered": 20})
        self.assertEqual(self.run_operation("notification show", id=id)["status"], "done")

    def test_walks(self) -> None:
        """Whatever happens, counters add up, no state goes back, and in the end everybody has everything."""
        for seed in range(3):
            with self.subTest(seed=seed):
                Walk(self, random.Random(seed)).go()


class Walk:
    """Users come and go, notifications are sent, confirmed, paused and cancelled, and the server is killed."""

    def __init__(self, case: KillTests, chance: random.Random) -> None:
        self.case = case
        self.chance = chance
        self.names = [f"walker{number}" for number in range(8)]
        self.there: dict[str, Client] = {}
        self.ids: list[str] = []
        self.called_off: set[str] = set()
        self.confirmed: set[tuple[str, str]] = set()
        self.seen: dict[tuple[str, str], str] = {}

    def go(self) -> None:
        """Take some steps, and see to it that all is well after each; then bring everything to its end."""
        for name in self.names:
            self.case.account(f"{name}@example.org")
        steps = (self.come, self.come, self.leave, self.send, self.send, self.confirm, self.confirm, self.pause,
                 self.cancel, self.kill, self.wait)  # fmt: skip
        for _ in range(40):
            self.chance.choice(steps)()
            self.case.pump(self.chance.choice((0.0, 0.02, 0.3)), step=0.02)
            self.look()
        self.end()

    def come(self) -> None:
        away = [name for name in self.names if name not in self.there]
        if away:
            name = self.chance.choice(away)
            self.there[name] = self.case.login(f"{name}@example.org/phone", presence=True)

    def leave(self) -> None:
        if self.there:
            self.there.pop(self.chance.choice(list(self.there))).disconnect()

    def send(self) -> None:
        rate = self.chance.choice((0, 5, 20))
        key = self.chance.choice(("", "", "k"))
        shown = self.case.run_operation("notification send", to="all", title="Walk", body="", rate=rate, collapse=key)
        self.ids.append(shown["id"])
        if key:
            self.called_off.add(shown["id"])  # it may be superseded

    def confirm(self) -> None:
        for name, client in self.there.items():
            for text in client.received:
                for id in self.ids:
                    if id in text and self.chance.random() < 0.5:
                        client.send(
                            f"<message to='example.org'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"
                        )
                        self.confirmed.add((id, name))

    def pause(self) -> None:
        if self.ids:
            id = self.chance.choice(self.ids)
            status = self.case.run_operation("notification show", id=id)["status"]
            if status in ("running", "paused"):
                self.case.run_operation(f"notification {'pause' if status == 'running' else 'resume'}", id=id)

    def cancel(self) -> None:
        if self.ids and self.chance.random() < 0.3:
            id = self.chance.choice(self.ids)
            if self.case.run_operation("notification show", id=id)["status"] in ("running", "paused"):
                self.case.run_operation("notification cancel", id=id)
                self.called_off.add(id)

    def kill(self) -> None:
        if self.chance.random() < 0.5:
            self.case.kill()
            self.there.clear()

    def wait(self) -> None:
        self.case.pump(self.chance.choice((5, 40)))

    def look(self) -> None:
        """Counters add up, to each other and to what there is; and no state has gone back."""
        for id in self.ids:
            counts = self.case.counts(id)
            rows = self.case.run_operation("notification recipients", id=id, limit=1000)
            found: dict[str, int] = {}
            for row in rows:
                found[row["state"]] = found.get(row["state"], 0) + 1
                before = self.seen.get((id, row["recipient"]))
                if before is not None and before != row["state"]:
                    self.case.assertTrue(may_follow(State(row["state"]), State(before)), (before, row))
                self.seen[id, row["recipient"]] = row["state"]
            self.case.assertEqual(found, counts)
            self.case.assertTrue(set(counts) <= set(STATES))

    def end(self) -> None:
        """Everybody comes and confirms: nothing is open then, and everybody has what was not called off."""
        for id in self.ids:
            if self.case.run_operation("notification show", id=id)["status"] == "paused":
                self.case.run_operation("notification resume", id=id)
        self.case.settle()
        while len(self.there) < len(self.names):
            self.come()
        for _ in range(3):
            self.case.pump(6, step=0.1)
            for client in self.there.values():
                for id in self.ids:
                    client.send(f"<message to='example.org'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")
        self.case.settle()
        self.look()
        for id in self.ids:
            shown = self.case.run_operation("notification show", id=id)
            rows = self.case.run_operation("notification recipients", id=id)
            self.case.assertIn(shown["status"], ("done", "cancelled"), rows)
            if id not in self.called_off:
                self.case.assertEqual(self.case.counts(id), {"delivered": len(self.names)}, shown)
