"""Whatever a message centre sends: no traceback, and always an answer."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.sms_kit import ENDPOINT
from tests.plugins.smsc import Centre
from xmppd.plugins.sms.options import Smpp
from xmppd.plugins.sms.pdus import BadPdu, Pdu, Reader
from xmppd.plugins.sms.provider import Nobody
from xmppd.plugins.sms.smpp import SmppProvider
from xmppd.plugins.sms.text import Header
from xmppd.testing.network import MemoryNetwork

_TEXTS = st.binary(max_size=30).map(lambda text: text.replace(b"\0", b"") + b"\0")
_OCTET = st.integers(0, 255).map(lambda number: bytes([number]))
_TLV = st.tuples(
    st.sampled_from((0x1E, 0x20C, 0x20E, 0x20F, 0x424, 0x427, 0x423, 0x1400, 0xFFFF)), st.binary(max_size=20),
    st.integers(-1, 1),
)  # fmt: skip
_FRAMES = st.binary(min_size=12, max_size=60).map(lambda data: struct.pack(">L", len(data) + 4) + data)


def deliver_sm(draw: Any) -> bytes:
    """A deliver_sm with fields that make sense or don't."""
    text = draw(st.one_of(st.binary(max_size=160), st.just(b"id:1 stat:DELIVRD err:000"),
                          st.binary(max_size=9).map(lambda data: b"\x05\x00\x03" + data)))  # fmt: skip
    fields = [_TEXTS, _OCTET, _OCTET, _TEXTS, _OCTET, _OCTET, _TEXTS, _OCTET, _OCTET, _OCTET, _TEXTS, _TEXTS, _OCTET,
              _OCTET, _OCTET, _OCTET]  # fmt: skip
    body = b"".join(draw(field) for field in fields) + bytes([len(text)]) + text
    for tag, value, wrong in draw(st.lists(_TLV, max_size=4)):
        body += struct.pack(">HH", tag, max(0, len(value) + wrong)) + value
    return struct.pack(">LLLL", 16 + len(body), 5, 0, draw(st.integers(1, 2**31 - 1))) + body


class Box:
    """Takes everything, and checks what it gets."""

    def __init__(self) -> None:
        self.nobody = False

    async def received(self, source: str, destination: str, text: str, *, key: str | None = None) -> None:
        """Take a message."""
        assert all(" " <= c <= "~" for c in source + destination)
        text.encode()
        if self.nobody:
            raise Nobody

    async def received_part(self, source: str, destination: str, header: Header, coding: int, data: bytes) -> None:
        """Take a part."""
        assert 0 < header.number <= header.total <= 255
        assert 0 <= header.reference <= 0xFFFF
        assert 0 <= coding <= 255

    async def reported(self, name: str, delivered: bool, failure: str | None) -> None:
        """Take a report."""
        name.encode()


class Hostile(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.box = Clock(), Box()

    def provider(self, **options: Any) -> SmppProvider:
        network = MemoryNetwork(self.clock)
        self.centre = network.peers[ENDPOINT] = Centre()
        given = Smpp(endpoint=ENDPOINT, **options)
        return SmppProvider(network, self.clock, given, 6, self.box, lambda: None)

    @given(st.data(), st.booleans(), st.sampled_from(("same", "hex-to-decimal", "decimal-to-hex")))
    def test_deliveries(self, data: st.DataObject, nobody: bool, ids: str) -> None:
        self.box.nobody = nobody
        provider = self.provider(report_ids=ids)
        for pdu in Reader(70_000).feed(deliver_sm(data.draw)):
            assert isinstance(pdu, Pdu)
            self.assertIn(self.successResultOf(ensureDeferred(provider.take(pdu))), (0, 0x66))

    @given(st.lists(st.one_of(st.binary(max_size=40), _FRAMES), max_size=5))
    def test_octets(self, pieces: list[bytes]) -> None:
        """The link stays, or is made anew; requests that can be understood are answered."""
        provider = self.provider()
        provider.start()
        self.pump()
        for piece in pieces:
            self.centre.session.transport.write(piece)
            self.pump()
        self.assertFalse(any(isinstance(heard, BadPdu) for heard in self.centre.heard))
        stopped = ensureDeferred(provider.stop())
        self.pump(10)
        self.successResultOf(stopped)
        self.pump(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def pump(self, seconds: int = 0) -> None:
        for _ in range(6 + seconds):
            self.clock.advance(1 if seconds else 0)
