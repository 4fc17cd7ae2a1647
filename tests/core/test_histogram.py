"""Histograms: what lies in which bucket."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.core.histogram import SECONDS, Histogram

INFINITY = float("inf")


class HistogramTests(unittest.TestCase):
    def test_empty(self) -> None:
        histogram = Histogram((1.0, 2.0))
        self.assertEqual(histogram.buckets(), [(1.0, 0), (2.0, 0), (INFINITY, 0)])
        self.assertEqual((histogram.count, histogram.sum), (0, 0.0))

    def test_buckets_count_what_is_no_larger(self) -> None:
        histogram = Histogram((1.0, 2.0))
        for value in (0.5, 1.0, 1.5, 2.0, 2.5):
            histogram.observe(value)
        self.assertEqual(histogram.buckets(), [(1.0, 2), (2.0, 4), (INFINITY, 5)])
        self.assertEqual((histogram.count, histogram.sum), (5, 7.5))

    @given(st.lists(st.floats(0, 100)))
    def test_property(self, values: list[float]) -> None:
        histogram = Histogram()
        for value in values:
            histogram.observe(value)
        for bound, count in histogram.buckets():
            self.assertEqual(count, sum(value <= bound for value in values))
        self.assertEqual(len(histogram.buckets()), len(SECONDS) + 1)
