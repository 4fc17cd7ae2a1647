"""What is remembered of other domains, and of how many."""

from __future__ import annotations

import unittest
from typing import Any

from tests.core.federation.kit import NOT_FOUND, Conduit
from xmppd.core.federation.contract import Pair
from xmppd.core.federation.remote import Remote, Remotes
from xmppd.core.federation.route import Route


def route(remotes: Remotes, domain: str) -> Route:
    nobody: Any = None
    pair = Pair("example.org", domain)
    remote = remotes.make(domain)
    found = remote.routes[pair.local] = Route(nobody, remote, pair)
    return found


class RemotesTests(unittest.TestCase):
    def setUp(self) -> None:
        self.remotes = Remotes(most=10)

    def fill(self) -> None:
        for number in range(len(self.remotes), 10):
            route(self.remotes, f"d{number}.example")

    def test_the_same_again(self) -> None:
        self.assertIs(self.remotes.make("a.example"), self.remotes.make("a.example"))
        self.assertIsNone(self.remotes.route(Pair("example.org", "a.example")))
        self.assertIsNone(self.remotes.route(Pair("example.org", "b.example")))
        found = route(self.remotes, "a.example")
        self.assertIs(self.remotes.route(Pair("example.org", "a.example")), found)
        self.assertEqual(self.remotes.routes(), [found])

    def test_the_oldest_go(self) -> None:
        self.fill()
        self.remotes.make("new.example")
        self.assertNotIn("d0.example", self.remotes)
        self.assertEqual(len(self.remotes), 10)

    def test_those_that_somebody_waits_for_go_last(self) -> None:
        self.remotes.make("a.example").lost = True
        self.fill()
        self.remotes.make("new.example")
        self.assertIn("a.example", self.remotes)
        for remote in self.remotes.values():
            remote.lost = True
        self.remotes.make("newer.example")
        self.assertNotIn("a.example", self.remotes)
        self.assertLessEqual(len(self.remotes), 10)

    def test_nothing_that_is_in_use(self) -> None:
        nobody: Any = None
        connected, connecting = route(self.remotes, "a.example"), route(self.remotes, "b.example")
        connected.conduit = Conduit(nobody, connected.pair)
        connecting.connecting = True
        waiting = route(self.remotes, "c.example")
        waiting.append(nobody, 100, 0.0)
        self.fill()
        for number in range(100):
            self.remotes.make(f"new{number}.example")
        self.assertLessEqual({"a.example", "b.example", "c.example"}, set(self.remotes))
        self.assertLessEqual(len(self.remotes), 10)

    def test_all_are_in_use(self) -> None:
        """They are kept, and not looked at for each new one."""
        for number in range(1_000):
            route(self.remotes, f"busy{number}.example").connecting = True
        self.assertEqual(len(self.remotes), 1_000)
        for one in self.remotes.routes():
            one.connecting = False
        for number in range(20):
            self.remotes.make(f"new{number}.example")
        self.assertLessEqual(len(self.remotes), 20)


class RemoteTests(unittest.TestCase):
    def test_loses_once(self) -> None:
        remote = Remote("a.example")
        self.assertFalse(remote.loses(), "it was never there")
        self.assertFalse(remote.found())
        self.assertTrue(remote.loses())
        self.assertFalse(remote.loses())
        self.assertTrue(remote.found())
        self.assertFalse(remote.found())

    def test_failure(self) -> None:
        remotes = Remotes()
        one = route(remotes, "a.example")
        self.assertIsNone(one.remote.failure)
        for expected in (5.0, 10.0, 15.0, 15.0):
            one.given_up(NOT_FOUND, 100.0, 5.0, 15.0)
            self.assertEqual(one.refused_until, 100.0 + expected)
        self.assertIs(one.remote.failure, NOT_FOUND)
        one.failures = 5_000
        one.given_up(NOT_FOUND, 100.0, 5.0, 15.0)
        self.assertEqual(one.refused_until, 115.0)
        one.forgive()
        self.assertEqual((one.remote.failure, one.failures, one.refused_until), (None, 0, 0.0))
