"""Other servers and components in the console."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.console.kit import ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.testing.federation import FederatedTestCase

THERE = "montague.example"


class Links(ConsoleTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")

    def test_none(self) -> None:
        self.assertIn("No links now", self.operator.see("federation"))
        self.assertIn("Nothing fits", self.operator.see("federation?state=failed"))

    def test_close(self) -> None:
        token = self.operator.see("federation").partition('name="csrf" value="')[2].partition('"')[0]
        self.operator.post(f"federation/{THERE}/close", {"csrf": token})
        self.assertIn(f"Closed 0 streams with {THERE}.", self.operator.see(f"federation/{THERE}"))

    def test_test(self) -> None:
        async def probing(local: str, remote: str) -> dict[str, Any]:
            return {
                "result": f"{remote} can be <reached> from {local}", "empty": "",
                "steps": [{"step": 1, "what was tried": "DNS"}], "certificate": {"for": remote}, "offers": ["TLS"],
            }  # fmt: skip

        self.server.server.probing = probing
        page = text_of(self.operator.submit("federation", "federation/test", domain=f" {THERE} "))
        self.assertIn(f"result : {THERE} can be &lt;reached&gt; from example.org", page)
        self.assertIn("what was tried 1 DNS", page)
        self.assertNotIn("empty", page)

    def test_a_test_of_nothing(self) -> None:
        answer = self.operator.submit("federation", "federation/test", domain="")
        self.assertEqual((answer.code, "Which domain?" in text_of(answer)), (422, True))
        answer = self.operator.submit("federation", "federation/test", domain="example.org")
        self.assertIn("example.org is served here", text_of(answer))

    def test_what_is_no_other_domain(self) -> None:
        self.assertEqual(self.operator.get("federation/example.org").code, 400)

    def test_it_is_for_operators(self) -> None:
        for path in ("federation", f"federation/{THERE}", "components"):
            self.assertEqual(self.browser("bard").get(path).code, 404)


class Federated(ConsoleTestCase, FederatedTestCase):
    tls = True

    def test_one_that_can_t_be_reached(self) -> None:
        operator = self.browser("juliet")
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(f"<message to='juliet@{THERE}'><body>hi</body></message>")
        self.pump()
        page = text_of(operator.get("federation?state=failed")).rpartition(" Show ")[2]
        self.assertIn(f"there is no {THERE} failed", page)
        self.assertNotIn(THERE, operator.see("federation?search=capulet").partition('id="rows"')[2])
        page = text_of(operator.get(f"federation/{THERE}"))
        self.assertIn("The last attempt, step by step", page)
        answer = operator.submit(f"federation/{THERE}", f"federation/{THERE}/retry")
        self.assertEqual(field(answer, "Location"), f"/console/federation/{THERE}")
        self.assertIn(f"{THERE} is tried again", operator.see(f"federation/{THERE}"))

    def test_one_that_is_there(self) -> None:
        verona = self.neighbour("verona.example")
        operator = self.browser("juliet")
        romeo = self.login("romeo@example.org/orchard")
        verona.login("tybalt@verona.example/x", presence=True)
        romeo.send("<message to='tybalt@verona.example/x'><body>hi</body></message>")
        self.pump()
        self.assertIn("verona.example open", text_of(operator.get("federation")).rpartition(" Show ")[2])
        self.assertIn("Streams", operator.see("federation/verona.example"))
        operator.submit("federation/verona.example", "federation/verona.example/close")
        self.assertIn("Closed 1 stream", text_of(operator.get("federation/verona.example")))


class Components(ConsoleTestCase):
    components: ClassVar[Any] = {"irc.example.org": {}}

    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")

    def test_connected(self) -> None:
        self.assertNotIn("Close", text_of(self.operator.get("components/irc.example.org")))
        self.component("irc.example.org")
        self.assertIn("irc.example.org connected external", text_of(self.operator.get("components")))
        page = "components/irc.example.org"
        self.assertIn("Connections", self.operator.see(page))
        self.operator.submit(page, f"{page}/close")
        self.assertIn("Closed 1 connection of irc.example.org.", self.operator.see(page))

    def test_no_such(self) -> None:
        self.assertEqual(self.operator.get("components/sms.example.org").code, 404)


class NoComponents(ConsoleTestCase):
    def test_none(self) -> None:
        self.assertIn("There are no components", self.browser("juliet").see("components"))
