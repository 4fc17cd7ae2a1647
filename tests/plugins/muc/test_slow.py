"""Slow mode (XEP-0500), and how much is said in rooms (XEP-0502)."""

from __future__ import annotations

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.plugins.muc.room import activity, slow
from xmppd.testing import Client
from xmppd.wire.jid import Jid

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
HOUR = 3600


class SlowMode(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.make_room(self.romeo, slow_mode=20)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def say(self, client: Client, inside: str = "<body>hi</body>") -> None:
        client.send(f"<message to='{GARDEN}' type='groupchat' id='1'>{inside}</message>")

    def heard(self, inside: str = "<body>hi</body>") -> None:
        self.romeo.expect(f"<message type='groupchat' id='1'>{inside}{{...}}</message>")

    def refused(self, client: Client) -> None:
        client.expect(
            f"<message type='error' id='1' from='{GARDEN}'>{{...}}<error type='wait' by='{GARDEN}'>{{...}}"
            f"<policy-violation xmlns='{ERRORS}'/></error></message>"
        )
        self.romeo.expect_nothing()

    def test_wait(self) -> None:
        self.say(self.juliet)
        self.heard()
        self.juliet.clear()
        self.pump(19)
        self.say(self.juliet)
        self.assertIn("20 seconds", self.juliet.received[-1])
        self.refused(self.juliet)
        self.pump(1)  # what was refused doesn't count
        self.say(self.juliet)
        self.heard()

    def test_others(self) -> None:
        self.say(self.juliet)
        self.heard()
        benvolio = self.login("benvolio@example.org/street")
        self.enter(benvolio, "Benvolio")
        self.romeo.clear()
        self.say(benvolio)
        self.heard()

    def test_another_device(self) -> None:
        """It is who they are that counts: other devices, other nicknames, and coming in again don't help."""
        self.say(self.juliet)
        self.heard()
        tower = self.login("juliet@example.org/tower")
        self.enter(tower, "Rosaline")
        self.juliet.send(f"<presence to='{GARDEN}/Juliet' type='unavailable'/>")
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()
        for client in (tower, self.juliet):
            client.clear()
            self.say(client)
            self.refused(client)

    def test_owners_and_admins(self) -> None:
        for _ in range(3):
            self.say(self.romeo)
            self.heard()

    def test_moderators_wait(self) -> None:
        """A role is not what exempts (section 4.3)."""
        self.romeo.send(
            f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='http://jabber.org/protocol/muc#admin'>"
            "<item nick='Juliet' role='moderator'/></query></iq>"
        )
        self.romeo.clear()
        self.say(self.juliet)
        self.heard()
        self.juliet.clear()
        self.say(self.juliet)
        self.refused(self.juliet)

    def test_without_a_body(self) -> None:
        state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        self.say(self.juliet)
        self.heard()
        self.say(self.juliet, state)
        self.heard(state)
        self.pump(20)
        self.say(self.juliet, state)
        self.heard(state)
        self.say(self.juliet)
        self.heard()

    def test_forgetting(self) -> None:
        """Those are remembered who still have to wait."""
        room = self.room()
        for number in range(1000):
            slow.spoke(room, Jid.parse(f"{number}@example.org"), float(number))
        self.assertLess(len(room.spoken), 100)
        self.assertIn(Jid.parse("999@example.org"), room.spoken)


class Activity(RoomTestCase):
    config = {"limits": {"idle_ping_seconds": 1e9}}  # these clients answer no pings

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.made = self.make_room(self.romeo, persistent=True)
        self.pump(HOUR)

    def say(self, count: int, inside: str = "<body>hi</body>") -> None:
        for _ in range(count):
            self.romeo.send(f"<message to='{GARDEN}' type='groupchat'>{inside}</message>")
        self.romeo.clear()

    def rate(self) -> float | None:
        return activity.per_hour(self.room(), self.host.clock.seconds())

    def test_rate(self) -> None:
        before = self.rate()
        self.say(48)
        self.assertEqual(before, self.rate(), "an hour that isn't over")
        self.pump(HOUR * 23)
        self.assertEqual(self.rate(), 2.0)
        self.pump(HOUR * 24)
        self.assertEqual(self.rate(), 0.0)

    def test_new_room(self) -> None:
        """Of the first day there are but the hours that were."""
        self.say(10)
        self.pump(HOUR)
        self.assertEqual(self.rate(), 5.0)

    def test_what_does_not_count(self) -> None:
        self.say(5, "<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        self.say(5, "<body>hi</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>")
        self.say(5, "<subject>hi</subject>")
        self.pump(HOUR)
        self.assertEqual(self.rate(), 0.0)

    def test_not_told(self) -> None:
        """Of rooms that are hidden, or not open, and those that have no hour behind them."""
        config = self.made.config
        for name, value in (("public", False), ("persistent", False), ("members_only", True), ("password", "x")):
            self.made.config = config.changed({name: value})
            self.assertIsNone(self.rate(), name)
        self.made.config = config
        self.assertIsNotNone(self.rate())
        self.made.created_at = self.host.clock.seconds()
        self.assertIsNone(self.rate())

    def test_stays(self) -> None:
        self.say(10)
        self.pump(HOUR)
        self.say(1)
        self.restart()
        self.romeo = self.login("romeo@example.org/orchard")
        self.enter(self.romeo, "Romeo")
        self.assertEqual(self.rate(), 5.0)

    def test_room_unloaded(self) -> None:
        """What was counted in the hour that isn't over is kept when nobody needs the room in memory."""
        self.say(10)
        self.romeo.send(f"<presence to='{GARDEN}/Romeo' type='unavailable'/>")
        self.pump(1200)
        self.assertNotIn(Jid.parse(GARDEN), self.plugin("muc").rooms.loaded)
        self.pump(HOUR)
        self.enter(self.romeo, "Romeo")
        self.assertEqual(self.rate(), 5.0)
