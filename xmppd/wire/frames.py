"""What an XML stream is split into, and what one stream may cost (RFC 6120 sections 4.7, 4.9 and 13.12)."""

from __future__ import annotations

from dataclasses import dataclass, field

from xmppd.wire.errors import StanzaError, StreamError
from xmppd.wire.stanza import Nonza, Stanza

__all__ = ["Frame", "Limits", "Malformed", "StreamEnd", "StreamHeader"]


@dataclass(frozen=True)
class Limits:
    """What one stream may cost. All sizes in octets."""

    stanza: int = 262_144
    header: int = 4_096
    depth: int = 64
    attributes: int = 64
    children: int = 1_024


@dataclass(frozen=True)
class StreamHeader:
    """The opening tag of a stream (RFC 6120 4.7); the text of `to` and `from_` is as it came.

    :ivar content: the content namespace.
    :ivar declared: the namespaces it declares, by prefix; the default one by "".
    :ivar tag: its name as it was written, with the prefix.
    """

    content: str
    to: str | None
    from_: str | None
    id: str | None
    version: str | None
    lang: str | None
    declared: dict[str, str] = field(default_factory=dict)
    tag: bytes = b"stream:stream"


class StreamEnd:
    """The closing tag of a stream."""

    __slots__ = ()


class Malformed:
    """A stanza whose `to` is no address: to be answered with `error`, if it may be answered.

    :ivar stanza: the stanza, without its addresses.
    :ivar from_: the text of its `from`.
    """

    __slots__ = ("error", "from_", "stanza")

    def __init__(self, stanza: Stanza, error: StanzaError, from_: str | None) -> None:
        self.stanza = stanza
        self.error = error
        self.from_ = from_


#: What a framer gives. A StreamError is always the last: the stream can't go on.
Frame = Stanza | Nonza | StreamHeader | StreamEnd | Malformed | StreamError
