"""The same request twice is done once (draft-ietf-httpapi-idempotency-key-header): answers by Idempotency-Key.

What was asked is noted, on disk, before it is done, and what was answered afterwards. The answer may hold a password,
so it is kept in a form that only who has the token can read: it is encrypted by a key made from the token, which the
server doesn't keep, and that a request is the same is told by an HMAC with another such key.

If the server was stopped in between, nobody knows whether it was done, and that is what a repetition is told.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    LargeBinary,
    Table,
    Text,
    and_,
    delete,
    insert,
    select,
    update,
)

from xmppd.api.http import Headers, Response
from xmppd.plugins.rest.problems import Problem
from xmppd.plugins.rest.tokens import METADATA

__all__ = ["ANSWERS", "Known", "Seal", "begin", "finish", "forget", "forget_before", "key_in", "release"]

ANSWERS = Table(
    "rest_answers",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("at", Float, nullable=False, index=True),
    Column("answer", LargeBinary),
)
#: A String of RFC 9651 section 3.3.3; that many clients leave out the quotes is let pass.
_FIELD = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"|([\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+)')
_LONGEST = 255
_NONCE = 12


class Known(Enum):
    """What is known of a request with a key, if it has no answer."""

    #: It was not there before; it is noted now.
    NEW = "new"
    #: It was begun, and has no answer.
    BEGUN = "begun"
    #: The key was used with another request.
    OTHER = "other"


def key_in(headers: Mapping[str, str]) -> str | None:
    """Return the key that a request has; None if it has none.

    :raises Problem: it is no key (400).
    """
    field = headers.get("idempotency-key")
    if field is None:
        return None
    match = _FIELD.fullmatch(field.strip())
    key = "" if match is None else match[2] or re.sub(r"\\(.)", r"\1", match[1])
    if not 0 < len(key) <= _LONGEST:
        raise Problem(400, "invalid-idempotency-key",
                      f"Idempotency-Key must be a text in quotes, of 1 to {_LONGEST} characters of ASCII.")  # fmt: skip
    return key


@dataclass(frozen=True)
class Seal:
    """Closes and opens the answers that were given to a token.

    :param token: the token itself.
    """

    token: str

    def _secret(self, purpose: bytes) -> bytes:
        return hmac.digest(self.token.encode(), b"xmppd rest " + purpose, hashlib.sha256)

    def fingerprint(self, *parts: bytes) -> bytes:
        """Return what tells a request from others, and tells nothing of it to who doesn't know the token."""
        told = hmac.new(self._secret(b"request"), digestmod=hashlib.sha256)
        for part in parts:
            told.update(len(part).to_bytes(8, "big") + part)
        return told.digest()

    def close(self, answer: Response, key: str) -> bytes:
        """Return an answer in the form in which it is kept."""
        head = {"status": answer.status, "type": answer.type, "headers": dict(answer.headers)}
        text = json.dumps(head).encode() + b"\n" + answer.body
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._secret(b"answer")).encrypt(nonce, text, key.encode())

    def open(self, kept: bytes, key: str) -> Response:
        """Return an answer that was kept."""
        text = AESGCM(self._secret(b"answer")).decrypt(kept[:_NONCE], kept[_NONCE:], key.encode())
        head, _, body = text.partition(b"\n")
        fields = json.loads(head)
        return Response(fields["status"], body, fields["type"], Headers(fields["headers"]))


def begin(
    connection: Connection, host: str, token: str, key: str, request: bytes, now: float, since: float
) -> bytes | Known:
    """Return the answer that was given to a request with that key, or note that it is going to be done.

    :param token: the token's id.
    :param request: the request's fingerprint.
    :param since: what is older doesn't count any more; seconds since the epoch.
    """
    which = _which(host, token, key)
    row = connection.execute(select(ANSWERS).where(which)).one_or_none()
    if row is not None and row.at <= since:
        connection.execute(delete(ANSWERS).where(which))
        row = None
    if row is None:
        values = {"host": host, "token": token, "key": key, "request": request, "at": now, "answer": None}
        connection.execute(insert(ANSWERS).values(values))
        return Known.NEW
    if not hmac.compare_digest(bytes(row.request), request):
        return Known.OTHER
    return Known.BEGUN if row.answer is None else bytes(row.answer)


def finish(connection: Connection, host: str, token: str, key: str, answer: bytes) -> None:
    """Keep the answer to a request."""
    connection.execute(update(ANSWERS).where(_which(host, token, key)).values(answer=answer))


def release(connection: Connection, host: str, token: str, key: str) -> None:
    """Forget a request that was not done, so that it can be sent again."""
    connection.execute(delete(ANSWERS).where(_which(host, token, key)))


def forget(connection: Connection, token: str) -> None:
    """Forget what a token was answered."""
    connection.execute(delete(ANSWERS).where(ANSWERS.c.token == token))


def forget_before(connection: Connection, host: str, time: float) -> None:
    """Forget all of a host that is older; in seconds since the epoch. Each says itself for how long it keeps them."""
    connection.execute(delete(ANSWERS).where(ANSWERS.c.host == host, ANSWERS.c.at <= time))


def _which(host: str, token: str, key: str) -> ColumnElement[bool]:
    return and_(ANSWERS.c.host == host, ANSWERS.c.token == token, ANSWERS.c.key == key)
