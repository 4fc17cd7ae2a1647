"""Frames of WebSocket (RFC 6455 section 5.2), as far as the short way of messages needs them.

A message in one frame is what nearly all come in, and go out in. All other frames are for the library ``websockets``.
"""

from __future__ import annotations

from websockets.frames import apply_mask as _apply_mask  # type: ignore[attr-defined]  # its C, where that is built

__all__ = ["MASKED", "WHOLE_TEXT", "extent", "framed", "unmasked"]

#: The first octet of a text message that is whole: FIN, and the opcode.
WHOLE_TEXT = 0x81
#: The bit of the second octet that every frame of a client has (5.1).
MASKED = 0x80


def framed(message: bytes) -> bytes:
    """Return a text message as a server sends it."""
    size = len(message)
    if size < 126:
        return b"\x81%c%b" % (size, message)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), message)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), message)


def extent(data: bytes, begin: int) -> tuple[int, int] | None:
    """Return where the payload of a client's frame begins, and where the frame ends, which may be behind the data.

    :param begin: where the frame begins.
    :returns: None if not enough is there to tell.
    """
    have = len(data) - begin
    if have < 2:
        return None
    size, payload = data[begin + 1] & 0x7F, begin + 6
    if size >= 126:
        octets = 2 if size == 126 else 8
        if have < 2 + octets:
            return None
        size, payload = int.from_bytes(data[begin + 2 : begin + 2 + octets], "big"), payload + octets
    return payload, payload + size


def unmasked(data: bytes, payload: int, end: int) -> bytes:
    """Return the payload of a client's frame (5.3). :param payload: where it begins, behind its key."""
    unveiled: bytes = _apply_mask(data[payload:end], data[payload - 4 : payload])
    return unveiled
