"""Long work in slices: so much of it a second, and whatever else there is to be done in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api.interfaces import IDelayedCall

__all__ = ["Pace"]

#: Seconds from one slice to the next.
_SLICE = 0.05


class Pace:
    """Lets so many steps a second happen, of all the work together that goes by it.

    >>> class Calls(Plugin):
    ...     async def call_all(self) -> None:
    ...         pace = Pace(self.later, lambda: 1000)
    ...         for session in self.host.all_sessions():
    ...             self.host.send(Message(session.jid, self.host.jid, payload=CALL))
    ...             await pace.step()

    :param later: :meth:`xmppd.api.Plugin.later`; what waits when the plugin is stopped never goes on.
    :param per_second: says how many steps.
    :param slice_seconds: from one slice to the next: the shorter, the less everybody else has to wait.
    """

    def __init__(
        self,
        later: Callable[[float, Callable[[], Any]], IDelayedCall],
        per_second: Callable[[], float],
        slice_seconds: float = _SLICE,
    ) -> None:
        self._later = later
        self._per_second = per_second
        self._slice = slice_seconds
        self._left = 0.0
        self._next: IDelayedCall | None = None
        self._waiting: deque[Deferred[None]] = deque()

    async def step(self, steps: float = 1.0) -> None:
        """So many steps were done: wait, if that was enough for now."""
        if self._next is None:
            self._begin()
        self._left -= steps
        if self._left <= 0:
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn

    def _begin(self) -> None:
        # What a step has cost more than there was is made up for by those that follow.
        self._left = min(self._left, 0.0) + self._per_second() * self._slice
        self._next = self._later(self._slice, self._go_on)

    def _go_on(self) -> None:
        self._next = None
        if self._waiting or self._left < 0:
            self._begin()
            while self._waiting and self._left > 0:
                self._waiting.popleft().callback(None)
