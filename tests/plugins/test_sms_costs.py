"""What short messages cost, what may be spent, and what operators see of it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ValidationError
from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.sms_kit import ENDPOINT, NUMBER, OWN, SmsCase
from xmppd.api import OperationError
from xmppd.plugins.sms import Sms
from xmppd.plugins.sms.costs import in_words, price_of
from xmppd.wire.jid import Jid

ROMEO = Jid.parse("romeo@example.org")


class Prices(SynchronousTestCase):
    def test_by_prefix(self) -> None:
        prices = {"+49": 7.5, "+4917": 5, "": 20, "72524": 99.0}
        for number, price in (("+491701234567", 5.0), ("+491601234567", 7.5), ("+33612345678", 20), ("72524", 99),
                              ("725", 20)):  # fmt: skip
            found = price_of(number, prices)
            assert found is not None
            self.assertEqual(in_words(found, "cent"), f"{price:g} cent")

    def test_none(self) -> None:
        self.assertEqual(price_of(NUMBER, {}), 0)
        self.assertIsNone(price_of(NUMBER, {"+43": 1.0}))

    def test_what_is_no_price(self) -> None:
        for prices in ({"+49": -1.0}, {"49x": 1.0}, {"+0": 1.0}, {"49": 1.0}):
            self.assertRaises(ValidationError, Sms.Options, prices=prices)
        Sms.Options(prices={"": 1.0, "72524": 2.0, "+49": 3.0})
        for name in ("allowed_prefixes", "denied_prefixes"):
            self.assertRaises(ValidationError, Sms.Options, **{name: ("49",)})
        self.assertRaises(ValidationError, Sms.Options, default_prefix="0049")


class CostCase(SmsCase):
    def refused(self, condition: str, *words: str, client: Any = None, **more: Any) -> None:
        sent = len(self.submitted())
        self.send(client=client, **more)
        error = (client or self.romeo).received[-1]
        for word in (f"<{condition} ", "type='wait'", *words):
            self.assertIn(word, error)
        (client or self.romeo).clear()
        self.assertEqual(len(self.submitted()), sent)


class Caps(CostCase):
    options: ClassVar = {"prices": {"+49": 10, "+43": 4.5}, "currency": "cent", "user_cap": 25.0, "gateway_cap": 40.0}

    def test_a_user(self) -> None:
        self.send()
        self.refused("policy-violation", "This message costs 20 cent, and you have spent 10 of 25 cent this month.",
                     text="a" * 161)  # fmt: skip
        self.send()
        self.refused("policy-violation")
        self.send(number="+4366412345")
        self.assertEqual(len(self.submitted()), 3)

    def test_all_together(self) -> None:
        juliet = self.register("juliet@example.org/balcony")
        for client in (self.romeo, self.romeo, juliet):
            self.send(client=client)
        nurse = self.register("nurse@example.org/kitchen")
        self.refused("resource-constraint", "all users together have spent 30 of 40 cent", client=nurse, text="a" * 161)
        self.send(client=nurse)
        self.assertEqual(len(self.submitted()), 4)

    def test_numbers_without_a_price(self) -> None:
        self.send(number="+33612345678")
        self.assertIn("<not-allowed ", self.romeo.received[-1])
        self.assertIn("no price", self.romeo.received[-1])

    def test_after_a_restart_and_in_another_month(self) -> None:
        self.send()
        self.send()
        self.restart()
        self.pump(1)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        self.refused("policy-violation", "20 of 25")
        self.clock.advance(31 * 86400)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        self.send()
        self.assertEqual(len(self.submitted()), 3)

    def test_refused_ones_cost_nothing(self) -> None:
        self.send(number="+499001234567")
        self.send("a" * 1000)
        self.assertEqual(self.plugin("sms").costs.spent(), 0)

    def test_usage(self) -> None:
        self.send("a" * 161)
        rows = self.wait(self.plugin("sms").show_usage())
        self.assertEqual(rows, [{"account": "romeo@example.org", "today": 2, "month": 2, "spent": "20 cent"},
                                {"account": "(all)", "today": 2, "month": 2, "spent": "20 cent"}])  # fmt: skip

    def test_reset(self) -> None:
        self.send()
        self.send()
        self.assertIn("begins anew", self.wait(self.plugin("sms").reset_usage(ROMEO)))
        self.send()
        self.assertEqual(len(self.submitted()), 3)
        self.restart()
        self.pump(1)
        self.assertEqual([self.plugin("sms").costs.spent(account) for account in (str(ROMEO), "")], [100_000, 300_000])
        with self.assertRaises(OperationError):
            self.wait(self.plugin("sms").reset_usage(Jid.parse("paris@example.org")))

    def test_whoever_leaves(self) -> None:
        self.send()
        self.wait(self.host.delete_account(ROMEO), 5)
        costs = self.plugin("sms").costs
        self.assertEqual([costs.spent(str(ROMEO)), costs.spent()], [0, 100_000])


class Numbers(CostCase):
    options: ClassVar = {"per_day": 3, "per_month": 5}

    def test_short_messages_in_a_day(self) -> None:
        self.send("a" * 161)
        self.refused("policy-violation", "2 of 3 are used up today, and this message counts for 2", text="a" * 161)
        self.send()
        self.refused("policy-violation")

    def test_in_a_month(self) -> None:
        self.send("a" * 400)
        self.clock.advance(86400)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        self.refused("policy-violation", "3 of 5 are used up this month", text="a" * 400)


class Operators(SmsCase):
    options: ClassVar = {"fallback": ["nurse@example.org"]}

    def test_the_link(self) -> None:
        self.send()
        found = self.wait(self.plugin("sms").show_link())
        self.assertEqual(found, {"provider": "smpp", "endpoint": ENDPOINT, "state": "bound", "peer": "centre",
                                 "problem": "", "submitted": 1, "received": 0, "waiting": 0})  # fmt: skip
        del self.network.peers[ENDPOINT]
        self.network.links[0].cut()
        self.send()
        found = self.wait(self.plugin("sms").show_link())
        self.assertEqual((found["state"], found["waiting"]), ("waiting", 1))
        self.assertIn("connection was lost", found["problem"])

    def test_routes(self) -> None:
        self.send()
        sms = self.plugin("sms")
        self.assertEqual(self.wait(sms.show_route(NUMBER, OWN)), [{"account": "romeo@example.org"}])
        self.assertEqual(self.wait(sms.show_route("+491609999999")), [{"account": "nurse@example.org"}])


class WrongOptions(SynchronousTestCase):
    def test_addresses(self) -> None:
        plugin = Sms.__new__(Sms)
        for options in ({"numbers": {"abc": "romeo@example.org"}}, {"numbers": {"+491701234567": "@"}},
                        {"fallback": ("@",)}):  # fmt: skip
            given: Any = Sms.Options(**options)
            plugin._options = given
            with self.assertRaisesRegex(ValueError, "numbers, or fallback"):
                plugin._take_options()


class Secrets(SmsCase):
    smpp: ClassVar = {"password": "s3cret"}
    options: ClassVar = {"http": {"headers": {"Authorization": "s3cret"}}, "webhook": {"secret": "s3cret"}}

    def test_nobody_sees_them(self) -> None:
        shown = self.wait(self.server.server.operations.run("plugin info", {"name": "sms"}))
        self.assertIn("system_id", str(shown))
        self.assertNotIn("s3cret", str(shown))
        self.assertNotIn("s3cret", repr(self.plugin("sms").options))
