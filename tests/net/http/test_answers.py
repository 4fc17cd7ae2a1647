"""Heads of answers: dates, what is said by default and what an answer says instead, nothing that ends a line."""

from __future__ import annotations

import unittest
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from xmppd.net.http.answers import Answer, Heads, text


def fields(head: bytes) -> list[tuple[bytes, bytes]]:
    _, *lines, end = head.split(b"\r\n")
    assert end == b""
    return [tuple(line.split(b": ", 1)) for line in lines]  # type: ignore[misc]


class HeadTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 784_111_777.5
        self.heads = Heads(self.clock)

    def test_head(self) -> None:
        head = self.heads.get(404, b"x/y", ((b"A", b"b"),), ())
        self.assertTrue(head.startswith(b"HTTP/1.1 404 Not Found\r\n"))
        found = dict(fields(head))
        self.assertEqual(found[b"Date"], b"Sun, 06 Nov 1994 08:49:37 GMT")  # RFC 9110 section 5.6.7
        self.assertEqual((found[b"Content-Type"], found[b"A"], found[b"Server"]), (b"x/y", b"b", b"xmppd"))

    def test_dates_go_on(self) -> None:
        before = self.heads.get(200, b"x/y", (), ())
        self.clock.advance(0.4)
        self.assertIs(self.heads.get(200, b"x/y", (), ()), before)
        self.clock.advance(0.1)
        self.assertIn(b"08:49:38", self.heads.get(200, b"x/y", (), ()))

    def test_who_says_it_last(self) -> None:
        """The answer, then the server for this request, then the defaults."""
        headers, more = ((b"cache-control", b"own"),), ((b"Cache-Control", b"added"), (b"Server", b"added"))
        found = fields(self.heads.get(200, b"x/y", headers, more))
        self.assertEqual([v for k, v in found if k.lower() == b"cache-control"], [b"own"])
        self.assertEqual([v for k, v in found if k == b"Server"], [b"added"])
        found = fields(self.heads.get(200, b"x/y", ((b"Content-Type", b"own"),), ()))
        self.assertEqual([v for k, v in found if k == b"Content-Type"], [b"own"])

    def test_several_of_one_name(self) -> None:
        found = fields(self.heads.get(200, b"", ((b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")), ()))
        self.assertEqual([v for k, v in found if k == b"Set-Cookie"], [b"a", b"b"])

    def test_no_body_no_type(self) -> None:
        for code in (204, 304):
            self.assertNotIn(b"Content-Type", dict(fields(self.heads.get(code, b"x/y", (), ()))))

    def test_a_code_without_a_name(self) -> None:
        self.assertTrue(self.heads.get(299, b"", (), ()).startswith(b"HTTP/1.1 299 Unknown\r\n"))

    def test_only_so_many_are_kept(self) -> None:
        for number in range(2_000):
            self.heads.get(200, b"%d" % number, (), ())
        with mock.patch.object(Heads, "_render", side_effect=ZeroDivisionError):
            self.heads.get(200, b"499", (), ())
            self.assertRaises(ZeroDivisionError, self.heads.get, 200, b"500", (), ())

    @given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
    def test_nothing_ends_a_field(self, name: bytes, value: bytes, type_: bytes) -> None:
        head = self.heads.get(200, type_ or b"x", ((name, value),), ())
        plain = self.heads.get(200, b"x", ((b"a", b"b"),), ())
        if name.lower() not in {field.lower() for field, _ in fields(plain)}:
            self.assertEqual(head.count(b"\r\n"), plain.count(b"\r\n"))
        self.assertNotIn(b"\0", head)
        self.assertEqual(head.count(b"\n"), head.count(b"\r\n"))
        self.assertNotIn(b"\r\n\r\n", head)

    def test_last_words(self) -> None:
        said = self.heads.last_words(408)
        head, _, body = said.partition(b"\r\n\r\n")
        found = dict(fields(head + b"\r\n"))
        self.assertEqual((found[b"Connection"], int(found[b"Content-Length"])), (b"close", len(body)))
        self.assertEqual(body, b"Request Timeout\n")


class Answers(unittest.TestCase):
    def test_text(self) -> None:
        answer = text("h\u00ebllo", 400, (b"A", b"b"))
        self.assertEqual(answer, Answer("h\u00ebllo\n".encode(), 400, b"text/plain; charset=utf-8", ((b"A", b"b"),)))
