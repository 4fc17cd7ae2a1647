"""How many TLS records are complete in what has come (RFC 8446 section 5.1; 1.2 has the same).

To ask OpenSSL for more when there is nothing costs an exception, which is more than to decrypt a small record. Who
knows how many records there are need not ask in vain.
"""

from __future__ import annotations

__all__ = ["BEGINNING", "Position", "count"]

#: Octets of the current record that are still to come, and the first octets of its header, if not all five are there.
Position = tuple[int, bytes]
#: Where a connection begins.
BEGINNING: Position = (0, b"")
_HEADER = 5
#: Octets above which no record may be (section 5.2, and 6.2.3 of RFC 5246): OpenSSL is to say so at once.
_LARGEST = 16_384 + 2_048
_MAJOR = 3  # of the version, which is 3.x since SSL 3


def count(data: bytes, position: Position) -> tuple[int, Position]:
    """Return how many records end in `data`, and where the next octets belong.

    What can be no record counts as if it ended at once.
    """
    at, head = position
    if head:
        data = head + data
    size = len(data)
    if at > size:
        return 0, (at - size, b"")
    records = 1 if at else 0
    while size - at >= _HEADER:
        major, length = data[at + 1], data[at + 3] << 8 | data[at + 4]
        at += _HEADER + length
        if at > size:
            return records + (length > _LARGEST or major != _MAJOR), (at - size, b"")
        records += 1
    return records, (0, data[at:])
