"""Those who are in rooms without being there (XEP-0045 sections 11.1 and 18.1.2)."""

from __future__ import annotations

import gc

from tests.plugins.muc.kit import GARDEN, JOIN, USER, RoomTestCase
from xmppd.api import Condition, ServerReachable, ServerUnreachable, StanzaError
from xmppd.plugins.muc.room.state import Room
from xmppd.plugins.muc.service import absent
from xmppd.wire.jid import Jid

NET = "example.net"
PARIS = "paris@example.net/hall"


class Absent(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.net = self.remote(NET)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.make_room(self.romeo)
        self.visit(PARIS, "Paris")

    def visit(self, device: str, nick: str) -> None:
        """Let somebody from the other server enter."""
        self.net.send(f"<presence from='{device}' to='{GARDEN}/{nick}'>{JOIN}</presence>")
        self.net.clear()
        self.romeo.clear()

    def expect_gone(self, nick: str, device: str, code: int) -> None:
        self.romeo.expect(
            f"<presence from='{GARDEN}/{nick}' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            f"<item affiliation='none' role='none' jid='{device}'/><status code='{code}'/></x></presence>"
        )

    def bounce(self, condition: str, kind: str = "message", payload: str = "") -> None:
        self.net.send(
            f"<{kind} from='{PARIS}' to='{GARDEN}/Romeo' type='error'>{payload}<error type='cancel'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
        )

    def test_bounces(self) -> None:
        for condition in (
            "gone", "item-not-found", "recipient-unavailable", "redirect", "remote-server-not-found",
            "remote-server-timeout", "service-unavailable",
        ):  # fmt: skip
            with self.subTest(condition=condition):
                self.bounce(condition)
                self.assertEqual(self.nicks(), ["Romeo"])
                self.expect_gone("Paris", PARIS, 333)
                self.visit(PARIS, "Paris")

    def test_errors_that_say_nothing(self) -> None:
        for kind in ("presence", "message"):
            with self.subTest(kind=kind):
                self.net.send(f"<{kind} from='{PARIS}' to='{GARDEN}/Paris' type='error'><status>gone</status></{kind}>")
                self.expect_gone("Paris", PARIS, 333)
                self.visit(PARIS, "Paris")

    def test_other_errors_mean_nothing(self) -> None:
        for condition in ("not-acceptable", "forbidden", "feature-not-implemented", "resource-constraint"):
            for kind in ("message", "presence"):
                self.bounce(condition, kind)
        self.bounce("service-unavailable", "message", f"<x xmlns='{USER}'/>")
        self.bounce("service-unavailable", "presence")
        self.assertEqual(self.nicks(), ["Paris", "Romeo"])
        self.romeo.expect_nothing()

    def test_server_is_lost(self) -> None:
        self.visit("nurse@example.net/kitchen", "Nurse")
        self.lose()
        self.assertEqual(self.nicks(), ["Romeo"])
        self.expect_gone("Paris", PARIS, 333)
        self.expect_gone("Nurse", "nurse@example.net/kitchen", 333)
        self.net.expect_nothing()

    def lose(self) -> None:
        event = ServerUnreachable(Jid.parse(NET), StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
        self.host.spawn(self.plugin("muc").server_lost(event), "losing a server")
        self.pump(5)

    def find(self) -> None:
        self.host.spawn(self.plugin("muc").server_found(ServerReachable(Jid.parse(NET))), "finding a server")
        self.pump(5)

    def test_server_is_found(self) -> None:
        self.lose()
        self.find()
        self.net.expect(
            f"<presence from='{GARDEN}/Paris' to='{PARIS}' type='unavailable'><x xmlns='{USER}'>"
            "<item affiliation='none' role='none'><reason>You are not in the room.</reason></item>"
            "<status code='110'/><status code='307'/><status code='333'/></x></presence>"
        )
        self.find()
        self.net.expect_nothing()

    def test_who_is_back_is_not_told(self) -> None:
        self.lose()
        self.visit(PARIS, "Paris")
        self.find()
        self.net.expect_nothing()
        self.assertEqual(self.nicks(), ["Paris", "Romeo"])

    def test_many_leave_at_a_pace(self) -> None:
        for number in range(30):
            self.visit(f"u{number}@example.net/x", f"u{number}")
        self.set_option(presence_per_second=20)
        event = ServerUnreachable(Jid.parse(NET), StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
        self.host.spawn(self.plugin("muc").server_lost(event), "losing a server")
        self.assertEqual(self.nicks(), ["Romeo"])
        self.assertLess(len(self.romeo.received), 3)
        for _ in range(80):
            self.pump(0.1)
        self.assertEqual(len(self.romeo.received), 31)

    def set_option(self, **values: int) -> None:
        muc = self.plugin("muc")
        muc._options = muc._options.model_copy(update=values)

    def test_asked_after_a_restart(self) -> None:
        self.room().config = self.room().config.changed({"persistent": True})
        self.visit("nurse@example.net/kitchen", "Nurse")
        self.visit("peter@example.net/cellar", "Peter")
        self.kill()
        self.net = self.remote(NET)
        self.pump(6)
        pings = {}
        for _ in range(3):
            ping = self.net.take()
            pings[ping["to"]] = ping["id"]
        self.assertEqual(set(pings), {PARIS, "nurse@example.net/kitchen", "peter@example.net/cellar"})
        self.net.send(f"<iq type='result' from='{PARIS}' to='{GARDEN}' id='{pings[PARIS]}'/>")
        for who, condition in (
            ("nurse@example.net/kitchen", "service-unavailable"),
            ("peter@example.net/cellar", "item-not-found"),
        ):
            self.net.send(
                f"<iq type='error' from='{who}' to='{GARDEN}' id='{pings[who]}'><error type='cancel'>"
                f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
        self.assertEqual(self.nicks(), ["Nurse", "Paris"])
        self.pump(120)
        self.assertEqual(self.nicks(), ["Nurse", "Paris"])

    def test_users_without_a_session_are_found(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.enter(juliet, "Juliet")
        self.assertIn("Juliet", self.nicks())
        session = self.host.session(Jid.parse("juliet@example.org/balcony"))
        assert session is not None
        self.server.server.directory.remove(session)  # as if its leave had been lost
        self.pump(61)
        self.assertEqual(self.nicks(), ["Paris", "Romeo"])

    def test_rooms_that_are_unloaded_before_their_turn(self) -> None:
        muc = self.plugin("muc")
        self.wait(muc.absent.sweep())
        self.patch(absent, "_LOOKED_THROUGH", 0)
        self.wait(muc.absent.sweep())
        self.assertFalse(any(isinstance(held, Room) for held in gc.get_referents(muc.absent._sweep)))
        self.patch(absent, "_LOOKED_THROUGH", 10)
        muc.rooms.loaded.clear()
        self.wait(muc.absent.sweep())
