"""Which messages wait: the table of XEP-0160 section 3 and the hints of XEP-0334, as a pure function."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.plugins.offline.rules import is_stored
from xmppd.wire.stanza import Message

BODY = b"<body>Art thou not Romeo?</body>"
ACTIVE = b"<active xmlns='http://jabber.org/protocol/chatstates'/>"
RECEIPT = b"<received xmlns='urn:xmpp:receipts' id='1'/>"
THREAD = b"<thread>t</thread>"


def hint(name: str) -> bytes:
    return f"<{name} xmlns='urn:xmpp:hints'/>".encode()


class Types(SynchronousTestCase):
    def check(self, type_: str | None, payload: bytes, stored: bool) -> None:
        self.assertIs(is_stored(Message(type=type_, payload=payload)), stored, (type_, payload))

    def test_types(self) -> None:
        for type_, stored in (
            (None, True),
            ("normal", True),
            ("chat", True),
            ("groupchat", False),
            ("headline", False),
            ("error", False),
            ("unknown", True),
        ):
            self.check(type_, BODY, stored)

    def test_chat_states_alone(self) -> None:
        self.check("chat", ACTIVE, False)
        self.check("chat", ACTIVE + THREAD, False)
        self.check("chat", ACTIVE + hint("no-copy"), False)
        self.check("chat", ACTIVE + hint("no-copy") + b"<private xmlns='urn:xmpp:carbons:2'/>", False)
        self.check("chat", ACTIVE + BODY, True)
        self.check("chat", ACTIVE + RECEIPT, True)
        self.check("normal", ACTIVE, True)

    def test_content_without_a_body(self) -> None:
        self.check("chat", b"", True)
        self.check("chat", RECEIPT, True)
        self.check("chat", THREAD, True)

    def test_data_of_bytestreams(self) -> None:
        data = b"<data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='i781hf64'>qANQ</data>"
        for type_ in ("chat", "normal"):
            self.check(type_, data, False)
            self.check(type_, data + hint("store"), False)

    def test_hints(self) -> None:
        self.check("chat", BODY + hint("no-store"), False)
        self.check("normal", BODY + hint("no-store"), False)
        self.check("chat", BODY + hint("no-permanent-store"), True)
        self.check("chat", BODY + hint("no-copy"), True)
        self.check("chat", ACTIVE + hint("store"), True)
        # XEP-0160: "by definition a user without online presence cannot be in a room".
        self.check("groupchat", BODY + hint("store"), False)
        self.check("error", BODY + hint("store"), False)
