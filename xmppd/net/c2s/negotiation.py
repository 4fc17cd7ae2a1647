"""What happens on a client's stream before it has a session: header, STARTTLS, SASL, resource binding.

RFC 6120 sections 4.3 (negotiation), 5 (STARTTLS), 6 (SASL), 7 (binding); SASL2 (XEP-0388), which can resume or bind a
session in the same step. While something is waited for (a look-up, a hash, a plugin) further frames wait as well.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.hooks import UNANSWERED, Scope
from xmppd.api.interfaces import USER_AGENT
from xmppd.api.storage import StorageUnavailable
from xmppd.api.waiting import as_deferred
from xmppd.core.plugins.dispatch import Handler, error_for
from xmppd.core.routing import iq_key
from xmppd.core.server import BindRefused
from xmppd.net.c2s import binding, management
from xmppd.net.c2s.login import Login
from xmppd.wire import ns, sasl, stream, stream_limits
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.framing import Frame, Malformed, StreamHeader
from xmppd.wire.inline import Inline, UserAgent, bind_feature, read_inline
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.rules import iq_fault
from xmppd.wire.sasl import SaslCondition
from xmppd.wire.stanza import Iq, Nonza, Stanza
from xmppd.wire.xml import SEPARATOR, tag

if TYPE_CHECKING:
    from xmppd.core.sessions import Session
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["Negotiation"]

_log = Logger()
#: RFC 6120 6.5.4: whatever the mechanism.
_ENCRYPTION_REQUIRED = sasl.Failure(SaslCondition.ENCRYPTION_REQUIRED)
_ALIEN = "nothing else may come while logging in is under way"
_BIND = f"set{ns.BIND}{SEPARATOR}bind"


class Negotiation:
    """Walks one stream to a bound resource."""

    def __init__(self, of: ClientStream) -> None:
        self._stream = of
        self._listener = of.listener
        self._waiting: deque[Frame] | None = None
        self.login: Login | None = None
        self._claimed: Jid | None = None  # whom the header says it is from
        self._inline = Inline(UserAgent())  # what has come with <authenticate/>
        self._strict = False  # an attempt with SASL2 is under way
        self._restarting = True  # a header must come next
        seconds = self._listener.limits.negotiation_seconds
        self._timeout = self._listener.clock.callLater(seconds, self._too_slow)

    def stop(self) -> None:
        """The stream has closed, or has got its session."""
        if self._timeout.active():
            self._timeout.cancel()

    def allow(self, seconds: float) -> None:
        """Give the client so many seconds from now on."""
        self.stop()
        self._timeout = self._listener.clock.callLater(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._stream.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "logging in took too long"))

    # Frames

    def receive(self, frame: Frame) -> None:
        """Take the next frame; in turn."""
        if self._strict and not (isinstance(frame, Nonza) and frame.namespace == ns.SASL2):
            # XEP-0388 2.4: "Servers MUST disconnect Clients immediately if any other traffic is received."
            self._stream.close(StreamError(StreamCondition.NOT_AUTHORIZED, _ALIEN))
            return
        if self._waiting is not None:
            self._waiting.append(frame)
            return
        pending = self._handle(frame)
        if pending is not None:
            self._waiting = deque()
            self._stream.pause("negotiation")
            as_deferred(pending).addBoth(self._proceed)

    def _proceed(self, outcome: object) -> None:
        of = self._stream
        if isinstance(outcome, Failure):
            if isinstance(outcome.value, StreamError):
                of.close(outcome.value)
            else:
                _log.failure("negotiation with {peer} failed", failure=outcome, peer=of.peer)
                of.close(StreamError(StreamCondition.INTERNAL_SERVER_ERROR))
        # What came in behind a request that began a new stream belongs to neither stream.
        waiting, self._waiting = () if self._restarting else self._waiting or (), None
        of.resume("negotiation")
        for frame in waiting:
            of.receive(frame)  # to us, to the session if there is one by now, or nowhere if it has closed

    def _handle(self, frame: Frame) -> Awaitable[None] | None:
        try:
            if isinstance(frame, StreamHeader):
                self._open(frame)
                return None
            if isinstance(frame, Malformed):
                raise StreamError(StreamCondition.NOT_AUTHORIZED)
            if self._restarting:
                raise StreamError(StreamCondition.BAD_FORMAT, "a stream header is expected")
            if isinstance(frame, Nonza):
                return self._nonza(frame)
            assert isinstance(frame, Stanza)
            return self._stanza(frame)
        except StreamError as error:
            self._stream.close(error)
            return None

    # Header and features

    def _open(self, opened: StreamHeader) -> None:
        """RFC 6120 4.7: answer the client's header with ours, then features or the error."""
        of = self._stream
        host = of.host_named(opened.to)
        if of.account is None:
            of.host = host
        of.id, of.lang = secrets.token_urlsafe(12), opened.lang
        shown = host or self._listener.server.host_for(None)
        self._claimed = _bare(opened.from_)
        of.write(of.header_for(of.id, str(shown.jid) if shown else "", self._claimed, opened.lang))
        of.opened = True
        stream.check_header(opened)
        if host is None:
            raise StreamError(StreamCondition.HOST_UNKNOWN, f"{opened.to or 'no host'} is not served here")
        if host is not of.host:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "the stream was restarted for another host")
        if opened.to and self._claimed is not None and self._claimed.domain != host.jid.domain:
            raise StreamError(StreamCondition.INVALID_FROM, "it is not from the domain that it is to")  # XEP-0388 2.1
        self._restarting = False
        of.write(stream.features(self._features()))

    def _features(self) -> list[bytes]:
        of = self._stream
        assert of.host is not None
        offered: list[bytes] = []
        if of.session is not None:
            offered += [management.FEATURE] if of.session.managed is None else []
        elif of.account is not None:
            offered += [tag("bind", xmlns=ns.BIND), management.FEATURE]
        else:
            if of.can_start_tls:
                required = tag("required") if of.needs_tls and of.says_required else None
                offered.append(tag("starttls", required, xmlns=ns.TLS))
            if not of.needs_tls:
                self.login = Login(of, self._claimed)
                offered += self.login.features(self._inline_features())
        if of.account is not None:
            listener = self._listener
            offered.append(stream_limits.feature(listener.limits_after.stanza, listener.limits.idle_ping_seconds))
        for handler in of.host.tables.stream_features:
            try:
                offer = handler(of)
            except Exception as error:
                error_for(error, handler)
                continue
            if offer is not None:
                offered.append(offer)
        return offered

    def _inline_features(self) -> list[bytes]:
        """What can be asked for together with SASL2 (XEP-0388 2.1, XEP-0386 3.1, XEP-0198 9)."""
        assert self._stream.host is not None
        found = {key.partition(SEPARATOR)[0]: None for key in self._stream.host.tables.bind_features}
        return [management.FEATURE, bind_feature([*sorted(found), management.NS])]

    # Nonzas

    def _nonza(self, nonza: Nonza) -> Awaitable[None] | None:
        of = self._stream
        if nonza.namespace == ns.TLS and nonza.name == "starttls":
            self._start_tls()
            return None
        if nonza.namespace in sasl.PROFILES:
            if of.account is not None:
                raise StreamError(StreamCondition.NOT_AUTHORIZED, "you are logged in already")
            if of.needs_tls or (nonza.namespace == ns.SASL2 and not of.confidential):
                of.write(sasl.PROFILES[nonza.namespace].failure(_ENCRYPTION_REQUIRED))
                return None
            login = self.login = self.login or Login(of, self._claimed)
            return self._authenticate(login, nonza)
        if nonza.namespace == management.NS and nonza.name in ("enable", "resume"):
            return self._management(nonza)
        assert of.host is not None
        if of.account is not None and f"{nonza.namespace}{SEPARATOR}{nonza.name}" in of.host.tables.nonzas:
            of.plugin_nonza(nonza)
            return None
        condition = StreamCondition.UNSUPPORTED_STANZA_TYPE if of.account else StreamCondition.NOT_AUTHORIZED
        raise StreamError(condition, f"<{nonza.name}/> is not expected here")

    def _management(self, nonza: Nonza) -> Awaitable[None] | None:
        """XEP-0198: resume after authentication, and instead of binding; enable only after that."""
        of = self._stream
        if of.account is None or nonza.name == "enable":
            of.write(management.failed(Condition.UNEXPECTED_REQUEST))
            return None
        return self._resume(nonza)

    async def _resume(self, nonza: Nonza) -> None:
        try:
            await self._go_on(nonza.attributes)
        except management.ResumeFailed as error:
            self._stream.write(management.failed(error.condition, error.handled))

    async def _go_on(self, attributes: Mapping[str, str], success: sasl.Success | None = None) -> None:
        """Resume a session.

        :param success: what the client is told together with it, if it has logged in by SASL2.
        :raises ResumeFailed: it can't be resumed.
        """
        of, sessions = self._stream, self._listener.server.management
        try:
            await binding.check_account(of)
        except StorageUnavailable:
            raise management.ResumeFailed(Condition.RESOURCE_CONSTRAINT) from None
        session = await management.resume(of, attributes)
        if of.negotiation is not self:  # the client left meanwhile
            sessions.lose(session)
            return
        self.arrived(session)
        if success is None:
            sessions.welcome(session)
        else:
            sessions.welcome(session, lambda resumed: sasl.success2(success, session.jid, [resumed]))

    def arrived(self, session: Session) -> None:
        """The stream has got its session."""
        self.stop()
        self._stream.negotiation = None
        self._stream.begin_session(session)
        agent = self._inline.user_agent.described()
        if agent:
            session.keep(USER_AGENT, agent)

    def _start_tls(self) -> None:
        """RFC 6120 5.4.2. What came in the same packet behind the request was not encrypted, and is thrown away."""
        of = self._stream
        tls = self._listener.tls
        if not of.can_start_tls or tls is None or of.account is not None:
            of.write(tag("failure", xmlns=ns.TLS))
            of.close()
            return
        assert of.host is not None
        of.write(tag("proceed", xmlns=ns.TLS))
        self._restart()
        of.begin_tls(tls, of.host)

    def _restart(self) -> None:
        """A new stream begins on the same connection (RFC 6120 4.3.3)."""
        self._restarting = True
        self._stream.restart()

    async def _authenticate(self, login: Login, nonza: Nonza) -> None:
        of = self._stream
        self._strict = nonza.namespace == ns.SASL2
        wrong = self._read_inline(nonza) if self._strict and nonza.name == "authenticate" else None
        outcome = await (login.receive(nonza) if wrong is None else login.refuse(nonza, wrong))
        if not isinstance(outcome, sasl.Success):
            self._strict = self._strict and isinstance(outcome, sasl.Challenge)
            return
        of.account = outcome.identity.account
        of.resumable = not login.guest
        self.login = None
        if self._strict:
            await self._enter(outcome)
            self._strict = False
        else:
            of.write(outcome.to_bytes())
            self._restart()

    def _read_inline(self, authenticate: Nonza) -> sasl.Failure | None:
        try:
            self._inline = read_inline(authenticate, management.NS)
        except ValueError as error:
            return sasl.Failure(SaslCondition.MALFORMED_REQUEST, str(error))
        return None

    async def _enter(self, success: sasl.Success) -> None:
        """XEP-0388 2.6.1: do what was asked for inline, and tell the client of all at once. No new stream begins."""
        of, inline = self._stream, self._inline
        if of.negotiation is not self:  # the client has left
            return
        assert of.account is not None
        of.framer.limits = self._listener.limits_after
        results: list[bytes] = []
        if inline.resume is not None:
            try:
                await self._go_on(inline.resume, success)
                return
            except management.ResumeFailed as error:
                results.append(management.failed(error.condition, error.handled))
        bound = await self._bind2()
        if of.negotiation is not self:  # the client left meanwhile
            if bound is not None:
                await self._listener.server.unbind(bound.session)
            return
        if bound is None:
            of.write_all((sasl.success2(success, of.account, results), stream.features(self._features())))
            return
        self.arrived(bound.session)
        told = sasl.success2(success, bound.session.jid, [*results, bound.answer])
        bound.gate.open(bound.session, (told, stream.features(self._features())))

    async def _bind2(self) -> binding.Bound | None:
        """Bind a resource if it was asked for together with authentication (XEP-0386).

        XEP-0386 has no error for a resource that can't be bound. The client has logged in nevertheless, and is offered
        to bind one as in RFC 6120, which says why it can't (7.6.2).
        """
        if self._inline.bind is None or self._stream.negotiation is not self:
            return None
        try:
            return await binding.bind2(self._stream, self._inline.bind, self._inline.user_agent)
        except (BindRefused, StorageUnavailable) as error:
            _log.info("{account} gets no session: {reason}", account=self._stream.account, reason=str(error))
            return None

    # Stanzas

    def _stanza(self, stanza: Stanza) -> Awaitable[None] | None:
        """Only binding, and what plugins answer on streams without a session, may be asked for now."""
        of = self._stream
        assert of.host is not None
        if of.account is not None and stanza.from_ is not None and stanza.from_.bare != of.account:
            raise StreamError(StreamCondition.INVALID_FROM)
        if isinstance(stanza, Iq) and stanza.answerable:
            fault = iq_fault(stanza)
            if fault is not None:
                of.write(stanza.error(fault).to_bytes())
                return None
            key = iq_key(stanza)
            if of.account is not None and key == _BIND:
                return self._bind(stanza)
            handler = of.host.tables.iq[Scope.STREAM].get(key)
            if handler is not None and (of.account is not None or not of.needs_tls):
                return self._answer(handler, stanza)
        # RFC 6120 7.1: nothing else before authentication and binding.
        raise StreamError(StreamCondition.NOT_AUTHORIZED, "log in and bind a resource first")

    async def _answer(self, handler: Handler, iq: Iq) -> None:
        of = self._stream
        try:
            reply = handler(iq, of)
            if reply is not UNANSWERED and not isinstance(reply, Iq):
                reply = await reply
        except StreamError:
            raise
        except Exception as error:
            reply = iq.error(error_for(error, handler, iq))
        if reply is not UNANSWERED:
            of.write(reply.to_bytes())

    async def _bind(self, iq: Iq) -> None:
        """RFC 6120 7.6 and 7.7."""
        of = self._stream

        def bound(session: Session) -> None:
            payload = tag("bind", tag("jid", str(session.jid)), xmlns=ns.BIND)
            of.write(Iq(None, None, iq.id, "result", None, payload).to_bytes())

        try:
            session = await binding.bind(of, binding.wanted_resource(iq), bound)
        except JidError as error:
            of.write(iq.error(StanzaError(Condition.BAD_REQUEST, text=str(error))).to_bytes())
        except StorageUnavailable:
            of.write(iq.error(StanzaError(Condition.RESOURCE_CONSTRAINT, type="wait")).to_bytes())
        except BindRefused as refused:
            condition = Condition.CONFLICT if refused.conflict else Condition.RESOURCE_CONSTRAINT
            type_ = "modify" if refused.conflict else "wait"  # RFC 6120 7.7.2.2 and 7.6.2.1
            of.write(iq.error(StanzaError(condition, type=type_, text=str(refused))).to_bytes())
        else:
            if of.negotiation is self:
                self.arrived(session)
            else:  # the client left meanwhile
                await self._listener.server.unbind(session)


def _bare(text: str | None) -> Jid | None:
    """Return the bare address of what a header says it is from; None if it says nothing, or it is no address."""
    try:
        return Jid.parse(text).bare if text else None
    except JidError:
        return None
