"""Sessions: the bound resources of our users (RFC 6120 section 7), and the directory that finds them.

A session outlives nothing by itself: it ends with its stream. It takes one stanza at a time, so order holds even when a
handler has to wait, and only its own stanzas wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.events.stanzas import ToDevice
from xmppd.api.waiting import as_deferred
from xmppd.core.dispatch import decide
from xmppd.core.limits import TokenBucket
from xmppd.wire.errors import StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Presence, Stanza

if TYPE_CHECKING:
    from xmppd.core.hosts import Host

__all__ = ["Directory", "Output", "Session"]

_log = Logger()
_NONE: Mapping[str, Session] = {}


class Output(Protocol):
    """What a session needs of its stream."""

    @property
    def peer(self) -> str: ...
    @property
    def secured(self) -> bool: ...
    @property
    def confidential(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    def close(self, error: StreamError | None = None) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Session:
    """A bound resource. See :class:`xmppd.api.ISession` for what plugins may use.

    :ivar presence: the last available presence it broadcast, or None.
    :ivar priority: of that presence.
    :ivar received: stanzas that the client has sent.
    :ivar sent: stanzas that were written to it.
    """

    __slots__ = (
        "__weakref__", "_inbox", "_pauses", "_then", "account", "active_at", "bound_at", "bucket", "host", "jid",
        "presence", "priority", "received", "sent", "stream",
    )  # fmt: skip

    def __init__(self, host: Host, jid: Jid, stream: Output, bucket: TokenBucket) -> None:
        self.host = host
        self.jid = jid
        self.account = jid.bare
        self.stream: Output | None = stream
        self.bucket = bucket
        self.presence: Presence | None = None
        self.priority = 0
        self.bound_at = self.active_at = host.clock.seconds()
        self.received = self.sent = 0
        self._inbox: deque[Stanza] | None = None  # exists while a stanza is being waited for
        self._pauses = False
        self._then: Callable[[Session], None] | None = None

    @property
    def peer(self) -> str:
        """The client's network address."""
        return self.stream.peer if self.stream else ""

    @property
    def secured(self) -> bool:
        """Is its stream encrypted?"""
        return self.stream is not None and self.stream.secured

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it?"""
        return self.stream is not None and self.stream.confidential

    # In

    def receive(self, stanza: Stanza) -> None:
        """Take the next stanza of the client, its `from_` stamped; one after the other."""
        self.received += 1
        inbox = self._inbox
        if inbox is not None:
            if isinstance(stanza, Iq) and self._answers(stanza):
                return
            inbox.append(stanza)
            if len(inbox) >= self.host.limits.input_queue_stanzas and not self._pauses and self.stream:
                self._pauses = True
                self.stream.pause()
            return
        pending = self.host.from_client(stanza, self)
        if pending is not None:
            self._inbox = deque()
            as_deferred(pending).addBoth(self._proceed)

    def _answers(self, iq: Iq) -> bool:
        """Is it the answer to a request of the server? What is being waited for may wait for just that."""
        return not iq.answerable and iq.to == self.host.jid and self.host.server.requests.answered(iq)

    def _proceed(self, outcome: object) -> None:
        """What was waited for is done: go on with those that came meanwhile."""
        if isinstance(outcome, Failure):
            _log.failure("a stanza of {jid} could not be handled", failure=outcome, jid=self.jid)
        inbox = self._inbox
        assert inbox is not None
        while inbox:
            pending = self._next(inbox.popleft())
            if pending is not None:
                deferred = as_deferred(pending)
                if not deferred.called or deferred.paused:
                    deferred.addBoth(self._proceed)
                    return
                deferred.addErrback(lambda f: _log.failure("a stanza of {jid} failed", failure=f, jid=self.jid))
        self._inbox = None
        then, self._then = self._then, None
        if then is not None:
            then(self)
        if self._pauses:
            self._pauses = False
            if self.stream:
                self.stream.resume()

    def _next(self, stanza: Stanza) -> Awaitable[None] | None:
        try:
            return self.host.from_client(stanza, self)
        except Exception:
            _log.failure("a stanza of {jid} could not be handled", jid=self.jid)
            return None

    def abandon(self) -> None:
        """Do nothing more of what the client has sent, but for what is under way: it is no longer entitled to it."""
        if self._inbox is not None:
            self._inbox.clear()

    def when_idle(self, done: Callable[[Session], None]) -> None:
        """Call `done` as soon as what the client has sent is handled; at once if nothing is left."""
        if self._inbox is None:
            done(self)
        else:
            self._then = done

    # Out

    def send(self, stanza: Stanza) -> Awaitable[None] | None:
        """Write a stanza to the device, past the ToDevice filters."""
        filters = self.host.tables.to_device.get(stanza.kind)
        if filters:
            event = ToDevice(stanza, self)
            verdict = decide(filters, event)
            if verdict is not None or event.also:
                return self.host.finish(event, verdict, self._write)
            stanza = event.stanza
        stream = self.stream
        if stream is not None:
            self.sent += 1
            stream.write(stanza.to_bytes())
        return None

    def _write(self, stanza: Stanza) -> None:
        if self.stream is not None:
            self.sent += 1
            self.stream.write(stanza.to_bytes())

    def close(self, error: StreamError | None = None) -> None:
        """End the session."""
        if self.stream is not None:
            self.stream.close(error)

    def __repr__(self) -> str:
        return f"<Session {self.jid}>"


class Directory:
    """All sessions of the server. Entries of other nodes would be entered here as well: nothing else holds sessions."""

    def __init__(self) -> None:
        self.by_jid: dict[Jid, Session] = {}
        self.by_account: dict[Jid, dict[str, Session]] = {}
        self._ended = [0, 0]  # stanzas received and sent by sessions that are gone

    def stanzas(self) -> tuple[int, int]:
        """How many stanzas clients have sent and were sent since the server was started."""
        received, sent = self._ended
        for session in self.by_jid.values():
            received += session.received
            sent += session.sent
        return received, sent

    def add(self, session: Session) -> None:
        """Enter a session whose full address is free."""
        self.by_jid[session.jid] = session
        self.by_account.setdefault(session.account, {})[session.jid.resource] = session

    def remove(self, session: Session) -> None:
        """Take a session out, unless its address has been taken over by another."""
        if self.by_jid.get(session.jid) is session:
            del self.by_jid[session.jid]
            self._ended[0] += session.received
            self._ended[1] += session.sent
            resources = self.by_account[session.account]
            del resources[session.jid.resource]
            if not resources:
                del self.by_account[session.account]

    def of(self, account: Jid) -> Mapping[str, Session]:
        """The sessions of an account by resource; empty if there is none."""
        return self.by_account.get(account, _NONE)

    def on(self, host: Jid) -> Iterable[Session]:
        """The sessions of a host."""
        return [session for session in self.by_jid.values() if session.host.jid == host]
