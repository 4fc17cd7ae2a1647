"""What one stanza to a room can cost others: limits that nobody gets around (XEP-0045 section 13.3)."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.muc.kit import GARDEN, JOIN, RoomTestCase

ADMIN = "http://jabber.org/protocol/muc#admin"
_PADDING = "x" * 3000


class AmplificationTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)


class Presence(AmplificationTestCase):
    config: ClassVar[Any] = {"muc": {"presence_per_minute": 3, "max_presence": 1000, "max_message": 2000}}

    def setUp(self) -> None:
        super().setUp()
        self.make_room(self.romeo)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def test_entering_again(self) -> None:
        """Who is there and enters again has everything sent once more: not as often as they like."""
        for _ in range(3):
            self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
            self.assertIn("110", "".join(self.juliet.received))
            self.juliet.clear()
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.assertIn("resource-constraint", "".join(self.juliet.received))
        self.assertNotIn("110", "".join(self.juliet.received))
        self.pump(61)
        self.juliet.clear()
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.assertIn("110", "".join(self.juliet.received))

    def test_entering_with_another_status(self) -> None:
        """What everybody is told is counted, whatever is with it."""
        for number in range(6):
            self.juliet.send(f"<presence to='{GARDEN}/Juliet'><status>{number}</status>{JOIN}</presence>")
        self.assertEqual(len([one for one in self.romeo.received if "<status>" in one]), 3)

    def test_entering_by_another_nickname(self) -> None:
        for number in range(6):
            self.juliet.send(f"<presence to='{GARDEN}/J{number}'>{JOIN}</presence>")
        self.assertEqual(self.nicks(), ["J2", "Romeo"])

    def test_last_words(self) -> None:
        """Who leaves can't be refused; but what they say is not passed on, if it is too much."""
        self.juliet.send(f"<presence to='{GARDEN}' type='unavailable'><status>{_PADDING}</status></presence>")
        self.assertEqual(self.nicks(), ["Romeo"])
        self.assertLess(len("".join(self.romeo.received)), 1000)
        self.assertIn("unavailable", "".join(self.romeo.received))
        self.assertNotIn(_PADDING, "".join(self.juliet.received))

    def test_few_last_words(self) -> None:
        self.juliet.send(f"<presence to='{GARDEN}' type='unavailable'><status>parting</status></presence>")
        self.assertIn("<status>parting</status>", "".join(self.romeo.received))

    def test_long_ids(self) -> None:
        """An id goes to everybody like the rest of a message."""
        self.juliet.clear()
        self.juliet.send(f"<message to='{GARDEN}' type='groupchat' id='{_PADDING}'><body>hi</body></message>")
        self.assertIn("not-acceptable", "".join(self.juliet.received))
        self.romeo.expect_nothing()


class Ids(AmplificationTestCase):
    """Ids of what waits for an answer are remembered; max_id limits them."""

    config: ClassVar[Any] = {"muc": {"max_id": 64}}

    def test_too_long(self) -> None:
        self.make_room(self.romeo)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()
        id_ = "i" * 65
        for stanza in (
            f"<message to='{GARDEN}' type='groupchat' id='{id_}'><body>hi</body></message>",
            f"<message to='{GARDEN}/Romeo' type='chat' id='{id_}'><body>hi</body></message>",
            f"<message to='{GARDEN}' id='{id_}'><x xmlns='http://jabber.org/protocol/muc#user'>"
            "<invite to='hecate@example.org'/></x></message>",
            f"<iq to='{GARDEN}/Romeo' type='get' id='{id_}'><query xmlns='jabber:iq:version'/></iq>",
        ):
            with self.subTest(stanza=stanza[:40]):
                self.juliet.clear()
                self.juliet.send(stanza)
                self.assertEqual(len(self.juliet.received), 1)
                self.assertIn("<not-acceptable", self.juliet.received[0])
        self.romeo.expect_nothing()

    def test_long(self) -> None:
        self.make_room(self.romeo)
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat' id='{'i' * 64}'><body>hi</body></message>")
        self.assertIn("<body>hi</body>", self.romeo.received[-1])


class Notices(AmplificationTestCase):
    """Who sends few requests doesn't have any number of people get messages that never wanted any."""

    config: ClassVar[Any] = {"muc": {"invitations_per_minute": 3, "registrations_per_minute": 100}}

    def items(self, affiliation: str, count: int = 6) -> str:
        items = "".join(f"<item jid='u{n}@example.net' affiliation='{affiliation}'/>" for n in range(count))
        return f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{ADMIN}'>{items}</query></iq>"

    def test_members(self) -> None:
        """All become members; some are told."""
        net = self.remote("example.net")
        for members_only in (True, False):
            with self.subTest(members_only=members_only):
                made = self.make_room(self.romeo, members_only=members_only)
                net.clear()
                self.romeo.send(self.items("member"))
                self.romeo.send(self.items("none"))
                self.romeo.send(self.items("member"))
                self.assertEqual(len([one for one in net.received if one.startswith("<message")]), 3)
                self.assertEqual(len(made.members), 7)
                self.romeo.send(self.items("none"))
                self.pump(61)

    def test_who_is_there(self) -> None:
        """Those who are in the room are told everything."""
        self.make_room(self.romeo, anonymous=False)
        self.enter(self.juliet, "Juliet")
        self.romeo.send(self.items("member"))
        self.assertEqual(len([one for one in self.juliet.received if "u5@example.net" in one]), 1)
        self.assertEqual(len([one for one in self.juliet.received if "@example.net" in one]), 6)

    def test_admins(self) -> None:
        """Of those who could approve a registration, some are asked."""
        net = self.remote("example.net")
        self.make_room(self.romeo, members_only=True)
        for affiliation in ("member", "admin"):
            self.romeo.send(self.items(affiliation))
            self.pump(61)
        net.clear()
        self.juliet.send(
            f"<iq type='set' id='r' to='{GARDEN}'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data'"
            " type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
            "<field var='muc#register_roomnick'><value>Juliet</value></field></x></query></iq>"
        )
        self.assertIn("type='result'", self.juliet.received[-1])
        self.assertEqual(len([one for one in net.received if "muc#register" in one]), 3)
        self.assertIn("muc#register", self.romeo.received[-1])
