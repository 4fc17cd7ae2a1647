"""A push service (RFC 8030), and its browsers: messages are decrypted (RFC 8291), VAPID is checked (RFC 8292).

Decryption is written from the RFCs, with nothing but primitives: it shares no mistake with what encrypts.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey

from xmppd.api.http import Headers, Request, Response
from xmppd.testing.vendors.vendor import Gone, Pushed, Rejected, Vendor, claims_of, fields

__all__ = ["Subscriber", "WebPushService", "decrypt"]

ORIGIN = "https://push.example"
_MOST = 4_096
_DAY = 86_400
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_VAPID = re.compile(r"vapid\s+t=([^,\s]+)\s*,\s*k=([^,\s]+)")
_NAMES = ("ttl", "urgency", "topic", "content-encoding", "content-type")
#: What Mozilla's server says with each status.
_WORDS = {
    "400": "The request is not what it has to be", "401": "Request did not validate", "403": "Wrong VAPID key",
    "404": "No such subscription", "410": "Request references an unsubscribed channel",
    "413": "Payload is too large", "429": "Too many requests", "500": "Server trouble", "503": "Overloaded",
}  # fmt: skip


@dataclass(slots=True)
class Subscriber:
    """A browser with a subscription, or a UnifiedPush app.

    :ivar application_key: the VAPID key that it was made for, if it was made for one.
    :ivar messages: what it has got, decrypted.
    """

    endpoint: str
    key: ec.EllipticCurvePrivateKey
    auth: bytes
    application_key: str = ""
    messages: list[bytes] = field(default_factory=list)

    @property
    def p256dh(self) -> bytes:
        """The public key, an uncompressed point."""
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def target(self) -> dict[str, str]:
        """What whoever wants to push is told: ``endpoint``, ``p256dh``, ``auth``."""
        return {"endpoint": self.endpoint, "p256dh": _text(self.p256dh), "auth": _text(self.auth)}


class WebPushService(Vendor):
    """A push service at ``https://push.example``, or elsewhere.

    :ivar subscribers: by endpoint. Who unsubscribes is in `gone`.
    :ivar origin: of the endpoints.
    """

    def __init__(self, now: Callable[[], float], origin: str = ORIGIN) -> None:
        super().__init__(now)
        self.origin = origin
        self.subscribers: dict[str, Subscriber] = {}
        self.gone: set[str] = set()

    def subscribe(self, application_key: str = "") -> Subscriber:
        """Return a new subscriber."""
        endpoint = f"{self.origin}/push/{secrets.token_urlsafe(24)}"
        key = ec.generate_private_key(ec.SECP256R1())
        self.subscribers[endpoint] = Subscriber(endpoint, key, secrets.token_bytes(16), application_key)
        return self.subscribers[endpoint]

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """End a subscription."""
        self.gone.add(self.subscribers.pop(subscriber.endpoint).endpoint)

    def check(self, request: Request) -> Pushed:
        """See Vendor."""
        if request.path in self.gone:
            raise Gone("410", "the subscription has ended")
        subscriber = self.subscribers.get(request.path)
        if subscriber is None:
            raise Rejected("404", "there is no such subscription")
        if request.method != "POST":
            raise Rejected("405", "a push is a POST")
        self._check_vapid(request, subscriber)
        _check_fields(request.headers)
        if len(request.body) > _MOST:
            raise Rejected("413", f"{len(request.body)} octets")
        content = b""
        if request.body:
            if request.headers.get("content-encoding") != "aes128gcm":
                raise Rejected("400", "Content-Encoding has to be aes128gcm")
            try:
                content = decrypt(request.body, subscriber.key, subscriber.auth)
            except ValueError as error:
                raise Rejected("400", str(error)) from None
        return Pushed(request.path, content, fields(request.headers, *_NAMES))

    def _check_vapid(self, request: Request, subscriber: Subscriber) -> None:
        found = _VAPID.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            raise Rejected("401", "Authorization has to be vapid t=..., k=...")
        token, public = found.groups()
        if subscriber.application_key and public != subscriber.application_key:
            raise Rejected("403", "the subscription is for another application server key")
        try:
            check_vapid(token, public, self.origin, self.now())
        except ValueError as error:
            raise Rejected("401", str(error)) from None

    def accepted(self, request: Request, pushed: Pushed) -> Response:
        """See Vendor."""
        self.subscribers[pushed.device].messages.append(pushed.content)
        place = f"{self.origin}/message/{len(self.pushed)}"
        return Response(201, headers=Headers({"location": place, "ttl": pushed.headers["ttl"]}))

    def refusal(self, error: str, text: str, headers: Mapping[str, str]) -> Response:
        """See Vendor: as Mozilla's server has it."""
        said = {"code": int(error), "errno": 999, "error": _WORDS.get(error, "Error"), "message": text}
        made = Response.json(said, int(error))
        return Response(made.status, made.body, made.type, Headers(headers))


def check_vapid(token: str, public: str, origin: str, now: float) -> None:
    """Look at a VAPID token (RFC 8292 section 2).

    :param public: the key that it says it is signed with, in base64url.
    :raises ValueError: it doesn't prove anything to that push service now.
    """
    point = _octets(public)
    if len(point) != 65 or point[0] != 4:
        raise ValueError("k is no uncompressed point")
    x, y = _text(point[1:33]), _text(point[33:])
    try:
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        header, claims = claims_of(token, key, "ES256")
    except ValueError as error:
        raise ValueError(f"the VAPID token is not good: {error}") from None
    if header.get("alg") != "ES256" or header.get("typ", "JWT") != "JWT":
        raise ValueError(f"the header of the token is {header}")
    if claims.get("aud") != origin:
        raise ValueError(f"aud is {claims.get('aud')!r}, not {origin!r}")
    ends = claims.get("exp")
    if not isinstance(ends, int) or not now < ends <= now + _DAY:
        raise ValueError(f"exp is {ends}, and now is {now}")
    if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
        raise ValueError(f"sub is {claims.get('sub')!r}")


def _check_fields(headers: Headers) -> None:
    ttl = headers.get("ttl", "")
    if not (ttl.isascii() and ttl.isdecimal()):
        raise Rejected("400", f"TTL is {ttl!r}")
    if headers.get("urgency", "normal") not in ("very-low", "low", "normal", "high"):
        raise Rejected("400", f"Urgency is {headers['urgency']!r}")
    if "topic" in headers and not _TOPIC.fullmatch(headers["topic"]):
        raise Rejected("400", f"Topic is {headers['topic']!r}")


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Return what is in the body of a push (RFC 8291 section 4): one record of aes128gcm (RFC 8188 section 2).

    :raises ValueError: it can't be decrypted.
    """
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20] if len(body) > 20 else 0
    sender, record = body[21 : 21 + length], body[21 + length :]
    if length != 65 or size < 18 or not 18 <= len(record) <= size:
        raise ValueError("the body does not have the form of aes128gcm in one record")
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    ours = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = _hkdf(auth, key.exchange(ec.ECDH(), other), b"WebPush: info\0" + ours + sender, 32)
    secret = _hkdf(salt, shared, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, shared, b"Content-Encoding: nonce\0", 12)  # of record 0, so there is nothing to add to it
    try:
        padded = AESGCM(secret).decrypt(nonce, record, None).rstrip(b"\0")
    except InvalidTag:
        raise ValueError("the body was not encrypted for this subscriber") from None
    if not padded.endswith(b"\x02"):
        raise ValueError("the last record has to end in 2")
    return padded[:-1]


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def origin_of(url: str) -> str:
    """Return the origin of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
