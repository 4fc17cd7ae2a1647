"""Stanzas against the direction in which a connection was made (XEP-0288), put off until they can go without loss.

What goes before the other side has asked for stream management would be lost with the connection, and nobody told. And
if others were sent on a connection that was lost, they may be sent again on this one; they come first (XEP-0198 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.core.federation.contract import Pair

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["Postponed"]

#: Seconds after which a server whose stream can be resumed is not expected to do so any more.
_RESUMES_WITHIN = 5.0
#: Seconds after which one that has proven its domain, and sends nothing, is not expected to ask for stream management
#: any more. It may be long until it knows what to ask for: its disk may have to catch up.
_MANAGES_WITHIN = 30.0


class Postponed:
    """Pairs of domains that a stream may carry, but not yet."""

    __slots__ = ("_due", "_pairs", "_stream", "_waiting")

    def __init__(self, stream: ServerStream) -> None:
        self._stream = stream
        self._pairs: list[Pair] = []
        self._due: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    def __bool__(self) -> bool:
        """Is anything put off?"""
        return bool(self._pairs)

    def __contains__(self, pair: Pair) -> bool:
        """Are stanzas of a pair put off?"""
        return pair in self._pairs

    def carry(self, pair: Pair) -> None:
        """Have stanzas of a pair go on the stream, now or as soon as that can be."""
        stream = self._stream
        undecided = stream.incoming and stream.acknowledged is None
        if not undecided and (stream.session is not None or stream.network.sessions.held(pair) is None):
            stream.network.federation.up(pair, stream.conduit)
            return
        self._pairs.append(pair)
        if self._due is None:
            self._release_in(_MANAGES_WITHIN if undecided else _RESUMES_WITHIN)

    def _release_in(self, seconds: float) -> None:
        self._due = self._stream.clock.callLater(seconds, self._release_all)

    def _release_all(self) -> None:
        self._due = None
        self.release(wait=False)

    def release(self, wait: bool = True) -> None:
        """What could be resumed on the stream is; what waited for that can go, unless `wait` and more is owed."""
        stream = self._stream
        pairs = self._pairs
        owed = self._pairs = [pair for pair in pairs if wait and stream.network.sessions.owes(pair)]
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if owed:
            self._release_in(_RESUMES_WITHIN)
        for pair in pairs:
            if pair not in owed and pair in stream.sending:
                stream.network.federation.up(pair, stream.conduit)
        self._tell()

    def forget(self) -> None:
        """The stream is at its end."""
        self._pairs = []
        self.release()

    def released(self) -> Deferred[None]:
        """Return a Deferred that fires when it may be known whether they can go."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)
