"""XEP-0012 by scenarios: the uptime of the host, accounts that are there or not, and who may ask."""

from __future__ import annotations

from unittest.mock import Mock, patch

from twisted.internet.defer import Deferred

from tests.plugins.kit import PluginTestCase
from xmppd.api.roster import Subscription

NS = "jabber:iq:last"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def ask(to: str) -> str:
    return f"<iq type='get' id='last1' to='{to}'><query xmlns='{NS}'/></iq>"


def answer(of: str, seconds: int, status: str = "") -> str:
    return f"<iq type='result' id='last1' from='{of}'><query xmlns='{NS}' seconds='{seconds}'>{status}</query></iq>"


def refusal(of: str, condition: str, kind: str) -> str:
    return (
        f"<iq type='error' id='last1' from='{of}'><query xmlns='{NS}'/>"
        f"<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
    )


class Uptime(PluginTestCase):
    plugins = ("uptime", "disco")

    def test_host(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.pump(60.0)
        romeo.send(ask("example.org"))
        romeo.expect(answer("example.org", 60))

    def test_operation(self) -> None:
        self.clock.advance(2 * 86400 + 3 * 3600 + 4 * 60 + 5)
        self.assertEqual(self.operate("uptime", "server uptime"), "2 days, 03:04:05")

    def test_support(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        romeo.expect(
            f"""<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#info'>
              <feature var='{NS}'/>{{...}}</query></iq>"""
        )


class LastTestCase(PluginTestCase):
    plugins = ("last", "roster")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")
        self.show_presence("juliet@example.org", to="romeo@example.org")

    def ask(self, seconds: int, status: str = "") -> None:
        self.romeo.send(ask("juliet@example.org"))
        self.romeo.expect(answer("juliet@example.org", seconds, status))


class Offline(LastTestCase):
    def test_status(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<presence type='unavailable'><status>Heading Home</status></presence>")
        juliet.close()
        self.clock.advance(903.0)
        self.ask(903, "Heading Home")
        self.restart_plugin("last")
        self.ask(903, "Heading Home")

    def test_without_a_word(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<presence type='unavailable'><status>Heading Home</status></presence>")
        juliet.send("<presence/>")
        juliet.disconnect()
        self.clock.advance(3.0)
        self.ask(3)

    def test_the_last_device_counts(self) -> None:
        balcony = self.login("juliet@example.org/balcony", presence=True)
        chamber = self.login("juliet@example.org/chamber", presence=True)
        balcony.close()
        self.clock.advance(100.0)
        self.ask(0)
        chamber.close()
        self.clock.advance(5.0)
        self.ask(5)
        self.login("juliet@example.org/balcony").close()
        self.ask(0)

    def test_just_gone(self) -> None:
        """The contacts see a user go before that is written down."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        db, written = self.plugin("last").db, Deferred[None]()
        slow = Mock(wraps=db, write=lambda fn: written.addCallback(lambda _: db.write(fn)))
        with patch.object(type(self.plugin("last")), "db", slow):
            juliet.disconnect()
            self.clock.advance(3.0)
            self.ask(3)
            written.callback(None)
            self.ask(3)

    def test_never_there(self) -> None:
        self.romeo.send(ask("juliet@example.org"))
        self.romeo.expect(refusal("juliet@example.org", "item-not-found", "cancel"))

    def test_there(self) -> None:
        self.login("juliet@example.org/balcony").send("<presence type='unavailable'><status>hi</status></presence>")
        self.clock.advance(100.0)
        self.ask(0)

    def test_a_stop_of_the_server_counts(self) -> None:
        self.login("juliet@example.org/balcony", presence=True)
        self.restart()
        self.romeo = self.login("romeo@example.org/orchard")
        self.clock.advance(7.0)
        self.ask(7)

    def test_deleted_account(self) -> None:
        self.login("juliet@example.org/balcony").close()
        self.delete_account("juliet@example.org")
        self.show_presence("juliet@example.org", to="romeo@example.org")
        self.test_never_there()

    def test_own_account(self) -> None:
        self.romeo.send(f"<iq type='get' id='last1'><query xmlns='{NS}'/></iq>")
        self.romeo.expect(answer("romeo@example.org", 0))


class Strangers(LastTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def test_accounts_and_devices(self) -> None:
        nurse = self.login("nurse@example.org/hall")
        for of in (
            "juliet@example.org", "juliet@example.org/balcony", "juliet@example.org/none", "nobody@example.org",
            "nobody@example.org/balcony", "romeo@example.org",
        ):  # fmt: skip
            nurse.send(ask(of))
            nurse.expect(refusal(of, "forbidden", "auth"))
        self.juliet.expect_nothing()

    def test_subscription_the_other_way(self) -> None:
        self.show_presence("romeo@example.org", "juliet@example.org", Subscription.TO)
        self.juliet.send(ask("romeo@example.org"))
        self.juliet.expect(refusal("romeo@example.org", "forbidden", "auth"))


class Devices(LastTestCase):
    def test_they_answer_themselves(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.romeo.send(ask("juliet@example.org/balcony"))
        juliet.expect(f"<iq type='get' id='last1' from='{{romeo}}'><query xmlns='{NS}'/></iq>")
        juliet.send(f"<iq type='result' id='last1' to='{{romeo}}'><query xmlns='{NS}' seconds='123'/></iq>")
        self.romeo.expect(answer("juliet@example.org/balcony", 123))

    def test_own_devices(self) -> None:
        phone = self.login("romeo@example.org/phone", name="phone")
        phone.send(ask("romeo@example.org/orchard"))
        self.romeo.expect(f"<iq type='get' id='last1' from='{{phone}}'><query xmlns='{NS}'/></iq>")

    def test_device_that_is_gone(self) -> None:
        self.romeo.send(ask("juliet@example.org/balcony"))
        self.romeo.expect(refusal("juliet@example.org/balcony", "service-unavailable", "cancel"))
