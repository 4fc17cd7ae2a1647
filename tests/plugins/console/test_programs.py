"""Tokens, webhooks and push in the console."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.console.kit import PASSWORD, ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.testing.remote import Remote

PUSH = "push.example.net"


class Tokens(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "rest")

    def test_a_token(self) -> None:
        operator = self.browser("juliet")
        self.assertIn("There are no tokens", operator.see("tokens"))
        answer = operator.submit("tokens", "tokens", label="shop", scopes="user add", days="30")
        token = answer.body.decode().partition("data-copy>")[2].partition("<")[0]
        self.assertGreater(len(token), 20)
        page = operator.see("tokens")
        self.assertNotIn(token, page, "it is shown once")
        self.assertIn("shop", page)
        self.assertIn('<code class="badge">user add</code>', page)
        id = page.partition('action="/console/tokens/')[2].partition("/")[0]
        answer = operator.submit("tokens", f"tokens/{id}/delete")
        self.assertEqual(field(answer, "Location"), "/console/tokens")
        self.assertIn("There are no tokens", operator.see("tokens"))
        self.assertNotIn(token, operator.see("audit"))

    def test_what_can_t_be(self) -> None:
        operator = self.browser("juliet")
        answer = operator.submit("tokens", "tokens", label="shop", scopes="nonsense")
        self.assertEqual(answer.code, 422)
        self.assertIn("is no scope", text_of(answer))


class Webhooks(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "webhooks")

    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")

    def test_a_webhook(self) -> None:
        fields = {"url": "https://crm.example.com/x", "label": "crm", "event-account.*": "yes"}
        answer = self.operator.submit("webhooks", "webhooks", **fields)
        secret = answer.body.decode().partition("data-copy>")[2].partition("<")[0]
        self.assertGreater(len(secret), 20)
        page = self.operator.see("webhooks")
        self.assertNotIn(secret, page, "it is shown once")
        self.assertIn("crm https://crm.example.com/x account.* working", text_of(self.operator.get("webhooks")))
        one = "webhooks/" + page.partition('action="/console/webhooks/')[2].partition("/")[0]
        self.operator.submit("webhooks", f"{one}/disable")
        self.assertIn("disabled", text_of(self.operator.get("webhooks")))
        self.operator.submit("webhooks", f"{one}/enable")
        self.assertIn("working", text_of(self.operator.get("webhooks")))
        self.operator.submit("webhooks", f"{one}/delete")
        self.assertIn("There are no webhooks", self.operator.see("webhooks"))

    def test_what_can_t_be(self) -> None:
        answer = self.operator.submit("webhooks", "webhooks", url="https://crm.example.com/")
        self.assertIn("Which events?", text_of(answer))
        answer = self.operator.submit("webhooks", "webhooks", **{"url": "nonsense", "event-*": "yes"})
        self.assertEqual((answer.code, "https://HOST/PATH is expected" in text_of(answer)), (422, True))
        self.assertIn('value="nonsense"', answer.body.decode())


class Push(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "push")

    def setUp(self) -> None:
        super().setUp()
        self.operator = self.browser("juliet")
        self.service: Remote = self.remote(PUSH)

    def enable(self) -> None:
        phone = self.login("juliet@example.org/phone", password=PASSWORD)
        phone.send(f"<iq type='set' id='1'><enable xmlns='urn:xmpp:push:0' jid='{PUSH}' node='n1'/></iq>")
        self.pump()
        phone.expect("<iq type='result' id='1'/>")

    def test_none(self) -> None:
        page = self.operator.see("push")
        self.assertIn("No app has enabled push yet", page)
        self.assertIn("None of your apps has enabled push.", page)
        self.assertNotIn("Our own push service", page)

    def test_an_app(self) -> None:
        self.enable()
        self.assertIn(f"{PUSH} unused 1", text_of(self.operator.get("push")))
        self.assertIn(f"juliet@example.org phone {PUSH} enabled", text_of(self.operator.get("push/apps")))
        self.assertIn("No app has enabled push yet", self.operator.see("push/apps?account=romeo"))
        answer = self.operator.submit("push/apps", "push/apps/disable")
        self.assertEqual(field(answer, "Location"), "/console/push/apps")
        self.assertIn("Turned off push to 1 app.", self.operator.see("push/apps"))


class Service(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "push", "push_service", "adhoc")

    def test_roads(self) -> None:
        operator = self.browser("juliet")
        page = text_of(operator.get("push"))
        self.assertIn("Our own push service", page)
        self.assertIn("No app is registered", operator.see("push/service"))
        self.assertIn("There is no such registration", self.tried(operator, "push/service/none/test"))
        self.assertIn("There is no such registration", self.tried(operator, "push/service/none/forget"))

    def tried(self, operator: Any, path: str) -> str:
        token = operator.see("push").partition('name="csrf" value="')[2].partition('"')[0]
        return text_of(operator.post(path, {"csrf": token}))
