"""Streams that other servers open to us: header, features, STARTTLS, SASL EXTERNAL, dialback (RFC 6120 section 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xmppd.net.s2s import management, managing
from xmppd.net.s2s.dialback import stream_id
from xmppd.net.s2s.external import External
from xmppd.net.s2s.stream import ServerStream
from xmppd.wire import dialback, ns, stream, stream_limits
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, StreamHeader
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.net.s2s.network import ServerNetwork

__all__ = ["BIDI", "BIDI_FEATURE", "Receiving"]

BIDI = "urn:xmpp:bidi"
BIDI_FEATURE = "urn:xmpp:features:bidi"
_TLS_FIRST = "TLS has to come first here"


class Receiving(ServerStream):
    """A stream that another server has opened.

    :ivar authenticated: the domain that SASL has proven, or "".
    """

    __slots__ = ("_external", "_restarting", "_timeout", "authenticated")
    incoming = True

    def __init__(self, network: ServerNetwork) -> None:
        super().__init__(network)
        self.authenticated = ""
        self._restarting = True  # a header must come next
        self._external = External(self)
        self._timeout: IDelayedCall | None = None

    # The connection

    def begun(self) -> None:
        """See XmlStream."""
        refused = self.network.peers.enter(self.peer)
        if refused is not None:
            self._done = True
            self.close(StreamError(StreamCondition.RESOURCE_CONSTRAINT, refused))
            return
        self.counted = True
        super().begun()
        self._timeout = self.clock.callLater(self.network.settings.negotiation_seconds, self._too_slow)

    def _too_slow(self) -> None:
        if not self.proven:
            text = "no domain was proven in time"
            self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, text))

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        super().let_go(lost)

    def ended(self) -> None:
        """See XmlStream."""
        if self.counted:
            self.counted = False
            self.network.peers.leave(self.peer)
        super().ended()

    def header(self) -> bytes:
        """See XmlStream: any of our domains will do, if the other server named none."""
        return stream.header(stream_id(), self.local or self.network.any_domain(), content=ns.SERVER)

    # What comes

    def take(self, frame: Frame) -> None:
        """See XmlStream."""
        try:
            if isinstance(frame, StreamHeader):
                self._open(frame)
            elif self._restarting:
                raise StreamError(StreamCondition.BAD_FORMAT, "a stream header is expected")
            elif isinstance(frame, Nonza):
                self._nonza(frame)
            else:
                super().take(frame)
        except StreamError as error:
            self.close(error)

    def _nonza(self, nonza: Nonza) -> None:
        namespace = nonza.namespace
        if namespace == ns.DIALBACK:
            self.dialback.receive(nonza)
        elif namespace == management.NS:
            managing.receive(self, nonza)
        elif namespace == ns.SASL:
            self._external.receive(nonza)
        elif namespace == ns.TLS and nonza.name == "starttls":
            self._start_tls()
        elif namespace == BIDI and nonza.name == "bidi":
            self._enable_bidi(nonza)
        else:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{nonza.name}/> is not known here")

    # Header and features

    def _open(self, opened: StreamHeader) -> None:
        """RFC 6120 4.7: answer the header with ours, then features or the error."""
        network = self.network
        self.id = stream_id()
        remote, local = _domain(opened.from_), _domain(opened.to)
        served = bool(local) and network.federation.serves(local)
        old = opened.version is None
        shown = local if served else self.local or network.any_domain()
        version = None if old else "1.0"
        self.write(stream.header(self.id, shown, opened.from_ and remote, None, ns.SERVER, version))
        self.opened = True
        self._check(opened, local, served, remote)
        if self.authenticated and remote != self.authenticated:
            raise StreamError(StreamCondition.INVALID_FROM, "the stream was restarted for another domain")
        self.local, self.remote = local, remote
        self._restarting = False
        self._admit(old)
        if not old:
            self.write(stream.features(self._features()))
        if self.authenticated:
            self.accept(remote, local, "certificate")

    def _check(self, opened: StreamHeader, local: str, served: bool, remote: str) -> None:
        """What a header has to be like (RFC 6120 4.7, 4.9.3); without a version it is one for dialback only."""
        if opened.version is not None or ns.DIALBACK not in opened.declared.values() or opened.content != ns.SERVER:
            stream.check_header(opened, ns.SERVER)
        for name, text, domain in (("to", opened.to, local), ("from", opened.from_, remote)):
            if text and not domain:
                raise StreamError(StreamCondition.IMPROPER_ADDRESSING, f"the stream header's {name} is no domain")
        if not opened.to and opened.version is not None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream header needs an attribute to")
        if opened.to and not served:
            raise StreamError(StreamCondition.HOST_UNKNOWN, f"{local} is not served here")
        if remote and self.network.owns(remote):
            raise StreamError(StreamCondition.INVALID_FROM, f"{remote} is served here")

    def _admit(self, old: bool) -> None:
        """Ask the settings about the other server. :raises StreamError: it is not talked to, or not proven."""
        remote = self.remote
        policy = self.network.policy(remote)
        if remote and policy.blocked:
            raise StreamError(StreamCondition.POLICY_VIOLATION, f"{remote} is not talked to here")
        if old and not self.encrypted_enough:
            raise StreamError(StreamCondition.UNSUPPORTED_VERSION, "TLS is required here, which needs version 1.0")
        proof = self.proof(remote) if remote else None
        if policy.certificate_only and proof is not None and not proof.proven:
            text = f"a certificate for {remote} is required, but {proof.reason}"
            raise StreamError(StreamCondition.NOT_AUTHORIZED, text)

    def _features(self) -> list[bytes]:
        network = self.network
        offered = []
        if self.tls is None and network.tls is not None:
            offered.append(tag("starttls", tag("required") if not self.encrypted_enough else None, xmlns=ns.TLS))
        if self.encrypted_enough:
            proof = self.proof(self.remote) if self.remote and not self.authenticated else None
            if proof is not None and proof.proven:
                offered.append(tag("mechanisms", tag("mechanism", "EXTERNAL"), xmlns=ns.SASL))
            else:
                # It makes sense where stanzas may come next (XEP-0198 2); after SASL there are new features.
                offered.append(management.FEATURE)
            offered.append(dialback.FEATURE)
        if not self.authenticated and not self.bidi:
            offered.append(tag("bidi", xmlns=BIDI_FEATURE))
        octets = network.limits_after.stanza if self.authenticated else self.framer.limits.stanza
        offered.append(stream_limits.feature(octets, network.settings.idle_seconds))
        return offered

    # STARTTLS, bidi

    def _start_tls(self) -> None:
        """RFC 6120 5.4.2. What came in the same packet behind the request was not encrypted, and is thrown away."""
        tls = self.network.tls
        if self.tls is not None or tls is None or self.proven:
            self.write(tag("failure", xmlns=ns.TLS))
            self.close()
            return
        self.write(tag("proceed", xmlns=ns.TLS))
        self.bidi, self.most_octets = False, 0  # whoever has asked for that (5.4.3.3)
        self.restart()
        tls.start_receiving(self, self.network.host_of(self.local) if self.local else None)

    def _enable_bidi(self, nonza: Nonza) -> None:
        """XEP-0288 section 2: after TLS, before a domain is proven."""
        if not self.encrypted_enough or self.proven or self.authenticated:
            reason = _TLS_FIRST if not self.encrypted_enough else "bidi comes before authentication"
            raise StreamError(StreamCondition.POLICY_VIOLATION, reason)
        self.bidi = True
        self.most_octets = stream_limits.read(nonza.elements)

    @property
    def shareable(self) -> bool:
        """See ServerStream: with bidi, "the receiving server MAY initiate Server Dialback" (XEP-0288 2)."""
        return self.bidi and not self.closing

    def restart(self) -> None:
        """A new stream begins on the same connection (RFC 6120 4.3.3)."""
        network = self.network
        self.opened, self.id = False, ""
        self._restarting = True
        self.framer = Framer(network.limits_after if self.authenticated else network.limits_before, network.parsers)


def _domain(text: str | None) -> str:
    """Return a domain of a stream header as we write it, or "" if it is none."""
    try:
        jid = Jid.parse(text or "")
    except JidError:
        return ""
    return "" if jid.local or jid.resource else str(jid)
