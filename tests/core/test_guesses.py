"""Failed attempts to log in, counted for all doors together."""

from __future__ import annotations

import unittest
from typing import Any

from xmppd.core.guesses import Guesses
from xmppd.core.settings import Limits
from xmppd.wire.jid import Jid

JULIET, ROMEO = Jid.parse("juliet@example.org"), Jid.parse("romeo@example.org")
HERE, THERE = "192.0.2.1", "198.51.100.1"


def limits(**more: Any) -> Limits:
    """Return limits that are soon reached."""
    given = {"failed_logins_per_address": 3, "failed_logins_per_account": 2, "failed_login_window_seconds": 60}
    return Limits(**{**given, **more})


class GuessTests(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.guesses = Guesses(limits(), lambda: self.now)

    def test_account(self) -> None:
        self.guesses.failed(HERE, JULIET)
        self.assertFalse(self.guesses.stopped(THERE, JULIET))
        self.guesses.failed(HERE, JULIET)
        self.assertTrue(self.guesses.stopped(THERE, JULIET))
        self.assertFalse(self.guesses.stopped(THERE, ROMEO))
        self.assertFalse(self.guesses.stopped(THERE))
        self.now = 61.0
        self.assertFalse(self.guesses.stopped(THERE, JULIET))

    def test_owner(self) -> None:
        """Who was in from there before is not locked out by others; but a network that guesses is, whoever it is."""
        self.guesses.succeeded(THERE, JULIET)
        for _ in range(2):
            self.guesses.failed(HERE, JULIET)
        self.assertFalse(self.guesses.stopped(THERE, JULIET))
        for _ in range(3):
            self.guesses.failed(THERE, ROMEO)
        self.assertTrue(self.guesses.stopped(THERE, JULIET))

    def test_address(self) -> None:
        for _ in range(3):
            self.guesses.failed(HERE)
        self.assertTrue(self.guesses.stopped(HERE))
        self.assertTrue(self.guesses.stopped(f"::ffff:{HERE}"))
        self.assertFalse(self.guesses.stopped(THERE))

    def test_networks(self) -> None:
        """An IPv6 /64 is one customer's; some networks are exempt; who comes over a Unix socket has no address."""
        for number in range(3):
            self.guesses.failed(f"2001:db8::{number}")
        self.assertTrue(self.guesses.stopped("2001:db8::ffff"))
        self.assertFalse(self.guesses.stopped("2001:db8:0:1::1"))
        self.guesses.set_limits(limits(exempt_networks=["2001:db8::/32"]))
        self.assertFalse(self.guesses.stopped("2001:db8::ffff"))
        for _ in range(3):
            self.guesses.failed("")
        self.assertFalse(self.guesses.stopped(""))

    def test_other_limits(self) -> None:
        self.assertEqual(self.guesses.delay, 1.0)
        for _ in range(2):
            self.guesses.failed(HERE, JULIET)
        self.guesses.set_limits(limits(failed_logins_per_account=5, failed_login_delay_seconds=0.5))
        self.assertFalse(self.guesses.stopped(THERE, JULIET))
        self.assertEqual(self.guesses.delay, 0.5)
