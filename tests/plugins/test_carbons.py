"""XEP-0280: who gets copies of what."""

from __future__ import annotations

from typing import ClassVar

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.api import ISession, Message, Plugin
from xmppd.api.archive import IArchive
from xmppd.testing import ClassSource, Client
from xmppd.wire import ns
from xmppd.wire.jid import Jid

NS = "urn:xmpp:carbons:2"
ENABLE = f"<iq type='set' id='carbons'><enable xmlns='{NS}'/></iq>"
MUC_USER = "http://jabber.org/protocol/muc#user"
STATES = "http://jabber.org/protocol/chatstates"


def copy(direction: str, message: str) -> str:
    """Return the template of a copy of romeo's account; the message needs ``xmlns='jabber:client'``."""
    kind = message.partition("type='")[2].partition("'")[0]
    attribute = f" type='{kind}'" if kind else ""
    wrapped = f"<{direction} xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded></{direction}>"
    return f"<message from='romeo@example.org'{attribute}>{wrapped}</message>"


class CarbonsTestCase(ManagedTestCase):
    plugins: ClassVar[tuple[str, ...]] = ("carbons",)

    def setUp(self) -> None:
        super().setUp()
        self.orchard = self.device("romeo@example.org/orchard")
        self.phone = self.device("romeo@example.org/phone")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def device(self, jid: str, presence: bool = True) -> Client:
        client = self.login(jid, presence=presence)
        client.send(ENABLE)
        client.expect("<iq type='result' id='carbons'/>")
        return client

    def refused(self, sender: Client, condition: str) -> None:
        error = sender.take()
        self.assertEqual(error["type"], "error")
        self.assertIn(condition, {e.name for child in error.elements(ns.CLIENT, "error") for e in child.elements()})

    def arrived(self, client: Client) -> int:
        """Return how many elements came, and forget them."""
        self.pump()
        count = len(client._unread)
        client.clear()
        return count


class Enabling(CarbonsTestCase):
    def test_twice_is_no_error(self) -> None:
        self.orchard.send(ENABLE)
        self.orchard.expect("<iq type='result' id='carbons' from='romeo@example.org'/>")
        for _ in range(2):
            self.orchard.send(f"<iq type='set' id='off' to='romeo@example.org'><disable xmlns='{NS}'/></iq>")
            self.orchard.expect("<iq type='result' id='off' from='romeo@example.org'/>")
        self.juliet.send("<message to='romeo@example.org/phone' type='chat'><body>hi</body></message>")
        self.orchard.expect_nothing()
        self.orchard.send(ENABLE)
        self.orchard.clear()
        self.juliet.send("<message to='romeo@example.org/phone' type='chat'><body>hi</body></message>")
        self.orchard.expect("<message type='chat'>{...}</message>")
        self.phone.clear()

    def test_for_somebody_else(self) -> None:
        for name in ("enable", "disable"):
            for to in ("juliet@example.org", "nobody@example.org"):
                self.orchard.send(f"<iq type='set' id='x' to='{to}'><{name} xmlns='{NS}'/></iq>")
                self.orchard.expect(
                    f"<iq type='error' id='x' from='{to}'><{name} xmlns='{NS}'/><error type='cancel'>"
                    "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                )
            for to in ("juliet@example.org/gone", "nobody@example.org/gone"):  # RFC 6121 8.5.3.2.3
                self.orchard.send(f"<iq type='set' id='x' to='{to}'><{name} xmlns='{NS}'/></iq>")
                self.orchard.expect(
                    f"<iq type='error' id='x' from='{to}'><{name} xmlns='{NS}'/><error type='cancel'>"
                    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                )

    def test_who_has_left_is_forgotten(self) -> None:
        plugin = self.plugin("carbons")
        self.juliet.send("<message id='1' to='romeo@example.org/phone' type='chat'><body>hi</body></message>")
        self.assertTrue(plugin._devices and plugin._copied)
        for client in (self.orchard, self.phone):
            client.clear()
            client.disconnect()
        self.assertFalse(plugin._devices or plugin._copied)

    def test_plugin_started_late(self) -> None:
        registry = self.host.registry
        self.wait(registry.disable("carbons"))
        self.juliet.send("<message to='romeo@example.org/phone' type='chat'><body>hi</body></message>")
        self.orchard.expect_nothing()
        self.wait(registry.enable("carbons"))
        self.juliet.send("<message to='romeo@example.org/phone' type='chat'><body>hi</body></message>")
        self.orchard.expect("<message type='chat'>{...}</message>")
        self.phone.clear()


class Received(CarbonsTestCase):
    """Section 7."""

    def test_full_address(self) -> None:
        message = "<message type='chat' id='m1' to='romeo@example.org/phone'{}><body>&lt;hi&gt;</body></message>"
        self.juliet.send(message.format(""))
        self.phone.expect("<message type='chat' id='m1' from='{juliet}'><body>&lt;hi&gt;</body></message>")
        self.orchard.expect(
            copy("received", message.format(" xmlns='jabber:client' from='juliet@example.org/balcony'"))
        )
        for client in (self.phone, self.orchard, self.juliet):
            client.expect_nothing()

    def test_bare_address_is_not_copied_to_who_gets_it_anyway(self) -> None:
        self.juliet.send("<message type='chat' to='romeo@example.org'><body>hi</body></message>")
        for client in (self.orchard, self.phone):
            client.expect("<message type='chat' from='{juliet}'><body>hi</body></message>")
            client.expect_nothing()

    def test_bare_address_is_copied_to_negative_and_unavailable_devices(self) -> None:
        self.phone.send("<presence><priority>-1</priority></presence>")
        silent = self.device("romeo@example.org/silent", presence=False)
        self.juliet.send("<message type='chat' to='romeo@example.org'><body>hi</body></message>")
        self.orchard.expect("<message type='chat' from='{juliet}'><body>hi</body></message>")
        for client in (self.phone, silent):
            client.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
            client.expect_nothing()

    def test_a_resource_that_is_gone_counts_as_the_bare_address(self) -> None:
        self.phone.send("<presence><priority>-1</priority></presence>")
        self.juliet.send("<message type='chat' to='romeo@example.org/gone'><body>hi</body></message>")
        self.orchard.expect("<message type='chat' from='{juliet}'><body>hi</body></message>")
        self.phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>")

    def test_what_is_refused_is_not_copied(self) -> None:
        """A normal message to a resource that is gone, and a groupchat message to the bare address."""
        self.juliet.send("<message to='romeo@example.org/gone'><body>hi</body></message>")
        self.juliet.send("<message type='groupchat' to='romeo@example.org'><body>hi</body></message>")
        for _ in range(2):
            self.refused(self.juliet, "service-unavailable")
        for client in (self.orchard, self.phone):
            client.expect_nothing()

    def test_not_enabled(self) -> None:
        desk = self.login("romeo@example.org/desk", presence=True)
        self.juliet.send("<message type='chat' to='romeo@example.org/phone'><body>hi</body></message>")
        self.orchard.expect("<message type='chat'>{...}</message>")
        desk.expect_nothing()
        self.phone.clear()

    def test_from_a_device_of_the_account_itself(self) -> None:
        desk = self.device("romeo@example.org/desk")
        self.orchard.send("<message type='chat' to='{romeo_phone}'><body>note</body></message>")
        self.phone.expect("<message type='chat' from='{romeo}'><body>note</body></message>")
        desk.expect(
            "<message type='chat' from='romeo@example.org'><received xmlns='" + NS + "'>{any}</received></message>"
        )
        for client in (self.orchard, self.phone, desk):
            client.expect_nothing()

    def test_somebody_passes_off_a_copy(self) -> None:
        """Section 11: clients must ignore it; here it doesn't come to them."""
        inner = "<message xmlns='jabber:client' from='{juliet}' to='{romeo}' type='chat'><body>tonight</body></message>"
        tybalt = self.login("tybalt@example.org/x")
        for direction in ("received", "sent"):
            tybalt.send(copy(direction, inner).replace("from='romeo@example.org'", "to='romeo@example.org'"))
            self.refused(tybalt, "forbidden")
            tybalt.send(
                copy(direction, inner).replace("from='romeo@example.org' type='chat'", "to='{romeo}' type='error'")
            )
            tybalt.expect_nothing()
        self.orchard.expect_nothing()


class Waiting(CarbonsTestCase):
    plugins = ("carbons", "offline")

    def test_what_waits_is_not_seen_twice(self) -> None:
        for client in (self.orchard, self.phone):
            client.send("<presence type='unavailable'/>")
        bot = self.device("romeo@example.org/bot", presence=False)
        bot.send("<presence><priority>-5</priority></presence>")
        self.juliet.send("<message type='chat' to='romeo@example.org'><body>hi</body></message>")
        bot.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
        self.phone.expect_nothing()
        self.phone.send("<presence/>")
        self.phone.expect("<message type='chat' from='{juliet}'><body>hi</body>{...}</message>")
        for client in (self.orchard, self.phone, bot):
            client.expect_nothing()


class Sent(CarbonsTestCase):
    """Section 8."""

    def test_copied_to_the_other_devices(self) -> None:
        message = "<message type='chat' id='s1' xml:lang='en' to='juliet@example.org'{}><body>hi</body></message>"
        self.orchard.send(message.format(""))
        self.juliet.expect("<message type='chat' id='s1' from='{romeo}'><body>hi</body></message>")
        stamped = message.format(" xmlns='jabber:client' from='romeo@example.org/orchard'")
        self.phone.expect(copy("sent", stamped))
        for client in (self.orchard, self.phone, self.juliet):
            client.expect_nothing()

    def test_whether_the_sender_has_enabled_them_or_not(self) -> None:
        desk = self.login("romeo@example.org/desk", presence=True)
        desk.send("<message to='{juliet}'><body>hi</body></message>")
        for client in (self.orchard, self.phone):
            client.expect("<message from='romeo@example.org'>{...}</message>")
            client.expect_nothing()

    def test_to_elsewhere(self) -> None:
        other = self.remote("example.com")
        self.orchard.send("<message type='chat' to='mercutio@example.com'><body>hi</body></message>")
        other.expect("<message type='chat' from='{romeo}'><body>hi</body></message>")
        self.phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>")

    def test_to_the_own_account(self) -> None:
        for to in (" to='romeo@example.org'", ""):
            self.orchard.send(f"<message type='chat'{to}><body>note</body></message>")
            for client in (self.orchard, self.phone):
                client.expect("<message type='chat' from='{romeo}'><body>note</body></message>")
                client.expect_nothing()


#: Content and type of messages, and whether they are copied when they are sent, and when they are received.
RULES: tuple[tuple[str, str, bool, bool], ...] = (
    ("chat", "<x xmlns='urn:example'/>", True, True),
    ("chat", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", False, False),
    ("chat", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", False, False),
    ("chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", True, True),
    ("normal", "<body>x</body>", True, True),
    ("normal", "<subject>x</subject>", False, False),
    ("normal", "<x xmlns='urn:example'/>", False, False),
    ("nonsense", "<body>x</body>", True, True),
    ("headline", "<body>x</body>", False, False),
    ("groupchat", "<body>x</body>", False, False),
    ("groupchat", f"<active xmlns='{STATES}'/>", False, False),
    ("normal", f"<composing xmlns='{STATES}'/>", True, True),
    ("headline", f"<composing xmlns='{STATES}'/>", True, True),
    ("normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", True, True),
    ("normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", True, True),
    ("normal", "<x xmlns='jabber:x:conference' jid='a@b'/>", True, True),
    ("normal", f"<x xmlns='{MUC_USER}'><invite from='a@b'/></x>", True, True),
    ("normal", f"<x xmlns='{MUC_USER}'><decline from='a@b'/></x>", False, False),
    ("chat", f"<body>x</body><x xmlns='{MUC_USER}'/>", True, False),
    ("normal", f"<body>x</body><x xmlns='{MUC_USER}'/>", True, False),
)  # fmt: skip


class WhichMessages(CarbonsTestCase):
    """Section 6.1, and private messages (section 9)."""

    def test_rules(self) -> None:
        room = self.remote("rooms.example.com")
        for type_, content, sent, received in RULES:
            with self.subTest(type=type_, content=content):
                self.orchard.send(f"<message type='{type_}' to='room@rooms.example.com/nick'>{content}</message>")
                # Nobody takes anything away from it, not even <private/>.
                room.expect(f"<message type='{type_}' from='{{romeo}}'>{content}</message>" if type_ != "normal" else
                            f"<message from='{{romeo}}'>{content}</message>")  # fmt: skip
                self.assertEqual(self.arrived(self.phone), sent)
                room.send(
                    f"<message type='{type_}' from='room@rooms.example.com/nick' to='{{romeo}}'>{content}</message>"
                )
                self.assertEqual(self.arrived(self.orchard), 1)
                self.assertEqual(self.arrived(self.phone), received)


class PrivateInRooms(CarbonsTestCase):
    """6.1: a private message to somebody in a room is for the devices that are there under the same nickname."""

    plugins = ("carbons", "roster", "presence")

    def test_devices(self) -> None:
        room = self.remote("rooms.example.com")
        other_nick, elsewhere = self.device("romeo@example.org/nick"), self.device("romeo@example.org/elsewhere")
        for client, where in (
            (self.orchard, "a@rooms.example.com/romeo"),
            (self.phone, "a@rooms.example.com/romeo"),
            (other_nick, "a@rooms.example.com/montague"),
            (elsewhere, "b@rooms.example.com/romeo"),
        ):
            client.send(f"<presence to='{where}'/>")
        for client in (self.orchard, self.phone, other_nick, elsewhere):
            client.clear()
        room.clear()
        private = f"<body>psst</body><x xmlns='{MUC_USER}'/>"
        self.orchard.send(f"<message type='chat' to='a@rooms.example.com/juliet'>{private}</message>")
        room.expect(f"<message type='chat'>{private}</message>")
        self.phone.expect(f"<message type='chat'><sent xmlns='{NS}'>{{any}}</sent></message>")
        for client in (self.orchard, other_nick, elsewhere):
            client.expect_nothing()

    def test_that_does_not_say_so(self) -> None:
        """Clients and rooms may leave out the element that tells: where a device is tells as well."""
        room = self.remote("rooms.example.com")
        elsewhere = self.device("romeo@example.org/elsewhere")
        enter = "<x xmlns='http://jabber.org/protocol/muc'/>"
        for client in (self.orchard, self.phone):
            client.send(f"<presence to='a@rooms.example.com/romeo'>{enter}</presence>")
        elsewhere.send("<presence to='mercutio@rooms.example.com/square'/>")
        room.clear()
        for client in (self.orchard, self.phone, elsewhere):
            client.clear()
        self.orchard.send("<message type='chat' id='1' to='a@rooms.example.com/juliet'><body>psst</body></message>")
        self.phone.expect(f"<message type='chat'><sent xmlns='{NS}'>{{any}}</sent></message>")
        elsewhere.expect_nothing()
        room.clear()
        message = "<message type='{}' id='1' from='a@rooms.example.com/juliet' to='{{romeo}}'><body>hi</body></message>"
        room.send(message.format("chat"))
        self.orchard.expect("<message type='chat'><body>hi</body></message>")
        for client in (self.phone, elsewhere):
            client.expect_nothing()
        # An error is copied to whom the message was copied.
        room.send(message.format("error"))
        self.orchard.expect("<message type='error' id='1'>{...}</message>")
        self.phone.expect(f"<message type='error'><received xmlns='{NS}'>{{any}}</received></message>")
        elsewhere.expect_nothing()

    def test_contacts_who_know_of_a_device(self) -> None:
        """Directed presence alone makes no room."""
        self.remote("rooms.example.com")
        self.orchard.send("<presence to='a@rooms.example.com/romeo'/>")
        for client in (self.orchard, self.phone):
            client.clear()
        self.orchard.send("<message type='chat' to='a@rooms.example.com/juliet'><body>hi</body></message>")
        self.phone.expect(f"<message type='chat'><sent xmlns='{NS}'>{{any}}</sent></message>")


class Errors(CarbonsTestCase):
    """Section 10.3, and errors in answer to what was copied (section 6.1)."""

    def setUp(self) -> None:
        super().setUp()
        self.elsewhere = self.remote("example.com")

    def send(self, attributes: str, content: str = "<body>hi</body>") -> None:
        self.orchard.send(f"<message {attributes}>{content}</message>")
        self.elsewhere.clear()
        self.phone.clear()

    def fail_with(self, attributes: str) -> None:
        error = "<error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.elsewhere.send(f"<message type='error' {attributes}>{error}</message>")

    def test_an_error_goes_where_the_message_went(self) -> None:
        self.send("id='1' type='chat' to='mercutio@example.com/x'")
        self.fail_with("id='1' from='mercutio@example.com' to='{romeo}'")
        self.orchard.expect("<message type='error' id='1'>{...}</message>")
        self.phone.expect(
            f"<message type='error' from='romeo@example.org'><received xmlns='{NS}'>{{any}}</received></message>"
        )

    def test_also_if_the_sender_is_gone(self) -> None:
        self.send("id='1' type='chat' to='mercutio@example.com/x'")
        self.orchard.disconnect()
        self.fail_with("id='1' from='mercutio@example.com' to='romeo@example.org/orchard'")
        self.phone.expect("<message type='error' from='romeo@example.org'>{...}</message>")

    def test_errors_to_what_was_not_copied_are_not(self) -> None:
        self.send("id='1' type='chat' to='mercutio@example.com'", f"<body>x</body><private xmlns='{NS}'/>")
        self.send("id='2' type='groupchat' to='mercutio@example.com'")
        self.send("id='3' type='chat' to='tybalt@example.com'")
        for id_ in (" id='1'", " id='2'", " id='3'", ""):
            self.fail_with(f"{id_} from='mercutio@example.com' to='{{romeo}}'")
            self.orchard.expect("<message type='error'>{...}</message>")
        self.phone.expect_nothing()

    def test_errors_that_a_device_sends(self) -> None:
        self.elsewhere.send("<message id='4' type='chat' from='mercutio@example.com/x' to='{romeo}'/>")
        self.assertEqual(self.arrived(self.phone), 1)
        error = "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.orchard.send(f"<message id='4' type='error' to='mercutio@example.com/x'>{error}</message>")
        self.elsewhere.expect("<message type='error' id='4'>{...}</message>")
        self.phone.expect(f"<message type='error'><sent xmlns='{NS}'>{{any}}</sent></message>")

    def test_what_answers_a_copy_goes_nowhere(self) -> None:
        self.elsewhere.send("<message id='5' type='chat' from='mercutio@example.com/x' to='{romeo}'/>")
        self.orchard.clear()
        self.phone.clear()
        error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        self.phone.send(f"<message id='5' type='error' to='romeo@example.org'>{error}</message>")
        for client in (self.orchard, self.phone, self.elsewhere):
            client.expect_nothing()

    def test_how_many_are_remembered(self) -> None:
        for number in range(31):
            self.send(f"id='{number}' type='chat' to='mercutio@example.com'")
        self.fail_with("id='0' from='mercutio@example.com' to='{romeo}'")
        self.assertEqual(self.arrived(self.phone), 0)
        self.fail_with("id='1' from='mercutio@example.com' to='{romeo}'")
        self.assertEqual(self.arrived(self.phone), 1)


class Blocked(CarbonsTestCase):
    plugins = ("carbons", "blocking")

    def test_nothing_is_copied(self) -> None:
        block = "<block xmlns='urn:xmpp:blocking'><item jid='juliet@example.org'/></block>"
        self.phone.send(f"<iq type='set' id='b'>{block}</iq>")
        self.phone.clear()
        self.juliet.send("<message type='chat' to='{romeo}'><body>hi</body></message>")
        self.refused(self.juliet, "service-unavailable")
        self.orchard.send("<message type='chat' to='{juliet}'><body>hi</body></message>")
        self.refused(self.orchard, "not-acceptable")
        for client in (self.orchard, self.phone):
            client.expect_nothing()


class Resumed(ManagedTestCase):
    """What was enabled outlives connections, and the server; what a unit of work leaves behind includes copies."""

    plugins = ("carbons", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.phone, self.previd = self.enabled("romeo@example.org/phone")
        self.phone.send(ENABLE)
        self.phone.expect("<iq type='result' id='carbons'/>")
        self.orchard = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def test_after_a_lost_connection(self) -> None:
        self.phone.disconnect()
        self.juliet.send("<message type='chat' to='{romeo_orchard}'><body>hi</body></message>")
        self.orchard.expect("<message type='chat'><body>hi</body></message>")
        phone = self.resuming("romeo@example.org/phone", self.previd, 1)
        phone.expect(f"<resumed xmlns='{SM}' previd='{{any}}' h='{{any}}'/>")
        phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>", f"<r xmlns='{SM}'/>")
        phone.expect_nothing()

    def test_after_the_server_was_killed(self) -> None:
        self.kill()
        orchard = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<message type='chat' to='romeo@example.org/orchard'><body>hi</body></message>")
        orchard.expect("<message type='chat'><body>hi</body></message>")
        phone = self.resuming("romeo@example.org/phone", self.previd, 1)
        phone.expect(f"<resumed xmlns='{SM}' previd='{{any}}' h='{{any}}'/>")
        phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>", f"<r xmlns='{SM}'/>")
        orchard.send("<message type='chat' to='{juliet}'><body>well</body></message>")
        phone.expect(f"<message type='chat'><sent xmlns='{NS}'>{{any}}</sent></message>")

    def second(self) -> Client:
        """Return another device that can be resumed."""
        second, _ = self.enabled("romeo@example.org/second")
        second.send(ENABLE)
        second.clear()
        self.juliet.send("<message type='chat' to='romeo@example.org/second'><body>hi</body></message>")
        second.expect("<message type='chat'><body>hi</body></message>")
        self.phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
        self.orchard.close()
        return second

    def test_the_copy_counts_when_the_device_that_got_the_message_is_lost(self) -> None:
        second = self.second()
        self.phone.send(f"<a xmlns='{SM}' h='2'/>")
        second.disconnect()
        self.pump(100_000, 3600)
        late = self.login("romeo@example.org/late")
        late.send("<presence/>")
        late.expect_nothing()

    def test_a_copy_that_nobody_got_either_is_the_message(self) -> None:
        """Whichever device is lost first."""
        for first in (0, 1):
            with self.subTest(first=first):
                self.setUp() if first else None
                second = self.second()
                (second, self.phone)[first].disconnect()
                self.pump(60)
                (self.phone, second)[first].disconnect()
                self.pump(100_000, 3600)
                late = self.login("romeo@example.org/late")
                late.send("<presence/>")
                late.expect("<message type='chat' from='{juliet}'><body>hi</body>{...}</message>")
                late.expect_nothing()

    def test_two_that_got_the_message_itself(self) -> None:
        self.orchard.close()
        second, _ = self.enabled("romeo@example.org/second")
        self.juliet.send("<message type='chat' to='romeo@example.org'><body>hi</body></message>")
        for client in (second, self.phone):
            client.expect("<message type='chat'><body>hi</body></message>")
            client.disconnect()
        self.pump(100_000, 3600)
        late = self.login("romeo@example.org/late")
        late.send("<presence/>")
        late.expect("<message type='chat' from='{juliet}'><body>hi</body>{...}</message>")
        late.expect_nothing()

    def test_from_elsewhere(self) -> None:
        """What other servers and components send is one unit of work, too: the copy counts."""
        second, _ = self.enabled("romeo@example.org/second")
        other = self.remote("example.com")
        for to in ("romeo@example.org/second", "romeo@example.org"):
            other.send(f"<message from='a@example.com/x' to='{to}' type='chat'><body>hi</body></message>")
        second.expect(*["<message type='chat' from='a@example.com/x'><body>hi</body></message>"] * 2)
        self.phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
        self.phone.expect("<message type='chat' from='a@example.com/x'><body>hi</body></message>")
        second.disconnect()
        self.orchard.clear()
        self.pump(10)
        self.server.server.end(self.server.server.directory.by_jid[Jid.parse("romeo@example.org/second")])
        self.pump(10)
        self.phone.expect(f"<r xmlns='{SM}'/>")
        for client in (self.phone, self.orchard):
            client.expect_nothing()

    def test_copies_beside_what_waits_anyway(self) -> None:
        """Two devices that will never take it see it, and are lost: it still waits once."""
        self.orchard.close()
        self.phone.send("<presence><priority>-1</priority></presence>")
        second, _ = self.enabled("romeo@example.org/second")
        second.send(f"{ENABLE}<presence><priority>-1</priority></presence>")
        second.clear()
        self.juliet.send("<message type='chat' to='romeo@example.org'><body>hi</body></message>")
        for client in (second, self.phone):
            client.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
            client.disconnect()
        self.pump(100_000, 3600)
        late = self.login("romeo@example.org/late")
        late.send("<presence/>")
        late.expect("<message type='chat' from='{juliet}'><body>hi</body>{...}</message>")
        late.expect_nothing()

    def test_what_is_sent_again_is_not_copied_again(self) -> None:
        second, _ = self.enabled("romeo@example.org/second")
        self.phone.close()
        self.juliet.send("<message type='chat' to='romeo@example.org/second'><body>hi</body></message>")
        second.disconnect()
        third = self.login("romeo@example.org/third")
        third.send(f"{ENABLE}<presence><priority>-1</priority></presence>")
        third.clear()
        self.pump(100_000, 3600)
        self.orchard.expect("<message type='chat' from='{juliet}'><body>hi</body>{...}</message>")
        third.expect_nothing()


class Archived(ManagedTestCase):
    """XEP-0359: copies of what was sent name the id in the archive, which only the sender's devices may know."""

    def test_sent(self) -> None:
        class Keeper(Plugin):
            provides = (IArchive,)

            def archive_id(self, account: Jid, message: Message) -> str | None:
                return f"{account}-{message.id}" if message.id else None

            def fetched(self, session: ISession, archive_id: str) -> bool:
                return False

        self.host.registry._sources.append(ClassSource(Keeper))
        for plugin in ("keeper", "carbons"):
            self.wait(self.host.registry.enable(plugin))
        orchard, phone = (self.login(f"romeo@example.org/{name}") for name in ("orchard", "phone"))
        juliet = self.login("juliet@example.org/balcony", presence=True)
        phone.send(ENABLE)
        phone.clear()
        for id_ in (" id='1'", ""):
            orchard.send(f"<message type='chat'{id_} to='juliet@example.org'><body>hi</body></message>")
            juliet.expect("<message type='chat'><body>hi</body></message>")
        stamp = "<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.org' id='romeo@example.org-1'/>"
        message = (
            "<message type='chat'{} xmlns='jabber:client' from='{{romeo}}' to='juliet@example.org'><body>hi</body>"
        )
        phone.expect(
            copy("sent", message.format(" id='1'") + stamp + "</message>"),
            copy("sent", message.format("") + "</message>"),
        )


class Order(CarbonsTestCase):
    plugins = ("carbons", "archive")

    def test_an_error_does_not_overtake_what_it_answers(self) -> None:
        """What a device sends is on disk before it is copied to others, so the error that answers it waits as well."""
        for to in ("nobody@example.org", "example.org", "nobody@elsewhere.example"):
            self.orchard.send(f"<message id='1' type='chat' to='{to}'><body>hi</body></message>")
            self.phone.expect(
                f"<message type='chat'><sent xmlns='{NS}'>{{any}}</sent></message>",
                f"<message type='error'><received xmlns='{NS}'>{{any}}</received></message>",
            )
            self.orchard.expect("<message type='error' id='1'>{...}</message>")
