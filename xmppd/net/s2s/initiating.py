"""Streams that we open to other servers: STARTTLS, their certificate, EXTERNAL or dialback (RFC 6120 section 4.3).

Negotiation is one coroutine after the other that waits for the next element: :meth:`Initiating.negotiate` until both
sides know how they talk, then :meth:`Initiating.authenticate` for each pair of domains.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure

from xmppd.core.federation.contract import LinkFailure, Pair
from xmppd.net.s2s import management, managing
from xmppd.net.s2s.external import auth, failure_of
from xmppd.net.s2s.receiving import BIDI, BIDI_FEATURE
from xmppd.net.s2s.refusals import NO_TLS, Redirected, Refused
from xmppd.net.s2s.stream import ServerStream
from xmppd.net.tls.peer import handshake_problem
from xmppd.wire import dialback, ns, stream, stream_limits
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, StreamHeader
from xmppd.wire.stanza import Nonza
from xmppd.wire.xml import Element, tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall
    from xmppd.core.federation.policy import Policy
    from xmppd.net.s2s.network import ServerNetwork

__all__ = ["Initiating"]


class Initiating(ServerStream):
    """A stream that we have opened.

    :ivar policy: how the other server has to be dealt with.
    :ivar trusted: does its certificate prove its domain?
    :ivar features: what it offers, by namespace.
    :ivar direct_tls: does TLS come first?
    :ivar external: is SASL EXTERNAL to be tried?
    :ivar external_failed: why it failed, or "".
    :ivar steps: what was tried, and what came of it.
    """

    __slots__ = (
        "_authenticated", "_frames", "_knows_dialback", "_lock", "_lost", "_managing", "_redirect", "_restarting",
        "_said", "_started", "_timeout", "_waiting", "direct_tls", "external", "external_failed", "features", "policy",
        "steps", "trusted",
    )  # fmt: skip

    def __init__(self, network: ServerNetwork, pair: Pair, policy: Policy, direct_tls: bool) -> None:
        super().__init__(network)
        self.local, self.remote = pair
        self.policy = policy
        self.direct_tls = direct_tls
        self.trusted = False
        self.external = True
        self.steps: list[str] = []
        self.external_failed = ""
        self.features: dict[str, Element] = {}
        self._knows_dialback = False
        self._frames: deque[Frame] = deque()
        self._waiting: Deferred[Frame] | None = None
        self._managing: Deferred[Nonza] | None = None
        self._started: Deferred[None] | None = None  # waits for TLS
        self._lock = DeferredLock()  # one pair after the other
        self._restarting = DeferredLock()  # SASL begins another stream: not while a key is being verified
        self._authenticated = False  # by SASL
        self._said = ""  # why the other server closed the stream
        self._redirect = ""
        self._lost: Failure | None = None
        self._timeout: IDelayedCall | None = None

    # The connection

    def begun(self) -> None:
        """See XmlStream."""
        super().begun()
        self._timeout = self.clock.callLater(self.network.settings.negotiation_seconds, self._too_slow)

    def secured(self) -> None:
        """See Initiator: TLS is there."""
        started, self._started = self._started, None
        if started is not None:
            started.callback(None)

    def _too_slow(self) -> None:
        if not self.sending and not self.dialback.busy:
            self._give_up()

    def _give_up(self) -> None:
        self._said = self._said or "it did not answer in time"
        self.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "negotiation took too long"))

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._lost = reason
        super().connectionLost(reason)

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        self._no_timeout()
        super().let_go(lost)
        waiting, self._waiting = self._waiting, None
        started, self._started = self._started, None
        resuming, self._managing = self._managing, None
        for one in (waiting, started, resuming):
            if one is not None:
                one.errback(self._why())

    def _why(self) -> Exception:
        """Why nothing more will come."""
        if self._redirect:
            return Redirected(self._redirect)
        if self._said:
            return Refused(self._said)
        problem = handshake_problem(self._lost.value) if self._lost is not None and self._lost.value else None
        return Refused(problem or "it closed the connection")

    def peer_failed(self, error: StreamError) -> None:
        """See XmlStream."""
        said = f"{error.condition}: {error.text}" if error.text else str(error.condition.value)
        self._said = f"it closed the stream with {said}"
        if error.condition is StreamCondition.SEE_OTHER_HOST and error.address and not self.sending:
            self._redirect = error.address
        super().peer_failed(error)

    def peer_closed(self) -> None:
        """See XmlStream."""
        self._said = self._said or "it closed the stream"
        super().peer_closed()

    def header(self) -> bytes:
        """See XmlStream: the first to speak are we."""
        return stream.header(None, self.local, self.remote, None, ns.SERVER)

    # What comes

    def take(self, frame: Frame) -> None:
        """See XmlStream."""
        if isinstance(frame, StreamHeader):
            self._told(frame)
        elif isinstance(frame, Nonza):
            self._nonza(frame)
        else:
            super().take(frame)

    def _nonza(self, nonza: Nonza) -> None:
        try:
            if nonza.namespace == ns.DIALBACK:
                self.dialback.receive(nonza)
            elif nonza.namespace == management.NS:
                managing.receive(self, nonza)
            elif nonza.namespace in (ns.STREAM, ns.TLS, ns.SASL):
                self._told(nonza)
            else:
                raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{nonza.name}/> is not known here")
        except StreamError as error:
            self.close(error)

    def _told(self, frame: Frame) -> None:
        """An element of the negotiation has come."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(frame)
        elif len(self._frames) < 4:  # header and features may come while something else is waited for
            self._frames.append(frame)
        else:
            self.close(StreamError(StreamCondition.POLICY_VIOLATION, "nobody has asked for that"))

    async def _next(self) -> Frame:
        if self._frames:
            return self._frames.popleft()
        if self._closing:
            raise self._why()
        self._waiting = Deferred()
        return await self._waiting

    async def _nonza_of(self, namespace: str) -> Nonza:
        frame = await self._next()
        if isinstance(frame, Nonza) and frame.namespace == namespace:
            return frame
        self.close(StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "that is not what comes now"))
        raise Refused("it sent something that does not belong there")

    # Negotiation

    async def negotiate(self) -> None:
        """Open the stream, encrypt it, and look at whose certificate it is.

        :raises Refused: it can't be done. :raises Redirected: the server is somewhere else.
        """
        if self.direct_tls:
            await self._encrypted()
        await self._open()
        if self.tls is None:
            await self._start_tls()
        if self.bidi_offered:
            self.bidi = True
            s2s = self.network.settings
            self.write(
                tag("bidi", stream_limits.feature(self.network.limits_after.stanza, s2s.idle_seconds), xmlns=BIDI)
            )

    async def _open(self) -> None:
        """RFC 6120 4.3.1: our header, then theirs and their features."""
        self.write(self.header())
        self.opened = True
        opened = await self._next()
        if not isinstance(opened, StreamHeader):
            raise self._refuse(StreamCondition.BAD_FORMAT, "it did not begin with a stream header")
        if opened.content != ns.SERVER:
            raise self._refuse(StreamCondition.INVALID_NAMESPACE, "it is no server for other servers")
        if not opened.id:
            raise self._refuse(StreamCondition.BAD_FORMAT, "its stream has no id")
        self.id = opened.id
        self.features = {}
        self._knows_dialback = ns.DIALBACK in opened.declared.values()
        if opened.version is None:
            if not self._knows_dialback:
                raise self._refuse(StreamCondition.UNSUPPORTED_VERSION, "it knows neither XMPP 1.0 nor dialback")
            return
        features = await self._nonza_of(ns.STREAM)
        self.features = {element.uri: element for element in features.elements}
        self.most_octets = stream_limits.read(features.elements) or self.most_octets

    def _refuse(self, condition: StreamCondition, text: str, lasting: bool = False) -> Refused:
        self.close(StreamError(condition, text))
        return Refused(text, lasting)

    async def _start_tls(self) -> None:
        """RFC 6120 5.4."""
        tls = self.network.tls
        policy = self.policy
        needed = policy.certificate_only or (policy.tls_required and not self.network.plain_allowed(self.peer))
        if ns.TLS not in self.features or tls is None:
            if needed:
                raise self._refuse(StreamCondition.POLICY_VIOLATION, NO_TLS, lasting=True)
            return
        self.write(tag("starttls", xmlns=ns.TLS))
        answer = await self._nonza_of(ns.TLS)
        if answer.name != "proceed":
            raise Refused("it refused to begin TLS, though it had offered it")
        self.framer = Framer(self.network.limits_before, self.network.parsers)
        self._frames.clear()
        self.most_octets = 0  # whoever has said that (5.4.3.3)
        tls.start_initiating(self, self.network.host_of(self.local), self.remote)
        await self._encrypted()
        await self._open()

    async def _encrypted(self) -> None:
        """Wait for TLS, and look at the certificate before anything is said."""
        if self.tls is None:
            if self._closing:
                raise self._why()
            self._started = Deferred()
            await self._started
        proof = self.proof(self.remote)
        assert proof is not None
        self.trusted = proof.proven
        self.network.seen_certificate(self, proof)
        if not proof.proven and self.policy.certificate_only:
            self.abort()
            raise Refused(f"{proof.reason}, and only certificates are good enough for {self.remote}", lasting=True)

    async def management_answer(self) -> Nonza:
        """Return the answer to `<resume/>`. :raises Refused: the connection was lost, or there was none in time."""
        if self._closing:
            raise self._why()
        self._managing = Deferred()
        self._no_timeout()
        self._timeout = self.clock.callLater(self.network.settings.negotiation_seconds, self._give_up)
        return await self._managing

    def management_answered(self, nonza: Nonza) -> None:
        """See ServerStream."""
        waiting, self._managing = self._managing, None
        if waiting is not None:
            self._no_timeout()
            waiting.callback(nonza)
        else:
            managing.enabled(self, nonza)

    @property
    def proved_by(self) -> str:
        """How we have proven our domain: in a word, or "" if we haven't."""
        return "EXTERNAL" if self._authenticated else "dialback" if self.sending else ""

    @property
    def bidi_offered(self) -> bool:
        """XEP-0288 section 2: after TLS, before authentication."""
        return BIDI_FEATURE in self.features and (self.tls is not None or not self.policy.tls_required)

    @property
    def shareable(self) -> bool:
        """See ServerStream."""
        return self.multiplexes and bool(self.sending) and not self.closing

    @property
    def multiplexes(self) -> bool:
        """May other pairs of domains be proven on the same stream (XEP-0220 2.5)?

        Only if it understands errors there. Prosody does not say so, and sends the answers for all of our domains to
        the one that was proven first.
        """
        feature = self.features.get(dialback.FEATURES)
        return feature is not None and any(child.name == "errors" for child in feature.elements())

    # Authentication

    async def authenticate(self, pair: Pair) -> str:
        """Prove that we speak for `pair.local` to `pair.remote`.

        :returns: how, in a word.
        :raises LinkFailure: it was refused. :raises Refused: the stream has ended.
        """
        await self._lock.acquire()
        try:
            if pair in self.sending:
                return "before"
            by = "dialback"
            if not self._authenticated and pair == (self.local, self.remote) and self._external_offered():
                await self._restarting.acquire()
                try:
                    by = "EXTERNAL" if await self._external() else by
                finally:
                    self._restarting.release()
            if by == "dialback":
                await self._dialback(pair)
            if self._closing:
                raise self._why()
            self.carry(pair)
            if self.acknowledged is None and management.NS in self.features and pair == (self.local, self.remote):
                await managing.manage(self)
        finally:
            self._lock.release()
        return by

    def _external_offered(self) -> bool:
        offered = self.features.get(ns.SASL) if self.external else None
        return offered is not None and any(str(child).strip() == "EXTERNAL" for child in offered.elements())

    async def _external(self) -> bool:
        """XEP-0178 section 3. False if it was refused, and the stream goes on."""
        self.write(auth(self.local))
        try:
            answer = await self._nonza_of(ns.SASL)
            if answer.name == "challenge":
                self.write(tag("response", "=", xmlns=ns.SASL))
                answer = await self._nonza_of(ns.SASL)
        except Refused as error:
            self.external_failed = str(error)
            raise
        if answer.name != "success":
            self.external_failed = f"it refused EXTERNAL: {failure_of(answer)}"
            self.steps.append(self.external_failed)
            return False
        self._authenticated = True
        self.framer = Framer(self.network.limits_after, self.network.parsers)
        self._frames.clear()
        await self._open()
        return True

    async def _dialback(self, pair: Pair) -> None:
        if not self._knows_dialback and dialback.FEATURES not in self.features:
            raise LinkFailure(
                Condition.NOT_ALLOWED, f"{pair.remote} offers us no way to prove who we are", lasting=True
            )
        await self.dialback.prove(pair)

    def linger(self, seconds: float) -> None:
        """Close the stream after so many seconds if nothing is sent on it by then."""
        if not self.sending and not self._closing:
            self._no_timeout()
            self._timeout = self.clock.callLater(seconds, self._close_unused)

    def _close_unused(self) -> None:
        if not self.sending and not self._closing:
            if self.dialback.busy:
                self.linger(self.network.settings.negotiation_seconds)
            else:
                self.close()

    def _no_timeout(self) -> None:
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()

    async def verify(self, pair: Pair, stream_id: str, key: str) -> bool:
        """Have a key verified (XEP-0220 2.1.2), not while SASL begins another stream. See Dialback.verify."""
        if self.sending:
            return await self._verify(pair, stream_id, key)
        return await self._restarting.run(self._verify, pair, stream_id, key)

    async def _verify(self, pair: Pair, stream_id: str, key: str) -> bool:
        if self._closing:
            raise LinkFailure(Condition.REMOTE_SERVER_TIMEOUT, str(self._why()))
        return await self.dialback.verify(pair, stream_id, key)
