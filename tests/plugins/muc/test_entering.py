"""XEP-0045, 7.2 and 17.3: what has to hold when somebody enters a room, beyond the examples."""

from __future__ import annotations

from tests.plugins.muc.coven import ROOM, SERVICE, USER, CovenTestCase, joining, presence


class Entering(CovenTestCase):
    def test_only_available_presence_enters(self) -> None:
        """17.3: nothing with a type is a wish to enter, nor one to leave unless it is unavailable."""
        self.create()
        hag = self.hag()
        x = "<x xmlns='http://jabber.org/protocol/muc'/>"
        for type_ in ("probe", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "unavailable", "error"):
            hag.send(f"<presence to='{ROOM}/thirdwitch' type='{type_}'>{x}</presence>")
            self.crone.expect_nothing()
        hag.clear()
        self.enter(hag, "thirdwitch")
        for type_ in ("probe", "subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            hag.send(f"<presence to='{ROOM}/thirdwitch' type='{type_}'/>")
        hag.clear()
        self.crone.expect_nothing()
        self.crone.send(f"<message to='{ROOM}' type='groupchat' id='1'><body>There?</body></message>")
        hag.expect(f"<message from='{ROOM}/firstwitch' type='groupchat' id='1'><body>There?</body>{{...}}</message>")

    def test_one_x_and_nothing_of_the_clients(self) -> None:
        """7.2.2 has one <x/> of muc#user at most; 17.3, that it is the service's."""
        self.create()
        hag = self.hag()
        claim = f"<x xmlns='{USER}'><item affiliation='owner' role='moderator'/><status code='201'/></x>"
        hag.send(f"<presence to='{ROOM}/thirdwitch'><x xmlns='http://jabber.org/protocol/muc'/>{claim}</presence>")
        self.crone.expect(presence("thirdwitch", "none", "participant", jid="hag"))
        shown = "".join(xml for xml in self.crone.received if "thirdwitch" in xml)
        self.assertEqual(shown.count(USER), 1)
        self.assertNotIn("'http://jabber.org/protocol/muc'", shown.replace('"', "'"))

    def test_password_is_shown_to_nobody(self) -> None:
        self.create(passwordprotectedroom="1", roomsecret="cauldronburn")
        hag = self.hag()
        self.enter(hag, "thirdwitch", "<password>cauldronburn</password>")
        hag.send(joining("thirdwitch", "<password>cauldronburn</password>"))
        self.assertNotIn("cauldronburn", "".join([*self.crone.received, *hag.received]))

    def test_initial_roles(self) -> None:
        """5.1.2: the role somebody has when they enter, by affiliation and kind of room."""
        wanted = {
            "open": {"none": "participant", "member": "participant", "admin": "moderator", "owner": "moderator"},
            "moderated": {"none": "visitor", "member": "participant", "admin": "moderator", "owner": "moderator"},
            "members-only": {"member": "participant", "admin": "moderator", "owner": "moderator"},
        }
        options = {"moderated": {"moderatedroom": "1"}, "members-only": {"moderatedroom": "0", "membersonly": "1"}}
        hag = self.hag()
        self.create()
        for kind, roles in wanted.items():
            self.configure(**options.get(kind, {}))
            for affiliation, role in roles.items():
                self.affiliate("hag66", affiliation)
                hag.clear()
                hag.send(joining("thirdwitch"))
                self.crone.expect(presence("thirdwitch", affiliation, role, jid="hag"))
                hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
                self.crone.expect(presence("thirdwitch", affiliation, "none", jid="hag", gone=True))

    def test_nonexistent(self) -> None:
        """7.2.11: the room is created, and its creator told so (201)."""
        hag = self.hag()
        room = f"heath@{SERVICE}"
        hag.send(joining("thirdwitch", room=room))
        hag.expect(presence("thirdwitch", "owner", "moderator", 201, 110, jid="hag", room=room))

    def test_whose_presence_is_broadcast(self) -> None:
        """7.2.2: the presence of those who are not to be told of is told to themselves alone."""
        self.create(moderatedroom="1", presencebroadcast=["moderator", "participant"])
        self.affiliate("wiccarocks", "member")
        hag, wicca = self.hag(), self.wicca()
        hag.send(joining("thirdwitch"))
        hag.expect(
            presence("firstwitch", "owner", "moderator"), presence("thirdwitch", "none", "visitor", 110, jid="hag")
        )
        self.crone.expect_nothing()
        hag.clear()
        wicca.clear()
        wicca.send(joining("secondwitch"))
        wicca.expect(
            presence("firstwitch", "owner", "moderator"),
            presence("secondwitch", "member", "participant", 110, jid="wicca"),
        )
        self.crone.expect(presence("secondwitch", "member", "participant", jid="wicca"))
        hag.expect(presence("secondwitch", "member", "participant"))
        wicca.clear()
        # A visitor who gets a voice is there for the others from then on (5.1.3).
        self.give_role("thirdwitch", "participant")
        wicca.expect(presence("thirdwitch", "none", "participant", more="{...}"))
        hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
        wicca.expect(presence("thirdwitch", "none", "none", gone=True))

    def test_who_is_not_told_of_any_more(self) -> None:
        """Nobody keeps seeing somebody who has gone since their presence was told last."""
        self.create(moderatedroom="1", presencebroadcast=["moderator", "participant"])
        hag, wicca = self.hag(), self.wicca()
        self.enter(hag, "thirdwitch")
        self.enter(wicca, "secondwitch")
        self.give_role("thirdwitch", "participant")
        wicca.expect(presence("thirdwitch", "none", "participant", more="{...}"))
        self.give_role("thirdwitch", "visitor")
        hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
        seen = [xml for xml in wicca.received if f"from='{ROOM}/thirdwitch'" in xml]
        self.assertIn("type='unavailable'", seen[-1])

    def test_whose_presence_is_broadcast_from_now_on(self) -> None:
        """The owner may change that while they are there: who is seen then is shown, who isn't is gone."""
        self.create(moderatedroom="1")
        hag, wicca = self.hag(), self.wicca()
        self.enter(hag, "thirdwitch")
        self.enter(wicca, "secondwitch")
        hag.clear()
        self.configure(presencebroadcast=["moderator"])
        wicca.expect(presence("thirdwitch", "none", "none", gone=True))
        hag.expect(presence("secondwitch", "none", "none", gone=True))
        wicca.clear()
        self.configure(presencebroadcast=["moderator", "participant", "visitor"])
        wicca.expect(presence("thirdwitch", "none", "visitor"))

    def test_again_under_another_nickname(self) -> None:
        """7.2.1: who is in already is sent everything again; under another nickname they change it by that."""
        self.create()
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        hag.send(joining("oldhag"))
        hag.expect(
            presence("thirdwitch", "none", "participant", 303, 110, jid="hag", gone=True, item=" nick='oldhag'"),
            presence("firstwitch", "owner", "moderator"),
            presence("oldhag", "none", "participant", 110, jid="hag"),
            f"<message from='{ROOM}' type='groupchat'><subject/></message>",
        )
        hag.expect_nothing()
        self.crone.expect(
            presence("thirdwitch", "none", "participant", 303, jid="hag", gone=True, item=" nick='oldhag'"),
            presence("oldhag", "none", "participant", jid="hag"),
        )
        self.crone.expect_nothing()

    def test_nicknames_are_compared_as_addresses_are(self) -> None:
        """17.1: what the rules of addresses make one nickname is one, however it is written; case makes two."""
        self.create()
        hag, wicca = self.hag(), self.wicca()
        self.enter(hag, "Am\u00e9lie")
        wicca.send(joining("Ame\u0301lie"))
        self.assertIn("<conflict ", "".join(wicca.received))
        self.crone.expect_nothing()
        wicca.clear()
        self.enter(wicca, "am\u00e9lie")

    def test_nobody_outside_is_told(self) -> None:
        self.create()
        hag, wicca = self.hag(), self.wicca()
        self.enter(hag, "thirdwitch")
        hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")
        hag.clear()
        self.crone.send(f"<presence to='{ROOM}/firstwitch'><show>away</show></presence>")
        hag.expect_nothing()
        wicca.expect_nothing()

    def test_logging_is_told_after_entering_as_well(self) -> None:
        """7.2.12, 7.2.3: 100 and 170 come each time somebody enters, and with no other presence."""
        self.create(enablelogging="1", whois="anyone")
        hag = self.hag()
        for _ in range(2):
            hag.send(joining("thirdwitch"))
            hag.expect(
                presence("firstwitch", "owner", "moderator", jid="crone"),
                presence("thirdwitch", "none", "participant", 100, 170, 110, jid="hag"),
            )
            hag.clear()
        self.crone.clear()
        hag.send(f"<presence to='{ROOM}/thirdwitch'><show>away</show></presence>")
        hag.expect(presence("thirdwitch", "none", "participant", 110, jid="hag", inside="<show>away</show>"))
