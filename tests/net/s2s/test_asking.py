"""Answers of nameservers, as strangers could send them: none of them does harm."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns

from tests.net.s2s.dns_server import a, aaaa, alias, header, soa, srv
from xmppd.net.s2s.asking import Alias, Answer, LookupFailed, Question, decode, read_answer

SRV = Question("_xmpp-server._tcp.example.org", dns.SRV)
NUMBER = 4711


def message(question: Question = SRV, code: int = dns.OK) -> dns.Message:
    found = dns.Message(NUMBER, answer=1, recDes=1, recAv=1, rCode=code, maxSize=0)
    found.addQuery(question.name, question.kind)
    return found


def full() -> dns.Message:
    """Return one with something of everything."""
    found = message()
    found.answers = [
        alias(SRV.name, "other.example"),
        *(header("other.example", srv(f"a{number}.example", 5269, number, 7), 60) for number in range(5)),
        header("other.example", dns.Record_TXT(b"text"), 60),
        header("other.example", dns.Record_NAPTR(1, 1, b"u", b"s", b"r"), 60),
    ]
    found.authority = [soa(), header("example", dns.Record_NS("ns.example"))]
    found.additional = [header("a1.example", a(), 60), header("a1.example", aaaa(), 60)]
    return found


OCTETS = full().toStr()


class HostileTests(unittest.TestCase):
    def take(self, data: bytes) -> None:
        found = decode(data, NUMBER, SRV)
        if found is not None:
            try:
                self.assertIsInstance(read_answer(found, SRV), Answer | Alias)
            except LookupFailed:
                return

    @given(st.binary(max_size=600))
    def test_anything(self, data: bytes) -> None:
        self.take(data)
        self.take(OCTETS[:2] + data)

    @given(st.lists(st.tuples(st.integers(2, len(OCTETS) - 1), st.integers(0, 255)), min_size=1, max_size=12))
    def test_changed_here_and_there(self, changes: list[tuple[int, int]]) -> None:
        data = bytearray(OCTETS)
        for place, octet in changes:
            data[place] = octet
        self.take(bytes(data))

    @given(st.integers(0, len(OCTETS)))
    def test_cut_off(self, size: int) -> None:
        self.take(OCTETS[:size])

    def test_whole(self) -> None:
        found = decode(OCTETS, NUMBER, SRV)
        assert found is not None
        answer = read_answer(found, SRV)
        assert isinstance(answer, Answer)
        self.assertEqual([record.priority for record in answer.records], list(range(5)))
        self.assertEqual(answer.seconds, 0)  # the alias holds no longer

    def test_names_that_point_at_themselves(self) -> None:
        self.assertIsNone(decode(OCTETS[:12] + b"\xc0\x0c" + OCTETS[14:], NUMBER, SRV))

    def test_more_records_than_anybody_needs(self) -> None:
        found = message()
        found.answers = [header(SRV.name, srv("a.example"), 60)] * 101
        self.assertIsNone(decode(found.toStr(), NUMBER, SRV))
        del found.answers[100]
        self.assertIsNotNone(decode(found.toStr(), NUMBER, SRV))


class ReadTests(unittest.TestCase):
    def test_capitals_do_not_matter(self) -> None:
        found = message(Question("_XMPP-server._TCP.Example.ORG", dns.SRV))
        found.answers = [header("_xmpp-SERVER._tcp.example.org", srv("A.Example"), 60)]
        again = decode(found.toStr(), NUMBER, SRV)
        assert again is not None
        self.assertIsInstance(read_answer(again, SRV), Answer)

    def test_the_shortest_time_holds(self) -> None:
        found = message()
        found.answers = [header(SRV.name, srv("a.example"), seconds) for seconds in (300, 20, 100)]
        answer = read_answer(found, SRV)
        self.assertEqual(answer.seconds, 20)

    def test_nothing(self) -> None:
        for code, exists in ((dns.OK, True), (dns.ENAME, False)):
            found = message(code=code)
            found.authority = [soa(minimum=60, ttl=30)]
            self.assertEqual(read_answer(found, SRV), Answer((), 30, exists))

    def test_an_alias_to_nothing(self) -> None:
        found = message()
        found.answers = [alias(SRV.name, "other.example")]
        self.assertEqual(read_answer(found, SRV), Alias("other.example", 0))
        found.authority = [soa()]
        self.assertEqual(read_answer(found, SRV), Answer((), 0))
        found.rCode = dns.ENAME
        self.assertEqual(read_answer(found, SRV), Answer((), 0, False))

    def test_codes(self) -> None:
        for code, text in ((dns.ESERVER, "SERVFAIL"), (dns.EREFUSED, "REFUSED"), (9, "error 9")):
            with self.assertRaisesRegex(LookupFailed, text):
                read_answer(message(code=code), SRV)
