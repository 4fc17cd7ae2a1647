"""Clients' streams: bytes in and out, back-pressure, limits, the end (RFC 6120 section 4).

Until a resource is bound a stream has a :class:`~xmppd.net.c2s.negotiation.Negotiation`; after that stanzas go straight
to the :class:`~xmppd.core.sessions.Session`, which is the hot path of the server.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from xmppd.core.limits import TokenBucket
from xmppd.net.c2s import management
from xmppd.net.c2s.negotiation import Negotiation
from xmppd.net.outgoing import Outgoing
from xmppd.net.peers import address_of
from xmppd.wire import ns, stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, Malformed, StreamEnd
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import SEPARATOR, tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.durable.managed import Managed
    from xmppd.core.hosts import Host
    from xmppd.core.sessions import Session
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.tls.transport import TlsInfo

__all__ = ["ClientStream"]

_log = Logger()
_STANZAS = frozenset((Message, Presence, Iq))
#: Seconds a peer gets to take the last bytes and close its side before the connection is cut; and seconds that what a
#: client has asked for may take once it has closed its side.
_FAREWELL = 5.0
#: Stream errors after which the client may resume its session.
_NOT_THE_CLIENTS_FAULT = (StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.CONNECTION_TIMEOUT, StreamCondition.RESET)


@implementer(IProtocol, IPushProducer)
class ClientStream(Outgoing):
    """One client's connection. Implements :class:`xmppd.api.IStream`.

    :ivar peer: the client's network address.
    :ivar tls: what TLS says of the connection, or None while it is not encrypted.
    :ivar heard: has anything come since the listener looked last?
    :ivar idle: how many times in a row the listener looked and nothing had come.
    """

    __slots__ = (
        "_bucket", "_counted", "_done", "_farewell", "_paused", "account",
        "framer", "heard", "host", "id", "idle", "lang", "listener", "negotiation", "opened", "peer", "resumable",
        "session", "tls",
    )  # fmt: skip

    def __init__(self, listener: ClientListener) -> None:
        super().__init__(listener.limits.output_queue_octets)
        self.listener = listener
        self.framer = Framer(listener.limits_before, listener.parsers)
        self.peer = ""
        self.id = ""
        self.lang: str | None = None
        self.host: Host | None = None
        self.tls: TlsInfo | None = None
        self.account: Jid | None = None
        self.session: Session | None = None
        self.negotiation: Negotiation | None = None
        self.resumable = True  # whoever logged in can do so again
        self.opened = False  # our header is sent
        self.heard = False
        self.idle = 0
        self._bucket: TokenBucket | None = None
        self._done = False  # nothing is expected from the client any more
        self._counted = False
        self._farewell: IDelayedCall | None = None
        self._paused: set[str] | None = None  # why nothing is read

    @property
    def secured(self) -> bool:
        """Is the connection encrypted?"""
        return self.tls is not None

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it? Over loopback the settings can allow it without encryption."""
        plain = self.listener.server.settings.server.plain_without_tls
        return self.tls is not None or (plain and self.peer in self.listener.loopback)

    # The connection

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self.transport = transport
        self.peer = address_of(transport.getPeer())
        transport.registerProducer(self, True)
        listener = self.listener
        refused = listener.peers.enter(self.peer)
        if refused is not None:
            self._done = True
            self.close(StreamError(StreamCondition.RESOURCE_CONSTRAINT, refused))
            return
        self._counted = True
        limits = listener.limits
        if self.peer not in listener.exempt:
            seconds = listener.clock.seconds
            self._bucket = TokenBucket(limits.octets_per_second, limits.octets_burst, seconds)
        listener.streams.add(self)
        self.negotiation = Negotiation(self)

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._closing = True
        self._no_farewell()
        if self._counted:
            self._counted = False
            self.listener.peers.leave(self.peer)
        self._let_go(lost=True)
        self._out = None
        self.transport = None
        self.listener.left(self)

    def _no_farewell(self) -> None:
        farewell, self._farewell = self._farewell, None
        if farewell is not None and farewell.active():
            farewell.cancel()

    def _let_go(self, lost: bool) -> None:
        """The client will not send any more: end what depends on it.

        :param lost: is it because the connection is lost? Then the session may wait to be resumed.
        """
        negotiation, self.negotiation = self.negotiation, None
        if negotiation is not None:
            negotiation.stop()
        session, self.session = self.session, None
        if session is not None and not (lost and self.listener.server.management.lose(session)):
            session.when_idle(self.listener.unbind)

    def begin_session(self, session: Session) -> None:
        """A resource is bound, or a session resumed; from now on the connection is read without delay."""
        self.session = session
        promote = getattr(self.transport, "promote", None)
        if promote is not None:
            promote()

    def release_session(self) -> None:
        """The session goes on over another connection."""
        self.session = None

    # In

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol. Once a resource is bound, a stanza takes the short way through here."""
        self.heard = True
        if self._closing:
            self._listen_for_end(data)
            return
        session = self.session
        framer = self.framer
        frames = framer.feed(data)
        for frame in frames:
            if session is not None and frame.__class__ in _STANZAS:
                from_ = frame.from_
                if from_ is None or from_ == session.jid or from_ == session.account:
                    frame.from_ = session.jid
                    session.receive(frame)
                else:
                    self.close(StreamError(StreamCondition.INVALID_FROM))  # RFC 6120 8.1.2.1
            else:
                self.receive(frame)
                session = self.session
            if self._closing or self.framer is not framer:
                if self._closing:
                    self._listen_for_end(data)
                return  # what came behind is not to be believed (RFC 6120 5.4.3.3, 6.4.6)
        self._limit_rate(len(data), len(frames), session)

    def receive(self, frame: Frame) -> None:
        """Take a frame that is not on the short way."""
        if self._closing:
            return
        if isinstance(frame, StreamError):
            self.close(frame)
        elif isinstance(frame, Nonza) and (frame.namespace, frame.name) == (ns.STREAM, "error"):
            self.close()  # the client has seen an error of ours: nothing to add (RFC 6120 4.9.1.1)
        elif isinstance(frame, StreamEnd):
            self._done = True
            self._client_has_closed()
        elif self.negotiation is not None:
            self.negotiation.receive(frame)
        elif self.session is not None:
            self._receive_in_session(frame, self.session)

    def _receive_in_session(self, frame: Frame, session: Session) -> None:
        if isinstance(frame, Malformed):
            if frame.from_ and not _same(frame.from_, session):
                self.close(StreamError(StreamCondition.INVALID_FROM))
            else:
                session.receive(frame)
        elif isinstance(frame, Nonza):
            if frame.namespace == management.NS:
                management.receive(self, session, frame)
            else:
                session.receive(frame)
        elif isinstance(frame, Stanza):
            self._waited(frame, session)

    def _client_has_closed(self) -> None:
        """RFC 6120 4.4: finish what the client has asked for, then close our side as well."""
        session = self.session
        if session is None:
            self.close()
        else:
            self._farewell = self.listener.clock.callLater(_FAREWELL, self.close)
            session.when_idle(
                lambda session: self.close() if session.managed is None else self._acknowledge(session.managed)
            )

    def _acknowledge(self, managed: Managed) -> None:
        """Before the stream is closed: tell the client what is on disk of what it has sent."""
        settled = self.listener.server.ledger.settled()
        settled.addCallback(lambda _: managed.answer()).addCallback(lambda _: self.close())

    def _listen_for_end(self, data: bytes) -> None:
        """Our side is closed: take no notice of what comes, but of the client's closing tag."""
        if stream.END in data and not self._done:
            self._done = True
            if self._out is None and self.transport is not None:
                self.transport.loseConnection()

    def _waited(self, stanza: Stanza, session: Session) -> None:
        """Take a stanza that waited while the resource was being bound."""
        if stanza.from_ not in (None, session.jid, session.account):
            self.close(StreamError(StreamCondition.INVALID_FROM))
            return
        stanza.from_ = session.jid
        session.receive(stanza)

    # What the session hands back when it is its turn

    def handle_malformed(self, frame: Malformed) -> None:
        """Answer a stanza to something that is no address (RFC 6120 8.3.3.8)."""
        session = self.session
        if session is not None and frame.stanza.answerable:
            stanza = frame.stanza.readdressed(from_=session.jid)
            session.send(stanza.error(frame.error).readdressed(from_=session.host.jid))

    def handle_nonza(self, nonza: Nonza) -> None:
        """Do what a nonza asks for: of stream management, or of a plugin."""
        if nonza.namespace != management.NS:
            self.plugin_nonza(nonza)
        elif self.session is not None:
            management.enable(self, self.session, nonza)

    def plugin_nonza(self, nonza: Nonza) -> None:
        """Give a nonza to the plugin that handles it (XEP-0360)."""
        assert self.host is not None
        handler = self.host.tables.nonzas.get(f"{nonza.namespace}{SEPARATOR}{nonza.name}")
        if handler is None:
            self.close(StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{nonza.name}/> is not known here"))
            return
        try:
            answer = handler(nonza, self)
        except StreamError as error:
            self.close(error)
        except Exception:
            _log.failure("plugin {name} failed on <{nonza}/>", name=handler.plugin.name, nonza=nonza.name)
            self.close(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
        else:
            if answer is not None:
                self.write(answer)

    def _limit_rate(self, octets: int, stanzas: int, session: Session | None) -> None:
        bucket = self._bucket
        if bucket is None:
            return
        wait = bucket.take(octets)
        if session is not None and stanzas:
            wait = max(wait, session.bucket.take(stanzas))
        if wait:
            self.pause("rate")
            self.listener.clock.callLater(wait, self.resume, "rate")

    def restart(self) -> None:
        """A new stream begins on the same connection (RFC 6120 4.3.3)."""
        self.opened = False
        listener = self.listener
        self.framer = Framer(listener.limits_after if self.account else listener.limits_before, listener.parsers)

    # Back-pressure: reading

    def pause(self, why: str = "inbox") -> None:
        """Read nothing from the client until every reason to pause is gone."""
        if self._paused is None:
            self._paused = set()
        if not self._paused and self.transport is not None:
            self.transport.pauseProducing()
        self._paused.add(why)

    def resume(self, why: str = "inbox") -> None:
        """Take back a reason to pause."""
        if self._paused:
            self._paused.discard(why)
            if not self._paused and self.transport is not None and not self._closing:
                self.transport.resumeProducing()

    def overflowed(self) -> None:
        """See Outgoing."""
        _log.info("{jid} ({peer}) does not take what is sent to it; closing", jid=self._who(), peer=self.peer)
        self.abort()

    def written(self) -> None:
        """See Outgoing."""
        if self._closing:
            self._part()

    # The end

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream: an error if there is one, the closing tag, then the connection (RFC 6120 4.4, 4.9.1).

        Only our direction of the connection ends until the client has closed its side too, or :data:`_FAREWELL` is
        over: to close it altogether while the client is still sending would make its system throw our last words away.
        """
        if self._closing:
            return
        data = b"" if error is None else error.to_bytes()
        if not self.opened:
            host = self.host or self.listener.server.host_for(None)
            data = stream.header(secrets.token_urlsafe(12), str(host.jid) if host else "") + data
        self.write(data + stream.END)
        self._closing = True
        self._no_farewell()
        if error is not None:
            _log.debug("closing the stream of {jid} ({peer}): {error}", jid=self._who(), peer=self.peer, error=error)
        self._let_go(lost=error is not None and error.condition in _NOT_THE_CLIENTS_FAULT)
        if self.transport is not None:
            if self._out is None:
                self._part()
            self._farewell = self.listener.clock.callLater(_FAREWELL, self.abort)

    def _part(self) -> None:
        """All is written: end the connection, or what of it is ours."""
        if self._done:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            if self._paused:
                self._paused.clear()
                self.transport.resumeProducing()

    def wait_no_longer(self) -> None:
        """End the connection as soon as all is written, whether the client has closed its side or not."""
        self._done = True
        if self._closing and self._out is None and self.transport is not None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._closing = True
        if self.transport is not None:
            self.transport.abortConnection()

    def ping(self) -> None:
        """Ask a silent client whether it is there (XEP-0199).

        What is written here is counted by nobody, which is right for a session without stream management only.
        """
        if self.session is not None and self.session.managed is not None:
            self.session.managed.ask()  # XEP-0198 1: by acknowledgements, too
        elif self.session is not None and self.host is not None:
            iq = Iq(self.session.jid, self.host.jid, f"ping-{secrets.token_hex(4)}", "get")
            self.write(iq.with_payload(tag("ping", xmlns=ns.PING)).to_bytes())

    def _who(self) -> str:
        return str(self.session.jid if self.session else self.account or "a client")


def _same(text: str, session: Session) -> bool:
    """Is that the address of the session, or of its account?"""
    try:
        return Jid.parse(text) in (session.jid, session.account)
    except JidError:
        return False
