"""Messages of STUN and TURN, by the vectors of RFC 5769."""

from __future__ import annotations

from contextlib import suppress
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire.stun import Attribute, Kind, StunError, StunMessage, long_term_key, time_limited

#: RFC 5769 section 2.4: a request with long-term credentials.
REQUEST = bytes.fromhex(
    "00010060 2112a442 78ad3433c6ad72c029da412e"
    "00060012 e3839ee38388e383aae38383e382afe382b90000"
    "0015001c 662f2f3439396b3935346436 4f4c33346f4c39465354767936347341"
    "0014000b 6578616d706c652e6f726700"
    "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
USERNAME, REALM, NONCE = "マトリックス", "example.org", b"f//499k954d6OL34oL9FSTvy64sA"
TRANSACTION = bytes.fromhex("78ad3433c6ad72c029da412e")


class VectorTests(TestCase):
    def test_written(self) -> None:
        attributes: dict[int, bytes] = {
            Attribute.USERNAME: USERNAME.encode(), Attribute.NONCE: NONCE, Attribute.REALM: REALM.encode()
        }  # fmt: skip
        message = StunMessage(Kind.BINDING, TRANSACTION, attributes)
        self.assertEqual(message.to_bytes(long_term_key(USERNAME, REALM, "TheMatrIX")), REQUEST)
        self.assertEqual(len(message.to_bytes()), len(REQUEST) - 24)

    def test_read(self) -> None:
        message = StunMessage.from_bytes(REQUEST + b"\x01\x01")
        assert message is not None
        self.assertEqual((message.kind, message.transaction), (Kind.BINDING, TRANSACTION))
        self.assertEqual(message.attributes[Attribute.USERNAME], USERNAME.encode())
        self.assertEqual(message.attributes[Attribute.NONCE], NONCE)
        self.assertEqual(message.error, (0, ""))

    def test_time_limited(self) -> None:
        """As OpenSSL has it."""
        self.assertEqual(
            time_limited(b"north wind", "2f7c1739d56df4e6", 1767272400),
            ("1767272400:2f7c1739d56df4e6", "7eqppehGb/i7aFJUrwrxbR672/w="),
        )


class ReadingTests(TestCase):
    def test_parts(self) -> None:
        for length in range(len(REQUEST)):
            self.assertIsNone(StunMessage.from_bytes(REQUEST[:length]))

    def test_what_is_none(self) -> None:
        long = b"\x00\x01\x60\x00" + REQUEST[4:]
        odd = b"\x00\x01\x00\x61" + REQUEST[4:]
        overlong = REQUEST[:23] + b"\xff" + REQUEST[24:]
        for data in (b"HTTP/1.1 400 ", b"\x16", b"\xff" * 40, b"\x00\x01\x00\x60" + bytes(200), long, odd, overlong):
            self.assertRaises(StunError, StunMessage.from_bytes, data)

    def test_errors(self) -> None:
        for value, error in (
            (b"\x00\x00\x04\x01Unauthorized", (401, "Unauthorized")),
            (b"\x00\x00\x04\x26\xff", (438, "\ufffd")),
            (b"\x00\x00\x04", (0, "")),
        ):
            message = StunMessage(Kind.ALLOCATE_ERROR, TRANSACTION, {Attribute.ERROR_CODE: value})
            read = StunMessage.from_bytes(message.to_bytes())
            assert read is not None
            self.assertEqual(read.error, error)

    @given(st.binary(max_size=80))
    def test_any_octets(self, data: bytes) -> None:
        for octets in (data, REQUEST[:20] + data, REQUEST[:2] + data):
            with suppress(StunError):
                StunMessage.from_bytes(octets)

    @given(
        st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=50), max_size=5), st.binary(min_size=12, max_size=12)
    )
    def test_there_and_back(self, attributes: dict[int, bytes], transaction: bytes) -> None:
        message = StunMessage(Kind.ALLOCATE, transaction, attributes)
        self.assertEqual(StunMessage.from_bytes(message.to_bytes()), message)
