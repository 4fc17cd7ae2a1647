"""Stanzas for other servers: they wait for a stream, in order and not too many, and for the disk."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.core.federation.kit import HERE, PAIR, THERE, TIMEOUT, FederationTestCase
from xmppd.core.federation.contract import Pair
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message, Presence


class RoadTests(FederationTestCase):
    def test_what_waits_goes_first_and_in_order(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one", "two")
        self.assertEqual(self.connector.wanted, [PAIR])
        conduit = self.connector.up()
        self.say(romeo, "three")
        self.assertEqual(conduit.texts, ["one", "two", "three"])
        self.assertEqual(self.connector.attempts, 1)
        romeo.expect_nothing()

    def test_a_stream_that_the_other_side_has_opened_is_used(self) -> None:
        romeo = self.romeo()
        conduit = self.connector.up()
        self.say(romeo, "one")
        self.assertEqual((conduit.texts, self.connector.attempts), (["one"], 0))

    def test_another_stream_changes_nothing(self) -> None:
        romeo = self.romeo()
        first, second = self.connector.up(), self.connector.up()
        second.down()
        self.say(romeo, "one")
        self.assertEqual((first.texts, second.texts, self.connector.wanted), (["one"], [], []))

    def test_pairs_are_apart(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.say(romeo, "two", to="nurse@mantua.example")
        mantua = Pair(HERE, "mantua.example")
        self.assertEqual(self.connector.wanted, [PAIR, mantua])
        self.assertEqual(self.connector.up(mantua).texts, ["two"])
        self.assertEqual(self.connector.up().texts, ["one"])

    def test_closed_because_nobody_needed_it(self) -> None:
        romeo = self.romeo()
        self.connector.up().close()
        self.assertEqual((self.connector.attempts, self.federation.remotes.route(PAIR)), (0, None))
        self.say(romeo, "one")
        self.assertEqual(self.connector.up().texts, ["one"])
        self.assertEqual(self.heard(), [])

    def test_a_lost_stream_is_made_again_at_once(self) -> None:
        romeo = self.romeo()
        self.connector.up().down()
        self.assertEqual(self.connector.wanted, [PAIR])
        self.say(romeo, "one")
        self.assertEqual(self.connector.up().texts, ["one"])
        self.assertEqual(self.heard(), [f"{THERE} reachable"])

    def test_what_comes(self) -> None:
        romeo = self.romeo()
        self.connector.up()
        sender = Jid.parse("juliet@verona.example/b")
        self.federation.arrived(Message(Jid.parse(romeo.jid), sender, type="chat", payload=b"<body>hi</body>"))
        romeo.expect("<message from='juliet@verona.example/b' type='chat'><body>hi</body></message>")
        self.federation.arrived(Presence(Jid.parse(HERE), Jid.parse("nurse@mantua.example")))
        self.assertEqual(self.federation.received, {"message": 1, "presence": 1})
        self.assertEqual(self.federation.remotes[THERE].received, 1)

    def test_it_is_counted(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail()
        self.pump(1)
        self.connector.up()
        romeo.send("<presence to='juliet@verona.example'/>")
        self.assertEqual(self.federation.sent, {"message": 1, "presence": 1})
        self.assertEqual(self.federation.attempts, {"connected": 1, Condition.REMOTE_SERVER_TIMEOUT: 1})
        self.assertEqual(self.federation.remotes[THERE].outcomes, self.federation.attempts)
        self.assertEqual((self.route.sent, self.route.up_since), (2, self.clock.seconds()))

    def test_no_relay(self) -> None:
        """A stanza between two domains that are both not ours goes nowhere, and nobody is told."""
        stanza = Message(Jid.parse("a@verona.example"), Jid.parse("b@mantua.example"), payload=b"<body>x</body>")
        self.assertIsNone(self.federation.receive(stanza))
        self.assertEqual((self.connector.wanted, len(self.federation.remotes)), ([], 0))
        self.assertEqual(self.federation.bounced, {Condition.REMOTE_SERVER_NOT_FOUND: 1})

    def test_a_route_that_was_forgotten_meanwhile(self) -> None:
        """Whoever still has it sends by the one there is."""
        self.connector.up().close()
        old = self.federation._route(PAIR)
        del self.federation.remotes[THERE]
        stanza = Message(Jid.parse("j@verona.example"), Jid.parse("r@example.org"), payload=b"<body>one</body>")
        old.emit(stanza, None)
        self.assertEqual(self.connector.up().texts, ["one"])


class LimitTests(FederationTestCase):
    config: ClassVar[Any] = {
        "s2s": {"queue_stanzas": 3, "queue_octets": 65_536, "total_octets": 90_000, "queue_seconds": 10}
    }

    def full(self, domain: str = THERE) -> StanzaError:
        text = f"too much waits for a connection with {domain}"
        return StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait", text=text)

    def test_queue_stanzas(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one", "two", "three", "four")
        self.expect_error(romeo, "four", self.full())
        self.assertEqual(self.connector.up().texts, ["one", "two", "three"])
        self.say(romeo, "five")
        romeo.expect_nothing()

    def test_queue_octets(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "x" * 40_000, "y" * 40_000)
        self.expect_error(romeo, "y" * 40_000, self.full())
        self.say(romeo, "z")
        self.assertEqual([len(text) for text in self.connector.up().texts], [40_000, 1])

    def test_total_octets(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "x" * 60_000)
        self.say(romeo, "y" * 60_000, to="nurse@mantua.example")
        self.expect_error(romeo, "y" * 60_000, self.full("mantua.example"), "nurse@mantua.example")
        self.connector.up()
        self.assertEqual(self.federation.waiting_octets, 0)
        self.say(romeo, "y" * 60_000, to="nurse@mantua.example")
        romeo.expect_nothing()

    def test_queue_seconds_after_an_attempt_has_failed(self) -> None:
        """The error says why."""
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail(TIMEOUT)
        self.pump(10)
        self.assertEqual(self.connector.wanted, [PAIR])
        error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=TIMEOUT.text)
        self.expect_error(romeo, "one", error)

    def test_queue_seconds(self) -> None:
        """What waits does not wait longer, even if an attempt takes longer still."""
        romeo = self.romeo()
        self.say(romeo, "one")
        self.pump(9)
        romeo.expect_nothing()
        self.federation.remote(THERE).trail = ("looked for its servers", "192.0.2.9 port 5269 does not answer")
        self.pump(1.5)
        text = f"{THERE} could not be reached in time; so far: 192.0.2.9 port 5269 does not answer"
        self.expect_error(romeo, "one", StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text))
        self.assertEqual((self.federation.waiting_octets, self.connector.wanted), (0, [PAIR]))
        self.say(romeo, "two")
        self.assertEqual(self.connector.up().texts, ["two"])


class DiskTests(FederationTestCase):
    """D6: nothing leaves before what its handling has stored is on disk."""

    def test_a_message_does_not_leave_before_it_is_stored(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one", "two")
        self.assertEqual(conduit.texts, [])
        self.disk.go_on()
        self.pump(0.1)
        self.assertEqual(conduit.texts, ["one", "two"])

    def test_nor_is_it_overtaken(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one")
        romeo.send("<presence to='juliet@verona.example'/>")
        self.assertEqual(conduit.texts, [])
        self.disk.go_on()
        self.pump(0.1)
        self.assertEqual(conduit.texts, ["one", "<available>"])

    def test_the_stream_is_lost_while_it_is_stored(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one")
        conduit.close()
        self.say(romeo, "two")
        self.disk.go_on()
        self.pump(0.1)
        self.assertEqual(self.connector.up().texts, ["one", "two"])
        self.assertEqual(conduit.texts, [])

    def test_the_disk_fails_for_too_long(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.broken = "the disk is full"
        self.say(romeo, "one")
        self.pump(6)
        self.say(romeo, "two")
        self.disk.broken = None
        self.pump(2)
        (error,) = [xml for xml in romeo.received if "type='error'" in xml]
        self.assertIn("resource-constraint", error)
        self.assertIn("two", error)
        self.assertEqual(conduit.texts, ["one"])

    def test_presence_needs_no_disk(self) -> None:
        romeo, conduit = self.romeo(), self.connector.up()
        self.disk.stopped = True
        romeo.send("<presence to='juliet@verona.example'/>")
        self.assertEqual(conduit.texts, ["<available>"])


class ReloadTests(FederationTestCase):
    def set(self, **s2s: Any) -> None:
        settings = self.server.server.settings
        self.server.server.settings = settings.model_copy(update={"s2s": settings.s2s.model_copy(update=s2s)})
        self.federation.reconfigure()

    def test_a_domain_is_blocked(self) -> None:
        romeo, conduit = self.romeo(), self.connector.up()
        self.set(policy="blocked")
        self.assertIsNot(conduit.closed, False)
        self.say(romeo, "one")
        error = StanzaError(Condition.NOT_ALLOWED, text=f"this server does not talk to {THERE}")
        self.expect_error(romeo, "one", error)

    def test_what_waits_for_it_comes_back(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.set(policy="blocked")
        error = StanzaError(Condition.NOT_ALLOWED, text=f"this server does not talk to {THERE}")
        self.expect_error(romeo, "one", error)

    def test_a_domain_that_was_given_up_is_tried_again(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.pump(70)
        self.connector.fail()
        romeo.clear()
        self.set(retry_seconds=5.0)
        self.say(romeo, "two")
        self.assertEqual(self.connector.up().texts, ["two"])
        romeo.expect_nothing()

    def test_limits_of_now_count(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.set(queue_stanzas=1)
        self.say(romeo, "two")
        self.assertEqual(self.connector.up().texts, ["one"])
        self.assertEqual(self.federation.bounced, {Condition.RESOURCE_CONSTRAINT: 1})


class ClosedHostTests(FederationTestCase):
    hosts: ClassVar[Any] = {"example.org": {"federate": False}, "example.net": {}}

    def test_federate(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        error = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text="example.org does not talk to other servers")
        self.expect_error(romeo, "one", error)
        self.assertFalse(self.federation.serves("example.org"))
        self.assertTrue(self.federation.serves("example.net"))
        self.assertEqual(self.connector.wanted, [])

    def test_our_own_domains_are_not_elsewhere(self) -> None:
        romeo, nurse = self.romeo(), self.login("nurse@example.net/x", presence=True)
        self.say(romeo, "one", to=nurse.jid)
        nurse.expect("<message><body>one</body></message>")


class NoPortTests(FederationTestCase):
    def open_network(self) -> None:
        """There are no ports for other servers."""

    def test_nobody_is_talked_to(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        text = f"this server does not talk to other servers, so not to {THERE}"
        self.expect_error(romeo, "one", StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=text))


class StartTests(FederationTestCase):
    """Before the ports are open, and once they are closed, everything waits."""

    def test_what_comes_before_the_start_waits(self) -> None:
        romeo = self.romeo()
        self.federation.stop()
        self.federation.connector = self.connector
        self.say(romeo, "one")
        self.assertEqual(self.connector.wanted, [])
        self.wait(self.federation.start())
        self.assertEqual(self.connector.up().texts, ["one"])

    def test_failures_after_the_end(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.federation.stop()
        self.connector.fail(TIMEOUT)
        self.pump(100)
        romeo.expect_nothing()
        self.assertEqual(self.connector.attempts, 1)
