"""Which rooms are private: those of members only (XEP-0045 section 6.4). XEP-0492 has other defaults for them."""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet.defer import Deferred

from xmppd.api import IHost, Iq, Jid, StanzaError, tag
from xmppd.wire.disco import INFO

__all__ = ["Rooms"]

_KNOWN_FOR, _UNKNOWN_FOR = 6 * 3600.0, 600.0  # seconds: an answer, and none
_TIMEOUT = 10.0
_PRIVATE = "muc_membersonly"


class Rooms:
    """What rooms say of themselves.

    :param size: how many are remembered.
    """

    def __init__(self, host: IHost, size: int) -> None:
        self._host, self._size = host, size
        self._known: OrderedDict[Jid, tuple[bool, float]] = OrderedDict()
        self._asking: dict[Jid, list[Deferred[None]]] = {}

    def private(self, room: Jid) -> bool | None:
        """Is a room private? None: :meth:`ask` it."""
        known = self._known.get(room)
        if known is None or known[1] < self._host.clock.seconds():
            return None
        return known[0]

    async def ask(self, room: Jid) -> bool:
        """Ask a room, if need be, and return whether it is private; one that doesn't say so is not."""
        while (known := self.private(room)) is None:
            if room in self._asking:
                turn: Deferred[None] = Deferred()
                self._asking[room].append(turn)
                await turn
                continue
            self._asking[room] = []
            try:
                await self._ask(room)
            finally:
                for waiting in self._asking.pop(room):
                    waiting.callback(None)
        return known

    async def _ask(self, room: Jid) -> None:
        try:
            answer = await self._host.request(Iq(room, type="get", payload=tag("query", xmlns=INFO)), _TIMEOUT)
            private = any(
                feature.getAttribute("var") == _PRIVATE
                for query in answer.elements
                for feature in query.elements(INFO, "feature")
            )
            lasts = _KNOWN_FOR
        except StanzaError:
            private, lasts = False, _UNKNOWN_FOR
        self._known[room] = private, self._host.clock.seconds() + lasts
        self._known.move_to_end(room)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
