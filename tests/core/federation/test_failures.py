"""Domains that can't be reached: attempts, errors to senders, what is remembered, and what plugins are told."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.core.federation.kit import NOT_FOUND, PAIR, THERE, TIMEOUT, FederationTestCase
from xmppd.api import Iq, Message, Presence
from xmppd.core.federation.contract import LinkFailure, Pair
from xmppd.testing.client import Client
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@verona.example")


class FailureTestCase(FederationTestCase):
    config: ClassVar[Any] = {"s2s": {"queue_seconds": 10, "retry_seconds": 5, "retry_at_most_seconds": 15}}

    def give_up(self, client: Client | None = None) -> None:
        """Have it fail for good."""
        self.connector.fail(NOT_FOUND)
        if client is not None:
            client.clear()


class AttemptTests(FailureTestCase):
    def test_backoff(self) -> None:
        """After one second, two, four; what is sent meanwhile waits as well, and no attempt is made for it."""
        romeo = self.romeo()
        self.say(romeo, "one")
        for attempt, delay in enumerate((1, 2, 4), start=1):
            self.assertEqual(self.connector.attempts, attempt)
            self.connector.fail()
            self.say(romeo, f"after {attempt}")
            self.pump(delay - 0.1, step=0.1)
            self.assertEqual(self.connector.wanted, [])
            self.pump(0.2, step=0.1)
            self.assertEqual(self.connector.wanted, [PAIR])
        romeo.expect_nothing()
        self.assertEqual(self.connector.up().texts, ["one", "after 1", "after 2", "after 3"])
        self.assertEqual(self.route.attempts, 0)

    def test_no_further_attempt_than_stanzas_wait(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        for delay in (1, 2, 4):
            self.connector.fail()
            self.pump(delay)
        self.connector.fail()
        self.expect_error(romeo, "one", TIMEOUT.to_error())
        self.pump(60)
        self.assertEqual(self.connector.attempts, 4)

    def test_lasting(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail(NOT_FOUND)
        self.expect_error(romeo, "one", NOT_FOUND.to_error())
        self.pump(60)
        self.assertEqual(self.connector.attempts, 1)

    def test_it_comes_to_us_meanwhile(self) -> None:
        """Who has come is there: the next attempt is made at once."""
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail()
        self.federation.met(PAIR)
        self.assertEqual(self.connector.wanted, [PAIR])
        self.assertEqual(self.connector.up().texts, ["one"])
        self.pump(30)
        self.assertEqual(self.connector.attempts, 2)

    def test_failure_of_a_route_that_has_a_stream(self) -> None:
        """The other side has opened one meanwhile."""
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.wanted.clear()
        conduit = self.connector.up()
        self.federation.failed(PAIR, TIMEOUT)
        self.say(romeo, "two")
        self.assertEqual(conduit.texts, ["one", "two"])
        self.assertEqual(self.connector.attempts, 1)

    def test_failure_nobody_waits_for(self) -> None:
        self.federation.failed(Pair("example.org", "unknown.example"), TIMEOUT)
        self.assertEqual(self.heard(), [])


class MemoryTests(FailureTestCase):
    """How long it is believed that a domain can't be reached."""

    def test_stanzas_come_back_at_once(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.give_up(romeo)
        self.pump(4)
        self.say(romeo, "two")
        self.expect_error(romeo, "two", NOT_FOUND.to_error())
        self.assertEqual(self.connector.attempts, 1)

    def test_twice_as_long_each_time_but_not_for_ever(self) -> None:
        romeo = self.romeo()
        for seconds in (5, 10, 15, 15):
            self.say(romeo, "x")
            self.give_up(romeo)
            self.pump(seconds - 0.5, step=0.5)
            self.say(romeo, "y")
            self.assertEqual(self.connector.wanted, [], f"before {seconds} s are over")
            romeo.clear()
            self.pump(1)
        self.say(romeo, "z")
        self.connector.up().close()
        self.assertEqual(self.federation.remotes[THERE].failure, None)

    def test_a_success_forgives(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "x")
        self.give_up(romeo)
        self.pump(6)
        self.say(romeo, "y")
        conduit = self.connector.up()
        self.assertEqual((self.route.failures, self.route.refused_until, self.route.failure), (0, 0.0, None))
        conduit.down()
        self.give_up()
        self.pump(6)
        self.say(romeo, "z")
        self.assertEqual(self.connector.wanted, [PAIR])

    def test_its_coming_forgives(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "x")
        self.give_up(romeo)
        self.federation.met(PAIR)
        self.say(romeo, "y")
        self.assertEqual(self.connector.up().texts, ["y"])

    def test_the_operator_forgives(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "x")
        self.give_up(romeo)
        self.federation.retry(THERE)
        self.federation.retry("unknown.example")
        self.say(romeo, "y")
        self.connector.fail()
        self.federation.retry(THERE)
        self.assertEqual(self.connector.up().texts, ["y"])

    def test_it_is_of_one_pair(self) -> None:
        """That one of our domains is refused says nothing of another one."""
        romeo, nurse = self.romeo(), self.login("nurse@example.net/x")
        refused = LinkFailure(Condition.NOT_ALLOWED, "it does not talk to example.org", lasting=True)
        self.say(romeo, "x")
        self.connector.fail(refused)
        self.expect_error(romeo, "x", refused.to_error())
        self.say(nurse, "y")
        conduit = self.connector.up(Pair("example.net", THERE))
        self.assertEqual(conduit.texts, ["y"])
        self.say(romeo, "z")
        self.expect_error(romeo, "z", refused.to_error())
        self.assertIs(self.federation.remotes[THERE].failure, refused)

    hosts: ClassVar[Any] = ("example.org", "example.net")


class ErrorTests(FailureTestCase):
    """RFC 6120 8.3: to each sender, but never in answer to errors and results; and not for each presence."""

    def outcome(self, *sent: str) -> list[str]:
        romeo = self.romeo()
        for xml in sent:
            romeo.send(xml)
        self.give_up()
        return [xml for xml in romeo.received if "verona" in xml]

    def test_to_each_sender(self) -> None:
        romeo, nurse = self.romeo(), self.login("nurse@example.org/x")
        self.say(romeo, "one")
        self.say(nurse, "two")
        self.say(romeo, "three")
        self.connector.fail(NOT_FOUND)
        for client, text in ((romeo, "one"), (nurse, "two"), (romeo, "three")):
            self.expect_error(client, text, NOT_FOUND.to_error())
        self.assertEqual(self.federation.bounced, {Condition.REMOTE_SERVER_NOT_FOUND: 3})

    def test_conditions(self) -> None:
        for failure in (
            NOT_FOUND,
            LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, "it did not answer", lasting=True),
            LinkFailure(Condition.NOT_ALLOWED, "it does not want us", lasting=True),
            LinkFailure(Condition.RESOURCE_CONSTRAINT, "there are too many connections", lasting=True),
        ):
            with self.subTest(condition=failure.condition):
                romeo = self.login("romeo@example.org")
                self.federation.retry(THERE)
                self.say(romeo, "one")
                self.connector.fail(failure)
                self.expect_error(romeo, "one", failure.to_error())

    def test_requests(self) -> None:
        (error,) = self.outcome(f"<iq to='{THERE}' type='get' id='q'><query xmlns='x:y'/></iq>")
        self.assertIn("<remote-server-not-found", error)
        self.assertIn("id='q'", error)

    def test_answers_get_none(self) -> None:
        self.assertEqual(self.outcome(f"<iq to='{JULIET}/b' type='result' id='q'/>"), [])

    def test_errors_get_none(self) -> None:
        xml = f"<message to='{JULIET}/b' type='error'><error type='cancel'>{{}}</error></message>"
        condition = "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        self.assertEqual(self.outcome(xml.replace("{}", condition)), [])

    def test_presence_gets_none(self) -> None:
        sent = [f"<presence to='{JULIET}'/>", f"<presence to='{JULIET}' type='unavailable'/>"]
        self.assertEqual(self.outcome(*sent), [])

    def test_entering_a_room_gets_one(self) -> None:
        enter = f"<presence to='{JULIET}/nick' id='enter'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        (error,) = self.outcome(enter)
        self.assertIn("id='enter'", error)
        self.assertIn("<remote-server-not-found", error)

    def test_entering_a_room_that_may_have_been_heard_of_gets_none(self) -> None:
        romeo = self.romeo()
        conduit = self.connector.up(managed=True)
        romeo.send(f"<presence to='{JULIET}/nick'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        conduit.down()
        self.federation.undelivered(conduit.sent)
        romeo.expect_nothing()

    def test_probes_get_none(self) -> None:
        romeo = Jid.parse("romeo@example.org")
        self.login("romeo@example.org/orchard")
        self.federation.receive(Presence(JULIET, romeo, type="probe"))
        self.give_up()
        self.federation.receive(Presence(JULIET, romeo, type="probe"))
        self.assertTrue(self.federation.remotes[THERE].lost)

    def test_subscriptions_get_one(self) -> None:
        (error,) = self.outcome(f"<presence to='{JULIET}' type='subscribe' id='s'/>")
        self.assertIn("type='error'", error)

    def test_what_was_never_acknowledged(self) -> None:
        romeo = self.romeo()
        conduit = self.connector.up(managed=True)
        self.say(romeo, "one", "two")
        romeo.send(f"<iq to='{JULIET}/b' type='result' id='q'/>")
        self.federation.delivered(conduit.sent[:1])
        conduit.down()
        self.federation.undelivered(conduit.sent[1:])
        error = romeo.take()
        self.assertEqual(error["id"], "two")
        self.assertIn("remote-server-timeout", error.toXml())
        romeo.expect_nothing()

    def test_the_server_s_own_requests(self) -> None:
        """Who in the server waits for an answer gets the error as one."""
        self.federation.receive(Iq(JULIET, Jid.parse("example.org"), "own", "get", payload=b"<query xmlns='x:y'/>"))
        self.give_up()
        self.assertEqual(self.federation.bounced, {Condition.REMOTE_SERVER_NOT_FOUND: 1})

    def test_an_error_that_takes_its_time(self) -> None:
        """A handler that waits for the disk with an error does not hold up the others."""
        romeo = self.romeo()
        self.say(romeo, "one", "two")
        self.disk.stopped = True
        self.give_up()
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(sum("remote-server-not-found" in xml for xml in romeo.received), 2)


class EventTests(FailureTestCase):
    """Plugins hear of a lost domain once, and once of its return."""

    def test_never_reached(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.give_up()
        self.assertEqual(self.heard(), [])
        self.pump(6)
        self.say(romeo, "two")
        self.connector.up()
        self.assertEqual(self.heard(), [])

    def test_lost(self) -> None:
        self.romeo()
        self.connector.up().down()
        self.assertEqual(self.heard(), [])
        self.give_up()
        self.assertEqual(self.heard(), [f"{THERE} remote-server-not-found"])
        self.assertTrue(self.federation.remotes[THERE].lost)

    def test_once(self) -> None:
        romeo = self.romeo()
        self.connector.up().down()
        self.give_up()
        self.heard()
        for _ in range(3):
            self.pump(16)
            self.say(romeo, "x")
            self.give_up()
        self.assertEqual(self.heard(), [])
        self.federation.met(PAIR)
        self.connector.up()
        self.federation.met(PAIR)
        self.assertEqual(self.heard(), [f"{THERE} reachable"])

    def test_closed_in_good_order_and_gone_when_it_is_needed_again(self) -> None:
        romeo = self.romeo()
        self.connector.up().close()
        self.say(romeo, "x")
        self.give_up()
        self.assertEqual(self.heard(), [f"{THERE} remote-server-not-found"])

    def test_lost_and_found_at_once(self) -> None:
        """Something may have been missed."""
        self.connector.up().down()
        self.connector.up()
        self.assertEqual(self.heard(), [f"{THERE} reachable"])

    def test_two_of_our_domains(self) -> None:
        other = Pair("example.net", THERE)
        first, second = self.connector.up(), self.connector.up(other)
        first.down()
        self.connector.fail(NOT_FOUND)
        self.assertEqual(self.heard(), [], "the other one still has a stream")
        second.down()
        self.connector.fail(NOT_FOUND, other)
        self.assertEqual(self.heard(), [f"{THERE} remote-server-not-found"])

    def test_presence_that_could_not_be_sent(self) -> None:
        """When the domain is found, everybody has to be told who is here."""
        romeo = self.romeo()
        romeo.send(f"<presence to='{JULIET}'/>")
        self.give_up()
        self.assertEqual(self.heard(), [])
        self.pump(6)
        self.say(romeo, "x")
        self.connector.up()
        self.assertEqual(self.heard(), [f"{THERE} reachable"])

    def test_a_failing_observer_harms_nobody(self) -> None:
        romeo = self.romeo()
        conduit = self.connector.up()
        self.plugin("watching").told = None
        conduit.down()
        self.connector.up()
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.plugin("watching").told = []
        self.say(romeo, "x")
        romeo.expect_nothing()

    hosts: ClassVar[Any] = ("example.org", "example.net")


class AwayTests(FailureTestCase):
    def test_senders_that_are_gone(self) -> None:
        """An error to a client that has left is nobody's."""
        romeo = self.romeo()
        self.say(romeo, "one")
        romeo.send("</stream:stream>")
        self.give_up()
        self.assertEqual(self.federation.bounced, {Condition.REMOTE_SERVER_NOT_FOUND: 1})

    def test_a_message_of_the_server_itself(self) -> None:
        stanza = Message(JULIET, Jid.parse("example.org"), payload=b"<body>x</body>")
        self.federation.receive(stanza)
        self.give_up()
        self.assertEqual(self.federation.bounced, {Condition.REMOTE_SERVER_NOT_FOUND: 1})
