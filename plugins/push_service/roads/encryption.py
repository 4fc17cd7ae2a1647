"""What only the subscriber's browser can read: RFC 8291, which is RFC 8188 with a key that both sides agree on."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["MOST", "RECORD", "Subscription", "base64url", "encrypt", "octets_of", "subscription"]

RECORD = 4_096  # octets, which is what a push service has to take at least (RFC 8030 section 7.2)
#: Octets of a payload: a record less its header with our key, the tag and one octet of padding (RFC 8291 section 4).
MOST = RECORD - 86 - 17
_POINT, _SECRET, _SALT = 65, 16, 16
_LONGEST = 2_048  # octets of an endpoint


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a browser, or a UnifiedPush distributor, is reached (the Push API's PushSubscription).

    :ivar endpoint: the URL.
    :ivar key: the subscriber's public key, an uncompressed point.
    :ivar auth: the secret that the subscriber shares with us.
    """

    endpoint: str
    key: bytes
    auth: bytes

    @property
    def origin(self) -> str:
        """Scheme, host and port of the endpoint, in the form of RFC 6454 section 6.2, which VAPID is about."""
        parts = urlsplit(self.endpoint)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
        return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def subscription(target: Mapping[str, str]) -> Subscription:
    """Read where a parcel goes.

    :param target: ``endpoint``, ``p256dh`` and ``auth``, the latter two in base64url.
    :raises ValueError: it can't be encrypted for, or sent to; the text says why.
    """
    endpoint = target.get("endpoint", "")
    if not _is_url(endpoint):
        raise ValueError("the endpoint is no URL that can be pushed to")
    key, auth = octets_of(target.get("p256dh", ""), "p256dh"), octets_of(target.get("auth", ""), "auth")
    if len(auth) != _SECRET:
        raise ValueError(f"auth has {len(auth)} octets, not {_SECRET}")
    if len(key) != _POINT:
        raise ValueError(f"p256dh has {len(key)} octets, not {_POINT}")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise ValueError("p256dh is no point on the curve P-256") from None
    return Subscription(endpoint, key, auth)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme in ("https", "http") and parts.hostname and parts.port != 0) and len(text) <= _LONGEST
    except ValueError:
        return False


def encrypt(
    plain: bytes, to: Subscription, key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """Return a payload as one record of the content encoding ``aes128gcm``.

    :param key, salt: used once and never again; made, unless a test knows better.
    :raises ValueError: there is nothing to encrypt, or more than :data:`MOST` octets.
    """
    if not 0 < len(plain) <= MOST:
        raise ValueError(f"a push has 1 to {MOST} octets, not {len(plain)}")
    key = key or ec.generate_private_key(ec.SECP256R1())
    sealed: bytes = http_ece.encrypt(
        plain, salt or os.urandom(_SALT), private_key=key, dh=to.key, auth_secret=to.auth, rs=RECORD
    )
    return sealed


def base64url(octets: bytes) -> str:
    """Return octets in base64url, without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def octets_of(text: str, what: str) -> bytes:
    """Read base64url, with padding or without; and plain base64, which some clients send.

    :raises ValueError: it is neither; `what` is named.
    """
    text = text.strip().rstrip("=").translate(str.maketrans("+/", "-_"))
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        raise ValueError(f"{what} is no base64url") from None
