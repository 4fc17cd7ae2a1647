"""Who was available when the server was killed, without a session that can be resumed.

Others still believe they are there: sessions that were restored, rooms, contacts on other servers. So that a client is
available is written down, and to whom else it has said so; and when the server is started again, they are told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from xmppd.api.events.sessions import AvailabilityChanged, SessionEnded
from xmppd.api.waiting import settled
from xmppd.core.durable import journal
from xmppd.core.durable.journal import Recorded
from xmppd.wire.stanza import Presence

if TYPE_CHECKING:
    from xmppd.core.durable.ledger import Ledger
    from xmppd.core.durable.units import Batch
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session

__all__ = ["Ghost", "lay_to_rest"]


class Ghost:
    """What is written down of a session without stream management. Implements Recorder of :mod:`.units`.

    :param found: what was written down of a session that is gone; it stays so until all are told.
    """

    __slots__ = ("_found", "available", "ledger", "number", "session", "since")

    def __init__(self, session: Session, ledger: Ledger, number: int, found: dict[str, Any] | None = None) -> None:
        self._found = found
        self.session = session
        self.ledger = ledger
        self.number = number
        self.since = 0
        self.available = False

    def write_down(self) -> None:
        """Write down how the session is now."""
        self.available = self.session.presence is not None
        self.ledger.entry(self, journal.state(self.number, self.session.describe()))

    def record(self) -> bytes:
        """See :class:`xmppd.core.durable.units.Recorder`."""
        return journal.record(self.number, Recorded(self._found or self.session.describe()))

    def count(self, batch: Batch) -> bytes:
        """See :class:`xmppd.core.durable.units.Recorder`; nothing of it is counted."""
        return b""


async def lay_to_rest(server: Server, ghosts: deque[tuple[int, Session]]) -> None:
    """Tell that these are gone, one after the other, so that nobody waits for it; but for those who are back.

    Sessions with stream management that can't be resumed are among them: what they have left is sent on.
    """
    while ghosts:
        number, session = ghosts.popleft()
        if session.jid not in server.directory.by_jid:
            host, previous = session.host, session.presence
            session.presence = None
            if previous is not None:
                unavailable = Presence(from_=session.jid, type="unavailable")
                await settled(host.notify(AvailabilityChanged(session, unavailable, previous)))
            await settled(host.notify(SessionEnded(session)))
        if session.managed is None:
            ghost, session.ghost = session.ghost, None
            if ghost is not None:
                server.ledger.end(ghost, journal.ended(number))
        else:
            await server.bury(session)
        turn: Deferred[None] = Deferred()
        server.clock.callLater(0, turn.callback, None)
        await turn
