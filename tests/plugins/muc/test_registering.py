"""XEP-0045, 7.10 and 7.12: registering with a room, row by row; the nickname that is somebody's by that."""

from __future__ import annotations

from tests.plugins.muc.coven import ERRORS, MUC, ROOM, SERVICE, CovenTestCase, joining, presence
from xmppd.testing import Client

REGISTER = "jabber:iq:register"


def form(nick: str | None = "thirdwitch", type_: str = "submit", form_type: str = f"{MUC}#register") -> str:
    field = "" if nick is None else f"<field var='muc#register_roomnick'><value>{nick}</value></field>"
    return (
        f"<x xmlns='jabber:x:data' type='{type_}'><field var='FORM_TYPE'><value>{form_type}</value></field>{field}</x>"
    )


class Registering(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.client = self.hag()

    def get(self, room: str = ROOM) -> None:
        self.client.clear()
        self.client.send(f"<iq type='get' id='g' to='{room}'><query xmlns='{REGISTER}'/></iq>")

    def submit(self, inside: str, client: Client | None = None) -> None:
        client = client or self.client
        client.clear()
        client.send(f"<iq type='set' id='s' to='{ROOM}'><query xmlns='{REGISTER}'>{inside}</query></iq>")

    def fails_with(self, id: str, kind: str, condition: str, room: str = ROOM) -> None:
        self.client.expect(
            f"<iq type='error' id='{id}' from='{room}'>{{...}}"
            f"<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )

    def test_item_not_found(self) -> None:
        self.get(f"heath@{SERVICE}")
        self.fails_with("g", "cancel", "item-not-found", f"heath@{SERVICE}")

    def test_not_allowed(self) -> None:
        self.affiliate("hag66", "outcast")
        self.get()
        self.fails_with("g", "cancel", "not-allowed")
        self.submit(form())
        self.fails_with("s", "cancel", "not-allowed")

    def test_bad_request(self) -> None:
        for inside in (
            "", form(form_type=f"{MUC}#roomconfig"), "<x xmlns='jabber:x:data' type='submit'/>", form(type_="form"),
            "<username>thirdwitch</username>",
        ):  # fmt: skip
            self.submit(inside)
            self.fails_with("s", "modify", "bad-request")
        self.crone.expect_nothing()

    def test_not_acceptable(self) -> None:
        """A form it is, but it doesn't say what is needed (XEP-0077, 3.1.1)."""
        for inside in (form(None), form(""), form(" ")):
            self.submit(inside)
            self.fails_with("s", "modify", "not-acceptable")

    def test_conflict(self) -> None:
        """The nickname is reserved for somebody else, or somebody else is there with it."""
        self.affiliate("wiccarocks", "member", nick="secondwitch")
        self.submit(form("secondwitch"))
        self.fails_with("s", "cancel", "conflict")
        self.submit(form("firstwitch"))
        self.fails_with("s", "cancel", "conflict")

    def test_who_is_not_there(self) -> None:
        """They are a member from then on, whether they enter or not; nobody in the room sees presence of theirs."""
        self.submit(form())
        self.client.expect("<iq type='result' id='s'/>")
        self.client.expect_nothing()
        self.assertNotIn("<presence", "".join(self.crone.received))
        self.crone.clear()
        self.client.send(joining("thirdwitch"))
        self.crone.expect(presence("thirdwitch", "member", "participant", jid="hag"))

    def test_registered(self) -> None:
        self.submit(form())
        self.get()
        self.client.expect(
            f"<iq type='result' id='g' from='{ROOM}'><query xmlns='{REGISTER}'>"
            "<registered/><username>thirdwitch</username>{...}</query></iq>"
        )

    def test_members_only(self) -> None:
        """Nobody gets into a room for members by saying that they are one."""
        self.configure(membersonly="1")
        self.submit(form())
        self.client.clear()
        self.client.send(joining("thirdwitch"))
        self.assertIn("registration-required", "".join(self.client.received))

    def test_reserved(self) -> None:
        """7.12: nobody else gets the nickname; whose it is may use another."""
        self.submit(form())
        self.client.clear()
        wicca = self.wicca()
        self.refused(wicca, "thirdwitch", "cancel", "conflict")
        self.enter(wicca, "secondwitch")
        wicca.send(f"<presence to='{ROOM}/thirdwitch' id='n'/>")
        self.assertIn("<conflict ", "".join(wicca.received))
        self.enter(self.client, "oldhag")

    def test_of_somebody_who_is_there(self) -> None:
        """7.10: everybody gets updated presence; another nickname comes of it only where it is fixed, with 210."""
        self.enter(self.client, "oldhag")
        self.submit(form())
        self.crone.expect(presence("oldhag", "member", "participant", jid="hag"))
        self.crone.expect_nothing()

    def test_of_somebody_whose_nickname_is_another_then(self) -> None:
        self.configure(fixednick="1")
        self.enter(self.client, "oldhag")
        self.submit(form())
        self.crone.expect(
            presence("oldhag", "member", "participant", jid="hag"),
            presence("oldhag", "member", "participant", 303, jid="hag", gone=True, item=" nick='thirdwitch'"),
            presence("thirdwitch", "member", "participant", 210, jid="hag"),
        )
        self.client.expect("<iq type='result' id='s'/>")
        self.client.expect(
            presence("oldhag", "member", "participant", 110, jid="hag"),
            presence("oldhag", "member", "participant", 303, 110, jid="hag", gone=True, item=" nick='thirdwitch'"),
            presence("thirdwitch", "member", "participant", 210, 110, jid="hag"),
        )

    def test_survives_a_restart(self) -> None:
        self.configure(persistentroom="1")
        self.submit(form())
        self.kill()
        self.client = self.login("hag66@example.org/pda", name="hag")
        self.get()
        self.assertIn("<username>thirdwitch</username>", "".join(self.client.received))

    def test_taken_back(self) -> None:
        """XEP-0077, 3.2: who removes their registration is no member any more."""
        self.submit(form())
        self.submit("<remove/>")
        self.client.expect("<iq type='result' id='s'/>")
        self.get()
        self.assertIn("muc#register_roomnick", "".join(self.client.received))


class ReservedNickname(CovenTestCase):
    def expect(self, client: Client, inside: str) -> None:
        client.clear()
        query = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'>"
        client.send(f"<iq type='get' id='n' to='{ROOM}'>{query}</query></iq>")
        client.expect(f"<iq type='result' id='n' from='{ROOM}'>{query}{inside}</query></iq>")

    def test_each_gets_their_own(self) -> None:
        self.create()
        hag, wicca = self.hag(), self.wicca()
        self.affiliate("hag66", "member", nick="thirdwitch")
        self.expect(hag, "<identity category='conference' type='text' name='thirdwitch'/>")
        self.expect(wicca, "")
        self.expect(self.crone, "")

    def test_banned_have_none(self) -> None:
        """17.4: outcasts SHOULD NOT have reserved nicknames."""
        self.create()
        hag = self.hag()
        self.affiliate("hag66", "member", nick="thirdwitch")
        self.affiliate("hag66", "outcast")
        self.expect(hag, "")
        self.enter(self.wicca(), "thirdwitch")
