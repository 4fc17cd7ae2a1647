"""How late timers are: the one figure that shows whether the reactor's thread is overloaded, or blocked."""

from __future__ import annotations

from xmppd.api.interfaces import IClock, IDelayedCall
from xmppd.core.histogram import Histogram

__all__ = ["Lateness"]

_EVERY = 1.0  # seconds


class Lateness:
    """Measures once a second by how much a timer is late, from `start` to `stop`.

    :ivar seconds: what was measured.
    """

    def __init__(self, clock: IClock) -> None:
        self.seconds = Histogram()
        self._clock = clock
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock.seconds() + _EVERY
        self._call = self._clock.callLater(_EVERY, self._measure)

    def stop(self) -> None:
        """Measure no more; does nothing if it hasn't begun."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _measure(self) -> None:
        # A system clock that is set back makes no timer early.
        self.seconds.observe(max(0.0, self._clock.seconds() - self._due))
        self.start()
