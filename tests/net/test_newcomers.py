"""Connections on which nobody has logged in share a part of each turn."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from xmppd.net.newcomers import Newcomers


class Connection:
    def __init__(self, case: NewcomerTests, name: str) -> None:
        self.case = case
        self.name = name
        self.queued = False
        self.reading = True

    def read_now(self) -> str:
        self.case.read.append(self.name)
        self.case.time += 0.002
        return self.name

    def stopReading(self) -> None:
        self.reading = False

    def admitted(self) -> None:
        self.reading = True
        self.read_now()


class NewcomerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.time = 0.0
        self.read: list[str] = []
        self.newcomers = Newcomers(self.call_later, 0.005, lambda: self.time)

    def call_later(self, delay: float, function: Callable[[], None]) -> object:
        self.due.append(function)
        return function

    def turn(self) -> None:
        """Let one turn of the reactor pass: what it is due to call now, and nothing that comes of it."""
        due, self.due = self.due, []
        for function in due:
            function()

    def test_one_is_read_at_once(self) -> None:
        self.assertEqual(self.newcomers.read(Connection(self, "a")), "a")
        self.turn()
        self.assertEqual(self.due, [])

    def test_many_in_turn(self) -> None:
        connections = [Connection(self, str(number)) for number in range(8)]
        outcomes = [self.newcomers.read(connection) for connection in connections]
        self.assertEqual(outcomes, ["0", "1", "2"] + [None] * 5)
        self.assertEqual([connection.reading for connection in connections], [True] * 3 + [False] * 5)
        self.newcomers.read(connections[0])  # it has more, and waits behind those that came before
        self.newcomers.read(connections[0])
        self.assertEqual(len(self.newcomers), 6)
        self.turn()
        self.assertEqual(self.read, list("012345"))
        self.turn()
        self.assertEqual(self.read, [*"01234567", "0"])
        self.turn()
        self.assertEqual((len(self.newcomers), self.due), (0, []))
