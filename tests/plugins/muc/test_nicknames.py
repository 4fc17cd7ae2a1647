"""XEP-0045, 7.2.8 and 7.6: several devices under one nickname, and one user under several."""

from __future__ import annotations

from tests.plugins.muc.coven import MUC, ROOM, CovenTestCase, joining, presence
from xmppd.testing import Client


class Devices(CovenTestCase):
    """Hag has a pda and a broom; they share a nickname to begin with."""

    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.witch = self.wicca()
        self.enter(self.witch, "secondwitch")
        self.pda = self.hag()
        self.broom = self.login("hag66@example.org/broom", name="broom")
        self.enter(self.pda, "thirdwitch")
        self.enter(self.broom, "thirdwitch")
        self.forget()

    def forget(self) -> None:
        for client in (self.crone, self.witch, self.pda, self.broom):
            client.clear()

    def to(self, client: Client, nick: str, inside: str = "", type_: str = "") -> None:
        kind = f" type='{type_}'" if type_ else ""
        client.send(f"<presence to='{ROOM}/{nick}'{kind}>{inside}</presence>")

    def test_they_are_one_occupant(self) -> None:
        newcomer = self.login("hecate@example.org/broom", name="newcomer")
        newcomer.send(joining("queen"))
        newcomer.expect(
            presence("firstwitch", "owner", "moderator"),
            presence("secondwitch", "none", "participant"),
            presence("thirdwitch", "none", "participant"),
            presence("queen", "none", "participant", 110, jid="newcomer"),
        )

    def test_status_of_one(self) -> None:
        """Both are told, each that it is about itself (110)."""
        self.to(self.broom, "thirdwitch", "<show>away</show>")
        away = "<show>away</show>"
        self.witch.expect(presence("thirdwitch", "none", "participant", inside=away))
        self.pda.expect(presence("thirdwitch", "none", "participant", 110, jid="hag", inside=away))
        self.broom.expect(presence("thirdwitch", "none", "participant", 110, jid="broom", inside=away))
        self.crone.expect(presence("thirdwitch", "none", "participant", jid="broom", inside=away))

    def test_one_leaves(self) -> None:
        """Nobody is told that somebody has gone, as long as one device is there."""
        self.to(self.broom, "thirdwitch", type_="unavailable")
        self.broom.expect(presence("thirdwitch", "none", "none", 110, jid="broom", gone=True))
        for client in (self.crone, self.witch, self.pda):
            self.assertNotIn("unavailable", "".join(client.received))
        self.to(self.pda, "thirdwitch", type_="unavailable")
        self.witch.expect(presence("thirdwitch", "none", "none", gone=True))

    def test_kick_is_for_all(self) -> None:
        self.crone.send(
            f"<iq type='set' id='k' to='{ROOM}'><query xmlns='{MUC}#admin'>"
            "<item nick='thirdwitch' role='none'/></query></iq>"
        )
        for client, name in ((self.pda, "hag"), (self.broom, "broom")):
            client.expect(presence("thirdwitch", "none", "none", 307, 110, jid=name, gone=True, more="{...}"))
        self.witch.expect(presence("thirdwitch", "none", "none", 307, gone=True, more="{...}"))
        self.witch.expect_nothing()

    def test_one_takes_another_nickname(self) -> None:
        """The other one keeps the old one: for others, somebody has come."""
        self.to(self.broom, "oldhag")
        self.broom.expect(
            presence("thirdwitch", "none", "participant", 303, 110, jid="broom", gone=True, item=" nick='oldhag'"),
            presence("thirdwitch", "none", "participant"),
            presence("oldhag", "none", "participant", 110, jid="broom"),
        )
        self.witch.expect(presence("oldhag", "none", "participant"))
        self.witch.expect_nothing()
        self.witch.send(f"<message to='{ROOM}/thirdwitch' type='chat'><body>psst</body></message>")
        self.assertIn("psst", "".join(self.pda.received))
        self.assertNotIn("psst", "".join(self.broom.received))

    def test_and_comes_back_to_it(self) -> None:
        """7.6: a nickname that is one's own by another device can be taken."""
        self.to(self.broom, "oldhag")
        self.forget()
        self.to(self.broom, "thirdwitch")
        self.witch.expect(
            presence("oldhag", "none", "participant", 303, gone=True, item=" nick='thirdwitch'"),
            presence("thirdwitch", "none", "participant"),
        )
        self.broom.expect(
            presence("oldhag", "none", "participant", 303, 110, jid="broom", gone=True, item=" nick='thirdwitch'"),
            presence("thirdwitch", "none", "participant", 110, jid="broom"),
        )

    def test_nobody_elses(self) -> None:
        for nick in ("firstwitch", "secondwitch"):
            self.to(self.broom, nick)
            self.assertIn("<conflict ", "".join(self.broom.received))
            self.forget()
        self.crone.expect_nothing()
        self.to(self.witch, "thirdwitch")
        self.assertIn("<conflict ", "".join(self.witch.received))

    def test_old_one_is_free(self) -> None:
        self.to(self.broom, "thirdwitch", type_="unavailable")
        self.to(self.pda, "oldhag")
        self.forget()
        self.to(self.witch, "thirdwitch")
        self.crone.expect(
            presence("secondwitch", "none", "participant", 303, jid="wicca", gone=True, item=" nick='thirdwitch'"),
            presence("thirdwitch", "none", "participant", jid="wicca"),
        )

    def test_role_is_the_occupants(self) -> None:
        """A role is given to a nickname (5.1): a device that comes to it has the same."""
        self.give_role("thirdwitch", "moderator")
        third = self.login("hag66@example.org/cauldron", name="cauldron")
        third.send(joining("thirdwitch"))
        third.expect(
            presence("firstwitch", "owner", "moderator", jid="crone"),
            presence("secondwitch", "none", "participant", jid="wicca"),
            presence("thirdwitch", "none", "moderator", 110, jid="cauldron"),
        )

    def test_presence_with_a_new_nickname(self) -> None:
        """7.6: the new presence may say more than that."""
        self.to(self.witch, "scullion", "<show>dnd</show>")
        self.pda.expect(
            presence("secondwitch", "none", "participant", 303, gone=True, item=" nick='scullion'"),
            presence("scullion", "none", "participant", inside="<show>dnd</show>"),
        )

    def test_nickname_that_is_none(self) -> None:
        self.to(self.witch, " ")
        self.assertRegex("".join(self.witch.received), "jid-malformed|not-acceptable")
        self.to(self.witch, "n" * 65)
        self.assertIn("not-acceptable", "".join(self.witch.received))
        self.crone.expect_nothing()
