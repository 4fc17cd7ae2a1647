"""Servers that can't be reached, and that can again: who seems to be there, and what is made good."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.managed import ManagedTestCase
from xmppd.api import Condition, ServerReachable, ServerUnreachable, StanzaError, Subscription
from xmppd.testing import Client, Remote
from xmppd.wire.jid import Jid

ROMEO, JULIET = Jid.parse("romeo@example.org"), Jid.parse("juliet@example.net")
PARIS = Jid.parse("paris@example.com")
NET = Jid.parse("example.net")
LOST = "<status>example.net can't be reached at the moment</status>"
ORCHARD = "romeo@example.org/orchard"
MUC = "http://jabber.org/protocol/muc"


class RepairTestCase(ManagedTestCase):
    """Romeo, who sees Juliet and Paris on other servers, and is seen by them."""

    plugins: ClassVar[tuple[str, ...]] = ("roster", "presence", "blocking")
    config: ClassVar[Any] = {"presence": {"repair_seconds": 20.0, "answer_seconds": 10.0, "retry_seconds": 40.0}}

    def _start(self) -> None:
        self.net, self.com = self.remote("example.net"), self.remote("example.com")
        super()._start()

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        for contact in (JULIET, PARIS):
            self.put(contact, Subscription.BOTH)

    def put(self, contact: Jid, subscription: Subscription) -> None:
        self.wait(self.plugin("roster").put(ROMEO, contact, subscription=subscription))

    def come(self, jid: str = ORCHARD) -> Client:
        client = self.login(jid)
        client.send("<presence/>")
        self.quiet(client)
        return client

    def quiet(self, *clients: Client) -> None:
        for mailbox in (*clients, self.net, self.com):
            mailbox.clear()

    def shows(self, remote: Remote, device: str, to: str = "romeo@example.org", content: str = "") -> None:
        remote.send(f"<presence from='{device}' to='{to}'>{content}</presence>")

    def lose(self, domain: Jid = NET) -> None:
        self.host.notify(ServerUnreachable(domain, StanzaError(Condition.REMOTE_SERVER_TIMEOUT)))
        self.pump(1, step=0.05)

    def find(self, seconds: float = 1.0) -> None:
        self.host.notify(ServerReachable(NET))
        self.pump(seconds, step=0.05)


class Lost(RepairTestCase):
    def test_whoever_was_seen_there_is_unavailable(self) -> None:
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.shows(self.net, "juliet@example.net/chamber")
        self.shows(self.com, "paris@example.com/x")
        self.quiet(romeo)
        desk = self.come("romeo@example.org/desk")
        hidden = self.login("romeo@example.org/hidden")
        self.quiet(romeo, desk, hidden)
        self.lose()
        for device in (romeo, desk):
            for resource in ("balcony", "chamber"):
                device.expect(
                    f"<presence type='unavailable' from='juliet@example.net/{resource}' to='romeo@example.org'>"
                    f"{LOST}</presence>"
                )
            device.expect_nothing()
        hidden.expect_nothing()
        self.lose()
        romeo.expect_nothing()
        self.net.expect_nothing()
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])

    def test_those_who_had_left_are_not_named(self) -> None:
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.net.send("<presence type='unavailable' from='juliet@example.net/balcony' to='romeo@example.org'/>")
        self.quiet(romeo)
        self.lose()
        romeo.expect_nothing()

    def test_nor_strangers_nor_who_is_blocked(self) -> None:
        romeo = self.come()
        self.shows(self.net, "tybalt@example.net/x")
        self.shows(self.net, "juliet@example.net/balcony")
        romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.quiet(romeo)
        self.lose()
        romeo.expect_nothing()

    def test_nor_whose_presence_one_is_not_subscribed_to_any_more(self) -> None:
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.put(JULIET, Subscription.FROM)
        self.quiet(romeo)
        self.lose()
        romeo.expect_nothing()

    def test_components_too(self) -> None:
        """A gateway's contacts may have no resource."""
        contact = Jid.parse("+4930123@sms.example.org")
        self.put(contact, Subscription.BOTH)
        sms = self.remote("sms.example.org")
        romeo = self.come()
        self.shows(sms, str(contact))
        romeo.clear()
        self.lose(Jid.parse("sms.example.org"))
        romeo.expect(f"<presence type='unavailable' from='{contact}'><status>{{any}}</status></presence>")
        romeo.expect_nothing()

    def test_leave_that_is_taken_for_all_devices_is_taken_of_each(self) -> None:
        """RFC 6121 4.3.2: a server answers a probe so if nobody is there."""
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.quiet(romeo)
        self.net.send("<presence type='unavailable' from='juliet@example.net' to='romeo@example.org'/>")
        romeo.expect(
            "<presence type='unavailable' from='juliet@example.net'/>",
            "<presence type='unavailable' from='juliet@example.net/balcony'/>",
        )
        self.lose()
        romeo.expect_nothing()

    def test_so_many_devices_of_one_contact(self) -> None:
        """devices: however many a hostile server invents."""
        romeo = self.come()
        for number in range(25):
            self.shows(self.net, f"juliet@example.net/{number}")
        self.quiet(romeo)
        self.lose()
        self.assertEqual(len(romeo.received), 20)

    def test_not_all_at_once(self) -> None:
        """repairs_per_second: other work goes on in between."""
        clients = [self.come(f"romeo@example.org/{number}") for number in range(3)]
        for number in range(20):
            self.shows(self.net, f"juliet@example.net/{number}")
        for number in range(5):
            self.account(f"r{number}@example.org")
            jid = Jid.parse(f"r{number}@example.org")
            self.wait(self.plugin("roster").put(jid, JULIET, subscription=Subscription.TO))
            clients.append(self.come(f"{jid}/x"))
            self.shows(self.net, "juliet@example.net/0", to=str(jid))
        self.wait(self.host.registry.reconfigure("presence", {"repairs_per_second": 100}))
        self.quiet(*clients)
        self.host.notify(ServerUnreachable(NET, StanzaError(Condition.REMOTE_SERVER_TIMEOUT)))
        told = [sum(len(client.received) for client in clients)]
        for _ in range(14):
            self.clock.advance(0.05)
            told.append(sum(len(client.received) for client in clients))
        self.assertLess(told[0], 65)
        self.assertEqual(told[-1], 65)


class Rooms(RepairTestCase):
    """XEP-0045 11.1, XEP-0410: a client that believes to be in a room doesn't enter it again."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.come()
        self.romeo.send(f"<presence to='verona@example.net/romeo'><x xmlns='{MUC}'/></presence>")
        self.quiet()

    def removed(self, room: str = "verona@example.net/romeo") -> str:
        x = f"<x xmlns='{MUC}#user'><item affiliation='none' role='none'/><status code='110'/><status code='333'/></x>"
        return f"<presence type='unavailable' from='{room}' to='{ORCHARD}'>{x}{LOST}</presence>"

    def test_removed(self) -> None:
        self.lose()
        self.romeo.expect(self.removed())
        self.romeo.expect_nothing()
        self.net.expect_nothing()
        with self.subTest("and the room is told when it can be"):
            self.find()
            self.net.expect(f"<presence type='unavailable' to='verona@example.net/romeo' from='{ORCHARD}'/>")
            self.quiet()
            self.romeo.close()
            self.assertNotIn("verona", "".join(self.net.received))

    def test_entered_again(self) -> None:
        self.lose()
        self.romeo.clear()
        self.romeo.send(f"<presence to='verona@example.net/romeo'><x xmlns='{MUC}'/></presence>")
        self.quiet()
        self.find()
        self.assertNotIn("verona", "".join(self.net.received))
        self.romeo.close()
        self.assertIn("verona", "".join(self.net.received))

    def test_another_nickname(self) -> None:
        self.romeo.send("<presence to='verona@example.net/montague'/>")
        self.net.send(f"<presence type='unavailable' from='verona@example.net/romeo' to='{ORCHARD}'/>")
        self.quiet(self.romeo)
        self.lose()
        self.romeo.expect(self.removed("verona@example.net/montague"))

    def test_no_room(self) -> None:
        self.romeo.send("<presence to='nurse@example.net'/>")
        self.romeo.send("<presence to='verona@example.net/romeo' type='unavailable'/>")
        self.quiet(self.romeo)
        self.lose()
        self.romeo.expect(f"<presence type='unavailable' from='nurse@example.net' to='{ORCHARD}'>{LOST}</presence>")
        self.romeo.expect_nothing()

    def test_a_subscriber_is_sent_presence_anyway(self) -> None:
        self.romeo.send("<presence to='juliet@example.net/balcony'/>")
        self.quiet(self.romeo)
        self.lose()
        self.romeo.expect(self.removed())
        self.romeo.expect_nothing()
        self.find()
        self.net.expect("<presence type='unavailable' to='verona@example.net/romeo'/>")
        self.net.expect(f"<presence from='{ORCHARD}' to='juliet@example.net'/>", "<presence type='probe'/>")
        self.net.expect_nothing()

    def test_one_that_is_blocked(self) -> None:
        self.romeo.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='example.net'/></block></iq>")
        self.quiet(self.romeo)
        self.lose()
        self.romeo.expect_nothing()
        self.find()
        self.net.expect_nothing()
        self.romeo.close()
        self.quiet()
        self.pump(30)
        self.find()
        self.net.expect_nothing()

    def test_who_asks_meanwhile_is_told_as_if_he_were_a_stranger(self) -> None:
        self.lose()
        self.romeo.clear()
        probe = f"<presence type='probe' from='verona@example.net/romeo' to='{ORCHARD}'/>"
        self.net.send(probe)
        self.net.expect("<presence type='unsubscribed' from='romeo@example.org'/>")

    def test_a_connection_that_was_lost_and_is_back(self) -> None:
        """Whether the room has thrown us out is not known: clients find out by themselves (XEP-0410)."""
        self.find()
        self.romeo.expect_nothing()
        self.assertNotIn("verona", "".join(self.net.received))

    def test_it_is_remembered_over_a_restart(self) -> None:
        phone, _ = self.enabled("romeo@example.org/phone")
        phone.send(f"<presence to='verona@example.net/phone'><x xmlns='{MUC}'/></presence>")
        self.lose()
        self.pump()
        self.kill()
        self.find()
        self.net.expect_all(
            "<presence type='unavailable' to='verona@example.net/phone' from='romeo@example.org/phone'/>",
            f"<presence type='unavailable' to='verona@example.net/romeo' from='{ORCHARD}'/>",
            "<presence to='juliet@example.net' from='romeo@example.org/phone'/>",
            "<presence type='probe' to='juliet@example.net' from='romeo@example.org'/>",
            f"<presence type='unavailable' to='juliet@example.net' from='{ORCHARD}'/>",
        )


class Found(RepairTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.come()
        self.romeo.send("<presence><show>away</show></presence>")
        self.shows(self.net, "juliet@example.net/balcony")
        self.quiet(self.romeo)

    def told(self) -> None:
        self.net.expect(
            f"<presence from='{ORCHARD}' to='juliet@example.net'><show>away</show></presence>",
            "<presence type='probe' from='romeo@example.org' to='juliet@example.net'/>",
        )

    def test_presence_is_sent_again_and_asked_for(self) -> None:
        self.lose()
        self.romeo.clear()
        self.find()
        self.told()
        self.net.expect_nothing()
        self.com.expect_nothing()
        self.shows(self.net, "juliet@example.net/balcony")
        self.romeo.expect("<presence from='juliet@example.net/balcony'/>")
        self.pump(60)
        self.romeo.expect_nothing()
        self.net.expect_nothing()

    def test_every_device_and_one_question(self) -> None:
        desk = self.come("romeo@example.org/desk")
        self.login("romeo@example.org/hidden")
        self.quiet(self.romeo, desk)
        self.find()
        self.told()
        self.net.expect("<presence from='romeo@example.org/desk' to='juliet@example.net'/>")
        self.net.expect_nothing()

    def test_only_as_subscriptions_are(self) -> None:
        leave = f"<presence type='unavailable' from='{ORCHARD}'/>"
        for subscription, expected in (
            (Subscription.FROM, f"<presence from='{ORCHARD}'><show>away</show></presence>"),
            # Leave was taken, and may not have arrived.
            (Subscription.TO, f"{leave}<presence type='probe' from='romeo@example.org'/>"),
            (Subscription.NONE, leave),
        ):
            with self.subTest(subscription):
                self.put(JULIET, subscription)
                self.pump(30)
                self.quiet()
                self.find()
                self.net.expect(expected)
                self.net.expect_nothing()

    def test_not_to_the_blocked(self) -> None:
        self.romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.quiet()
        self.find()
        self.net.expect_nothing()

    def test_who_refused_before_is_told_again(self) -> None:
        self.net.send(f"<presence type='error' from='juliet@example.net' to='{ORCHARD}'/>")
        self.romeo.clear()
        self.find()
        self.told()

    def test_flapping(self) -> None:
        for _ in range(10):
            self.find(0.5)
        self.told()
        self.net.expect_nothing()
        self.pump(16)
        self.told()
        self.pump(60)
        self.net.expect_nothing()

    def test_lost_again_before_anything_is_made_good(self) -> None:
        self.find()
        self.quiet()
        self.find()
        self.lose()
        self.romeo.expect(f"<presence type='unavailable' from='juliet@example.net/balcony'>{LOST}</presence>")
        self.pump(30)
        self.net.expect_nothing()

    def test_devices_that_are_not_there_any_more(self) -> None:
        """RFC 6121 4.3.2: a server answers with the presence of each device."""
        self.shows(self.net, "juliet@example.net/chamber")
        self.find()
        self.romeo.clear()
        self.shows(self.net, "juliet@example.net/chamber")
        self.pump(9)
        self.romeo.expect("<presence from='juliet@example.net/chamber'/>")
        self.romeo.expect_nothing()
        self.pump(1)
        self.romeo.expect("<presence type='unavailable' from='juliet@example.net/balcony' to='romeo@example.org'/>")
        self.romeo.expect_nothing()

    def test_a_contact_that_does_not_answer(self) -> None:
        """Of somebody who is asked and says nothing, nothing is known."""
        self.find()
        self.pump(30)
        self.romeo.expect_nothing()
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 1)

    def test_lost_while_answers_are_waited_for(self) -> None:
        self.shows(self.net, "juliet@example.net/chamber")
        self.find()
        self.shows(self.net, "juliet@example.net/chamber")
        self.romeo.clear()
        self.lose()
        self.romeo.expect_all(
            f"<presence type='unavailable' from='juliet@example.net/balcony'>{LOST}</presence>",
            f"<presence type='unavailable' from='juliet@example.net/chamber'>{LOST}</presence>",
        )
        self.pump(30)
        self.romeo.expect_nothing()
        self.assertEqual(self.plugin("presence")._repairs.listening, [])


class Missed(RepairTestCase):
    """Leave that was taken while the server could not be reached, or shortly before."""

    def test_taken_again(self) -> None:
        romeo, desk = self.come(), self.come("romeo@example.org/desk")
        romeo.close()
        self.pump(30)
        self.lose()
        desk.send("<presence to='verona@example.net/romeo'/>")
        desk.close()
        self.quiet()
        self.find()
        self.net.expect_all(
            f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.net'/>",
            "<presence type='unavailable' from='romeo@example.org/desk' to='juliet@example.net'/>",
            "<presence type='unavailable' from='romeo@example.org/desk' to='verona@example.net/romeo'/>",
        )
        self.net.expect_nothing()
        self.com.expect_nothing()
        with self.subTest("and again, since that may be lost, too; for a while"):
            self.pump(60)
            self.quiet()
            self.find()
            self.assertEqual(len(self.net.received), 3)
            self.pump(301)
            self.quiet()
            self.find()
            self.net.expect_nothing()

    def test_who_is_back_has_not_left(self) -> None:
        romeo = self.come()
        self.lose()
        romeo.close()
        self.come()
        self.find()
        self.net.expect(f"<presence from='{ORCHARD}'/>", "<presence type='probe' from='romeo@example.org'/>")
        self.net.expect_nothing()

    def test_who_is_back_is_not_in_rooms_again(self) -> None:
        romeo = self.come()
        romeo.send("<presence to='verona@example.net/romeo'/><presence to='tomb@example.net/romeo'/>")
        self.lose()
        romeo.close()
        self.come().send("<presence to='tomb@example.net/romeo'/>")
        self.quiet()
        self.find()
        self.net.expect(f"<presence type='unavailable' from='{ORCHARD}' to='verona@example.net/romeo'/>")
        self.assertNotIn("tomb", "".join(self.net.received))

    def test_so_many(self) -> None:
        self.wait(self.host.registry.reconfigure("presence", {"departures": 1}))
        for resource in ("a", "b", "c"):
            self.come(f"romeo@example.org/{resource}").close()
        self.quiet()
        self.find()
        self.net.expect_nothing()  # the last one was sent to example.com


class Retries(RepairTestCase):
    def test_it_is_tried_again(self) -> None:
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.lose()
        self.quiet(romeo)
        for wait in (39, 79):
            self.pump(wait)
            self.net.expect_nothing()
            self.pump(1)
            self.net.expect("<presence type='probe' from='romeo@example.org' to='juliet@example.net'/>")
        self.find()
        self.quiet()
        self.pump(100)
        self.net.expect_nothing()

    def test_for_who_comes_meanwhile(self) -> None:
        self.lose()
        self.come()
        self.pump(41)
        self.net.expect("<presence type='probe' from='romeo@example.org' to='juliet@example.net'/>")

    def test_not_for_nobody(self) -> None:
        romeo = self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.lose()
        romeo.close()
        self.quiet()
        self.pump(100_000, step=100)
        self.net.expect_nothing()

    def test_at_most(self) -> None:
        self.wait(self.host.registry.reconfigure("presence", {"retry_seconds": 10.0, "retry_at_most_seconds": 15.0}))
        self.come()
        self.shows(self.net, "juliet@example.net/balcony")
        self.lose()
        self.quiet()
        self.pump(100)
        self.assertEqual(len(self.net.received), 7)
