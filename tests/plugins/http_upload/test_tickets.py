"""The URLs of slots."""

from __future__ import annotations

import re
import unittest
from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.http_upload.tickets import Forged, Ticket, new_token, path_of, read_path

SECRET = b"s" * 32
TICKET = Ticket("a" * 32, "me & you.png", 23456, "image/png", 1_767_269_100)


class PathTests(unittest.TestCase):
    def test_tokens(self) -> None:
        tokens = {new_token() for _ in range(1000)}
        self.assertEqual(len(tokens), 1000)
        self.assertTrue(all(re.fullmatch(r"[a-z2-7]{32}", token) for token in tokens))
        self.assertEqual({letter for token in tokens for letter in token}, set("abcdefghijklmnopqrstuvwxyz234567"))

    def test_path(self) -> None:
        self.assertEqual(path_of("a" * 32, "très cool.jpg"), f"/upload/{'a' * 32}/tr%C3%A8s%20cool.jpg")
        self.assertEqual(path_of("a" * 32, "~a?b#c;d/e%f"), f"/upload/{'a' * 32}/~a%3Fb%23c%3Bd%2Fe%25f")

    def test_other_paths(self) -> None:
        for path in ("/", "/upload/", f"/upload/{'a' * 32}", f"/upload/{'a' * 32}/", f"/upload/{'a' * 31}/b",
                     f"/upload/{'A' * 32}/b", f"/upload//{'a' * 32}/b", f"/{'a' * 32}/b", f"/uploads/{'a' * 32}/b",
                     f"/upload/{'.' * 32}/b", f"/upload/{'a' * 33}/b"):  # fmt: skip
            self.assertIsNone(read_path(path), path)


class TicketTests(unittest.TestCase):
    def test_read(self) -> None:
        self.assertEqual(Ticket.read(TICKET.token, TICKET.name, TICKET.query(SECRET), SECRET), TICKET)

    def refused(self, token: str, name: str, query: str, secret: bytes = SECRET) -> None:
        with self.assertRaises(Forged, msg=(token, name, query)):
            Ticket.read(token, name, query, secret)

    def test_everything_is_bound(self) -> None:
        good = dict(parse_qsl(TICKET.query(SECRET), keep_blank_values=True))
        self.refused("b" * 32, TICKET.name, TICKET.query(SECRET))
        self.refused(TICKET.token, "me & you.exe", TICKET.query(SECRET))
        self.refused(TICKET.token, TICKET.name, TICKET.query(SECRET), b"t" * 32)
        for field, value in (("size", "23457"), ("type", "text/html"), ("type", ""), ("until", "1767269101")):
            self.refused(TICKET.token, TICKET.name, urlencode({**good, field: value}))
        for field in good:
            self.refused(TICKET.token, TICKET.name, urlencode({k: v for k, v in good.items() if k != field}))

    def test_nonsense(self) -> None:
        good = dict(parse_qsl(TICKET.query(SECRET), keep_blank_values=True))
        for change in ({"size": "-1"}, {"size": "1e3"}, {"size": "９"}, {"until": "now"}, {"until": "9" * 40},
                       {"signature": ""}, {"signature": "é"}, {"signature": "\udc80"}, {"more": "1"},
                       {"type": "a\nb"}):  # fmt: skip
            self.refused(TICKET.token, TICKET.name, urlencode({**good, **change}, errors="surrogatepass"))
        for query in ("", "&", "until", "%", "until=1&until=2&size=3&type=&signature=x", TICKET.query(SECRET) + "&a=b"):
            self.refused(TICKET.token, TICKET.name, query)

    @given(
        st.text(min_size=1), st.integers(1, 10**17), st.text().filter(lambda t: "\n" not in t), st.integers(0, 10**10)
    )
    def test_any(self, name: str, size: int, type_: str, until: int) -> None:
        if any(0xD800 <= ord(character) < 0xE000 for character in name + type_):
            return
        ticket = Ticket(new_token(), name, size, type_, until)
        self.assertEqual(Ticket.read(ticket.token, name, ticket.query(SECRET), SECRET), ticket)

    @given(st.text(alphabet=st.characters(max_codepoint=127)))
    def test_any_query(self, query: str) -> None:
        self.refused(TICKET.token, TICKET.name, query)

    @given(st.data())
    def test_one_letter_changed(self, data: st.DataObject) -> None:
        query = TICKET.query(SECRET)
        at = data.draw(st.integers(0, len(query) - 1))
        other = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
        changed = query[:at] + other + query[at + 1 :]
        if parse_qsl(changed, keep_blank_values=True) != parse_qsl(query, keep_blank_values=True):
            # The last letter of the signature has two bits to spare, which are compared all the same.
            self.refused(TICKET.token, TICKET.name, changed)
