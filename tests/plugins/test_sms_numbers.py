"""Telephone numbers: how they are written, and which may be written to."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.sms.numbers import BadNumber, Rules, normal
from xmppd.plugins.sms.prefixes import longest


class NormalTests(unittest.TestCase):
    """E.164."""

    def test_international(self) -> None:
        for text in ("+491701234567", "+49-170-1234567", "+49\\20170\\201234567", "+49.170.1234567", "00491701234567",
                     "+49(0)1701234567"):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(normal(text), "+491701234567")

    def test_national(self) -> None:
        for text, prefix, number in (
            ("01701234567", "+49", "+491701234567"),
            ("0170-1234567", "+49", "+491701234567"),
            ("00491701234567", "+49", "+491701234567"),
            ("06 12 34 56 78", "+33", "+33612345678"),
            ("0612345678", "+39", "+390612345678"),  # in Italy the zero belongs to the number
            ("2025550123", "+1", "+12025550123"),
            ("011442079460000", "+1", "+442079460000"),
        ):
            with self.subTest(text=text):
                self.assertEqual(normal(text, prefix), number)

    def test_short_codes_stay_as_they_are(self) -> None:
        self.assertEqual(normal("72524"), "72524")
        self.assertEqual(normal("72524", "+49"), "72524")

    def test_bad_ones(self) -> None:
        for text, prefix, why in (
            ("juliet", "+49", "no telephone number"),
            ("", "+49", "no telephone number"),
            ("+", "", "no telephone number"),
            ("01701234567", "", "no country code"),
            ("+0001234567", "", "no such country code"),
            ("+9991234567", "", "no such country code"),
            ("+3361", "", "too short"),
            ("+4917012345678901234", "", "too short or too long"),
            ("+491701234567x", "", "no telephone number"),
            ("+1800FLOWERS", "", "no telephone number"),
            ("+49170١٢٣٤٥٦٧", "", "no telephone number"),
            ("+49+1701234567", "", "no telephone number"),
        ):
            with self.subTest(text=text), self.assertRaisesRegex(BadNumber, why):
                normal(text, prefix)

    @given(st.text(max_size=30), st.sampled_from(("", "+49", "+1")))
    def test_anything(self, text: str, prefix: str) -> None:
        try:
            number = normal(text, prefix)
        except BadNumber:
            return
        self.assertEqual(normal(number, prefix), number)


class RulesTests(unittest.TestCase):
    """Whom users may write to."""

    def test_everybody(self) -> None:
        self.assertIsNone(Rules().refusal("+491701234567"))

    def test_premium_numbers(self) -> None:
        for number in ("+499001234567", "+19005550123", "+979123456789", "+491805123456"):
            with self.subTest(number=number):
                self.assertIn("costs extra", Rules().refusal(number) or "")
                self.assertIsNone(Rules(premium=True).refusal(number))
        self.assertIn("costs extra", Rules(allowed=("+49",)).refusal("+499001234567") or "")

    def test_prefixes(self) -> None:
        rules = Rules(allowed=("+49", "+43", "+4369912"), denied=("+43699", "+4916"))
        for number, allowed in (
            ("+491701234567", True),
            ("+491601234567", False),
            ("+43664123456", True),
            ("+43699345678", False),
            ("+43699123456", True),
            ("+33612345678", False),
        ):
            with self.subTest(number=number):
                self.assertEqual(rules.refusal(number) is None, allowed)

    def test_the_same_prefix_twice(self) -> None:
        self.assertIsNotNone(Rules(allowed=("+49",), denied=("+49",)).refusal("+491701234567"))

    def test_short_codes(self) -> None:
        self.assertIsNone(Rules(short_codes=("72524",)).refusal("72524"))
        self.assertIsNotNone(Rules(short_codes=("72524",)).refusal("72525"))

    def test_longest(self) -> None:
        self.assertEqual(longest("+4917", ("+4", "+49", "+491", "+43")), "+491")
        self.assertIsNone(longest("+4917", ("+43",)))
