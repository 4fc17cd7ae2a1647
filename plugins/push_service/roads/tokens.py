"""Signed tokens that we identify ourselves with (JWT, RFC 7519), kept as long as they are good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from xmppd.plugins.push_service.roads.contract import CredentialsError

__all__ = ["Kept", "Key", "load_ec", "load_rsa", "signed"]

Key = ECKey | RSAKey


@dataclass(slots=True)
class Kept:
    """A token that is made again when it gets old.

    :ivar make: makes one; it is given the time.
    :ivar seconds: for which one is used.
    """

    make: Callable[[float], str]
    seconds: float
    _token: str = ""
    _made_at: float = 0.0

    def get(self, now: float) -> str:
        """Return a token that is good now. A clock that was set back makes it a new one, too."""
        if not self._token or not 0 <= now - self._made_at < self.seconds:
            self._token, self._made_at = self.make(now), now
        return self._token

    def renew(self, now: float, after: float) -> bool:
        """It was refused: have the next one be new, unless this one is younger than `after` seconds. Is it?"""
        if now - self._made_at < after:
            return False
        self._token = ""
        return True


def load_ec(pem: str, what: str) -> ECKey:
    """Read a private key on the curve P-256, for ES256.

    :param what: is named if it can't be used.
    :raises CredentialsError: it is none.
    """
    try:
        key = ECKey.import_key(pem)
    except (ValueError, TypeError, JoseError):
        raise CredentialsError(f"{what} is no private key in PEM (-----BEGIN PRIVATE KEY-----)") from None
    if not key.is_private or key.curve_name != "P-256":
        raise CredentialsError(f"{what} is not a private key on the curve P-256")
    return key


def load_rsa(pem: str, what: str) -> RSAKey:
    """Read a private key of RSA, for RS256.

    :raises CredentialsError: it is none.
    """
    try:
        key = RSAKey.import_key(pem)
    except (ValueError, TypeError, JoseError):
        raise CredentialsError(f"{what} is no private key of RSA in PEM") from None
    if not key.is_private:
        raise CredentialsError(f"{what} is a public key, not the private one")
    return key


def signed(key: Key, claims: Mapping[str, Any], key_id: str = "") -> str:
    """Return a JWT with these claims."""
    header = {"alg": "ES256" if isinstance(key, ECKey) else "RS256"} | ({"kid": key_id} if key_id else {})
    return jwt.encode(header, dict(claims), key)
