"""XEP-0013: what the scenario of its examples does not say."""

from __future__ import annotations

from typing import Any

from tests.plugins.kit import PluginTestCase
from tests.plugins.managed import SM, ManagedTestCase
from xmppd.wire.jid import Jid

NS = "http://jabber.org/protocol/offline"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
JULIET = Jid.parse("juliet@example.org")


class FlexibleCase(PluginTestCase):
    plugins = ("disco", "flexible_offline", "offline", "roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")

    def say(self, *texts: str) -> None:
        for text in texts:
            self.romeo.send(f"<message to='juliet@example.org' type='chat'><body>{text}</body></message>")

    def ask(self, client: Any, type_: str, inside: str, to: str = "") -> None:
        address = f" to='{to}'" if to else ""
        client.send(f"<iq type='{type_}' id='q'{address}><offline xmlns='{NS}'>{inside}</offline></iq>")

    def expect_error(self, client: Any, condition: str) -> None:
        client.expect(
            f"<iq type='error' id='q'><offline xmlns='{NS}'>{{any}}</offline><error type='{{any}}'>"
            f"<{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )

    def expect_fetched(self, client: Any, *texts: str) -> None:
        for text in texts:
            client.expect(
                f"<message from='{{romeo}}' type='chat'><body>{text}</body>"
                "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='{any}'>{any}</delay>"
                f"<offline xmlns='{NS}'><item node='{{any}}'/></offline></message>"
            )

    def count(self) -> int:
        count: int = self.plugin("offline").count(JULIET)
        return count


class Requests(FlexibleCase):
    def test_others(self) -> None:
        """They learn nothing, not even whether there is such an account."""
        for to in ("juliet@example.org", "nobody@example.org"):
            for type_, inside in (("get", "<fetch/>"), ("set", "<purge/>")):
                self.ask(self.romeo, type_, inside, to)
                self.expect_error(self.romeo, "forbidden")
        for to in ("juliet@example.org/x", "nobody@example.org/x"):
            self.ask(self.romeo, "get", "<fetch/>", to)
            self.expect_error(self.romeo, "service-unavailable")

    def test_nodes_of_others(self) -> None:
        """Those who may see presence are refused; to all others there is no account."""
        info = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{NS}'/>"
        items = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{NS}'/>"
        self.say("1")
        self.romeo.send(f"<iq type='get' id='i' to='juliet@example.org'>{info}</iq>")
        self.romeo.expect(
            f"<iq type='error' id='i'>{info}<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error></iq>"
        )
        self.romeo.send(f"<iq type='get' id='j' to='juliet@example.org'>{items}</iq>")
        self.romeo.expect(f"<iq type='result' id='j'>{items}</iq>")
        self.show_presence("juliet@example.org", "romeo@example.org")
        for query in (info, items):
            self.romeo.send(f"<iq type='get' id='i' to='juliet@example.org'>{query}</iq>")
            self.romeo.expect(
                f"<iq type='error' id='i'>{query}<error type='auth'><forbidden xmlns='{ERRORS}'/></error></iq>"
            )

    def test_bad_requests(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        for type_, inside in (
            ("get", ""),
            ("get", "<purge/>"),
            ("get", "<item action='remove' node='x'/>"),
            ("get", "<item action='view'/>"),
            ("get", "<fetch/><fetch/>"),
            ("get", "<item node='x'/>"),
            ("get", "<item xmlns='urn:example:x' action='view' node='x'/>"),
            ("set", "<fetch/>"),
            ("set", "<item action='view' node='x'/>"),
        ):
            self.ask(juliet, type_, inside)
            self.expect_error(juliet, "bad-request")

    def test_unknown_nodes(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        self.say("1")
        for node in ("x", "0" * 16 + "-" + "0" * 16, "f" * 16 + "-" + "f" * 16):
            for type_, action in (("get", "view"), ("set", "remove")):
                self.ask(juliet, type_, f"<item action='{action}' node='{node}'/>")
                self.expect_error(juliet, "item-not-found")
        self.assertEqual(self.count(), 1)

    def test_nothing_waits(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        items = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{NS}'/>"
        juliet.send(f"<iq type='get' id='i'>{items}</iq>")
        juliet.expect(f"<iq type='result' id='i'>{items}</iq>")
        self.ask(juliet, "get", "<fetch/>")
        juliet.expect("<iq type='result' id='q'/>")
        self.ask(juliet, "set", "<purge/>")
        juliet.expect("<iq type='result' id='q'/>")

    def test_many(self) -> None:
        texts = [str(n) for n in range(230)]
        self.say(*texts)
        juliet = self.login("juliet@example.org/balcony")
        self.ask(juliet, "get", "<fetch/>")
        self.expect_fetched(juliet, *texts)
        juliet.expect("<iq type='result' id='q'/>")
        self.assertEqual(self.count(), 230)


class Sessions(FlexibleCase):
    def test_no_flood_after_fetching(self) -> None:
        """Section 2.6: the same as if headers were asked for. The next session gets what is left."""
        self.say("1")
        juliet = self.login("juliet@example.org/balcony")
        self.ask(juliet, "get", "<fetch/>")
        self.expect_fetched(juliet, "1")
        juliet.expect("<iq type='result' id='q'/>")
        juliet.send("<presence/>")
        juliet.expect("<presence/>")
        juliet.expect_nothing()
        juliet.close()
        chamber = self.login("juliet@example.org/chamber", name="chamber")
        chamber.send("<presence/>")
        chamber.expect_all("<presence/>", "<message type='chat'><body>1</body>{...}</message>")
        self.assertEqual(self.count(), 0)

    def test_while_it_is_away(self) -> None:
        """What comes while the session is not available waits, and is fetched as well."""
        juliet = self.login("juliet@example.org/balcony")
        self.ask(juliet, "get", "<fetch/>")
        juliet.expect("<iq type='result' id='q'/>")
        self.say("1")
        juliet.send("<presence/>")
        juliet.expect("<presence/>")
        juliet.expect_nothing()
        self.ask(juliet, "get", "<fetch/>")
        self.expect_fetched(juliet, "1")

    def test_who_says_that_it_was_fetched(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        self.ask(juliet, "get", "<fetch/>")
        juliet.expect("<iq type='result' id='q'/>")
        juliet.send("<presence/>")
        juliet.expect("<presence/>")
        self.romeo.send(
            f"<message to='juliet@example.org'><body>1</body><offline xmlns='{NS}'><item node='x'/></offline></message>"
        )
        juliet.expect("<message from='{romeo}'><body>1</body></message>")


class Resumable(FlexibleCase, ManagedTestCase):
    config = {"stream_management": {"hibernation_seconds": 60}}

    def fetching(self) -> tuple[Any, str]:
        juliet, id_ = self.enabled("juliet@example.org/balcony", presence=False)
        self.ask(juliet, "get", "<fetch/>")
        self.expect_fetched(juliet, "1")
        juliet.expect("<iq type='result' id='q'/>")
        return juliet, id_

    def test_lost_after_fetching(self) -> None:
        """What was fetched waits still, so what is not acknowledged of it need not come back."""
        self.say("1")
        juliet, _ = self.fetching()
        juliet.disconnect()
        self.pump(70)
        self.assertEqual(self.count(), 1)

    def test_killed(self) -> None:
        self.say("1")
        _, id_ = self.fetching()
        self.kill()
        juliet = self.resumed("juliet@example.org/balcony", id_, 0)
        self.expect_fetched(juliet, "1")
        juliet.expect(f"<iq type='result' id='q'/><r xmlns='{SM}'/>")
        juliet.send("<presence/>")
        juliet.expect("<presence/>")
        juliet.expect_nothing()
        juliet.disconnect()
        self.pump(70)
        self.assertEqual(self.count(), 1)
