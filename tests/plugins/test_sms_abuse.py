"""The SMS gateway: what users, operators who change options, and providers can't bring about."""

from __future__ import annotations

from typing import Any, ClassVar
from unittest import mock

from pydantic import ValidationError
from sqlalchemy import text
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from tests.plugins.sms_kit import NUMBER, SmsCase
from tests.plugins.test_sms_costs import CostCase
from tests.plugins.test_sms_web import FROM, WebCase
from xmppd.api.http import Response
from xmppd.plugins.sms import Sms
from xmppd.wire.jid import Jid

ROMEO = Jid.parse("romeo@example.org")


class Caps(CostCase):
    options: ClassVar = {"prices": {"+49": 10}, "currency": "cent", "user_cap": 25.0}

    def spend(self) -> None:
        self.send()
        self.send()
        self.refused("policy-violation", "20 of 25 cent")

    def test_registering_anew(self) -> None:
        """What was spent is spent, however often somebody registers."""
        self.spend()
        remove = "<query xmlns='jabber:iq:register'><remove/></query>"
        self.romeo.send(f"<iq type='set' id='u' to='sms.example.org'>{remove}</iq>")
        self.pump(1)
        self.romeo = self.register("romeo@example.org/phone")
        self.refused("policy-violation", "20 of 25 cent")

    def test_deleted_accounts(self) -> None:
        self.spend()
        self.wait(self.host.delete_account(ROMEO))
        self.assertEqual(self.plugin("sms").costs.spent(str(ROMEO)), 0)
        with self.server.engines.read.connect() as connection:
            self.assertEqual(connection.scalar(text("SELECT count(*) FROM sms_spent WHERE account <> ''")), 0)

    def test_other_options(self) -> None:
        """While options are changed, which takes time, nobody has spent nothing."""
        self.spend()
        sms, leaving = self.plugin("sms"), Deferred[None]()
        table = {**self.settings_table()["hosts"]["example.org"]["sms"], "max_parts": 5}
        stop = sms.provider.stop

        async def slowly() -> None:
            await leaving
            await stop()

        with mock.patch.object(sms.provider, "stop", slowly):
            changing = Deferred.fromCoroutine(self.host.registry.reconfigure("sms", table))
            self.refused("policy-violation", "20 of 25 cent")
            leaving.callback(None)
            self.wait(changing, 10)
        self.wait(self.host.registry.reload("sms"), 30)
        self.pump(1)
        self.refused("policy-violation", "20 of 25 cent")

    def test_what_is_no_money(self) -> None:
        for wrong in (float("nan"), float("inf")):
            for options in ({"prices": {"+49": wrong}}, {"user_cap": wrong}, {"gateway_cap": wrong}):
                self.assertRaises(ValidationError, Sms.Options, **options)

    def test_earlier_months(self) -> None:
        """They are not kept, in memory or on disk, however long the server runs."""
        self.spend()
        self.pump(32 * 86400, step=1800)
        with self.server.engines.read.connect() as connection:
            self.assertEqual(connection.scalar(text("SELECT count(*) FROM sms_spent")), 0)
        self.assertEqual(self.plugin("sms").costs._spent, {})


class Readers(SmsCase):
    def test_who_is_not_registered_any_more(self) -> None:
        """A message is stored in the moment in which everything of its sender is deleted; answers are not theirs."""
        juliet = self.register("juliet@example.org/balcony")
        self.send(client=juliet)
        self.send()
        with self.server.engines.write.begin() as connection:
            connection.execute(text("DELETE FROM sms_users WHERE account = 'romeo@example.org'"))
        self.kill()
        juliet = self.login("juliet@example.org/balcony", presence=True)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        romeo.clear()
        juliet.clear()
        self.assertEqual(self.deliver(b"answer", NUMBER[1:]), 0)
        juliet.expect(f"<message {FROM} type='chat'><body>answer</body></message>")
        romeo.expect_nothing()

    def test_contents_are_not_logged(self) -> None:
        self.send()
        with mock.patch.object(self.plugin("sms"), "received", side_effect=ZeroDivisionError), capturedLogs() as logs:
            self.deliver(b"a secret", NUMBER[1:])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        words = [formatEvent(event) for event in logs]
        self.assertTrue(any("deliver_sm" in line for line in words), words)
        self.assertNotIn("a secret", "\n".join(words))


class Web(WebCase):
    http: ClassVar = {"id_field": "id", "plus": False, "url": "https://sms.example/{secret}/send", "secret": "k3y"}
    webhook: ClassVar = {"timestamp_header": "X-Time"}

    def now(self) -> dict[str, str]:
        return {"X-Time": str(int(self.clock.seconds()))}

    def test_what_no_database_takes(self) -> None:
        self.send()
        for body in (b'{"from": "\\ud800", "text": "a"}', b'{"from": "\\u0000x", "to": "\\ud800", "text": "a"}',
                     b'{"from": "491701234567", "text": "a", "id": "\\ud800"}'):  # fmt: skip
            self.assertEqual(self.call("/sms/incoming", body, **self.now()).code, 200, body)
        body = b'{"id": "\\ud800", "status": "delivered"}'
        self.assertEqual(self.call("/sms/report", body, **self.now()).code, 200)

    def test_names_that_no_database_takes(self) -> None:
        """A message that was sent is not sent again because of the name that it was given."""
        self.answer = lambda request: Response(200, b'{"id": "\\ud800' + b"x" * 10_000 + b'"}')
        self.send()
        self.pump(7200, step=60)
        self.assertEqual(len(self.requests()), 1)

    def test_numbers_without_a_plus_sign(self) -> None:
        """The option ``plus`` is for numbers in both directions."""
        self.send()
        for source in (b'"491701234567"', b"491701234567"):
            body = b'{"text": "a", "from": ' + source + b"}"
            self.assertEqual(self.call("/sms/incoming", body, **self.now()).code, 200)
            self.romeo.expect(f"<message {FROM} type='chat'><body>a</body></message>")

    def test_again_after_other_options(self) -> None:
        """What has come is known when options have changed that are not about it."""
        self.send()
        body, now = b'{"from": "491701234567", "text": "a"}', self.now()
        self.assertEqual(self.call("/sms/incoming", body, **now).code, 200)
        table: dict[str, Any] = {**self.settings_table()["hosts"]["example.org"]["sms"], "max_parts": 5}
        self.wait(self.host.registry.reconfigure("sms", table), 10)
        self.assertEqual(self.call("/sms/incoming", body, **now).code, 403)
