"""What is archived, as a table: XEP-0313 section 6.1.1, XEP-0334."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.plugins.archive.rules import GROUPS, KEPT, RETRACTS, Group, Rules
from xmppd.wire.stanza import Message

BODY = "<body>hi</body>"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
NO_PERMANENT_STORE = "<no-permanent-store xmlns='urn:xmpp:hints'/>"
STORE = "<store xmlns='urn:xmpp:hints'/>"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
#: The group that something belongs to.
OF_GROUPS: dict[str, Group] = {
    BODY: "bodies",
    "<body/>": "bodies",
    "<subject>Lunch</subject>": "bodies",
    "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>": "bodies",
    "<encrypted xmlns='eu.siacs.conversations.axolotl'/>": "encrypted",
    "<encrypted xmlns='urn:xmpp:omemo:2'/>": "encrypted",
    "<openpgp xmlns='urn:xmpp:openpgp:0'/>": "encrypted",
    "<x xmlns='jabber:x:encrypted'/>": "encrypted",
    "<x xmlns='jabber:x:oob'/>": "files",
    "<file-sharing xmlns='urn:xmpp:sfs:0'/>": "files",
    "<sources xmlns='urn:xmpp:sfs:0'/>": "files",
    "<reference xmlns='urn:xmpp:reference:0'/>": "files",
    "<received xmlns='urn:xmpp:receipts' id='1'/>": "receipts",
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>": "markers",
    "<received xmlns='urn:xmpp:chat-markers:0' id='1'/>": "markers",
    "<acknowledged xmlns='urn:xmpp:chat-markers:0' id='1'/>": "markers",
    "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>": "reactions",
    "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>": "retractions",
    "<apply-to xmlns='urn:xmpp:fasten:0' id='1'/>": "retractions",
    "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>": "calls",
    "<finish xmlns='urn:xmpp:jingle-message:0' id='1'/>": "calls",
    "<invite xmlns='urn:xmpp:call-invites:0'/>": "calls",
    "<left xmlns='urn:xmpp:call-invites:0'/>": "calls",
    "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b.c'/></x>": "invitations",
    "<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b.c'/></x>": "invitations",
    "<x xmlns='jabber:x:conference' jid='room@muc.example.org'/>": "invitations",
}
#: What is of no use later.
TRANSIENT = (
    "",
    TYPING,
    "<thread>1</thread>",
    "<request xmlns='urn:xmpp:receipts'/>",
    "<markable xmlns='urn:xmpp:chat-markers:0'/>",
    "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
    "<body xmlns='http://www.w3.org/1999/xhtml'/>",
    "<received xmlns='urn:xmpp:carbons:2'/>",
    "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>",
    "<ringing xmlns='urn:xmpp:jingle-message:0' id='1'/>",
    "<unknown xmlns='urn:example:unknown'/>",
    "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='a@b.c'/></x>",
    f"{TYPING}<x xmlns='http://jabber.org/protocol/muc#user'/>",
)


def kept(inside: str, type_: str = "chat", rules: Rules | None = None) -> bool:
    return bool((rules or Rules()).of(Message(type=type_, payload=inside.encode())))


class Table(SynchronousTestCase):
    def test_kept(self) -> None:
        for inside in OF_GROUPS:
            for type_ in ("chat", "normal", "unheard-of"):  # RFC 6121 5.2.2: the last one is "normal"
                self.assertTrue(kept(inside, type_), (inside, type_))
                self.assertTrue(kept(TYPING + inside, type_), inside)

    def test_never(self) -> None:
        for inside in OF_GROUPS:
            for type_ in ("groupchat", "error", "headline"):
                self.assertFalse(kept(inside, type_), (inside, type_))
            for hint in (NO_STORE, NO_PERMANENT_STORE):
                self.assertFalse(kept(inside + hint), inside)
                self.assertFalse(kept(hint + inside + STORE), inside)

    def test_transient(self) -> None:
        for inside in TRANSIENT:
            self.assertFalse(kept(inside), inside)

    def test_data_of_bytestreams(self) -> None:
        """XEP-0047: a piece of a file is of no use to anybody, whatever else is said of it."""
        data = "<data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='i781hf64'>qANQ</data>"
        for inside in (data, BODY + data, data + STORE):
            self.assertFalse(kept(inside), inside)

    def test_store_hint(self) -> None:
        for inside in TRANSIENT:
            for type_ in ("chat", "normal", "headline"):
                self.assertTrue(kept(inside + STORE, type_), inside)
            for type_ in ("groupchat", "error"):
                self.assertFalse(kept(inside + STORE, type_), inside)

    def test_groups(self) -> None:
        self.assertEqual(set(OF_GROUPS.values()), set(GROUPS))
        for inside, group in OF_GROUPS.items():
            self.assertTrue(kept(inside, rules=Rules([group])), inside)
            without = Rules([other for other in GROUPS if other != group])
            self.assertFalse(kept(inside, rules=without), inside)
            self.assertTrue(kept(inside + STORE, rules=without), inside)

    def test_retractions_are_known(self) -> None:
        retraction = Message(payload=b"<retract xmlns='urn:xmpp:message-retract:1' id='1'/>")
        self.assertEqual(Rules().of(retraction), KEPT | RETRACTS)
        self.assertEqual(Rules().of(Message(payload=BODY.encode())), KEPT)
        self.assertEqual(Rules(["bodies"]).of(retraction.adding(BODY.encode())), KEPT | RETRACTS)
