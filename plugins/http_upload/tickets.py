"""The URLs of a slot: where a file is put, signed so that nobody makes one up, and where it is got (XEP-0363 5, 10).

The path of a file begins with a long random token; who doesn't know it finds nothing. What else the URL for putting it
says, and how long it is good for, is bound to it by HMAC (RFC 2104).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlencode

__all__ = ["PREFIX", "SECRET_OCTETS", "TOKEN", "Forged", "Ticket", "new_token", "path_of", "read_path"]

#: Of all paths of files.
PREFIX = "/upload/"
SECRET_OCTETS = 32
_TOKEN_OCTETS = 20
TOKEN = re.compile(r"[a-z2-7]{32}")
_WHOLE = re.compile(r"[0-9]{1,18}")
_FIELDS = ("until", "size", "type", "signature")


class Forged(Exception):
    """The URL was not made here, or something in it was changed."""


def new_token() -> str:
    """Return what nobody guesses: 160 bits, in letters and digits that survive file systems without capitals."""
    return base64.b32encode(secrets.token_bytes(_TOKEN_OCTETS)).decode().lower()


def path_of(token: str, name: str) -> str:
    """Return the path of a file, all of it ASCII (RFC 3986)."""
    return f"{PREFIX}{token}/{quote(name, safe='')}"


def read_path(path: str) -> tuple[str, str] | None:
    """Return the token and the name in a path, which is decoded; None if it is none of ours."""
    token, slash, name = path.removeprefix(PREFIX).partition("/")
    return (token, name) if path.startswith(PREFIX) and TOKEN.fullmatch(token) and slash and name else None


@dataclass(frozen=True, slots=True)
class Ticket:
    """What may be put where.

    :ivar size: octets.
    :ivar type: the media type that was asked for; "": none was.
    :ivar until: when it has to begin, in whole seconds since the epoch.
    """

    token: str
    name: str
    size: int
    type: str
    until: int

    def query(self, secret: bytes) -> str:
        """Return the query of the URL."""
        fields = {"until": self.until, "size": self.size, "type": self.type, "signature": self.signature(secret)}
        return urlencode(fields)

    def signature(self, secret: bytes) -> str:
        """Return what proves that the URL was made here."""
        # No part can hold a line break, so no two tickets are the same text; the name is quoted for that.
        text = "\n".join((self.token, quote(self.name, safe=""), str(self.size), self.type, str(self.until)))
        digest = hmac.digest(secret, text.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @classmethod
    def read(cls, token: str, name: str, query: str, secret: bytes) -> Ticket:
        """Read the URL that a file is put to.

        :raises Forged: as it says.
        """
        try:
            given = parse_qs(query, keep_blank_values=True, strict_parsing=True, max_num_fields=len(_FIELDS))
            until, size, type_, signature = (given[field][0] for field in _FIELDS)
        except (KeyError, ValueError):
            raise Forged from None
        if not _WHOLE.fullmatch(until) or not _WHOLE.fullmatch(size) or "\n" in type_:
            raise Forged
        ticket = cls(token, name, int(size), type_, int(until))
        if not hmac.compare_digest(ticket.signature(secret).encode(), signature.encode("utf-8", "replace")):
            raise Forged
        return ticket
