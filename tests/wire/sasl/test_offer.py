"""Which mechanisms are offered, and the stream features that say so (RFC 6120 section 6.4.1, XEP-0440)."""

from __future__ import annotations

import unittest

from tests.wire.sasl.support import PLAIN_SCRAM, PLUS
from xmppd.wire.sasl import BINDINGS, MECHANISMS, channel_binding_feature, mechanisms_feature, offered

ALL = tuple(MECHANISMS)
STRONGEST_FIRST = tuple(reversed(PLUS)) + tuple(reversed(PLAIN_SCRAM))


class Offered(unittest.TestCase):
    def test_everything(self) -> None:
        names = offered(ALL, secure=True, bindings=BINDINGS, certificate=True, anonymous=True)
        self.assertEqual(names, ("EXTERNAL", *STRONGEST_FIRST, "PLAIN", "ANONYMOUS"))

    def test_policy(self) -> None:
        allowed = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS"]
        names = offered(allowed, secure=True, bindings=BINDINGS, certificate=True)
        self.assertEqual(names, ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN"))

    def test_without_tls(self) -> None:
        names = offered(ALL, secure=False, bindings=BINDINGS, certificate=True)
        self.assertEqual(names, ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"))
        self.assertIn("PLAIN", offered(ALL, secure=False, plain_without_tls=True))
        self.assertNotIn("PLAIN", offered(["SCRAM-SHA-1"], secure=False, plain_without_tls=True))

    def test_plus_needs_a_binding(self) -> None:
        self.assertFalse(set(PLUS) & set(offered(ALL, secure=True)))
        self.assertLess(set(PLUS), set(offered(ALL, secure=True, bindings=["tls-server-end-point"])))

    def test_external_needs_a_certificate(self) -> None:
        self.assertNotIn("EXTERNAL", offered(ALL, secure=True))
        self.assertIn("EXTERNAL", offered(ALL, secure=True, certificate=True))

    def test_anonymous_is_off_by_default(self) -> None:
        self.assertNotIn("ANONYMOUS", offered(ALL, secure=True))
        self.assertEqual(offered((), secure=True, anonymous=True), ("ANONYMOUS",))


class Features(unittest.TestCase):
    def test_mechanisms(self) -> None:
        self.assertEqual(
            mechanisms_feature(["SCRAM-SHA-1", "PLAIN"]),
            b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
            b"<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>",
        )
        self.assertEqual(mechanisms_feature([]), b"")

    def test_channel_binding(self) -> None:
        self.assertEqual(
            channel_binding_feature(["tls-server-end-point", "tls-exporter"]),
            b"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-server-end-point'/>"
            b"<channel-binding type='tls-exporter'/></sasl-channel-binding>",
        )
        self.assertEqual(channel_binding_feature([]), b"")
