"""Alphabets of short messages, how texts are cut, and how parts are put together."""

from __future__ import annotations

import re
import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.sms.text import DEFAULT, UCS2, Header, TooLong, count, cut, decode, headed, joined, split_header

_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400).map(lambda text: _UNSPEAKABLE.sub("", text))
_GSM = st.text("@£$èéÇ\nØΔΩ!09AZazäöñüà^{}\\[~]|€", max_size=500)


class CutTests(unittest.TestCase):
    """How many parts, in which coding."""

    def test_sizes(self) -> None:
        for text, coding, sizes in (
            ("", DEFAULT, [0]),
            ("a" * 160, DEFAULT, [160]),
            ("a" * 161, DEFAULT, [153, 8]),
            ("a" * 306, DEFAULT, [153, 153]),
            ("€" * 80, DEFAULT, [160]),
            ("€" * 81, DEFAULT, [152, 10]),  # 76 of them have room: an escape stays with its character
            ("ł" * 70, UCS2, [140]),
            ("ł" * 71, UCS2, [134, 8]),
            ("😀" * 35, UCS2, [140]),
            ("😀" * 36, UCS2, [132, 12]),  # 33 of them, not 33 and a half
            ("ç", UCS2, [2]),
        ):
            with self.subTest(text=text[:5], length=len(text)):
                made = cut(text)
                self.assertEqual((made.coding, [len(part) for part in made.parts]), (coding, sizes))
                self.assertEqual(count(text), len(sizes))

    def test_references_of_two_octets_leave_less_room(self) -> None:
        self.assertEqual([len(part) for part in cut("a" * 161, wide=True).parts], [152, 9])
        self.assertEqual([len(part) for part in cut("ł" * 71, wide=True).parts], [132, 10])
        self.assertEqual(count("a" * 305, wide=True), 3)

    def test_too_long(self) -> None:
        self.assertEqual(len(cut("a" * 459, most=3).parts), 3)
        self.assertRaises(TooLong, cut, "a" * 460, most=3)
        self.assertRaises(TooLong, cut, "a" * 460, most=3, whole=True)
        self.assertRaises(TooLong, cut, "a" * 153 * 256, most=1000)

    def test_whole(self) -> None:
        self.assertEqual(cut("a" * 200, whole=True).parts, (b"a" * 200,))

    def test_latin1(self) -> None:
        self.assertEqual(cut("é@", alphabet="latin1").parts, (b"\xe9@",))
        self.assertEqual(cut("é@").parts, (b"\x05\x00",))
        self.assertEqual(cut("€", alphabet="latin1").coding, UCS2)  # Latin-1 doesn't have it
        self.assertEqual(count("[" * 81, alphabet="latin1"), 2)  # on the air it takes two septets all the same

    @given(_TEXT)
    def test_nothing_is_lost(self, text: str) -> None:
        made = cut(text)
        self.assertEqual(joined([(made.coding, part) for part in made.parts]), text)

    @given(_TEXT)
    def test_no_character_is_cut_through(self, text: str) -> None:
        made = cut(text)
        self.assertEqual("".join(decode(part, made.coding) for part in made.parts), text)

    @given(_GSM)
    def test_the_default_alphabet(self, text: str) -> None:
        made = cut(text)
        self.assertEqual(made.coding, DEFAULT)
        self.assertEqual(joined([(made.coding, part) for part in made.parts]), text)
        self.assertLessEqual(max(map(len, made.parts)), 160 if len(made.parts) == 1 else 153)

    def test_half_a_character(self) -> None:
        """Nobody should send it; but what a program gives us must not stop anything."""
        self.assertEqual(cut("\ud83d").parts, ("?".encode("utf-16-be"),))


class DecodeTests(unittest.TestCase):
    """What others send."""

    def test_codings(self) -> None:
        for data, coding, text in (
            (b"\x00\x1b\x65", 0, "@€"),
            (b"abc", 1, "abc"),
            (b"\xe9", 3, "é"),
            (b"\xb0", 6, "А"),
            (b"\xe0", 7, "א"),
            ("żółw😀".encode("utf-16-be"), 8, "żółw😀"),
            ("ż".encode("utf-16-be"), 0x18, "ż"),  # the same, to be shown at once
            (b"\x00", 0x10, "@"),
            (b"\x00", 0xF0, "@"),
            (b"\xe9", 0xF4, "é"),
            (b"\x00", 0x99, "@"),  # nobody knows: the default alphabet
        ):
            with self.subTest(coding=coding):
                self.assertEqual(decode(data, coding), text)

    def test_what_data_coding_0_means(self) -> None:
        self.assertEqual(decode(b"\xe9@", 0, "latin1"), "é@")
        self.assertEqual(decode(b"\x00", 0xF0, "latin1"), "@")  # this one says what it is

    def test_what_is_not_in_the_table(self) -> None:
        self.assertEqual(decode(b"\x1bA", 0), "A")
        self.assertEqual(decode(b"a\x1b", 0), "a ")
        self.assertEqual(decode(b"\xff", 0), "\ufffd")

    def test_what_xml_cannot_have(self) -> None:
        self.assertEqual(decode(b"a\x1b\x0ab", 0), "a\ufffdb")  # a form feed
        self.assertEqual(decode(b"\x00\x00\xd8\x3d", 8), "\ufffd\ufffd")

    @given(st.binary(max_size=300), st.integers(0, 255), st.sampled_from(("gsm", "latin1")))
    def test_anything(self, data: bytes, coding: int, alphabet: str) -> None:
        self.assertIsNone(_UNSPEAKABLE.search(decode(data, coding, alphabet)))  # type: ignore[arg-type]

    def test_a_character_cut_through_by_others(self) -> None:
        data = "a😀".encode("utf-16-be")
        self.assertEqual(joined([(UCS2, data[:4]), (UCS2, data[4:])]), "a😀")
        self.assertEqual(joined([(DEFAULT, b"a\x1b"), (DEFAULT, b"e"), (UCS2, data)]), "a€a😀")


class HeaderTests(unittest.TestCase):
    """User data headers."""

    def test_both_forms(self) -> None:
        header = Header(0xC3, 3, 2)
        self.assertEqual(headed(b"x", header), b"\x05\x00\x03\xc3\x03\x02x")
        self.assertEqual(headed(b"x", Header(0x1234, 3, 2), wide=True), b"\x06\x08\x04\x12\x34\x03\x02x")

    @given(st.integers(0, 255), st.integers(1, 255), st.integers(1, 255), st.binary(max_size=10), st.booleans())
    def test_there_and_back(self, reference: int, total: int, number: int, data: bytes, wide: bool) -> None:
        header = Header(reference, total, min(total, number))
        self.assertEqual(split_header(headed(data, header, wide)), (header, data))

    def test_others(self) -> None:
        for data, found in (
            (b"\x0b\x05\x04\x15\x8a\x00\x00\x00\x03\x07\x02\x01x", (Header(7, 2, 1), b"x")),  # ports come first
            (b"\x06\x05\x04\x15\x8a\x00\x00x", (None, b"x")),  # nothing but ports
            (b"\x05\x00\x03\x01\x02\x03x", (None, b"x")),  # the third of two
            (b"\x05\x00\x03\x01\x00\x00x", (None, b"x")),
            (b"\x05\x00\x09\x01\x02\x01x", (None, b"x")),  # it says that it is longer than it is
            (b"\x20ab", (None, b"\x20ab")),
            (b"", (None, b"")),
            (b"\x00x", (None, b"x")),
        ):
            with self.subTest(data=data):
                self.assertEqual(split_header(data), found)

    @given(st.binary(max_size=30))
    def test_anything(self, data: bytes) -> None:
        split_header(data)
