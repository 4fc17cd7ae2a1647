"""RFC 6121 sections 2 and 3 with contacts on other servers, by its sections."""

from __future__ import annotations

from xmppd.api import ServerReachable, Subscription
from xmppd.plugins.roster.rules import State
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

NS = "jabber:iq:roster"
ROMEO, JULIET = Jid.parse("romeo@example.org"), Jid.parse("juliet@example.net")
ORCHARD = "romeo@example.org/orchard"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def push(item: str) -> str:
    return f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'>{item}</query></iq>"


def item(subscription: str, more: str = "") -> str:
    return push(f"<item jid='juliet@example.net' subscription='{subscription}'{more}/>")


class RemoteTestCase(ServerTestCase):
    """Romeo is here, Juliet on example.net."""

    plugins = ("roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.net = self.remote("example.net")
        self.romeo = self.come(ORCHARD)

    def come(self, jid: str) -> Client:
        """Return a client that is interested and available."""
        client = self.login(jid)
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq><presence/>")
        client.clear()
        return client

    def begin(self, state: State, approved: bool = False) -> None:
        """Bring Juliet into a state in Romeo's roster."""
        if state.subscription is not Subscription.NONE:
            self.wait(self.plugin("roster").put(ROMEO, JULIET, subscription=state.subscription))
        if state.pending_out:
            self.out("subscribe")
        if state.pending_in:
            self.into("subscribe")
        if approved:
            self.out("subscribed")
        self.assertIs(self.state, state)
        self.romeo.clear()
        self.net.clear()

    @property
    def state(self) -> State:
        state = self.wait(self.plugin("roster").load(ROMEO)).state(JULIET)
        assert isinstance(state, State)
        return state

    def out(self, type_: str, to: str = "juliet@example.net") -> None:
        self.romeo.send(f"<presence to='{to}' type='{type_}' id='o'/>")

    def into(self, type_: str, from_: str = "juliet@example.net", to: str = "romeo@example.org") -> None:
        self.net.send(f"<presence from='{from_}' to='{to}' type='{type_}' id='i'/>")

    def gets(self, type_: str, id_: str = "o") -> None:
        """Juliet's server gets a stanza from bare address to bare address."""
        self.net.expect(f"<presence type='{type_}' id='{id_}' from='romeo@example.org' to='juliet@example.net'/>")


class Asking(RemoteTestCase):
    """3.1.2."""

    def test_stamped_and_pushed(self) -> None:
        for to in ("juliet@example.net", "juliet@example.net/balcony"):
            self.out("subscribe", to)
            self.gets("subscribe")
        self.romeo.expect(item("none", " ask='subscribe'"))
        self.romeo.expect_nothing()

    def test_what_it_says_goes_along(self) -> None:
        self.romeo.send("<presence to='juliet@example.net' type='subscribe'><status>It is me</status></presence>")
        self.net.expect("<presence type='subscribe'><status>It is me</status></presence>")

    def test_an_acknowledgement_says_nothing_of_presence(self) -> None:
        """3.1.3, point 3: unavailable presence from the bare address may say that the request has come."""
        self.begin(State.NONE_OUT)
        self.into("unavailable")
        self.romeo.expect("<presence type='unavailable' from='juliet@example.net'/>")
        self.assertIs(self.state, State.NONE_OUT)

    def test_errors(self) -> None:
        """The one who asked is told, the request stays: it is sent again when there is a chance."""
        for condition, type_ in (
            ("remote-server-not-found", "cancel"), ("remote-server-timeout", "wait"), ("service-unavailable", "cancel"),
            ("item-not-found", "cancel"),
        ):  # fmt: skip
            with self.subTest(condition):
                self.out("subscribe")
                self.romeo.clear()
                error = f"<error type='{type_}'><{condition} xmlns='{STANZAS}'/></error>"
                self.net.send(
                    f"<presence type='error' id='o' from='juliet@example.net' to='romeo@example.org'>{error}</presence>"
                )
                self.romeo.expect(
                    f"<presence type='error' id='o' from='juliet@example.net' to='romeo@example.org'>{error}</presence>"
                )
                self.assertIs(self.state, State.NONE_OUT)

    def test_asked_again_when_the_server_is_found(self) -> None:
        self.begin(State.NONE_OUT)
        self.romeo.send("<presence to='paris@example.com' type='subscribe'/>")
        self.romeo.clear()
        for _ in range(3):
            self.host.notify(ServerReachable(Jid.parse("example.net")))
        self.pump(1)
        again = [text for text in self.net.received if "subscribe" in text]
        self.assertEqual(len(again), 1)
        self.romeo.expect_nothing()
        with self.subTest("and the error of that is nobody's business"):
            id_ = again[0].split(" id='")[1].split("'")[0]
            self.net.send(f"<presence type='error' id='{id_}' from='juliet@example.net' to='romeo@example.org'/>")
            self.romeo.expect_nothing()

    def test_not_too_fast(self) -> None:
        """again_per_second."""
        self.wait(self.host.registry.reconfigure("roster", {"again_per_second": 20}))
        for number in range(5):
            client = self.come(f"r{number}@example.org/x")
            client.send("<presence to='juliet@example.net' type='subscribe'/>")
        self.net.clear()
        self.host.notify(ServerReachable(Jid.parse("example.net")))
        self.clock.advance(0)
        self.assertEqual(sum("'subscribe'" in text for text in self.net.received), 1)
        self.pump(1, step=0.05)
        self.assertEqual(sum("'subscribe'" in text for text in self.net.received), 5)


class Asked(RemoteTestCase):
    """3.1.3."""

    def test_to_every_device_that_is_available(self) -> None:
        phone = self.login("romeo@example.org/phone", presence=True)
        hidden = self.login("romeo@example.org/hidden")
        self.romeo.clear()
        self.into("subscribe", from_="juliet@example.net/balcony", to="romeo@example.org/nowhere")
        for client in (self.romeo, phone):
            client.expect("<presence type='subscribe' id='i' from='juliet@example.net' to='romeo@example.org'/>")
        hidden.expect_nothing()
        self.net.expect_nothing()
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})

    def test_asking_again_while_there_is_no_answer(self) -> None:
        for _ in range(3):
            self.into("subscribe")
        self.romeo.expect("<presence type='subscribe'/>")
        self.romeo.expect_nothing()
        self.net.expect_nothing()

    def test_kept_complete_until_there_is_an_answer(self) -> None:
        self.romeo.close()
        self.net.clear()
        text = "<status>Juliet, of course</status><x xmlns='urn:example:proof'>1</x>"
        self.net.send(f"<presence type='subscribe' from='juliet@example.net' to='romeo@example.org'>{text}</presence>")
        self.into("subscribe")
        self.restart()
        self.net = self.remote("example.net")
        for _ in range(2):
            client = self.login("romeo@example.org/new")
            client.send("<presence/>")
            client.expect_all(
                "<presence from='romeo@example.org/new'/>",
                f"<presence type='subscribe' from='juliet@example.net'>{text}</presence>",
            )
            client.expect_nothing()
            client.close()

    def test_who_is_subscribed_is_answered_for_the_user(self) -> None:
        """3.1.3, point 2."""
        for state in (State.FROM, State.BOTH, State.FROM_OUT):
            with self.subTest(state):
                self.begin(state)
                self.into("subscribe", from_="juliet@example.net/balcony")
                self.gets("subscribed", "i")
                self.net.expect(f"<presence from='{ORCHARD}' to='juliet@example.net'/>")
                self.romeo.expect_nothing()
                self.wait(self.plugin("roster").remove(ROMEO, JULIET))

    def test_approved_in_advance(self) -> None:
        """3.4.2."""
        for state, after in ((State.NONE, "from"), (State.TO, "both"), (State.NONE_OUT, "from' ask='subscribe")):
            with self.subTest(state):
                self.begin(state, approved=True)
                self.into("subscribe")
                self.gets("subscribed", "i")
                self.net.expect(f"<presence from='{ORCHARD}' to='juliet@example.net'/>")
                self.romeo.expect(item(after))
                self.romeo.expect_nothing()
                self.wait(self.plugin("roster").remove(ROMEO, JULIET))

    def test_the_approval_in_advance_is_not_sent(self) -> None:
        self.out("subscribed")
        self.net.expect_nothing()
        self.romeo.expect(push("<item jid='juliet@example.net' subscription='none' approved='true'/>"))


class Answering(RemoteTestCase):
    """3.1.4 to 3.1.6."""

    def test_approving(self) -> None:
        self.romeo.send("<presence><show>away</show></presence>")
        self.begin(State.NONE_IN)
        self.out("subscribed", "juliet@example.net/balcony")
        self.gets("subscribed")
        self.net.expect(f"<presence from='{ORCHARD}' to='juliet@example.net'><show>away</show></presence>")
        self.romeo.expect(item("from"))

    def test_denying(self) -> None:
        self.begin(State.NONE_IN)
        self.out("unsubscribed")
        self.gets("unsubscribed")
        self.net.expect_nothing()
        self.romeo.expect_nothing()

    def test_being_approved(self) -> None:
        idle = self.login("romeo@example.org/idle", presence=True)
        self.romeo.clear()
        for state, after in ((State.NONE_OUT, "to"), (State.FROM_OUT, "both")):
            with self.subTest(state):
                self.begin(state)
                self.into("subscribed", from_="juliet@example.net/balcony", to=ORCHARD)
                self.romeo.expect(
                    "<presence type='subscribed' id='i' from='juliet@example.net' to='romeo@example.org'/>", item(after)
                )
                self.net.expect_nothing()
                self.wait(self.plugin("roster").remove(ROMEO, JULIET))
        self.assertNotIn("subscribed", "".join(idle.received))

    def test_being_approved_by_somebody_who_was_not_asked(self) -> None:
        for state in (State.NONE, State.TO, State.FROM, State.BOTH):
            with self.subTest(state):
                self.begin(state)
                self.into("subscribed")
                self.romeo.expect_nothing()
                self.assertIs(self.state, state)
                self.wait(self.plugin("roster").remove(ROMEO, JULIET))


class Ending(RemoteTestCase):
    """3.2 and 3.3."""

    def leaves(self) -> None:
        self.net.expect(f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.net'/>")

    def test_taking_it_back(self) -> None:
        self.begin(State.BOTH)
        self.out("unsubscribed", "juliet@example.net/balcony")
        self.leaves()
        self.gets("unsubscribed")
        self.romeo.expect(item("to"))
        self.romeo.send("<presence><show>dnd</show></presence>")
        self.net.expect_nothing()

    def test_having_it_taken_back(self) -> None:
        self.begin(State.BOTH)
        self.into("unsubscribed", from_="juliet@example.net/x")
        self.romeo.expect("<presence type='unsubscribed' from='juliet@example.net'/>", item("from"))
        self.net.expect_nothing()

    def test_unsubscribing(self) -> None:
        self.begin(State.BOTH)
        self.out("unsubscribe", "juliet@example.net/balcony")
        self.gets("unsubscribe")
        self.romeo.expect(item("from"))

    def test_being_unsubscribed_from(self) -> None:
        self.begin(State.BOTH)
        self.into("unsubscribe", from_="juliet@example.net/x")
        self.romeo.expect("<presence type='unsubscribe' from='juliet@example.net'/>", item("to"))
        self.leaves()
        self.net.expect_nothing()

    def test_a_request_that_is_taken_back(self) -> None:
        self.begin(State.NONE_IN)
        self.into("unsubscribe")
        self.assertIs(self.state, State.NONE)
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).requests, {})

    def test_removing_the_contact(self) -> None:
        """2.5.2."""
        self.begin(State.BOTH)
        removal = "<item jid='juliet@example.net' subscription='remove'/>"
        self.romeo.send(f"<iq type='set' id='x'><query xmlns='{NS}'>{removal}</query></iq>")
        self.romeo.expect(item("remove"), "<iq type='result' id='x'/>")
        self.leaves()
        self.net.expect("<presence type='unsubscribe'/>", "<presence type='unsubscribed'/>")
        self.net.expect_nothing()

    def test_removing_who_was_asked(self) -> None:
        self.begin(State.NONE_OUT_IN)
        self.wait(self.plugin("roster").remove(ROMEO, JULIET))
        self.net.expect("<presence type='unsubscribe'/>", "<presence type='unsubscribed'/>")

    def test_an_account_that_is_deleted(self) -> None:
        for number, subscription in enumerate(("to", "from", "none")):
            contact = Jid.parse(f"c{number}@example.net")
            self.wait(self.plugin("roster").put(ROMEO, contact, subscription=Subscription(subscription)))
        self.into("subscribe", from_="nurse@example.net")
        self.begin(State.BOTH)
        self.wait(self.host.delete_account(ROMEO))
        self.net.expect_all(
            f"<presence type='unavailable' from='{ORCHARD}' to='juliet@example.net'/>",
            f"<presence type='unavailable' from='{ORCHARD}' to='c1@example.net'/>",
            *(
                f"<presence type='unsubscribe' from='romeo@example.org' to='{c}@example.net'/>"
                for c in ("juliet", "c0")
            ),
            *(
                f"<presence type='unsubscribed' from='romeo@example.org' to='{c}@example.net'/>"
                for c in ("juliet", "c1", "nurse")
            ),
        )
        self.net.expect_nothing()
        with self.subTest("and who didn't hear of it is told when he asks"):
            self.net.send("<presence type='probe' from='juliet@example.net' to='romeo@example.org'/>")
            self.net.expect("<presence type='unsubscribed' from='romeo@example.org' to='juliet@example.net'/>")
            self.net.expect_nothing()
