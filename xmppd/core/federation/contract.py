"""What the rules of federation and the streams that carry it know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from xmppd.wire.errors import Condition, StanzaError, StreamError
from xmppd.wire.stanza import Stanza

__all__ = ["Conduit", "Connector", "LinkFailure", "Pair"]


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

    def send(self, stanzas: Sequence[Stanza]) -> None:
        """Send stanzas, in this order.

        With stream management they are kept until they are acknowledged; then, or at once without it,
        :meth:`~xmppd.core.federation.federation.Federation.delivered` is told. Those that are never acknowledged, on a
        stream that can't be resumed, go to ``Federation.undelivered``.
        """

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream, with all that is between its two domains."""


class Connector(Protocol):
    """Makes streams."""

    def connect(self, pair: Pair) -> None:
        """Begin to get a stream for a pair. Exactly one of ``Federation.up`` and ``failed`` is the answer."""

    async def drain(self) -> None:
        """The server stops: make no more streams, and end those there are."""


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
