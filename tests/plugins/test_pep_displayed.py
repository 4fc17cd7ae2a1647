"""XEP-0490: what was displayed, published by clients, and by the server for them."""

from __future__ import annotations

from typing import ClassVar

from tests.plugins.managed import ManagedTestCase
from tests.plugins.test_pep import NS, OWNER, error, form, item, publish, tune
from tests.plugins.test_pep_notices import NoticesTestCase
from xmppd.api import Subscription

MDS = "urn:xmpp:mds:displayed:0"
MARKERS = "urn:xmpp:chat-markers:0"
MARKER = f"<displayed xmlns='{MARKERS}' id='m1'/>"
OPTIONS = {
    "persist_items": "true",
    "max_items": "max",
    "send_last_published_item": "never",
    "access_model": "whitelist",
}


def displayed(id_: str) -> str:
    by = "juliet@example.org"
    return f"<displayed xmlns='{MDS}'><stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id_}'/></displayed>"


class Assist(NoticesTestCase):
    plugins: ClassVar = ("pep", "roster", "presence", "disco", "carbons", "archive", "session")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.phone = self.login("juliet@example.org/phone")
        self.wants(self.phone, MDS)
        self.phone.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        for device in (self.romeo, self.phone):
            device.clear()

    def mark(self, id_: str, to: str = "romeo@example.org", more: str = MARKER) -> None:
        self.juliet.send(f"<message to='{to}' type='chat'>{more}{displayed(id_)}</message>")

    def states(self, *items: str) -> None:
        self.has(*items, node=MDS)

    def test_published_and_stripped(self) -> None:
        self.mark("a")
        self.romeo.expect(f"<message from='{{juliet}}' type='chat'>{MARKER}{{...}}</message>")
        self.assertNotIn(MDS, "".join(self.romeo.received))
        self.phone.expect("<message type='chat'><sent xmlns='urn:xmpp:carbons:2'>{any}</sent></message>")
        copy = next(text for text in self.phone.received if "carbons" in text and MARKERS in text)
        self.assertNotIn(MDS, copy)
        self.phone.expect(self.items(item("romeo@example.org", displayed("a")), MDS))
        self.states(item("romeo@example.org", displayed("a")))

    def test_archives_have_only_the_marker(self) -> None:
        self.mark("a")
        self.pump()
        self.juliet.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        self.pump()
        archived = "".join(self.juliet.received)
        self.assertIn(MARKERS, archived)
        self.assertNotIn(MDS, archived)

    def test_one_item_for_each_chat(self) -> None:
        for id_, to in (("a", "romeo@example.org"), ("b", "nurse@example.org"), ("c", "romeo@example.org")):
            self.account(to)
            self.mark(id_, to)
        self.states(item("nurse@example.org", displayed("b")), item("romeo@example.org", displayed("c")))

    def test_address_is_taken_as_it_is(self) -> None:
        self.mark("a", "romeo@example.org/orchard")
        self.states(item("romeo@example.org/orchard", displayed("a")))

    def test_made_node_is_private(self) -> None:
        self.mark("a")
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.BOTH)
        self.romeo.clear()
        self.fail_to(f"<items node='{MDS}'/>", error("cancel", "not-allowed", "closed-node"), type_="get",
                     by=self.romeo, to="juliet@example.org")  # fmt: skip
        self.do(publish(item("x@example.org", displayed("b")), node=MDS, options=OPTIONS))

    def test_others_are_not_told_whatever_the_node_says(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.BOTH)
        self.wants(self.romeo, MDS)
        self.do(f"<create node='{MDS}'/><configure>{form('node_config', {'access_model': 'open'})}</configure>")
        self.romeo.clear()
        self.mark("a")
        self.romeo.expect(f"<message type='chat'>{MARKER}{{...}}</message>")
        self.romeo.expect_nothing()
        self.states(item("romeo@example.org", displayed("a")))

    def test_transient_node(self) -> None:
        options = {**OPTIONS, "persist_items": "false"}
        self.do(publish(item("x", displayed("x")), node=MDS, options=options))
        self.mark("a")
        self.do(f"<configure node='{MDS}'>{form('node_config', {'persist_items': 'true'})}</configure>", OWNER)
        self.states()

    def test_the_rest_of_the_message(self) -> None:
        self.mark("a", more=f"{MARKER}<x xmlns='a:b' c='&lt;'>d<e/></x>{displayed('b')}")
        self.romeo.expect(f"<message type='chat'>{MARKER}<x xmlns='a:b' c='&lt;'>d<e/></x>{{...}}</message>")
        self.states(item("romeo@example.org", displayed("b")))

    def test_to_oneself(self) -> None:
        self.juliet.send(f"<message type='chat'><body>note</body>{displayed('a')}</message>")
        self.states(item("juliet@example.org", displayed("a")))

    def test_incoming_ones_pass(self) -> None:
        """What others send is not for the server to look at."""
        service = self.remote("rooms.example.com")
        service.send(f"<message from='a@rooms.example.com' to='juliet@example.org/phone'>{displayed('a')}</message>")
        self.phone.expect(f"<message from='a@rooms.example.com'>{displayed('a')}{{...}}</message>")

    def test_errors_pass(self) -> None:
        """They hold what the other side has sent."""
        self.mark("a")
        self.romeo.clear()
        self.juliet.send(
            f"<message type='error' to='{{romeo}}'>{displayed('b')}<error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        self.assertIn(MDS, "".join(self.romeo.received))
        self.states(item("romeo@example.org", displayed("a")))

    def test_node_is_made_in_addition(self) -> None:
        self.plugin("pep")._options = self.plugin("pep").options.model_copy(update={"nodes": 1})
        self.do(publish(item("1", tune("a"))))
        self.mark("a")
        self.states(item("romeo@example.org", displayed("a")))

    def test_too_long(self) -> None:
        self.plugin("pep")._options = self.plugin("pep").options.model_copy(update={"item_octets": 20})
        self.mark("a")
        self.juliet.expect(
            "<message type='error'>{...}<error type='modify'>"
            "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            f"<payload-too-big xmlns='{NS}#errors'/>{{...}}</error></message>"
        )
        self.romeo.expect_nothing()

    def test_too_much(self) -> None:
        """The message goes on, and nothing is lost of what there was."""
        self.mark("a")
        self.plugin("pep")._options = self.plugin("pep").options.model_copy(update={"octets": 200})
        self.romeo.clear()
        self.mark("b", "romeo@example.org/orchard")
        self.romeo.expect(f"<message type='chat'>{MARKER}{{...}}</message>")
        self.states(item("romeo@example.org", displayed("a")))


class Killed(ManagedTestCase):
    """State, marker and notification are on disk together (section 4.5 says nothing of it; clients count on it)."""

    plugins: ClassVar = ("pep", "roster", "presence")

    def test_killed(self) -> None:
        self.account("romeo@example.org")
        phone, _ = self.enabled("juliet@example.org/phone")
        phone.send(f"<message to='romeo@example.org' type='chat'>{MARKER}{displayed('a')}</message>")
        phone.send("<r xmlns='urn:xmpp:sm:3'/>")
        self.pump()
        self.kill()
        desk = self.login("juliet@example.org/desk")
        desk.send(f"<iq type='get' id='1'><pubsub xmlns='{NS}'><items node='{MDS}'/></pubsub></iq>")
        there = item("romeo@example.org", displayed("a"))
        desk.expect(f"<iq type='result'><pubsub xmlns='{NS}'><items node='{MDS}'>{there}</items></pubsub></iq>")
