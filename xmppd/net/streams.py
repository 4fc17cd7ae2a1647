"""The streams of one kind of port, as far as they end together, and what each may cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from xmppd.api.interfaces import IClock
from xmppd.core.settings import Limits
from xmppd.net.stream import XmlStream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Limits as WireLimits

__all__ = ["Streams", "wire_limits"]

S = TypeVar("S", bound=XmlStream)
#: Seconds that the other ends get to close their side when the server stops.
_PATIENCE = 1.0


class Streams(Generic[S]):
    """The streams that are there."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._streams: set[S] = set()
        self._drained: Deferred[None] | None = None

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._streams))

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: S) -> None:
        """There is one more."""
        self._streams.add(stream)

    def discard(self, stream: S) -> None:
        """One's connection is gone."""
        self._streams.discard(stream)
        if not self._streams and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)

    async def drain(self, seconds: float) -> None:
        """Close every stream with system-shutdown and wait until all are gone, but no longer than `seconds`."""
        for stream in self:
            stream.close(StreamError(StreamCondition.SYSTEM_SHUTDOWN))
        if not self._streams:
            return
        drained = self._drained = Deferred()
        calls = (self._clock.callLater(_PATIENCE, self._wait_no_longer), self._clock.callLater(seconds, self._cut_off))
        await drained
        for call in calls:
            if call.active():
                call.cancel()

    def _wait_no_longer(self) -> None:
        for stream in self:
            stream.wait_no_longer()

    def _cut_off(self) -> None:
        for stream in self:
            stream.abort()


def wire_limits(limits: Limits, stanza: int) -> WireLimits:
    """Return what one stream may cost.

    :param stanza: the largest stanza, in octets.
    """
    return WireLimits(
        stanza=stanza,
        header=limits.stream_header_octets,
        depth=limits.element_depth,
        attributes=limits.element_attributes,
        children=limits.stanza_children,
    )
