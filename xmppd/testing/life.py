"""Time that ends for one of several servers, while it goes on for the others: what SIGKILL does to a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock

__all__ = ["Life"]


class Life(Clock):
    """The clock of one server, which shares its time with others.

    :param shared: the time of all.
    """

    def __init__(self, shared: Clock) -> None:
        self._shared = shared
        self._own: WeakSet[DelayedCall] = WeakSet()
        self._never: list[DelayedCall] = []
        self._over = False

    @property
    def shared(self) -> Clock:
        """The time of all servers."""
        return self._shared

    @property
    def calls(self) -> list[DelayedCall]:  # type: ignore[override]
        """What is due, for all servers."""
        calls: list[DelayedCall] = self._shared.calls
        return calls

    @property
    def rightNow(self) -> float:
        """The time, in seconds since the epoch."""
        now: float = self._shared.rightNow
        return now

    @rightNow.setter
    def rightNow(self, now: float) -> None:
        self._shared.rightNow = now

    def callLater(self, when: float, what: Callable[..., object], *a: Any, **kw: Any) -> DelayedCall:  # type: ignore[override]
        """See IReactorTime. Once the server has ended, nothing happens."""
        call = DelayedCall(self.seconds() + when, what, a, kw, self._cancelled, _later, self.seconds)
        if self._over:
            self._never.append(call)
        else:
            self._own.add(call)
            self.calls.append(call)
            self._sortCalls()
        return call

    def _cancelled(self, call: DelayedCall) -> None:
        if call in self.calls:
            self.calls.remove(call)

    def end(self) -> None:
        """Nothing that was put off by this server happens, now or later."""
        self._over = True
        for call in [call for call in self.calls if call in self._own]:
            self.calls.remove(call)
            self._never.append(call)  # what hangs on it is not told either that it is thrown away


def _later(_: DelayedCall) -> None:
    """It was put off once more."""
