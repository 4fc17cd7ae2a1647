"""Something that has to happen in time: a timer that costs next to nothing each time the time begins anew."""

from __future__ import annotations

from xmppd.api.interfaces import IClock, IDelayedCall

__all__ = ["Timed"]


class Timed:
    """Has :meth:`expired` called when a deadline has passed. To set another one, mostly later, only stores a number;
    the timer looks when it goes off."""

    __slots__ = ("_clock", "_deadline", "_due", "_timer")

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._deadline = self._due = 0.0  # 0: none
        self._timer: IDelayedCall | None = None

    def expired(self) -> None:
        """The time is over; to be overridden."""
        raise NotImplementedError

    def watch(self, seconds: float) -> None:
        """Something has to happen within so many seconds."""
        self._deadline = deadline = self._clock.seconds() + seconds
        if self._timer is not None:
            if self._due <= deadline:
                return
            self._timer.cancel()
        self._due = deadline
        self._timer = self._clock.callLater(seconds, self._look)

    def rest(self) -> None:
        """Nothing has to happen."""
        self._deadline = 0.0

    def unwatch(self) -> None:
        """Nothing will happen any more."""
        self._deadline = 0.0
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if not self._deadline:
            return
        left = self._deadline - self._clock.seconds()
        if left > 0:
            self._due = self._deadline
            self._timer = self._clock.callLater(left, self._look)
        else:
            self.expired()
