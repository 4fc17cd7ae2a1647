"""XEP-0359: ids that entities give to messages, and those that claim to be given by them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message
from xmppd.wire.stanza_id import RAW_NAME, given_by, stanza_id, without

JULIET = Jid.parse("juliet@example.org")
NURSE = Jid.parse("o\\27malley@example.org")
ROOM = Jid.parse("room@muc.example.org")
FORGED = (
    "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='x'/>",
    "<stanza-id by='Juliet@EXAMPLE.org' id='x' xmlns='urn:xmpp:sid:0'/>",
    "<stanza-id xmlns='urn:xmpp:sid:0' id='>' by='&#x6a;uliet@example.org'></stanza-id>",
    "<s:stanza-id xmlns:s='urn:xmpp:sid:0' id='x' by='juliet@example.org'/>",
    "<stanza-id xmlns='urn:xmpp:sid:0' by='ｊuliet@example.org' id='x'/>",
    "<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='x'><by/></stanza-id>",
)


def message(*inside: str) -> Message:
    return Message(JULIET, payload=f"<body>hi</body>{''.join(inside)}".encode())


class StanzaIds(SynchronousTestCase):
    def test_element(self) -> None:
        self.assertEqual(
            stanza_id(JULIET, "a'b"), b"<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@example.org' id='a&apos;b'/>"
        )

    def test_given(self) -> None:
        both = message(stanza_id(ROOM, "r").decode(), stanza_id(JULIET, "j").decode())
        self.assertEqual([given_by(both, by) for by in (ROOM, JULIET, NURSE)], ["r", "j", None])
        self.assertIsNone(given_by(message(), JULIET))

    def test_forged_ones_are_taken_out(self) -> None:
        for forged in FORGED:
            self.assertEqual(without(message(forged), JULIET).payload, b"<body>hi</body>", forged)
            self.assertIsNotNone(given_by(message(forged), JULIET), forged)

    def test_the_others_stay(self) -> None:
        theirs = stanza_id(ROOM, "juliet@example.org said so").decode()
        stays = message(theirs)
        self.assertIs(without(stays, JULIET), stays)
        kept = without(message(theirs, *FORGED), JULIET)
        self.assertEqual(given_by(kept, ROOM), "juliet@example.org said so")
        self.assertEqual(kept.raw_names.count(RAW_NAME), 1)

    def test_not_ours_by_name(self) -> None:
        for other in (
            "<stanza-id xmlns='urn:example:sid' by='juliet@example.org' id='x'/>",
            "<stanza-id xmlns='urn:xmpp:sid:0' by='@' id='x juliet@example.org'/>",
            "<stanza-id xmlns='urn:xmpp:sid:0' id='juliet@example.org'/>",
        ):
            stays = message(other)
            self.assertIs(without(stays, JULIET), stays, other)

    def test_escaped_addresses(self) -> None:
        self.assertEqual(given_by(message(stanza_id(NURSE, "n").decode()), NURSE), "n")

    def test_nothing_is_parsed_of_what_rooms_send(self) -> None:
        quick = Message(JULIET, payload=stanza_id(ROOM, "r"), names=(RAW_NAME,))
        self.assertIs(without(quick, JULIET), quick)
        self.assertIsNone(quick._elements)
