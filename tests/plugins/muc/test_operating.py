"""What operators can see of rooms, and do about them."""

from __future__ import annotations

from typing import Any

from tests.plugins.muc.kit import GARDEN, JOIN, USER, RoomTestCase
from xmppd.api import OperationError

DAY = 86_400.0


class OperatingTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.make_room(self.romeo, persistent=True, name="The Garden")
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def run_(self, name: str, /, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(f"room {name}", arguments), 60)

    def say(self, client: Any, text: str, room: str = GARDEN) -> None:
        client.send(f"<message to='{room}' type='groupchat' id='{len(text)}'><body>{text}</body></message>")


class Operating(OperatingTestCase):
    def test_list(self) -> None:
        (row,) = self.run_("list")
        self.assertEqual(row["room"], GARDEN)
        self.assertEqual((row["name"], row["occupants"], row["affiliated"]), ("The Garden", 2, 1))
        self.assertEqual(row["kind"], "persistent, public, open")
        self.assertEqual(self.run_("list", search="cellar"), [])
        self.assertEqual(len(self.run_("list", search="GARD", occupied=True)), 1)
        self.assertEqual(self.run_("list", limit=0), [])
        self.assertEqual(self.run_("list", after=GARDEN), [])
        self.assertEqual(len(self.run_("list", after="fountain@conference.example.org", limit=1)), 1)

    def test_show(self) -> None:
        shown = self.run_("show", room=GARDEN)
        self.assertEqual(configuration(shown)["name"], "The Garden")
        self.assertEqual(shown["subject"], "")
        self.assertEqual([one["nickname"] for one in shown["occupants"]], ["Romeo", "Juliet"])
        self.assertEqual(shown["occupants"][0]["who"], "romeo@example.org/orchard")
        self.assertEqual([one["who"] for one in shown["affiliations"]], ["romeo@example.org"])
        self.romeo.send(f"<message to='{GARDEN}' type='groupchat'><subject>Roses &amp; thorns</subject></message>")
        self.assertEqual(self.run_("show", room=GARDEN)["subject"], "Roses & thorns")
        self.room().config = self.room().config.changed({"password": "rose"})
        shown = self.run_("show", room=GARDEN)
        self.assertNotIn("'rose'", str(shown))
        self.assertEqual(configuration(shown)["password"], "***")

    def test_no_such_room(self) -> None:
        for room in ("cellar@conference.example.org", "conference.example.org", "garden@example.org"):
            for name, more in (("show", {}), ("kick", {"nickname": "Romeo"}), ("announce", {"text": "hi"})):
                with self.assertRaises(OperationError) as caught:
                    self.run_(name, room=room, **more)
                self.assertIn("room list", str(caught.exception))

    def test_affiliate(self) -> None:
        self.run_("affiliate", room=GARDEN, who="juliet@example.org", affiliation="outcast", reason="feud")
        self.juliet.expect(
            f"<presence from='{GARDEN}/Juliet' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='outcast' role='none' jid='{juliet}'><reason>feud</reason></item>"
            "<status code='301'/><status code='110'/></x></presence>"
        )
        with self.assertRaises(OperationError):  # it would have no owner
            self.run_("affiliate", room=GARDEN, who="romeo@example.org", affiliation="none")
        for affiliation in ("owner", "admin"):
            with self.assertRaises(OperationError):  # everybody there would be that
                self.run_("affiliate", room=GARDEN, who="example.org", affiliation=affiliation)
        self.kill()
        shown = self.run_("show", room=GARDEN)
        self.assertEqual(
            {one["who"]: one["affiliation"] for one in shown["affiliations"]},
            {"juliet@example.org": "outcast", "romeo@example.org": "owner"},
        )

    def test_kick(self) -> None:
        self.run_("kick", room=GARDEN, nickname="Juliet", reason="calm down")
        self.assertEqual(self.nicks(), ["Romeo"])
        with self.assertRaises(OperationError):
            self.run_("kick", room=GARDEN, nickname="Juliet")

    def test_announce(self) -> None:
        self.run_("announce", room=GARDEN, text="It rains.")
        for client in (self.romeo, self.juliet):
            client.expect(f"<message from='{GARDEN}' type='groupchat'><body>It rains.</body></message>")

    def test_block(self) -> None:
        self.run_("block", who="juliet@example.org", reason="spam")
        self.assertEqual(self.nicks(), ["Romeo"])
        self.juliet.clear()
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.assertIn("forbidden", self.juliet.received[-1])
        self.assertEqual(self.run_("blocked"), [{"who": "juliet@example.org", "reason": "spam"}])
        self.run_("affiliate", room=GARDEN, who="juliet@example.org", affiliation="owner")
        self.juliet.clear()
        admin = "http://jabber.org/protocol/muc#admin"
        item = "<item affiliation='member' jid='benvolio@example.org'/>"
        self.juliet.send(f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{admin}'>{item}</query></iq>")
        self.assertIn("forbidden", self.juliet.received[-1])
        self.run_("unblock", who="juliet@example.org")
        with self.assertRaises(OperationError):
            self.run_("unblock", who="juliet@example.org")
        self.enter(self.juliet, "Juliet")
        self.assertEqual(self.nicks(), ["Juliet", "Romeo"])

    def test_purge(self) -> None:
        cellar = "cellar@conference.example.org"
        self.make_room(self.romeo, room=cellar)
        self.enter(self.juliet, "J", cellar)
        self.say(self.juliet, "old")
        self.pump(50)
        self.pump(50)
        self.say(self.romeo, "roses")
        self.say(self.juliet, "buy pills")
        self.pump(3)
        self.romeo.clear()
        shown = self.run_("purge", who="juliet@example.org", days=60 / DAY, try_out=True)
        self.assertEqual([(one["room"], one["text"]) for one in shown], [(GARDEN, "buy pills")])
        self.romeo.expect_nothing()
        self.run_("purge", who="juliet@example.org", days=60 / DAY, reason="spam")
        self.pump(3)
        self.assertIn("<retract", self.romeo.received[-1])
        self.assertIn("spam", self.romeo.received[-1])
        nurse = self.login("nurse@example.org/kitchen", presence=True)
        nurse.clear()
        nurse.send(f"<presence to='{GARDEN}/Nurse'>{JOIN}</presence>")
        self.pump()
        past = "".join(nurse.received)
        self.assertIn("roses", past)
        self.assertNotIn("pills<", past)

    def test_delete_unused(self) -> None:
        old = "old@conference.example.org"
        self.make_room(self.romeo, room=old, persistent=True)
        self.romeo.send(f"<presence to='{old}' type='unavailable'/>")
        for _ in range(3):
            self.pump(601)
        self.pump(2 * DAY)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.enter(romeo, "Romeo")
        self.pump()
        self.assertEqual([one["room"] for one in self.run_("delete-unused", days=1, try_out=True)], [old])
        self.assertEqual(self.run_("delete-unused", days=1), "1 room deleted.")
        self.assertEqual([one["room"] for one in self.run_("list")], [GARDEN])
        with self.assertRaises(OperationError):
            self.run_("delete-unused", days=0)


class Managing(OperatingTestCase):
    """Rooms that operators make."""

    def test_create(self) -> None:
        self.run_("create", room="park@conference.example.org", owner="juliet@example.org", name="The Park")
        self.kill()
        shown = self.run_("show", room="park@conference.example.org")
        options = configuration(shown)
        self.assertEqual((options["name"], options["persistent"]), ("The Park", True))
        self.assertEqual([one["who"] for one in shown["affiliations"]], ["juliet@example.org"])
        self.assertTrue(shown["confirmed"])
        for room in ("park@conference.example.org", "park@example.org", "conference.example.org"):
            with self.assertRaises(OperationError):
                self.run_("create", room=room, owner="juliet@example.org")
        with self.assertRaises(OperationError):
            self.run_("create", room="yard@conference.example.org", owner="example.org")

    def test_set(self) -> None:
        self.run_("set", room=GARDEN, option="name", value="Roses")
        self.assertEqual(
            self.run_("set", room=GARDEN, option="password", value="rose"), f"password of {GARDEN} is ***."
        )
        self.run_("set", room=GARDEN, option="presence_broadcast", value="moderator, participant")
        config = self.room().config
        self.assertEqual((config.name, config.password), ("Roses", "rose"))
        self.assertEqual(config.presence_broadcast, ("moderator", "participant"))
        self.assertIn("<status code='104'/>", self.juliet.received[-1])
        for option, value in (("nmae", "x"), ("members_only", "perhaps"), ("max_users", "many")):
            with self.assertRaises(OperationError) as caught:
                self.run_("set", room=GARDEN, option=option, value=value)
            self.assertIn(option, str(caught.exception))

    def test_members_only(self) -> None:
        self.run_("set", room=GARDEN, option="members_only", value="true")
        self.assertEqual(self.nicks(), ["Romeo"])

    def test_destroy(self) -> None:
        with self.assertRaises(OperationError):
            self.run_("destroy", room=GARDEN, venue="@")
        self.run_("destroy", room=GARDEN, reason="closed", venue="park@conference.example.org")
        self.romeo.expect(
            f"<presence from='{GARDEN}/Romeo' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='none' role='none'/><destroy jid='park@conference.example.org'><reason>closed</reason>"
            "</destroy><status code='110'/></x></presence>"
        )
        self.assertEqual(self.run_("list"), [])


class Forced(RoomTestCase):
    config = {"muc": {"forced": {"public": False}, "defaults": {"moderated": True}}}

    def test_forced(self) -> None:
        operations = self.server.server.operations
        self.wait(operations.run("room create", {"room": GARDEN, "owner": "romeo@example.org"}))
        shown: Any = self.wait(operations.run("room show", {"room": GARDEN}))
        options = configuration(shown)
        self.assertEqual((options["public"], options["moderated"]), (False, True))
        with self.assertRaises(OperationError) as caught:
            self.wait(operations.run("room set", {"room": GARDEN, "option": "public", "value": "true"}))
        self.assertIn("forced", str(caught.exception))


def configuration(shown: Any) -> dict[str, Any]:
    """Return the options of a room by their names, as `room show` tells them."""
    return {one["option"]: one["value"] for one in shown["configuration"]}
