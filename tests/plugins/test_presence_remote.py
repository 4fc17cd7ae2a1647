"""RFC 6121 section 4 with contacts on other servers, by its sections; and what else others may ask about accounts."""

from __future__ import annotations

from typing import Any, ClassVar

from xmppd.api import Subscription
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

ROMEO, JULIET, PARIS = (Jid.parse(text) for text in ("romeo@example.org", "juliet@example.net", "paris@example.net"))
ORCHARD = "romeo@example.org/orchard"
BALCONY = "juliet@example.net/balcony"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class RemoteTestCase(ServerTestCase):
    """Romeo is here; on example.net are Juliet, who sees him and is seen, and Paris, who is neither."""

    plugins: ClassVar[tuple[str, ...]] = ("roster", "presence", "blocking")

    def setUp(self) -> None:
        super().setUp()
        self.net = self.remote("example.net")
        self.account("romeo@example.org")
        self.put(JULIET, Subscription.BOTH)
        self.put(PARIS, Subscription.NONE)

    def put(self, contact: Jid, subscription: Subscription) -> None:
        self.wait(self.plugin("roster").put(ROMEO, contact, subscription=subscription))

    def come(self, jid: str = ORCHARD, content: str = "") -> Client:
        client = self.login(jid)
        client.send(f"<presence>{content}</presence>")
        self.quiet(client)
        return client

    def quiet(self, *clients: Client) -> None:
        for mailbox in (*clients, self.net):
            mailbox.clear()

    def arrives(self, type_: str = "", from_: str = BALCONY, to: str = "romeo@example.org", content: str = "") -> None:
        attribute = f" type='{type_}'" if type_ else ""
        self.net.send(f"<presence{attribute} from='{from_}' to='{to}'>{content}</presence>")

    def error(self, condition: str = "remote-server-timeout", type_: str = "wait") -> str:
        return f"<error type='{type_}'><{condition} xmlns='{STANZAS}'/></error>"


class Coming(RemoteTestCase):
    """4.2 and 4.3.1."""

    def test_by_subscription(self) -> None:
        for subscription, expected in (
            (Subscription.BOTH, (f"<presence from='{ORCHARD}' to='juliet@example.net'/>",
                                 f"<presence type='probe' from='{ORCHARD}' to='juliet@example.net'/>")),
            (Subscription.FROM, (f"<presence from='{ORCHARD}' to='juliet@example.net'/>",)),
            (Subscription.TO, (f"<presence type='probe' from='{ORCHARD}' to='juliet@example.net'/>",)),
            (Subscription.NONE, ()),
        ):  # fmt: skip
            with self.subTest(subscription):
                self.put(JULIET, subscription)
                self.quiet()
                romeo = self.login(ORCHARD)
                romeo.send("<presence/>")
                self.net.expect(*expected)
                self.net.expect_nothing()
                romeo.close()

    def test_neither_told_nor_asked_if_blocked(self) -> None:
        romeo = self.login(ORCHARD)
        romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        romeo.send("<presence/>")
        self.net.expect_nothing()

    def test_each_device_asks_for_itself(self) -> None:
        self.come()
        phone = self.login("romeo@example.org/phone")
        phone.send("<presence/>")
        self.net.expect(
            "<presence from='romeo@example.org/phone'/>", "<presence type='probe' from='romeo@example.org/phone'/>"
        )

    def test_a_huge_roster(self) -> None:
        roster = self.plugin("roster")
        for number in range(500):
            contact = Jid.parse(f"c{number}@example.net")
            self.wait(roster.put(ROMEO, contact, subscription=Subscription.BOTH))
        self.quiet()
        romeo = self.login(ORCHARD)
        romeo.send("<presence/>")
        self.assertEqual(len(self.net.received), 2 * 501)
        for number in range(500):
            self.arrives(from_=f"c{number}@example.net/x")
        self.assertEqual(len([text for text in romeo.received if "/x'" in text]), 500)


class ContactsPresence(RemoteTestCase):
    """4.2.3, 4.4.3, 4.5.3: what comes from contacts."""

    def test_to_every_device_that_is_available(self) -> None:
        romeo, phone = self.come(), self.come("romeo@example.org/phone")
        hidden = self.login("romeo@example.org/hidden")
        self.quiet(romeo, phone, hidden)
        for content in ("", "<show>dnd</show><priority>-1</priority>"):
            self.arrives(content=content)
            for client in (romeo, phone):
                client.expect(f"<presence from='{BALCONY}' to='romeo@example.org'>{content}</presence>")
        self.arrives("unavailable", content="<status>bye</status>")
        for client in (romeo, phone):
            client.expect(f"<presence type='unavailable' from='{BALCONY}'><status>bye</status></presence>")
        hidden.expect_nothing()
        self.net.expect_nothing()

    def test_to_one_device(self) -> None:
        romeo, phone = self.come(), self.come("romeo@example.org/phone")
        self.quiet(romeo, phone)
        self.arrives(to="romeo@example.org/phone")
        phone.expect(f"<presence from='{BALCONY}' to='romeo@example.org/phone'/>")
        romeo.expect_nothing()

    def test_to_nobody(self) -> None:
        """8.5.2.2, 8.5.3.2, 8.5.1: without a word."""
        for to in ("romeo@example.org", "romeo@example.org/gone", "nobody@example.org", "nobody@example.org/x"):
            for type_ in ("", "unavailable"):
                self.arrives(type_, to=to)
        self.net.expect_nothing()

    def test_probes_and_subscriptions_are_not_delivered_as_presence(self) -> None:
        romeo = self.come()
        self.arrives("probe")
        romeo.expect_nothing()

    def test_who_is_blocked_is_not_seen(self) -> None:
        romeo = self.come()
        romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.quiet(romeo)
        for type_ in ("", "unavailable", "probe", "subscribe"):
            self.arrives(type_)
        romeo.expect_nothing()
        self.net.expect_nothing()
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])

    def test_an_unknown_type(self) -> None:
        """4.7.1: it is refused where it begins; what another server has let pass is nobody's presence."""
        self.come()
        self.arrives("lurking")
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])


class Probes(RemoteTestCase):
    """4.3.2."""

    def test_who_may(self) -> None:
        self.come(content="<show>away</show>")
        shown = f"<presence from='{ORCHARD}' to='{{asker}}'><show>away</show></presence>"
        for asker in ("juliet@example.net", BALCONY):
            self.names["asker"] = asker
            for to in ("romeo@example.org", ORCHARD):
                with self.subTest(asker=asker, to=to):
                    self.arrives("probe", asker, to)
                    self.net.expect(shown)
                    self.net.expect_nothing()

    def test_nobody_is_there(self) -> None:
        for to in ("romeo@example.org", "romeo@example.org/gone"):
            self.arrives("probe", to=to)
            self.net.expect(f"<presence type='unavailable' from='{to}' to='{BALCONY}'/>")
        self.login(ORCHARD)  # which is not available
        self.arrives("probe", to=ORCHARD)
        self.net.expect(f"<presence type='unavailable' from='{ORCHARD}' to='{BALCONY}'/>")

    def test_who_may_not(self) -> None:
        """Point 1: "unsubscribed", the same whether there is such an account or not."""
        self.come()
        for asker in ("paris@example.net/x", "tybalt@example.net", "example.net"):
            for account in ("romeo@example.org", "nobody@example.org"):
                for to in (account, f"{account}/orchard"):
                    with self.subTest(asker=asker, to=to):
                        self.arrives("probe", asker, to)
                        bare = asker.partition("/")[0]
                        self.net.expect(f"<presence type='unsubscribed' from='{account}' to='{bare}'/>")
                        self.net.expect_nothing()

    def test_a_room_that_one_is_in(self) -> None:
        """4.6.6: that the device is there, and nothing else."""
        romeo = self.come(content="<show>away</show>")
        romeo.send("<presence to='verona@example.net/romeo'/>")
        self.quiet(romeo)
        self.arrives("probe", "verona@example.net/romeo", ORCHARD)
        self.net.expect(f"<presence from='{ORCHARD}' to='verona@example.net/romeo'/>")
        romeo.send("<presence to='verona@example.net/romeo' type='unavailable'/>")
        self.quiet()
        self.arrives("probe", "verona@example.net/romeo", ORCHARD)
        self.net.expect("<presence type='unsubscribed' from='romeo@example.org' to='verona@example.net'/>")

    def test_our_own_that_says_unsubscribed(self) -> None:
        """Point 1, from the other side: what we believed is put right, and the devices are told."""
        romeo = self.login(ORCHARD)
        romeo.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        self.quiet(romeo)
        self.arrives()
        romeo.clear()
        self.arrives("unsubscribed", "juliet@example.net")
        romeo.expect(
            "<presence type='unsubscribed' from='juliet@example.net'/>",
            "<iq type='set'><query xmlns='jabber:iq:roster' ver='{any}'>"
            "<item jid='juliet@example.net' subscription='from'/></query></iq>",
        )
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])


class Errors(RemoteTestCase):
    """4.4.2 and 4.2.2: answers to presence that was sent."""

    def test_no_more_presence_until_the_next_time(self) -> None:
        for condition, type_ in (("gone", "cancel"), ("remote-server-not-found", "cancel"), ("forbidden", "auth")):
            with self.subTest(condition):
                romeo = self.come()
                self.arrives("error", "juliet@example.net", ORCHARD, self.error(condition, type_))
                romeo.send("<presence><show>away</show></presence>")
                self.net.expect_nothing()
                romeo.send("<presence type='unavailable'/>")
                romeo.send("<presence/>")
                self.net.expect("<presence/>", "<presence type='probe'/>")
                romeo.close()

    def test_one_device_is_as_good_as_another(self) -> None:
        """Each has its own: the contact may have refused what one of them says."""
        romeo, phone = self.come(), self.come("romeo@example.org/phone")
        self.arrives("error", "juliet@example.net", ORCHARD, self.error())
        romeo.send("<presence><show>away</show></presence>")
        self.net.expect_nothing()
        phone.send("<presence><show>away</show></presence>")
        self.net.expect("<presence from='romeo@example.org/phone'><show>away</show></presence>")

    def test_it_is_delivered_to_the_device(self) -> None:
        romeo, phone = self.come(), self.come("romeo@example.org/phone")
        self.quiet(romeo, phone)
        self.arrives("error", "juliet@example.net", ORCHARD, self.error())
        romeo.expect(f"<presence type='error' from='juliet@example.net'>{self.error()}</presence>")
        phone.expect_nothing()

    def test_errors_are_not_answered(self) -> None:
        for to in ("romeo@example.org", ORCHARD, "nobody@example.org"):
            self.arrives("error", to=to, content=self.error())
        self.net.expect_nothing()


class Leaving(RemoteTestCase):
    """4.5."""

    def test_whoever_was_told(self) -> None:
        romeo = self.come()
        romeo.send("<presence to='verona@example.net/romeo'/><presence to='juliet@example.net/balcony'/>")
        self.quiet()
        romeo.disconnect()
        self.net.expect_all(
            f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.net'/>",
            f"<presence type='unavailable' from='{ORCHARD}' to='verona@example.net/romeo'/>",
        )
        self.net.expect_nothing()

    def test_when_an_account_is_blocked(self) -> None:
        """XEP-0191 3.3."""
        romeo = self.come()
        romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.net.expect(f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.net'/>")
        romeo.close()
        self.net.expect_nothing()


class Asked(RemoteTestCase):
    """Who may know what: those who see the presence (XEP-0012 4, XEP-0030 8); a vCard is for everybody (XEP-0054)."""

    plugins = ("roster", "presence", "disco", "vcard", "last", "version", "entity_time", "ping")

    def asks(self, content: str, by: str, to: str) -> Any:
        self.quiet()
        self.net.send(f"<iq type='get' id='q' from='{by}' to='{to}'>{content}</iq>")
        self.pump()
        return self.net.received[0] if self.net.received else ""

    def test_accounts(self) -> None:
        romeo = self.come()
        romeo.send("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>")
        info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        items = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
        last = "<query xmlns='jabber:iq:last'/>"
        vcard = "<vCard xmlns='vcard-temp'/>"
        version = "<query xmlns='jabber:iq:version'/>"
        for content, friend, stranger, nobody in (
            (info, "type='registered'", "service-unavailable", "service-unavailable"),
            (items, "/orchard'", "disco#items'/>", "disco#items'/>"),
            (last, "seconds='0'", "forbidden", "forbidden"),
            (vcard, "<FN>Romeo</FN>", "<FN>Romeo</FN>", "service-unavailable"),
            (version, "service-unavailable", "service-unavailable", "service-unavailable"),
        ):
            for by, to, expected in (
                (BALCONY, "romeo", friend),
                ("paris@example.net/x", "romeo", stranger),
                ("paris@example.net/x", "nobody", nobody),
            ):
                with self.subTest(content=content, by=by, to=to):
                    self.assertIn(expected, self.asks(content, by, f"{to}@example.org"))

    def test_devices(self) -> None:
        """The client decides, but for last activity (XEP-0012 4)."""
        romeo = self.come()
        self.asks("<query xmlns='jabber:iq:version'/>", "paris@example.net/x", ORCHARD)
        romeo.expect("<iq type='get' from='paris@example.net/x'><query xmlns='jabber:iq:version'/></iq>")
        last = "<query xmlns='jabber:iq:last'/>"
        self.assertIn("forbidden", self.asks(last, "paris@example.net/x", ORCHARD))
        romeo.expect_nothing()
        self.asks(last, BALCONY, ORCHARD)
        romeo.expect(f"<iq type='get' from='{BALCONY}'>{last}</iq>")

    def test_the_server(self) -> None:
        for content, expected in (
            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "category='server'"),
            ("<query xmlns='jabber:iq:version'/>", "<name>xmppd</name>"),
            ("<time xmlns='urn:xmpp:time'/>", "<tzo>"),
            ("<ping xmlns='urn:xmpp:ping'/>", "type='result'"),
        ):
            with self.subTest(content):
                self.assertIn(expected, self.asks(content, "paris@example.net/x", "example.org"))
