"""Base64 as RFC 6120 section 13.9.1 and RFC 4648 section 4 want it: one text for each sequence of octets."""

from __future__ import annotations

import base64
import binascii


def decode(text: bytes) -> bytes | None:
    """Return the octets, or None if this is not the Base64 encoding of any."""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    # The decoder overlooks superfluous padding and bits that should be zero.
    return octets if base64.b64encode(octets) == text else None
