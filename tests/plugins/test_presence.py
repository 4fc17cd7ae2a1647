"""RFC 6121 section 4: who is told of whose presence."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from xmppd.api import IDatabase, Subscription
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.org")
PARIS = Jid.parse("paris@example.net")


class PresenceTestCase(ServerTestCase):
    plugins: ClassVar[tuple[str, ...]] = ("roster", "presence")

    def put(self, account: Jid, contact: Jid, subscription: Subscription) -> None:
        self.wait(self.plugin("roster").put(account, contact, subscription=subscription))

    def befriend(self, a: Jid = ROMEO, b: Jid = JULIET) -> None:
        for account, contact in ((a, b), (b, a)):
            self.account(account)
            self.put(account, contact, Subscription.BOTH)

    def come(self, jid: str) -> Client:
        client = self.login(jid, presence=True)
        client.clear()
        return client


class OwnDevices(PresenceTestCase):
    def test_a_device_sees_itself(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for show in ("away", "dnd"):
            romeo.send(f"<presence id='{show}'><show>{show}</show></presence>")
            romeo.expect(
                f"<presence id='{show}' from='{{romeo}}' to='romeo@example.org'><show>{show}</show></presence>"
            )
        romeo.send("<presence type='unavailable'/>")
        romeo.expect("<presence type='unavailable' from='{romeo}' to='romeo@example.org'/>")
        romeo.expect_nothing()

    def test_devices_see_each_other(self) -> None:
        phone = self.come("romeo@example.org/phone")
        self.login("romeo@example.org/idle")
        desk = self.login("romeo@example.org/desk")
        desk.send("<presence><priority>5</priority></presence>")
        own = "<presence from='romeo@example.org/desk'><priority>5</priority></presence>"
        desk.expect(own, "<presence from='romeo@example.org/phone' to='romeo@example.org/desk'/>")
        phone.expect(own)
        desk.send("<presence/>")
        desk.expect("<presence from='romeo@example.org/desk'/>")
        desk.expect_nothing()
        phone.clear()
        desk.disconnect()
        phone.expect("<presence type='unavailable' from='romeo@example.org/desk'/>")
        phone.expect_nothing()

    def test_a_device_that_is_unavailable_sees_nothing(self) -> None:
        phone, desk = self.come("romeo@example.org/phone"), self.come("romeo@example.org/desk")
        phone.send("<presence type='unavailable'/>")
        phone.clear()
        desk.send("<presence><show>away</show></presence>")
        phone.expect_nothing()


class Broadcast(PresenceTestCase):
    """4.2, 4.4, 4.5."""

    def setUp(self) -> None:
        super().setUp()
        self.befriend()
        self.juliet = self.come("juliet@example.org/balcony")

    def test_from_coming_to_leaving(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.juliet.expect_nothing()
        romeo.send("<presence xml:lang='en' id='p1'><status>Hi</status></presence>")
        romeo.expect(
            "<presence from='{romeo}'><status>Hi</status></presence>", "<presence from='{juliet}' to='{romeo}'/>"
        )
        romeo.expect_nothing()
        self.juliet.expect(
            "<presence id='p1' xml:lang='en' from='{romeo}' to='juliet@example.org'><status>Hi</status></presence>"
        )
        romeo.send("<presence><show>away</show></presence>")
        self.juliet.expect("<presence from='{romeo}'><show>away</show></presence>")
        romeo.send("<presence type='unavailable'><status>bye</status></presence>")
        self.juliet.expect("<presence type='unavailable' from='{romeo}'><status>bye</status></presence>")
        romeo.close()
        self.juliet.expect_nothing()

    def test_a_lost_connection_counts_as_leaving(self) -> None:
        romeo = self.come("romeo@example.org/orchard")
        self.juliet.clear()
        romeo.disconnect()
        self.juliet.expect("<presence type='unavailable' from='{romeo}' to='juliet@example.org'/>")
        self.juliet.expect_nothing()

    def test_every_device_of_a_contact_is_told_and_shown(self) -> None:
        phone = self.come("juliet@example.org/phone")
        self.juliet.clear()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>")
        romeo.expect_all("<presence from='{juliet}'/>", "<presence from='{juliet_phone}'/>")
        for device in (self.juliet, phone):
            device.expect("<presence from='{romeo}'/>")
            device.expect_nothing()

    def test_only_subscribers_are_told(self) -> None:
        for name, subscription in (("to", Subscription.TO), ("none", Subscription.NONE), ("from", Subscription.FROM)):
            self.account(f"{name}@example.org")
            self.put(ROMEO, Jid.parse(f"{name}@example.org"), subscription)
        watchers = {name: self.come(f"{name}@example.org/x") for name in ("to", "none", "from")}
        romeo = self.come("romeo@example.org/orchard")
        romeo.send("<presence><show>dnd</show></presence>")
        romeo.close()
        for name in ("to", "none"):
            self.assertNotIn("<show>", "".join(watchers[name].received))
        watchers["from"].expect(
            "<presence from='{romeo}'/>",
            "<presence from='{romeo}'><show>dnd</show></presence>",
            "<presence type='unavailable' from='{romeo}'/>",
        )

    def test_only_contacts_that_allow_it_are_shown(self) -> None:
        self.put(JULIET, ROMEO, Subscription.TO)
        self.juliet.clear()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>")
        romeo.expect_nothing()
        # The probe was answered with "unsubscribed", which puts right what Romeo's side believed.
        self.assertEqual(self.plugin("roster").cached(ROMEO).items[JULIET].subscription, Subscription.FROM)

    def test_a_contact_who_is_not_there_is_not_shown(self) -> None:
        self.juliet.close()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>")
        romeo.expect_nothing()

    def test_coming_back_is_initial_presence_again(self) -> None:
        romeo = self.come("romeo@example.org/orchard")
        romeo.send("<presence type='unavailable'/>")
        romeo.clear()
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>", "<presence from='{juliet}'/>")

    def test_leaving_without_having_come_tells_nobody(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence type='unavailable'/>")
        romeo.close()
        self.juliet.expect_nothing()

    def test_leaving_while_the_roster_is_read(self) -> None:
        rosters = self.plugin("roster")._rosters
        romeo = self.login("romeo@example.org/orchard")
        rosters._forget(ROMEO)
        database = rosters._db
        rosters._db = slow = Slow(database)
        romeo.send("<presence/>")
        romeo.disconnect()
        rosters._db = database
        slow.waiting.callback(None)
        self.pump()
        self.assertEqual(self.host.sessions(ROMEO), ())
        seen = [xml for xml in self.juliet.received if "from='romeo" in xml]
        self.assertTrue(not seen or "unavailable" in seen[-1], seen)

    def test_a_session_that_ends_first_is_never_shown(self) -> None:
        rosters = self.plugin("roster")._rosters
        romeo = self.login("romeo@example.org/orchard")
        session = self.host.session(Jid.parse("romeo@example.org/orchard"))
        assert session is not None
        rosters._forget(ROMEO)
        database = rosters._db
        rosters._db = slow = Slow(database)
        romeo.send("<presence/>")
        session.presence = None
        rosters._db = database
        slow.waiting.callback(None)
        self.pump()
        self.juliet.expect_nothing()

    def test_a_domain_in_the_roster_does_no_harm(self) -> None:
        for domain in ("example.org", "example.com"):
            self.put(ROMEO, Jid.parse(domain), Subscription.BOTH)
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>", "<presence from='{juliet}'/>")
        romeo.close()


class Slow:
    """A database whose reads take until the test says so."""

    def __init__(self, database: IDatabase) -> None:
        self.waiting: Deferred[None] = Deferred()
        self._database = database

    def read(self, fn: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.addCallback(lambda _: self._database.read(fn).chainDeferred(done))
        return done


class OtherServers(PresenceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        self.put(ROMEO, PARIS, Subscription.BOTH)
        self.other = self.remote("example.net")
        self.romeo = self.login("romeo@example.org/orchard")

    def test_contacts_are_told_and_asked(self) -> None:
        self.romeo.send("<presence/>")
        self.other.expect(
            "<presence from='{romeo}' to='paris@example.net'/>",
            "<presence type='probe' from='{romeo}' to='paris@example.net'/>",
        )
        self.romeo.send("<presence><show>away</show></presence>")
        self.other.expect("<presence from='{romeo}' to='paris@example.net'><show>away</show></presence>")
        self.romeo.close()
        self.other.expect("<presence type='unavailable' from='{romeo}' to='paris@example.net'/>")
        self.other.expect_nothing()

    def test_who_answers_with_an_error_is_told_no_more(self) -> None:
        self.romeo.send("<presence/>")
        self.other.clear()
        error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.other.send(f"<presence type='error' from='paris@example.net' to='{{romeo}}'>{error}</presence>")
        self.romeo.send("<presence><show>away</show></presence>")
        self.other.expect_nothing()
        with self.subTest("until other presence comes"):
            self.other.send("<presence from='paris@example.net/x' to='romeo@example.org'/>")
            self.romeo.send("<presence><show>dnd</show></presence>")
            self.other.expect("<presence from='{romeo}'><show>dnd</show></presence>")
        self.other.send(f"<presence type='error' from='paris@example.net' to='{{romeo}}'>{error}</presence>")
        self.romeo.send("<presence type='unavailable'/>")
        self.other.expect_nothing()
        self.romeo.send("<presence/>")
        self.other.expect("<presence from='{romeo}'/>", "<presence type='probe' from='{romeo}'/>")

    def test_errors_of_strangers_are_not_remembered(self) -> None:
        self.romeo.send("<presence/>")
        self.other.send("<presence type='error' from='tybalt@example.net' to='{romeo}'/>")
        self.assertFalse(self.plugin("presence")._directed.any_refused)

    def test_what_is_remembered_of_errors_goes_with_the_session(self) -> None:
        self.romeo.send("<presence/>")
        self.other.send("<presence type='error' from='paris@example.net' to='{romeo}'/>")
        self.other.send("<presence to='hermia@example.org' type='error' from='paris@example.net'/>")
        self.assertTrue(self.plugin("presence")._directed.any_refused)
        self.romeo.close()
        self.assertFalse(self.plugin("presence")._directed.any_refused)


class Probes(PresenceTestCase):
    """4.3."""

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        self.put(ROMEO, PARIS, Subscription.FROM)
        self.other = self.remote("example.net")

    def probe(self, to: str = "romeo@example.org", from_: str = "paris@example.net") -> None:
        self.other.clear()
        self.other.send(f"<presence type='probe' id='p' from='{from_}' to='{to}'/>")

    def test_the_last_presence_of_each_device(self) -> None:
        phone, desk = self.come("romeo@example.org/phone"), self.come("romeo@example.org/desk")
        self.login("romeo@example.org/idle")
        desk.send("<presence id='d'><show>away</show></presence>")
        phone.clear()
        self.probe(from_="paris@example.net/home")
        self.other.expect_all(
            "<presence from='romeo@example.org/phone' to='paris@example.net/home'/>",
            "<presence from='romeo@example.org/desk' to='paris@example.net/home' id='d'><show>away</show></presence>",
        )
        self.other.expect_nothing()
        phone.expect_nothing()

    def test_nobody_is_there(self) -> None:
        self.plugin("roster")._rosters._forget(ROMEO)
        self.probe()
        self.other.expect("<presence type='unavailable' from='romeo@example.org' to='paris@example.net'/>")

    def test_one_device(self) -> None:
        self.come("romeo@example.org/phone"), self.come("romeo@example.org/desk")
        self.probe(to="romeo@example.org/desk")
        self.other.expect("<presence from='romeo@example.org/desk' to='paris@example.net'/>")
        self.other.expect_nothing()
        self.probe(to="romeo@example.org/gone")
        self.other.expect("<presence type='unavailable' from='romeo@example.org/gone'/>")

    def test_who_is_not_subscribed(self) -> None:
        self.come("romeo@example.org/phone")
        for subscription in (Subscription.TO, Subscription.NONE):
            self.put(ROMEO, PARIS, subscription)
            for to in ("romeo@example.org", "romeo@example.org/phone"):
                self.probe(to)
                self.other.expect("<presence type='unsubscribed' from='romeo@example.org' to='paris@example.net'/>")
                self.other.expect_nothing()

    def test_a_stranger_learns_nothing_of_who_exists(self) -> None:
        for account in ("romeo", "nobody"):
            self.probe(f"{account}@example.org/x", from_="tybalt@example.net/y")
            self.other.expect(f"<presence type='unsubscribed' from='{account}@example.org' to='tybalt@example.net'/>")
            self.other.expect_nothing()

    def test_ones_own_account(self) -> None:
        phone = self.come("romeo@example.org/phone")
        phone.send("<presence type='probe' to='romeo@example.org'/>")
        phone.expect("<presence from='romeo@example.org/phone' to='romeo@example.org/phone'/>")


class Hosts(PresenceTestCase):
    hosts: ClassVar = ("example.org", "example.com")

    def test_contacts_on_another_host_of_the_server(self) -> None:
        nurse = Jid.parse("nurse@example.com")
        self.account("nurse@example.com")
        self.account("romeo@example.org")
        self.put(ROMEO, nurse, Subscription.BOTH)
        other = self.server.server.hosts["example.com"].registry.get("roster")
        assert other is not None
        self.wait(other.put(nurse, ROMEO, subscription=Subscription.BOTH))  # type: ignore[attr-defined]
        there = self.come("nurse@example.com/hall")
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>", "<presence from='{nurse}' to='{romeo}'/>")
        there.expect("<presence from='{romeo}'/>")
        romeo.close()
        there.expect("<presence type='unavailable' from='{romeo}'/>")
        there.close()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect("<presence from='{romeo}'/>")
        romeo.expect_nothing()


class Directed(PresenceTestCase):
    """4.6."""

    def setUp(self) -> None:
        super().setUp()
        self.room = self.remote("rooms.example.org")
        self.romeo = self.login("romeo@example.org/orchard")

    def enter(self, nick: str = "r") -> None:
        self.romeo.send(f"<presence to='verona@rooms.example.org/{nick}'><x xmlns='urn:example:muc'/></presence>")
        self.room.expect("<presence from='{romeo}'><x xmlns='urn:example:muc'/></presence>")

    def test_who_got_directed_presence_is_told_of_the_end_and_nothing_else(self) -> None:
        self.romeo.send("<presence/>")
        self.enter()
        self.romeo.send("<presence><show>away</show></presence>")
        self.room.expect_nothing()
        self.romeo.send("<presence type='unavailable'><status>bye</status></presence>")
        self.room.expect(
            "<presence type='unavailable' from='{romeo}' to='verona@rooms.example.org/r'>"
            "<status>bye</status></presence>"
        )
        self.romeo.close()
        self.room.expect_nothing()

    def test_a_lost_connection(self) -> None:
        self.romeo.send("<presence/>")
        self.enter()
        self.enter("other")
        self.romeo.disconnect()
        self.room.expect_all(
            *(f"<presence type='unavailable' to='verona@rooms.example.org/{n}'/>" for n in ("r", "other"))
        )
        self.room.expect_nothing()

    def test_a_device_that_was_never_available(self) -> None:
        self.enter()
        self.romeo.disconnect()
        self.room.expect("<presence type='unavailable' from='{romeo}' to='verona@rooms.example.org/r'/>")

    def test_leaving_without_ever_having_been_available(self) -> None:
        self.enter()
        self.romeo.send("<presence type='unavailable'/>")
        self.room.expect("<presence type='unavailable' from='{romeo}' to='verona@rooms.example.org/r'/>")

    def test_who_was_told_already_is_not_told_twice(self) -> None:
        self.romeo.send("<presence/>")
        self.enter()
        self.romeo.send("<presence to='verona@rooms.example.org/r' type='unavailable'/>")
        self.room.expect("<presence type='unavailable'/>")
        self.romeo.close()
        self.room.expect_nothing()

    def test_a_subscriber_is_told_once(self) -> None:
        self.befriend()
        juliet = self.come("juliet@example.org/balcony")
        self.romeo.send("<presence/>")
        self.romeo.send("<presence to='juliet@example.org'><status>psst</status></presence>")
        self.romeo.send("<presence to='{juliet}'><status>psst</status></presence>")
        juliet.clear()
        self.romeo.close()
        juliet.expect("<presence type='unavailable' from='{romeo}'/>")
        juliet.expect_nothing()

    def test_who_refuses_needs_no_good_bye(self) -> None:
        self.romeo.send("<presence/>")
        self.enter()
        self.room.send("<presence type='error' from='verona@rooms.example.org/r' to='{romeo}'/>")
        self.romeo.expect("<presence from='{romeo}'/>", "<presence type='error' from='verona@rooms.example.org/r'/>")
        self.romeo.close()
        self.room.expect_nothing()

    def test_who_has_left_needs_no_good_bye(self) -> None:
        self.romeo.send("<presence/>")
        self.enter()
        self.room.send("<presence type='unavailable' from='verona@rooms.example.org/r' to='{romeo}'/>")
        self.romeo.close()
        self.room.expect_nothing()

    def test_a_probe_from_who_knows_of_the_device(self) -> None:
        self.romeo.send("<presence><status>secret</status></presence>")
        self.enter()
        self.room.send("<presence type='probe' from='verona@rooms.example.org/r' to='{romeo}'/>")
        self.room.expect("<presence from='{romeo}' to='verona@rooms.example.org/r'/>")
        self.room.send("<presence type='probe' from='milan@rooms.example.org' to='{romeo}'/>")
        self.room.expect("<presence type='unsubscribed' from='romeo@example.org' to='milan@rooms.example.org'/>")

    def test_to_ones_own_devices_nothing_is_remembered(self) -> None:
        self.romeo.send("<presence to='romeo@example.org'/>")
        self.assertEqual(self.plugin("presence")._directed._recipients, {})


class ManyRooms(Directed):
    config: ClassVar = {"presence": {"directed": 2}}

    def test_only_so_many(self) -> None:
        self.enter("a")
        self.enter("b")
        self.romeo.send("<presence to='verona@rooms.example.org/c' id='c'/>")
        self.romeo.expect(
            "<presence type='error' id='c' from='verona@rooms.example.org/c'><error type='wait'>"
            "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>"
        )
        self.enter("b")
        self.romeo.send("<presence to='verona@rooms.example.org/a' type='unavailable'/>")
        self.room.expect("<presence type='unavailable'/>")
        self.enter("c")


class Blocked(PresenceTestCase):
    """XEP-0191 with the plugin that keeps the lists."""

    plugins: ClassVar[tuple[str, ...]] = ("roster", "presence", "blocking")

    def test_presence_does_not_pass_in_either_direction(self) -> None:
        self.befriend()
        romeo, juliet = self.come("romeo@example.org/orchard"), self.come("juliet@example.org/balcony")
        romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.org'/></block></iq>"
        )
        juliet.clear()
        romeo.clear()
        romeo.send("<presence><show>away</show></presence>")
        juliet.send("<presence><show>dnd</show></presence>")
        juliet.expect("<presence from='{juliet}'><show>dnd</show></presence>")
        romeo.expect("<presence from='{romeo}'><show>away</show></presence>")
        for client in (juliet, romeo):
            client.send("<presence type='unavailable'/>")
            client.clear()
            client.send("<presence/>")
            client.expect("<presence from='{any}'/>")
            client.expect_nothing()
        juliet.expect_nothing()
