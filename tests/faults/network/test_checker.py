"""The checker of two servers finds what it should."""

from __future__ import annotations

import unittest

from tests.faults.checker import Kind
from tests.faults.history import Entry, Event, History, Key, Trait, What
from tests.faults.network.checker import check

ONE, TWO = Key("a0/d", "b0", 1), Key("a0/d", "b0", 2)


class CheckerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.history = History({"a0/d": Trait(), "b0/d": Trait()})
        self.time = 0.0
        for key in (ONE, TWO):
            self.add(What.SENT, "a0/d", key)
            self.add(What.ACKED, "a0/d", key)
        self.archives(ONE, TWO)

    def add(self, what: What, device: str = "", key: Key | None = None, text: str = "") -> None:
        self.time += 1.0
        self.history.events.append(Event(self.time, what, device, key, 1, text))

    def archives(self, *keys: Key) -> None:
        entries = [Entry(str(key.number), key) for key in keys]
        self.history.archives = {"a0": [Entry("1", ONE), Entry("2", TWO)], "b0": entries}

    def get(self, *keys: Key) -> None:
        for key in keys:
            self.add(What.RECEIVED, "b0/d", key, "direct")

    def found(self) -> list[Kind]:
        return [violation.kind for violation in check(self.history)]

    def test_all_well(self) -> None:
        self.get(ONE, TWO)
        self.assertEqual(self.found(), [])

    def test_lost(self) -> None:
        self.get(ONE)
        self.archives(ONE)
        self.assertEqual(self.found(), [Kind.LOST])

    def test_only_in_the_archive(self) -> None:
        self.get(ONE)
        self.assertEqual(self.found(), [Kind.ONLY_ARCHIVE])

    def test_came_back(self) -> None:
        self.get(ONE)
        self.archives(ONE)
        self.add(What.BOUNCED, "a0/d", TWO, "remote-server-timeout text")
        self.assertEqual(self.found(), [])

    def test_arrived_and_came_back(self) -> None:
        """Only one error says that nobody can know."""
        self.get(ONE, TWO)
        self.add(What.BOUNCED, "a0/d", ONE, "remote-server-timeout text")
        self.assertEqual(self.found(), [])
        self.add(What.BOUNCED, "a0/d", TWO, "resource-constraint text")
        self.assertEqual(self.found(), [Kind.OFFENCE])

    def test_twice(self) -> None:
        self.get(ONE, TWO, TWO)
        self.assertEqual(self.found(), [Kind.DUPLICATE])

    def test_twice_after_a_kill(self) -> None:
        self.get(ONE, TWO)
        self.add(What.FAULT, text="killed a")
        self.get(TWO)
        self.assertEqual(self.found(), [])

    def test_twice_long_before_a_kill(self) -> None:
        self.get(ONE, TWO)
        self.time += 20
        self.add(What.FAULT, text="killed a")
        self.get(TWO)
        self.assertEqual(self.found(), [Kind.DUPLICATE])

    def test_twice_after_a_kill_of_the_other(self) -> None:
        self.get(ONE, TWO)
        self.add(What.FAULT, text="killed b")
        self.get(TWO)
        self.assertEqual(self.found(), [Kind.DUPLICATE])

    def test_overtaken(self) -> None:
        self.get(TWO, ONE)
        self.assertEqual(self.found(), [Kind.ORDER])

    def test_archive(self) -> None:
        self.get(ONE, TWO)
        self.archives(ONE)
        self.assertEqual(self.found(), [Kind.ARCHIVE_MISSING])
        self.archives(ONE, TWO, TWO)
        self.assertEqual(self.found(), [Kind.ARCHIVE_DUPLICATE])

    def test_what_is_stated(self) -> None:
        self.get(ONE, TWO)
        self.add(What.UNSETTLED, text="a0/d sees b0/d as None and not as ''")
        self.assertEqual(self.found(), [Kind.UNSETTLED])
