"""Stream limits (XEP-0478)."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire.stream_limits import NS, feature, read
from xmppd.wire.xml import parse, tag


class StreamLimits(unittest.TestCase):
    def test_example(self) -> None:
        self.assertEqual(
            feature(10_000, 1_800.0),
            b"<limits xmlns='urn:xmpp:stream-limits:0'>"
            b"<max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds></limits>",
        )

    @given(st.integers(10_000, 1 << 32))
    def test_read_as_written(self, octets: int) -> None:
        self.assertEqual(read(parse(tag("sm", xmlns="urn:xmpp:sm:3") + feature(octets, 0))), octets)

    def test_not_said(self) -> None:
        self.assertEqual(read(()), 0)
        self.assertEqual(read(parse(tag("limits", tag("idle-seconds", "10"), xmlns=NS))), 0)
        self.assertEqual(read(parse(tag("limits", tag("max-bytes", "20000"), xmlns="urn:example"))), 0)

    @given(st.text(alphabet="0123456789-+. x\u0663"))
    def test_nonsense(self, text: str) -> None:
        found = read(parse(tag("limits", tag("max-bytes", text), xmlns=NS)))
        self.assertTrue(found == 0 or found >= 10_000)
