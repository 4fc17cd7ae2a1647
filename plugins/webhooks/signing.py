"""How requests are signed, so that their receiver knows who sent them: as the Standard Webhooks specification has it.

Signed is ``ID.TIMESTAMP.BODY`` by HMAC-SHA256 (RFC 2104), with the secret's octets: what follows ``whsec_``, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

__all__ = ["headers", "new_secret", "signature"]

_PREFIX = "whsec_"
_OCTETS = 32


def new_secret() -> str:
    """Return a secret of 256 random bits, in the form in which libraries take it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_OCTETS)).decode()


def signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the field ``webhook-signature``.

    :param id: of the request; the same if it is sent again.
    :param timestamp: when it is sent, in seconds since the epoch.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(secret: str, id: str, now: float, body: bytes) -> dict[str, str]:
    """Return the header fields of a request.

    :param now: in seconds since the epoch.
    """
    return {
        "Content-Type": "application/json",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(int(now)),
        "Webhook-Signature": signature(secret, id, int(now), body),
    }
