"""XEP-0163 with contacts on other servers and other hosts: who is asked, who is notified, and who can't be trusted."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.plugins.test_pep import EVENT, NS, PepTestCase, item, publish, tune
from tests.plugins.test_pep_notices import CAPS, NoticesTestCase, caps, info, is_question
from xmppd.api import Condition, ServerUnreachable, StanzaError, Subscription
from xmppd.wire.disco import INFO
from xmppd.wire.jid import Jid

ROMEO = "romeo@example.net"
ORCHARD = "romeo@example.net/orchard"


class RemoteTestCase(NoticesTestCase):
    """Juliet is here; Romeo is on example.net, and they see each other."""

    plugins: ClassVar[Any] = ("pep", "roster", "presence", "disco", "blocking")

    def _start(self) -> None:
        self.net = self.remote("example.net")
        super()._start()

    def setUp(self) -> None:
        super().setUp()
        self.show_presence("juliet@example.org", ROMEO, Subscription.BOTH)
        self.net.clear()

    def comes(self, device: str = ORCHARD, c: str = "", to: str = "juliet@example.org") -> None:
        self.net.send(f"<presence from='{device}' to='{to}'>{c}</presence>")

    def questions(self) -> list[tuple[str, str]]:
        """Return whom the server has asked what it is, with the ids of the questions."""
        self.pump()
        asked = [text for text in self.net.received if is_question(text)]
        self.net.clear()
        return [(re.findall(" to='([^']+)'", text)[0], re.findall(" id='([^']+)'", text)[0]) for text in asked]

    def answers(self, device: str, id_: str, *nodes: str) -> None:
        query = info(*nodes).query().decode()
        self.net.send(f"<iq type='result' from='{device}' to='example.org' id='{id_}'>{query}</iq>")

    def visits(self, *nodes: str, device: str = ORCHARD) -> None:
        """Have a device come that wants to hear of nodes, and say so if it is asked."""
        self.comes(device, caps(*nodes))
        for asked, id_ in self.questions():
            self.answers(asked, id_, *nodes)

    def told(self, text: str) -> int:
        return sum(text in xml for xml in self.net.received if EVENT in xml)


class Events(RemoteTestCase):
    def test_who_wants_it(self) -> None:
        self.visits("tune")
        self.visits("x", device="romeo@example.net/phone")
        self.visits(device="romeo@example.net/desk")
        self.net.expect_nothing()
        self.do(publish(item("1", tune("a"))))
        self.net.expect(
            f"<message type='headline' from='juliet@example.org' to='{ORCHARD}'><event xmlns='{EVENT}'>"
            f"<items node='tune'>{item('1', tune('a'))}</items></event></message>"
        )
        self.net.expect_nothing()

    def test_not_who_has_left(self) -> None:
        self.visits("tune")
        self.net.send(f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.org'/>")
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()

    def test_not_who_does_not_want_it_any_more(self) -> None:
        self.visits("tune")
        self.comes()
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()

    def test_not_who_may_not(self) -> None:
        """Presence that they have sent is not enough: Juliet's has to be shown to them."""
        self.visits("tune")
        for access in ("whitelist", "roster"):
            with self.subTest(access):
                self.do(publish(item("1", tune("a")), node=access, options={"access_model": access}))
                self.net.expect_nothing()
        self.show_presence("juliet@example.org", ROMEO, Subscription.TO)
        self.net.clear()
        self.do(publish(item("1", tune("a"))))
        self.do(publish(item("1", tune("a")), node="open", options={"access_model": "open"}))
        self.net.expect_nothing()

    def test_not_strangers(self) -> None:
        self.visits("tune", device="tybalt@example.net/x")
        self.net.expect_nothing()
        self.do(publish(item("1", tune("a")), options={"access_model": "open"}))
        self.net.expect_nothing()

    def test_not_who_is_blocked(self) -> None:
        self.visits("tune")
        self.juliet.send(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{ROMEO}'/></block></iq>")
        self.juliet.clear()
        self.net.clear()
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()

    def test_not_whose_server_can_not_be_reached(self) -> None:
        self.visits("tune")
        self.host.notify(ServerUnreachable(Jid.parse("example.net"), StanzaError(Condition.REMOTE_SERVER_TIMEOUT)))
        self.pump(1, step=0.05)
        self.juliet.clear()
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()
        self.assertEqual(self.plugin("pep")._visitors.wanted(Jid.parse(ORCHARD)), ())


class Asking(RemoteTestCase):
    """XEP-0115 6.2 and 5.4: each kind of client is asked for once, if it tells the truth."""

    def test_the_question(self) -> None:
        self.comes(c=caps("tune"))
        asked = [text for text in self.net.received if is_question(text)]
        self.assertEqual(len(asked), 1)
        self.assertIn("from='example.org'", asked[0])
        self.assertIn(f"to='{ORCHARD}'", asked[0])

    def test_once_for_a_kind(self) -> None:
        for name in ("a", "b", "c"):
            self.comes(f"romeo@example.net/{name}", caps("tune"))
        [(device, id_)] = self.questions()
        self.answers(device, id_, "tune")
        self.assertEqual(self.questions(), [])
        self.do(publish(item("1", tune("a"))))
        self.assertEqual(len(self.net.received), 3)
        self.visits("tune", device="romeo@example.net/d")
        self.assertEqual(self.questions(), [])

    def test_with_our_own_clients(self) -> None:
        self.wants(self.juliet, "tune")
        self.net.clear()
        self.comes(c=caps("tune"))
        self.assertEqual(self.questions(), [])

    def test_spoofed(self) -> None:
        """What doesn't fit its hash counts for that device alone; the next is asked itself."""
        for name in ("a", "b"):
            self.comes(f"romeo@example.net/{name}", caps("tune"))
        [(device, id_)] = self.questions()
        self.answers(device, id_, "tune", "secret")
        [(device, id_)] = self.questions()
        self.assertEqual(device, "romeo@example.net/b")
        self.answers(device, id_, "tune")
        self.do(publish(item("1", tune("a")), node="secret"))
        self.assertEqual(len(self.net.received), 1)
        self.comes("romeo@example.net/a", caps("tune"))
        self.assertEqual(self.questions(), [])

    def test_who_refuses_is_not_asked_again(self) -> None:
        self.comes(c=caps("tune"))
        [(device, id_)] = self.questions()
        error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.net.send(f"<iq type='error' from='{device}' to='example.org' id='{id_}'>{error}</iq>")
        self.comes(c=caps("tune"))
        self.assertEqual(self.questions(), [])

    def test_who_does_not_answer_is_asked_when_seen_again(self) -> None:
        self.comes(c=caps("tune"))
        self.assertEqual(len(self.questions()), 1)
        self.comes(c=caps("tune"))
        self.assertEqual(self.questions(), [])
        self.pump(31)
        self.assertEqual(self.questions(), [])
        self.comes(c=caps("tune"))
        self.assertEqual(len(self.questions()), 1)
        self.pump(31)

    def test_other_caps_meanwhile(self) -> None:
        self.comes(c=caps("tune"))
        [(device, first)] = self.questions()
        self.comes(c=caps("x"))
        self.answers(device, first, "tune")
        [(device, second)] = self.questions()
        self.answers(device, second, "x")
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()
        self.do(publish(item("1", tune("a")), node="x"))
        self.assertEqual(len(self.net.received), 1)

    def test_answers_of_others_are_no_answers(self) -> None:
        self.comes(c=caps("tune"))
        [(_, id_)] = self.questions()
        self.answers("tybalt@example.net/x", id_, "tune")
        self.do(publish(item("1", tune("a"))))
        self.net.expect_nothing()
        self.pump(31)

    def test_nothing_of_use(self) -> None:
        for c in (
            f"<c xmlns='{CAPS}'/>",
            f"<c xmlns='{CAPS}' ver='' node='x'/>",
            "<c xmlns='urn:example:other' ver='1'/>",
        ):
            self.comes(c=c)
        self.assertEqual(self.questions(), [])


class Bounds(RemoteTestCase):
    config: ClassVar[Any] = {
        "pep": {
            "questions": 4,
            "questions_per_server": 2,
            "questions_waiting": 6,
            "visitors": 3,
            "visits_per_minute": 2,
        }
    }

    def test_questions(self) -> None:
        """Of the devices that all claim to be something else, some are asked; nobody has to wait for a slow server."""
        com = self.remote("example.com")
        self.show_presence("juliet@example.org", "paris@example.com", Subscription.BOTH)
        self.net.clear()
        for number in range(20):
            self.comes(f"romeo@example.net/{number}", caps(f"n{number}"))
        self.assertEqual(len(self.questions()), 2)
        self.assertEqual(len(self.plugin("pep")._visitors._waiting), 6)
        com.clear()
        self.pump(31)
        self.assertEqual(len(self.questions()), 2)
        self.pump(31)
        self.questions()
        com.send(f"<presence from='paris@example.com/x' to='juliet@example.org'>{caps('tune')}</presence>")
        self.assertEqual(len([text for text in com.received if is_question(text)]), 1)
        self.pump(31)
        self.assertEqual(self.questions(), [])
        self.assertEqual(self.plugin("pep")._visitors._waiting, {})
        self.assertEqual(self.plugin("pep")._visitors._servers, {})

    def test_a_server_that_can_not_be_asked(self) -> None:
        """The answer is there at once, to question after question."""
        pep = self.plugin("pep")
        for number in range(6):
            self.comes(f"romeo@example.net/{number}", caps(f"n{number}"))
        del self.server.server.router.owners["example.net"]
        self.pump(31)
        self.assertEqual(pep._visitors._waiting, {})
        self.assertEqual(pep._visitors._asked, {})

    def test_in_total(self) -> None:
        for number in range(4):
            domain = f"s{number}.example"
            self.remote(domain)
            self.show_presence("juliet@example.org", f"paris@{domain}", Subscription.BOTH)
            server = self.remote(domain)
            for name in "ab":
                c = caps(f"{name}{number}")
                server.send(f"<presence from='paris@{domain}/{name}' to='juliet@example.org'>{c}</presence>")
        self.assertEqual(len(self.plugin("pep")._visitors._asked), 4)
        self.pump(100)

    def test_devices(self) -> None:
        for number in range(5):
            self.visits("tune", device=f"romeo@example.net/{number}")
        self.net.clear()
        self.do(publish(item("1", tune("a"))))
        self.assertEqual(len(self.net.received), 3)

    def test_visits(self) -> None:
        """Somebody comes again and again."""
        self.do(publish(item("1", tune("a"))))
        for number in range(5):
            self.visits("tune", device=f"romeo@example.net/{number}")
        self.pump(60)
        self.net.clear()
        for number in range(5, 10):
            self.comes(f"romeo@example.net/{number}", caps("tune"))
        self.assertEqual(self.told("<title>a</title>"), 2)

    def test_long_contents(self) -> None:
        """They are read each time, and not remembered."""
        for number in range(3):
            self.comes(c=caps("tune") + f"<status>{number}{'x' * 1000}</status>")
        self.assertEqual(self.plugin("pep")._visitors._contents, {})
        self.pump(31)


class LastItems(RemoteTestCase):
    """4.3.4: who comes online is sent the last items."""

    def setUp(self) -> None:
        super().setUp()
        self.do(publish(item("1", tune("a"))))
        self.do(publish(item("1", tune("b")), node="secret", options={"access_model": "whitelist"}))

    def late_item(self, device: str = ORCHARD) -> None:
        stamp = "<delay xmlns='urn:xmpp:delay' from='juliet@example.org' stamp='{any}'/>"
        self.net.expect(
            f"<message type='headline' from='juliet@example.org' to='{device}'><event xmlns='{EVENT}'>"
            f"<items node='tune'>{item('1', tune('a'))}</items></event>{stamp}</message>"
        )
        self.net.expect_nothing()

    def test_who_comes(self) -> None:
        self.visits("tune", "secret")
        self.late_item()
        with self.subTest("and stays"):
            self.comes(c=f"<show>away</show>{caps('tune', 'secret')}")
            self.net.expect_nothing()
        with self.subTest("another device"):
            self.comes("romeo@example.net/phone", caps("tune", "secret"))
            self.late_item("romeo@example.net/phone")
        with self.subTest("and comes again"):
            self.net.send(f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.org'/>")
            self.comes(c=caps("tune", "secret"))
            self.late_item()

    def test_the_owner_is_not_there(self) -> None:
        self.juliet.close()
        self.net.clear()
        self.plugin("roster")._rosters._forget(Jid.parse("juliet@example.org"))
        self.visits("tune")
        self.late_item()
        self.comes(c=f"<show>away</show>{caps('tune')}")
        self.net.expect_nothing()
        with self.subTest("and comes, which is no news for who is there"):
            self.juliet = self.login("juliet@example.org/balcony", presence=True)
            self.net.clear()
            self.comes(c=caps("tune"))
            self.net.expect_nothing()

    def test_not_who_may_not_see_it(self) -> None:
        for subscription in (Subscription.TO, Subscription.NONE):
            with self.subTest(subscription):
                self.show_presence("juliet@example.org", ROMEO, subscription)
                self.net.clear()
                self.visits("tune", device=f"romeo@example.net/{subscription}")
                self.assertEqual(self.told("title"), 0)

    def test_a_stranger_while_the_owner_is_not_there(self) -> None:
        self.juliet.close()
        self.net.clear()
        self.plugin("roster")._rosters._forget(Jid.parse("juliet@example.org"))
        self.visits("tune", device="tybalt@example.net/x")
        self.net.expect_nothing()

    def test_a_new_subscriber(self) -> None:
        self.show_presence("juliet@example.org", ROMEO, Subscription.TO)
        self.visits("tune")
        self.net.clear()
        self.net.send(f"<presence type='subscribe' from='{ROMEO}' to='juliet@example.org'/>")
        self.juliet.send(f"<presence type='subscribed' to='{ROMEO}'/>")
        self.pump()
        self.assertEqual(self.told("<title>a</title>"), 1)


class Requests(RemoteTestCase):
    """XEP-0060 6.5, 7.1, and XEP-0030 to an account, asked from elsewhere."""

    def setUp(self) -> None:
        super().setUp()
        self.do(publish(item("1", tune("a"))))
        self.do(publish(item("1", tune("b")), node="open", options={"access_model": "open"}))
        self.do(publish(item("1", tune("c")), node="secret", options={"access_model": "whitelist"}))

    def asks(self, content: str, by: str = ORCHARD, type_: str = "get", to: str = "juliet@example.org") -> str:
        self.net.clear()
        self.net.send(f"<iq type='{type_}' id='1' from='{by}' to='{to}'>{content}</iq>")
        self.pump()
        [answer] = self.net.received
        return answer

    def wants_items(self, node: str, by: str = ORCHARD, to: str = "juliet@example.org") -> str:
        return self.asks(f"<pubsub xmlns='{NS}'><items node='{node}'/></pubsub>", by, to=to)

    def test_items(self) -> None:
        for node, by, expected in (
            ("tune", ORCHARD, "<title>a</title>"),
            ("open", ORCHARD, "<title>b</title>"),
            ("secret", ORCHARD, "closed-node"),
            ("tune", "tybalt@example.net/x", "presence-subscription-required"),
            ("open", "tybalt@example.net/x", "<title>b</title>"),
            ("secret", "tybalt@example.net/x", "closed-node"),
            ("none", "tybalt@example.net/x", "item-not-found"),
        ):
            with self.subTest(node=node, by=by):
                self.assertIn(expected, self.wants_items(node, by))

    def test_an_account_that_does_not_exist(self) -> None:
        self.assertIn("item-not-found", self.wants_items("none", to="nobody@example.org"))

    def test_nobody_else_publishes(self) -> None:
        content = f"<pubsub xmlns='{NS}'>{publish(item('2', tune('x')))}</pubsub>"
        self.assertIn("forbidden", self.asks(content, type_="set"))

    def test_discovery(self) -> None:
        """XEP-0030 section 8: strangers learn nothing."""
        info_, items = f"<query xmlns='{INFO}'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>"
        self.assertIn("category='pubsub' type='pep'", self.asks(info_))
        self.assertIn("service-unavailable", self.asks(info_, "tybalt@example.net/x"))
        self.assertEqual(re.findall("node='([^']+)'", self.asks(items)), ["open", "tune"])
        self.assertEqual(re.findall("node='([^']+)'", self.asks(items, "tybalt@example.net/x")), ["open"])


class OtherHost(PepTestCase):
    """Contacts on another host of the same server."""

    hosts: ClassVar[Any] = ("example.org", "example.net")
    plugins: ClassVar[Any] = ("pep", "roster", "presence", "disco")

    def test_last_items_at_login(self) -> None:
        self.account(ROMEO)
        self.show_presence("juliet@example.org", ROMEO, Subscription.FROM)
        there = self.server.server.hosts["example.net"].registry.get("roster")
        juliet = Jid.parse("juliet@example.org")
        self.wait(there.put(Jid.parse(ROMEO), juliet, subscription=Subscription.TO))  # type: ignore[union-attr]
        self.do(publish(item("1", tune("a"))))
        for owner_is_there in (True, False):
            with self.subTest(owner_is_there=owner_is_there):
                if not owner_is_there:
                    self.juliet.close()
                romeo = self.login(ORCHARD)
                romeo.send(f"<presence>{caps('tune')}</presence>")
                for text in [text for text in romeo.received if is_question(text)]:
                    asker, id_ = re.findall(" from='([^']+)'", text)[0], re.findall(" id='([^']+)'", text)[0]
                    query = info("tune").query().decode()
                    romeo.send(f"<iq type='result' id='{id_}' to='{asker}'>{query}</iq>")
                self.pump()
                self.assertEqual("".join(romeo.received).count("<title>a</title>"), 1)
                self.assertNotIn("unavailable", "".join(romeo.received))
                romeo.close()
