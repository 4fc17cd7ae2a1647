"""Where a request comes from and whom it is for: what the connection tells, or trusted proxies before it (RFC 7239)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Origin", "host_of"]

#: RFC 3986 section 3.2.2 and 3.2.3, without a user.
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")


class Origin(NamedTuple):
    """Who asks, and what.

    :ivar peer: the client's network address, or "unix".
    :ivar host: the host that is asked, in lower case, without a port.
    :ivar secure: does TLS protect what the client sends?
    """

    peer: str
    host: str
    secure: bool


@lru_cache(maxsize=1024)
def host_of(field: bytes) -> str | None:
    """Return the host of a Host field (RFC 9110 section 7.2), in lower case, without a port; None if it is none."""
    found = _AUTHORITY.fullmatch(field.decode("latin-1"))
    return found[1].lower() if found else None
