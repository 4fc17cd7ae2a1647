"""Escaping: whatever goes in, an XML parser gets it back, or U+FFFD for what XML can't carry."""

from __future__ import annotations

import unittest
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire.escape import escape_attribute, escape_text

XML_TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("&<>'\"\t\n\r]")))


def legal(text: str) -> str:
    """The text with U+FFFD where XML 1.0 section 2.2 allows nothing."""
    allowed = "\t\n\r"
    return "".join(
        c
        if c in allowed or (ord(c) >= 0x20 and c not in "\ufffe\uffff" and not 0xD800 <= ord(c) < 0xE000)
        else "\ufffd"
        for c in text
    )


class Escaping(unittest.TestCase):
    @given(XML_TEXT)
    def test_text_survives_a_parser(self, text: str) -> None:
        self.assertEqual(ElementTree.fromstring(f"<a>{escape_text(text)}</a>").text or "", legal(text))

    @given(XML_TEXT, st.sampled_from("'\""))
    def test_attribute_survives_a_parser(self, text: str, quote: str) -> None:
        parsed = ElementTree.fromstring(f"<a b={quote}{escape_attribute(text)}{quote}/>")
        self.assertEqual(parsed.get("b"), legal(text))

    def test_lone_surrogates(self) -> None:
        self.assertEqual(escape_text("a\ud800b"), "a\ufffdb")
        self.assertEqual(escape_attribute("a\udfffb"), "a\ufffdb")

    def test_end_of_cdata_section_is_no_problem(self) -> None:
        self.assertEqual(escape_text("]]>"), "]]&gt;")
