"""Numbers and durations in words."""

from __future__ import annotations

import unittest

from xmppd.api.words import duration, plural


class WordTests(unittest.TestCase):
    def test_duration(self) -> None:
        for seconds, expected in (
            (-1.0, "0 s"),
            (0.9, "0 s"),
            (59.0, "59 s"),
            (60.0, "1 min"),
            (3_661.0, "1 h 1 min"),
            (86_400.0, "1 d"),
            (90_061.0, "1 d 1 h"),
        ):
            self.assertEqual(duration(seconds), expected)

    def test_plural(self) -> None:
        self.assertEqual([plural(n, "host") for n in range(3)], ["0 hosts", "1 host", "2 hosts"])
