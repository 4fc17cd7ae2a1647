"""Another domain, as far as it can be reached: the same for all of our domains."""

from __future__ import annotations

from collections import Counter

from xmppd.core.federation.contract import LinkFailure
from xmppd.core.federation.route import Route

__all__ = ["Remote"]


class Remote:
    """What is known of a domain of another server.

    :ivar routes: to it, by domain of ours.
    :ivar failures: how often it was given up in a row.
    :ivar failure: why, the last time.
    :ivar refused_until: before then, in seconds since the epoch, it is not tried again.
    :ivar shaken: was a connection lost, and none has been made since?
    :ivar lost: has everybody been told that it can't be reached?
    :ivar trail: the steps of the last attempt to reach it, in plain words.
    :ivar received: stanzas that came from it, while it is remembered.
    :ivar outcomes: attempts to reach it, by how they ended.
    """

    __slots__ = (
        "domain", "failure", "failures", "lost", "outcomes", "received", "refused_until", "routes", "shaken", "trail",
    )  # fmt: skip

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.routes: dict[str, Route] = {}
        self.failures = 0
        self.failure: LinkFailure | None = None
        self.refused_until = 0.0
        self.shaken = False
        self.lost = False
        self.trail: tuple[str, ...] = ()
        self.received = 0
        self.outcomes: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Can something be sent to it at this moment?"""
        return any(route.conduit is not None for route in self.routes.values())

    def given_up(self, failure: LinkFailure, now: float, first: float, most: float) -> None:
        """Remember that it can't be reached, and for how long that is believed.

        :param first: seconds after the first failure in a row.
        :param most: seconds at most.
        """
        self.refused_until = now + min(most, first * 2 ** min(self.failures, 30))
        self.failures += 1
        self.failure = failure

    def found(self) -> bool:
        """It is connected; return whether it had been lost."""
        again = self.shaken or self.lost
        self.failures, self.failure, self.refused_until = 0, None, 0.0
        self.shaken = self.lost = False
        return again
