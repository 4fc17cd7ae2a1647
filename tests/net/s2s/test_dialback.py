"""Server Dialback in its three roles (XEP-0220); keys (XEP-0185)."""

from __future__ import annotations

import unittest
from typing import ClassVar

from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.net.s2s.network import ServerNetwork
from xmppd.testing.authority import self_signed
from xmppd.testing.peer import ScriptedPeer, ScriptedServer
from xmppd.wire.dialback import key

TARGET = "<message from='romeo@montague.example' to='juliet@example.org/x'><body>hi</body></message>"


class Keys(unittest.TestCase):
    def test_example_of_xep_0185(self) -> None:
        self.assertEqual(
            key(b"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F"),
            "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643",
        )

    def test_examples_of_xep_0220(self) -> None:
        self.assertEqual(
            key(b"s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F"),
            "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3",
        )
        self.assertEqual(
            key(b"d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25"),
            "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d",
        )


class Receiving(ReceivingTestCase):
    """2.2.1: somebody wants to send us stanzas."""

    def setUp(self) -> None:
        super().setUp()
        self.authoritative = self.scripted("montague.example")
        self.juliet = self.login("juliet@example.org/x")

    def stranger(self, domain: str = "montague.example") -> ScriptedPeer:
        return self.secured(domain, trusted=False)

    def asked(self, peer: ScriptedPeer, server: ScriptedServer | None = None) -> ScriptedPeer:
        """Send a key, and return the connection on which it is to be verified."""
        peer.send(peer.result())
        back = (server or self.authoritative).connection()
        back.show(self_signed(back.domain))
        back.answer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        back.accept_tls()
        back.answer("<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>")
        back.expect("<db:verify from='example.org' to='{any}' id='{stream}'>{key}</db:verify>")
        return back

    def verified(self, type_: str = "valid") -> ScriptedPeer:
        peer = self.stranger()
        back = self.asked(peer)
        back.send(f"<db:verify from='montague.example' to='example.org' id='{{stream}}' type='{type_}'/>")
        return peer

    def test_valid(self) -> None:
        peer = self.verified()
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        assert peer.header is not None
        self.assertEqual(self.names["stream"], peer.header["id"])
        peer.send(TARGET)
        self.juliet.expect("<message from='romeo@montague.example' to='juliet@example.org/x'><body>hi</body></message>")

    def test_nothing_before_it_is_verified(self) -> None:
        peer = self.stranger()
        self.asked(peer)
        peer.send(TARGET)
        peer.expect_closed("not-authorized")
        self.juliet.expect_nothing()

    def test_invalid(self) -> None:
        """XEP-0220, examples 7 and 12."""
        peer = self.verified("invalid")
        peer.expect("<db:result from='example.org' to='montague.example' type='invalid'/>")
        peer.expect_closed()
        self.flushLoggedErrors()

    def test_invalid_on_a_stream_with_other_domains(self) -> None:
        """The stream goes on for those that are proven (2.2.1)."""
        capulet = self.scripted("capulet.example", "192.0.2.98")
        peer = self.verified()
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        peer.send("<db:result from='capulet.example' to='example.org'>abc</db:result>")
        back = capulet.connection()
        back.show(self_signed("capulet.example"))
        back.answer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        back.accept_tls()
        back.answer()
        back.expect("<db:verify from='example.org' to='capulet.example' id='{stream}'>abc</db:verify>")
        back.send("<db:verify from='capulet.example' to='example.org' id='{stream}' type='invalid'/>")
        peer.expect(
            "<db:result from='example.org' to='capulet.example' type='error'>"
            "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )
        peer.send(TARGET)
        self.juliet.expect("<message><body>hi</body></message>")

    def refused(self, condition: str, request: str, peer: ScriptedPeer | None = None) -> None:
        peer = peer or self.stranger()
        peer.send(request)
        self.pump(1)
        peer.expect(
            f"<db:result type='error'><error type='{{any}}'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></db:result>"
        )
        peer.expect_open()

    def test_a_domain_that_is_not_ours(self) -> None:
        self.refused("item-not-found", "<db:result from='montague.example' to='example.net'>abc</db:result>")

    def test_a_domain_that_is_not_found(self) -> None:
        request = "<db:result from='nowhere.example' to='example.org'>abc</db:result>"
        self.refused("remote-server-not-found", request)

    def test_no_key(self) -> None:
        self.refused("bad-request", "<db:result from='montague.example' to='example.org'/>")

    def test_without_tls(self) -> None:
        peer = self.peer()
        peer.open()
        self.refused("policy-violation", "<db:result from='montague.example' to='example.org'>abc</db:result>", peer)

    def test_the_authoritative_server_does_not_know_the_domain(self) -> None:
        """XEP-0220, example 8."""
        peer = self.stranger()
        back = self.asked(peer)
        back.send(
            "<db:verify from='montague.example' to='example.org' id='{stream}' type='error'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"
        )
        peer.expect(
            "<db:result from='example.org' to='montague.example' type='error'><error type='cancel'>"
            "<remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )

    def test_the_authoritative_server_leaves(self) -> None:
        peer = self.stranger()
        back = self.asked(peer)
        back.disconnect()
        self.pump(1)
        peer.expect(
            "<db:result from='example.org' to='montague.example' type='error'><error type='wait'>"
            "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )

    def test_the_authoritative_server_says_nothing(self) -> None:
        peer = self.stranger()
        self.asked(peer)
        self.pump(25)
        peer.expect_nothing()
        self.pump(10)
        self.assertTrue(peer.ended or "remote-server-timeout" in peer.received[-1])

    def test_certificates_need_no_key(self) -> None:
        """The receiving server "MAY use any method to determine the validity of the dialback key"."""
        peer = self.secured()
        peer.send("<db:result from='montague.example' to='example.org'>whatever</db:result>")
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        self.assertEqual(self.authoritative.peers, [])

    def test_proven_already(self) -> None:
        peer = self.verified()
        peer.expect("<db:result type='valid'/>")
        peer.send(peer.result())
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        self.assertEqual(len(self.authoritative.peers), 1)

    def test_the_same_twice_at_once(self) -> None:
        peer = self.stranger()
        peer.send(peer.result())
        self.refused("resource-constraint", peer.result(), peer)


class CertificatesOnly(ReceivingTestCase):
    config: ClassVar = {"s2s": {"policy": "certificate"}}

    def test_another_domain_needs_one_too(self) -> None:
        peer = self.secured()
        peer.external()
        peer.send("<db:result from='capulet.example' to='example.org'>abc</db:result>")
        peer.expect(
            "<db:result from='example.org' to='capulet.example' type='error'><error type='auth'>"
            "<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )
        peer.send("<db:result from='rooms.montague.example' to='example.org'>abc</db:result>")
        peer.expect("<db:result from='example.org' to='rooms.montague.example' type='valid'/>")


class Blocked(ReceivingTestCase):
    config: ClassVar = {"s2s": {"domains": {"capulet.example": {"policy": "blocked"}}}}

    def test_another_domain_is_not_talked_to(self) -> None:
        peer = self.secured()
        peer.external()
        peer.send("<db:result from='capulet.example' to='example.org'>abc</db:result>")
        peer.expect(
            "<db:result from='example.org' to='capulet.example' type='error'><error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:result>"
        )


class Multiplexing(ReceivingTestCase):
    hosts = ("example.org", "example.net")
    config: ClassVar = {"s2s": {"domains_per_stream": 3}}

    def test_sender_and_target(self) -> None:
        """2.5: several domains of theirs and of ours, also behind SASL."""
        romeo = self.login("juliet@example.net/x")
        peer = self.secured()
        peer.external()
        peer.send(
            "<db:result from='rooms.montague.example' to='example.org'>a</db:result>"
            "<db:result from='montague.example' to='example.net'>b</db:result>"
        )
        peer.expect("<db:result from='example.org' to='rooms.montague.example' type='valid'/>")
        peer.expect("<db:result from='example.net' to='montague.example' type='valid'/>")
        peer.send("<message from='a@montague.example' to='juliet@example.net/x'><body>hi</body></message>")
        romeo.expect("<message from='a@montague.example'><body>hi</body></message>")
        # A pair is a pair: each of both domains was proven, but not together.
        peer.send("<message from='a@rooms.montague.example' to='juliet@example.net/x'><body>hi</body></message>")
        peer.expect_closed("host-unknown")
        romeo.expect_nothing()

    def test_no_more_than_may_be(self) -> None:
        peer = self.secured()
        peer.external()
        for number in range(3):
            peer.send(f"<db:result from='r{number}.montague.example' to='example.org'>a</db:result>")
        peer.expect("<db:result type='valid'/><db:result type='valid'/><db:result type='error'>{...}</db:result>")
        self.assertIn("resource-constraint", peer.received[-1])


class Authoritative(ReceivingTestCase):
    """2.2.2: somebody asks whether a key is ours."""

    def asks(self, key_: str, to: str = "example.org", id_: str = "417GAF25") -> ScriptedPeer:
        peer = self.secured("capulet.example", trusted=False)
        peer.send(f"<db:verify from='capulet.example' to='{to}' id='{id_}'>{key_}</db:verify>")
        return peer

    def our_key(self, id_: str = "417GAF25") -> str:
        network: ServerNetwork = self.servers
        return key(network.secret, "capulet.example", "example.org", id_)

    def test_ours(self) -> None:
        """XEP-0220, example 15."""
        peer = self.asks(self.our_key())
        peer.expect("<db:verify from='example.org' to='capulet.example' id='417GAF25' type='valid'/>")

    def test_with_white_space(self) -> None:
        peer = self.asks(f"\n    {self.our_key()}\n  ")
        peer.expect("<db:verify from='example.org' to='capulet.example' id='417GAF25' type='valid'/>")

    def test_not_ours(self) -> None:
        for wrong in (self.our_key("another"), "", "x" * 5_000, "&#x4d2;"):
            peer = self.asks(wrong)
            peer.expect("<db:verify from='example.org' to='capulet.example' id='417GAF25' type='invalid'/>")

    def test_of_a_domain_that_is_not_ours(self) -> None:
        peer = self.asks("abc", to="example.net")
        peer.expect(
            "<db:verify from='example.net' to='capulet.example' id='417GAF25' type='error'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:verify>"
        )

    def test_without_tls(self) -> None:
        peer = self.peer("capulet.example")
        peer.open()
        peer.send("<db:verify from='capulet.example' to='example.org' id='x'>abc</db:verify>")
        peer.expect(
            "<db:verify type='error'><error type='modify'>"
            "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></db:verify>"
        )

    def test_of_no_stream(self) -> None:
        peer = self.asks("abc", id_="")
        peer.expect("<db:verify type='error'><error type='modify'>{...}</error></db:verify>")

    def test_the_key_is_the_same_after_a_restart(self) -> None:
        ours = self.our_key()
        self.restart()
        peer = self.asks(ours)
        peer.expect("<db:verify from='example.org' to='capulet.example' id='417GAF25' type='valid'/>")
