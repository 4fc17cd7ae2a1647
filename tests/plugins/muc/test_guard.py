"""What the operator allows in rooms, and how often."""

from __future__ import annotations

from typing import Any

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase
from xmppd.wire.jid import Jid

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class GuardTestCase(RoomTestCase):
    hosts = {"example.org": {"admins": ["bard@example.org"]}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.bard = self.login("bard@example.org/globe", presence=True)

    def join(self, client, nick: str, room: str = GARDEN) -> None:
        client.send(f"<presence to='{room}/{nick}'>{JOIN}</presence>")

    def expect_refused(self, client, condition: str, type_: str) -> None:
        client.expect(
            f"<presence type='error'>{{...}}<error type='{type_}' by='{{any}}'><{condition} xmlns='{STANZAS}'/>{{...}}"
            "</error></presence>"
        )
        client.expect_nothing()


class WhoMayCreate(GuardTestCase):
    config = {"muc": {"create": "admins"}}

    def test_admins_only(self) -> None:
        self.join(self.romeo, "Romeo")
        self.expect_refused(self.romeo, "not-allowed", "cancel")
        self.make_room(self.bard, "Bard")
        self.enter(self.romeo, "Romeo")
        self.assertEqual(self.nicks(), ["Bard", "Romeo"])


class Strangers(GuardTestCase):
    def test_may_not_create_but_enter(self) -> None:
        net = self.remote("example.net")
        net.send(f"<presence from='paris@example.net/x' to='{GARDEN}/Paris'>{JOIN}</presence>")
        self.expect_refused(net, "not-allowed", "cancel")
        self.make_room(self.romeo)
        net.send(f"<presence from='paris@example.net/x' to='{GARDEN}/Paris'>{JOIN}</presence>")
        self.assertEqual(self.nicks(), ["Paris", "Romeo"])


class AnyoneMayCreate(GuardTestCase):
    config = {"muc": {"create": "anyone"}}

    def test_strangers(self) -> None:
        net = self.remote("example.net")
        net.send(f"<presence from='paris@example.net/x' to='{GARDEN}/Paris'>{JOIN}</presence>")
        self.assertEqual(self.nicks(), ["Paris"])


class NoGuests(GuardTestCase):
    config = {"muc": {"guests": False}}

    def test_strangers(self) -> None:
        self.make_room(self.romeo)
        net = self.remote("example.net")
        net.send(f"<presence from='paris@example.net/x' to='{GARDEN}/Paris'>{JOIN}</presence>")
        self.expect_refused(net, "registration-required", "auth")


class Blocked(GuardTestCase):
    def test_people_and_domains(self) -> None:
        self.make_room(self.bard, "Bard")
        guard = self.plugin("muc").guard
        for who in ("romeo@example.org", "example.org"):
            with self.subTest(who=who):
                self.wait(guard.block(Jid.parse(who), "spam"))
                self.kill()
                self.romeo = self.login("romeo@example.org/orchard", presence=True)
                guard = self.plugin("muc").guard
                self.join(self.romeo, "Romeo")
                self.expect_refused(self.romeo, "forbidden", "auth")
                self.assertTrue(self.wait(guard.unblock(Jid.parse(who))))
                self.assertFalse(self.wait(guard.unblock(Jid.parse(who))))
        self.enter(self.romeo, "Romeo")
        self.assertEqual(self.nicks(), ["Romeo"])

    def test_domains_below(self) -> None:
        """Who has a domain has any number of those below it."""
        self.make_room(self.bard, "Bard", persistent=True)
        nets = {domain: self.remote(domain) for domain in ("a.b.example.net", "bb.example.net")}
        for domain, net in nets.items():
            net.send(f"<presence from='paris@{domain}/x' to='{GARDEN}/{domain}'>{JOIN}</presence>")
        self.assertEqual(len(self.nicks()), 3)
        self.wait(self.server.server.operations.run("room block", {"who": "b.example.net"}))
        self.assertEqual(self.nicks(), ["Bard", "bb.example.net"])
        net = nets["a.b.example.net"]
        net.clear()
        net.send(f"<presence from='paris@a.b.example.net/x' to='{GARDEN}/Paris'>{JOIN}</presence>")
        self.expect_refused(net, "forbidden", "auth")


class HowMany(GuardTestCase):
    config = {"muc": {"max_rooms": 3, "max_owned": 2}}

    def test_owned_and_all(self) -> None:
        for number in range(2):
            self.make_room(self.romeo, room=f"r{number}@conference.example.org", persistent=True)
        self.join(self.romeo, "Romeo")
        self.expect_refused(self.romeo, "resource-constraint", "wait")
        self.make_room(self.bard, "Bard")
        self.restart()
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.join(juliet, "Juliet", "r3@conference.example.org")
        self.pump()
        self.join(juliet, "Juliet", "r4@conference.example.org")
        self.assertEqual(self.plugin("muc").rooms.total, 3)
        self.expect_refused_last(juliet)

    def expect_refused_last(self, client) -> None:
        self.assertIn("resource-constraint", client.received[-1])


class HowOften(GuardTestCase):
    config = {
        "muc": {"joins_per_minute": 3, "presence_per_minute": 2, "join_presence_per_second": 10, "max_owned": 1}
    }  # fmt: skip

    def test_entering(self) -> None:
        self.make_room(self.bard, "Bard", persistent=True)
        for _ in range(3):
            self.enter(self.romeo, "Romeo")
            self.romeo.send(f"<presence to='{GARDEN}' type='unavailable'/>")
            self.romeo.clear()
        self.join(self.romeo, "Romeo")
        self.expect_refused(self.romeo, "resource-constraint", "wait")
        self.pump(50)
        self.pump(11)
        self.enter(self.romeo, "Romeo")
        self.assertEqual(self.nicks(), ["Bard", "Romeo"])

    def test_guessing(self) -> None:
        """Who has tried too many passwords isn't told whether the next one is right."""
        self.make_room(self.bard, "Bard", password="cauldronburn")
        for password, condition in (
            ("a", "not-authorized"), ("b", "not-authorized"), ("c", "not-authorized"), ("d", "resource-constraint"),
            ("cauldronburn", "resource-constraint"),
        ):  # fmt: skip
            self.romeo.clear()
            inside = f"<x xmlns='http://jabber.org/protocol/muc'><password>{password}</password></x>"
            self.romeo.send(f"<presence to='{GARDEN}/Romeo'>{inside}</presence>")
            self.assertIn(f"<{condition}", self.romeo.received[-1], password)
        self.pump(61)
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'>{inside}</presence>")
        self.assertEqual(self.nicks(), ["Bard", "Romeo"])

    def come(self, count: int) -> list[Any]:
        """Let so many people want to enter at once."""
        self.make_room(self.bard, "Bard", persistent=True)
        clients = [self.login(f"u{number}@example.org/x", presence=True) for number in range(count)]
        for number, client in enumerate(clients):
            client.clear()
            self.join(client, f"u{number}")
        return clients

    def test_all_together(self) -> None:
        """They enter one after the other: with ten presences a second, eight people take seconds."""
        self.come(8)
        there = len(self.nicks())
        self.assertLess(there, 9)
        self.pump(1)
        self.assertLess(there, len(self.nicks()))
        for _ in range(10):
            self.pump(1)
        self.assertEqual(len(self.nicks()), 9)

    def test_a_room_that_is_gone_meanwhile(self) -> None:
        """Who has waited for their turn makes a new one only if they may own one more."""
        for number in range(8):
            own = {"room": f"own{number}@conference.example.org", "owner": f"u{number}@example.org"}
            self.wait(self.server.server.operations.run("room create", own))
        waiting = self.come(8)[7]
        self.assertNotIn("u7", self.nicks())
        destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
        self.bard.send(f"<iq type='set' id='d' to='{GARDEN}'>{destroy}</iq>")
        for _ in range(10):
            self.pump(1)
        self.assertIn("You own 1 rooms already.", "".join(waiting.received))
        self.assertEqual(self.plugin("muc").rooms.total, 8)

    def test_the_plugin_is_stopped_meanwhile(self) -> None:
        """Nobody waits for ever: what they send next is answered."""
        waiting = self.come(8)[7]
        waiting.clear()
        waiting.send("<iq type='get' id='next'><query xmlns='jabber:iq:roster'/></iq>")
        waiting.expect_nothing()
        self.wait(self.host.registry.disable("muc"))
        self.pump(1)
        self.assertIn("<resource-constraint ", waiting.received[0])
        self.assertIn("id='next'", waiting.received[-1].replace('"', "'"))

    def test_who_leaves_while_waiting(self) -> None:
        clients = self.come(8)
        clients[7].close()
        for _ in range(10):
            self.pump(1)
        self.assertEqual(len(self.nicks()), 8)

    def test_changing(self) -> None:
        self.make_room(self.bard, "Bard")
        self.enter(self.romeo, "Romeo")
        for _ in range(2):
            self.romeo.send(f"<presence to='{GARDEN}/Romeo'><show>away</show></presence>")
        self.romeo.clear()
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'/>")
        self.expect_refused(self.romeo, "resource-constraint", "wait")
        self.pump(50)
        self.pump(11)
        self.romeo.send(f"<presence to='{GARDEN}/Montague'/>")
        self.assertEqual(self.nicks(), ["Bard", "Montague"])


class HowMuch(GuardTestCase):
    config = {
        "muc": {
            "max_message": 2000,
            "max_broadcast": 3000,
            "max_presence": 300,
            "max_history_octets": 2500,
            "idle_seconds": 10,
        }
    }

    def say(self, octets: int) -> str:
        self.bard.clear()
        self.bard.send(f"<message to='{GARDEN}' type='groupchat'><body>{'x' * octets}</body></message>")
        return str(self.bard.received[-1])

    def test_max_message(self) -> None:
        self.make_room(self.bard, "Bard")
        self.assertIn("<not-acceptable", self.say(2500))
        self.assertNotIn("<error", self.say(1900))

    def test_max_broadcast(self) -> None:
        self.make_room(self.bard, "Bard")
        self.enter(self.romeo, "Romeo")
        self.assertIn("<not-acceptable", self.say(1900))
        self.assertNotIn("<error", self.say(1400))

    def test_max_presence(self) -> None:
        self.make_room(self.bard, "Bard")
        status = f"<status>{'x' * 300}</status>"
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'>{JOIN}{status}</presence>")
        self.expect_refused(self.romeo, "not-acceptable", "modify")
        self.enter(self.romeo, "Romeo")
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'>{status}</presence>")
        self.expect_refused(self.romeo, "not-acceptable", "modify")

    def test_max_history_octets(self) -> None:
        self.make_room(self.bard, "Bard")
        for _ in range(5):
            self.say(900)
        self.assertEqual(len(self.room().history), 2)

    def test_history_is_not_in_memory_while_nothing_happens(self) -> None:
        self.make_room(self.bard, "Bard")
        self.say(10)
        self.pump(50)
        self.pump(50)
        self.assertEqual(len(self.room().history), 0)
        self.enter(self.romeo, "Romeo")
        self.pump()
        self.assertEqual(len(self.room().history), 1)


class TooMuch(GuardTestCase):
    config = {"muc": {"deliveries_per_second": 2}}

    def test_deliveries_per_second(self) -> None:
        self.make_room(self.bard, "Bard")
        self.enter(self.romeo, "Romeo")
        for _ in range(20):
            self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><body>hi</body></message>")
        refused = [xml for xml in self.romeo.received if "<resource-constraint" in xml]
        self.assertEqual(len(refused), 15)
        self.bard.clear()
        self.bard.send(f"<message to='{GARDEN}' type='groupchat'><body>hi</body></message>")
        self.assertNotIn("<error", self.bard.received[-1])
        self.pump(5)
        self.romeo.clear()
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><body>hi</body></message>")
        self.assertNotIn("<error", self.romeo.received[-1])


class Impatient(GuardTestCase):
    config = {"muc": {"join_presence_per_second": 10, "join_wait_seconds": 1.0}}

    def test_join_wait_seconds(self) -> None:
        self.make_room(self.bard, "Bard", persistent=True)
        clients = [self.login(f"u{number}@example.org/x", presence=True) for number in range(8)]
        for number, client in enumerate(clients):
            client.clear()
            self.join(client, f"u{number}")
        self.assertIn("<resource-constraint", clients[-1].received[-1])
        self.pump(10)
        clients[-1].clear()
        self.join(clients[-1], "again")
        self.assertIn("again", self.nicks())


class OneServer(GuardTestCase):
    config = {"muc": {"join_presence_per_second": 40, "join_wait_seconds": 0.0}}

    def test_quarter(self) -> None:
        """Users of one other server can't keep everybody else out."""
        self.make_room(self.bard, "Bard")
        net = self.remote("example.net")
        for number in range(12):
            net.send(f"<presence from='u{number}@example.net/x' to='{GARDEN}/u{number}'>{JOIN}</presence>")
        self.assertIn("<resource-constraint", net.received[-1])
        self.enter(self.romeo, "Romeo")
        self.assertIn("Romeo", self.nicks())
