"""What was promised over BOSH without stream management is looked for."""

from __future__ import annotations

import unittest

from tests.faults.checker import Kind
from tests.faults.history import Entry, Event, History, Key, What
from tests.faults.web.checker import check

KEY = Key("a/b0", "c", 1)


class Taken(unittest.TestCase):
    def history(self, *events: Event) -> History:
        sent = Event(1.0, What.SENT, "a/b0", KEY, 1, "c")
        return History(events=[sent, Event(1.5, What.TAKEN, "a/b0", KEY, 1), *events], archives={"a": [], "c": []})

    def test_lost(self) -> None:
        found = check(self.history(Event(9.0, What.FAULT, text="server: kill, 1.00 s")))
        self.assertEqual([(violation.kind, violation.key) for violation in found], [(Kind.LOST, KEY)])

    def test_killed_at_once(self) -> None:
        self.assertEqual(check(self.history(Event(1.6, What.FAULT, text="server: kill, 1.00 s"))), [])

    def test_stopped(self) -> None:
        """A server that is told to end writes everything first."""
        self.assertEqual(len(check(self.history(Event(1.6, What.FAULT, text="server: stop, 1.00 s")))), 1)

    def test_there(self) -> None:
        history = self.history()
        history.archives = {"a": [Entry("1", KEY)], "c": [Entry("2", KEY)]}
        self.assertEqual(check(history), [])
