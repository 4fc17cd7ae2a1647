"""Streams that we open to other servers (RFC 6120 4.3, 4.9.3.19, 5.4; XEP-0178, XEP-0220 2.1)."""

from __future__ import annotations

from typing import ClassVar

from xmppd.testing.authority import self_signed
from xmppd.testing.client import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.internet import Place
from xmppd.testing.peer import ScriptedPeer, ScriptedServer
from xmppd.wire import ns

STARTTLS = f"<starttls xmlns='{ns.TLS}'/>"
EXTERNAL = f"<mechanisms xmlns='{ns.SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
MESSAGE = "<message from='{romeo}' to='juliet@montague.example' id='m'><body>hi</body></message>"


class InitiatingTestCase(FederatedTestCase):
    tls = True

    def setUp(self) -> None:
        super().setUp()
        self.montague: ScriptedServer = self.scripted("montague.example")
        self.romeo: Client = self.login("romeo@example.org/orchard")

    def wanted(self) -> ScriptedPeer:
        """Have somebody send a message, and return the connection that is made for it."""
        self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")
        return self.montague.connection()

    def negotiated(self, features: str = DIALBACK, trusted: bool = True) -> ScriptedPeer:
        peer = self.wanted()
        if not trusted:
            peer.show(self_signed("montague.example"))
        peer.answer(STARTTLS)
        peer.accept_tls()
        peer.answer(features)
        return peer

    def returned(self, *words: str, condition: str = "remote-server-timeout", seconds: float = 0) -> None:
        self.pump(seconds)
        self.romeo.expect(
            "<message type='error' id='m'><body>hi</body><error type='{any}'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></message>"
        )
        for word in words:
            self.assertIn(word, self.romeo.received[-1])


class Negotiation(InitiatingTestCase):
    def test_the_header(self) -> None:
        """XEP-0220, example 17; the namespace of dialback is declared."""
        self.romeo.send("<message to='juliet@montague.example'/>")
        self.montague.connection()
        self.assertIn(b" xmlns:db='jabber:server:dialback'", bytes(self.internet.cables[0].octets[0]))
        peer = self.wanted()
        self.assertEqual(
            {key: value for key, value in (peer.header or {}).items() if " " not in key},
            {"from": "example.org", "to": "montague.example", "version": "1.0"},
        )

    def test_external(self) -> None:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.accept_external()
        peer.answer()
        peer.expect(MESSAGE)

    def test_external_with_a_challenge(self) -> None:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.expect(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>ZXhhbXBsZS5vcmc=</auth>")
        peer.send(f"<challenge xmlns='{ns.SASL}'/>")
        peer.expect(f"<response xmlns='{ns.SASL}'>=</response>")
        peer.restarted()
        peer.send(f"<success xmlns='{ns.SASL}'/>")
        peer.answer()
        peer.expect(MESSAGE)

    def test_dialback(self) -> None:
        """XEP-0220, examples 1 and 2."""
        peer = self.negotiated()
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")
        self.assertEqual(len(self.names["key"]), 64)
        peer.expect_nothing()  # no stanza before the answer
        peer.send("<db:result from='montague.example' to='example.org' type='valid'/>")
        peer.expect(MESSAGE)

    def test_dialback_is_declared_only(self) -> None:
        peer = self.negotiated("")
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")

    def test_external_fails(self) -> None:
        """XEP-0178 3: dialback follows on the same stream."""
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.expect(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{{any}}</auth>")
        peer.send(f"<failure xmlns='{ns.SASL}'><not-authorized/></failure>")
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")

    def test_external_fails_and_the_stream_ends(self) -> None:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.expect(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{{any}}</auth>")
        peer.send(f"<failure xmlns='{ns.SASL}'><not-authorized/></failure></stream:stream>")
        self.pump(1)
        again = self.montague.connection()
        self.assertIsNot(again, peer)
        again.answer(STARTTLS)
        again.accept_tls()
        again.answer(EXTERNAL + DIALBACK)
        again.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")
        again.send("<db:result from='montague.example' to='example.org' type='valid'/>")
        again.expect(MESSAGE)

    def test_no_way_to_authenticate(self) -> None:
        peer = self.wanted()
        peer.answer(STARTTLS)
        peer.accept_tls()
        peer.send_raw(
            f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' from='montague.example' id='x'"
            f" version='1.0'><stream:features/>"
        )
        self.returned("no way to prove", condition="not-allowed", seconds=1)

    def test_untrusted_with_dialback(self) -> None:
        peer = self.negotiated(trusted=False)
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")

    def test_the_next_place(self) -> None:
        places = self.internet.places["montague.example"]
        self.internet.places["montague.example"] = [Place("192.0.2.50", None), *places]
        peer = self.negotiated(EXTERNAL)
        peer.accept_external()
        peer.answer()
        peer.expect(MESSAGE)
        trail = self.server.server.federation.remote("montague.example").trail
        self.assertEqual(list(trail[:2]), ["192.0.2.50: connection refused", "192.0.2.99: connected"])

    def test_the_next_place_after_a_bad_one(self) -> None:
        """Who answers there but can't be talked to is passed over (RFC 6120 3.2.1)."""
        bad = self.scripted("montague.example", "192.0.2.50")
        self.internet.places["montague.example"].append(Place("192.0.2.99", self.montague.accept))
        self.wanted_from(bad).answer("")
        peer = self.montague.connection()
        peer.answer(STARTTLS)
        peer.accept_tls()
        peer.answer(DIALBACK)
        peer.expect("<db:result from='example.org' to='montague.example'>{key}</db:result>")

    def wanted_from(self, server: ScriptedServer) -> ScriptedPeer:
        self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")
        return server.connection()

    def test_direct_tls(self) -> None:
        self.montague = self.scripted("montague.example", direct_tls=True)
        self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")
        peer = self.montague.connection()
        peer.answer(EXTERNAL)
        peer.accept_external()
        peer.answer()
        peer.expect(MESSAGE)


class Failures(InitiatingTestCase):
    config: ClassVar = {"s2s": {"queue_seconds": 0.5}}  # one attempt, and no other

    def test_no_tls(self) -> None:
        self.wanted().answer(DIALBACK)
        self.returned("it does not offer TLS, which is required here")

    def test_tls_is_refused(self) -> None:
        peer = self.wanted()
        peer.answer(STARTTLS)
        peer.expect(STARTTLS)
        peer.send(f"<failure xmlns='{ns.TLS}'/></stream:stream>")
        self.returned("it refused to begin TLS")

    def test_host_unknown(self) -> None:
        self.wanted().answer()
        self.montague.connection(0).send(
            f"<stream:error><host-unknown xmlns='{ns.STREAM_ERRORS}'/></stream:error></stream:stream>"
        )
        self.returned()

    def test_an_error_at_once(self) -> None:
        peer = self.wanted()
        peer.send_raw(
            f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' id='x' version='1.0'><stream:error>"
            f"<host-unknown xmlns='{ns.STREAM_ERRORS}'/><text xmlns='{ns.STREAM_ERRORS}'>not here</text>"
            "</stream:error></stream:stream>"
        )
        self.returned("it closed the stream with host-unknown: not here")

    def test_hanging_up(self) -> None:
        self.wanted().disconnect()
        self.returned("it closed the connection")

    def test_no_xml(self) -> None:
        self.wanted().send_raw("220 mail.montague.example ESMTP\r\n")
        self.returned()

    def test_a_server_for_clients(self) -> None:
        peer = self.wanted()
        peer.send_raw(f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}' id='x' version='1.0'>")
        self.returned("it is no server for other servers")

    def test_no_id(self) -> None:
        self.wanted().answer(id=None)  # type: ignore[arg-type]
        self.returned("its stream has no id")

    def test_nothing_but_an_end(self) -> None:
        self.wanted().send_raw("</stream:stream>")
        self.returned()

    def test_older_than_dialback(self) -> None:
        peer = self.wanted()
        peer.send_raw(f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' id='x'>")
        self.returned("it knows neither XMPP 1.0 nor dialback")

    def test_nobody_there(self) -> None:
        self.romeo.send("<message to='juliet@nowhere.example' id='m'><body>hi</body></message>")
        self.returned("there is no nowhere.example", condition="remote-server-not-found")

    def test_dialback_is_refused(self) -> None:
        """XEP-0220, example 4."""
        peer = self.negotiated()
        peer.expect("<db:result>{key}</db:result>")
        peer.send(
            "<db:result from='montague.example' to='example.org' type='error'><error type='auth'>"
            "<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text></error></db:result>"
        )
        self.returned("montague.example refused dialback from example.org with not-authorized: no")

    def test_dialback_is_invalid(self) -> None:
        """XEP-0220, example 3."""
        peer = self.negotiated()
        peer.expect("<db:result>{key}</db:result>")
        peer.send("<db:result from='montague.example' to='example.org' type='invalid'/></stream:stream>")
        self.returned("not valid", condition="internal-server-error")

    def redirect(self, peer: ScriptedPeer) -> None:
        error = f"<see-other-host xmlns='{ns.STREAM_ERRORS}'>elsewhere.example:9222</see-other-host>"
        peer.send_raw(
            f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' id='x' version='1.0'>"
            f"<stream:error>{error}</stream:error></stream:stream>"
        )
        self.pump()

    def test_redirected(self) -> None:
        """RFC 6120 4.9.3.19: whoever is there has to be montague.example as well."""
        other = self.scripted("elsewhere.example", "192.0.2.77")
        self.redirect(self.wanted())
        there = other.connection()
        self.assertEqual((there.header or {}).get("to"), "montague.example")
        self.redirect(there)
        self.assertEqual(len(other.peers), 1)
        self.returned("it leads nowhere")

    def test_an_old_server_without_tls(self) -> None:
        self.wanted().answer(version=None)
        self.returned("does not offer TLS")


class Slow(InitiatingTestCase):
    config: ClassVar = {"s2s": {"queue_seconds": 60}}

    def test_no_answer(self) -> None:
        peer = self.wanted()
        self.pump(31)
        self.assertTrue(peer.transport.closed or peer.ended)
        self.returned(seconds=40)


class CertificatesOnly(InitiatingTestCase):
    """What doesn't heal by itself comes back at once, not after `queue_seconds`."""

    config: ClassVar = {"s2s": {"policy": "certificate"}}

    def test_no_tls(self) -> None:
        self.wanted().answer(DIALBACK)
        self.returned("it does not offer TLS, which is required here")

    def test_untrusted(self) -> None:
        """Nothing is said before the certificate is looked at."""
        peer = self.wanted()
        peer.show(self_signed("montague.example"))
        peer.answer(STARTTLS)
        peer.accept_tls()
        self.assertTrue(peer.transport.closed)
        self.assertIsNone(peer.header)
        self.returned("signed by itself", "only certificates are good enough")

    def test_trusted(self) -> None:
        peer = self.negotiated(EXTERNAL)
        peer.accept_external()
        peer.answer()
        peer.expect(MESSAGE)


class Full(InitiatingTestCase):
    config: ClassVar = {"s2s": {"connections": 1, "queue_seconds": 0.5}}

    def test_no_more_connections(self) -> None:
        self.peer("capulet.example")
        self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")
        self.returned("as many connections as it may have", condition="resource-constraint")
        self.assertEqual(self.montague.peers, [])


class Routes(InitiatingTestCase):
    config: ClassVar = {"s2s": {"domains": {"capulet.example": {"address": "montague.example:9999"}}}}

    def test_where_the_settings_say(self) -> None:
        self.romeo.send("<message to='juliet@capulet.example' id='m'><body>hi</body></message>")
        peer = self.montague.connection()
        self.assertEqual((peer.header or {}).get("to"), "capulet.example")


class TlsNotRequired(InitiatingTestCase):
    config: ClassVar = {"s2s": {"tls_required": False}}

    def test_without(self) -> None:
        peer = self.wanted()
        peer.answer(DIALBACK)
        peer.expect("<db:result>{key}</db:result>")

    def test_an_old_server(self) -> None:
        peer = self.wanted()
        peer.answer(version=None)
        peer.expect("<db:result>{key}</db:result>")
        peer.send("<db:result from='montague.example' to='example.org' type='valid'/>")
        peer.expect(MESSAGE)
