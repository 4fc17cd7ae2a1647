"""Routes whose stanzas have waited long enough. Their stanzas come back some at a time.

What was sent to thousands of domains at once is due at once; others are not to wait until all of it is dealt with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock
    from xmppd.core.federation.route import Route

__all__ = ["Late"]

#: Routes in one turn of the reactor.
_A_TURN = 20


class Late:
    """The routes that are due.

    :param give_back: sends back what waits for one.
    """

    def __init__(self, clock: IClock, give_back: Callable[[Route], None]) -> None:
        self._clock = clock
        self._give_back = give_back
        self._due: deque[Route] = deque()

    def add(self, route: Route) -> None:
        """What waits for a route has waited long enough, whatever is still being tried."""
        route.deadline = None
        self._due.append(route)
        if len(self._due) == 1:
            self._clock.callLater(0, self._some)

    def _some(self) -> None:
        for _ in range(min(_A_TURN, len(self._due))):
            route = self._due.popleft()
            if route.conduit is None and route.deadline is None:
                self._give_back(route)
        if self._due:
            self._clock.callLater(0, self._some)

    def clear(self) -> None:
        """Send back nothing more."""
        self._due.clear()
