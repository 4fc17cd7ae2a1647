"""How fast messages are sent: so many in a second, and slower as soon as somebody says that it is too much."""

from __future__ import annotations

from twisted.internet.defer import Deferred, DeferredLock

from xmppd.api import IClock

__all__ = ["Pace", "sleep"]


async def sleep(clock: IClock, seconds: float) -> None:
    """Wait; it can be cancelled."""
    call = None

    def cancel(_: Deferred[None]) -> None:
        if call is not None:
            call.cancel()

    over: Deferred[None] = Deferred(cancel)
    call = clock.callLater(seconds, over.callback, None)
    await over


class Pace:
    """Turns at equal distances.

    :param rate: in a second.
    :param pause: seconds without turns after the first complaint; twice as many after each further one.
    :param longest: seconds of such a pause at most.
    """

    def __init__(self, clock: IClock, rate: float, pause: float, longest: float) -> None:
        self._clock = clock
        self._distance = 1 / rate
        self._first = self._pause = pause
        self._longest = longest
        self._next = self._until = 0.0
        self._queue = DeferredLock()

    async def turn(self) -> None:
        """Wait for a turn; whoever came first has the first."""
        await self._queue.acquire()
        try:
            while (wait := self._next - self._clock.seconds()) > 0:
                await sleep(self._clock, wait)
            self._next = self._clock.seconds() + self._distance
        finally:
            self._queue.release()

    def throttled(self) -> float:
        """Somebody complains: begin a pause for everybody, and return how many seconds it takes.

        What was under way by then is complained of as well, which doesn't make the pause longer.
        """
        now = self._clock.seconds()
        if now >= self._until:
            self._until = now + self._pause
            self._pause = min(self._longest, self._pause * 2)
        self._next = max(self._next, self._until)
        return self._until - now

    def eased(self) -> None:
        """Nobody complains any more."""
        if self._clock.seconds() >= self._until:
            self._pause = self._first
