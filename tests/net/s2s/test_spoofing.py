"""Other servers that claim what is not theirs, or send what no stanza may be like (RFC 6120 8.2.3, 13.5; XEP-0198)."""

from __future__ import annotations

from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.wire import ns

SM = "urn:xmpp:sm:3"


class Malformed(ReceivingTestCase):
    """Stanzas that break the rules of their kind go back, whoever they are for."""

    FAULTS = (
        "<iq from='a@montague.example' to='{to}' type='get' id='1'/>",
        "<iq from='a@montague.example' to='{to}' type='set' id='1'><a xmlns='b'/><c xmlns='d'/></iq>",
        "<iq from='a@montague.example' to='{to}' type='get'><a xmlns='b'/></iq>",
        "<iq from='a@montague.example' to='{to}' type='nonsense' id='1'><a xmlns='b'/></iq>",
        "<iq from='a@montague.example' to='{to}' id='1'><a xmlns='b'/></iq>",
        "<presence from='a@montague.example' to='{to}' type='nonsense'/>",
    )

    def test_they_go_back(self) -> None:
        juliet = self.login("juliet@example.org/x")
        juliet.clear()
        self.scripted("montague.example")
        peer = self.secured()
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.external()
        for to in ("example.org", "juliet@example.org", "juliet@example.org/x", "nobody@example.org"):
            for fault in self.FAULTS:
                kind = fault[1:].partition(" ")[0]
                peer.send_raw(fault.replace("{to}", to))
                peer.expect(
                    f"<{kind} from='{to}' to='a@montague.example' type='error'>{{...}}<error type='modify'>"
                    f"<bad-request xmlns='{ns.STANZA_ERRORS}'/>{{...}}</error></{kind}>"
                )
        juliet.expect_nothing()

    def test_results_are_answered_by_nobody(self) -> None:
        juliet = self.login("juliet@example.org/x")
        juliet.clear()
        peer = self.secured()
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.external()
        peer.send("<iq from='a@montague.example' to='{juliet}' type='result' id='1'><a xmlns='b'/><c xmlns='d'/></iq>")
        peer.send("<iq from='a@montague.example' to='{juliet}' type='error'/>")
        peer.expect_nothing()
        juliet.expect_nothing()
