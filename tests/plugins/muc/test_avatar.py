"""Room avatars and vCards: XEP-0486."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PICTURE = b"no picture, but it has a hash"
HASH = hashlib.sha1(PICTURE).hexdigest()
PHOTO = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{b64encode(PICTURE).decode()}</BINVAL></PHOTO>"
CONFIGURED = f"<message type='groupchat' from='{GARDEN}'><x xmlns='{USER}'><status code='104'/></x></message>"


def update(hash: str) -> str:
    photo = f"<photo>{hash}</photo>" if hash else "<photo/>"
    return f"<presence from='{GARDEN}'><x xmlns='vcard-temp:x:update'>{photo}</x></presence>"


class Avatars(RoomTestCase):
    plugins = ("muc", "presence", "roster", "disco")
    config = {"muc": {"max_vcard": 1000, "idle_seconds": 10}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.make_room(self.romeo, persistent=True)
        self.enter(self.juliet, "Juliet")
        self.romeo.clear()

    def publish(self, client: object, inside: str) -> None:
        client.send(f"<iq type='set' id='v' to='{GARDEN}'><vCard xmlns='vcard-temp'>{inside}</vCard></iq>")  # type: ignore[attr-defined]

    def ask(self, client: object) -> None:
        client.send(f"<iq type='get' id='g' to='{GARDEN}'><vCard xmlns='vcard-temp'/></iq>")  # type: ignore[attr-defined]

    def refused(self, client: object, type_: str, condition: str) -> None:
        client.expect(  # type: ignore[attr-defined]
            f"<iq type='error' id='v'>{{...}}<error type='{type_}'>{{...}}<{condition} xmlns='{ERRORS}'/></error></iq>"
        )

    def test_publish(self) -> None:
        self.publish(self.romeo, PHOTO)
        self.romeo.expect("<iq type='result' id='v'/>", update(HASH), CONFIGURED)
        self.juliet.expect(update(HASH), CONFIGURED)
        self.ask(self.juliet)
        self.juliet.expect(f"<iq type='result' id='g'><vCard xmlns='vcard-temp'>{PHOTO}</vCard></iq>")

    def test_entering(self) -> None:
        self.publish(self.romeo, PHOTO)
        benvolio = self.login("benvolio@example.org/street", presence=True)
        benvolio.clear()
        benvolio.send(f"<presence to='{GARDEN}/Benvolio'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        benvolio.expect(update(HASH))

    def test_same_picture(self) -> None:
        """Who has it already is not told again."""
        self.publish(self.romeo, PHOTO)
        self.juliet.clear()
        self.publish(self.romeo, f"<FN>Garden</FN>{PHOTO}")
        self.juliet.expect(CONFIGURED)
        self.juliet.expect_nothing()

    def test_take_away(self) -> None:
        self.publish(self.romeo, PHOTO)
        self.romeo.clear()
        self.juliet.clear()
        self.publish(self.romeo, "")
        self.juliet.expect(update(""), CONFIGURED)
        self.ask(self.juliet)
        self.juliet.expect(
            "<iq type='error' id='g'>{...}<error type='cancel'>{...}"
            f"<item-not-found xmlns='{ERRORS}'/></error></iq>"
        )

    def test_stays(self) -> None:
        self.publish(self.romeo, PHOTO)
        self.restart()
        juliet = self.login("juliet@example.org/balcony")
        self.ask(juliet)
        juliet.expect(f"<iq type='result' id='g'><vCard xmlns='vcard-temp'>{PHOTO}</vCard></iq>")
        self.assertEqual(self.room().notes["avatar"], HASH)
        self.assertNotIn("vcard", self.room().notes)  # it may be large

    def test_who_may(self) -> None:
        self.publish(self.juliet, PHOTO)
        self.refused(self.juliet, "auth", "forbidden")
        self.romeo.expect_nothing()
        item = "<item jid='juliet@example.org' affiliation='admin'/>"
        self.romeo.send(
            f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query></iq>"
        )
        self.juliet.clear()
        self.publish(self.juliet, PHOTO)
        self.juliet.expect("<iq type='result' id='v'/>")

    def test_max_vcard(self) -> None:
        self.publish(self.romeo, f"<DESC>{'x' * 1000}</DESC>")
        self.refused(self.romeo, "modify", "policy-violation")

    def test_no_base64(self) -> None:
        self.publish(self.romeo, "<PHOTO><BINVAL>%%%</BINVAL></PHOTO>")
        self.refused(self.romeo, "modify", "bad-request")
