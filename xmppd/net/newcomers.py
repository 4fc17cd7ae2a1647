"""Clients that log in share a part of each turn of the reactor, so that those who have logged in don't wait for them.

When a network comes back, or the server does, thousands connect at once. All of what they send could be read and
answered in one turn, which then takes as long as all their TLS handshakes and log-ins together. Here those that have no
session yet are read in the order in which they came, for some milliseconds a turn; the rest waits for the next turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

__all__ = ["Newcomers"]


class Connection(Protocol):
    """A connection that has something to be read."""

    queued: bool

    def read_now(self) -> Any: ...
    def stopReading(self) -> None: ...
    def admitted(self) -> None: ...


class Newcomers:
    """Lets connections be read in turn.

    :param call_later: the reactor's.
    :param budget: seconds of each turn that go to them; what is begun is finished.
    :param seconds: measures time.
    """

    def __init__(
        self, call_later: Callable[..., Any], budget: float = 0.005, seconds: Callable[[], float] = perf_counter
    ) -> None:
        self._call_later = call_later
        self._budget = budget
        self._seconds = seconds
        self._waiting: deque[tuple[float, Connection]] = deque()
        self._spent = 0.0
        self._due: Any = None

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def late(self) -> float:
        """How long the one whose turn is next has waited, in seconds."""
        return self._seconds() - self._waiting[0][0] if self._waiting else 0.0

    def read(self, connection: Connection) -> Any:
        """Read a connection now, or when it is its turn; return what reading it returned, or None."""
        if self._waiting or self._spent >= self._budget:
            connection.stopReading()
            if not connection.queued:
                connection.queued = True
                self._waiting.append((self._seconds(), connection))
            self._look_again()
            return None
        began = self._seconds()
        outcome = connection.read_now()
        self._spent += self._seconds() - began
        self._look_again()
        return outcome

    def _look_again(self) -> None:
        if self._due is None:
            self._due = self._call_later(0, self._next_turn)

    def _next_turn(self) -> None:
        self._due = None
        self._spent = 0.0
        while self._waiting and self._spent < self._budget:
            _, connection = self._waiting.popleft()
            connection.queued = False
            began = self._seconds()
            connection.admitted()
            self._spent += self._seconds() - began
        if self._waiting or self._spent:
            self._look_again()
