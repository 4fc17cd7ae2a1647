"""What rooms pass on, where an owner says it (XEP-0045, 18.1.1, 17.2 and 17.3)."""

from __future__ import annotations

from tests.plugins.muc.coven import MUC, ROOM, CovenTestCase, joining

OOB = "<x xmlns='jabber:x:oob'><url>https://example.org/</url></x>"
HTML = "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>hi</body></html>"
NICK = "<nick xmlns='http://jabber.org/protocol/nick'>hag</nick>"
RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='nothing'/>"


class Traffic(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.witch = self.hag()

    def limit(self, *namespaces: str) -> None:
        self.create(traffic=namespaces)
        self.enter(self.witch, "thirdwitch")

    def asked(self) -> str:
        node = f"{MUC}#traffic"
        query = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>"
        self.witch.clear()
        self.witch.send(f"<iq type='get' id='t' to='{ROOM}'>{query}</iq>")
        return self.witch.received[-1].replace('"', "'")

    def heard(self, stanza: str) -> str:
        self.crone.clear()
        self.witch.send(stanza)
        return "".join(self.crone.received).replace('"', "'")

    def test_some(self) -> None:
        self.limit("jabber:x:oob")
        heard = self.heard(f"<message to='{ROOM}' type='groupchat'><body>look</body>{HTML}{OOB}{RETRACT}</message>")
        self.assertIn("<body>look</body>", heard)
        self.assertIn("jabber:x:oob", heard)
        self.assertIn("<retract ", heard, "the room itself knows it")
        self.assertIn("urn:xmpp:occupant-id:0", heard)
        self.assertNotIn("xhtml", heard)
        self.assertIn("<feature var='jabber:x:oob'/></query>", self.asked())
        self.assertEqual(self.asked().count("<feature"), 1)

    def test_presence(self) -> None:
        self.limit("jabber:x:oob")
        for stanza in (
            f"<presence to='{ROOM}/thirdwitch'><show>away</show>{NICK}{OOB}</presence>",
            f"<presence to='{ROOM}/oldhag'><show>away</show>{NICK}{OOB}</presence>",
            f"<presence to='{ROOM}' type='unavailable'><status>away</status>{NICK}{OOB}</presence>",
            joining("thirdwitch").replace("</presence>", f"<show>away</show>{NICK}{OOB}</presence>"),
        ):
            with self.subTest(stanza=stanza):
                heard = self.heard(stanza)
                self.assertIn(">away<", heard)
                self.assertIn("jabber:x:oob", heard)
                self.assertNotIn("protocol/nick", heard)

    def test_private_messages(self) -> None:
        """It is about what everybody gets."""
        self.limit("jabber:x:oob")
        self.assertIn("xhtml", self.heard(f"<message to='{ROOM}/firstwitch' type='chat'>{HTML}</message>"))

    def test_none(self) -> None:
        self.limit("jabber:client")
        heard = self.heard(f"<message to='{ROOM}' type='groupchat'><body>look</body>{OOB}</message>")
        self.assertIn("<body>look</body>", heard)
        self.assertNotIn("oob", heard)
        self.assertIn(f"<query xmlns='http://jabber.org/protocol/disco#info' node='{MUC}#traffic'/>", self.asked())

    def test_any(self) -> None:
        self.limit()
        self.assertIn("xhtml", self.heard(f"<message to='{ROOM}' type='groupchat'><body>x</body>{HTML}</message>"))
        self.assertIn("<service-unavailable ", self.asked())
