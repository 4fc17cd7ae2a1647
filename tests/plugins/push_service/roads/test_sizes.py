"""Texts that are cut to what a vendor takes."""

from __future__ import annotations

import unittest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.push_service.roads.kit import parcel
from xmppd.plugins.push_service.roads import apns, encryption, fcm, webpush
from xmppd.plugins.push_service.roads.sizes import cut, fits, fitted

TARGET = {"token": "x"}
ROADS = {
    "webpush": (webpush.measure, encryption.MOST),
    "fcm": (fcm.measure, fcm.MOST),
    "apns": (apns.measure, apns.MOST),
}


class Cutting(unittest.TestCase):
    def test_cut(self) -> None:
        for text, octets, expected in (
            ("hello", 5, "hello"), ("hello!", 5, "he…"), ("hello", 3, "…"[:0]), ("", 0, ""), ("ää", 4, "ää"),
            ("äää", 5, "ä…"), ("aää", 4, "a…"), ("one two", 7, "one two"), ("one two", 6, "one…"), ("😀😀", 7, "😀…"),
        ):  # fmt: skip
            self.assertEqual(cut(text, octets), expected, (text, octets))

    @given(st.text(), st.integers(0, 50))
    def test_never_too_long_and_never_broken(self, text: str, octets: int) -> None:
        found = cut(text, octets)
        self.assertLessEqual(len(found.encode()), max(octets, 0))
        self.assertTrue(found == text or found == "" or text.startswith(found[:-1]))


class Fitting(unittest.TestCase):
    def fit(self, road: str, payload: Any, **more: Any) -> Any:
        return fitted(parcel(TARGET, payload, **more), road)

    def test_what_fits_is_left_alone(self) -> None:
        small = parcel(TARGET, {"title": "a", "body": "b"})
        for road in ROADS:
            self.assertIs(fitted(small, road), small)

    def test_the_text_goes_first(self) -> None:
        for road, (measure, most) in ROADS.items():
            found = self.fit(road, {"title": "Title", "body": "ü" * 5_000, "data": "kept"})
            self.assertEqual((found.payload["title"], found.payload["data"]), ("Title", "kept"))
            self.assertTrue(found.payload["body"].endswith("…"))
            self.assertLessEqual(measure(found), most)
            self.assertGreater(measure(found), most - 8)  # no more was cut than had to be

    def test_then_sender_and_title(self) -> None:
        for road, (measure, most) in ROADS.items():
            found = self.fit(road, {"title": "t" * 6_000, "sender": "s" * 100, "body": "b" * 100})
            self.assertNotIn("body", found.payload)
            self.assertNotIn("sender", found.payload)
            self.assertLessEqual(measure(found), most)

    def test_quotes_cost_more(self) -> None:
        for road in ROADS:
            self.assertTrue(fits(self.fit(road, {"body": '"\n' * 3_000}), road))

    def test_what_never_fits(self) -> None:
        for payload in ({"data": "x" * 5_000, "body": "b"}, b"x" * 5_000):
            large = parcel(TARGET, payload)
            for road in ROADS:
                self.assertIs(fitted(large, road), large)
                self.assertFalse(fits(large, road))
