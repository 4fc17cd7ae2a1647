"""What operators and other plugins see of push, and do about it."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred, ensureDeferred

from tests.plugins.push.kit import SERVICE, PushTestCase
from xmppd.api import Plugin, observe
from xmppd.api.push import Pushed, PushResult, PushSettled
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@example.org")


class Operations(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone_goes()

    def test_list(self) -> None:
        (row,) = self.operate("push", "push list")
        self.assertEqual(
            {name: row[name] for name in ("account", "service", "node", "device", "state")},
            {
                "account": "juliet@example.org", "service": SERVICE, "node": "n1", "device": "phone",
                "state": "enabled",
            },
        )  # fmt: skip
        self.assertEqual(self.operate("push", "push list", account="romeo@example.org"), [])
        self.assertEqual(self.operate("push", "push list", account="juliet@example.org"), [row])

    def test_pages(self) -> None:
        for number in range(2, 5):
            self.phone_goes(f"n{number}", resource=f"p{number}")
        nodes, after = [], ""
        while rows := self.operate("push", "push list", limit=3, after=after):
            nodes += [row["node"] for row in rows]
            after = rows[-1]["id"]
        self.assertEqual(sorted(nodes), ["n1", "n2", "n3", "n4"])

    def test_show(self) -> None:
        self.say()
        self.refuses("forbidden")
        (row,) = self.operate("push", "push show", account="juliet@example.org")
        self.assertEqual(row["errors in a row"], 1)
        self.assertEqual(row["unread messages"], 1)
        self.assertIn("doesn't let this server publish", row["error"])
        self.assertIn("there is no account", self.refuse_to_operate("push", "push show", account="x@example.org"))

    def test_disable(self) -> None:
        self.assertIn("0 apps", self.operate("push", "push disable", account="juliet@example.org", service="other"))
        self.assertIn("1 app", self.operate("push", "push disable", account="juliet@example.org", service=SERVICE))
        self.say()
        self.quiet(60)
        self.assertEqual(self.operate("push", "push list"), [])

    def test_test(self) -> None:
        deferred = ensureDeferred(self.plugin("push").test(JULIET))
        self.assertEqual(self.accepts(), {"last-message-body": "Test"})
        (row,) = self.successResultOf(deferred)
        self.assertEqual((row["node"], row["result"]), ("n1", "accepted"))

    def test_health(self) -> None:
        def health() -> tuple[str, str]:
            (row,) = self.operate("push", "push health")
            return row["state"], row["reason"]

        self.assertEqual(health(), ("unused", ""))
        self.say()
        self.refuses("remote-server-timeout", "wait")
        self.assertEqual(health(), ("failing", "the push service did not answer, or its server can't be reached"))
        self.pump(10)
        self.accepts()
        self.assertEqual(health()[0], "good")


class Listener(Plugin):
    """Writes down what has come to an end."""

    name = "listener"

    async def start(self) -> None:
        self.settled: list[PushSettled] = []

    @observe(PushSettled)
    def note(self, event: PushSettled) -> None:
        self.settled.append(event)


class Pushing(PushTestCase):
    """IPush."""

    plugins: ClassVar[Any] = (*PushTestCase.plugins, Listener)
    config = {"push": {"max_parcels": 2}}

    def push(self, content: bytes = b"<a xmlns='urn:example'/>", item: str = "i1") -> Deferred[Pushed]:
        plugin = self.plugin("push")
        (registration,) = self.wait(plugin.registrations(JULIET))
        return ensureDeferred(plugin.push(registration, content, item=item, priority="low"))

    def test_accepted(self) -> None:
        self.phone_goes()
        pushed = self.push()
        request = self.published()
        self.assertIn("<a xmlns=", request.toXml().replace("ns0:", "").replace("xmlns:ns0", "xmlns"))
        self.assertIn("i1", request.toXml())
        self.answer(request)
        self.assertIs(self.successResultOf(pushed).result, PushResult.ACCEPTED)

    def test_others(self) -> None:
        for error, type_, result in (
            ("forbidden", "auth", PushResult.FAILED),
            ("resource-constraint", "wait", PushResult.WAITING),
            ("item-not-found", "cancel", PushResult.GONE),
        ):
            self.phone_goes()
            pushed = self.push()
            self.refuses(error, type_)
            outcome = self.successResultOf(pushed)
            self.assertIs(outcome.result, result)
            self.assertTrue(outcome.reason)
        self.assertIs(self.successResultOf(self.push()).result, PushResult.GONE)

    def test_waiting(self) -> None:
        """It is kept, also when the server is killed, and somebody is told what came of it."""
        self.phone_goes()
        pushed = self.push()
        self.refuses("resource-constraint", "wait")
        self.assertIs(self.successResultOf(pushed).result, PushResult.WAITING)
        self.kill()
        self.service = self.remote(SERVICE)
        self.pump(5)
        self.refuses("resource-constraint", "wait")
        self.quiet(19)
        self.pump(1)
        request = self.published()
        self.assertIn("i1", request.toXml())
        self.assertEqual(self.plugin("listener").settled, [])
        self.answer(request)
        self.assertEqual(self.plugin("listener").settled, [PushSettled("n1", "i1", PushResult.ACCEPTED)])
        self.kill()
        self.service = self.remote(SERVICE)
        self.quiet(3600)

    def test_waiting_for_nobody(self) -> None:
        self.phone_goes()
        self.push()
        self.refuses("resource-constraint", "wait")
        self.operate("push", "push disable", account="juliet@example.org")
        self.quiet(60)
        self.assertEqual([event.result for event in self.plugin("listener").settled], [PushResult.GONE])

    def test_too_much(self) -> None:
        self.phone_goes()
        for number in range(3):
            pushed = self.push(item=f"i{number}")
            self.refuses("resource-constraint", "wait")
        self.assertIn("too much waits", self.successResultOf(pushed).reason)

    def test_given_up(self) -> None:
        self.phone_goes()
        self.push()
        for _ in range(30):
            self.pump(3600, step=600)
            self.service.clear()
        self.assertEqual([event.result for event in self.plugin("listener").settled], [PushResult.FAILED])

    def test_turned_off(self) -> None:
        self.phone_goes()
        plugin = self.plugin("push")
        (registration,) = self.wait(plugin.registrations(JULIET))
        self.operate("push", "push disable", account="juliet@example.org")
        outcome = self.wait(plugin.push(registration, b"", item="i"))
        self.assertIs(outcome.result, PushResult.GONE)


class Figures(PushTestCase):
    def test_figures(self) -> None:
        self.phone_goes()
        self.say()
        self.say()
        self.accepts()
        figures = {figure.name: figure.value for figure in self.plugin("push").figures()}
        self.assertEqual(
            figures,
            {
                "registrations": 1, "disabled": 0, "waiting": 1, "published": 1, "accepted": 1, "failed": 0,
                "gathered": 1, "repeated": 0,
            },
        )  # fmt: skip


class Reconfigured(PushTestCase):
    def test_at_run_time(self) -> None:
        self.phone_goes()
        self.say()
        plugin = self.plugin("push")
        plugin._options = plugin.Options(include_sender=True)
        self.wait(plugin.reconfigured(plugin.options))
        self.accepts()
        self.say()
        self.pump(20)
        self.assertEqual(self.accepts()["last-message-sender"], "romeo@example.net/orchard")
