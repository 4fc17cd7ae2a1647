"""SASL EXTERNAL of other servers (RFC 6120 section 6, XEP-0178 section 3)."""

from __future__ import annotations

import base64

from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.testing.authority import certificate
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class External(ReceivingTestCase):
    def attempt(self, text: str | None, peer: ScriptedPeer | None = None, mechanism: str = "EXTERNAL") -> ScriptedPeer:
        peer = peer or self.secured()
        content = "" if text is None else text
        peer.send(f"<auth xmlns='{ns.SASL}' mechanism='{mechanism}'>{content}</auth>")
        return peer

    def accepted(self, peer: ScriptedPeer) -> None:
        peer.expect(f"<success xmlns='{ns.SASL}'/>")
        peer.open()
        juliet = self.login("juliet@example.org/x")
        peer.send("<message from='romeo@montague.example/a' to='juliet@example.org/x'><body>hi</body></message>")
        juliet.expect("<message from='romeo@montague.example/a'><body>hi</body></message>")

    def failed(self, condition: str, peer: ScriptedPeer) -> None:
        peer.expect(f"<failure xmlns='{ns.SASL}'><{condition}/>{{...}}</failure>")
        peer.expect_open()  # dialback may follow

    def test_without_an_identity(self) -> None:
        self.accepted(self.attempt("="))

    def test_with_the_identity(self) -> None:
        self.accepted(self.attempt(b64("montague.example")))

    def test_in_other_letters(self) -> None:
        self.accepted(self.attempt(b64("Montague.EXAMPLE")))

    def test_asked_for(self) -> None:
        peer = self.attempt(None)
        peer.expect(f"<challenge xmlns='{ns.SASL}'/>")
        peer.send(f"<response xmlns='{ns.SASL}'>{b64('montague.example')}</response>")
        self.accepted(peer)

    def test_an_empty_response(self) -> None:
        peer = self.attempt(None)
        peer.expect(f"<challenge xmlns='{ns.SASL}'/>")
        peer.send(f"<response xmlns='{ns.SASL}'/>")
        self.accepted(peer)

    def test_another_identity(self) -> None:
        self.failed("invalid-authzid", self.attempt(b64("capulet.example")))

    def test_an_identity_of_ours(self) -> None:
        self.failed("invalid-authzid", self.attempt(b64("example.org")))

    def test_no_identity_at_all(self) -> None:
        self.failed("invalid-authzid", self.attempt(b64("@@@")))

    def test_bad_encoding(self) -> None:
        self.failed("incorrect-encoding", self.attempt("*"))

    def test_another_mechanism(self) -> None:
        self.failed("invalid-mechanism", self.attempt("=", mechanism="PLAIN"))

    def test_aborted(self) -> None:
        peer = self.attempt(None)
        peer.expect(f"<challenge xmlns='{ns.SASL}'/>")
        peer.send(f"<abort xmlns='{ns.SASL}'/>")
        self.failed("aborted", peer)

    def test_out_of_turn(self) -> None:
        peer = self.secured()
        peer.send(f"<response xmlns='{ns.SASL}'>=</response>")
        self.failed("malformed-request", peer)

    def test_self_signed(self) -> None:
        peer = self.attempt("=", self.secured(trusted=False))
        self.failed("not-authorized", peer)
        self.assertIn("signed by itself", peer.received[-1])

    def test_no_certificate(self) -> None:
        peer = self.peer()
        peer.show(None)
        peer.open()
        peer.start_tls()
        self.failed("not-authorized", self.attempt("=", peer))

    def test_expired(self) -> None:
        peer = self.peer()
        peer.show(certificate("montague.example", expired=True))
        peer.open()
        peer.start_tls()
        self.failed("not-authorized", self.attempt("=", peer))
        self.assertIn("expired on 2021-01-01", peer.received[-1])

    def test_of_another_domain(self) -> None:
        peer = self.peer("montague.example")
        peer.show(certificate("capulet.example"))
        peer.open()
        peer.start_tls()
        self.failed("not-authorized", self.attempt("=", peer))
        self.assertIn("is for capulet.example, not for montague.example", peer.received[-1])

    def test_without_tls(self) -> None:
        peer = self.peer()
        peer.open()
        self.failed("encryption-required", self.attempt("=", peer))

    def test_without_from(self) -> None:
        """Nobody is claimed, so the authorization identity has to say who it is."""
        peer = self.peer()
        peer.open(from_=None)
        peer.start_tls()
        self.failed("invalid-authzid", self.attempt("=", peer))

    def test_too_many_failures(self) -> None:
        peer = self.secured(trusted=False)
        for _ in range(3):
            self.attempt("=", peer)
            peer.expect(f"<failure xmlns='{ns.SASL}'><not-authorized/>{{...}}</failure>")
        peer.expect_closed("policy-violation")

    def test_dialback_after_failure(self) -> None:
        authoritative = self.scripted("montague.example")
        peer = self.attempt("=", self.secured(trusted=False))
        self.failed("not-authorized", peer)
        peer.send(peer.result())
        authoritative.connection()

    def test_once_is_enough(self) -> None:
        peer = self.secured()
        peer.external()
        self.attempt("=", peer)
        peer.expect_closed("not-authorized")

    def test_the_new_stream_is_from_somebody_else(self) -> None:
        peer = self.attempt("=")
        peer.expect(f"<success xmlns='{ns.SASL}'/>")
        peer.open(from_="capulet.example")
        peer.expect_closed("invalid-from")
