"""Looking at another server as an operator would: what it shows and offers, and whether it accepts us.

A stream is opened and closed again (RFC 6120 section 4.3); nothing is sent on it. See `xmppctl s2s test`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from xmppd.net.s2s.external import auth, failure_of
from xmppd.net.stream import XmlStream
from xmppd.net.tls.identity import Proof
from xmppd.net.tls.peer import PeerTls, handshake_problem
from xmppd.wire import dialback, ns, stream
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.framing import Frame, Framer, Limits, StreamHeader
from xmppd.wire.stanza import Nonza
from xmppd.wire.stream_limits import read as read_limit
from xmppd.wire.xml import Element, tag

if TYPE_CHECKING:
    from xmppd.api.interfaces import IClock, IDelayedCall

__all__ = ["Probe", "Seen"]

_LIMITS = Limits(stanza=65_536)
_OUTPUT = 65_536
_FRAMES = 8  # that may come before somebody looks
#: Stream features by their namespace, as people call them.
_FEATURES = {
    dialback.FEATURES: "dialback",
    "urn:xmpp:features:bidi": "bidi",
    "urn:xmpp:sm:3": "stream management",
    "http://jabber.org/protocol/caps": "",
    "urn:xmpp:stream-limits:0": "",
    ns.TLS: "",
    ns.SASL: "",
}


class _Ended(Exception):
    """The stream has come to nothing; the text says why."""


@dataclass
class Seen:
    """What was seen of one server.

    :ivar encryption: version of TLS and cipher; "" if there is none.
    :ivar proof: what its certificate proves; None without encryption.
    :ivar offers: the features it offers in the end.
    :ivar accepted: how it has accepted that we speak for our domain: "EXTERNAL", "dialback", or "" if it has not.
    :ivar refusal: why it has not.
    :ivar problem: why the stream came to nothing; "" if it did not.
    """

    encryption: str = ""
    proof: Proof | None = None
    offers: list[str] = field(default_factory=list)
    accepted: str = ""
    refusal: str = ""
    problem: str = ""


class Probe(XmlStream):
    """One stream that is opened to look at a server.

    :param local: the domain of ours that asks.
    :param remote: the domain that is looked at.
    :param seconds: how long all of it may take.
    :param key: the key of dialback for a stream of that id, if somebody is there to have it verified.
    """

    __slots__ = (
        "_direct_tls", "_frames", "_key", "_local", "_lost", "_remote", "_said", "_secured", "_timeout", "_tls",
        "_waiting", "seen",
    )  # fmt: skip

    def __init__(
        self,
        clock: IClock,
        tls: PeerTls,
        local: str,
        remote: str,
        direct_tls: bool,
        seconds: float,
        key: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(clock, Framer(_LIMITS), _OUTPUT)
        self._tls, self._local, self._remote, self._key = tls, local, remote, key
        self._direct_tls = direct_tls
        self.seen = Seen()
        self._frames: deque[Frame] = deque()
        self._waiting: Deferred[None] | None = None
        self._secured = False
        self._said = ""
        self._lost: Failure | None = None
        self._timeout: IDelayedCall = clock.callLater(seconds, self._too_slow)

    # See XmlStream

    def begun(self) -> None:
        """See XmlStream."""

    def take(self, frame: Frame) -> None:
        """See XmlStream."""
        if len(self._frames) >= _FRAMES:
            self.close(StreamError(StreamCondition.POLICY_VIOLATION, "nobody has asked for that"))
        else:
            self._frames.append(frame)
            self._wake()

    def header(self) -> bytes:
        """See XmlStream."""
        return stream.header(None, self._local, self._remote, None, ns.SERVER)

    def peer_failed(self, error: StreamError) -> None:
        """See XmlStream."""
        self._said = f"it closed the stream with {error.condition.value}" + (f": {error.text}" if error.text else "")
        super().peer_failed(error)

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._lost = reason
        super().connectionLost(reason)

    def let_go(self, lost: bool) -> None:
        """See XmlStream."""
        if self._timeout.active():
            self._timeout.cancel()
        self._wake()

    def ended(self) -> None:
        """See XmlStream."""

    def who(self) -> str:
        """See XmlStream."""
        return self._remote

    def secured(self) -> None:
        """See Initiator."""
        self._secured = True
        self._wake()

    def close(self, error: StreamError | None = None) -> None:
        """See XmlStream."""
        if error is not None and not self._said:
            self._said = f"what it sent can't be understood: {error}"
        super().close(error)

    def _too_slow(self) -> None:
        self._said = self._said or "it did not answer in time"
        self.abort()
        self.let_go(lost=True)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def _wait(self) -> None:
        """Wait until something has happened."""
        if self._closing:
            problem = handshake_problem(self._lost.value) if self._lost is not None and self._lost.value else None
            raise _Ended(self._said or problem or "it closed the connection")
        self._waiting = Deferred()
        await self._waiting

    async def _next(self, namespace: str) -> Nonza:
        """Return the next element, which has to be of that namespace."""
        while not self._frames:
            await self._wait()
        frame = self._frames.popleft()
        if not isinstance(frame, Nonza) or frame.namespace != namespace:
            raise _Ended("it sent something that does not belong there")
        return frame

    # What is looked at

    async def look(self) -> Seen:
        """Look at the server, and close the stream."""
        try:
            await self._look()
        except _Ended as error:
            self.seen.problem = str(error)
        finally:
            self.close()
        return self.seen

    async def _look(self) -> None:
        if self._direct_tls:
            await self._encrypted()
        opened, offered = await self._open()
        if self.tls is None and ns.TLS in offered:
            self.write(tag("starttls", xmlns=ns.TLS))
            if (await self._next(ns.TLS)).name != "proceed":
                raise _Ended("it refused to begin TLS, though it had offered it")
            self._restart()
            self._tls.start_initiating(self, self._local, self._remote)
            await self._encrypted()
            opened, offered = await self._open()
        mechanisms = [str(child).strip() for child in offered.get(ns.SASL, Element(("", ""))).elements()]
        self.seen.offers = _shown(opened, offered, mechanisms)
        if "EXTERNAL" in mechanisms and await self._external():
            with suppress(_Ended):  # it has accepted us; what it offers to friends is good to know
                self._restart()
                shown = _shown(*await self._open(), [])
                known = self.seen.offers
                known += [feature for feature in shown if feature not in known and not feature.startswith("dialback")]
            return
        if self._key is not None and (dialback.FEATURES in offered or _knows_dialback(opened)):
            await self._dialback(self._key(opened.id or ""))

    def _restart(self) -> None:
        """A new stream is about to begin (RFC 6120 4.3.3)."""
        self.framer = Framer(_LIMITS)
        self._frames.clear()

    async def _encrypted(self) -> None:
        while not self._secured:
            await self._wait()
        assert self.tls is not None
        self.seen.encryption = f"{self.tls.version}, {self.tls.cipher}"
        self.seen.proof = self.tls.proof(self._remote)

    async def _open(self) -> tuple[StreamHeader, dict[str, Element]]:
        self.write(self.header())
        self.opened = True
        while not self._frames:
            await self._wait()
        opened = self._frames.popleft()
        if not isinstance(opened, StreamHeader):
            raise _Ended("it did not begin with a stream header")
        if opened.content != ns.SERVER:
            raise _Ended(f"it is no port for other servers: its streams are for {opened.content}")
        if opened.version is None:
            return opened, {}
        return opened, {element.uri or "": element for element in (await self._next(ns.STREAM)).elements}

    async def _external(self) -> bool:
        """XEP-0178 section 3."""
        self.write(auth(self._local))
        answer = await self._next(ns.SASL)
        if answer.name == "challenge":
            self.write(tag("response", "=", xmlns=ns.SASL))
            answer = await self._next(ns.SASL)
        if answer.name == "success":
            self.seen.accepted = "EXTERNAL"
            return True
        self.seen.refusal = f"it refused EXTERNAL: {failure_of(answer)}"
        return False

    async def _dialback(self, key: str) -> None:
        """XEP-0220 section 2.1.1."""
        self.write(dialback.ask("result", self._local, self._remote, key))
        answer = await self._next(ns.DIALBACK)
        if answer.attributes.get("type") == "valid":
            self.seen.accepted, self.seen.refusal = "dialback", ""
            return
        result = dialback.read(answer)
        why = f": {result.error}" if result is not None and result.error is not None else ""
        self.seen.refusal = f"it refused dialback ({answer.attributes.get('type', 'no type')}{why})"


def _knows_dialback(opened: StreamHeader) -> bool:
    return ns.DIALBACK in opened.declared.values()


def _shown(opened: StreamHeader, offered: dict[str, Element], mechanisms: list[str]) -> list[str]:
    """Say what is on offer."""
    shown = [f"SASL {mechanism}" for mechanism in mechanisms]
    if _knows_dialback(opened) and dialback.FEATURES not in offered:
        shown.append("dialback (not among its features)")
    shown += [name for name in (_FEATURES.get(uri, uri) for uri in offered) if name]
    octets = read_limit(offered.values())
    if octets and not mechanisms:  # before authentication, the limit is another one
        shown.append(f"stanzas of up to {octets} octets")
    return shown
