"""Counting in a sliding window."""

from __future__ import annotations

import unittest

from xmppd.api.limits import Window, network_of


class WindowTests(unittest.TestCase):
    def test_slides(self) -> None:
        window = Window(2, 10)
        window.add("a", 0)
        self.assertFalse(window.full("a", 1))
        window.add("a", 5)
        self.assertTrue(window.full("a", 9.9))
        self.assertFalse(window.full("a", 10))
        self.assertFalse(window.full("b", 9))
        window.add("a", 10)
        self.assertTrue(window.full("a", 14))
        self.assertFalse(window.full("a", 100))
        self.assertEqual(len(window._times), 0)

    def test_bounded(self) -> None:
        window = Window(1, 10, keys=100)
        for number in range(150):
            window.add(str(number), 0)
        self.assertEqual(len(window._times), 100)
        self.assertFalse(window.full("49", 0))
        self.assertTrue(window.full("50", 0))

    def test_limits_can_change(self) -> None:
        window = Window(1, 10)
        window.add("a", 0)
        self.assertTrue(window.full("a", 1))
        window.set_limits(2, 5)
        self.assertFalse(window.full("a", 1))
        window.add("a", 1)
        self.assertTrue(window.full("a", 4))
        self.assertFalse(window.full("a", 5))

    def test_networks(self) -> None:
        for address, network in (
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::/64"),
            ("/run/socket", "/run/socket"),
        ):
            self.assertEqual(network_of(address), network)
