"""Leave that was taken of somebody on another server, and may not have arrived there.

It is only known after a while that a server can't be reached, and what was sent to it is lost with the connection
then. So those who left lately are remembered, and longer if their server can't be reached.
"""

from __future__ import annotations

from collections import deque

from xmppd.api import Jid

__all__ = ["Departures"]

#: Seconds for which it may be on its way before anybody says that the server can't be reached.
_ON_ITS_WAY = 300.0
#: Who has left (a full address), and who was to be told.
Leave = tuple[Jid, Jid]


class Departures:
    """Who has left, by the domain that was to be told.

    :ivar most: how many are remembered.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._recent: deque[tuple[float, Leave]] = deque()
        self._untold: dict[str, dict[Leave, None]] = {}
        self._count = 0  # of those untold

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._recent) + self._count

    def add(self, now: float, who: Jid, recipient: Jid) -> None:
        """A device has taken leave of somebody. `now` in seconds."""
        self._forget(now)
        while self._recent and len(self) >= self.most:
            self._recent.popleft()
        if len(self) < self.most:
            untold = self._untold.get(recipient.domain)
            if untold is None:
                self._recent.append((now, (who, recipient)))
            elif (who, recipient) not in untold:
                untold[who, recipient] = None
                self._count += 1

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _ON_ITS_WAY:
            self._recent.popleft()

    def lost(self, now: float, domain: str) -> None:
        """A domain can't be reached: keep those it has to be told of until it can."""
        self._forget(now)
        if domain not in self._untold:
            untold = self._untold[domain] = dict.fromkeys(self._take_recent(domain))
            self._count += len(untold)

    def take(self, now: float, domain: str) -> list[Leave]:
        """A domain can be reached: return whom it may not have been told of."""
        self._forget(now)
        untold = self._untold.pop(domain, {})
        self._count -= len(untold)
        return list({**untold, **dict.fromkeys(self._take_recent(domain))})

    def _take_recent(self, domain: str) -> list[Leave]:
        found = [leave for _, leave in self._recent if leave[1].domain == domain]
        if found:
            self._recent = deque(entry for entry in self._recent if entry[1][1].domain != domain)
        return found
