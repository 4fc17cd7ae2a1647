"""Tokens of programs (RFC 6750): 256 random bits, of which nothing is kept but a SHA-256 digest.

Their id is the beginning of another digest, so that a token can be found, and named to people, without being known.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, LargeBinary, MetaData, Table, Text, delete, insert, select, update

__all__ = [
    "METADATA",
    "TOKENS",
    "Token",
    "add",
    "bearer",
    "delete_by_id",
    "delete_of",
    "digest_of",
    "find",
    "id_of",
    "listing",
    "new_text",
    "used",
]

METADATA = MetaData()
TOKENS = Table(
    "rest_tokens",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("host", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Float),
    Column("used_at", Float),
)
_COLUMNS = tuple(column.name for column in TOKENS.columns)
_TEXT = re.compile(r"xmppd_[A-Za-z0-9_-]{43}")
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token.

    :ivar host: the domain it is for; "" if it is for the whole server.
    :ivar expires_at: seconds since the epoch; None: never.
    :ivar used_at: the same, to a minute; None: not yet.
    """

    id: str
    digest: bytes
    host: str
    label: str
    scopes: tuple[str, ...]
    created_at: float
    created_by: str
    expires_at: float | None
    used_at: float | None = None


def new_text() -> str:
    """Return a new token."""
    return f"xmppd_{secrets.token_urlsafe(_OCTETS)}"


def digest_of(text: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(text.encode()).digest()


def id_of(text: str) -> str:
    """Return a token's id: 16 hexadecimal digits."""
    return hashlib.sha256(b"id:" + text.encode()).hexdigest()[:16]


def bearer(authorization: str) -> str | None:
    """Return the token in an Authorization field (RFC 6750 section 2.1), or None if that can be none."""
    match = _BEARER.fullmatch(authorization)
    return match[1] if match and _TEXT.fullmatch(match[1]) else None


def add(connection: Connection, token: Token) -> None:
    """Keep a new token."""
    values = {name: getattr(token, name) for name in _COLUMNS if name != "scopes"}
    connection.execute(insert(TOKENS).values(**values, scopes=",".join(token.scopes)))


def find(connection: Connection, text: str, host: str) -> Token | None:
    """Return the token, if it is one that counts on a host; whether it has expired is not looked at."""
    row = connection.execute(select(TOKENS).where(TOKENS.c.id == id_of(text))).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.digest), digest_of(text)) or row.host not in ("", host):
        return None
    return _token(row)


def listing(connection: Connection, hosts: Sequence[str], limit: int, after: str) -> list[Token]:
    """Return tokens in the order of their ids.

    :param hosts: the domains they are for; "" is among them if those for the server are wanted.
    :param limit: how many; 0 is no limit.
    """
    query = select(TOKENS).where(TOKENS.c.host.in_(hosts), TOKENS.c.id > after).order_by(TOKENS.c.id)
    return [_token(row) for row in connection.execute(query.limit(limit) if limit else query)]


def delete_by_id(connection: Connection, id: str, hosts: Sequence[str]) -> bool:
    """Delete a token. Was there one?"""
    return connection.execute(delete(TOKENS).where(TOKENS.c.id == id, TOKENS.c.host.in_(hosts))).rowcount > 0


def delete_of(connection: Connection, makers: Sequence[str]) -> list[str]:
    """Delete what somebody has made, and return the ids.

    :param makers: what they are called.
    """
    which = TOKENS.c.created_by.in_(makers)
    ids = list(connection.execute(select(TOKENS.c.id).where(which)).scalars())
    connection.execute(delete(TOKENS).where(which))
    return ids


def used(connection: Connection, id: str, now: float) -> None:
    """Remember that a token was used."""
    connection.execute(update(TOKENS).where(TOKENS.c.id == id).values(used_at=now))


def _token(row: object) -> Token:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Token(**{**values, "digest": bytes(values["digest"]), "scopes": tuple(values["scopes"].split(","))})
