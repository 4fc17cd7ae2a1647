"""What other plugins are told of rooms, and what they can refuse."""

from __future__ import annotations

from typing import ClassVar

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase
from xmppd.api import Condition, Plugin, StanzaError, observe
from xmppd.api.muc import (
    Entering,
    OccupantEntered,
    OccupantLeft,
    RoomCreated,
    RoomDestroyed,
    RoomMessage,
    Speaking,
)


class Watcher(Plugin):
    """Writes down what happens, and refuses the nurse and whoever shouts."""

    seen: ClassVar[list[object]] = []

    @observe(Entering)
    def entering(self, event: Entering) -> None:
        self.seen.append(event)
        if event.presence.recipient.resource == "Nurse":
            event.refusal = StanzaError(Condition.POLICY_VIOLATION)

    @observe(Speaking)
    def speaking(self, event: Speaking) -> None:
        if (event.message.body or "").isupper():
            event.refusal = StanzaError(Condition.POLICY_VIOLATION, text="Don't shout.")

    @observe(RoomCreated)
    @observe(RoomDestroyed)
    @observe(OccupantEntered)
    @observe(OccupantLeft)
    @observe(RoomMessage)
    def see(self, event: object) -> None:
        self.seen.append(event)


class Events(RoomTestCase):
    plugins = ("muc", "presence", "roster", Watcher)

    def setUp(self) -> None:
        super().setUp()
        Watcher.seen.clear()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)

    def told(self) -> list[str]:
        """Return what was seen since the last time."""
        names = [type(event).__name__ for event in Watcher.seen]
        Watcher.seen.clear()
        return names

    def test_life_of_a_room(self) -> None:
        self.make_room(self.romeo)
        created, made, entered = Watcher.seen
        assert isinstance(created, Entering) and isinstance(made, RoomCreated) and isinstance(entered, OccupantEntered)
        self.assertTrue(created.created)
        self.assertEqual((made.room, made.creator), (GARDEN, "romeo@example.org"))
        self.assertEqual((entered.nick, entered.who), ("Romeo", "romeo@example.org"))
        Watcher.seen.clear()
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><body>hi</body></message>")
        (said,) = Watcher.seen
        assert isinstance(said, RoomMessage)
        self.assertEqual((said.message.from_, said.author), (f"{GARDEN}/Romeo", "romeo@example.org/orchard"))
        Watcher.seen.clear()
        self.romeo.send(f"<presence to='{GARDEN}' type='unavailable'/>")
        self.assertEqual(self.told(), ["OccupantLeft", "RoomDestroyed"])

    def test_asked_once_though_history_has_to_be_read(self) -> None:
        self.make_room(self.romeo, persistent=True)
        self.restart()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        Watcher.seen.clear()
        self.enter(romeo, "Romeo")
        self.assertEqual(self.told(), ["Entering", "OccupantEntered"])

    def test_refused(self) -> None:
        self.make_room(self.romeo)
        nurse = self.login("nurse@example.org/x", presence=True)
        for room in (GARDEN, "cellar@conference.example.org"):
            nurse.clear()
            nurse.send(f"<presence to='{room}/Nurse'>{JOIN}</presence>")
            self.assertIn("policy-violation", nurse.received[-1])
        self.assertEqual(self.nicks(), ["Romeo"])
        self.assertEqual(list(self.plugin("muc").rooms.loaded), [GARDEN])
        self.romeo.clear()
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><body>HI</body></message>")
        self.assertIn("shout", self.romeo.received[-1])
        self.assertEqual(len(self.romeo.received), 1)
