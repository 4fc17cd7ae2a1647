"""Sessions that outlive their streams (XEP-0198 section 5): enabled, lost, resumed, expired, restored after a crash."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api.events.sessions import SessionBound, SessionHibernates, SessionResumed
from xmppd.api.waiting import settled
from xmppd.core.durable import journal, tables
from xmppd.core.durable.frozen import read_stanza
from xmppd.core.durable.ghosts import Ghost, lay_to_rest
from xmppd.core.durable.journal import Recorded
from xmppd.core.durable.managed import NS, Managed
from xmppd.core.durable.units import Spread
from xmppd.core.lru import Lru
from xmppd.core.sessions import Output, Session
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.server import Server

__all__ = ["Management", "ResumeFailed"]

_log = Logger()
#: Seconds between two looks at acknowledgements that are owed, and at sessions whose time is over.
_LOOK = 1.0
#: Of how many sessions that are gone is remembered how many stanzas were handled (section 5, "timed out").
_REMEMBERED = 10_000


class ResumeFailed(Exception):
    """A session can't be resumed: the condition, and how many of the client's stanzas were handled if that is known."""

    def __init__(self, condition: Condition, handled: int | None = None) -> None:
        super().__init__(condition.value)
        self.condition = condition
        self.handled = handled


class _NotServed(ValueError):
    """A session of a host that is not in the settings."""


class Management:
    """All sessions with stream management."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._by_id: dict[str, Managed] = {}
        self._last = 0  # the greatest number of a session
        self._gone: Lru[str, tuple[Jid, int | None]] = Lru(_REMEMBERED)  # accounts, and what is handled if it is known
        self._looking: IDelayedCall | None = None
        self._resuming: dict[Managed, object] = {}  # with the stream that came last

    def start(self) -> None:
        """Begin to look after sessions."""
        self._looking = self._server.clock.callLater(_LOOK, self._look)

    def stop(self) -> None:
        """Look after them no longer."""
        if self._looking is not None and self._looking.active():
            self._looking.cancel()

    def sessions(self) -> Iterable[Session]:
        """The sessions with stream management."""
        return [managed.session for managed in self._by_id.values()]

    # Enabling

    def enable(self, session: Session, resume: bool, seconds: int | None) -> bytes:
        """Begin to count (section 3). Return what tells the client so, when it is written down: with the batch of now.

        :param resume: does the client want to be able to resume the session?
        :param seconds: for how long at most, if it says so.
        """
        options = self._server.settings.stream_management
        self._forget_ghost(session)
        self._server.ledger.used = True
        self._last += 1
        managed = Managed(session, self._server.ledger, options, self._last, secrets.token_urlsafe(16))
        managed.window = min(options.hibernation_seconds, options.hibernation_seconds if seconds is None else seconds)
        managed.resumable = resume and managed.window > 0
        if managed.resumable:
            enabled = tag(
                "enabled", xmlns=NS, id=managed.id, resume="true", max=int(managed.window) or 1,
                location=options.location or None,
            )  # fmt: skip
        else:
            enabled = tag("enabled", xmlns=NS)
        session.managed = managed
        self._by_id[managed.id] = managed
        managed.write_down()
        for key, stanza in session.held_back().items():
            self._server.ledger.entry(managed, journal.held(managed.number, key, stanza.to_bytes()))
        return enabled

    def ghost(self, session: Session) -> Ghost:
        """Begin to write down whether a session without stream management is available."""
        self._last += 1
        ghost = Ghost(session, self._server.ledger, self._last)
        ghost.write_down()
        return ghost

    def _forget_ghost(self, session: Session) -> None:
        ghost, session.ghost = session.ghost, None
        if ghost is not None:
            self._server.ledger.end(ghost, journal.ended(ghost.number))

    # Losing and resuming

    def lose(self, session: Session) -> bool:
        """The connection is lost; false if that is the end of the session."""
        managed = session.managed
        if managed is None or not managed.resumable or session.jid not in self._server.directory.by_jid:
            return False
        session.stream = None
        managed.lost_at = session.active_at = self._server.clock.seconds()
        pending = session.host.notify(SessionHibernates(session))
        if pending is not None:
            session.host.spawn(settled(pending), f"telling that {session.jid} has lost its connection")
        return True

    async def resume(self, account: Jid, id: str, h: int, stream: Output) -> Session:
        """Go on with a session on a new stream (section 5).

        :param account: who has logged in on it.
        :param id: what the client calls the session.
        :param h: how many stanzas of the server the client has.
        :raises ResumeFailed: it can't be resumed. :raises StreamError: the client has more than it was sent.
        """
        managed = self._by_id.get(id)
        if managed is None or managed.session.account != account or not managed.resumable:
            handled = await self._handled(account, id)
            never = handled is None and not self._server.settings.stream_management.hibernation_seconds
            raise ResumeFailed(Condition.FEATURE_NOT_IMPLEMENTED if never else Condition.ITEM_NOT_FOUND, handled)
        session = managed.session
        self._resuming[managed] = stream
        old, session.stream = session.stream, None
        if old is not None:
            managed.lost_at = self._server.clock.seconds()
            old.release_session()
            old.close(StreamError(StreamCondition.CONFLICT, "the session goes on over another connection"))
        # What is not handled of the old stream is sent again on the new one.
        session.abandon()
        await _idle(session)
        while not managed.settled:
            await self._server.ledger.settled()
        if self._resuming.get(managed) is not stream:
            raise ResumeFailed(Condition.UNEXPECTED_REQUEST)
        del self._resuming[managed]
        if managed.id not in self._by_id or managed.knows_more_than(h):  # what it lacks is not there any more
            raise ResumeFailed(Condition.ITEM_NOT_FOUND, managed.promised)
        managed.take(h)
        session.stream = stream
        session.active_at = self._server.clock.seconds()
        return session

    async def _handled(self, account: Jid, id: str) -> int | None:
        """Return how many stanzas were handled of a client whose session is gone, as soon as that is on disk."""
        gone = self._gone.get(id)
        if gone is None or gone[0] != account or gone[1] is None:
            return None
        await self._server.ledger.settled()
        return gone[1]

    def welcome(self, session: Session, around: Callable[[bytes], bytes] = bytes) -> None:
        """Tell the client that its session goes on, and send again what it has not got.

        :param around: puts something around what tells it.
        """
        managed = session.managed
        assert managed is not None and session.stream is not None
        managed.resumed(around(tag("resumed", xmlns=NS, previd=managed.id, h=managed.promised)))
        pending = session.host.notify(SessionResumed(session))
        if pending is not None:
            session.host.spawn(settled(pending), f"telling that {session.jid} is resumed")
        session.release()  # what was held back by a plugin that is gone

    # The end

    def forget(self, session: Session) -> None:
        """The session has ended, and nobody finds it any more."""
        self._forget_ghost(session)
        managed = session.managed
        if managed is not None:
            del self._by_id[managed.id]
            self._gone.put(managed.id, (session.account, None))
            session.when_idle(lambda session: self._gone.put(managed.id, (session.account, managed.counted)))
            managed.lose()

    def _look(self) -> None:
        server = self._server
        now = server.clock.seconds()
        total = 0
        for managed in list(self._by_id.values()):
            session = managed.session
            total += managed.octets
            if session.stream is None:
                if now - managed.lost_at >= managed.window and managed not in self._resuming:
                    _log.debug("{jid} was not resumed in time", jid=session.jid)
                    server.end(session)
            elif not managed.look(now):
                _log.debug("{jid} does not acknowledge; its connection is taken for lost", jid=session.jid)
                session.stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "no acknowledgement came"))
        if total > server.settings.stream_management.total_octets:
            self._make_room(total - server.settings.stream_management.total_octets)
        server.ledger.look()
        self._looking = server.clock.callLater(_LOOK, self._look)

    def _make_room(self, octets: int) -> None:
        """End sessions that wait to be resumed, until their queues have had so many octets."""
        lost = [managed for managed in self._by_id.values() if managed.session.stream is None]
        for managed in sorted(lost, key=lambda managed: -managed.octets):
            if octets <= 0:
                return
            octets -= managed.octets
            _log.info("{jid} ends: too much waits for all sessions together", jid=managed.session.jid)
            self._server.end(managed.session)

    # After a crash

    async def restore(self) -> None:
        """Bring back the sessions that were written down when the server ended.

        Those that can't be resumed end: what is left in their queues goes elsewhere, and who saw them is told. Those of
        hosts that are not served stay as they are: it may be by mistake, and messages are in them.
        """
        server = self._server
        read, last, octets = await server.db.read(tables.read_journal)
        server.ledger.begin_at(last, octets)
        self._last = read.last
        spreads: dict[int, Spread] = {}
        back: list[Session] = []
        ghosts: deque[tuple[int, Session]] = deque()
        for number, recorded in read.sessions.items():
            try:
                session = self._described(recorded)
                if "id" in recorded.state and self._restore(session, number, recorded, spreads):
                    back.append(session)
                else:
                    if session.managed is None:
                        session.ghost = Ghost(session, server.ledger, number, recorded.state)
                        server.ledger.known(session.ghost)
                    ghosts.append((number, session))
            except _NotServed as error:
                _log.warn("a session is put aside: {reason}", reason=str(error))
                server.ledger.put_aside(number, journal.record(number, recorded))
            except (ValueError, KeyError) as error:
                _log.warn("a session is not restored: {reason}", reason=str(error))
                server.ledger.drop(number, journal.ended(number))
        for session in back:
            await settled(session.host.notify(SessionBound(session, restored=True)))
        if self._by_id:
            _log.info("{count} sessions wait to be resumed", count=len(self._by_id))
        server.spawn(lay_to_rest(server, ghosts), "telling who is gone since the server ended")

    def _described(self, recorded: Recorded) -> Session:
        """Return the session that was written down. :raises ValueError, KeyError: it can't be restored."""
        server, described = self._server, recorded.state
        jid = Jid.parse(described["jid"])
        host = server.hosts.get(jid.domain)
        if host is None:
            raise _NotServed(f"the host of {jid} is not served any more")
        session = Session(host, jid, None, server.bucket(jid.bare))
        held = {key: read_stanza(data) for key, data in recorded.held.items()}
        presence = read_stanza(described["presence"].encode()) if described["presence"] else None
        session.restore(described, held, presence if isinstance(presence, Presence) else None)
        return session

    def _restore(self, session: Session, number: int, recorded: Recorded, spreads: dict[int, Spread]) -> bool:
        """Let a session wait to be resumed; false if it can't be. :raises KeyError: something is missing."""
        server, described = self._server, recorded.state
        managed = Managed(session, server.ledger, server.settings.stream_management, number, described["id"])
        managed.resumable, managed.window = described["resumable"], described["window"]
        managed.lost_at = server.clock.seconds()
        managed.restore(recorded, spreads)
        session.managed = managed
        server.ledger.known(managed)
        if not managed.resumable or session.jid in server.directory.by_jid:
            session.ended = True
            self._gone.put(managed.id, (session.account, managed.promised))
            return False
        self._by_id[managed.id] = managed
        server.directory.add(session)
        return True


async def _idle(session: Session) -> None:
    waiting: Deferred[Session] = Deferred()
    session.when_idle(waiting.callback)
    await waiting
