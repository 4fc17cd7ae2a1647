"""How we identify ourselves to push services: VAPID (RFC 8292)."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from xmppd.plugins.push_service.roads.tokens import Kept, load_ec, signed

__all__ = ["VapidKey", "new_key"]

_GOOD = 12 * 3600  # seconds; more than 24 hours are refused (section 2)
_RENEWED = 6 * 3600  # seconds
_MOST_ORIGINS = 1_000


def new_key() -> str:
    """Return a new private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


class VapidKey:
    """Our key, and the tokens signed with it.

    :param pem: the private key.
    :param contact: whom a push service may write to: ``mailto:`` or ``https:``.
    :raises CredentialsError: it is no such key.
    :ivar public: the public key as clients take it (``applicationServerKey``): an uncompressed point in base64url.
    """

    def __init__(self, pem: str, contact: str) -> None:
        self._key = load_ec(pem, "the VAPID key")
        self._contact = contact
        self._tokens: dict[str, Kept] = {}
        point = self._key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = urlsafe_b64encode(point).rstrip(b"=").decode("ascii")

    def authorization(self, origin: str, now: float) -> str:
        """Return the field Authorization (section 3) for a push service.

        :param origin: of the endpoint.
        :param now: in seconds since the epoch.
        """
        kept = self._tokens.get(origin)
        if kept is None:
            if len(self._tokens) >= _MOST_ORIGINS:  # strangers choose what they are
                self._tokens.clear()
            kept = self._tokens[origin] = Kept(lambda now: self._token(origin, now), _RENEWED)
        return f"vapid t={kept.get(now)}, k={self.public}"

    def _token(self, origin: str, now: float) -> str:
        return signed(self._key, {"aud": origin, "exp": int(now) + _GOOD, "sub": self._contact})
