"""Other servers that claim what is not theirs, or send what no stanza may be like (RFC 6120 8.2.3, 13.5; XEP-0198)."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from tests.net.s2s.test_initiating import DIALBACK, EXTERNAL, STARTTLS, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.testing.authority import self_signed
from xmppd.testing.peer import ScriptedPeer
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


class Ours(ReceivingTestCase):
    """Nobody else speaks for a domain of ours, not even for one that is closed to other servers."""

    components = {"irc.example.org": {"federate": False}}

    def test_a_header(self) -> None:
        peer = self.peer("irc.example.org")
        peer.open()
        peer.expect_closed("invalid-from")

    def test_dialback(self) -> None:
        peer = self.secured()
        peer.send("<db:result from='irc.example.org' to='example.org'>key</db:result>")
        peer.expect_closed("invalid-from")

    def test_external(self) -> None:
        peer = self.peer("irc.example.org")
        peer.open(from_=None)
        peer.start_tls()
        peer.send(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>aXJjLmV4YW1wbGUub3Jn</auth>")
        peer.expect(f"<failure xmlns='{ns.SASL}'><invalid-authzid/>{{...}}</failure>")


class Identities(ReceivingTestCase):
    """Odd identities in EXTERNAL, on a stream that says nothing of where it is from (XEP-0178 3)."""

    def test_no_domains(self) -> None:
        for identity in ("romeo@montague.example", "montague.example/x", "romeo@montague.example/x", ""):
            peer = self.peer()
            peer.open(from_=None)
            peer.start_tls()
            text = base64.b64encode(identity.encode()).decode() or "="
            peer.send(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{text}</auth>")
            peer.expect(f"<failure xmlns='{ns.SASL}'><invalid-authzid/>{{...}}</failure>")

    def test_in_full_width(self) -> None:
        """It is the same domain, and one of ours is one of ours however it is written."""
        for from_ in ("ＥＸＡＭＰＬＥ．org", "Example.Org.", "example\u3002org"):
            peer = self.peer()
            peer.open(from_=from_)
            peer.expect_closed("invalid-from")
        peer = self.peer()
        peer.open(from_="ＭＯＮＴＡＧＵＥ.Example.")
        peer.start_tls()
        peer.external()
        peer.send("<message from='a@montague\u3002example' to='nobody@EXAMPLE.org.'/>")
        peer.expect_open()


class Sessions(ReceivingTestCase):
    """Streams that can be resumed are of who has proven a domain."""

    hosts = ("example.org", "example.net")

    def test_a_header_proves_nothing(self) -> None:
        self.scripted("capulet.example", "192.0.2.98")
        peer = self.peer("montague.example")
        peer.open(from_="capulet.example")
        peer.start_tls()
        peer.send("<db:result from='montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result type='valid'/>")
        peer.send(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect(f"<enabled xmlns='{SM}' resume='{{none}}' id='{{none}}'/>")

    def resumable(self) -> ScriptedPeer:
        peer = self.secured()
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.external()
        self.names.pop("id", None)
        peer.send(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect(f"<enabled xmlns='{SM}' resume='true' id='{{id}}' max='300'/>")
        return peer

    def back(self) -> ScriptedPeer:
        peer = self.secured()
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.external()
        peer.send(f"<resume xmlns='{SM}' previd='{{id}}' h='0'/>")
        peer.expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='0'/>")
        return peer

    def test_the_old_connection_takes_nothing_with_it(self) -> None:
        """What is sent on the new connection is not given back when the old one is noticed to be gone."""
        juliet = self.login("juliet@example.org/x")
        juliet.clear()
        old = self.resumable()
        juliet.send("<message to='romeo@montague.example' id='1'><body>one</body></message>")
        old.expect("<message id='1'><body>one</body></message>")
        new = self.back()
        new.expect("<message id='1'><body>one</body></message>")
        juliet.send("<message to='romeo@montague.example' id='2'><body>two</body></message>")
        new.expect(f"<r xmlns='{SM}'/>")
        new.expect("<message id='2'><body>two</body></message>")
        old.expect_closed("conflict")
        old.disconnect()
        self.pump(30)
        juliet.expect_nothing()
        new.send(f"<a xmlns='{SM}' h='2'/>")
        new.expect_open()

    def test_other_domains_go_on_as_well(self) -> None:
        """While the old connection is there or not."""
        for lost in (True, False):
            old = self.resumable()
            old.send("<db:result from='montague.example' to='example.net'>x</db:result>")
            old.expect("<db:result type='valid'/>")
            if lost:
                old.disconnect()
            new = self.back()
            new.expect_open()
            stream = next(s for s in self.servers.streams if not s.closing)
            self.assertEqual(stream.proven, {("montague.example", "example.org"), ("montague.example", "example.net")})
            new.close()

    def test_too_high_after_the_end(self) -> None:
        peer = self.resumable()
        self.servers.close("montague.example")
        peer.send(f"<a xmlns='{SM}' h='7'/>")
        peer.send("<a xmlns='urn:example'/>")
        peer.send(f"<a xmlns='{SM}'/>")
        peer.disconnect()


class OnOurOwnStream(InitiatingTestCase):
    """With bidi, the other end of a stream that we have opened asks us (XEP-0288 section 2)."""

    def test_a_key_is_not_verified_where_it_came(self) -> None:
        """Not even while we are proving our own domain on it."""
        peer = self.negotiated(DIALBACK + "<bidi xmlns='urn:xmpp:features:bidi'/>", trusted=False)
        peer.expect("<bidi xmlns='urn:xmpp:bidi'>{...}</bidi>")
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")
        peer.send("<db:result from='montague.example' to='example.org'>abc</db:result>")
        peer.expect_nothing()
        other = self.montague.connection()
        self.assertIsNot(other, peer)
        other.show(self_signed("montague.example"))
        other.answer(STARTTLS)
        other.accept_tls()
        other.answer(DIALBACK)
        other.expect("<db:verify from='example.org' to='montague.example' id='s2s'>abc</db:verify>")
        other.send("<db:verify from='montague.example' to='example.org' id='s2s' type='valid'/>")
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        peer.send("<db:result from='montague.example' to='example.org' type='valid'/>")
        peer.expect("<message><body>hi</body></message>")


class Ids(InitiatingTestCase):
    """Other servers make up ids of streams as they like."""

    def test_two_with_the_same(self) -> None:
        """None keeps another from going on with its stream."""
        capulet = self.scripted("capulet.example", "192.0.2.98")
        self.romeo.send("<message to='a@montague.example'><body>hi</body></message>")
        self.romeo.send("<message to='a@capulet.example'><body>hi</body></message>")
        peers = []
        for server in (self.montague, capulet):
            peer = server.connection()
            peer.answer(STARTTLS)
            peer.accept_tls()
            peer.answer(EXTERNAL + DIALBACK)
            peer.accept_external()
            peer.answer(f"<sm xmlns='{SM}'/>")
            peer.expect(f"<enable xmlns='{SM}' resume='true'/>")
            peer.send(f"<enabled xmlns='{SM}' id='1' resume='true'/>")
            self.pump(1)
            peers.append(peer)
        for peer in peers:
            peer.disconnect()
        again = ScriptedPeer.connected(self, "montague.example", self.accept(), "192.0.2.99")
        again.open()
        again.start_tls()
        again.external()
        again.send(f"<resume xmlns='{SM}' previd='1' h='1'/>")
        again.expect(f"<resumed xmlns='{SM}' previd='1' h='0'/>")

    def test_counts_that_are_none(self) -> None:
        peer = self.secured_by_us()
        peer.send(f"<a xmlns='{SM}' h='4294967297'/>")
        peer.expect_closed("invalid-xml")

    def test_counts_begin_anew(self) -> None:
        """After 2^32 - 1 comes 0, in both directions (XEP-0198 4)."""
        peer = self.secured_by_us()
        peer.send(f"<a xmlns='{SM}' h='1'/>")
        (stream,) = self.servers.streams
        assert stream.acknowledged is not None and stream.acknowledging is not None
        stream.acknowledged._acknowledged = stream.acknowledging._come = 2**32 - 1
        for _ in range(2):
            self.romeo.send("<message to='juliet@montague.example'><body>hi</body></message>")
        peer.send(f"<a xmlns='{SM}' h='1'/>")
        self.assertEqual(len(stream.acknowledged), 0)
        stream.acknowledging.number()
        stream.acknowledging.handled(2**32)
        peer.clear()
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect(f"<a xmlns='{SM}' h='0'/>")

    def secured_by_us(self) -> ScriptedPeer:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.accept_external()
        peer.answer(f"<sm xmlns='{SM}'/>")
        peer.expect(f"<enable xmlns='{SM}' resume='true'/>")
        peer.send(f"<enabled xmlns='{SM}'/>")
        peer.expect("<message><body>hi</body></message>")
        return peer


class OnLoopback(InitiatingTestCase):
    """`plain_without_tls` is no substitute for a certificate: who says that a domain is on loopback may lie."""

    config: ClassVar[Any] = {"s2s": {"domains": {"montague.example": {"policy": "certificate"}}, "queue_seconds": 0.5}}

    def setUp(self) -> None:
        super().setUp()
        self.montague = self.scripted("montague.example", "127.0.0.1")

    def test_without_tls(self) -> None:
        peer = self.wanted()
        peer.answer(DIALBACK)
        peer.expect_closed("policy-violation")
        self.returned("it does not offer TLS")
