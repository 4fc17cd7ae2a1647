"""Base64, strictly."""

from __future__ import annotations

import base64
import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire.sasl.encoding import decode


class Decoding(unittest.TestCase):
    @given(st.binary(max_size=40))
    def test_undoes_encoding(self, octets: bytes) -> None:
        self.assertEqual(decode(base64.b64encode(octets)), octets)

    @given(st.lists(st.sampled_from([*b"AQgw9+/-_= \n\xff"]), max_size=9).map(bytes))
    def test_only_one_text_for_the_same_octets(self, text: bytes) -> None:
        octets = decode(text)
        if octets is not None:
            self.assertEqual(base64.b64encode(octets), text)
