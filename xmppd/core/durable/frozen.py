"""Stanzas that were written down as they go over a stream, read back."""

from __future__ import annotations

from xmppd.wire import ns
from xmppd.wire.framing import Framer, Limits
from xmppd.wire.stanza import Stanza

__all__ = ["read_stanza"]

_HEADER = f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}'>".encode()
#: They have passed the limits of a stream before; stamps were added since.
_LIMITS = Limits(stanza=1 << 30, depth=1 << 16, attributes=1 << 16, children=1 << 20)


def read_stanza(data: bytes) -> Stanza:
    """Return the stanza. :raises ValueError: if it is none."""
    frames = Framer(_LIMITS).feed(_HEADER + data)
    if len(frames) == 2 and isinstance(frames[1], Stanza):
        return frames[1]
    raise ValueError(f"this is no stanza: {data[:100]!r}")
