"""SOCKS5 as the proxy speaks it (RFC 1928; XEP-0065, 5.3.2 and 10.2), whatever comes and wherever it is cut."""

from __future__ import annotations

import unittest
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.bytestreams_kit import ProxyTestCase, greeting, request
from xmppd.plugins.bytestreams.socks import Negotiation, Step

DIGEST = "972b7bf47291ca609517f67f86b5081086052dad"
WELCOME, GOOD = greeting(0), request(DIGEST)
NOWHERE = b"\1\0\0\0\0\0\0"
#: What a client may say last, and how that is answered.
REFUSED = {
    "bind": (request(DIGEST, command=2), b"\5\7\0" + NOWHERE),
    "udp associate": (request(DIGEST, command=3), b"\5\7\0" + NOWHERE),
    "no command": (request(DIGEST, command=0), b"\5\7\0" + NOWHERE),
    "ipv4": (b"\5\1\0\1\x7f\0\0\1\0\0", b"\5\x08\0" + NOWHERE),
    "ipv6": (b"\5\1\0\4" + bytes(18), b"\5\x08\0" + NOWHERE),
    "unknown type of address": (b"\5\1\0\2", b"\5\x08\0" + NOWHERE),
    "other version": (b"\4\1\0\3", b"\5\1\0" + NOWHERE),
    "something reserved": (b"\5\1\1\3", b"\5\1\0" + NOWHERE),
    "a host": (request("www.example.org", port=80), b"\5\2\0\3\x0fwww.example.org\0\x50"),
    "a host of length 40": (request("a" * 39 + "g"), b"\5\2\0\3\x28" + b"a" * 39 + b"g\0\0"),
    "a hash with a line": (request(DIGEST[:39] + "\n"), b"\5\2\0\3\x28" + DIGEST[:39].encode() + b"\n\0\0"),
    "nobody": (request(""), b"\5\2\0\3\0\0\0"),
    "a port": (request(DIGEST, port=1), b"\5\2\0\3\x28" + DIGEST.encode() + b"\0\1"),
}


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the data in pieces."""
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


def talk(pieces: Iterable[bytes]) -> Step:
    """Return all that came of the pieces; what comes behind the end is not looked at."""
    negotiation, answer, rest = Negotiation(), b"", 0
    for piece in pieces:
        step = negotiation.feed(piece)
        answer += step.answer
        if step.failed or step.digest:
            return step._replace(answer=answer, rest=rest + step.rest)
    return Step(answer)


class Negotiations(unittest.TestCase):
    def test_connect(self) -> None:
        for methods in ((0,), (0, 2), (2, 1, 0), (255, 0, 0)):
            self.assertEqual(talk([greeting(*methods), GOOD]), Step(b"\5\0", DIGEST))

    def test_no_method(self) -> None:
        for methods in ((), (1, 2), (255,)):
            self.assertEqual(talk([greeting(*methods), GOOD]), Step(b"\5\xff", failed=True))

    def test_other_protocols_get_no_answer(self) -> None:
        for data in (b"\4\1\0\x50\x7f\0\0\1\0", b"GET / HTTP/1.1\r\n\r\n", b"<?xml", b"\x16\3\1", b"\0"):
            self.assertEqual(talk([data]), Step(failed=True))

    def test_refusals(self) -> None:
        for name, (data, answer) in REFUSED.items():
            with self.subTest(name):
                self.assertEqual(talk([WELCOME, data]), Step(b"\5\0" + answer, failed=True))
                self.assertEqual(talk(bytes([octet]) for octet in WELCOME + data), Step(b"\5\0" + answer, failed=True))

    @given(st.lists(st.integers(0, 60)), st.binary(max_size=20))
    def test_wherever_it_is_cut(self, places: list[int], behind: bytes) -> None:
        step = talk(cut(WELCOME + GOOD + behind, places))
        self.assertEqual(step[:3], (b"\5\0", DIGEST, False))
        self.assertLessEqual(step.rest, len(behind))

    @given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6), st.booleans())
    def test_whatever_comes(self, data: bytes, places: list[int], greeted: bool) -> None:
        data = WELCOME + data if greeted else data
        whole, pieces = talk([data]), talk(cut(data, places))
        self.assertEqual(whole[:3], pieces[:3])
        self.assertIn(whole.answer[:2], (b"", b"\5\0", b"\5\xff"))

    @given(st.binary(min_size=600, max_size=1200))
    def test_nothing_is_kept_for_ever(self, data: bytes) -> None:
        """No request is longer than 262 octets and no greeting than 257, so something must have come of 600."""
        step = talk([data])
        self.assertTrue(step.failed or step.digest)


class Connections(ProxyTestCase):
    """The same by connections: the answer arrives, and the connection ends."""

    plugins = ("bytestreams",)
    config = {"bytestreams": {"failures_per_minute": 1_000_000, "connections_per_address": 2}}

    def test_refusals(self) -> None:
        for name, (data, answer) in REFUSED.items():
            with self.subTest(name):
                visitor = self.visit()
                visitor.send(WELCOME + data)
                self.pump()
                self.assertEqual((visitor.take(), visitor.closed, visitor.aborted), (b"\5\0" + answer, True, False))

    def test_refused_and_does_not_read(self) -> None:
        """Who doesn't take the answer is not waited for."""
        visitor = self.visit()
        visitor.stall()
        visitor.send(WELCOME + request("example.org"))
        self.pump(9.5, step=0.5)
        self.assertFalse(visitor.closed)
        self.pump(1)
        self.assertTrue(visitor.closed)

    @given(st.lists(st.binary(max_size=300), max_size=5), st.sampled_from([b"", WELCOME, WELCOME + GOOD]))
    def test_whatever_comes(self, pieces: list[bytes], before: bytes) -> None:
        visitor = self.visit()
        for piece in (before, *pieces):
            visitor.send(piece)
        self.pump()
        visitor.finish()
        self.pump()
        self.assertTrue(visitor.closed)
        self.assertEqual(self.figure("connections"), 0)
        relay = self.plugin("bytestreams").relay
        self.assertEqual((len(relay._waiting), len(relay._by_network)), (0, 0))
