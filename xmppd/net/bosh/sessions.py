"""All BOSH sessions: how they begin, what they may be like, and when they are looked at (XEP-0124 section 7).

Time costs next to nothing: sessions are filed by the second in which something could have to be done, and a request
that puts that off changes nothing. There is one call for all of them while there are any.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from xmppd.core.settings.bosh import Bosh
from xmppd.net.bosh.session import Address, BoshSession
from xmppd.net.bosh.stream import BoshStream
from xmppd.net.bosh.window import Request, Terms, Window
from xmppd.wire.bosh import MOST_RID, VERSION, BindingError, Body, number, write_attributes
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.escape import escape_text

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.http.exchange import Exchange

__all__ = ["XML", "BoshSessions", "rid_of"]

_log = Logger()
#: The media type of answers unless a client wants another one.
XML = b"text/xml; charset=utf-8"
#: RFC 9110 section 8.3.1; what a client names goes into the head of answers.
_MEDIA_TYPE = re.compile(
    r"[\w!#$&^.+-]{1,64}/[\w!#$&^.+-]{1,64}(?: ?; ?[\w!#$&^.+-]{1,64}=[\w!#$&^.+-]{1,64}){0,4}", re.ASCII
)
_VER = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\Z", re.ASCII)
_SID_OCTETS = 24
#: Seconds between two looks at sessions whose time may have come.
_TICK = 1.0
#: Requests that are held unless a client says how many, and the longest that it can say.
_HOLD, _MOST = 1, 65_535


def rid_of(body: Body) -> int:
    """Return the id of a request (14.1).

    :raises BindingError: `bad-request`: it has none that is one.
    """
    rid = number(body.attributes.get("rid"))
    if not rid or rid > MOST_RID:
        raise BindingError("bad-request", "a request needs an attribute rid, a positive number")
    return rid


class BoshSessions:
    """The sessions there are.

    :param listener: what all clients' streams share.
    :ivar by_sid: by their identifiers.
    """

    def __init__(self, listener: ClientListener) -> None:
        self.listener = listener
        self.clock = listener.clock
        self.by_sid: dict[str, BoshSession] = {}
        self._soon: list[BoshSession] = []
        self._filed: dict[int, set[BoshSession]] = {}
        self._ticking: IDelayedCall | None = None
        self._ticked = 0  # the last second that was looked at

    @property
    def settings(self) -> Bosh:
        """The settings in force."""
        return self.listener.server.settings.bosh

    # New ones

    def create(self, exchange: Exchange, body: Body) -> None:
        """Begin a session, and answer the request that asks for it (7.1, 7.2).

        :raises BindingError: it can't be.
        """
        attributes = body.attributes
        rid = rid_of(body)
        self._check(exchange, attributes)
        self.check_size(body)
        terms = self._terms(attributes)
        media_type = attributes.get("content")
        if media_type is not None and _MEDIA_TYPE.fullmatch(media_type) is None:
            raise BindingError("bad-request", "content has to be a media type")
        now = self.clock.seconds()
        secured = exchange.secure
        window = Window(rid, terms, now)
        window.arrive(Request(rid, body, exchange, now))
        sid = secrets.token_urlsafe(_SID_OCTETS)
        type_ = XML if media_type is None else media_type.encode()
        session = BoshSession(self, sid, window, Address(exchange.peer), type_, "ver" not in attributes, secured)
        session.stream = stream = BoshStream(self.listener, secured)
        self.by_sid[sid] = session
        request = window.take()  # what it says is here
        stream.makeConnection(session)
        if not stream.closing:
            stream.take_header(attributes, restart=False)
        if not stream.closing:
            session.begin(self._answer(session, rid, attributes))
            if body.content:
                stream.take_content(body)
        assert request is not None
        request.body = None
        self.look_by(session, session.next_look(now))
        session.flush()

    def _check(self, exchange: Exchange, attributes: dict[str, str]) -> None:
        """May there be a session with whom it is to, over this connection?"""
        server = self.listener.server
        if self.listener.draining:
            raise BindingError("system-shutdown")
        to = attributes.get("to")
        if to == "":
            raise BindingError("improper-addressing")
        host = server.host_for(to)
        if host is None:
            raise BindingError("host-unknown", f"{to} is not served here")
        if exchange.secure or not self.listener.needs_tls(exchange.peer):
            return
        uri = host.web.bosh
        if uri.startswith("https:"):
            raise BindingError("see-other-uri", content=b"<uri>%b</uri>" % escape_text(uri).encode())
        error = StreamError(StreamCondition.POLICY_VIOLATION, "XMPP over BOSH has to be encrypted here: use https")
        raise BindingError("remote-stream-error", str(error), error.to_bytes())

    def check_size(self, body: Body) -> None:
        """Check a request of a client that has not logged in.

        :raises BindingError: `policy-violation`: it is larger than anything that such a client has to say.
        """
        if len(body.content) > self.listener.limits_before.stanza:
            raise BindingError("policy-violation", "the request is too large for a client that has not logged in")

    def _terms(self, attributes: dict[str, str]) -> Terms:
        settings = self.settings
        wait = _wanted(attributes, "wait", settings.wait_seconds)
        hold = _wanted(attributes, "hold", _HOLD)
        polls = not (wait and hold)
        inactivity, polling = settings.inactivity_seconds, settings.polling_seconds
        if polls:
            inactivity = max(settings.polling_inactivity_seconds, inactivity + polling + 1)
        return Terms(
            wait=min(wait, settings.wait_seconds),
            hold=min(hold, settings.hold),
            polling=polling,
            inactivity=inactivity,
            repeats=settings.repeats,
            acks=number(attributes.get("ack")) is not None,
        )

    def _answer(self, session: BoshSession, rid: int, wanted: dict[str, str]) -> bytes:
        """Return the attributes of the answer that tells of a new session."""
        terms, settings, stream = session.terms, self.settings, session.stream
        assert stream is not None
        version = VERSION
        match = _VER.match(wanted.get("ver", ""))
        if match is not None:
            version = min(version, (int(match[1]), int(match[2])))
        return write_attributes((
            ("sid", session.sid),
            ("wait", terms.wait),
            ("requests", terms.requests),
            ("hold", terms.hold),
            ("inactivity", terms.inactivity),
            ("polling", terms.polling or None),
            ("maxpause", settings.pause_seconds or None),
            ("ver", f"{version[0]}.{version[1]}"),
            ("from", stream.host.jid if stream.host is not None else None),
            ("authid", stream.id),
            ("ack", rid if terms.acks else None),
            ("xmpp:version", "1.0"),
            ("xmpp:restartlogic", "true"),
            ("xmlns:xmpp", "urn:xmpp:xbosh"),
        ))  # fmt: skip

    def remove(self, session: BoshSession) -> None:
        """A session is over."""
        self.by_sid.pop(session.sid, None)
        self._unfile(session)
        if not self.by_sid and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    # Time

    def flush_soon(self, session: BoshSession) -> None:
        """Answer what can be answered when the reactor's turn ends."""
        if not session.soon:
            session.soon = True
            if not self._soon:
                self.clock.callLater(0, self._flush)
            self._soon.append(session)

    def _flush(self) -> None:
        sessions, self._soon = self._soon, []
        for session in sessions:
            session.soon = False
            try:
                session.flush()
            except Exception:
                _log.failure("a session of BOSH could not be answered")  # it is the matter of no other one

    def look_by(self, session: BoshSession, deadline: float) -> None:
        """Look at a session no later than at this time, in seconds; it may be filed for an earlier one."""
        second = int(deadline)
        if session.stream is None or (session.filed and session.filed <= second):
            return
        self._unfile(session)
        session.filed = second
        self._filed.setdefault(second, set()).add(session)
        if self._ticking is None:
            self._ticked = int(self.clock.seconds())
            self._ticking = self.clock.callLater(_TICK, self._tick)

    def _unfile(self, session: BoshSession) -> None:
        filed = self._filed.get(session.filed)
        if filed is not None:
            filed.discard(session)
            if not filed:
                del self._filed[session.filed]
        session.filed = 0

    def _tick(self) -> None:
        now = self.clock.seconds()
        self._ticking = self.clock.callLater(_TICK, self._tick)
        last, self._ticked = self._ticked, int(now)
        for second in range(last, self._ticked + 1):
            for session in self._filed.pop(second, ()):
                session.filed = 0
                try:
                    session.look(now, now + _TICK)
                except Exception:
                    _log.failure("a session of BOSH could not be looked at")
                self.look_by(session, max(session.next_look(now), now + _TICK))


def _wanted(attributes: dict[str, Any], name: str, otherwise: int) -> int:
    """Return a number that a client asks for."""
    if name not in attributes:
        return otherwise
    wanted = number(attributes[name])
    if wanted is None or wanted > _MOST:
        raise BindingError("bad-request", f"{name} has to be a number of at most {_MOST}")
    return wanted
