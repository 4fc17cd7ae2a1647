"""XEP-0045 section 17: what holds for all messages, presence and requests."""

from __future__ import annotations

from tests.plugins.muc.coven import ERRORS, MUC, ROOM, USER, CovenTestCase, error, joining
from xmppd.testing import Client
from xmppd.wire.jid import Jid


class CaveTestCase(CovenTestCase):
    """A room with owner, admin and guest."""

    options: dict[str, str] = {}

    def setUp(self) -> None:
        super().setUp()
        self.create(**self.options)
        self.admin, self.guest = self.wicca(), self.hag()
        self.affiliate("wiccarocks", "admin")
        self.enter(self.admin, "secondwitch")
        self.enter(self.guest, "thirdwitch")
        self.forget()

    def forget(self) -> None:
        for client in (self.crone, self.admin, self.guest):
            client.clear()

    def nothing(self) -> None:
        for client in (self.crone, self.admin, self.guest):
            client.expect_nothing()


class MessageRules(CaveTestCase):
    """17.2."""

    def setUp(self) -> None:
        super().setUp()
        self.stranger = self.login("hecate@example.org/broom", name="stranger")

    def test_from_those_who_are_not_there(self) -> None:
        """To the room and to an occupant: not delivered. The error is that of sections 7.4 and 7.5."""
        for to, kind in ((ROOM, "groupchat"), (f"{ROOM}/thirdwitch", "chat")):
            self.stranger.send(f"<message to='{to}' type='{kind}' id='m'><body>Beware</body></message>")
            self.stranger.expect(
                f"<message from='{to}' type='error' id='m'><body>Beware</body>"
                f"{error('modify', 'not-acceptable')}</message>"
            )
        self.nothing()

    def test_locked_room(self) -> None:
        locked = "heath@conference.example.org"
        self.admin.send(joining("secondwitch", room=locked))
        self.admin.clear()
        for to in (locked, "nowhere@conference.example.org"):
            self.stranger.send(f"<message to='{to}' type='groupchat' id='m'><body>Who is there?</body></message>")
            self.stranger.expect(
                f"<message from='{to}' type='error' id='m'><body>Who is there?</body>"
                f"{error('cancel', 'item-not-found', to)}</message>"
            )
        self.nothing()

    def test_extended_information_passes(self) -> None:
        inside = (
            "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
            "<p><em>Toil</em></p></body></html><composing xmlns='http://jabber.org/protocol/chatstates'/>"
            "<x xmlns='urn:example:other' a='1'>t<y/></x>"
        )
        self.guest.send(f"<message to='{ROOM}' type='groupchat' id='m'><body>Toil</body>{inside}</message>")
        for client in (self.crone, self.admin, self.guest):
            client.expect(
                f"<message from='{ROOM}/thirdwitch' type='groupchat' id='m'><body>Toil</body>{inside}{{...}}</message>"
            )


class PresenceRules(CaveTestCase):
    """17.3."""

    def test_what_is_no_exit(self) -> None:
        """Presence of no other type than unavailable is a request to leave, nor one to enter."""
        stranger = self.login("hecate@example.org/broom", name="stranger")
        for type_ in ("probe", "subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            for to in (ROOM, f"{ROOM}/thirdwitch", f"{ROOM}/hecate"):
                for client in (self.guest, stranger):
                    client.send(f"<presence type='{type_}' to='{to}'><x xmlns='{MUC}'/></presence>")
        self.crone.expect_nothing()
        self.admin.expect_nothing()
        occupants = sorted(self.plugin("muc").rooms.loaded[Jid.parse(ROOM)].occupants)
        self.assertEqual(occupants, ["firstwitch", "secondwitch", "thirdwitch"])

    def test_unavailable_from_those_who_are_not_there(self) -> None:
        stranger = self.login("hecate@example.org/broom", name="stranger")
        for to in (ROOM, f"{ROOM}/thirdwitch", f"{ROOM}/hecate", "nowhere@conference.example.org/hecate"):
            stranger.send(f"<presence type='unavailable' to='{to}'/>")
        stranger.expect_nothing()
        self.nothing()

    def test_what_only_the_service_says(self) -> None:
        claim = f"<x xmlns='{USER}'><item affiliation='owner' role='moderator' jid='king@example.org'/></x>"
        self.guest.send(f"<presence to='{ROOM}/thirdwitch'><show>away</show>{claim}</presence>")
        for client, address in ((self.crone, "jid='{hag}' "), (self.guest, "jid='{hag}' ")):
            own = "<status code='110'/>" if client is self.guest else ""
            client.expect(
                f"<presence from='{ROOM}/thirdwitch'><show>away</show><x xmlns='{USER}'>"
                f"<item {address}affiliation='none' role='participant'/>{own}</x>{{...}}</presence>"
            )

    def test_other_information_passes(self) -> None:
        inside = (
            "<show>dnd</show><status>brewing</status><priority>3</priority><x xmlns='urn:example:mood'>grim<y/></x>"
        )
        self.guest.send(f"<presence to='{ROOM}/thirdwitch'>{inside}</presence>")
        self.crone.expect(f"<presence from='{ROOM}/thirdwitch'>{inside}<x xmlns='{USER}'>{{any}}</x>{{...}}</presence>")

    def test_role_and_affiliation_in_all_presence(self) -> None:
        """Also when somebody leaves in whatever way; and what has changed is said from then on."""
        self.ask(self.crone, "set", f"{MUC}#admin", "<item nick='thirdwitch' role='moderator'/>")
        self.forget()
        self.guest.send(f"<presence to='{ROOM}/thirdwitch'><show>xa</show></presence>")
        self.crone.expect(self.presence_of("moderator", "<show>xa</show>"))
        self.affiliate("hag66", "member")
        self.crone.clear()
        self.guest.send(f"<presence to='{ROOM}/thirdwitch'/>")
        self.crone.expect(self.presence_of("moderator", affiliation="member"))
        self.guest.disconnect()
        self.pump(1)
        self.crone.expect(self.presence_of("none", affiliation="member", type_=" type='unavailable'"))

    def presence_of(self, role: str, inside: str = "", affiliation: str = "none", type_: str = "") -> str:
        item = f"<item affiliation='{affiliation}' jid='{{hag}}' role='{role}'/>"
        return f"<presence from='{ROOM}/thirdwitch'{type_}>{inside}<x xmlns='{USER}'>{item}</x>{{...}}</presence>"

    def test_full_addresses(self) -> None:
        """The value of 'jid' is the full one, of each device to itself, also in what is said of a ban."""
        second = self.login("hag66@example.org/broom", name="second")
        second.send(joining("thirdwitch"))
        self.forget()
        second.clear()
        self.crone.send(
            f"<iq type='set' id='b' to='{ROOM}'><query xmlns='{MUC}#admin'>"
            "<item affiliation='outcast' jid='hag66@example.org'/></query></iq>"
        )
        for client, name in ((self.guest, "hag"), (second, "second")):
            client.expect(
                f"<presence type='unavailable' to='{{{name}}}'><x xmlns='{USER}'>"
                f"<item affiliation='outcast' jid='{{{name}}}' role='none'>{{any}}</item>{{...}}</x>{{...}}</presence>"
            )

    def test_exit_message(self) -> None:
        self.guest.send(
            f"<presence to='{ROOM}/thirdwitch' type='unavailable'><status>Hover through the fog</status></presence>"
        )
        self.crone.expect(
            self.presence_of("none", "<status>Hover through the fog</status>", type_=" type='unavailable'")
        )


class RequestRules(CaveTestCase):
    """17.4."""

    def failure(self, client: Client, kind: str, condition: str) -> None:
        client.expect(
            f"<iq type='error' id='q'>{{...}}<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )

    def test_room_answers_itself(self) -> None:
        """What it doesn't know it passes on to nobody."""
        self.guest.send(f"<iq type='get' id='q' to='{ROOM}'><query xmlns='urn:example:unknown'/></iq>")
        self.failure(self.guest, "cancel", "service-unavailable")
        self.nothing()

    def test_role_and_affiliation_together(self) -> None:
        for who in (self.crone, self.admin):
            item = "<item nick='thirdwitch' jid='hag66@example.org' role='participant' affiliation='member'/>"
            who.send(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
            self.failure(who, "modify", "bad-request")
        self.nothing()

    def test_no_real_address_is_revealed(self) -> None:
        """In a semi-anonymous room, neither to whom is asked nor to who asks."""
        fourth = self.login("mab@example.org/x", name="fourth")
        fourth.send(joining("fourthwitch"))
        fourth.clear()
        self.guest.clear()
        self.guest.send(f"<iq type='get' id='q' to='{ROOM}/fourthwitch'><query xmlns='jabber:iq:version'/></iq>")
        request = fourth.take()
        self.assertEqual(request["from"], f"{ROOM}/thirdwitch")
        self.assertNotIn("hag66", request.toXml())
        fourth.send(
            f"<iq type='result' id='{request['id']}' to='{request['from']}'><query xmlns='jabber:iq:version'/></iq>"
        )
        answer = self.guest.take()
        self.assertEqual((answer["from"], answer["id"]), (f"{ROOM}/fourthwitch", "q"))
        self.assertNotIn("mab@", answer.toXml())
