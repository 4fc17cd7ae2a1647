"""Other domains, as far as they can be reached: the same for all of our domains."""

from __future__ import annotations

from collections import Counter

from xmppd.core.federation.contract import LinkFailure, Pair
from xmppd.core.federation.route import Route

__all__ = ["Remote", "Remotes"]

#: Domains above which those are forgotten that nothing is going on with.
_REMEMBERED = 10_000


class Remote:
    """What is known of a domain of another server.

    :ivar routes: to it, by domain of ours.
    :ivar reached: was it connected, in whatever direction, and has nobody been told otherwise since?
    :ivar shaken: was a connection lost, and none has been made since?
    :ivar lost: has everybody been told that it can't be reached, or presence for it been dropped?
    :ivar trail: the steps of the last attempt to reach it, in plain words.
    :ivar received: stanzas that came from it, while it is remembered.
    :ivar outcomes: attempts to reach it, by how they ended.
    """

    __slots__ = ("domain", "lost", "outcomes", "reached", "received", "routes", "shaken", "trail")

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.routes: dict[str, Route] = {}
        self.reached = False
        self.shaken = False
        self.lost = False
        self.trail: tuple[str, ...] | list[str] = ()
        self.received = 0
        self.outcomes: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Can something be sent to it at this moment?"""
        return any(route.conduit is not None for route in self.routes.values())

    @property
    def failure(self) -> LinkFailure | None:
        """Why it could not be reached the last time; None if it could."""
        return next((route.failure for route in self.routes.values() if route.failure is not None), None)

    @property
    def busy(self) -> bool:
        """Is something going on with it?"""
        return any(route.conduit or route.busy or route.connecting or route.again for route in self.routes.values())

    def found(self) -> bool:
        """It is connected; return whether something may have been missed since it last was."""
        again = self.shaken or self.lost
        self.reached = True
        self.shaken = self.lost = False
        return again

    def loses(self) -> bool:
        """It can't be reached; return whether that has to be told."""
        if not (self.reached or self.shaken) or self.connected:
            return False
        self.reached = self.shaken = False
        self.lost = True
        return True


class Remotes(dict[str, Remote]):
    """The domains that something is known of.

    :param most: how many are remembered that nothing is going on with.
    """

    def __init__(self, most: int = _REMEMBERED) -> None:
        super().__init__()
        self._most = most
        self._full_at = most

    def make(self, domain: str) -> Remote:
        """Return what is known of a domain, from now on at least."""
        remote = self.get(domain)
        if remote is None:
            if len(self) >= self._full_at:
                self._forget()
            remote = self[domain] = Remote(domain)
        return remote

    def route(self, pair: Pair) -> Route | None:
        """Return the route of a pair, if there is one."""
        remote = self.get(pair.remote)
        return None if remote is None else remote.routes.get(pair.local)

    def routes(self) -> list[Route]:
        """Return all routes."""
        return [route for remote in self.values() for route in remote.routes.values()]

    def _forget(self) -> None:
        """Make room: the first to go are those of which nobody waits to hear that they are back, then the oldest."""
        idle = [remote for remote in self.values() if not remote.busy]
        idle.sort(key=lambda remote: remote.lost)
        room = len(self) - self._most * 9 // 10
        for remote in idle[:room]:
            del self[remote.domain]
        # However many are busy, they are not all looked at for each new one.
        self._full_at = max(self._most, len(self) + self._most // 10)
