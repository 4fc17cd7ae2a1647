"""Rooms outlive the server: affiliations, configuration, subject, and those who come back to their sessions."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.plugins.managed import ManagedTestCase
from tests.plugins.muc.kit import GARDEN, JOIN, USER, RoomTestCase
from xmppd.core.durable import management
from xmppd.plugins.muc.room.outcome import Affiliated
from xmppd.plugins.muc.room.ranks import Affiliation
from xmppd.plugins.muc.room.state import Member
from xmppd.wire.jid import Jid

ORCHARD, BALCONY = "romeo@example.org/orchard", "juliet@example.org/balcony"


class Restarts(RoomTestCase, ManagedTestCase):
    def test_what_a_room_is(self) -> None:
        romeo = self.login(ORCHARD, presence=True)
        room = self.make_room(romeo, persistent=True, name="The Garden", public=False)
        romeo.send(f"<message to='{GARDEN}' type='groupchat'><subject>Roses</subject></message>")
        before = (room.number, room.config, dict(room.members), room.subject)
        for end in (self.restart, self.kill):
            with self.subTest(end=end.__name__):
                end()
                self.pump(6)
                romeo = self.login(ORCHARD, presence=True)
                self.enter(romeo, "Romeo")
                room = self.room()
                self.assertEqual((room.number, room.config, room.members, room.subject), before)

    def test_sessions_that_go_on_are_in_the_room(self) -> None:
        romeo, id_ = self.enabled(ORCHARD)
        juliet, other = self.enabled(BALCONY)
        self.make_room(romeo)
        self.enter(juliet, "Juliet")
        romeo.clear()
        self.kill()
        self.pump(6)
        self.assertEqual(self.nicks(), ["Juliet", "Romeo"])
        romeo = self.resumed(ORCHARD, id_, self.sent(ORCHARD))
        juliet = self.resumed(BALCONY, other, self.sent(BALCONY))
        romeo.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>Still here</body></message>")
        for client in (romeo, juliet):
            client.expect(
                f"<message from='{GARDEN}/Romeo' type='groupchat' id='1'><body>Still here</body>{{...}}</message>"
            )
            client.expect_nothing()

    def test_others_leave(self) -> None:
        romeo, id_ = self.enabled(ORCHARD)
        juliet = self.login(BALCONY, presence=True)
        self.make_room(romeo)
        self.enter(juliet, "Juliet")
        romeo.clear()
        self.kill()
        self.pump(6)
        self.assertEqual(self.nicks(), ["Romeo"])
        romeo = self.resumed(ORCHARD, id_, self.sent(ORCHARD))
        romeo.expect(
            f"<presence from='{GARDEN}/Juliet' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='none' role='none' jid='juliet@example.org/balcony'/><status code='332'/></x></presence>"
        )

    def test_others_leave_though_they_are_back_at_once(self) -> None:
        """A client without a session that logs in with its resource again, before anybody was told, is a new one."""
        romeo, id_ = self.enabled(ORCHARD)
        juliet = self.login(BALCONY, presence=True)
        self.make_room(romeo)
        self.enter(juliet, "Juliet")
        romeo.clear()

        async def busy(*_arguments: object) -> None:
            """It has not come to telling yet."""

        self.patch(management, "lay_to_rest", busy)
        self.kill()
        self.pump(1)
        juliet = self.login(BALCONY, presence=True)
        juliet.clear()
        self.pump(6)
        self.assertEqual(self.nicks(), ["Romeo"])
        romeo = self.resumed(ORCHARD, id_, self.sent(ORCHARD))
        romeo.expect(
            f"<presence from='{GARDEN}/Juliet' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='none' role='none' jid='juliet@example.org/balcony'/><status code='332'/></x></presence>"
        )
        romeo.send(f"<message to='{GARDEN}' type='groupchat' id='1'><body>Gone</body></message>")
        juliet.expect_nothing()

    def test_whoever_enters_first_stays(self) -> None:
        """Several may wait for a room to be read: who has entered is not taken for one who was in it before."""
        romeo, _ = self.enabled(ORCHARD)
        juliet = self.login(BALCONY, presence=True)
        self.make_room(romeo)
        self.enter(juliet, "Juliet")

        async def busy(*_arguments: object) -> None:
            """It has not come to telling yet."""

        self.patch(management, "lay_to_rest", busy)
        self.kill()
        self.pump(1)
        juliet, nurse = self.login(BALCONY, presence=True), self.login("nurse@example.org/hall", presence=True)
        rooms, waiting = self.plugin("muc").rooms, list[Deferred[None]]()
        load = rooms._load

        async def later(jid: Jid) -> object:
            waiting.append(Deferred())
            await waiting[-1]
            return await load(jid)

        self.patch(rooms, "_load", later)
        juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        nurse.send(f"<presence to='{GARDEN}/Nurse'>{JOIN}</presence>")
        waiting[0].callback(None)
        self.pump(6)
        self.assertEqual(self.nicks(), ["Juliet", "Nurse", "Romeo"])

    def test_temporary_room_is_gone_with_the_last(self) -> None:
        romeo = self.login(ORCHARD, presence=True)
        self.make_room(romeo)
        self.kill()
        self.pump(6)
        self.assertEqual(self.plugin("muc").rooms.loaded, {})
        juliet = self.login(BALCONY, presence=True)
        juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        juliet.expect(
            f"<presence from='{GARDEN}/Juliet'>{{...}}<x xmlns='{USER}'><item affiliation='owner' role='moderator' "
            "jid='juliet@example.org/balcony'/><status code='201'/><status code='110'/></x></presence>",
            f"<message from='{GARDEN}' type='groupchat'><subject/></message>",
        )

    def test_deleted_account_is_nothing_to_rooms(self) -> None:
        romeo = self.login(ORCHARD, presence=True)
        room = self.make_room(romeo, persistent=True)
        self.assertIn("romeo@example.org", room.members)
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")), 10)
        self.assertEqual(self.room().members, {})

    def test_ban_of_a_deleted_account_stays(self) -> None:
        """Who is banned can't come back by registering once more."""
        romeo = self.login(ORCHARD, presence=True)
        room = self.make_room(romeo, persistent=True)
        self.account("juliet@example.org")
        banned = Jid.parse("juliet@example.org")
        room.members[banned] = member = Member(Affiliation.OUTCAST)
        self.apply(room, Affiliated(banned, member))
        self.wait(self.host.delete_account(banned), 10)
        self.kill()
        juliet = self.login(BALCONY, presence=True)
        juliet.clear()
        juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.assertIn("<forbidden", juliet.received[-1])


class Idle(RoomTestCase):
    config = {"muc": {"idle_seconds": 10}}

    def test_rooms_that_nobody_is_in(self) -> None:
        romeo = self.login(ORCHARD, presence=True)
        self.make_room(romeo, persistent=True)
        self.pump(50)
        self.pump(50)
        self.assertEqual(self.nicks(), ["Romeo"])
        romeo.send(f"<presence to='{GARDEN}' type='unavailable'/>")
        self.pump(70)
        self.assertEqual(self.plugin("muc").rooms.loaded, {})
        self.enter(romeo, "Romeo")
        self.assertEqual(self.nicks(), ["Romeo"])
