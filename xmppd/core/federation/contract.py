"""What the rules of federation and the streams that carry it know of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from xmppd.wire.errors import Condition, StanzaError, StreamError
from xmppd.wire.stanza import Stanza

__all__ = ["Conduit", "Connector", "LinkFailure", "Pair", "StreamFacts"]


class Pair(NamedTuple):
    """A domain of ours and one of another server. Stanzas between two domains need a stream that has proven both."""

    local: str
    remote: str


class Conduit(Protocol):
    """A stream on which stanzas from one domain of ours may be sent to one of another server."""

    @property
    def peer(self) -> str:
        """The network address of the other end."""

    @property
    def secured(self) -> bool:
        """Is it encrypted?"""

    @property
    def prompt(self) -> bool:
        """Does what is sent leave this process at once? Else it waits until the other end has read what went before."""

    def send(self, stanzas: Sequence[Stanza]) -> None:
        """Send stanzas, in this order.

        With stream management they are kept until they are acknowledged; then, or at once without it,
        :meth:`~xmppd.core.federation.federation.Federation.delivered` is told. Those that are never acknowledged, on a
        stream that can't be resumed, go to ``Federation.undelivered``.
        """

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream, with all that is between its two domains."""


@dataclass(frozen=True)
class StreamFacts:
    """What a stream tells of itself, for people.

    :ivar local, remote: the domains that its header names; "" as long as nobody has said.
    :ivar incoming: did the other server connect to us?
    :ivar state: ``negotiating``, ``open`` (it has proven a pair of domains) or ``closing``.
    :ivar address: the network address of the other end.
    :ivar takes: pairs whose stanzas are taken from it.
    :ivar sends: pairs that it is used for.
    :ivar proven_by: how the other side has proven its domains: by domain, in a word.
    :ivar we_proved: how we have proven ours, in a word; "" if we haven't.
    :ivar encryption: version and cipher suite; "" if there is none.
    :ivar certificate: what the other side's certificate says, by what it is that it says.
    :ivar since: since when there is the connection, in seconds since the epoch.
    :ivar quiet_since: since when no stanza has come or gone, or a few seconds later.
    :ivar received, sent: stanzas.
    :ivar unacknowledged: stanzas sent and not acknowledged; None without stream management.
    :ivar bidi: does one connection serve both directions?
    """

    local: str
    remote: str
    incoming: bool
    state: str
    address: str
    takes: Sequence[Pair]
    sends: Sequence[Pair]
    proven_by: Mapping[str, str]
    we_proved: str
    encryption: str
    certificate: Mapping[str, str]
    since: float
    quiet_since: float
    received: int
    sent: int
    unacknowledged: int | None
    bidi: bool


class Connector(Protocol):
    """Makes streams."""

    def connect(self, pair: Pair) -> None:
        """Begin to get a stream for a pair. Exactly one of ``Federation.up`` and ``failed`` is the answer."""

    async def drain(self) -> None:
        """The server stops: make no more streams, and end those there are."""

    def facts(self) -> Sequence[StreamFacts]:
        """Return what there is to say of every stream there is."""

    def close(self, domain: str) -> int:
        """Close all streams with a domain of another server; return how many there were."""


class LinkFailure(Exception):
    """A domain can't be reached, or doesn't want us, or we don't want it.

    :ivar condition: what senders of stanzas are told (RFC 6120 8.3.3).
    :ivar text: what was tried and why it failed, for people.
    :ivar lasting: would it be of no use to try again soon?
    """

    def __init__(self, condition: Condition, text: str, lasting: bool = False) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.lasting = lasting

    def to_error(self) -> StanzaError:
        """Return what senders are told."""
        return StanzaError(self.condition, text=self.text)
