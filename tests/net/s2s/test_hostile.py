"""Other servers that lie, flood, or make no sense: a table of what they do and what comes of it.

RFC 6120 8.1.1.2 and 8.1.2.2 (addresses), 13.12 (limits); XEP-0220 section 5 (answers that nobody has asked for).
"""

from __future__ import annotations

from typing import ClassVar

from tests.net.s2s.test_initiating import DIALBACK, EXTERNAL, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.testing.authority import self_signed
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

_TO = "to='juliet@example.org/x'"
#: What a proven server of montague.example sends, and how its stream ends; None: it goes on.
SENT: dict[str, tuple[str, str | None]] = {
    "another domain": (f"<message from='a@capulet.example' {_TO}/>", "invalid-from"),
    "a part of its own": (f"<message from='a@rooms.montague.example' {_TO}/>", "invalid-from"),
    "what its own is a part of": (f"<message from='a@example' {_TO}/>", "invalid-from"),
    "one of ours": (f"<message from='romeo@example.org' {_TO}/>", "invalid-from"),
    "our host": (f"<iq from='example.org' {_TO} type='result' id='1'/>", "invalid-from"),
    "no from": (f"<message {_TO}/>", "improper-addressing"),
    "an empty from": (f"<message from='' {_TO}/>", "improper-addressing"),
    "no to": ("<message from='a@montague.example'/>", "improper-addressing"),
    "an empty to": ("<message from='a@montague.example' to=''/>", "improper-addressing"),
    "neither": ("<presence/>", "improper-addressing"),
    "from is no address": (f"<message from='a@b@montague.example' {_TO}/>", "improper-addressing"),
    "to another server": ("<message from='a@montague.example' to='b@capulet.example'/>", "host-unknown"),
    "to itself": ("<message from='a@montague.example' to='b@montague.example'/>", "host-unknown"),
    "to a part of ours": ("<message from='a@montague.example' to='b@rooms.example.org'/>", "host-unknown"),
    "an unknown element": ("<x xmlns='urn:example'/>", "unsupported-stanza-type"),
    "an unknown stanza": ("<letter from='a@montague.example' to='b@example.org'/>", "unsupported-stanza-type"),
    "a client's namespace": (
        f"<message xmlns='jabber:client' from='a@montague.example' {_TO}/>",
        "unsupported-stanza-type",
    ),
    "text": ("hello", "bad-format"),
    "a comment": ("<!-- a comment -->", "restricted-xml"),
    "bad XML": ("<message <>", "not-well-formed"),
    "an entity": (f"<message from='a@montague.example' {_TO}>&boom;</message>", "restricted-xml"),
    "another header": ("<stream:stream to='example.org'>", "bad-format"),
    "binding": ("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "unsupported-stanza-type"),
    "bidi, too late": ("<bidi xmlns='urn:xmpp:bidi'/>", "policy-violation"),
    "SASL again": (f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>=</auth>", "not-authorized"),
    "dialback without addresses": ("<db:result>abc</db:result>", "improper-addressing"),
    "dialback with full addresses": (
        "<db:result from='a@montague.example' to='example.org'>abc</db:result>",
        "improper-addressing",
    ),
    "dialback of another kind": ("<db:surprise from='montague.example' to='example.org'/>", "unsupported-stanza-type"),
    "dialback from a domain of ours": ("<db:result from='example.org' to='example.org'>x</db:result>", "invalid-from"),
    "a result that nobody asked for": ("<db:result from='capulet.example' to='example.org' type='valid'/>", None),
    "the same, of its own": ("<db:result from='montague.example' to='example.org' type='valid'/>", None),
    "a verification that nobody asked for": (
        "<db:verify from='capulet.example' to='example.org' id='x' type='valid'/>",
        None,
    ),
}


class Proven(ReceivingTestCase):
    """The stream was authenticated for montague.example."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x")
        self.other = self.scripted("capulet.example", "192.0.2.98")

    def authenticated(self) -> ScriptedPeer:
        peer = self.secured()
        peer.external()
        return peer

    def check(self, sent: str, error: str | None) -> None:
        peer = self.authenticated()
        peer.send_raw(sent)
        if error is None:
            peer.expect_nothing()
            peer.send("<message from='a@capulet.example' to='juliet@example.org/x'/>")
            peer.expect_closed("invalid-from")
        else:
            peer.expect_closed(error)
        self.juliet.expect_nothing()
        self.assertEqual(self.other.peers, [])
        self.assertFalse(self.server.server.federation.received)

    def test_to_is_no_address(self) -> None:
        """The sender is told (RFC 6120 8.3.3.8), and the stream goes on."""
        back = self.scripted("montague.example")
        peer = self.authenticated()
        peer.send("<message from='a@montague.example' to='@@' id='m'><body>hi</body></message>")
        peer.expect_open()
        back.connection()  # our own stream to it, for the error
        peer.send("<message from='a@montague.example' to='juliet@example.org/x'><body>hi</body></message>")
        self.juliet.expect("<message from='a@montague.example'><body>hi</body></message>")

    def test_results_and_errors_to_nobody(self) -> None:
        peer = self.authenticated()
        for kind in ("result", "error"):
            peer.send(f"<iq from='a@montague.example' to='juliet@example.org/x' type='{kind}' id='1'/>")
            peer.send(f"<iq from='a@montague.example' to='example.org' type='{kind}' id='1'/>")
        peer.send("<message from='a@montague.example' to='nobody@example.org' type='error'/>")
        peer.expect_open()
        peer.expect_nothing()

    def test_unsolicited_answers_are_counted(self) -> None:
        peer = self.authenticated()
        peer.send("<db:result from='capulet.example' to='example.org' type='valid'/>")
        self.assertEqual(self.servers.counts["unsolicited dialback"], 1)


def _plant(name: str, sent: str, error: str | None) -> None:
    def test(self: Proven) -> None:
        self.check(sent, error)

    test.__name__ = "test_" + name.replace(" ", "_").replace(",", "").replace("'", "")
    setattr(Proven, test.__name__, test)


for _name, (_sent, _error) in SENT.items():
    _plant(_name, _sent, _error)


class Unproven(ReceivingTestCase):
    """Before anything is proven."""

    def test_stanzas_in_the_packet_of_the_proof(self) -> None:
        juliet = self.login("juliet@example.org/x")
        peer = self.secured()
        peer.send(
            "<db:result from='montague.example' to='example.org'>x</db:result>"
            "<message from='a@montague.example' to='juliet@example.org/x'><body>hi</body></message>"
        )
        peer.expect("<db:result type='valid'/>")
        juliet.expect("<message from='a@montague.example'><body>hi</body></message>")

    def test_a_flood_of_headers(self) -> None:
        peer = self.peer()
        header = f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' to='example.org' version='1.0'>"
        peer.send_raw(header * 100)
        peer.expect("<stream:features>{...}</stream:features>")
        peer.expect_closed("bad-format")

    def test_a_flood_of_keys(self) -> None:
        """So many domains are asked about at a time, and no more."""
        for number in range(40):
            self.scripted(f"v{number}.example", "192.0.2.98")
        peer = self.secured(trusted=False)
        for number in range(40):
            peer.send(f"<db:result from='v{number}.example' to='example.org'>abc</db:result>")
        self.pump(1)
        self.assertEqual(len(self.internet.cables), 16)
        self.assertEqual(sum("resource-constraint" in xml for xml in peer.received), 24)

    def test_slowly(self) -> None:
        """Octet by octet, and never to an end."""
        peer = self.peer()
        for octet in f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}'":
            peer.send_raw(octet)
            self.pump(0.5)
        peer.expect_closed("connection-timeout")

    def test_tls_is_stripped(self) -> None:
        """Who removes STARTTLS from what both say gains nothing."""
        peer = self.peer()
        peer.open()
        peer.send("<db:result from='montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result type='error'>{...}</db:result>")
        peer.send("<message from='a@montague.example' to='juliet@example.org'/>")
        peer.expect_closed("not-authorized")


class ToOthers(InitiatingTestCase):
    """Servers that we connect to."""

    def carrying(self, features: str = "") -> ScriptedPeer:
        """Return a stream that carries our stanzas, authenticated by the certificate."""
        peer = self.negotiated(EXTERNAL + DIALBACK + features)
        peer.accept_external()
        peer.answer()
        peer.expect("<message><body>hi</body></message>")
        return peer

    def test_stanzas_against_the_direction(self) -> None:
        """Without bidi, nothing may come back (RFC 6120 4.3.1)."""
        peer = self.carrying()
        peer.send("<message from='juliet@montague.example' to='{romeo}'><body>ho</body></message>")
        peer.expect_closed("not-authorized")
        self.romeo.expect_nothing()

    def test_a_request_against_the_direction(self) -> None:
        peer = self.carrying()
        peer.send("<db:result from='montague.example' to='example.org'>abc</db:result>")
        peer.expect(
            "<db:result type='error'><error type='cancel'>"
            "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )
        peer.expect_open()

    def test_stanzas_before_features(self) -> None:
        peer = self.wanted()
        peer.send_raw(
            f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' id='x' version='1.0'>"
            "<message from='a@montague.example' to='romeo@example.org'/>"
        )
        self.assertTrue(peer.ended)
        self.romeo.expect_nothing()

    def test_answers_for_another_domain(self) -> None:
        """ "valid" counts for what was asked, and on the stream on which it was asked."""
        peer = self.negotiated()
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")
        peer.send("<db:result from='capulet.example' to='example.org' type='valid'/>")
        peer.send("<db:result from='montague.example' to='example.net' type='valid'/>")
        peer.send("<db:verify from='montague.example' to='example.org' id='s2s' type='valid'/>")
        peer.expect_nothing()
        self.assertEqual(self.servers.counts["unsolicited dialback"], 3)

    def test_a_flood_of_features(self) -> None:
        peer = self.wanted()
        peer.answer()
        peer.send("<stream:features/>" * 100)
        self.assertTrue(peer.ended)

    def test_success_that_nobody_asked_for(self) -> None:
        peer = self.negotiated(DIALBACK)
        peer.expect("<db:result>{key}</db:result>")
        peer.send(f"<success xmlns='{ns.SASL}'/>")
        peer.expect_nothing()


class Untrusted(InitiatingTestCase):
    config: ClassVar = {"s2s": {"domains": {"montague.example": {"policy": "certificate"}}, "queue_seconds": 0.5}}

    def test_another_ones_certificate(self) -> None:
        peer = self.wanted()
        peer.show(self_signed("montague.example", "capulet.example"))
        peer.answer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        peer.accept_tls()
        self.assertTrue(peer.transport.closed)
        self.returned("only certificates are good enough")
