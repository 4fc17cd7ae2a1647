"""Sessions of our users: to be observed, not decided about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmppd.wire.errors import StreamError
from xmppd.wire.stanza import Presence

if TYPE_CHECKING:
    from xmppd.api.interfaces import ISession

__all__ = [
    "AvailabilityChanged",
    "SessionBound",
    "SessionEnded",
    "SessionHibernates",
    "SessionResumed",
    "StreamUnreadable",
]


@dataclass(slots=True)
class SessionBound:
    """A client bound a resource (RFC 6120 section 7). Nothing has been sent or received on it yet.

    :ivar restored: it is a session from before the server was started, with presence and state; its client may resume
        it. Others know of its presence, so no AvailabilityChanged follows.
    """

    session: ISession
    restored: bool = False


@dataclass(slots=True)
class SessionHibernates:
    """A client has lost its connection, and its session waits to be resumed (XEP-0198 5).

    Those that wait when the server is started are told of by :class:`SessionBound`.
    """

    session: ISession


@dataclass(slots=True)
class SessionResumed:
    """A client has resumed its session on a new connection (XEP-0198 5). What waited for it has been sent."""

    session: ISession


@dataclass(slots=True)
class SessionEnded:
    """The session is gone. If it was available, :class:`AvailabilityChanged` came just before."""

    session: ISession


@dataclass(slots=True)
class AvailabilityChanged:
    """A client sent presence without `to`, or its session ended while it was available (RFC 6121 section 4).

    :ivar presence: the new presence, `from_` is the full address; type is ``available`` or ``unavailable``.
    :ivar previous: the presence before, or None: then this is initial presence.
    """

    session: ISession
    presence: Presence
    previous: Presence | None


@dataclass(slots=True)
class StreamUnreadable:
    """A client has sent, in a session, what is no XML, or more of it than is allowed; its stream ends.

    :ivar error: what it is told, such as ``not-well-formed`` (RFC 6120 4.9.3).
    """

    session: ISession
    error: StreamError
