"""Attempts to connect, of which only some are under way at a time; the others wait for their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppd.core.federation.contract import Pair

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall

__all__ = ["Attempts"]

#: Each costs some memory, which the garbage collector looks through again and again, and perhaps a socket.
_MOST = 500
_A_TURN = 16  # that are begun in one turn of the reactor


class Attempts:
    """Lets attempts begin.

    :param begin: begins one; told whether it has waited too long for that to be of use. :meth:`ended` has to follow.
    :ivar patience: seconds that one may wait.
    """

    def __init__(self, clock: IClock, begin: Callable[[Pair, bool], None]) -> None:
        self._clock = clock
        self._begin = begin
        self._waiting: deque[tuple[Pair, float]] = deque()
        self._begun = 0
        self._turn: IDelayedCall | None = None
        self.patience = 60.0

    def begin(self, pair: Pair) -> None:
        """Begin an attempt for a pair, now or when it is its turn."""
        if self._waiting or self._begun >= _MOST:
            self._waiting.append((pair, self._clock.seconds()))
        else:
            self._begun += 1
            self._begin(pair, False)

    def ended(self) -> None:
        """An attempt has ended, whatever has come of it."""
        self._begun -= 1
        if self._waiting and self._turn is None:
            self._turn = self._clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        latest = self._clock.seconds() - self.patience
        for _ in range(min(_A_TURN, _MOST - self._begun, len(self._waiting))):
            pair, since = self._waiting.popleft()
            self._begun += 1
            self._begin(pair, since < latest)
        if self._waiting and self._begun < _MOST and self._turn is None:
            self._turn = self._clock.callLater(0, self._go_on)

    def stop(self) -> None:
        """Begin nothing more."""
        self._waiting.clear()
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
