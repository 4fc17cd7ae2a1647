"""Streams between servers that go on after their connection was lost (XEP-0198 section 5).

Either side may make the new connection, since either may have something to send. What both keep meanwhile is in memory:
a server that was restarted knows nothing of it, and says so.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from xmppd.core.federation.contract import Pair
from xmppd.net.s2s.management import Acknowledged, Acknowledging

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall
    from xmppd.net.s2s.network import ServerNetwork
    from xmppd.net.s2s.stream import ServerStream

__all__ = ["Session", "Sessions", "new_id"]

#: Seconds that a session lasts longer while the other server is being asked to resume it.
_A_MOMENT = 1.0


class Session:
    """What survives a connection.

    :ivar id: which both sides know it by.
    :ivar pair: of the header of the stream.
    :ivar bidi: do stanzas flow in both directions?
    :ivar ours: have we made the last connection?
    :ivar stream: the stream, or None while there is none.
    :ivar asking: is it on its way to be resumed on a connection of ours?
    :ivar going_on: is it about to go on, on a connection of the other side's?
    :ivar proven: see ServerStream. :ivar sending: see there.
    """

    def __init__(self, id: str, stream: ServerStream, acknowledging: Acknowledging, acknowledged: Acknowledged) -> None:
        self.id = id
        self.pair = Pair(stream.local, stream.remote)
        self.bidi = stream.bidi
        self.ours = not stream.incoming
        self.stream: ServerStream | None = stream
        self.asking = False
        self.going_on = False
        self._waiting: list[Deferred[None]] = []
        self.acknowledging = acknowledging
        self.acknowledged = acknowledged
        self.proven: set[tuple[str, str]] = set()
        self.sending: set[Pair] = set()
        self.expiry: IDelayedCall | None = None

    def fits(self, stream: ServerStream) -> bool:
        """Can it be resumed on this stream, which has proven the same domains?"""
        if self.bidi != stream.bidi or self.stream is stream:
            return False
        return (self.pair.remote, self.pair.local) in stream.proven or self.pair in stream.sending

    async def decided(self, seconds: float, clock: IClock) -> None:
        """Wait until it goes on, can't do so, or is ended; at most for so many seconds."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        late = clock.callLater(seconds, self.decide)
        await waiting
        if late.active():
            late.cancel()

    def decide(self) -> None:
        """Nobody needs to wait any more."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)


class Sessions:
    """All that can be resumed."""

    def __init__(self, network: ServerNetwork) -> None:
        self._network = network
        self._by_id: dict[tuple[Pair, str], Session] = {}  # each server makes up its ids by itself
        self._held: dict[Pair, list[Session]] = {}  # those without a connection, by all pairs that they carried
        self._lost: dict[Session, None] = {}  # those that wait, the oldest first

    def add(self, session: Session) -> None:
        """A stream can be resumed from now on, should its connection be lost."""
        self._by_id[session.pair, session.id] = session

    def get(self, pair: Pair, id: str) -> Session | None:
        """Return the session of that id, of streams between two domains."""
        return self._by_id.get((pair, id))

    def held(self, pair: Pair) -> Session | None:
        """Return a session that carried stanzas of a pair, and has no connection now; one that owes some, if any does.

        There is more than one if both sides have made a connection at the same time.
        """
        sessions = self._held.get(pair, ())
        return next((session for session in sessions if session.acknowledged), sessions[0] if sessions else None)

    def owes(self, pair: Pair) -> bool:
        """Are there stanzas of a pair that may have to be sent again before others are sent?"""
        held = self.held(pair)
        return held is not None and bool(held.acknowledged)

    def lost(self, session: Session) -> None:
        """The connection of a session is lost: it waits, but not for ever, and not if too many do."""
        session.stream = None
        session.asking = session.going_on = False
        session.acknowledged.keep()
        self._hold(session)
        self._expire_in(session, self._network.settings.resume_seconds)
        self._lost[session] = None
        if len(self._lost) > self._network.settings.connections:
            self.end(next(one for one in self._lost if not one.asking))
        session.decide()

    def _expire_in(self, session: Session, seconds: float) -> None:
        session.expiry = self._network.clock.callLater(seconds, self._expire, session)

    def _expire(self, session: Session) -> None:
        """The time is over; but what we ask the other server for, it may just be granting."""
        if session.asking:
            self._expire_in(session, _A_MOMENT)
        else:
            self.end(session)

    def take(self, session: Session, stream: ServerStream) -> None:
        """A session goes on, on a stream."""
        self._release(session)
        session.stream, session.ours = stream, not stream.incoming
        session.asking = session.going_on = False
        session.acknowledging.stream = session.acknowledged.stream = stream
        stream.session, stream.acknowledging, stream.acknowledged = session, session.acknowledging, session.acknowledged
        session.decide()

    def end(self, session: Session) -> None:
        """A session will not be resumed: what was not acknowledged goes back."""
        self._release(session)
        if self._by_id.get((session.pair, session.id)) is session:
            del self._by_id[session.pair, session.id]
        session.acknowledged.give_up(self._network.draining)
        session.decide()

    def claim(self, session: Session) -> None:
        """Somebody sees to it that a session goes on. Until it does, nothing of its pairs may be sent elsewhere."""
        self._hold(session)
        session.going_on = True

    def _hold(self, session: Session) -> None:
        self._release(session)
        for pair in {session.pair, *session.sending}:
            self._held.setdefault(pair, []).append(session)

    def _release(self, session: Session) -> None:
        self._lost.pop(session, None)
        for pair in {session.pair, *session.sending}:
            sessions = self._held.get(pair, [])
            if session in sessions:
                sessions.remove(session)
                if not sessions:
                    del self._held[pair]
        if session.expiry is not None and session.expiry.active():
            session.expiry.cancel()
        session.expiry = None

    def stop(self) -> None:
        """End all that have no connection."""
        for session in {session for sessions in self._held.values() for session in sessions}:
            self.end(session)


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_urlsafe(18)
