"""Messages that are taken back: XEP-0424 in rooms, and XEP-0425."""

from __future__ import annotations

import re

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.testing import Client

MODERATE = "urn:xmpp:message-moderate:1"
RETRACT = "urn:xmpp:message-retract:1"
MAM = "urn:xmpp:mam:2"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class TakingBack(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.make_room(self.romeo)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def say(self, client: Client, inside: str = "<body>hi</body>", id: str = "1") -> str:
        """Have an occupant say something; return what the room calls it."""
        client.send(f"<message to='{GARDEN}' type='groupchat' id='{id}'>{inside}</message>")
        xml = self.romeo.received[-1]
        self.romeo.clear()
        self.juliet.clear()
        found = re.search(r"<stanza-id[^>]* id='([^']+)'", xml.replace('"', "'"))
        assert found, xml
        return found[1]

    def moderate(self, client: Client, id: str, inside: str = f"<retract xmlns='{RETRACT}'/>") -> None:
        client.send(
            f"<iq type='set' to='{GARDEN}' id='m'><moderate id='{id}' xmlns='{MODERATE}'>{inside}</moderate></iq>"
        )

    def refused(self, client: Client, type_: str, condition: str) -> None:
        client.expect(
            f"<iq type='error' id='m'>{{...}}<error type='{type_}'>{{...}}<{condition} xmlns='{ERRORS}'/></error></iq>"
        )

    def history(self) -> str:
        """Return what somebody is shown who enters now."""
        benvolio = self.login("benvolio@example.org/street")
        benvolio.send(f"<presence to='{GARDEN}/Benvolio'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        shown = "".join(benvolio.received)
        benvolio.clear()
        benvolio.send(f"<presence to='{GARDEN}/Benvolio' type='unavailable'/>")
        self.romeo.clear()
        self.juliet.clear()
        return shown.replace('"', "'")

    def archive(self) -> str:
        """Return what is in the archive."""
        self.romeo.send(f"<iq type='set' to='{GARDEN}' id='a'><query xmlns='{MAM}'/></iq>")
        shown = "".join(self.romeo.received)
        self.romeo.clear()
        self.assertIn("<fin", shown)
        return shown.replace('"', "'")

    def check_gone(self, word: str) -> None:
        for what in (self.history(), self.archive()):
            self.assertNotIn(word, what)
            self.assertIn("<retracted", what)

    def test_author(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.say(self.juliet, f"<retract xmlns='{RETRACT}' id='{id}'/>", id="r")
        self.check_gone("secret")
        self.assertRegex(self.archive(), "<retracted [^>]*id='r'")

    def test_author_with_another_nickname(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.juliet.send(f"<presence to='{GARDEN}/Rosaline'/>")
        self.romeo.clear()
        self.say(self.juliet, f"<retract xmlns='{RETRACT}' id='{id}'/>", id="r")
        self.check_gone("secret")

    def test_not_for_the_archive(self) -> None:
        """A retraction is kept whatever hints come with it (XEP-0424 section 5)."""
        id = self.say(self.juliet, "<body>secret</body>")
        hint = "<no-store xmlns='urn:xmpp:hints'/>"
        self.say(self.juliet, f"<retract xmlns='{RETRACT}' id='{id}'/>{hint}", id="r")
        self.assertRegex(self.archive(), f"<retract [^>]*id='{id}'")

    def test_only_the_author(self) -> None:
        id = self.say(self.romeo, "<body>mine</body>")
        retract = f"<retract xmlns='{RETRACT}' id='{id}'/>"
        self.juliet.send(f"<message to='{GARDEN}' type='groupchat' id='r'>{retract}</message>")
        self.juliet.expect(
            f"<message type='error' id='r' from='{GARDEN}'>{{...}}<error type='auth' by='{GARDEN}'>{{...}}"
            f"<forbidden xmlns='{ERRORS}'/></error></message>"
        )
        self.romeo.expect_nothing()
        self.assertIn("mine", self.history())

    def test_only_the_author_in_the_archive(self) -> None:
        """Whose it was is looked at there, if it is in the history no more."""
        id = self.say(self.romeo, "<body>mine</body>")
        self.room().history.forget()
        self.room().history.loaded = True
        self.say(self.juliet, f"<retract xmlns='{RETRACT}' id='{id}'/>", id="r")
        self.assertIn("mine", self.archive())

    def test_own_in_the_archive(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.room().history.forget()
        self.say(self.juliet, f"<retract xmlns='{RETRACT}' id='{id}'/>", id="r")
        self.check_gone("secret")

    def test_moderator(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.moderate(self.romeo, id, f"<retract xmlns='{RETRACT}'/><reason>why</reason>")
        told = (
            f"<message type='groupchat' from='{GARDEN}'><retract id='{id}' xmlns='{RETRACT}'>"
            f"<moderated by='{GARDEN}/Romeo' xmlns='{MODERATE}'>"
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{any}'/>"
            "</moderated><reason>why</reason></retract>{...}</message>"
        )
        self.romeo.expect_all("<iq type='result' id='m'/>", told)
        self.juliet.expect(told)
        self.check_gone("secret")
        self.assertRegex(self.archive(), f"<retracted .*<moderated xmlns='{MODERATE}' by='{GARDEN}/Romeo'>")

    def test_in_the_archive_only(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.room().history.forget()
        self.moderate(self.romeo, id)
        self.romeo.clear()
        self.check_gone("secret")

    def test_after_a_restart(self) -> None:
        id = self.say(self.juliet, "<body>secret</body>")
        self.moderate(self.romeo, id)
        self.room().config = self.room().config.changed({"persistent": True})
        self.restart()
        self.romeo = self.login("romeo@example.org/orchard")
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        self.assertNotIn("secret", "".join(self.romeo.received))

    def test_quoted(self) -> None:
        """A message that names another one is not taken for it."""
        id = self.say(self.juliet, "<body>secret</body>")
        reply = f"<reply xmlns='urn:xmpp:reply:0' to='{GARDEN}/Juliet' id='{id}'/>"
        self.say(self.romeo, f"<body>answer</body>{reply}", id="2")
        self.moderate(self.romeo, id)
        self.romeo.clear()
        shown = self.history()
        self.assertIn("answer", shown)
        self.assertNotIn("secret", shown)

    def test_only_moderators(self) -> None:
        id = self.say(self.romeo, "<body>mine</body>")
        self.moderate(self.juliet, id)
        self.refused(self.juliet, "modify", "forbidden")
        benvolio = self.login("benvolio@example.org/street")  # who isn't in the room
        self.moderate(benvolio, id)
        self.refused(benvolio, "modify", "forbidden")
        self.assertIn("mine", self.history())

    def test_nothing_there(self) -> None:
        id = self.say(self.juliet)
        self.moderate(self.romeo, "AAAAAAAAAAA")
        self.refused(self.romeo, "cancel", "item-not-found")
        self.moderate(self.romeo, id)
        self.romeo.clear()
        self.moderate(self.romeo, id)  # nothing is left of it
        self.refused(self.romeo, "cancel", "item-not-found")

    def test_malformed(self) -> None:
        id = self.say(self.juliet)
        self.moderate(self.romeo, "")
        self.refused(self.romeo, "modify", "bad-request")
        self.moderate(self.romeo, id, "")
        self.refused(self.romeo, "cancel", "feature-not-implemented")
        self.moderate(self.romeo, id, f"<retract xmlns='{RETRACT}'/><reason>{'x' * 1001}</reason>")
        self.refused(self.romeo, "modify", "policy-violation")

    def test_forged(self) -> None:
        """What only the room says is taken out of what occupants say (XEP-0425 section 5)."""
        id = self.say(self.juliet)
        moderated = f"<moderated xmlns='{MODERATE}' by='{GARDEN}/Romeo'/>"
        forged = f"<retract xmlns='{RETRACT}' id='{id}'>{moderated}<reason>no</reason></retract><body>x</body>"
        retracted = f"<retracted xmlns='{RETRACT}' stamp='2019-09-20T23:19:12Z' id='x'/>"
        self.juliet.send(f"<message to='{GARDEN}' type='groupchat'>{forged}{moderated}{retracted}</message>")
        self.romeo.expect(
            f"<message type='groupchat' from='{GARDEN}/Juliet'><retract xmlns='{RETRACT}' id='{id}'/><body>x</body>"
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{any}'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' id='{{any}}' by='{GARDEN}'/></message>"
        )
