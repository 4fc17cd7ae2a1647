"""The component protocol without I/O (XEP-0114, section 3)."""

from __future__ import annotations

import unittest

from xmppd.wire import component, ns
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Framer, StreamHeader
from xmppd.wire.stanza import Nonza


def frames(data: bytes) -> list[object]:
    return list(Framer().feed(data))


class HeaderTests(unittest.TestCase):
    def test_opening(self) -> None:
        """Example 1."""
        (opened,) = frames(component.opening("plays.shakespeare.lit"))
        assert isinstance(opened, StreamHeader)
        self.assertEqual((opened.content, opened.to, opened.version), (ns.COMPONENT, "plays.shakespeare.lit", None))
        component.check_header(opened)
        self.assertFalse(component.speaks_version(opened))

    def test_answer(self) -> None:
        """Example 2; a version is told to those that have told theirs."""
        for version in (False, True):
            (opened,) = frames(component.header("3BF96D32", "plays.shakespeare.lit", version))
            assert isinstance(opened, StreamHeader)
            self.assertEqual((opened.id, opened.from_), ("3BF96D32", "plays.shakespeare.lit"))
            self.assertEqual(opened.version, "1.0" if version else None)
            self.assertIs(component.speaks_version(opened), version)

    def test_strange_domains(self) -> None:
        (opened,) = frames(component.header("1", "a'b<c>&", False))
        assert isinstance(opened, StreamHeader)
        self.assertEqual(opened.from_, "a'b<c>&")

    def test_another_protocol(self) -> None:
        for content in (ns.CLIENT, ns.SERVER, "jabber:component:connect", ""):
            (opened,) = frames(f"<stream:stream xmlns='{content}' xmlns:stream='{ns.STREAM}' to='a'>".encode())
            assert isinstance(opened, StreamHeader)
            with self.assertRaises(StreamError) as caught:
                component.check_header(opened)
            self.assertIs(caught.exception.condition, StreamCondition.INVALID_NAMESPACE)


class HandshakeTests(unittest.TestCase):
    def nonza(self, content: bytes) -> Nonza:
        return Nonza(ns.COMPONENT, "handshake", {}, content, ())

    def test_digest(self) -> None:
        """SHA-1 of id and secret, hexadecimal, in small letters."""
        digest = b"b09ea9b3b7f586be8a08d0a3dd7466f110aeb136"  # printf 3BF96D32secret | sha1sum
        self.assertEqual(component.handshake("3BF96D32", "secret"), b"<handshake>%b</handshake>" % digest)
        self.assertTrue(component.fits(self.nonza(digest), "3BF96D32", "secret"))

    def test_what_does_not_fit(self) -> None:
        digest = component.handshake("1", "secret")[len("<handshake>") : -len("</handshake>")]
        self.assertTrue(component.fits(self.nonza(b"\n" + digest + b" "), "1", "secret"))
        for content, stream_id, secret in (
            (digest, "2", "secret"), (digest, "1", "other"), (digest.upper(), "1", "secret"), (b"", "1", "secret"),
            (digest[:-1], "1", "secret"), (digest + b"0", "1", "secret"), ("\u00fc".encode(), "1", "secret"),
        ):  # fmt: skip
            self.assertFalse(component.fits(self.nonza(content), stream_id, secret))

    def test_names(self) -> None:
        self.assertTrue(component.is_handshake(self.nonza(b"")))
        self.assertFalse(component.is_handshake(Nonza(ns.CLIENT, "handshake", {}, b"", ())))
        self.assertFalse(component.is_handshake(Nonza(ns.COMPONENT, "log", {}, b"", ())))
