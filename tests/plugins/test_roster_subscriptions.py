"""RFC 6121 section 3: presence subscriptions, between accounts of one server and with another server."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.api import Subscription
from xmppd.plugins.roster.rules import TYPES, State
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

NS = "jabber:iq:roster"
ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.org")


def push(item: str) -> str:
    return f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'>{item}</query></iq>"


class SubscriptionTestCase(ServerTestCase):
    plugins = ("roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.come("romeo@example.org/orchard")
        self.account("juliet@example.org")

    def come(self, jid: str) -> Client:
        """Return a client that is interested and available."""
        client = self.login(jid)
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq><presence/>")
        client.clear()
        return client

    def set(self, client: Client, item: str) -> None:
        client.send(f"<iq type='set' id='x'><query xmlns='{NS}'>{item}</query></iq>")

    def state(self, account: Jid, contact: Jid) -> State:
        state = self.wait(self.plugin("roster").load(account)).state(contact)
        assert isinstance(state, State)
        return state

    def put(self, account: Jid, contact: Jid, subscription: Subscription) -> None:
        self.wait(self.plugin("roster").put(account, contact, subscription=subscription))

    def befriend(self) -> None:
        self.put(ROMEO, JULIET, Subscription.BOTH)
        self.put(JULIET, ROMEO, Subscription.BOTH)
        self.romeo.clear()


class Requests(SubscriptionTestCase):
    """3.1: asking."""

    def test_asking(self) -> None:
        juliet, idle = self.come("juliet@example.org/balcony"), self.login("juliet@example.org/idle")
        self.romeo.send("<presence to='juliet@example.org' type='subscribe' id='s1'/>")
        self.romeo.expect(push("<item jid='juliet@example.org' subscription='none' ask='subscribe'/>"))
        juliet.expect(
            "<presence type='subscribe' id='s1' from='romeo@example.org' to='juliet@example.org'/>",
        )
        juliet.expect_nothing()
        idle.expect_nothing()

    def test_asking_a_full_address_is_asking_the_account(self) -> None:
        juliet = self.come("juliet@example.org/balcony")
        self.romeo.send("<presence to='juliet@example.org/chamber' type='subscribe' id='s1'/>")
        self.romeo.expect(push("<item jid='juliet@example.org' subscription='none' ask='subscribe'/>"))
        juliet.expect("<presence type='subscribe' from='romeo@example.org' to='juliet@example.org'/>")

    def test_asking_again_is_delivered_once(self) -> None:
        juliet = self.come("juliet@example.org/balcony")
        for _ in range(2):
            self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        juliet.expect("<presence type='subscribe' from='romeo@example.org'/>")
        juliet.expect_nothing()

    def test_each_device_that_becomes_available_is_asked_until_there_is_an_answer(self) -> None:
        status = "<status>It is me &amp; me</status>"
        self.romeo.send(f"<presence to='juliet@example.org' type='subscribe'>{status}</presence>")
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.restart()
        request = f"<presence type='subscribe' from='romeo@example.org'>{status}</presence>"
        for resource in ("balcony", "chamber"):
            juliet = self.login(f"juliet@example.org/{resource}")
            juliet.expect_nothing()
            juliet.send("<presence/>")
            juliet.expect_all("<presence from='{any}'/>" * (1 if resource == "balcony" else 2), request)
            juliet.expect_nothing()
        juliet.send("<presence><show>away</show></presence>")
        juliet.clear()
        juliet.send("<presence type='unavailable'/>")
        juliet.clear()
        juliet.send("<presence/>")
        juliet.expect_all("<presence from='{any}'/>" * 2, request)
        juliet.send("<presence to='romeo@example.org' type='unsubscribed'/>")
        self.login("juliet@example.org/orchard", presence=True).expect_nothing()

    def test_the_asker_can_take_the_request_back(self) -> None:
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.romeo.send("<presence to='juliet@example.org' type='unsubscribe'/>")
        self.assertEqual(self.state(JULIET, ROMEO), State.NONE)
        self.assertNotIn("subscribe", "".join(self.come("juliet@example.org/balcony").received))

    def test_oneself(self) -> None:
        for to in ("romeo@example.org", "romeo@example.org/orchard"):
            for type_ in sorted(TYPES):
                self.romeo.send(f"<presence to='{to}' type='{type_}' id='x'/>")
                self.romeo.expect(
                    "<presence type='error' id='x'><error type='cancel'>"
                    "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>"
                )
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})

    def test_an_account_that_does_not_exist(self) -> None:
        self.romeo.send("<presence to='nobody@example.org' type='subscribe' id='x'/>")
        self.romeo.expect(
            "<presence type='error' id='x' from='nobody@example.org'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        )
        self.romeo.expect_nothing()
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})

    def test_a_stranger_learns_nothing_of_who_exists(self) -> None:
        other = self.remote("example.com")
        for account in ("nobody", "juliet"):
            for type_ in sorted(TYPES):
                other.send(f"<presence from='paris@example.com' to='{account}@example.org' type='{type_}'/>")
        other.expect_nothing()

    def test_without_a_recipient(self) -> None:
        self.romeo.send("<presence type='subscribe' id='x'/>")
        self.romeo.expect(
            "<presence type='error' id='x'>{...}<error type='modify'>"
            "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>"
        )

    def test_another_server_that_is_not_there(self) -> None:
        self.romeo.send("<presence to='juliet@example.net' type='subscribe' id='x'/>")
        self.romeo.expect(
            push("<item jid='juliet@example.net' subscription='none' ask='subscribe'/>"),
            "<presence type='error' id='x' from='juliet@example.net' to='romeo@example.org'><error type='cancel'>"
            "<remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>",
        )

    def test_another_server(self) -> None:
        other = self.remote("example.net")
        self.romeo.send("<presence to='juliet@example.net/balcony' type='subscribe' id='x'/>")
        other.expect("<presence type='subscribe' id='x' from='romeo@example.org' to='juliet@example.net'/>")
        self.romeo.clear()
        other.send("<presence from='juliet@example.net' to='romeo@example.org' type='subscribed'/>")
        self.romeo.expect(
            "<presence type='subscribed' from='juliet@example.net'/>",
            push("<item jid='juliet@example.net' subscription='to'/>"),
        )
        other.send("<presence from='juliet@example.net/x' to='romeo@example.org/y' type='unsubscribed'/>")
        self.romeo.expect(
            "<presence type='unsubscribed' from='juliet@example.net' to='romeo@example.org'/>",
            push("<item jid='juliet@example.net' subscription='none'/>"),
        )


class Again(SubscriptionTestCase):
    """3.1.2: requests to other servers that got no answer."""

    def ask(self) -> None:
        self.romeo.send("<presence to='juliet@example.net' type='subscribe' id='x'/>")

    def test_the_first_device_that_comes_has_them_sent_again(self) -> None:
        other = self.remote("example.net")
        self.ask()
        other.clear()
        self.come("romeo@example.org/phone")
        other.expect_nothing()
        for client in list(self._clients):
            client.close()
        other.expect_nothing()
        self.come("romeo@example.org/phone")
        other.expect("<presence type='subscribe' id='{any}' from='romeo@example.org' to='juliet@example.net'/>")
        other.send("<presence type='subscribed' to='romeo@example.org' from='juliet@example.net'/>")
        other.clear()
        for client in list(self._clients):
            client.close()
        other.clear()
        self.come("romeo@example.org/phone")
        self.assertNotIn("subscribe", "".join(other.received))

    def test_requests_to_accounts_of_the_server_can_not_have_been_lost(self) -> None:
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.romeo.close()
        juliet = self.come("juliet@example.org/balcony")
        self.come("romeo@example.org/phone")
        juliet.expect_nothing()

    def test_errors_go_to_who_asked_and_not_to_who_did_not(self) -> None:
        self.ask()
        self.assertIn("remote-server-not-found", "".join(self.romeo.received))
        self.romeo.close()
        phone = self.come("romeo@example.org/phone")
        self.assertNotIn("remote-server-not-found", "".join(phone.received))

    def test_errors_of_strangers_are_nobodys_business(self) -> None:
        self.remote("example.net").send("<presence type='error' from='juliet@example.net' to='romeo@example.org'/>")
        self.romeo.expect_nothing()


class Answers(SubscriptionTestCase):
    """3.1.4 to 3.3: approving, denying, ending."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.come("juliet@example.org/balcony")

    def ask(self) -> None:
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.romeo.clear()
        self.juliet.clear()

    def test_approving(self) -> None:
        self.juliet.send("<presence><show>dnd</show></presence>")
        phone = self.login("juliet@example.org/phone", presence=True)
        self.ask()
        self.juliet.send("<presence to='romeo@example.org/orchard' type='subscribed' id='a1'/>")
        self.juliet.expect(push("<item jid='romeo@example.org' subscription='from'/>"))
        self.romeo.expect(
            "<presence type='subscribed' id='a1' from='juliet@example.org' to='romeo@example.org'/>",
            push("<item jid='juliet@example.org' subscription='to'/>"),
        )
        self.romeo.expect_all(
            "<presence from='juliet@example.org/balcony'><show>dnd</show></presence>",
            "<presence from='juliet@example.org/phone'/>",
        )
        self.romeo.expect_nothing()
        phone.clear()

    def test_denying_a_stranger(self) -> None:
        self.ask()
        self.juliet.send("<presence to='romeo@example.org' type='unsubscribed'/>")
        self.juliet.expect_nothing()
        self.romeo.expect(
            "<presence type='unsubscribed' from='juliet@example.org'/>",
            push("<item jid='juliet@example.org' subscription='none'/>"),
        )
        self.assertEqual(self.state(JULIET, ROMEO), State.NONE)

    def test_asking_when_one_is_subscribed_already(self) -> None:
        self.befriend()
        self.juliet.clear()
        self.romeo.send("<presence to='juliet@example.org' type='subscribe' id='s2'/>")
        self.romeo.expect("<presence from='juliet@example.org/balcony'/>")
        self.romeo.expect_nothing()
        self.juliet.expect_nothing()

    def test_a_server_that_has_lost_its_state_gets_it_again(self) -> None:
        other = self.remote("example.net")
        self.put(ROMEO, Jid.parse("paris@example.net"), Subscription.FROM)
        other.clear()
        self.romeo.clear()
        other.send("<presence from='paris@example.net' to='romeo@example.org' type='subscribe' id='again'/>")
        other.expect(
            "<presence type='subscribed' id='again' from='romeo@example.org' to='paris@example.net'/>",
            "<presence from='romeo@example.org/orchard' to='paris@example.net'/>",
        )
        self.romeo.expect_nothing()

    def test_cancelling_says_good_bye_first(self) -> None:
        self.befriend()
        self.juliet.clear()
        self.juliet.send("<presence to='romeo@example.org' type='unsubscribed'/>")
        self.juliet.expect(push("<item jid='romeo@example.org' subscription='to'/>"))
        self.romeo.expect(
            "<presence type='unavailable' from='juliet@example.org/balcony' to='romeo@example.org'/>",
            "<presence type='unsubscribed' from='juliet@example.org' to='romeo@example.org'/>",
            push("<item jid='juliet@example.org' subscription='from'/>"),
        )

    def test_unsubscribing(self) -> None:
        self.befriend()
        self.juliet.clear()
        self.romeo.send("<presence to='juliet@example.org' type='unsubscribe'/>")
        self.romeo.expect(
            push("<item jid='juliet@example.org' subscription='from'/>"),
            "<presence type='unavailable' from='juliet@example.org/balcony' to='romeo@example.org'/>",
        )
        self.juliet.expect(
            "<presence type='unsubscribe' from='romeo@example.org' to='juliet@example.org'/>",
            push("<item jid='romeo@example.org' subscription='to'/>"),
        )

    def test_answers_nobody_asked_for_are_ignored(self) -> None:
        other = self.remote("example.net")
        for type_ in ("subscribed", "unsubscribed", "unsubscribe"):
            other.send(f"<presence from='paris@example.net' to='romeo@example.org' type='{type_}'/>")
        self.romeo.expect_nothing()
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})

    def test_removing_a_contact_ends_everything(self) -> None:
        self.befriend()
        self.juliet.clear()
        self.set(self.romeo, "<item jid='juliet@example.org' subscription='remove'/>")
        self.romeo.expect(push("<item jid='juliet@example.org' subscription='remove'/>"))
        self.romeo.expect_all(
            "<presence type='unavailable' from='juliet@example.org/balcony'/>", "<iq type='result' id='x'/>"
        )
        self.romeo.expect_nothing()
        self.juliet.expect(
            "<presence type='unavailable' from='romeo@example.org/orchard'/>",
            "<presence type='unsubscribe' from='romeo@example.org'/>",
            push("<item jid='romeo@example.org' subscription='to'/>"),
            "<presence type='unsubscribed' from='romeo@example.org'/>",
            push("<item jid='romeo@example.org' subscription='none'/>"),
        )

    def test_removing_takes_back_and_denies_what_is_pending(self) -> None:
        self.ask()
        self.juliet.send("<presence to='romeo@example.org' type='subscribe'/>")
        self.assertEqual(self.state(ROMEO, JULIET), State.NONE_OUT_IN)
        self.wait(self.plugin("roster").remove(ROMEO, JULIET))
        self.assertEqual(self.state(ROMEO, JULIET), State.NONE)
        self.assertEqual(self.state(JULIET, ROMEO), State.NONE)

    def test_a_deleted_account_leaves_nobody_waiting(self) -> None:
        self.befriend()
        self.juliet.clear()
        self.wait(self.host.delete_account(ROMEO))
        self.juliet.expect_all(
            "<presence type='unavailable' from='romeo@example.org/orchard'/>",
            "<presence type='unsubscribe' from='romeo@example.org'/>",
            push("<item jid='romeo@example.org' subscription='to'/>"),
            "<presence type='unsubscribed' from='romeo@example.org'/>",
            push("<item jid='romeo@example.org' subscription='none'/>"),
        )
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})


class PreApproval(SubscriptionTestCase):
    """3.4."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.come("juliet@example.org/balcony")

    def approve(self) -> None:
        self.juliet.send("<presence to='romeo@example.org' type='subscribed'/>")

    def test_it_makes_an_item_and_is_not_sent(self) -> None:
        self.approve()
        self.juliet.expect(push("<item jid='romeo@example.org' subscription='none' approved='true'/>"))
        self.romeo.expect_nothing()

    def test_the_request_is_answered_without_asking(self) -> None:
        self.approve()
        self.juliet.clear()
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.juliet.expect(push("<item jid='romeo@example.org' subscription='from'/>"))
        self.juliet.expect_nothing()
        self.romeo.expect(push("<item jid='juliet@example.org' subscription='none' ask='subscribe'/>"))
        self.romeo.expect(
            "<presence type='subscribed' from='juliet@example.org'/>",
            push("<item jid='juliet@example.org' subscription='to'/>"),
            "<presence from='juliet@example.org/balcony'/>",
        )

    def test_it_survives_a_restart(self) -> None:
        self.approve()
        self.restart()
        romeo = self.come("romeo@example.org/orchard")
        romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.assertEqual(self.state(ROMEO, JULIET), State.TO)

    def test_it_can_be_taken_back(self) -> None:
        self.approve()
        self.juliet.clear()
        self.juliet.send("<presence to='romeo@example.org' type='unsubscribed'/>")
        self.juliet.expect(push("<item jid='romeo@example.org' subscription='none'/>"))
        self.romeo.expect_nothing()
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.assertEqual(self.state(JULIET, ROMEO), State.NONE_IN)

    def test_a_client_can_not_set_it_in_the_roster(self) -> None:
        self.set(self.juliet, "<item jid='romeo@example.org' approved='true'/>")
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.assertEqual(self.state(JULIET, ROMEO), State.NONE_IN)


class Limits(SubscriptionTestCase):
    config: ClassVar = {"roster": {"requests": 2, "request_octets": 500}}

    def test_requests_beyond_the_limit_are_ignored(self) -> None:
        other = self.remote("example.net")
        for name in ("a", "b", "c"):
            other.send(f"<presence from='{name}@example.net' to='romeo@example.org' type='subscribe'/>")
        self.romeo.expect(*(f"<presence type='subscribe' from='{name}@example.net'/>" for name in ("a", "b")))
        self.romeo.expect_nothing()
        other.expect_nothing()
        requests = self.wait(self.plugin("roster").load(ROMEO)).requests
        self.assertEqual(list(requests), ["a@example.net", "b@example.net"])

    def test_the_content_of_a_large_request_is_not_kept(self) -> None:
        text = "x" * 500
        self.remote("example.net").send(
            f"<presence from='a@example.net' to='romeo@example.org' type='subscribe'><status>{text}</status></presence>"
        )
        self.romeo.expect(f"<presence type='subscribe' from='a@example.net'><status>{text}</status></presence>")
        phone = self.login("romeo@example.org/phone")
        phone.send("<presence/>")
        phone.expect_all("<presence from='{any}'/>" * 2, "<presence type='subscribe' from='a@example.net'/>")


ACTS = st.tuples(st.sampled_from(["romeo", "juliet"]), st.sampled_from([*sorted(TYPES), "remove", "come", "go", "set"]))


class AnySequence(SubscriptionTestCase):
    """Whatever two people do, their rosters agree, and presence goes where it may."""

    @given(st.lists(ACTS, max_size=20))
    @settings(max_examples=60)
    def test_both_rosters_agree(self, acts: list[tuple[str, str]]) -> None:
        for account, contact in ((ROMEO, JULIET), (JULIET, ROMEO)):
            self.wait(self.plugin("roster").remove(account, contact))
        clients: dict[str, Client | None] = {
            "romeo": self.come("romeo@example.org/any"),
            "juliet": self.come("juliet@example.org/any"),
        }
        for who, act in acts:
            self.act(clients, who, act)
            mine, theirs = self.state(ROMEO, JULIET), self.state(JULIET, ROMEO)
            self.assertEqual(sees(mine), seen(theirs))
            self.assertEqual(sees(theirs), seen(mine))
        for client in clients.values():
            if client is not None:
                self.assertNotIn("type='error'", "".join(client.received))
                client.close()

    def act(self, clients: dict[str, Client | None], who: str, act: str) -> None:
        client = clients[who]
        other = "juliet@example.org" if who == "romeo" else "romeo@example.org"
        if act in ("come", "go"):
            if client is not None:
                client.close()
            clients[who] = self.come(f"{who}@example.org/any") if act == "come" else None
        elif client is None:
            return
        elif act == "set":
            self.set(client, f"<item jid='{other}' name='n'/>")
        elif act == "remove":
            if Jid.parse(other) in self.wait(self.plugin("roster").load(Jid.parse(f"{who}@example.org"))).items:
                self.set(client, f"<item jid='{other}' subscription='remove'/>")
        else:
            client.send(f"<presence to='{other}' type='{act}'/>")


def sees(state: State) -> tuple[bool, bool]:
    return state.subscription in (Subscription.TO, Subscription.BOTH), state.pending_out


def seen(state: State) -> tuple[bool, bool]:
    return state.subscription in (Subscription.FROM, Subscription.BOTH), state.pending_in
