"""Limits of rooms that the operator sets."""

from __future__ import annotations

from typing import Any

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase
from xmppd.plugins.muc.room.affiliating import Standing, check_standings
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid


class Limits(RoomTestCase):
    config = {
        "muc": {
            "max_occupants": 3,
            "max_devices": 2,
            "max_nick": 5,
            "max_history": 2,
            "max_affiliations": 2,
            "name": "Salons",
        }
    }

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.make_room(self.romeo)

    def refused(self, client: Any, nick: str, condition: str) -> None:
        client.clear()
        client.send(f"<presence to='{GARDEN}/{nick}'>{JOIN}</presence>")
        self.assertIn(f"<{condition} ", client.received[-1])

    def test_max_occupants(self) -> None:
        for name in ("a", "b"):
            self.enter(self.login(f"{name}@example.org/x", presence=True), name)
        late = self.login("c@example.org/x", presence=True)
        self.refused(late, "c", "service-unavailable")
        self.assertEqual(self.nicks(), ["Romeo", "a", "b"])

    def test_max_devices(self) -> None:
        for resource in ("x", "y"):
            self.enter(self.login(f"a@example.org/{resource}", presence=True), "a")
        self.refused(self.login("a@example.org/z", presence=True), "a", "resource-constraint")
        self.assertEqual(len(self.room().occupants["a"].devices), 2)

    def test_max_devices_by_any_nickname(self) -> None:
        net = self.remote("example.net")
        for number in range(4):
            net.clear()
            net.send(f"<presence from='a@example.net/{number}' to='{GARDEN}/n{number}'>{JOIN}</presence>")
        self.assertIn("<resource-constraint ", net.received[-1])
        self.assertEqual(self.nicks(), ["Romeo", "n0", "n1"])
        net.send(f"<presence from='a@example.net/1' to='{GARDEN}/other'>{JOIN}</presence>")
        self.assertEqual(self.nicks(), ["Romeo", "n0", "other"])

    def test_max_nick(self) -> None:
        juliet = self.login("juliet@example.org/x", presence=True)
        self.refused(juliet, "Juliet", "not-acceptable")
        self.enter(juliet, "Julie")
        self.assertIn("Julie", self.nicks())

    def test_nicknames_that_look_like_others(self) -> None:
        juliet = self.login("juliet@example.org/x", presence=True)
        for nick in ("Romeo ", " Romeo", "\u00a0Romeo", "Romeo\u3000", "\u2800", "Romeo\u2800", "Romeo\u200b"):
            with self.subTest(nick=nick):
                juliet.clear()
                juliet.send(f"<presence to='{GARDEN}/{nick}'>{JOIN}</presence>")
                self.assertRegex(juliet.received[-1], "<(not-acceptable|jid-malformed) ")
        self.assertEqual(len(self.nicks()), 1)

    def test_max_history(self) -> None:
        for number in range(4):
            self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><body>n{number}</body></message>")
        juliet = self.login("juliet@example.org/x", presence=True)
        juliet.clear()
        juliet.send(f"<presence to='{GARDEN}/J'>{JOIN}</presence>")
        self.pump()
        past = "".join(juliet.received)
        self.assertEqual([number for number in range(4) if f"n{number}<" in past], [2, 3])

    def test_max_affiliations(self) -> None:
        standing = [Standing(Jid.parse(f"{name}@example.org"), Affiliation.MEMBER) for name in "ab"]
        check_standings(self.room(), standing[:1])
        with self.assertRaises(StanzaError) as caught:
            check_standings(self.room(), standing)
        self.assertEqual(caught.exception.condition, "resource-constraint")

    def test_name(self) -> None:
        self.romeo.clear()
        self.romeo.send(
            "<iq type='get' id='1' to='conference.example.org'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        self.assertIn("name='Salons'", self.romeo.received[-1])
