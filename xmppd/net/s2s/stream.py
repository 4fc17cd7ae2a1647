"""Streams with other servers: whose stanzas are taken, and what both directions share (RFC 6120 sections 4, 8.1).

A stream proves pairs of domains, by certificate (:mod:`.external`) or by dialback (:mod:`.dialback`). A stanza is taken
only if its own pair was proven on the very stream that it comes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.limits import TokenBucket
from xmppd.core.arrivals import Arrivals
from xmppd.core.federation.contract import Pair
from xmppd.net.s2s.conduit import StreamConduit
from xmppd.net.s2s.dialback import Dialback
from xmppd.net.s2s.management import NS, Acknowledged, Acknowledging
from xmppd.net.s2s.postponed import Postponed
from xmppd.net.s2s.refusals import unproven
from xmppd.net.s2s.resumption import Session
from xmppd.net.stream import FAREWELL, XmlStream
from xmppd.wire.errors import Condition, StanzaError, StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, Malformed, StreamEnd
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza

if TYPE_CHECKING:
    from xmppd.net.s2s.network import ServerNetwork
    from xmppd.net.tls.identity import Proof

__all__ = ["ServerStream"]

_log = Logger()
_STANZAS = frozenset((Message, Presence, Iq))
#: What ends a stream without taking back what is on its way to us.
_IN_PEACE = (StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.HOST_GONE, StreamCondition.RESET)


class ServerStream(XmlStream):
    """One connection with another server.

    :ivar incoming: did the other server connect to us?
    :ivar local: our domain that the header names, once it is known.
    :ivar remote: the other server's.
    :ivar id: of the response header.
    :ivar bidi: may stanzas flow against the direction in which the connection was made (XEP-0288)?
    :ivar proven: pairs of domains (theirs, ours) that stanzas are taken for.
    :ivar sending: pairs that we may send stanzas for.
    :ivar proof_of: how each pair was proven, in a word.
    :ivar received, sent: how many stanzas came and went.
    :ivar acknowledging: stream management for what comes, or None.
    :ivar acknowledged: the same for what we send.
    :ivar postponed: pairs that are not sent on it yet.
    :ivar most_octets: of a stanza that the other server takes; 0: it has not said (XEP-0478).
    :ivar active: did stanzas come or go since somebody looked?
    """

    __slots__ = (
        "_arrivals", "_bucket", "_deaf", "_fate", "_proofs", "acknowledged", "acknowledging", "active", "begun_at",
        "bidi", "conduit", "counted", "dialback", "id", "idle_since", "local", "most_octets", "network", "postponed",
        "proof_of", "proven", "received", "remote", "sending", "sent", "session",
    )  # fmt: skip
    incoming = False

    def __init__(self, network: ServerNetwork) -> None:
        settings = network.server.settings
        framer = Framer(network.limits_before, network.parsers)
        super().__init__(network.clock, framer, settings.limits.output_queue_octets)
        self.network = network
        self.local: str = ""
        self.remote: str = ""
        self.id = ""
        self.bidi = False
        self.proven: set[tuple[str, str]] = set()
        self.sending: set[Pair] = set()
        self.proof_of: dict[str, str] = {}
        self.received = self.sent = 0
        self.acknowledging: Acknowledging | None = None
        self.acknowledged: Acknowledged | None = None
        self.session: Session | None = None
        self.postponed = Postponed(self)
        self._fate: bool | None = None  # once it has ended: was the connection lost?
        self.most_octets = 0
        self.active = False
        self.counted = False
        self.begun_at = self.idle_since = network.clock.seconds()
        self.dialback = Dialback(self)
        self.conduit = StreamConduit(self)
        most = network.settings.input_queue_stanzas
        self._arrivals = Arrivals(network.server, self, most, network.federation.arrived, self._acknowledge_later)
        self._proofs: dict[str, Proof] = {}
        self._deaf = True  # once we have closed our side: is nothing taken any more?
        self._bucket: TokenBucket | None = None

    # The connection

    def begun(self) -> None:
        """See XmlStream."""
        network = self.network
        if self.peer not in network.exempt:
            s2s = network.settings
            self._bucket = TokenBucket(s2s.octets_per_second, s2s.octets_burst, network.clock.seconds)
        network.entered(self)

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        session = self.session
        if self._fate is None:
            self._fate = lost
            if session is not None:
                session.proven, session.sending = set(self.proven), set(self.sending)
                if lost and session.stream is self and not self.network.draining:
                    self.network.sessions.lost(session)  # before anybody looks for another stream
        self.postponed.forget()
        self.network.silenced(self)
        pairs = list(self.sending)
        self.sending.clear()
        for pair in pairs:
            self.network.federation.down(pair, self.conduit, not lost)
        self.dialback.stop("the stream was closed" if not lost else "the connection was lost")

    def ended(self) -> None:
        """See XmlStream: what was not acknowledged will be on another connection, or never."""
        self._arrivals.forget()
        session = self.session
        if session is not None and session.stream is self:
            if self._fate and not self.network.draining:
                self.network.sessions.lost(session)
            else:
                self.network.sessions.end(session)
        elif session is None and self.acknowledged is not None:
            self.acknowledged.give_up(self.network.draining)
        self.network.left(self)

    def close(self, error: StreamError | None = None) -> None:
        """See XmlStream. If nothing was wrong, what is on its way to us is still taken (RFC 6120 4.4)."""
        self._deaf = error is not None and error.condition not in _IN_PEACE
        if error is not None and not self._closing:
            self.network.closed_with(self, error)
        super().close(error)

    # What comes

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol. A stanza whose domains are proven takes the short way through here."""
        self.heard = True
        if self._closing:
            self._listen_on(data)
            return
        framer = self.framer
        proven = self.proven
        for frame in framer.feed(data):
            if frame.__class__ in _STANZAS:
                to, from_ = frame.to, frame.from_
                if to is not None and from_ is not None and (from_.domain, to.domain) in proven:
                    self._arrived(frame)
                    continue
                self.close(unproven(frame, self.proven))
            else:
                self.receive(frame)
            if self._closing or self.framer is not framer:
                return  # what came behind is not to be believed (RFC 6120 5.4.3.3, 6.4.6)
        if self._bucket is not None:
            wait = self._bucket.take(len(data))
            if wait:
                self.pause("rate")
                self.clock.callLater(wait, self.resume, "rate")

    def _listen_on(self, data: bytes) -> None:
        """Our side is closed, but not for anything wrong: stanzas that were on their way are still taken."""
        if self._deaf:
            self.listen_for_end(data)
            return
        for frame in self.framer.feed(data):
            if isinstance(frame, Stanza):
                if (frame.from_ and frame.from_.domain, frame.to and frame.to.domain) in self.proven:
                    self._arrived(frame)
            elif isinstance(frame, Nonza) and (frame.namespace, frame.name) == (NS, "a") and self.acknowledged:
                with suppress(StreamError):  # one that makes no sense can't end the stream once more
                    self.acknowledged.receive(frame)
            elif isinstance(frame, StreamEnd | StreamError):
                self._done = True
                if self._out is None and self.transport is not None:
                    self.transport.loseConnection()

    def _arrived(self, stanza: Stanza) -> None:
        self.received += 1
        self.active = True
        acknowledging = self.acknowledging
        if acknowledging is None and self.postponed:
            self.postponed.release()  # it does without stream management
        self._arrivals.take(stanza, 0 if acknowledging is None else acknowledging.number())

    def _acknowledge_later(self, number: int) -> None:
        """A stanza is handled, which stream management knows by that number."""
        if self.acknowledging is not None:
            self.acknowledging.handled(number)

    def take(self, frame: Frame) -> None:
        """See XmlStream: what both directions understand, and is on no shorter way."""
        if isinstance(frame, Malformed):
            self._malformed(frame)

    def _malformed(self, frame: Malformed) -> None:
        """Take a stanza one of whose addresses is none: an error if it is `to` (RFC 6120 8.3.3.8)."""
        try:
            from_ = Jid.parse(frame.from_ or "")
        except JidError:
            self.close(StreamError(StreamCondition.IMPROPER_ADDRESSING, "from is no address"))
            return
        local = next((ours for theirs, ours in self.proven if theirs == from_.domain), None)
        if local is None:
            self.close(unproven(frame.stanza.readdressed(from_=from_, to=from_), self.proven))
            return
        self.received += 1
        if self.acknowledging is not None:
            self.acknowledging.handled(self.acknowledging.number())
        stanza = frame.stanza.readdressed(from_=from_, to=Jid.parse(local))
        self.network.bounce(stanza, frame.error)

    # What goes

    def send(self, stanzas: Sequence[Stanza]) -> None:
        """See Conduit."""
        if self._closing:
            self.network.federation.undelivered(stanzas)
            return
        if self.most_octets:
            stanzas = [stanza for stanza in stanzas if self._fits(stanza)]
            if not stanzas:
                return
        self.active = True
        self.sent += len(stanzas)
        self.write(stanzas[0].to_bytes() if len(stanzas) == 1 else b"".join([s.to_bytes() for s in stanzas]))
        if self.acknowledged is not None:
            self.acknowledged.sent(stanzas)
        else:
            self.network.federation.delivered(stanzas)

    def _fits(self, stanza: Stanza) -> bool:
        """Does the other server take a stanza of that size? If not, its sender hears of it (XEP-0478 4)."""
        if len(stanza.to_bytes()) <= self.most_octets:
            return True
        text = f"{self.remote} takes no stanzas of more than {self.most_octets} octets"
        self.network.bounce(stanza, StanzaError(Condition.POLICY_VIOLATION, text=text))
        self.network.federation.delivered([stanza])
        return False

    # What is proven

    def accept(self, remote: str, local: str, by: str) -> None:
        """Take stanzas from one domain to another from now on; with bidi, those in the other direction go here too."""
        if (remote, local) in self.proven:
            return
        self.proven.add((remote, local))
        self.proof_of[remote] = by
        promote = getattr(self.transport, "promote", None)
        if promote is not None:
            promote()
        self.framer.limits = self.network.limits_after
        self.network.proven(self, remote, local, by)
        if self.bidi:
            pair = Pair(local, remote)
            self.carry(pair)
            self.postponed.carry(pair)

    def carry(self, pair: Pair) -> None:
        """Stanzas for this pair may go over this stream; with bidi, those from there may come as well."""
        self.sending.add(pair)
        self.network.carries(self, pair)
        if self.bidi and (pair.remote, pair.local) not in self.proven:
            self.proven.add((pair.remote, pair.local))
            self.framer.limits = self.network.limits_after

    def withdraw(self) -> None:
        """The settings have changed: take back what was allowed to domains that are not ours any more, or blocked."""
        network = self.network
        for remote, local in list(self.proven):
            if not network.admits(Pair(local, remote)):
                self.proven.discard((remote, local))
        for pair in list(self.sending):
            if not network.admits(pair):
                self.sending.discard(pair)
                network.federation.down(pair, self.conduit, True)

    def proof(self, domain: str) -> Proof | None:
        """What the certificate of the other end proves for a domain; None without TLS."""
        if self.tls is None:
            return None
        found = self._proofs.get(domain)
        if found is None:
            found = self._proofs[domain] = self.tls.proof(domain)
            self.network.count(
                f"certificate: {'proven' if found.proven else 'refused' if found.certificate else 'none'}"
            )
        return found

    @property
    def shareable(self) -> bool:
        """May further pairs of domains be proven on it by dialback, from our side?"""
        return False

    async def prove(self, pair: Pair) -> None:
        """Prove one more pair of domains by dialback. :raises LinkFailure: it was refused."""
        if pair not in self.sending:
            await self.dialback.prove(pair)
            self.carry(pair)

    @property
    def encrypted_enough(self) -> bool:
        """Is the stream encrypted, if it has to be?"""
        return self.tls is not None or not self.network.needs_tls(self.remote, self.peer)

    # The end

    def _part(self) -> None:
        """All is written. The connection stays until the other end has closed its side too if stanzas may come yet."""
        if self._done or self._deaf:
            super()._part()
        elif self._paused:
            self._paused.clear()
            self.transport.resumeProducing()

    def peer_closed(self) -> None:
        """RFC 6120 4.4: what has come is handled and acknowledged, then our side is closed as well."""
        if self.acknowledging is None:
            self.close()
            return
        self.close_within(FAREWELL)
        self._arrivals.when_idle(self._acknowledge)

    def _acknowledge(self) -> None:
        self.network.server.ledger.settled().addCallback(self._all_on_disk)

    def _all_on_disk(self, _: None) -> None:
        if self.acknowledging is not None:
            self.acknowledging.answer()
        self.close()

    def lost_by(self, error: StreamError | None) -> bool:
        """See XmlStream: nothing was wrong, but the connection."""
        return error is not None and error.condition is StreamCondition.CONNECTION_TIMEOUT

    def management_answered(self, nonza: Nonza) -> None:
        """Take an answer of stream management, on a stream that we have not opened. :raises StreamError: always."""
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{nonza.name}/> is not expected here")

    def peer_failed(self, error: StreamError) -> None:
        """See XmlStream."""
        self.network.failed_with(self, error)
        self.close()

    def who(self) -> str:
        """See XmlStream."""
        return self.remote or "another server"

    @property
    def idle_seconds(self) -> float:
        """After how long without stanzas we close it. Who sends does it first, so that nothing is on its way then."""
        return self.network.settings.idle_seconds * (2.0 if self.incoming else 1.0)

    @property
    def must_speak(self) -> bool:
        """Does the other server say something now and then, if it is alive?"""
        return self.acknowledged is not None

    def probe(self) -> None:
        """Have a silent server show that it is there: by an acknowledgement, or by what TCP says (RFC 6120 4.6.1)."""
        if self.acknowledged is not None:
            self.acknowledged.ask()
        else:
            self.write(b" ")
