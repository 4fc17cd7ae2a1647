"""XEP-0045, 7.4, 7.5, 7.14 and section 17: messages, requests and leaving, beyond the examples."""

from __future__ import annotations

from tests.plugins.muc.coven import ERRORS, MUC, ROOM, SERVICE, CovenTestCase, error, joining, presence
from xmppd.testing import Client


def groupchat(body: str, more: str = "", id: str = "m") -> str:
    return f"<message to='{ROOM}' type='groupchat' id='{id}'><body>{body}</body>{more}</message>"


def private(nick: str, type_: str = "chat", id: str = "p") -> str:
    return f"<message to='{ROOM}/{nick}' type='{type_}' id='{id}'><body>psst</body></message>"


class Messages(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.account("wiccarocks@example.org")
        self.pair = self.hag(), self.wicca()
        self.enter(self.pair[0], "thirdwitch")
        self.enter(self.pair[1], "secondwitch")
        self.pair[0].clear()

    def test_types_that_are_not_for_everybody(self) -> None:
        """7.4 and 17.2: only groupchat is; anything else is ignored or refused with bad-request."""
        hag, wicca = self.pair
        for type_ in ("chat", "normal", "headline"):
            hag.send(f"<message to='{ROOM}' type='{type_}' id='t'><body>psst</body></message>")
            if hag.received:
                hag.expect(
                    f"<message type='error' id='t' from='{ROOM}'>{{...}}{error('modify', 'bad-request')}</message>"
                )
            hag.clear()
            wicca.expect_nothing()
            self.crone.expect_nothing()

    def test_room_makes_occupants_known_by_nickname_only(self) -> None:
        """7.2.4: in a semi-anonymous room nobody but moderators gets to see real addresses, whatever happens."""
        hag, wicca = self.pair
        hag.send(groupchat("hello"))
        hag.send(private("secondwitch"))
        hag.send(f"<presence to='{ROOM}/thirdwitch'><show>away</show></presence>")
        hag.send(f"<presence to='{ROOM}/oldhag'/>")
        hag.send(f"<iq type='get' id='v' to='{ROOM}/secondwitch'><query xmlns='jabber:iq:version'/></iq>")
        hag.send(f"<presence to='{ROOM}/oldhag' type='unavailable'/>")
        seen = "".join(wicca.received)
        self.assertIn("hello", seen)
        self.assertIn("psst", seen)
        for secret in ("hag66@", "crone1@", "pda"):
            self.assertNotIn(secret, seen)

    def test_claims_of_clients(self) -> None:
        """XEP-0421 and XEP-0359: ids in the name of the room are the room's."""
        hag, wicca = self.pair
        claims = (
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='forged'/>"
        )
        hag.send(groupchat("hello", claims))
        hag.send(f"<message to='{ROOM}/secondwitch' type='chat'><body>psst</body>{claims}</message>")
        seen = "".join(wicca.received)
        self.assertIn("hello", seen)
        self.assertIn("psst", seen)
        self.assertNotIn("<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>", seen)
        self.assertNotIn("forged", seen.partition("psst")[0])

    def test_message_that_is_only_a_chat_state(self) -> None:
        """17.2: what a client adds goes through; what isn't there is no part of the history."""
        hag, wicca = self.pair
        composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        hag.send(f"<message to='{ROOM}' type='groupchat' id='c'>{composing}</message>")
        wicca.expect(f"<message from='{ROOM}/thirdwitch' type='groupchat' id='c'>{composing}{{...}}</message>")

    def test_room_that_is_not_there(self) -> None:
        """17.2: item-not-found for messages; the same for requests."""
        hag = self.pair[0]
        pit = f"pit@{SERVICE}"
        hag.send(f"<message to='{pit}' type='groupchat' id='1'><body>hello</body></message>")
        hag.send(f"<message to='{pit}/firstwitch' type='chat' id='2'><body>hello</body></message>")
        for id_, address in (("1", pit), ("2", f"{pit}/firstwitch")):
            answer = f"<message type='error' id='{id_}' from='{address}'><body>hello</body>"
            hag.expect(f"{answer}{error('cancel', 'item-not-found', pit)}</message>")
        hag.send(f"<iq type='get' id='3' to='{pit}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        hag.expect(
            f"<iq type='error' id='3' from='{pit}'>{{...}}"
            f"<error type='cancel'><item-not-found xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )

    def test_errors_are_not_answered(self) -> None:
        """RFC 6120, 8.3.1: no error leads to another."""
        outsider = self.login("hecate@example.org/broom")
        bounce = f"<error type='cancel'><conflict xmlns='{ERRORS}'/></error>"
        for to in (ROOM, f"{ROOM}/firstwitch", f"pit@{SERVICE}", f"pit@{SERVICE}/x", SERVICE):
            outsider.send(f"<message to='{to}' type='error' id='e'>{bounce}</message>")
            outsider.send(f"<presence to='{to}' type='error' id='e'>{bounce}</presence>")
            outsider.send(f"<iq to='{to}' type='error' id='e'>{bounce}</iq>")
        outsider.expect_nothing()
        self.crone.expect_nothing()

    def test_requests_are_not_for_everybody(self) -> None:
        """17.4: the room answers itself what is sent to it."""
        hag, wicca = self.pair
        hag.send(f"<iq type='get' id='u' to='{ROOM}'><query xmlns='unknown'/></iq>")
        hag.expect(
            f"<iq type='error' id='u' from='{ROOM}'>{{...}}"
            f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )
        wicca.expect_nothing()
        self.crone.expect_nothing()

    def test_languages(self) -> None:
        """Section 13: xml:lang of what is sent stays."""
        hag, wicca = self.pair
        hag.send(f"<message to='{ROOM}' type='groupchat' xml:lang='de'><body>Hallo</body></message>")
        wicca.expect(
            f"<message from='{ROOM}/thirdwitch' xml:lang='de' type='groupchat'><body>Hallo</body>{{...}}</message>"
        )


class PrivateMessages(CovenTestCase):
    """muc#roomconfig_allowpm, its options one by one; what may be sent to whom, and what not."""

    def rows(self, allowed: str) -> str:
        """Return whose messages come through to a participant and to a moderator, in a moderated room."""
        self.configure(allowpm=allowed)
        got = []
        for client in (self.visitor, self.participant, self.crone):
            for other, nick in ((self.other, "other"), (self.wicca_, "secondwitch")):
                other.clear()
                client.clear()
                client.send(private(nick))
                came = "psst" in "".join(other.received)
                if not came:
                    client.expect(
                        f"<message type='error' from='{ROOM}/{nick}'><body>psst</body>"
                        f"{error('auth', 'forbidden')}</message>"
                    )
                got.append("yes" if came else "no")
        return " ".join(got)

    def test_options(self) -> None:
        self.create(moderatedroom="1")
        self.visitor = self.hag()
        self.participant = self.login("participant@example.org/pda")
        self.other = self.login("other@example.org/pda")
        self.wicca_ = self.wicca()
        self.affiliate("wiccarocks", "admin")
        for client, nick in ((self.visitor, "thirdwitch"), (self.participant, "p"), (self.other, "other")):
            self.enter(client, nick)
        for nick in ("p", "other"):
            self.give_role(nick, "participant")
        self.enter(self.wicca_, "secondwitch")
        self.assertEqual(self.rows("anyone"), "yes yes yes yes yes yes")
        self.assertEqual(self.rows("none"), "no no no no no no")
        # Who may send them (10.1.3 names roles): others can write to a moderator all the same, or could not ask one.
        self.assertEqual(self.rows("moderators").split()[4:], ["yes", "yes"])
        self.assertEqual(self.rows("moderators").split()[::2], ["no", "no", "yes"])
        self.assertEqual(self.rows("participants").split()[2:], ["yes", "yes", "yes", "yes"])
        self.assertEqual(self.rows("participants").split()[0], "no")

    def test_to_oneself(self) -> None:
        self.create()
        self.crone.send(private("firstwitch"))
        self.crone.expect(f"<message from='{ROOM}/firstwitch' type='chat' id='p'><body>psst</body>{{...}}</message>")


class Leaving(CovenTestCase):
    def leave(self, client: Client, nick: str, room: str = ROOM) -> None:
        client.send(f"<presence to='{room}/{nick}' type='unavailable'/>")
        client.clear()

    def exists(self, room: str = ROOM) -> bool:
        self.crone.clear()
        self.crone.send(
            f"<iq type='get' id='x' to='{room}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        return "item-not-found" not in self.crone.received[-1]

    def test_temporary_room(self) -> None:
        """7.14: the service is responsible for destroying it."""
        self.create(persistentroom="0")
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        self.leave(self.crone, "firstwitch")
        self.assertTrue(self.exists())
        self.leave(hag, "thirdwitch")
        self.assertFalse(self.exists())
        # Whoever comes now makes a new one, where nothing of the old one is left.
        hag.send(joining("thirdwitch"))
        hag.expect(presence("thirdwitch", "owner", "moderator", 201, 110, jid="hag"))

    def test_persistent_room(self) -> None:
        self.create(persistentroom="1")
        self.leave(self.crone, "firstwitch")
        self.assertTrue(self.exists())
        self.restart()
        hag = self.hag()
        hag.send(joining("thirdwitch"))
        hag.expect(presence("thirdwitch", "none", "participant", 110, jid="hag"))

    def test_room_that_was_never_confirmed(self) -> None:
        self.crone.send(joining("firstwitch"))
        self.leave(self.crone, "firstwitch")
        self.assertFalse(self.exists())

    def test_after_leaving(self) -> None:
        """17.3: one's presence is none of the room's business then; nothing comes any more."""
        self.create()
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        self.leave(hag, "thirdwitch")
        self.crone.send(groupchat("Anybody?"))
        hag.expect_nothing()
        hag.send(f"<presence to='{ROOM}/thirdwitch'><show>away</show></presence>")
        hag.expect(
            f"<presence from='{ROOM}/thirdwitch' type='unavailable'><x xmlns='{MUC}#user'><item affiliation='none'"
            " role='none'><reason>You are not in the room.</reason></item>"
            "<status code='110'/><status code='307'/><status code='333'/></x></presence>"
        )

    def test_kick_of_one_who_is_not_there_says_nothing(self) -> None:
        """7.2.18: whether there is a room, or who is in it, isn't told by that."""
        hag = self.hag()
        for room in (ROOM, f"pit@{SERVICE}"):
            if room == ROOM:
                self.create(publicroom="0")
            hag.send(f"<presence to='{room}/firstwitch'/>")
            hag.expect(
                f"<presence from='{room}/firstwitch' type='unavailable'><x xmlns='{MUC}#user'><item affiliation='none'"
                " role='none'><reason>You are not in the room.</reason></item>"
                "<status code='110'/><status code='307'/><status code='333'/></x></presence>"
            )
