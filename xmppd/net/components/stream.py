"""Streams of external components (XEP-0114): header, TLS, handshake; then stanzas, in both directions.

TLS is as in XEP-0225: a component that says it speaks XMPP 1.0 is offered STARTTLS, or it connects to a port where TLS
comes first. Those that say nothing, as the XEP has it, get what the XEP has.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.limits import TokenBucket, network_of
from xmppd.net.peers import Networks
from xmppd.net.stream import XmlStream
from xmppd.wire import component, ns, stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, Malformed, StreamHeader
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.rules import fault
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.components.external import External
    from xmppd.core.components.line import Link
    from xmppd.net.components.listener import ComponentListener

__all__ = ["ComponentStream"]

_log = Logger()
_STANZAS = frozenset((Message, Presence, Iq))
_TOO_MANY = "too many handshakes from your address have failed; try again later"


class ComponentStream(XmlStream):
    """One connection of a component. Implements :class:`xmppd.core.components.line.Wire`.

    :ivar external: the component that it says it is.
    :ivar link: the connection as the core knows it, once the handshake is over.
    :ivar id: the id of the stream, which the handshake goes by.
    """

    __slots__ = ("_bucket", "_counted", "_greeted", "_timeout", "domain", "external", "id", "link", "listener")

    def __init__(self, listener: ComponentListener) -> None:
        limits = listener.limits
        super().__init__(listener.clock, Framer(listener.limits_before, listener.parsers), limits.output_queue_octets)
        self.listener = listener
        self.domain = ""
        self.id = ""
        self.external: External | None = None
        self.link: Link | None = None
        self._greeted = False  # its header was found good
        self._counted = False
        self._bucket: TokenBucket | None = None
        self._timeout: IDelayedCall | None = None

    @property
    def secured(self) -> bool:
        """Is the connection encrypted?"""
        return self.tls is not None

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
        listener.streams.add(self)
        self._timeout = listener.clock.callLater(listener.limits.negotiation_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "the handshake took too long"))

    def _in_time(self) -> None:
        timeout, self._timeout = self._timeout, None
        if timeout is not None and timeout.active():
            timeout.cancel()

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        self._in_time()
        link, self.link = self.link, None
        if link is not None and self.external is not None:
            self.external.leave(link)

    def ended(self) -> None:
        """See XmlStream."""
        if self._counted:
            self._counted = False
            self.listener.peers.leave(self.peer)
        self.listener.left(self)

    def header(self) -> bytes:
        """See XmlStream."""
        return component.header(secrets.token_urlsafe(12), self.domain, version=False)

    def who(self) -> str:
        """See XmlStream."""
        return f"component {self.domain}" if self.domain else "a component"

    # In

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol. After the handshake, a stanza takes the short way through here."""
        self.heard = True
        if self._closing:
            self.listen_for_end(data)
            return
        framer = self.framer
        for frame in framer.feed(data):
            if frame.__class__ in _STANZAS and self.link is not None:
                self._take_stanza(frame, self.link)
            else:
                self.receive(frame)
            if self._closing or self.framer is not framer:
                if self._closing:
                    self.listen_for_end(data)
                return  # what came behind is not to be believed (RFC 6120 5.4.3.3)
        if self._bucket is not None:
            wait = self._bucket.take(len(data))
            if wait:
                self.pause("rate")
                self.listener.clock.callLater(wait, self.resume, "rate")

    def _take_stanza(self, stanza: Stanza, link: Link) -> None:
        """XEP-0114 section 3: both addresses have to be there, and `from` has to be in the component's domain."""
        from_, to = stanza.from_, stanza.to
        if from_ is None or to is None:
            missing = "from" if from_ is None else "to"
            self.close(StreamError(StreamCondition.IMPROPER_ADDRESSING, f"a stanza has no '{missing}'"))
        elif from_.domain != self.domain:
            self.close(StreamError(StreamCondition.INVALID_FROM, f"{from_} is not at {self.domain}"))
        else:
            wrong = fault(stanza)
            if wrong is None:
                link.receive(stanza)
            elif stanza.answerable:
                link.send(stanza.error(wrong))

    def take(self, frame: Frame) -> None:
        """See XmlStream."""
        try:
            if self.link is not None:
                self._take_other(frame, self.link)
            elif isinstance(frame, StreamHeader):
                self._open(frame)
            elif not self._greeted:
                raise StreamError(StreamCondition.BAD_FORMAT, "a stream header is expected")
            elif isinstance(frame, Nonza) and (frame.namespace, frame.name) == (ns.TLS, "starttls"):
                self._start_tls()
            elif isinstance(frame, Nonza) and component.is_handshake(frame):
                self._shake_hands(frame)
            else:
                raise StreamError(StreamCondition.NOT_AUTHORIZED, "the handshake comes first")
        except StreamError as error:
            if not self.link:
                self.listener.results[str(error.condition)] += 1
                _log.info("{who} ({peer}) is refused: {error}", who=self.who(), peer=self.peer, error=error)
            self.close(error)

    def _take_other(self, frame: Frame, link: Link) -> None:
        """Take what is no proper stanza."""
        if isinstance(frame, Nonza):
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{frame.name}/> is not known here")
        assert isinstance(frame, Malformed)
        try:
            from_ = Jid.parse(frame.from_ or "")
        except JidError as error:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, f"from: {error}") from None
        if from_.domain != self.domain:
            raise StreamError(StreamCondition.INVALID_FROM, f"{from_} is not at {self.domain}")
        stanza = frame.stanza
        if stanza.answerable:
            # RFC 6120 8.3.3.8. What it was to can't be named as the sender of the error.
            host = self.listener.server.host_for(None)
            answer = stanza.readdressed(from_=from_).error(frame.error)
            link.send(answer if host is None else answer.readdressed(from_=host.jid))

    # The beginning

    def _open(self, opened: StreamHeader) -> None:
        """Answer the header (RFC 6120 4.7): with ours, then with features or the error."""
        listener = self.listener
        external = self.external = listener.find(opened.to)
        self.domain = str(external.jid) if external is not None else opened.to or ""
        self.id = secrets.token_urlsafe(18)
        version = component.speaks_version(opened)
        self.write(component.header(self.id, self.domain, version))
        self.opened = True
        component.check_header(opened)
        settings = self._check(external).settings
        starttls = self.tls is None and listener.tls is not None
        needs_tls = self.tls is None and self.peer not in Networks(settings.plain_networks)
        if needs_tls and not (version and starttls):
            raise StreamError(StreamCondition.POLICY_VIOLATION, "TLS is required")
        self._greeted = True
        if version:
            offer = tag("starttls", tag("required") if needs_tls else None, xmlns=ns.TLS)
            self.write(stream.features([offer] if starttls else []))

    def _check(self, external: External | None) -> External:
        """Return the component if it may connect from here. :raises StreamError: it may not, or there is none."""
        if external is None:
            raise StreamError(StreamCondition.HOST_UNKNOWN, f"there is no component {self.domain or 'without a name'}")
        if self.peer not in Networks(external.settings.addresses):
            raise StreamError(StreamCondition.NOT_AUTHORIZED, f"{self.domain} may not connect from {self.peer}")
        if external.full:
            raise StreamError(StreamCondition.CONFLICT, f"{self.domain} is connected already")
        return external

    def _start_tls(self) -> None:
        """RFC 6120 5.4.2. What came in the same packet behind the request was not encrypted, and is thrown away."""
        listener = self.listener
        if self.tls is not None or listener.tls is None or self.external is None:
            self.write(tag("failure", xmlns=ns.TLS))
            self.close()
            return
        self.write(tag("proceed", xmlns=ns.TLS))
        self.opened = self._greeted = False
        self.framer = Framer(listener.limits_before, listener.parsers)
        host = self.external.hosts[0].jid.domain if self.external.hosts else None
        listener.tls.start(self, host)

    def _shake_hands(self, frame: Nonza) -> None:
        """Check what the component says of the secret."""
        listener = self.listener
        external = self.external = self._check(listener.find(self.domain))  # settings may have changed
        if self.tls is None and self.peer not in Networks(external.settings.plain_networks):
            raise StreamError(StreamCondition.POLICY_VIOLATION, "TLS is required")
        exempt = self.peer in listener.exempt
        now = listener.clock.seconds()
        if not exempt and listener.failures.full(network_of(self.peer), now):
            raise StreamError(StreamCondition.POLICY_VIOLATION, _TOO_MANY)
        if not component.fits(frame, self.id, external.settings.secret):
            listener.failures.add(network_of(self.peer), now)
            self._fail()
            return
        self._in_time()
        listener.results["success"] += 1
        settings = external.settings
        self.limit = settings.output_queue_octets
        self.framer.limits = listener.limits_of(settings)
        if not exempt:
            self._bucket = TokenBucket(settings.octets_per_second, settings.octets_burst, listener.clock.seconds)
        promote = getattr(self.transport, "promote", None)
        if promote is not None:
            promote()
        self.write(component.ACCEPTED)
        self.link = external.enter(self)

    def _fail(self) -> None:
        """Refuse a handshake, after a while: it isn't worth guessing."""
        self.listener.results[str(StreamCondition.NOT_AUTHORIZED)] += 1
        _log.warn("{who} ({peer}) does not know the secret", who=self.who(), peer=self.peer)
        self._in_time()
        self._greeted = False  # nothing else is taken
        self.pause("failed")
        seconds = self.listener.limits.failed_login_delay_seconds
        error = StreamError(StreamCondition.NOT_AUTHORIZED, "the handshake doesn't fit the secret")
        self._timeout = self.listener.clock.callLater(seconds, self.close, error)
