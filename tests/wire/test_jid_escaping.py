"""XEP-0106 JID Escaping: every example of it, and that nothing is lost."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire.jid import Jid
from xmppd.wire.jid_escaping import escape_local, unescape_local

WILD = "here's_a_wild_&_/cr%zy/_address"
#: Section 6.1.
PAIRS = (
    ("space cadet", r"space\20cadet"),
    ('call me "ishmael"', r"call\20me\20\22ishmael\22"),
    ("at&t guy", r"at\26t\20guy"),
    ("d'artagnan", r"d\27artagnan"),
    ("/.fanboy", r"\2f.fanboy"),
    ("::foo::", r"\3a\3afoo\3a\3a"),
    ("<foo>", r"\3cfoo\3e"),
    ("user@host", r"user\40host"),
    (r"c:\net", r"c\3a\net"),
    (r"c:\\net", r"c\3a\\net"),
    (r"c:\cool stuff", r"c\3a\cool\20stuff"),
    (r"c:\5commas", r"c\3a\5c5commas"),
    ("treville@musketeers.lit", r"treville\40musketeers.lit"),
    (WILD, r"here\27s_a_wild_\26_\2fcr%zy\2f_address"),
    (f'{WILD}_for:<wv>("IMPS")', r"here\27s_a_wild_\26_\2fcr%zy\2f_address_for\3a\3cwv\3e(\22IMPS\22)"),
    (r"\3and\2is\5cool", r"\5c3and\2is\5c5cool"),
    (
        "CN=D'Artagnan Saint-André,O=Example & Company, Inc.,DC=example,DC=com",
        r"CN=D\27Artagnan\20Saint-André,O=Example\20\26\20Company,\20Inc.,DC=example,DC=com",
    ),
    ("somenick!user\"&'/:<>\\3address", r"somenick!user\22\26\27\2f\3a\3c\3e\5c3address"),
)


class EscapingTests(unittest.TestCase):
    def test_pairs(self) -> None:
        """XEP-0106, examples 1, 2, 6 to 8, 11 to 14, 18 to 22, 25 to 29, 32 to 36, 40 to 43 and 46 to 48."""
        for plain, escaped in PAIRS:
            with self.subTest(plain):
                self.assertEqual(escape_local(plain), escaped)
                self.assertEqual(unescape_local(escaped), plain)

    def test_what_is_no_escape(self) -> None:
        """XEP-0106, examples 3 to 5."""
        for text in (r"\2plus\2is\4", r"foo\bar", r"foob\41r"):
            self.assertEqual((escape_local(text), unescape_local(text)), (text, text))

    def test_spaces_at_the_ends(self) -> None:
        for text in (" a", "a ", " "):
            with self.assertRaises(ValueError):
                escape_local(text)

    @given(st.text().filter(lambda text: text == text.strip(" ")))
    def test_nothing_is_lost(self, text: str) -> None:
        escaped = escape_local(text)
        self.assertEqual(unescape_local(escaped), text)
        self.assertFalse(set(escaped) & set(" \"&'/:<>@"))

    @given(st.text(" \"&'/:<>@\\023456789abcdefxyz", min_size=1).filter(lambda text: text == text.strip(" ")))
    def test_it_is_a_localpart(self, text: str) -> None:
        self.assertEqual(unescape_local(Jid.of(escape_local(text), "example.org").local), text)
