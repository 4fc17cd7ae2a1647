"""Preparation of strings, compared with the library it stands on."""

from __future__ import annotations

import unittest
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.wire.precis import OPAQUE_STRING, USERNAME_CASE_MAPPED, PrecisError, enforce

TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("\u30fb\u30a2\u0661\u06f1l\xb7\u0375\u05f3\u05d0\u200c\u200d\u094d")),
    max_size=12,
)


class Profiles(unittest.TestCase):
    @given(TEXT, st.sampled_from([OPAQUE_STRING, USERNAME_CASE_MAPPED]))
    @settings(max_examples=1000)
    def test_outcome_is_that_of_the_profile(self, text: str, profile: Any) -> None:
        try:
            expected = profile.enforce(text)
        except UnicodeEncodeError:
            self.assertRaises(PrecisError, enforce, profile, text)
        else:
            self.assertEqual(enforce(profile, text), expected)

    def test_rules_that_look_at_the_whole_text_are_asked_once_a_character(self) -> None:
        asked = 0
        ucd = OPAQUE_STRING.base.ucd
        original = type(ucd).hiragana_katakana_han_script

        def counting(cp: int) -> bool:
            nonlocal asked
            asked += 1
            return bool(original(ucd, cp))

        ucd.hiragana_katakana_han_script = counting
        self.addCleanup(delattr, ucd, "hiragana_katakana_han_script")
        text = "\u30fb" * 300 + "\u30a2"
        self.assertEqual(enforce(OPAQUE_STRING, text), text)
        self.assertLessEqual(asked, len(text))

    def test_empty(self) -> None:
        self.assertRaises(PrecisError, enforce, OPAQUE_STRING, "")
