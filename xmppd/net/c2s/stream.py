"""Clients' streams: bytes in and out, back-pressure, limits, the end (RFC 6120 section 4).

Until a resource is bound a stream has a :class:`~xmppd.net.c2s.negotiation.Negotiation`; after that stanzas go straight
to the :class:`~xmppd.core.sessions.Session`, which is the hot path of the server.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from twisted.logger import Logger

from xmppd.api.events.sessions import StreamUnreadable
from xmppd.api.limits import TokenBucket
from xmppd.api.waiting import settled
from xmppd.net.c2s import entering, management
from xmppd.net.c2s.negotiation import Negotiation
from xmppd.net.stream import FAREWELL, XmlStream
from xmppd.wire import ns, stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, IFramer, Malformed
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import SEPARATOR, tag

if TYPE_CHECKING:
    from xmppd.core.durable.managed import Managed
    from xmppd.core.hosts import Host
    from xmppd.core.sessions import Session
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.tls.transport import ServerTls

__all__ = ["ClientStream"]

_log = Logger()
_STANZAS = frozenset((Message, Presence, Iq))
#: Stream errors after which the client may resume its session.
_NOT_THE_CLIENTS_FAULT = (StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.CONNECTION_TIMEOUT, StreamCondition.RESET)


class ClientStream(XmlStream):
    """One client's connection. Implements :class:`xmppd.api.IStream`."""

    __slots__ = (
        "_bucket", "_counted", "abrupt", "account", "host", "id", "lang", "listener", "negotiation", "resumable",
        "session",
    )  # fmt: skip

    def __init__(self, listener: ClientListener) -> None:
        self.listener = listener
        self.account: Jid | None = None
        super().__init__(listener.clock, self.new_framer(), listener.limits.output_queue_octets)
        self.id = ""
        self.lang: str | None = None
        self.host: Host | None = None
        self.session: Session | None = None
        self.negotiation: Negotiation | None = None
        self.abrupt = False  # our closing tag is left out, unless the client has sent its own
        self.resumable = True  # whoever logged in can do so again
        self._bucket: TokenBucket | None = None
        self._counted = False

    #: What carries streams of this kind.
    over: ClassVar[str] = "TCP"

    @property
    def secured(self) -> bool:
        """Is the connection encrypted?"""
        return self.tls is not None

    #: Is a client told that it has to start TLS, if it has?
    says_required: ClassVar[bool] = True

    @property
    def needs_tls(self) -> bool:
        """Must the stream be encrypted before anything else? (RFC 6120 5.3.1)"""
        return not self.secured and self.listener.needs_tls(self.peer)

    def host_named(self, domain: str | None) -> Host | None:
        """Return the host that a header is to; the first one if it names none."""
        return self.listener.server.host_for(domain)

    def begin_tls(self, tls: ServerTls, host: Host) -> None:
        """Begin encryption: the client expects it now."""
        tls.start(self, host.jid.domain)

    @property
    def can_start_tls(self) -> bool:
        """Can encryption begin on the connection now (RFC 6120 section 5)?"""
        return self.tls is None and self.listener.tls is not None

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it? Over loopback the settings can allow it without encryption."""
        plain = self.listener.server.settings.server.plain_without_tls
        return self.secured or (plain and self.peer in self.listener.loopback)

    # The connection

    def begun(self) -> None:
        """See XmlStream."""
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

    def ended(self) -> None:
        """See XmlStream."""
        if self._counted:
            self._counted = False
            self.listener.peers.leave(self.peer)
        self.listener.left(self)

    def let_go(self, lost: bool) -> None:
        """See XmlStream. If the connection is lost, the session may wait to be resumed."""
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

    # Logging in by a plugin

    @property
    def sasl_failed(self) -> bool:
        """See IStream."""
        return self.negotiation is not None and self.negotiation.login is not None and self.negotiation.login.refused

    def allow(self, seconds: float) -> None:
        """See IStream."""
        self.heard = True  # it isn't read while it waits
        if self.negotiation is not None:
            self.negotiation.allow(seconds)

    async def prove(self, account: Jid, check: Callable[[], Awaitable[bool]], how: str) -> None:
        """See IStream."""
        await entering.prove(self, account, check, how)

    async def enter(self, account: Jid, resource: str, welcome: Callable[[Jid], Iq], abrupt: bool = False) -> None:
        """See IStream."""
        self.abrupt = self.abrupt or abrupt
        await entering.enter(self, account, resource, welcome)

    # In

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol. Once a resource is bound, a stanza takes the short way through here."""
        self.heard = True
        if self._closing:
            self.listen_for_end(data)
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
                    self.listen_for_end(data)
                return  # what came behind is not to be believed (RFC 6120 5.4.3.3, 6.4.6)
        self._limit_rate(len(data), len(frames), session)

    def take(self, frame: Frame) -> None:
        """Take a frame that is not on the short way."""
        if self.negotiation is not None:
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

    def peer_closed(self) -> None:
        """RFC 6120 4.4: finish what the client has asked for, then close our side as well."""
        session = self.session
        if session is None:
            self.close()
        else:
            self.close_within(FAREWELL)
            session.when_idle(
                lambda session: self.close() if session.managed is None else self._acknowledge(session.managed)
            )

    def _acknowledge(self, managed: Managed) -> None:
        """Before the stream is closed: tell the client what is on disk of what it has sent."""
        settled = self.listener.server.ledger.settled()
        settled.addCallback(lambda _: managed.answer()).addCallback(lambda _: self.close())

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
        self.framer = self.new_framer()

    def new_framer(self) -> IFramer:
        """Return what splits the stream that begins now."""
        listener = self.listener
        return Framer(listener.limits_after if self.account else listener.limits_before, listener.parsers)

    def header(self) -> bytes:
        """See XmlStream: any of our hosts will do, if the client named none."""
        host = self.host or self.listener.server.host_for(None)
        return self.header_for(secrets.token_urlsafe(12), str(host.jid) if host else "", None, None)

    def header_for(self, stream_id: str, from_: str, to: str | None, lang: str | None) -> bytes:
        """Return our header, which answers the client's; see :func:`xmppd.wire.stream.header`."""
        return stream.header(stream_id, from_, to, lang)

    def unreadable(self, error: StreamError) -> None:
        """See XmlStream. Plugins are told of who has sent it."""
        session = self.session
        if session is not None and session.host.observed(StreamUnreadable):
            work = settled(session.host.notify(StreamUnreadable(session, error)))
            session.host.spawn(work, f"telling that {session.jid} has sent what can't be read")
        self.close(error)

    def last_words(self, error: StreamError | None) -> list[bytes]:
        """See XmlStream. Old clients take the closing tag for a wish of theirs, and don't connect again."""
        words = super().last_words(error)
        return words[:-1] if self.abrupt and not self._done else words

    def lost_by(self, error: StreamError | None) -> bool:
        """See XmlStream."""
        return error is not None and error.condition in _NOT_THE_CLIENTS_FAULT

    def ping(self) -> None:
        """Ask a silent client whether it is there (XEP-0199).

        What is written here is counted by nobody, which is right for a session without stream management only.
        """
        if self.session is not None and self.session.managed is not None:
            self.session.managed.ask()  # XEP-0198 1: by acknowledgements, too
        elif self.session is not None and self.host is not None:
            iq = Iq(self.session.jid, self.host.jid, f"ping-{secrets.token_hex(4)}", "get")
            self.write(iq.with_payload(tag("ping", xmlns=ns.PING)).to_bytes())

    def who(self) -> str:
        """See XmlStream."""
        return str(self.session.jid if self.session else self.account or "a client")


def _same(text: str, session: Session) -> bool:
    """Is that the address of the session, or of its account?"""
    try:
        return Jid.parse(text) in (session.jid, session.account)
    except JidError:
        return False
