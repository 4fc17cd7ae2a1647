"""Records are counted however they are cut, and OpenSSL is asked as often as there is something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.net.tls.records import BEGINNING, count


def record(length: int) -> bytes:
    return b"\x17\x03\x03" + length.to_bytes(2, "big") + bytes(length)


class Records(SynchronousTestCase):
    @given(st.lists(st.integers(0, 600), max_size=6), st.lists(st.integers(1, 700), max_size=20))
    def test_however_they_are_cut(self, lengths: list[int], cuts: list[int]) -> None:
        ends, data = [], b""
        for length in lengths:
            data += record(length)
            ends.append(len(data))
        position, at, found = BEGINNING, 0, 0
        for size in [*cuts, len(data)]:
            piece = data[at : at + size]
            at += len(piece)
            records, position = count(piece, position)
            found += records
            self.assertEqual(found, sum(end <= at for end in ends), at)
        self.assertEqual(position, BEGINNING)

    def test_octet_by_octet(self) -> None:
        position, found = BEGINNING, []
        for octet in record(3) + record(0) + record(1):
            records, position = count(bytes((octet,)), position)
            found.append(records)
        self.assertEqual(found, [0] * 7 + [1] + [0] * 4 + [1] + [0] * 5 + [1])

    def test_no_record(self) -> None:
        """Nobody waits for the end of what can be no record."""
        self.assertEqual(count(b"GET / HTTP/1.1\r\n", BEGINNING)[0], 1)
        self.assertEqual(count(b"\x17\x03\x03\x48\x01", BEGINNING)[0], 1)
        self.assertEqual(count(b"\x17\x03\x03\x48\x00", BEGINNING)[0], 0)
