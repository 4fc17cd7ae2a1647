"""XEP-0352: what waits while nobody looks at a client, and in what order it comes."""

from __future__ import annotations

from typing import ClassVar

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.api import Subscription
from xmppd.testing import Client
from xmppd.wire.jid import Jid

NS = "urn:xmpp:csi:0"
ACTIVE, INACTIVE = f"<active xmlns='{NS}'/>", f"<inactive xmlns='{NS}'/>"
STATES = "http://jabber.org/protocol/chatstates"
EVENT = "http://jabber.org/protocol/pubsub#event"
MUC_USER = "http://jabber.org/protocol/muc#user"
CARBONS = "urn:xmpp:carbons:2"
HINTS = "urn:xmpp:hints"


def pep(node: str, content: str, name: str = "items") -> str:
    return f"<event xmlns='{EVENT}'><{name} node='{node}'>{content}</{name}></event>"


class CsiTestCase(ManagedTestCase):
    plugins: ClassVar[tuple[str, ...]] = ("csi", "ping")

    def setUp(self) -> None:
        super().setUp()
        self.phone = self.login("juliet@example.org/phone", presence=True)
        self.other = self.remote("example.com")

    def say(self, content: str, type_: str = "chat", sender: str = "romeo@example.com/x", to: str = "") -> None:
        to = to or "juliet@example.org/phone"
        self.other.send(f"<message from='{sender}' to='{to}' type='{type_}'>{content}</message>")

    def show(self, status: str, sender: str = "romeo@example.com/x") -> None:
        self.other.send(f"<presence from='{sender}' to='juliet@example.org/phone'><status>{status}</status></presence>")

    def expect_shown(self, client: Client, *statuses: str) -> None:
        client.expect(*(f"<presence><status>{status}</status></presence>" for status in statuses))
        client.expect_nothing()


class Offering(CsiTestCase):
    def test_after_authentication(self) -> None:
        client = self.connect()
        client.open("example.org")
        self.assertNotIn("<csi ", client.features)
        client.authenticate("juliet", "secret")
        self.assertIn(f"<csi xmlns='{NS}'/>", client.features)

    def test_before_a_resource_is_bound(self) -> None:
        """It is about a session; there is none yet."""
        client = self.connect()
        client.open("example.org")
        client.authenticate("juliet", "secret")
        client.send(INACTIVE + ACTIVE)
        client.bind("desk")
        client.expect_nothing()

    def test_it_costs_nothing_until_a_client_uses_it(self) -> None:
        self.assertNotIn("message", self.host.tables.to_device)
        self.phone.send(ACTIVE)
        self.assertNotIn("message", self.host.tables.to_device)
        self.phone.send(INACTIVE)
        self.assertIn("message", self.host.tables.to_device)


class Holding(CsiTestCase):
    def test_presence_waits_and_only_the_latest_is_left(self) -> None:
        self.phone.send(INACTIVE)
        for status in ("one", "two"):
            self.show(status)
            self.show(status, "paris@example.com/y")
        self.show("three")
        self.phone.expect_nothing()
        self.phone.send(ACTIVE)
        self.expect_shown(self.phone, "two", "three")
        self.show("four")
        self.expect_shown(self.phone, "four")

    def test_what_cannot_wait_takes_along_what_did(self) -> None:
        """RFC 6120 10.1: what comes from one address comes in order."""
        self.phone.send(INACTIVE)
        self.show("one")
        self.say(f"<composing xmlns='{STATES}'/>")
        self.say("<body>hi</body>")
        self.phone.expect(
            "<presence><status>one</status></presence>",
            f"<message type='chat'><composing xmlns='{STATES}'/></message>",
            "<message type='chat'><body>hi</body></message>",
        )
        self.show("two")
        self.phone.expect_nothing()

    def test_active_comes_before_what_is_asked_next(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.phone.send(f"{ACTIVE}<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.phone.expect("<presence><status>one</status></presence>", "<iq type='result' id='p'/>")

    def test_other_clients_are_of_no_concern(self) -> None:
        desk = self.login("juliet@example.org/desk", presence=True)
        self.phone.send(INACTIVE)
        self.say(f"<composing xmlns='{STATES}'/>", to="juliet@example.org")
        desk.expect(f"<message type='chat'><composing xmlns='{STATES}'/></message>")
        self.phone.expect_nothing()

    def test_leaving(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.phone.close()
        self.assertEqual(self.plugin("csi")._quiet, {})

    def test_the_plugin_is_stopped(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.wait(self.host.registry.disable("csi"))
        self.expect_shown(self.phone, "one")
        self.wait(self.host.registry.enable("csi"))
        self.show("two")
        self.phone.expect_nothing()


class Limits(CsiTestCase):
    config = {"csi": {"max_held": 3, "max_seconds": 100}, "limits": {"idle_ping_seconds": 100_000}}

    def setUp(self) -> None:
        super().setUp()
        self.phone.send(INACTIVE)

    def test_number(self) -> None:
        for number in range(2):
            self.show(f"{number}", f"u{number}@example.com/x")
        self.show("0", "u0@example.com/x")
        self.phone.expect_nothing()
        self.show("2", "u2@example.com/x")
        self.expect_shown(self.phone, "1", "0", "2")
        self.show("3")
        self.phone.expect_nothing()

    def test_time(self) -> None:
        self.show("one")
        self.pump(60)
        self.show("two")
        self.pump(39)
        self.phone.expect_nothing()
        self.pump(1)
        self.expect_shown(self.phone, "two")
        self.pump(200)
        self.show("three")
        self.pump(99)
        self.phone.expect_nothing()
        self.say("<body>hi</body>")
        self.phone.clear()
        self.show("four")
        self.pump(99)
        self.phone.expect_nothing()
        self.pump(1)
        self.expect_shown(self.phone, "four")

    def test_time_is_over_with_the_session(self) -> None:
        self.show("one")
        self.phone.close()
        self.pump(200)


#: Types and contents of messages; what is expected: True, it waits, and the next with the same number replaces it.
WAITING: tuple[tuple[str, str, str], ...] = (
    ("chat_states", "chat", f"<composing xmlns='{STATES}'/>"),
    ("chat_states", "normal", f"<thread>x</thread><paused xmlns='{STATES}'/><no-store xmlns='{HINTS}'/>"),
    ("chat_states", "groupchat", f"<composing xmlns='{STATES}'/><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='x'/>"),
    ("receipts", "chat", "<received xmlns='urn:xmpp:receipts' id='1'/>"),
    ("receipts", "normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"),
    ("receipts", "chat", f"<active xmlns='{STATES}'/><received xmlns='urn:xmpp:chat-markers:0' id='1'/>"),
    ("pubsub", "headline", pep("mood", "<item id='1'><mood/></item>")),
    ("pubsub", "normal", pep("mood", "<retract id='1'/>")),
    ("pubsub", "headline", pep("mood", "<item id='1'/><item id='2'/>")),
)  # fmt: skip
AT_ONCE: tuple[tuple[str, str], ...] = (
    ("chat", "<body>x</body>"),
    ("chat", f"<body>x</body><active xmlns='{STATES}'/>"),
    ("chat", f"<active xmlns='{STATES}'/><encrypted xmlns='urn:xmpp:omemo:2'/>"),
    ("groupchat", "<body>x</body>"),
    ("groupchat", "<subject>x</subject>"),
    ("chat", "<request xmlns='urn:xmpp:receipts'/>"),
    ("chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"),
    ("normal", f"<x xmlns='{MUC_USER}'><invite/></x>"),
    ("error", f"<composing xmlns='{STATES}'/>"),
    ("chat", ""),
    ("headline", "<body>x</body>"),
    ("headline", "<body>x</body>" + pep("mood", "<item id='1'/>")),
    ("headline", pep("mood", "", "purge")),
    ("headline", f"<event xmlns='{EVENT}'/>"),
    ("headline", pep("urn:xmpp:mds:displayed:0", "<item id='1'/>")),
    ("headline", pep("urn:xmpp:bookmarks:1", "<item id='1'/>")),
    ("headline", pep("storage:bookmarks", "<item id='1'/>")),
)  # fmt: skip


class Classes(CsiTestCase):
    def waits(self) -> bool:
        """Has what was sent last been held back? Lets go of it."""
        self.pump()
        came = len(self.phone._unread)
        self.phone.clear()
        self.phone.send(ACTIVE + INACTIVE)
        later = len(self.phone._unread)
        self.phone.clear()
        self.assertEqual(came + later, 1)
        return bool(later)

    def test_messages(self) -> None:
        self.phone.send(INACTIVE)
        for _, type_, content in WAITING:
            with self.subTest(type=type_, content=content):
                self.say(content, type_)
                self.assertTrue(self.waits())
        for type_, content in AT_ONCE:
            with self.subTest(type=type_, content=content):
                self.say(content, type_)
                self.assertFalse(self.waits())

    def test_classes_can_be_turned_off(self) -> None:
        self.phone.send(INACTIVE)
        for off in ("chat_states", "receipts", "pubsub"):
            self.wait(self.host.registry.reconfigure("csi", {off: False}))
            for of, type_, content in WAITING:
                with self.subTest(off=off, type=type_, content=content):
                    self.say(content, type_)
                    self.assertEqual(self.waits(), of != off)
        self.wait(self.host.registry.reconfigure("csi", {"presence": False}))
        self.show("x")
        self.assertFalse(self.waits())
        self.wait(self.host.registry.reconfigure("csi", {"pubsub_at_once": ["mood"]}))
        self.say(pep("mood", "<item id='1'/>"), "headline")
        self.assertFalse(self.waits())
        self.say(pep("storage:bookmarks", "<item id='1'/>"), "headline")
        self.assertTrue(self.waits())

    def test_presence(self) -> None:
        self.phone.send(INACTIVE)
        own = f"<x xmlns='{MUC_USER}'><status code='307'/><status code='110'/></x>"
        others = f"<x xmlns='{MUC_USER}'><item affiliation='none'/><status code='307'/></x><priority>110</priority>"
        for type_, content, waits in (
            ("", "", True), (" type='unavailable'", "", True), (" type='unavailable'", own, False),
            ("", others, True), (" type='subscribe'", "", False), (" type='error'", "", False),
        ):  # fmt: skip
            with self.subTest(type=type_, content=content):
                sender = "from='room@example.com/x' to='juliet@example.org/phone'"
                self.other.send(f"<presence {sender}{type_}>{content}</presence>")
                self.assertEqual(self.waits(), waits)

    def test_requests(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.other.send(
            "<iq type='get' id='v' from='a@example.com/x' to='juliet@example.org/phone'><q xmlns='x'/></iq>"
        )
        self.phone.expect("<presence><status>one</status></presence>", "<iq type='get' id='v'><q xmlns='x'/></iq>")

    def test_what_replaces_what(self) -> None:
        self.phone.send(INACTIVE)
        mood = "<item id='1'><mood xmlns='mood'>{}</mood></item>"
        for content in (pep("mood", mood.format("sad")), pep("tune", "<item id='1'/>"), pep("mood", "<item id='2'/>"),
                        pep("mood", "<item/>"), pep("mood", "<item/>"), pep("mood", mood.format("glad"))):  # fmt: skip
            self.say(content, "headline")
        for state in ("composing", "paused"):
            self.say(f"<{state} xmlns='{STATES}'/>")
            self.say(f"<{state} xmlns='{STATES}'/>", sender="romeo@example.com/y")
        for id_ in ("1", "2"):
            self.say(f"<received xmlns='urn:xmpp:receipts' id='{id_}'/>")
        self.phone.send(ACTIVE)
        self.phone.expect(
            *(f"<message type='headline'>{content}</message>" for content in (
                pep("tune", "<item id='1'/>"), pep("mood", "<item id='2'/>"), pep("mood", "<item/>"),
                pep("mood", "<item/>"), pep("mood", mood.format("glad")),
            )),
            f"<message type='chat' from='romeo@example.com/x'><paused xmlns='{STATES}'/></message>",
            f"<message type='chat' from='romeo@example.com/y'><paused xmlns='{STATES}'/></message>",
            "<message type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
            "<message type='chat'><received xmlns='urn:xmpp:receipts' id='2'/></message>",
        )  # fmt: skip
        self.phone.expect_nothing()


class Copies(Classes):
    """What a copy is of decides (XEP-0280)."""

    plugins = ("csi", "carbons")

    def test_copies(self) -> None:
        desk = self.login("juliet@example.org/desk", presence=True)
        self.phone.send(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>{INACTIVE}")
        self.phone.clear()
        for _, type_, content in WAITING:
            if type_ not in ("groupchat", "headline") and EVENT not in content:
                with self.subTest(type=type_, content=content):
                    self.say(content, type_, to="juliet@example.org/desk")
                    self.assertTrue(self.waits())
                    desk.send(f"<message type='{type_}' to='romeo@example.com'>{content}</message>")
                    self.assertEqual(self.waits(), "<displayed" not in content)
        self.say("<body>x</body>", to="juliet@example.org/desk")
        self.assertFalse(self.waits())
        for to in ("romeo@example.com", "paris@example.com"):
            for state in ("composing", "paused"):
                desk.send(f"<message type='chat' to='{to}'><{state} xmlns='{STATES}'/></message>")
        self.phone.send(ACTIVE)
        self.assertEqual([xml.count("<paused ") for xml in self.phone._unread], [1, 1])
        self.phone.clear()


class Lost(ManagedTestCase):
    """Section 5.2, and what is done for a client that is not there."""

    plugins = ("csi", "roster", "presence", "offline", "ping")

    def setUp(self) -> None:
        super().setUp()
        self.other = self.remote("example.com")
        self.phone, self.previd = self.enabled("juliet@example.org/phone", presence=False)

    def show(self, status: str, sender: str = "romeo@example.com/x") -> None:
        self.other.send(f"<presence from='{sender}' to='juliet@example.org/phone'><status>{status}</status></presence>")

    def held(self) -> int:
        session = self.host.session(Jid.parse("juliet@example.org/phone"))
        assert session is not None
        return session.held

    def back(self, h: int = 0) -> Client:
        return self.resumed("juliet@example.org/phone", self.previd, h)

    def test_resumed_is_active(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.pump()
        self.phone.expect_nothing()
        self.phone.disconnect()
        phone = self.back()
        phone.expect("<presence><status>one</status></presence>")
        self.show("two")
        phone.expect("<presence><status>two</status></presence>")

    def test_while_it_is_gone_the_latest_is_kept(self) -> None:
        self.show("zero")
        self.phone.expect("<presence><status>zero</status></presence>")
        self.phone.disconnect()
        for number in range(100):
            self.show(f"{number}")
        body = "<message type='chat' from='romeo@example.com/x' to='juliet@example.org/phone'><body>hi</body></message>"
        self.other.send(body)
        self.show("last")
        phone = self.back(h=1)
        phone.expect("<presence><status>99</status></presence>", "<message type='chat'><body>hi</body></message>")
        phone.expect(f"<r xmlns='{SM}'/>", "<presence><status>last</status></presence>")
        phone.expect_nothing()

    def test_another_connection_takes_over(self) -> None:
        """The old one was not lost, or the server has not noticed."""
        self.phone.send(INACTIVE)
        self.show("one")
        phone = self.back()
        phone.expect("<presence><status>one</status></presence>")

    def test_after_the_server_was_killed(self) -> None:
        self.phone.send(INACTIVE)
        self.show("one")
        self.show("other", "paris@example.com/y")
        self.kill()
        self.other = self.remote("example.com")
        self.show("two")
        phone = self.back()
        phone.expect("<presence><status>other</status></presence>", "<presence><status>two</status></presence>")
        phone.expect_nothing()
        self.show("three")
        phone.expect("<presence><status>three</status></presence>")

    def test_of_an_active_client_that_was_there_when_the_server_was_killed(self) -> None:
        self.show("one")
        self.pump()
        self.kill()
        self.other = self.remote("example.com")
        for status in ("two", "three"):
            self.show(status)
        phone = self.back()
        phone.expect("<presence><status>one</status></presence>", f"<r xmlns='{SM}'/>")
        phone.expect("<presence><status>three</status></presence>")
        phone.expect_nothing()

    def test_what_waited_goes_to_nobody_else(self) -> None:
        desk = self.login("juliet@example.org/desk", presence=True)
        self.phone.send(f"<presence/>{INACTIVE}")
        self.phone.clear()
        self.other.send(
            "<message type='chat' from='romeo@example.com/x' to='juliet@example.org/phone'>"
            "<received xmlns='urn:xmpp:receipts' id='1'/></message>"
        )
        self.phone.send(ACTIVE)
        desk.clear()
        self.phone.disconnect()
        self.pump(100_000, 3600)
        desk.expect("<presence type='unavailable' from='juliet@example.org/phone'/>")
        desk.expect_nothing()

    def test_presence_of_contacts(self) -> None:
        """The road that presence takes, rather than by name."""
        for a, b in (("juliet", "romeo"), ("romeo", "juliet")):
            roster = self.plugin("roster")
            self.account(f"{a}@example.org")
            contact = Jid.parse(f"{b}@example.org")
            self.wait(roster.put(Jid.parse(f"{a}@example.org"), contact, subscription=Subscription.BOTH))
        self.phone.send("<presence/>")
        self.phone.clear()
        self.phone.disconnect()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<presence><show>away</show></presence>")
        romeo.disconnect()
        self.assertEqual(self.held(), 1)


class LostIsLost(Lost):
    config = {"csi": {"lost": False}}

    def test_while_it_is_gone_the_latest_is_kept(self) -> None:
        self.phone.disconnect()
        for status in ("one", "two"):
            self.show(status)
        phone = self.back()
        phone.expect("<presence><status>one</status></presence>", "<presence><status>two</status></presence>")

    def test_presence_of_contacts(self) -> None:
        """See above; all of it waits, in the order in which it came."""
        self.phone.disconnect()
        self.show("one")
        self.assertEqual(self.held(), 0)

    def test_after_the_server_was_killed(self) -> None:
        """What an inactive client has not seen waits on."""
        self.phone.send(INACTIVE)
        self.show("one")
        self.kill()
        self.other = self.remote("example.com")
        self.show("two")
        self.back().expect("<presence><status>two</status></presence>")

    def test_of_an_active_client_that_was_there_when_the_server_was_killed(self) -> None:
        self.kill()
        self.other = self.remote("example.com")
        for status in ("one", "two"):
            self.show(status)
        phone = self.back()
        phone.expect("<presence><status>one</status></presence>", "<presence><status>two</status></presence>")
